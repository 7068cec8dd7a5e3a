//! Header, subject and trace: each sign alone, at its edge, on a mail that is otherwise in order.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by stopping

use tamis_checks::headers::judge;
use tamis_domain::envelope::{Client, Envelope};
use tamis_domain::reading::{Field, HeaderReading, Mailbox, Relay};

const NOW_S: i64 = 1_700_000_000;
const DAY_S: i64 = 24 * 3600;

fn mailbox(name: &str, address: &str) -> Mailbox {
    Mailbox { name: name.to_owned(), address: address.to_owned() }
}

fn field(name: &str, value: &str) -> Field {
    Field { name: name.to_owned(), value: value.to_owned() }
}

fn envelope() -> Envelope {
    Envelope {
        client: Some(Client {
            address: "203.0.113.5".parse().unwrap(),
            name: Some("mx.sender.example".to_owned()),
        }),
        helo: Some("mx.sender.example".to_owned()),
        sender: "a@sender.example".to_owned(),
        recipients: vec!["u@example.org".to_owned()],
        verified: true,
        ..Envelope::default()
    }
}

fn header() -> HeaderReading {
    HeaderReading {
        fields: vec![field("Date", "x"), field("Message-ID", "<x@y>"), field("Subject", "Hello")],
        from: vec![mailbox("A", "a@sender.example")],
        to: vec![mailbox("", "u@example.org")],
        subject: "Hello".to_owned(),
        date_s: Some(NOW_S),
        message_id: Some("x@y".to_owned()),
        ..HeaderReading::default()
    }
}

fn names(envelope: &Envelope, header: &HeaderReading) -> Vec<String> {
    let found = judge(envelope, header, NOW_S);
    assert!(found.iter().all(|found| tamis_checks::names::is_known(&found.name)), "{found:?}");
    found.into_iter().map(|found| found.name.into_owned()).collect()
}

/// What is found when the ordinary header is changed.
fn with_header(change: impl FnOnce(&mut HeaderReading)) -> Vec<String> {
    let mut header = header();
    change(&mut header);
    names(&envelope(), &header)
}

/// What is found when the ordinary envelope is changed.
fn with_envelope(change: impl FnOnce(&mut Envelope)) -> Vec<String> {
    let mut envelope = envelope();
    change(&mut envelope);
    names(&envelope, &header())
}

fn without(header: &mut HeaderReading, name: &str) {
    header.fields.retain(|field| !field.name.eq_ignore_ascii_case(name));
}

#[test]
fn an_ordinary_mail_has_no_sign() {
    assert_eq!(names(&envelope(), &header()), Vec::<String>::new());
}

#[test]
fn dates_are_compared_with_the_arrival_at_the_edge() {
    for (date_s, expect) in [
        (NOW_S + DAY_S, None),
        (NOW_S + DAY_S + 1, Some("date_in_future")),
        (NOW_S - 15 * DAY_S, None),
        (NOW_S - 15 * DAY_S - 1, Some("date_in_past")),
        (i64::MAX, Some("date_in_future")),
        (i64::MIN, Some("date_in_past")),
    ] {
        let found = with_header(|header| header.date_s = Some(date_s));
        assert_eq!(found.first().map(String::as_str), expect, "{date_s}");
    }
}

#[test]
fn a_file_arrived_when_its_trace_says_and_without_a_trace_nobody_knows() {
    let relay = |date_s| Relay { date_s: Some(date_s), ..Relay::default() };
    for (received, expect) in [
        (vec![], vec![]),
        (vec![relay(NOW_S)], vec!["date_in_past", "date_against_relay"]),
        (vec![relay(NOW_S - 99 * DAY_S)], vec![]),
    ] {
        let mut header = header();
        header.date_s = Some(NOW_S - 100 * DAY_S);
        header.received = received;
        let found = names(&Envelope { verified: false, ..envelope() }, &header);
        assert_eq!(found, expect);
    }
}

#[test]
fn missing_and_odd_fields_are_signs() {
    type Change = fn(&mut HeaderReading);
    let cases: [(&str, Change); 14] = [
        ("date_missing", |h| without(h, "Date")),
        ("date_unreadable", |h| h.date_s = None),
        ("message_id_missing", |h| {
            h.message_id = None;
            without(h, "Message-Id");
        }),
        ("message_id_odd", |h| h.message_id = None),
        ("message_id_odd", |h| h.message_id = Some("nohost".to_owned())),
        ("message_id_odd", |h| h.message_id = Some("x@".to_owned())),
        ("from_missing", |h| h.from.clear()),
        ("from_without_domain", |h| h.from = vec![mailbox("", "root")]),
        ("from_many", |h| h.from.push(mailbox("", "b@sender.example"))),
        ("to_missing", |h| h.to.clear()),
        ("to_empty", |h| {
            h.to.clear();
            h.fields.push(field("To", "undisclosed-recipients:;"));
        }),
        ("to_himself", |h| h.to = vec![mailbox("", "A@sender.example")]),
        ("mime_version_missing", |h| h.fields.push(field("Content-Type", "Multipart/mixed"))),
        ("subject_missing", |h| without(h, "Subject")),
    ];
    for (name, change) in cases {
        assert_eq!(with_header(change), [name]);
    }
}

#[test]
fn a_header_that_is_not_there_is_not_six_missing_fields() {
    assert_eq!(names(&envelope(), &HeaderReading::default()), Vec::<String>::new());
}

#[test]
fn several_authors_with_a_sender_are_in_order() {
    let found = with_header(|header| {
        header.from.push(mailbox("", "b@sender.example"));
        header.sender = Some(mailbox("", "a@sender.example"));
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn answers_to_another_owner_are_a_sign_but_not_on_lists() {
    for (reply, list, expect) in [
        ("r@mail.sender.example", false, None),
        ("r@elsewhere.example", false, Some("reply_to_elsewhere")),
        ("r@gmail.com", false, Some("reply_to_free_mail")),
        ("r@gmail.com", true, None),
        ("", false, None),
    ] {
        let found = with_header(|header| {
            header.reply_to = vec![mailbox("", reply)];
            if list {
                header.fields.push(field("List-Id", "<l.example.org>"));
            }
        });
        assert_eq!(found.first().map(String::as_str), expect, "{reply} {list}");
    }
}

#[test]
fn a_name_that_is_another_address_is_a_sign() {
    for (name, is_sign) in [
        ("billing@bank.example", true),
        ("Bank <billing@bank.example>", true),
        ("a@sender.example", false),
        ("A (a@mail.sender.example)", false),
        ("team @ work", false),
    ] {
        let found = with_header(|header| header.from = vec![mailbox(name, "a@sender.example")]);
        assert_eq!(!found.is_empty(), is_sign, "{name}: {found:?}");
    }
}

#[test]
fn subjects_play_tricks() {
    for (subject, expect) in [
        ("Re: hello", Some("false_reply")),
        ("FREE MONEY FOR YOU", Some("subject_shouted")),
        ("FREE MONEY", None),
        ("BUNDESVERFASSUNGSGERICHT", None),
        ("Free money FOR YOU", None),
        ("Offer      k7x", Some("subject_gap")),
        ("Offer     k7x", None),
        ("Off\u{200b}er", Some("subject_invisible")),
        ("Раураl account раypal", Some("subject_mixed_script")),
        ("PayPal и Мир", None),
        ("10 µm and 5 kΩ", None),
        ("Buy now!!!", Some("subject_excited")),
        ("Buy now!!", None),
        ("", None),
    ] {
        let found = with_header(|header| header.subject = subject.to_owned());
        assert_eq!(found.first().map(String::as_str), expect, "{subject}");
    }
}

#[test]
fn a_reply_that_refers_to_a_mail_is_in_order() {
    let found = with_header(|header| {
        header.subject = "Re: hello".to_owned();
        header.fields.push(field("In-Reply-To", "<x@y>"));
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn helo_is_judged_unless_the_client_is_one_of_ours() {
    for (helo, expect) in [
        ("203.0.113.5", Some("helo_bare_address")),
        ("[203.0.113.5]", None),
        ("example.org", Some("helo_is_ours")),
        ("mail.example.org", None),
        ("desktop", Some("helo_without_dot")),
        ("", None),
    ] {
        let found = with_envelope(|envelope| envelope.helo = Some(helo.to_owned()));
        assert_eq!(found.first().map(String::as_str), expect, "{helo}");
    }
    for address in ["10.1.2.3", "127.0.0.1", "::1", "fd00::1", "::ffff:192.168.0.1"] {
        let found = with_envelope(|envelope| {
            envelope.helo = Some("desktop".to_owned());
            envelope.client = Some(Client { address: address.parse().unwrap(), name: None });
        });
        assert_eq!(found, Vec::<String>::new(), "{address}");
    }
    let found = with_envelope(|envelope| {
        envelope.helo = Some("desktop".to_owned());
        envelope.authenticated = Some("u".to_owned());
    });
    assert_eq!(found, Vec::<String>::new(), "logged in");
}

#[test]
fn a_free_mailbox_in_from_sent_by_another_is_a_sign() {
    for (sender, is_sign) in [("x@bulk.example", true), ("x@gmail.com", false), ("", false)] {
        let mut header = header();
        header.from = vec![mailbox("", "x@gmail.com")];
        let envelope = Envelope { sender: sender.to_owned(), ..envelope() };
        assert_eq!(!names(&envelope, &header).is_empty(), is_sign, "{sender}");
    }
}

#[test]
fn relays_are_counted_to_the_limit() {
    for (relays, is_sign) in [(25, false), (26, true)] {
        let found = with_header(|header| header.received = vec![Relay::default(); relays]);
        assert_eq!(!found.is_empty(), is_sign, "{relays}");
    }
}

#[test]
fn no_detail_quotes_the_mail() {
    let found = judge(
        &Envelope { helo: Some("secret".to_owned()), ..envelope() },
        &HeaderReading {
            from: vec![mailbox("secret@secret.example", "secret@gmail.com")],
            reply_to: vec![mailbox("", "secret@hotmail.com")],
            subject: "SECRET SECRET SECRET!!!".to_owned(),
            ..header()
        },
        NOW_S,
    );
    assert!(found.len() >= 5);
    for found in found {
        assert!(!found.detail.to_lowercase().contains("secret"), "{}", found.detail);
    }
}
