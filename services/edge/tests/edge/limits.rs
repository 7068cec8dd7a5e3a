//! Every limit of the edge at n and n + 1.

use tamis_domain::envelope::Door;

use super::hop::Hop;
use super::house::House;
use super::scanner::{Scanner, Script};
use super::talk::{MAIL, Talk};

const DOORS: [(Door, &str); 2] = [(Door::Lmtp, "LHLO"), (Door::Smtp, "EHLO")];

async fn house(config: &str) -> House {
    House::configured(Scanner::accepting().await, Hop::willing().await, config).await
}

#[tokio::test]
async fn one_mail_more_than_allowed_is_asked_to_come_back_at_once() {
    for (door, verb) in DOORS {
        let house = house("mails_max = 2").await;
        let mut first = Talk::hello(house.door(door), verb).await;
        let mut second = Talk::hello(house.door(door), verb).await;
        let mut third = Talk::hello(house.door(door), verb).await;
        first.agree("MAIL FROM:<>").await;
        second.agree("MAIL FROM:<>").await;
        assert!(third.say("MAIL FROM:<>").await.starts_with("421 4.3.2"));
        first.agree("RSET").await;
        let mut third = Talk::hello(house.door(door), verb).await;
        third.agree("MAIL FROM:<>").await;
        let away =
            format!("tamis_edge_turned_away_total{{door=\"{}\",why=\"mails\"}}", door.word());
        assert_eq!(house.metric(&away), 1);
    }
}

#[tokio::test]
async fn one_connection_more_than_allowed_hears_421() {
    for (door, verb) in DOORS {
        let house = house("connections_max = 2").await;
        let first = Talk::hello(house.door(door), verb).await;
        let _second = Talk::hello(house.door(door), verb).await;
        let (third, greeting) = Talk::connect(house.door(door)).await;
        assert!(greeting.starts_with("421 4.3.2"), "{greeting}");
        assert!(third.closed().await);
        drop(first);
        let open = format!("tamis_edge_connections{{door=\"{}\"}}", door.word());
        house.until(|house| house.metric(&open) == 1).await;
        Talk::hello(house.door(door), verb).await;
    }
}

#[tokio::test]
async fn one_recipient_more_than_allowed_is_sent_in_another_mail() {
    for (door, verb) in DOORS {
        let house = house("recipients_max = 100").await;
        let mut mta = Talk::hello(house.door(door), verb).await;
        mta.agree("MAIL FROM:<s@example.org>").await;
        for number in 0..100 {
            mta.agree(&format!("RCPT TO:<r{number}@example.com>")).await;
        }
        assert!(mta.say("RCPT TO:<one@example.com>").await.starts_with("452 4.5.3"));
        mta.agree("DATA").await;
        mta.send(&format!("{MAIL}.\r\n")).await;
        let due = if door == Door::Lmtp { 100 } else { 1 };
        for _ in 0..due {
            assert!(mta.hear().await.starts_with("250"));
        }
        assert_eq!(house.hop.taken()[0].to.len(), 100);
    }
}

#[tokio::test]
async fn a_mail_of_the_largest_size_passes_and_one_byte_more_does_not() {
    for (door, verb) in DOORS {
        let house = house("mail_bytes_max = 65536").await;
        let mut mta = Talk::hello(house.door(door), verb).await;
        let head = "Subject: x\r\n\r\n";
        let text = |size: usize| format!("{head}{}\r\n", "a".repeat(size - head.len() - 2));
        let replies = mta.mail(&["b@example.com"], &text(65536), 1).await;
        assert!(replies[0].starts_with("250"), "{replies:?}");
        let replies = mta.mail(&["b@example.com"], &text(65537), 1).await;
        assert!(replies[0].starts_with("552 5.3.4"), "{replies:?}");
        assert!(mta.say("MAIL FROM:<> SIZE=65537").await.starts_with("552 5.3.4"));
        assert_eq!(house.hop.taken().len(), 1);
    }
}

#[tokio::test]
async fn a_header_of_a_mebibyte_passes_and_one_byte_more_does_not() {
    let house = house("").await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    let header = |size: usize| {
        let line = format!("X-Filler: {}\r\n", "y".repeat(1000 - 12));
        let mut header = line.repeat(size / 1000);
        let rest = size - header.len();
        header.push_str(&format!("X-Rest: {}\r\n", "z".repeat(rest - 10)));
        assert_eq!(header.len(), size);
        header
    };
    for (size, expect) in [(1 << 20, "250"), ((1 << 20) + 1, "552 5.3.4")] {
        let text = format!("{}\r\nbody\r\n", header(size));
        let replies = mta.mail(&["b@example.com"], &text, 1).await;
        assert!(replies[0].starts_with(expect), "{size}: {replies:?}");
    }
}

#[tokio::test]
async fn addresses_longer_than_any_may_be_are_refused() {
    let house = house("").await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    let address = |length: usize| format!("{}@example.com", "a".repeat(length - 12));
    assert!(mta.say(&format!("MAIL FROM:<{}>", address(321))).await.starts_with("501"));
    mta.agree(&format!("MAIL FROM:<{}>", address(320))).await;
    assert!(mta.say(&format!("RCPT TO:<{}>", address(321))).await.starts_with("501"));
    mta.agree(&format!("RCPT TO:<{}>", address(320))).await;
}

#[tokio::test]
async fn a_spool_that_fails_keeps_the_mail_with_the_previous_hop() {
    for (door, verb) in DOORS {
        let config = "memory_bytes_per_mail = 16384\nspool_dir = \"/nonexistent/spool\"";
        let house = house(config).await;
        let mut mta = Talk::hello(house.door(door), verb).await;
        let big = format!("{MAIL}{}", "more text\r\n".repeat(3000));
        let replies = mta.mail(&["b@example.com"], &big, 1).await;
        assert!(replies[0].starts_with("452 4.3.1"), "{replies:?}");
        assert_eq!(house.hop.taken().len(), 0);
        let replies = mta.mail(&["b@example.com"], MAIL, 1).await;
        assert!(replies[0].starts_with("250"), "small mails need no spool: {replies:?}");
    }
}

#[tokio::test]
async fn silence_of_a_scanner_frees_its_place_at_the_deadline() {
    let scanner = Scanner::saying(Script::Silence).await;
    let house =
        House::configured(scanner, Hop::willing().await, "mails_max = 1\ndeadline_ms = 150").await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    for _ in 0..2 {
        let replies = mta.mail(&["b@example.com"], MAIL, 1).await;
        assert!(replies[0].starts_with("451 4.7.1"), "{replies:?}");
    }
}
