//! The SMTP door: the next hop's own words, and success only after its success.

use tamis_domain::envelope::Door;
use tamis_domain::plan::{Action, Plan};
use tamis_domain::status::Status;

use super::hop::{Act, Hop};
use super::house::House;
use super::scanner::{Scanner, Script, all, group};
use super::talk::{MAIL, Talk};

#[tokio::test]
async fn before_the_queue_one_mail_passes_and_the_client_leaves_without_waiting() {
    let house = House::with(Scanner::accepting().await).await;
    let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
    mta.agree("XFORWARD NAME=mx.example.org ADDR=192.0.2.7 PROTO=ESMTP HELO=mx SOURCE=REMOTE")
        .await;
    let replies = mta.mail(&["b@example.com", "c@example.com"], MAIL, 1).await;
    assert_eq!(replies, ["250 2.0.0 queued as ABC"]);
    mta.send("QUIT\r\n").await;
    drop(mta);
    let taken = house.hop.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].to, ["RCPT TO:<b@example.com>", "RCPT TO:<c@example.com>"]);
    assert!(taken[0].text.starts_with("X-Tamis-Status: not_detected\r\nFrom:"));
    assert_eq!(taken[0].xforward.len(), 1);
    house.until(|house| house.metric("tamis_edge_connections{door=\"smtp\"}") == 0).await;
}

#[tokio::test]
async fn what_the_next_hop_offers_is_what_is_announced() {
    let hop = Hop::ruled(|line, _| match line {
        "EHLO edge.test" => Some(Act::Say("250-hop.test\r\n250 SIZE 70000")),
        _ => None,
    })
    .await;
    let house = House::configured(Scanner::accepting().await, hop, "").await;
    let (mut mta, _) = Talk::connect(house.door(Door::Smtp)).await;
    let reply = mta.say("EHLO mta.test").await;
    assert!(reply.contains("SIZE 70000"), "{reply}");
    for missing in ["SMTPUTF8", "DSN", "8BITMIME", "CHUNKING"] {
        assert!(!reply.contains(missing), "{reply}");
    }
}

#[tokio::test]
async fn the_next_hops_refusals_are_told_at_each_step_and_nothing_is_taken() {
    for (at, act, step, expect) in [
        ("connect", Act::Say("554 5.3.2 not today"), "MAIL", "451 4.4.1"),
        ("connect", Act::Close, "MAIL", "451 4.4.1"),
        ("EHLO", Act::Close, "MAIL", "451 4.4.1"),
        ("MAIL", Act::Say("451 4.7.1 greylisted"), "MAIL", "451 4.7.1 greylisted"),
        ("MAIL", Act::Say("550 5.7.1 not you"), "MAIL", "550 5.7.1 not you"),
        ("MAIL", Act::Close, "MAIL", "451 4.4.1"),
        ("RCPT", Act::Say("450 4.2.1 later"), "RCPT", "450 4.2.1 later"),
        ("RCPT", Act::Say("550 5.1.1 no such user"), "RCPT", "550 5.1.1 no such user"),
        ("RCPT", Act::Say("421 4.3.2 closing"), "RCPT", "451 4.3.2 closing"),
        ("RCPT", Act::Close, "RCPT", "451 4.4.1"),
        ("DATA", Act::Say("451 4.3.0 later"), ".", "451 4.3.0 later"),
        ("DATA", Act::Say("554 5.5.1 no"), ".", "554 5.5.1 no"),
        ("DATA", Act::Close, ".", "451 4.4.1"),
        (".", Act::Say("451 4.3.0 disk"), ".", "451 4.3.0 disk"),
        (".", Act::Say("421 4.3.2 closing"), ".", "451 4.3.2 closing"),
        (".", Act::Say("554 5.6.0 content"), ".", "554 5.6.0 content"),
        (".", Act::Close, ".", "451 4.4.2"),
    ] {
        let rule_act = act.clone();
        let hop = Hop::ruled(move |line, _| line.starts_with(at).then(|| rule_act.clone())).await;
        let house = House::configured(Scanner::accepting().await, hop, "").await;
        let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
        let mut reply = mta.say("MAIL FROM:<s@example.org>").await;
        if step != "MAIL" {
            reply = mta.say("RCPT TO:<b@example.com>").await;
        }
        if step == "." {
            mta.agree("DATA").await;
            reply = mta.say(&format!("{MAIL}.")).await;
        }
        assert!(reply.starts_with(expect), "{at} {act:?}: {reply}");
        assert_eq!(house.hop.taken().len(), 0, "{at} {act:?}");
        // The session is still in step: the same mail passes once the next hop agrees.
        if !reply.starts_with("421") {
            house.hop.now_rules(|_, _| None);
            let _ = mta.say("RSET").await;
            let replies = mta.mail(&["b@example.com"], MAIL, 1).await;
            assert_eq!(replies, ["250 2.0.0 queued as ABC"], "{at} {act:?}");
        }
    }
}

#[tokio::test]
async fn a_next_hop_that_takes_the_mail_and_says_nothing_is_no_success() {
    let hop = Hop::ruled(|line, _| (line == ".").then_some(Act::TakeAndClose)).await;
    let house = House::configured(Scanner::accepting().await, hop, "").await;
    let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
    let replies = mta.mail(&["b@example.com"], MAIL, 1).await;
    assert!(replies[0].starts_with("451 4.4.2"), "{replies:?}");
}

#[tokio::test]
async fn a_silent_next_hop_is_given_up_in_time_at_each_step() {
    for at in ["connect", "MAIL", "RCPT", "DATA", "."] {
        let hop = Hop::ruled(move |line, _| line.starts_with(at).then_some(Act::Silence)).await;
        let house =
            House::configured(Scanner::accepting().await, hop, "next_hop_timeout_ms = 150").await;
        let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
        let mut last = String::new();
        for line in ["MAIL FROM:<s@example.org>", "RCPT TO:<b@example.com>", "DATA"] {
            last = mta.say(line).await;
            if last.starts_with('4') {
                break;
            }
        }
        if last.starts_with("354") {
            last = mta.say(&format!("{MAIL}.")).await;
        }
        assert!(last.starts_with("451"), "{at}: {last}");
        assert_eq!(house.hop.taken().len(), 0);
    }
}

#[tokio::test]
async fn refused_by_all_groups_is_refused_and_the_next_hop_never_hears_data() {
    for (action, expect) in [
        (Action::Reject { text: "spam (id 7)".into() }, "550 5.7.1 spam (id 7)"),
        (Action::Tempfail { text: "later (id 7)".into() }, "451 4.7.1 later (id 7)"),
        (Action::Discard, "250 2.0.0 ok"),
    ] {
        let scanner = Scanner::planning(move |offer| all(offer, action.clone())).await;
        let house = House::with(scanner).await;
        let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
        assert_eq!(mta.mail(&["b@example.com", "c@example.com"], MAIL, 1).await, [expect]);
        assert_eq!((house.hop.heard("DATA"), house.hop.taken().len()), (0, 0));
        assert_eq!(house.hop.heard("RSET"), 1, "the transaction at the next hop is closed");
    }
}

fn mixed(_: &tamis_domain::dialogue::Offer) -> Plan {
    Plan {
        groups: vec![
            group("calm", vec![0], Status::NotDetected, Action::Accept),
            group("strict", vec![1], Status::Spam, Action::Reject { text: "spam".into() }),
            group("quiet", vec![2], Status::Spam, Action::Discard),
            group("tagged", vec![3], Status::ProbableSpam, Action::Accept),
        ],
    }
}

#[tokio::test]
async fn refused_by_some_groups_only_it_reaches_them_marked() {
    let house = House::with(Scanner::planning(mixed).await).await;
    let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
    let to = ["r0@example.com", "r1@example.com", "r2@example.com", "r3@example.com"];
    assert_eq!(mta.mail(&to, MAIL, 1).await, ["250 2.0.0 queued as ABC"]);
    let mut taken: Vec<_> =
        house.hop.taken().into_iter().map(|mail| (mail.to, mail.text)).collect();
    taken.sort();
    let tos: Vec<_> = taken.iter().map(|(to, _)| to.join(",")).collect();
    assert_eq!(
        tos,
        ["RCPT TO:<r0@example.com>", "RCPT TO:<r1@example.com>", "RCPT TO:<r3@example.com>"]
    );
    assert!(taken[0].1.contains("X-Tamis-Status: not_detected\r\n"));
    assert!(
        taken[1].1.contains("X-Tamis-Status: spam\r\n")
            && taken[1].1.contains("X-Spam-Flag: YES\r\n")
    );
    assert!(taken[2].1.contains("X-Tamis-Status: probable_spam\r\n"));
    assert!(taken.iter().all(|(_, text)| !text.contains("trusted")), "the forged header is gone");
}

#[tokio::test]
async fn variants_taken_before_a_failure_are_not_delivered_again_by_the_retry() {
    // The second final dot is refused for now.
    let hop = Hop::ruled(|line, taken| {
        (line == "." && taken == 1).then_some(Act::Say("451 4.3.0 disk full"))
    })
    .await;
    let house = House::configured(Scanner::planning(mixed).await, hop, "").await;
    let to = ["r0@example.com", "r1@example.com", "r2@example.com", "r3@example.com"];
    let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
    assert_eq!(mta.mail(&to, MAIL, 1).await, ["451 4.3.0 disk full"]);
    assert_eq!(house.hop.taken().len(), 1, "after a failure nothing more is committed");
    house.hop.now_rules(|_, _| None);
    let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
    let retried = format!("Received: by mta.test; again\r\n{MAIL}");
    assert!(mta.mail(&to, &retried, 1).await[0].starts_with("250"));
    let mut tos: Vec<_> = house.hop.taken().into_iter().flat_map(|mail| mail.to).collect();
    tos.sort();
    assert_eq!(
        tos,
        ["RCPT TO:<r0@example.com>", "RCPT TO:<r1@example.com>", "RCPT TO:<r3@example.com>"]
    );
    assert!(mta.mail(&to, MAIL, 1).await[0].starts_with("250"));
    assert_eq!(house.hop.taken().len(), 6, "sent anew after success, it is a new mail");
}

#[tokio::test]
async fn a_variant_that_cannot_be_prepared_commits_none() {
    let seen = std::sync::atomic::AtomicUsize::new(0);
    // The first transaction is the door's own question; in the second round r3 is refused.
    let hop = Hop::ruled(move |line, _| {
        let again = line == "RCPT TO:<r3@example.com>"
            && seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 1;
        again.then_some(Act::Say("451 4.2.1 busy"))
    })
    .await;
    let house = House::configured(Scanner::planning(mixed).await, hop, "").await;
    let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
    let to = ["r0@example.com", "r1@example.com", "r2@example.com", "r3@example.com"];
    assert_eq!(mta.mail(&to, MAIL, 1).await, ["451 4.2.1 busy"]);
    assert_eq!(house.hop.taken().len(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_at_any_step_leaves_nothing_behind() {
    let scanner = Scanner::saying(Script::Silence).await;
    let house = House::configured(scanner, Hop::willing().await, "deadline_ms = 60000").await;
    let steps = ["MAIL FROM:<s@example.org>", "RCPT TO:<b@example.com>", "DATA"];
    for leave_after in 0..=4 {
        for door in [Door::Smtp, Door::Lmtp] {
            let verb = if door == Door::Smtp { "EHLO" } else { "LHLO" };
            let mut mta = Talk::hello(house.door(door), verb).await;
            for step in steps.iter().take(leave_after) {
                mta.agree(step).await;
            }
            if leave_after == 3 {
                mta.send("Subject: half\r\n").await;
            }
            if leave_after == 4 {
                let asked = house.scanners[0].offers().len();
                mta.send(&format!("{MAIL}.\r\n")).await;
                house.until(|house| house.scanners[0].offers().len() > asked).await;
            }
            drop(mta);
            let open = format!("tamis_edge_connections{{door=\"{}\"}}", door.word());
            house.until(|house| house.metric(&open) == 0).await;
            assert_eq!(house.metric("tamis_edge_mails_in_hand"), 0);
        }
    }
    assert_eq!((house.hop.heard("DATA"), house.hop.taken().len()), (0, 0));
}

#[tokio::test]
async fn a_client_that_leaves_while_the_next_hop_is_slow_has_nothing_delivered() {
    for door in [Door::Smtp, Door::Lmtp] {
        let hop = Hop::ruled(|line, _| (line == "DATA").then_some(Act::Silence)).await;
        let house =
            House::configured(Scanner::accepting().await, hop, "next_hop_timeout_ms = 60000").await;
        let verb = if door == Door::Smtp { "EHLO" } else { "LHLO" };
        let mut mta = Talk::hello(house.door(door), verb).await;
        for step in ["MAIL FROM:<s@example.org>", "RCPT TO:<b@example.com>", "DATA"] {
            mta.agree(step).await;
        }
        mta.send(&format!("{MAIL}.\r\n")).await;
        house.until(|house| house.hop.heard("DATA") == 1).await;
        drop(mta);
        let open = format!("tamis_edge_connections{{door=\"{}\"}}", door.word());
        house.until(|house| house.metric(&open) == 0).await;
        assert_eq!(house.metric("tamis_edge_mails_in_hand"), 0);
        assert_eq!(house.hop.taken().len(), 0, "{door:?}: whoever left comes again with it");
    }
}

#[tokio::test]
async fn who_connects_or_falls_silent_holds_no_connection_of_the_next_hop_and_its_mail_passes_all_the_same()
 {
    let config = "next_hop_idle_ms = 50";
    let house = House::configured(Scanner::accepting().await, Hop::willing().await, config).await;
    // The first one asks what to announce, and leaves.
    let mut first = Talk::hello(house.door(Door::Smtp), "EHLO").await;
    house.until(|house| house.hop.heard("QUIT") == 1).await;
    let idle = Talk::hello(house.door(Door::Smtp), "EHLO").await;
    assert_eq!(house.hop.heard("EHLO"), 1, "who only connects is no reason to");
    // Left after each step, and once in the middle of the content.
    let steps = ["MAIL FROM:<s@example.org>", "RCPT TO:<b@example.com>", "RCPT TO:<c@example.com>"];
    for (quits, step) in (2..).zip(steps) {
        first.agree(step).await;
        house.until(|house| house.hop.heard("QUIT") == quits).await;
    }
    first.agree("DATA").await;
    assert_eq!(first.say(&format!("{MAIL}.")).await, "250 2.0.0 queued as ABC");
    let taken = house.hop.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].to, ["RCPT TO:<b@example.com>", "RCPT TO:<c@example.com>"]);
    drop(idle);
}

#[tokio::test]
async fn a_next_hop_that_changes_its_mind_about_a_recipient_meanwhile_leaves_the_mail_with_the_client()
 {
    let house = House::configured(
        Scanner::accepting().await,
        Hop::willing().await,
        "next_hop_idle_ms = 50",
    )
    .await;
    let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
    mta.agree("MAIL FROM:<s@example.org>").await;
    mta.agree("RCPT TO:<b@example.com>").await;
    house.until(|house| house.hop.heard("QUIT") == 1).await;
    house.hop.now_rules(|line, _| {
        (line == "RCPT TO:<b@example.com>").then_some(Act::Say("450 4.2.1 full"))
    });
    let reply = mta.say("RCPT TO:<c@example.com>").await;
    assert!(reply.starts_with("451 4.4.1"), "{reply}");
    mta.agree("DATA").await;
    let reply = mta.say(&format!("{MAIL}.")).await;
    assert!(reply.starts_with("450 4.2.1"), "{reply}");
    assert_eq!(house.hop.taken().len(), 0);
}
