//! Records as text: what is too long, of another format or no record at all is refused.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::digest::MailId;
use tamis_domain::envelope::Envelope;
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::record::{Asked, Record};
use tamis_domain::status::Rung;
use tamis_message::{content, digesting};
use tamis_runtime::metrics::Metrics as Registry;
use tamis_scanner::Scanner;
use tamis_scanner::config::Typed;
use tamis_scanner::metrics::Metrics;
use tamis_scanner::record::{RECORD_BYTES_MAX, RecordError, decode, encode};
use tamis_scanner::snapshot::Snapshot;

fn offer(mail: &[u8]) -> Offer {
    let dissected = digesting::dissect(mail);
    let inline = (0_u16..).zip(&dissected.spans).filter_map(|(part, span)| {
        let span = span.as_ref()?;
        Some(Content { part, bytes: content::decode(span, span.of(mail)) })
    });
    Offer {
        id: MailId([3; 16]),
        envelope: Envelope::default(),
        inline: inline.collect(),
        outline: dissected.outline,
        remaining: Duration::from_secs(60),
    }
}

async fn record(mail: &[u8], before: Option<&Record>) -> Record {
    let mut config = Typed::default().check().unwrap();
    config.reputation.clear();
    config.authentication = None;
    let scanner = Scanner::new(&config, Snapshot::default(), Metrics::new(&Registry::new()));
    scanner.judge_recorded(offer(mail), 1_700_000_000, before).await.unwrap()
}

const MAIL: &[u8] = b"From: a@example.org\nSubject: FREE OARS NOW!!!\n\nhttp://192.0.2.1/x\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_record_reads_back_and_gives_the_verdict_again_bit_for_bit() {
    let record = record(MAIL, None).await;
    let again = decode(&encode(&record).unwrap()).unwrap();
    assert!(!again.evidence.is_empty());
    assert_eq!(again.replay(), record.verdict);
    assert_eq!(again.replay().score.to_bits(), record.verdict.score.to_bits());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_read_up_to_its_limit() {
    let mut text = encode(&record(MAIL, None).await).unwrap();
    text.resize(RECORD_BYTES_MAX, b' ');
    assert!(decode(&text).is_ok());
    text.push(b' ');
    assert!(matches!(decode(&text), Err(RecordError::TooLong)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_too_long_to_be_read_is_not_written() {
    let mut record = record(MAIL, None).await;
    record.envelope.sender = "a".repeat(RECORD_BYTES_MAX);
    assert!(matches!(encode(&record), Err(RecordError::TooLong)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_record_of_ours_is_refused() {
    let record = record(MAIL, None).await;
    let text = String::from_utf8(encode(&record).unwrap()).unwrap();
    assert!(decode(text.as_bytes()).is_ok());
    for (what, wrong) in [
        ("nothing", String::new()),
        ("a piece", text[..text.len() / 2].to_owned()),
        ("another format", text.replace("\"tamis_record\": 1", "\"tamis_record\": 2")),
        ("a key of nobody", text.replacen('{', "{\"x\": 1,", 1)),
        ("a weight that is none", text.replacen("\"weight\": ", "\"weight\": 9e99", 1)),
    ] {
        assert!(decode(wrong.as_bytes()).is_err(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_outside_said_holds_where_nobody_is_asked_again() {
    let mut before = record(MAIL, None).await;
    let outside = Evidence::new("dns_list_client", 3.5, Source::DnsList, "listed");
    before.evidence.push(outside.clone());
    let after = record(MAIL, Some(&before)).await;
    assert!(after.evidence.contains(&outside));
    let without = record(MAIL, None).await;
    assert!(!without.evidence.contains(&outside));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_heard_then_is_not_heard_now_where_nobody_is_asked() {
    let plain = b"From: a@example.org\nSubject: x\n\nx\n";
    for (asked, rung) in
        [(Asked::Silent, Rung::Local), (Asked::Partly, Rung::Cached), (Asked::Answered, Rung::Full)]
    {
        let mut before = record(plain, None).await;
        before.unseen.reputation = asked;
        let after = record(plain, Some(&before)).await;
        assert_eq!(after.verdict.rung, rung, "{asked:?}");
        assert_eq!(after.unseen.reputation, asked);
    }
    // A bounce is none as long as nobody knows whether its signatures are listed.
    let bounce = b"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: failure notice\n\n\
        Hi. This is the qmail-send program at mx.example.\n<b@mx.example>:\nno such user (#5.1.1)\n";
    let is_formal = |record: &Record| record.evidence.iter().any(|found| found.name == "formal");
    let mut before = record(bounce, None).await;
    assert!(is_formal(&before), "{:?}", before.evidence);
    before.unseen.reputation = Asked::Silent;
    before.evidence.retain(|found| found.name != "formal");
    assert!(!is_formal(&record(bounce, Some(&before)).await));
    before.unseen.reputation = Asked::NotAsked;
    before.unseen.dns = Asked::Silent;
    assert_eq!(record(plain, Some(&before)).await.verdict.rung, Rung::Cached);
}
