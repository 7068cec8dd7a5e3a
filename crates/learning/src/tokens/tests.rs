#![allow(clippy::unwrap_used, reason = "a test may fail aloud")]
use std::net::Ipv4Addr;

use tamis_domain::envelope::{Client, Door};
use tamis_message::content::decode;
use tamis_message::digesting::dissect;
use tamis_message::header;
use tamis_message::reading::read_part;

use super::*;

const KEY: SiteKey = SiteKey([3; 16]);

fn of(mail: &str, envelope: &Envelope) -> Vec<Token> {
    let read = dissect(mail.as_bytes());
    let parts: Vec<Vec<Token>> = read
        .outline
        .parts
        .iter()
        .zip(&read.spans)
        .filter_map(|(part, span)| {
            let span = span.as_ref()?;
            Some(of_part(&KEY, part, &read_part(part, &decode(span, span.of(mail.as_bytes())))))
        })
        .collect();
    let header = header::read(&read.outline.header);
    of_mail(&KEY, envelope, &header, &read.outline, parts.iter().map(Vec::as_slice))
}

fn letter(subject: &str, text: &str) -> String {
    format!(
        "From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nSubject: {subject}\r\n\
         Message-Id: <1@example.org>\r\n\r\n{text}\r\n"
    )
}

fn shared(a: &[Token], b: &[Token]) -> usize {
    a.iter().filter(|token| b.binary_search(token).is_ok()).count()
}

#[test]
fn tokens_are_ascending_each_once_and_the_same_every_time() {
    let mail = letter("minutes", &"the minutes of the weekly meeting ".repeat(20));
    let tokens = of(&mail, &Envelope::default());
    assert!(tokens.is_sorted_by(|a, b| a < b) && tokens.len() > 40);
    assert_eq!(of(&mail, &Envelope::default()), tokens);
}

#[test]
fn words_and_their_neighbours_tell_mails_apart() {
    let none = Envelope::default();
    let mail = of(&letter("a", "red green blue"), &none);
    let same_words = of(&letter("a", "blue green red"), &none);
    let other = of(&letter("a", "one two three"), &none);
    assert!(shared(&mail, &same_words) > shared(&mail, &other), "words count by themselves");
    assert_ne!(mail, same_words, "and in their order");
}

#[test]
fn a_mail_that_is_judged_has_the_features_of_its_copy_in_the_mailbox() {
    let judged = letter("minutes", "the minutes of the meeting");
    let trace = "Return-Path: <ann@example.org>\r\nDelivered-To: bob@example.com\r\n\
                 X-Tamis-Status: spam\r\nX-Spam-Flag: YES\r\n\
                 Received: from mail.example.net (mail.example.net [192.0.2.7]) by mx.example.com with ESMTP;\
                 \tSat, 21 Nov 2026 10:00:00 +0000\r\n";
    let delivered = format!("{trace}{judged}");
    let envelope = Envelope {
        client: Some(Client {
            address: Ipv4Addr::new(192, 0, 2, 7).into(),
            name: Some("mail.example.net".into()),
        }),
        helo: Some("mail.example.net".into()),
        door: Door::Milter,
        verified: true,
        ..Envelope::default()
    };
    let (at_the_door, in_the_box) = (of(&judged, &envelope), of(&delivered, &Envelope::default()));
    let only_at_the_door = at_the_door.len() - shared(&at_the_door, &in_the_box);
    let only_in_the_box = in_the_box.len() - shared(&at_the_door, &in_the_box);
    assert!(only_at_the_door <= 1, "{only_at_the_door}: the size may differ by a power of two");
    assert!(only_in_the_box <= 6, "{only_in_the_box}: who took it, how, and the size");
    let name = |mail: &str| identity(&KEY, &dissect(mail.as_bytes()).outline);
    assert_eq!(name(&judged), name(&delivered), "it is the same mail");
    assert_ne!(name(&judged), name(&letter("minutes", "another text")));
}

#[test]
fn no_mail_has_more_tokens_than_the_limits_say() {
    let words: String = (0..40_000).map(|number| format!("w{number} ")).collect();
    let fields: String =
        (0..3000).map(|number| format!("X-F{number}: a{number} b c\r\n")).collect();
    let part = format!("--b\r\nContent-Type: text/plain\r\n\r\n{words}\r\n");
    let mail = format!(
        "{fields}Content-Type: multipart/mixed; boundary=b\r\n\r\n{part}{}--b--\r\n",
        part.replace('w', "v")
    );
    let read = dissect(mail.as_bytes());
    for (part, span) in read.outline.parts.iter().zip(&read.spans) {
        let Some(span) = span else { continue };
        let reading = read_part(part, &decode(span, span.of(mail.as_bytes())));
        let tokens = of_part(&KEY, part, &reading);
        assert!(tokens.len() > PART_TOKENS_MAX / 2 && tokens.len() <= PART_TOKENS_MAX);
    }
    assert!(of(&mail, &Envelope::default()).len() <= MAIL_TOKENS_MAX);
    let header = header::read(&read.outline.header);
    let parts: Vec<Vec<Token>> =
        (0..2 * PARTS_MAX as u32).map(|part| (part * 20..part * 20 + 20).collect()).collect();
    let given = |count: usize| {
        let parts = parts[..count].iter().map(Vec::as_slice);
        of_mail(&KEY, &Envelope::default(), &header, &read.outline, parts)
    };
    let own = given(0);
    assert!(own.len() > HEADER_TOKENS_MAX / 2 && own.len() <= HEADER_TOKENS_MAX);
    assert_eq!(given(25).len(), own.len() + 500, "all of them have room");
    assert_eq!(given(2 * PARTS_MAX).len(), MAIL_TOKENS_MAX);
}

#[test]
fn a_collector_takes_n_tokens_and_not_n_plus_1() {
    let taken = |count: u32| {
        let mut collector = Collector::new(&KEY, PART_TOKENS_MAX);
        (0..count).for_each(|number| {
            collector.add("n", &number.to_string());
        });
        collector.finish().len()
    };
    assert_eq!(taken(PART_TOKENS_MAX as u32), PART_TOKENS_MAX);
    assert_eq!(taken(PART_TOKENS_MAX as u32 + 1), PART_TOKENS_MAX);
}

#[test]
fn scripts_without_blanks_are_taken_sign_by_sign_and_long_words_by_their_length() {
    let mut words = Vec::new();
    text::each_word(
        "Free $$$ 無料です don't aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        |word| {
            words.push(word.to_owned());
            true
        },
    );
    assert_eq!(words, ["Free", "$$$", "無", "料", "で", "す", "don't", "aaaa*5"]);
}
