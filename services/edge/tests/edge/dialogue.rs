//! The edge and its scanners: what travels, and what happens when a scanner fails.

use std::sync::Arc;

use tamis_domain::envelope::Door;
use tamis_domain::plan::Action;

use super::hop::Hop;
use super::house::{House, Wish};
use super::scanner::{Scanner, Script, all};
use super::talk::{MAIL, Talk};

fn accept() -> super::scanner::Planner {
    Arc::new(|offer| all(offer, Action::Accept))
}

/// A text and an attachment of `bytes` bytes.
fn with_attachment(bytes: usize) -> (String, Vec<u8>) {
    let content: Vec<u8> = (0..bytes).map(|at| (at / 7 % 256) as u8).collect();
    let mut text = "From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhello\r\n--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n".to_owned();
    for line in base64(&content).as_bytes().chunks(76) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push_str("\r\n");
    }
    text.push_str("--x--\r\n");
    (text, content)
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= three.len() { letter as char } else { '=' });
        }
    }
    out
}

#[tokio::test]
async fn a_small_mail_travels_whole_once_and_by_name_afterwards() {
    let house = House::with(Scanner::accepting().await).await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    for _ in 0..2 {
        mta.mail(&["b@example.com"], MAIL, 1).await;
    }
    let offers = house.scanners[0].offers();
    assert_eq!(offers[0].inline.len(), 1);
    assert_eq!(offers[0].inline[0].bytes, b"see you at noon");
    assert_eq!(offers[1].inline.len(), 0, "the cluster knows it now");
    assert_eq!(offers[0].outline.parts[0].digest, offers[1].outline.parts[0].digest);
    assert_ne!(offers[0].id, offers[1].id);
    assert!(offers[0].remaining <= std::time::Duration::from_secs(10));
    assert_eq!(house.metric("tamis_edge_dialogues_total{rounds=\"1\"}"), 2);
}

#[tokio::test]
async fn a_wrong_hint_costs_one_round_and_is_forgotten() {
    let house = House::with(Scanner::accepting().await).await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    mta.mail(&["b@example.com"], MAIL, 1).await;
    house.scanners[0].now_says(Script::NeedAll(accept()));
    assert!(mta.mail(&["b@example.com"], MAIL, 1).await[0].starts_with("250"));
    assert_eq!(house.scanners[0].supplied.lock().unwrap()[0].bytes, b"see you at noon");
    assert_eq!(house.metric("tamis_edge_dialogues_total{rounds=\"2\"}"), 1);
}

#[tokio::test]
async fn needed_parts_are_supplied_whole_from_memory_and_from_the_spool() {
    for (bytes, config) in [
        (40_000, ""),
        (1_000_000, ""),
        (65_536, "memory_bytes_per_mail = 16384"),
        (131_072, "memory_bytes_per_mail = 16384\nmemory_bytes_max = 16384"),
    ] {
        let scanner = Scanner::saying(Script::NeedAll(accept())).await;
        let house = House::configured(scanner, Hop::willing().await, config).await;
        let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
        let (text, content) = with_attachment(bytes);
        let replies = mta.mail(&["b@example.com"], &text, 1).await;
        assert_eq!(replies, ["250 2.0.0 queued as ABC"], "{bytes}");
        let supplied = house.scanners[0].supplied.lock().unwrap().clone();
        assert_eq!(supplied.len(), 1, "the text came inline");
        assert!(supplied[0].bytes == content, "{bytes}: the content is what was attached");
        assert!(house.hop.taken()[0].text.ends_with(&text), "{bytes}: delivered as it came");
        assert_eq!(house.metric("tamis_edge_content_bytes_total{kind=\"supplied\"}"), bytes as u64);
        assert_eq!(house.metric("tamis_edge_held_bytes"), 0);
        assert_eq!(house.metric("tamis_edge_spooled_bytes"), 0);
    }
}

fn failing() -> Vec<(&'static str, Script)> {
    vec![
        ("refuse", Script::Refuse),
        ("break", Script::BreakAfterNeed),
        ("end", Script::End),
        ("silence", Script::Silence),
        ("wrong mail", Script::WrongMail),
        ("wrong plan", Script::WrongPlan),
        ("need twice", Script::NeedTwice),
        ("need unknown", Script::NeedUnknown),
    ]
}

/// Plays each of them, all at once: nearly all of their time is waiting.
async fn at_each_failure<P: Future<Output = ()> + Send + 'static>(
    play: impl Fn(&'static str, Script) -> P,
) {
    let plays = failing().into_iter().map(|(name, script)| tokio::spawn(play(name, script)));
    for play in plays.collect::<Vec<_>>() {
        play.await.unwrap();
    }
}

#[tokio::test]
async fn without_a_verdict_the_mail_stays_with_the_previous_hop_unless_somebody_chose_otherwise() {
    at_each_failure(|name, script| async move {
        for (unscanned, expect, taken) in
            [("tempfail", "451 4.7.1", 0), ("accept", "250", 1), ("reject", "550 5.7.1", 0)]
        {
            without_a_verdict(name, script.clone(), unscanned, expect, taken).await;
        }
    })
    .await;
}

async fn without_a_verdict(
    name: &str,
    script: Script,
    unscanned: &str,
    expect: &str,
    taken: usize,
) {
    let scanner = Scanner::saying(script).await;
    let config = format!("deadline_ms = 200\nunscanned = \"{unscanned}\"");
    let house = House::configured(scanner, Hop::willing().await, &config).await;
    for (door, verb) in [(Door::Lmtp, "LHLO"), (Door::Smtp, "EHLO")] {
        let mut mta = Talk::hello(house.door(door), verb).await;
        let replies = mta.mail(&["b@example.com"], MAIL, 1).await;
        assert!(replies[0].starts_with(expect), "{name} {unscanned} {door:?}: {replies:?}");
    }
    let all = house.hop.taken();
    assert_eq!(all.len(), 2 * taken, "{name} {unscanned}");
    for mail in all {
        assert!(mail.text.contains("X-Tamis-Rung: not_scanned\r\n"), "{name}: {}", mail.text);
        assert!(!mail.text.contains("trusted"), "{name}");
    }
    assert_eq!(house.metric("tamis_edge_rungs_total{rung=\"not_scanned\"}"), 2);
}

#[tokio::test]
async fn a_second_scanner_judges_where_the_first_fails() {
    at_each_failure(|name, script| async move {
        let bad = Scanner::saying(script).await;
        let good = Scanner::accepting().await;
        let config = "deadline_ms = 2000".to_owned();
        let house =
            House::open(Wish { scanners: vec![bad, good], hop: None, config, more_urls: vec![] })
                .await;
        let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
        for _ in 0..3 {
            let replies = mta.mail(&["b@example.com"], MAIL, 1).await;
            assert_eq!(replies, ["250 2.0.0 queued as ABC"], "{name}");
        }
        assert_eq!(house.metric("tamis_edge_rungs_total{rung=\"full\"}"), 3, "{name}");
    })
    .await;
}

#[tokio::test]
async fn scanners_that_are_gone_are_passed_over_and_if_all_are_the_answer_comes_at_once() {
    let nobody = || "http://127.0.0.1:1".to_owned();
    let gone = || vec![nobody(), "http://127.0.0.1:2".to_owned()];
    let wish = |scanners| Wish { scanners, hop: None, config: String::new(), more_urls: gone() };
    let house = House::open(wish(vec![])).await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    let replies = mta.mail(&["b@example.com"], MAIL, 1).await;
    assert!(replies[0].starts_with("451 4.7.1"), "{replies:?}");
    let house = House::open(wish(vec![Scanner::accepting().await])).await;
    let mut mta = Talk::hello(house.door(Door::Lmtp), "LHLO").await;
    let mut judged = 0;
    for _ in 0..6 {
        let replies = mta.mail(&["b@example.com"], MAIL, 1).await;
        judged += usize::from(replies[0].starts_with("250"));
    }
    assert_eq!(judged, 6, "the living one is found, also by the first mail");
}

#[tokio::test]
async fn every_scanner_is_tried_before_a_mail_goes_back_and_silent_ones_leave_time_for_the_others()
{
    at_each_failure(|name, script| async move {
        let mut scanners = vec![Scanner::accepting().await];
        for _ in 0..3 {
            scanners.push(Scanner::saying(script.clone()).await);
        }
        let config = "deadline_ms = 9000".to_owned();
        let house = House::open(Wish { scanners, hop: None, config, more_urls: vec![] }).await;
        let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
        for _ in 0..3 {
            let replies = mta.mail(&["b@example.com"], MAIL, 1).await;
            assert_eq!(replies, ["250 2.0.0 queued as ABC"], "{name}");
        }
        assert_eq!(house.metric("tamis_edge_rungs_total{rung=\"full\"}"), 3, "{name}");
    })
    .await;
}

#[tokio::test]
async fn n_full_scanners_are_asked_for_a_mail_and_no_more() {
    for (full, asked) in [(8, 8), (9, 8)] {
        let mut scanners = Vec::new();
        for _ in 0..full {
            scanners.push(Scanner::saying(Script::Refuse).await);
        }
        let config = String::new();
        let house = House::open(Wish { scanners, hop: None, config, more_urls: vec![] }).await;
        let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
        let replies = mta.mail(&["b@example.com"], MAIL, 1).await;
        assert!(replies[0].starts_with("451 4.7.1"), "{replies:?}");
        let text = house.metrics.text().unwrap();
        let questions =
            text.lines().filter(|line| line.starts_with("tamis_edge_scanner_questions_total{"));
        assert_eq!(questions.count(), asked, "each was asked once: {text}");
    }
}

#[tokio::test]
async fn a_mail_that_one_scanner_sets_aside_is_asked_of_nobody_else() {
    let scanners = vec![
        Scanner::saying(Script::SetAside).await,
        Scanner::saying(Script::SetAside).await,
        Scanner::saying(Script::SetAside).await,
    ];
    let config = "set_aside = \"accept\"".to_owned();
    let house = House::open(Wish { scanners, hop: None, config, more_urls: vec![] }).await;
    let mut mta = Talk::hello(house.door(Door::Smtp), "EHLO").await;
    assert_eq!(mta.mail(&["b@example.com"], MAIL, 1).await, ["250 2.0.0 queued as ABC"]);
    assert_eq!(house.metric("tamis_edge_mails_set_aside_total"), 1);
    let text = house.metrics.text().unwrap();
    let asked = text.lines().filter(|line| line.starts_with("tamis_edge_scanner_questions_total{"));
    assert_eq!(asked.count(), 1, "{text}");
}
