//! The LMTP door: one reply for each recipient, and the truth in each.

use tamis_domain::envelope::Door;
use tamis_domain::plan::{Action, Plan};
use tamis_domain::status::Status;

use super::hop::{Act, Hop};
use super::house::House;
use super::scanner::{Scanner, group};
use super::talk::{MAIL, Talk};

#[tokio::test]
async fn a_mail_passes_with_its_header_edited_and_two_mails_share_a_session() {
    let house = House::with(Scanner::accepting().await).await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    for count in 1..=2 {
        let replies = mta.mail(&["b@example.com"], MAIL, 1).await;
        assert_eq!(replies, ["250 2.0.0 queued as ABC"]);
        let taken = house.hop.taken();
        assert_eq!(taken.len(), count);
        let last = &taken[count - 1];
        assert_eq!(last.from, "MAIL FROM:<s@example.org>");
        assert_eq!(last.to, ["RCPT TO:<b@example.com>"]);
        let expect = MAIL.replace("X-Tamis-Status: trusted\r\n", "");
        assert_eq!(last.text, format!("X-Tamis-Status: not_detected\r\n{expect}"));
    }
    assert_eq!(mta.say("QUIT").await, "221 2.0.0 bye");
    assert_eq!(house.hop.heard("EHLO"), 1, "the connection to the next hop is kept between mails");
}

#[tokio::test]
async fn recipients_of_different_groups_get_their_own_mail_and_their_own_reply() {
    let scanner = Scanner::planning(|_| Plan {
        groups: vec![
            group("calm", vec![0, 4], Status::NotDetected, Action::Accept),
            group("strict", vec![1], Status::Spam, Action::Reject { text: "spam (id 7)".into() }),
            group("later", vec![2], Status::Spam, Action::Tempfail { text: "later (id 7)".into() }),
            group("quiet", vec![3], Status::Spam, Action::Discard),
            group("held", vec![5], Status::Infected, Action::Quarantine { reason: "x".into() }),
            group(
                "sent",
                vec![6],
                Status::Spam,
                Action::Redirect { to: vec!["spam@example.net".into()] },
            ),
            group(
                "both",
                vec![7],
                Status::Formal,
                Action::Copy { to: vec!["log@example.net".into()] },
            ),
        ],
    })
    .await;
    let house = House::with(scanner).await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    let to: Vec<String> = (0..8).map(|number| format!("r{number}@example.com")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let replies = mta.mail(&to, MAIL, 8).await;
    let queued = "250 2.0.0 queued as ABC";
    let expect = [
        queued,
        "550 5.7.1 spam (id 7)",
        "451 4.7.1 later (id 7)",
        "250 2.0.0 ok",
        queued,
        queued,
        queued,
        queued,
    ];
    assert_eq!(replies, expect);
    let taken: Vec<(Vec<String>, String)> = house
        .hop
        .taken()
        .into_iter()
        .map(|mail| (mail.to, mail.text.lines().next().unwrap().to_owned()))
        .collect();
    let mail = |to: &[&str], status: &str| {
        let to = to.iter().map(|to| format!("RCPT TO:<{to}>")).collect::<Vec<_>>();
        (to, format!("X-Tamis-Status: {status}"))
    };
    let expect = [
        mail(&["r0@example.com", "r4@example.com"], "not_detected"),
        mail(&["r5@example.com"], "infected"),
        mail(&["spam@example.net"], "spam"),
        mail(&["r7@example.com", "log@example.net"], "formal"),
    ];
    assert_eq!(taken, expect);
}

#[tokio::test]
async fn the_next_hops_own_refusals_reach_the_recipients_they_are_about() {
    let hop = Hop::ruled(|line, _| match line {
        "RCPT TO:<gone@example.com>" => Some(Act::Say("550 5.1.1 no such user")),
        "RCPT TO:<full@example.com>" => Some(Act::Say("452 4.2.2 mailbox full")),
        _ => None,
    })
    .await;
    let house = House::configured(Scanner::accepting().await, hop, "").await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    let replies =
        mta.mail(&["gone@example.com", "b@example.com", "full@example.com"], MAIL, 3).await;
    assert_eq!(
        replies,
        ["550 5.1.1 no such user", "250 2.0.0 queued as ABC", "452 4.2.2 mailbox full"]
    );
    let replies = mta.mail(&["gone@example.com"], MAIL, 1).await;
    assert_eq!(replies, ["550 5.1.1 no such user"]);
    assert_eq!(house.hop.taken().len(), 1);
}

#[tokio::test]
async fn where_the_policy_sends_mail_elsewhere_and_that_fails_the_mail_is_not_lost() {
    let scanner = Scanner::planning(|_| Plan {
        groups: vec![
            group(
                "sent",
                vec![0],
                Status::Spam,
                Action::Redirect { to: vec!["x@example.net".into()] },
            ),
            group(
                "both",
                vec![1],
                Status::Formal,
                Action::Copy { to: vec!["x@example.net".into()] },
            ),
        ],
    })
    .await;
    let hop = Hop::ruled(|line, _| {
        (line == "RCPT TO:<x@example.net>").then_some(Act::Say("550 5.1.1 no such user"))
    })
    .await;
    let house = House::configured(scanner, hop, "").await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    let replies = mta.mail(&["a@example.com", "b@example.com"], MAIL, 2).await;
    assert!(replies[0].starts_with("451 4.3.5"), "{replies:?}");
    assert_eq!(replies[1], "250 2.0.0 queued as ABC", "a lost copy does not hold the mail");
}

#[tokio::test]
async fn facts_about_the_client_come_in_by_xforward_and_go_on() {
    let house = House::with(Scanner::accepting().await).await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    mta.agree("XFORWARD NAME=mx.example.org ADDR=192.0.2.7 PORT=4711").await;
    mta.agree("XFORWARD PROTO=ESMTP HELO=mx.example.org IDENT=4XyZ SOURCE=REMOTE").await;
    mta.mail(&["b@example.com"], MAIL, 1).await;
    let envelope = &house.scanners[0].offers()[0].envelope;
    let client = envelope.client.clone().unwrap();
    assert_eq!(
        (client.address.to_string(), client.name),
        ("192.0.2.7".into(), Some("mx.example.org".into()))
    );
    assert_eq!(
        (envelope.helo.as_deref(), envelope.queue_id.as_deref()),
        (Some("mx.example.org"), Some("4XyZ"))
    );
    assert_eq!((envelope.door, envelope.verified), (Door::Lmtp, true));
    let taken = &house.hop.taken()[0];
    let told = "XFORWARD NAME=mx.example.org ADDR=192.0.2.7 PORT=4711 PROTO=ESMTP HELO=mx.example.org IDENT=4XyZ SOURCE=REMOTE";
    assert_eq!(taken.xforward, [told]);
    mta.mail(&["b@example.com"], MAIL, 1).await;
    assert_eq!(house.scanners[0].offers()[1].envelope.client, None, "told for one mail only");
}

#[tokio::test]
async fn a_stranger_is_not_believed_and_speaks_for_itself() {
    let hop = Hop::willing().await;
    let house = House::configured(Scanner::accepting().await, hop, "trusted_peers = []").await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    assert!(mta.say("XFORWARD ADDR=192.0.2.7").await.starts_with("550"));
    mta.mail(&["b@example.com"], MAIL, 1).await;
    let envelope = &house.scanners[0].offers()[0].envelope;
    assert_eq!(envelope.client.as_ref().unwrap().address.to_string(), "127.0.0.1");
    assert_eq!(envelope.helo.as_deref(), Some("mta.test"));
}

#[tokio::test]
async fn senders_and_parameters_pass_as_they_came() {
    let house = House::with(Scanner::accepting().await).await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    mta.agree("MAIL FROM:<> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=abc SMTPUTF8").await;
    mta.agree("RCPT TO:<j\u{f6}rg@example.com> NOTIFY=NEVER ORCPT=rfc822;x@example.com").await;
    mta.agree("DATA").await;
    let text = "Subject: \u{e9}\r\n\r\n..dots\r\n.\u{e9}\r\n";
    mta.send(&text.replace("\r\n.", "\r\n..")).await;
    assert!(mta.say(".").await.starts_with("250"));
    let taken = &house.hop.taken()[0];
    assert_eq!(taken.from, "MAIL FROM:<> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=abc SMTPUTF8");
    assert_eq!(
        taken.to,
        ["RCPT TO:<j\u{f6}rg@example.com> NOTIFY=NEVER ORCPT=rfc822;x@example.com"]
    );
    assert!(taken.text.ends_with(text), "{}", taken.text);
    let envelope = &house.scanners[0].offers()[0].envelope;
    assert!(envelope.is_null_sender() && envelope.recipients == ["j\u{f6}rg@example.com"]);
}
