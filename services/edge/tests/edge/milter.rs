//! The milter door: the plan in the MTA's words, as far as it lets us.

use std::sync::Arc;

use tamis_domain::envelope::Door;
use tamis_domain::plan::{Action, HeaderEdit, Plan};
use tamis_domain::status::Status;
use tamis_mail_protocols::milter::frame::Command;

use super::hop::{Act, Hop};
use super::house::House;
use super::milter_talk::Mta;
use super::scanner::{Scanner, Script, all, group};

/// What Postfix and Sendmail offer.
const ALL: u32 = 0x1ff;

async fn house(plan: impl Fn() -> Plan + Send + Sync + 'static, config: &str) -> House {
    let scanner = Scanner::planning(move |_| plan()).await;
    House::configured(scanner, Hop::willing().await, config).await
}

async fn verdict(house: &House, actions: u32, to: &[&str]) -> Vec<String> {
    let mut mta = Mta::connect(house.door(Door::Milter), actions).await;
    mta.message(to, "see you\r\n").await
}

/// Forged headers go, from the last to the first; then ours comes on top.
fn marked(status: &str) -> Vec<String> {
    vec![
        "m 2 X-Tamis-Status||".into(),
        "m 1 X-Tamis-Status||".into(),
        format!("i 0 X-Tamis-Status| {status}|"),
    ]
}

fn with(mut words: Vec<String>, more: &[&str]) -> Vec<String> {
    words.extend(more.iter().map(|word| (*word).to_owned()));
    words
}

#[tokio::test]
async fn each_action_in_the_words_of_the_mta() {
    let one = ["b@example.com"];
    for (action, expect) in [
        (Action::Accept, with(marked("spam"), &["c"])),
        (
            Action::Quarantine { reason: "held (id 7)".into() },
            with(marked("spam"), &["q held (id 7)|", "c"]),
        ),
        (
            Action::Redirect { to: vec!["spam@example.net".into()] },
            with(marked("spam"), &["+ <spam@example.net>|", "- <b@example.com>|", "c"]),
        ),
        (
            // To a recipient that is there already: added and removed by the same address, it would be nobody's mail.
            Action::Redirect { to: vec!["B@example.com".into()] },
            with(marked("spam"), &["c"]),
        ),
        (
            Action::Copy { to: vec!["log@example.net".into()] },
            with(marked("spam"), &["+ <log@example.net>|", "c"]),
        ),
        (
            Action::Reject { text: "spam 100% (id 7)".into() },
            vec!["y 550 5.7.1 spam 100%% (id 7)|".into()],
        ),
        (Action::Tempfail { text: "later".into() }, vec!["y 451 4.7.1 later|".into()]),
        (Action::Discard, vec!["d".into()]),
    ] {
        let planned = action.clone();
        let plan =
            move || Plan { groups: vec![group("x", vec![0], Status::Spam, planned.clone())] };
        let house = house(plan, "").await;
        assert_eq!(verdict(&house, ALL, &one).await, expect, "{action:?}");
        assert_eq!(house.hop.heard("EHLO"), 0, "the MTA keeps the mail");
    }
}

#[tokio::test]
async fn a_subject_is_tagged_in_place() {
    let plan = || {
        let mut tagged = group("x", vec![0], Status::Spam, Action::Accept);
        tagged.edits = vec![HeaderEdit::PrefixSubject { tag: "[SPAM]".into() }];
        Plan { groups: vec![tagged] }
    };
    let house = house(plan, "").await;
    assert_eq!(verdict(&house, ALL, &["b@example.com"]).await, ["m 1 Subject| [SPAM] lunch|", "c"]);
}

#[tokio::test]
async fn what_the_mta_does_not_allow_is_left_out_and_the_mail_goes_on() {
    let plan = || Plan {
        groups: vec![group(
            "x",
            vec![0],
            Status::Spam,
            Action::Redirect { to: vec!["x@example.net".into()] },
        )],
    };
    let house = house(plan, "").await;
    let one = ["b@example.com"];
    assert_eq!(verdict(&house, 0x1, &one).await, ["i 0 X-Tamis-Status| spam|", "c"]);
    assert_eq!(verdict(&house, 0x10, &one).await, with(marked("spam")[..2].to_vec(), &["c"]));
    let no_removal = with(marked("spam"), &["c"]);
    assert_eq!(
        verdict(&house, 0x15, &one).await,
        no_removal,
        "added without removal would be a copy"
    );
    assert_eq!(verdict(&house, 0, &one).await, ["c"]);
}

fn mixed() -> Plan {
    Plan {
        groups: vec![
            group("strict", vec![0], Status::Spam, Action::Reject { text: "spam".into() }),
            group("calm", vec![1], Status::NotDetected, Action::Accept),
            group("quiet", vec![2], Status::Spam, Action::Discard),
            group(
                "sent",
                vec![3],
                Status::Spam,
                Action::Redirect { to: vec!["spam@example.net".into()] },
            ),
        ],
    }
}

const FOUR: [&str; 4] = ["r0@example.com", "r1@example.com", "r2@example.com", "r3@example.com"];

#[tokio::test]
async fn groups_that_differ_get_the_mildest_header_and_their_own_recipients() {
    let house = house(mixed, "").await;
    let changes = ["+ <spam@example.net>|", "- <r2@example.com>|", "- <r3@example.com>|", "c"];
    let expect = with(marked("not_detected"), &changes);
    assert_eq!(verdict(&house, ALL, &FOUR).await, expect, "the refused one gets it");
    assert_eq!(house.hop.taken().len(), 0);
}

#[tokio::test]
async fn with_split_the_other_groups_get_their_own_mail_by_smtp() {
    let house = house(mixed, "milter_split = true").await;
    let removed = ["- <r0@example.com>|", "- <r2@example.com>|", "- <r3@example.com>|", "c"];
    assert_eq!(verdict(&house, ALL, &FOUR).await, with(marked("not_detected"), &removed));
    let mut taken: Vec<_> =
        house.hop.taken().into_iter().map(|mail| (mail.to, mail.text)).collect();
    taken.sort();
    assert_eq!(taken[0].0, ["RCPT TO:<r0@example.com>"]);
    assert!(
        taken[0].1.contains("X-Tamis-Status: spam\r\n") && taken[0].1.contains("X-Spam-Flag: YES")
    );
    assert!(taken[0].1.ends_with(
        "From: a@example.org\r\nSubject: lunch\r\nMessage-ID: <1@example.org>\r\n\r\nsee you\r\n"
    ));
    assert_eq!(taken[1].0, ["RCPT TO:<spam@example.net>"]);
    assert_eq!(taken.len(), 2);
}

#[tokio::test]
async fn a_split_that_the_next_hop_refuses_leaves_the_whole_mail_with_the_mta() {
    let house = house(mixed, "milter_split = true").await;
    house
        .hop
        .now_rules(|line, taken| (line == "." && taken == 1).then_some(Act::Say("451 4.3.0 disk")));
    assert_eq!(verdict(&house, ALL, &FOUR).await, ["y 451 4.3.0 disk|"]);
    house.hop.now_rules(|_, _| None);
    assert_eq!(verdict(&house, ALL, &FOUR).await.last().unwrap(), "c");
    assert_eq!(house.hop.taken().len(), 2, "what was taken before is not submitted again");
}

#[tokio::test]
async fn two_messages_share_a_session_and_an_aborted_one_leaves_nothing() {
    let house = House::with(Scanner::accepting().await).await;
    let mut mta = Mta::connect(house.door(Door::Milter), ALL).await;
    assert_eq!(mta.message(&["b@example.com"], "one\r\n").await.last().unwrap(), "c");
    mta.content(&["b@example.com"], "half").await;
    mta.say(&Command::Abort).await;
    assert_eq!(mta.message(&["c@example.com"], "two\r\n").await.last().unwrap(), "c");
    let offers = house.scanners[0].offers();
    let to: Vec<_> = offers.iter().map(|offer| offer.envelope.recipients.join(",")).collect();
    assert_eq!(to, ["b@example.com", "c@example.com"]);
    let envelope = &offers[0].envelope;
    assert_eq!(envelope.client.as_ref().unwrap().address.to_string(), "192.0.2.7");
    assert_eq!(
        (envelope.helo.as_deref(), envelope.queue_id.as_deref()),
        (Some("mx.example.org"), Some("4XyZ"))
    );
    assert_eq!((envelope.sender.as_str(), envelope.door), ("s@example.org", Door::Milter));
    house.until(|house| house.metric("tamis_edge_mails_in_hand") == 0).await;
}

#[tokio::test]
async fn the_same_mail_has_the_same_names_through_milter_and_lmtp() {
    let house = House::with(Scanner::accepting().await).await;
    let mut mta = Mta::connect(house.door(Door::Milter), ALL).await;
    mta.message(&["b@example.com"], "see you\r\n").await;
    let mut lmtp = super::talk::Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    let text = "Received: by mta.test\r\nFrom: a@example.org\r\nX-Tamis-Status: trusted\r\nSubject: lunch\r\nMessage-ID: <1@example.org>\r\nx-tamis-status: trusted\r\n\r\nsee you\r\n\r\n";
    lmtp.mail(&["b@example.com"], text, 1).await;
    let offers = house.scanners[0].offers();
    assert_eq!(offers[0].outline.header_digest, offers[1].outline.header_digest);
    assert_eq!(offers[0].outline.parts, offers[1].outline.parts);
}

#[tokio::test]
async fn without_a_verdict_the_mta_tries_again_unless_the_milter_door_says_otherwise() {
    for (config, expect) in [
        ("", "y 451 4.7.1"),
        ("milter_unscanned = \"accept\"", "c"),
        ("unscanned = \"reject\"", "y 550 5.7.1"),
    ] {
        let scanner = Scanner::saying(Script::Refuse).await;
        let house = House::configured(scanner, Hop::willing().await, config).await;
        let words = verdict(&house, ALL, &["b@example.com"]).await;
        assert!(words.last().unwrap().starts_with(expect), "{config}: {words:?}");
        let marked = words.iter().any(|word| word.contains("X-Tamis-Rung| not_scanned"));
        assert_eq!(marked, expect == "c", "{words:?}");
    }
}

#[tokio::test]
async fn limits_are_answered_at_the_end_of_the_message_which_is_the_only_place() {
    let big = "text\r\n".repeat(20_000);
    let recipients: Vec<String> = (0..101).map(|number| format!("r{number}@example.com")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let house = house(
        || Plan {
            groups: vec![group("x", (0..100).collect(), Status::NotDetected, Action::Accept)],
        },
        "mail_bytes_max = 65536\nrecipients_max = 100\nmails_max = 1",
    )
    .await;
    let mut mta = Mta::connect(house.door(Door::Milter), ALL).await;
    let one = &recipients[..1];
    assert_eq!(mta.message(one, &big).await, ["y 552 5.3.4 message size exceeds fixed limit|"]);
    let words = mta.message(&recipients, "x\r\n").await;
    assert_eq!(words, ["y 552 5.5.3 too many recipients for one message|"]);
    assert_eq!(mta.message(&recipients[..100], "x\r\n").await.last().unwrap(), "c");
    mta.content(one, "x\r\n").await;
    house.until(|house| house.metric("tamis_edge_mails_in_hand") == 1).await;
    let words = verdict(&house, ALL, one).await;
    assert_eq!(words, ["y 451 4.3.2 too many mails in hand, try again later|"]);
}

#[tokio::test]
async fn a_connection_more_than_allowed_is_closed_and_a_failing_spool_is_a_tempfail() {
    let config = "connections_max = 1\nmemory_bytes_per_mail = 16384\nspool_dir = \"/nonexistent\"";
    let house = house(Plan::default, config).await;
    let mut mta = Mta::connect(house.door(Door::Milter), ALL).await;
    let mut second = tokio::net::TcpStream::connect(house.door(Door::Milter)).await.unwrap();
    let mut rest = Vec::new();
    assert_eq!(tokio::io::AsyncReadExt::read_to_end(&mut second, &mut rest).await.unwrap(), 0);
    let words = mta.message(&["b@example.com"], &"text\r\n".repeat(20_000)).await;
    assert_eq!(words, ["y 452 4.3.1 insufficient system storage, try again later|"]);
}

#[tokio::test]
async fn an_mta_that_goes_away_while_we_judge_frees_the_place() {
    let scanner = Scanner::saying(Script::Silence).await;
    let house = House::configured(scanner, Hop::willing().await, "deadline_ms = 60000").await;
    let mut mta = Mta::connect(house.door(Door::Milter), ALL).await;
    mta.content(&["b@example.com"], "x\r\n").await;
    mta.say(&Command::EndOfBody(bytes::Bytes::new())).await;
    house.until(|house| house.scanners[0].offers().len() == 1).await;
    drop(mta);
    house.until(|house| house.metric("tamis_edge_mails_in_hand") == 0).await;
}

#[tokio::test]
async fn at_the_end_a_message_in_hand_is_finished_and_an_idle_session_closed() {
    let house = House::with(Scanner::accepting().await).await;
    let mut idle = Mta::connect(house.door(Door::Milter), ALL).await;
    let mut busy = Mta::connect(house.door(Door::Milter), ALL).await;
    busy.content(&["b@example.com"], "x\r\n").await;
    house.until(|house| house.metric("tamis_edge_mails_in_hand") == 1).await;
    house.shutdown.request();
    assert_eq!(idle.hear().await, None);
    busy.say(&Command::EndOfBody(bytes::Bytes::new())).await;
    assert_eq!(busy.verdict().await.last().unwrap(), "c");
    house.serving.await.unwrap();
}

#[tokio::test]
async fn at_the_end_a_message_that_takes_too_long_stays_with_the_mta() {
    let scanner = Scanner::saying(Script::Silence).await;
    let config = "deadline_ms = 60000\ndrain_ms = 100";
    let house = House::configured(scanner, Hop::willing().await, config).await;
    let mut mta = Mta::connect(house.door(Door::Milter), ALL).await;
    mta.content(&["b@example.com"], "x\r\n").await;
    mta.say(&Command::EndOfBody(bytes::Bytes::new())).await;
    house.until(|house| house.scanners[0].offers().len() == 1).await;
    house.shutdown.request();
    assert_eq!(mta.verdict().await, ["closed"]);
    house.serving.await.unwrap();
    house.scanners[0].now_says(Script::Judge(Arc::new(|offer| all(offer, Action::Accept))));
}
