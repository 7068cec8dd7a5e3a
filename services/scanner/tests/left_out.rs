//! Mails with more in them than one question holds or one mail may cost: what is asked, and that the rest is said.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::time::{Duration, Instant};

use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::digest::{MailId, SignatureKind};
use tamis_domain::envelope::{Door, Envelope};
use tamis_domain::limits::{LINKS_MAX, PARTS_MAX, TEXT_BYTES_MAX};
use tamis_domain::reputation::{Class, Listing};
use tamis_domain::status::Rung;
use tamis_domain::verdict::Verdict;
use tamis_message::reading::BINARY_BYTES_MAX;
use tamis_message::sketch::image::{PICTURES_MAX, look};
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::{Answer, Item, Question};
use tamis_runtime::clock;
use tamis_scanner::Scanner;
use tamis_scanner::config::Typed;
use tamis_scanner::examine::Examination;
use tamis_scanner::metrics::Metrics;
use tamis_scanner::snapshot::Snapshot;
use tokio::net::UdpSocket;

/// Bytes of a document that all are read.
const DOCUMENT_BYTES_FIT: usize = 1 << 20;

/// A server that lists what `is_listed` says as spam.
async fn server(is_listed: impl Fn(&Item) -> bool + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let spam =
        Listing { class: Class::Spam, weight: 100, reporters: 3, age_hours: 0, similarity: 32 };
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let Ok(question) = Question::decode(&buffer[..length]) else { continue };
            let listings = question.items.iter().map(|it| is_listed(it).then_some(spam)).collect();
            let id = question.id;
            let (is_stale, is_elsewhere) = (false, false);
            let answer =
                Answer { id, epoch: 1, is_stale, is_elsewhere, fresh_cookie: None, listings };
            let _ = socket.send_to(&answer.encode(), from).await;
        }
    });
    address
}

fn scanner(reputation: Vec<String>) -> Scanner {
    let typed = Typed { reputation, reputation_budget_ms: 2000, ..Typed::default() };
    let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
    let snapshot = Snapshot::load(tamis_domain::policy::Policy::default(), None).unwrap();
    Scanner::new(&typed.check().unwrap(), snapshot, metrics)
}

/// A mail of these parts: media type and content.
fn offer(parts: &[(&str, Vec<u8>)]) -> Offer {
    let mut mail = b"From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nSubject: s\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        .to_vec();
    for (media_type, content) in parts {
        let head = format!(
            "--b\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        );
        mail.extend([head.as_bytes(), content, b"\r\n"].concat());
    }
    mail.extend(b"--b--\r\n");
    let dissected = tamis_message::digesting::dissect(&mail);
    let inline = (0_u16..).zip(&dissected.spans).filter_map(|(part, span)| {
        let span = span.as_ref()?;
        Some(Content { part, bytes: tamis_message::content::decode(span, span.of(&mail)) })
    });
    let inline = inline.collect();
    let envelope = Envelope {
        sender: "ann@example.org".into(),
        recipients: vec!["bob@example.com".into()],
        door: Door::Lmtp,
        verified: true,
        ..Envelope::default()
    };
    let remaining = Duration::from_secs(60);
    Offer { id: MailId([4; 16]), envelope, outline: dissected.outline, inline, remaining }
}

/// Judges until the lane to the server is open.
async fn judged(scanner: &Scanner, offer: &Offer) -> Verdict {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let verdict = scanner.judge(offer.clone(), 1_795_000_000).await.unwrap();
        if verdict.rung != Rung::Local {
            return verdict;
        }
        assert!(Instant::now() < end);
        tokio::task::yield_now().await;
    }
}

fn names(verdict: &Verdict) -> Vec<&str> {
    verdict.evidence.iter().map(|found| found.name.as_ref()).collect()
}

/// Words that no other number has, `count` of them.
fn text(number: usize, count: usize) -> Vec<u8> {
    let letters = |mut value: usize| {
        let mut word = String::new();
        for _ in 0..7 {
            word.push(char::from(b'a' + (value % 26) as u8));
            value = value / 26 + 31 * value + 7;
        }
        word
    };
    (0..count).map(|word| letters(1000 * number + word) + " ").collect::<String>().into_bytes()
}

#[tokio::test]
async fn junk_parts_do_not_push_the_payload_out_and_the_verdict_says_that_not_all_was_asked() {
    let payload = text(0, 400);
    let folded = tamis_message::reading::fold(std::str::from_utf8(&payload).unwrap()).text;
    let name = tamis_message::sketch::text::text_name(&folded).unwrap();
    let wanted = Item { signature: naming::text(&name.exact), sketch: name.sketch };
    let address = server(move |item| *item == wanted).await;
    for (junk, rung) in [(1, Rung::Full), (200, Rung::Cached)] {
        let mut parts: Vec<_> = (1..=junk).map(|number| ("text/plain", text(number, 40))).collect();
        parts.push(("text/plain", payload.clone()));
        let verdict = judged(&scanner(vec![address.clone()]), &offer(&parts)).await;
        assert!(names(&verdict).contains(&"reputation_spam"), "{junk}: {:?}", names(&verdict));
        assert_eq!(verdict.rung, rung, "{junk}");
        let said = verdict.evidence.iter().find(|it| it.name == "reputation_left_out");
        assert_eq!(said.is_some(), junk > 1, "{said:?}");
    }
}

/// A picture of its own for each number, larger by it: a GIF of 128 greys whose codes are all of eight bits, since its
/// table is cleared before it grows.
fn picture(number: u16) -> Vec<u8> {
    let side = 40 + number;
    let mut gif =
        [&b"GIF89a"[..], &side.to_le_bytes(), &side.to_le_bytes(), &[0xe6, 0, 0]].concat();
    gif.extend((0..128_u8).flat_map(|grey| [2 * grey; 3]));
    let frame = [&[0x2c, 0, 0, 0, 0][..], &side.to_le_bytes(), &side.to_le_bytes(), &[0, 7]];
    gif.extend(frame.concat());
    let grey = |at: u32| {
        let side = u32::from(side);
        let cell = (at / side * 18 / side) * 18 + at % side * 18 / side;
        let mixed = (cell + 1_000 * u32::from(number)).wrapping_mul(2_654_435_761);
        (mixed >> 25) as u8
    };
    let pixels: Vec<u8> = (0..u32::from(side) * u32::from(side)).map(grey).collect();
    for row in pixels.chunks(100) {
        gif.extend([&[row.len() as u8 + 1, 0x80], row].concat());
    }
    gif.extend([1, 0x81, 0, 0x3b]);
    gif
}

#[tokio::test]
async fn of_many_pictures_the_largest_are_looked_at_and_the_rest_is_said_and_not_remembered() {
    let address = server(|_| false).await;
    for (count, left_out) in [(PICTURES_MAX, 0), (PICTURES_MAX + 1, 1), (60, 60 - PICTURES_MAX)] {
        let pictures: Vec<_> = (0..count as u16).map(picture).collect();
        assert!(pictures.iter().all(|picture| look(picture).is_some()));
        let parts: Vec<_> = pictures.into_iter().map(|it| ("image/gif", it)).collect();
        let (offer, scanner) = (offer(&parts), scanner(vec![address.clone()]));
        let verdict = judged(&scanner, &offer).await;
        let said = verdict.evidence.iter().find(|it| it.name == "reputation_left_out");
        let is_said = said.is_some_and(|it| it.detail.ends_with("content(s) not looked at"));
        assert_eq!(is_said, left_out > 0);
        assert_eq!(verdict.rung, if left_out > 0 { Rung::Cached } else { Rung::Full });
        // What had no room is not looked at when the mail comes again: it would be slow again, and judged otherwise.
        for _ in 0..2 {
            let again = Scanner::judge(&scanner, offer.clone(), 1_795_000_000).await.unwrap();
            assert_eq!((again.rung, &again.evidence), (verdict.rung, &verdict.evidence));
        }
        // Another mail with one of them alone has room for it.
        let alone = self::offer(&[("image/gif", picture(0))]);
        let alone = Scanner::judge(&scanner, alone, 1_795_000_000).await.unwrap();
        assert_eq!(alone.rung, Rung::Full);
        let fresh = self::scanner(Vec::new());
        let mut mail = Examination::begin(fresh.snapshot.take(), &offer, 0);
        let until = clock::now() + Duration::from_secs(60);
        mail.near(&fresh, &offer, offer.inline.clone(), until).await;
        let has_look = |number: u16| {
            let names = &mail.facts(number).unwrap().names;
            names.iter().any(|name| name.kind == SignatureKind::Image)
        };
        // Part 0 holds them all.
        let looked_at: Vec<u16> = (1..=count as u16).filter(|it| has_look(*it)).collect();
        let largest: Vec<u16> = (1 + left_out as u16..=count as u16).collect();
        assert_eq!(looked_at, largest);
        for number in 1..=count as u16 {
            let is_known = mail.facts_for_others(number).is_some();
            assert_eq!(is_known, largest.contains(&number), "nobody else shall believe it");
        }
    }
}

#[tokio::test]
async fn what_is_not_taken_apart_lowers_the_rung() {
    let many = |count: usize| vec![("text/plain", b"a".to_vec()); count];
    let deep: String = (0..40)
        .map(|at| format!("Content-Type: multipart/mixed; boundary=c{at}\r\n\r\n--c{at}\r\n"))
        .collect();
    let deep = format!("x\r\n--b\r\n{deep}\r\nhello\r\n").into_bytes();
    for (name, parts, rung) in [
        ("parts", many(PARTS_MAX - 1), Rung::Full),
        ("parts beyond the limit", many(PARTS_MAX), Rung::Cached),
        ("containers beyond the limit", vec![("text/plain", deep)], Rung::Cached),
    ] {
        let verdict = scanner(Vec::new()).judge(offer(&parts), 1_795_000_000).await.unwrap();
        assert_eq!(verdict.rung, rung, "{name}");
    }
}

/// A page of so many links.
fn page(links: usize) -> Vec<u8> {
    (0..links)
        .map(|at| format!("<a href=\"http://example.org/{at}\">a</a> "))
        .collect::<String>()
        .into()
}

#[tokio::test]
async fn a_budget_that_ends_the_reading_of_a_part_lowers_the_rung_now_and_when_it_is_remembered() {
    let words = |count: usize| "word ".repeat(count.div_ceil(5)).as_bytes()[..count].to_vec();
    for (media_type, content, rung) in [
        ("text/plain", words(TEXT_BYTES_MAX), Rung::Full),
        ("text/plain", words(TEXT_BYTES_MAX + 1), Rung::Cached),
        ("text/plain", b"a\x01\xe9 ".repeat(BINARY_BYTES_MAX / 4), Rung::Full),
        ("text/plain", b"a\x01\xe9 ".repeat(BINARY_BYTES_MAX / 4 + 1), Rung::Cached),
        ("text/html", page(LINKS_MAX), Rung::Full),
        ("text/html", page(LINKS_MAX + 1), Rung::Cached),
        ("application/rtf", [b"{\\rtf1 ", &words(DOCUMENT_BYTES_FIT)[..]].concat(), Rung::Full),
        ("application/rtf", [b"{\\rtf1 ", &b"{\\b}".repeat(5 << 18)[..]].concat(), Rung::Cached),
    ] {
        let (offer, scanner) = (offer(&[(media_type, content)]), scanner(Vec::new()));
        for seen in ["first", "again"] {
            let verdict = scanner.judge(offer.clone(), 1_795_000_000).await.unwrap();
            assert_eq!(verdict.rung, rung, "{media_type} {seen}");
        }
    }
}
