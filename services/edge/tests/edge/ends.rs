//! The end: what is in hand is finished in time, or stays with the previous hop.

use std::sync::Arc;

use tamis_domain::envelope::Door;
use tamis_domain::plan::Action;

use super::hop::Hop;
use super::house::House;
use super::scanner::{Scanner, Script, all};
use super::talk::{MAIL, Talk};

#[tokio::test]
async fn idle_sessions_are_sent_away_and_the_process_ends_at_once() {
    let house = House::with(Scanner::accepting().await).await;
    let mut lmtp = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    let mut smtp = Talk::hello(house.door(Door::Smtp), "EHLO").await;
    house.shutdown.request();
    assert!(lmtp.hear().await.starts_with("421"));
    assert!(smtp.hear().await.starts_with("421"));
    let door = house.door(Door::Lmtp);
    house.serving.await.unwrap();
    assert!(tokio::net::TcpStream::connect(door).await.is_err(), "nobody is let in any more");
}

#[tokio::test]
async fn a_mail_in_hand_is_finished_before_the_end() {
    let house = House::with(Scanner::accepting().await).await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    mta.begin(&["b@example.com"]).await;
    mta.send("Subject: half\r\n").await;
    house.shutdown.request();
    mta.send("\r\nthe rest\r\n.\r\n").await;
    assert_eq!(mta.hear().await, "250 2.0.0 queued as ABC");
    assert!(mta.hear().await.starts_with("421"));
    assert_eq!(house.hop.taken().len(), 1);
    house.serving.await.unwrap();
}

#[tokio::test]
async fn what_is_not_finished_in_time_stays_with_the_previous_hop() {
    for (door, verb) in [(Door::Lmtp, "LHLO"), (Door::Smtp, "EHLO")] {
        let scanner = Scanner::saying(Script::Silence).await;
        let config = "deadline_ms = 60000\ndrain_ms = 100";
        let house = House::configured(scanner, Hop::willing().await, config).await;
        let mut judging = Talk::hello(house.door(door), verb).await;
        judging.begin(&["b@example.com"]).await;
        judging.send(&format!("{MAIL}.\r\n")).await;
        let mut sending = Talk::hello(house.door(door), verb).await;
        sending.begin(&["b@example.com"]).await;
        house.until(|house| house.scanners[0].offers().len() == 1).await;
        house.shutdown.request();
        assert!(judging.hear().await.starts_with("421"), "{door:?}");
        assert!(sending.hear().await.starts_with("421"), "{door:?}");
        assert_eq!(house.hop.taken().len(), 0);
        house.serving.await.unwrap();
    }
}

#[tokio::test]
async fn an_edge_that_lost_its_scanner_takes_mail_again_when_it_is_back() {
    let scanner = Scanner::saying(Script::Refuse).await;
    let house = House::with(scanner).await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    assert!(mta.mail(&["b@example.com"], MAIL, 1).await[0].starts_with("451"));
    house.scanners[0].now_says(Script::Judge(Arc::new(|offer| all(offer, Action::Accept))));
    assert!(mta.mail(&["b@example.com"], MAIL, 1).await[0].starts_with("250"));
}
