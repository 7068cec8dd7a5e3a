//! Bounces in words: what a text must be built like, and what makes it none.

use std::time::{Duration, Instant};

use tamis_checks::formal::{judge, report};
use tamis_domain::envelope::Envelope;
use tamis_domain::outline::{Disposition, Outline, Part, PartKind, TransferEncoding};
use tamis_domain::reading::{
    Field, HeaderReading, Link, Mailbox, PartFacts, PartReading, Report, Text,
};

fn part(parent: Option<u16>, kind: PartKind, media_type: &str) -> Part {
    Part {
        parent,
        depth: u8::from(parent.is_some()),
        kind,
        media_type: media_type.to_owned(),
        charset: None,
        encoding: TransferEncoding::Identity,
        disposition: Disposition::None,
        file_name: None,
        size: 500,
        digest: None,
    }
}

fn proven(kind: PartKind, visible: &str, links: &[&str]) -> Option<Report> {
    let text = Text { visible: visible.to_owned(), ..Text::default() };
    let link = |target: &&str| Link { target: (*target).to_owned(), ..Link::default() };
    let reading = PartReading {
        text: Some(text),
        links: links.iter().map(link).collect(),
        ..PartReading::default()
    };
    let media = if kind == PartKind::Html { "text/html" } else { "text/plain" };
    report(&part(None, kind, media), &reading)
}

const HEADER: &str =
    "Received: from a.example by b.example\nFrom: a@example.org\nTo: b@example.net\nSubject: oars";

#[test]
fn who_why_and_what_came_back_make_a_bounce_and_two_of_them_part_of_one() {
    let why = "b@example.net\n550 5.1.1 no such account";
    let announced = "--- Original message follows ---";
    for (text, expect) in [
        (format!("{why}\n{announced}\n{HEADER}"), Some(Report::PlainBounce)),
        (format!("{why}\n{HEADER}"), Some(Report::PlainBounce)),
        (
            format!("We had trouble with b@example.net\n{announced}\n{HEADER}"),
            Some(Report::PlainBounce),
        ),
        (format!("We had trouble\n{announced}\n{HEADER}"), Some(Report::ReturnedHeader)),
        (format!("Look at this\n{HEADER}"), Some(Report::ReturnedHeader)),
        (HEADER.to_owned(), Some(Report::ReturnedHeader)),
        (why.to_owned(), Some(Report::BounceText)),
        ("b@example.net: mailbox is full".to_owned(), Some(Report::BounceText)),
        ("550 5.1.1 no such account".to_owned(), None),
        ("write to b@example.net".to_owned(), None),
        (
            format!("see you\n{announced}\nFrom: a@example.org\nSubject: oars"),
            Some(Report::ReturnedHeader),
        ),
        ("see you\nFrom: a@example.org\nSubject: oars".to_owned(), None),
        ("From: a@example.org\nTo: b@example.net\nSubject: oars\nDate: x".to_owned(), None),
        (String::new(), None),
    ] {
        assert_eq!(proven(PartKind::Text, &text, &[]), expect, "{text}");
    }
}

#[test]
fn codes_are_those_of_smtp_and_not_any_number() {
    for (line, is_code) in [
        ("550 x", true),
        ("<<< 421-x", true),
        ("(#5.1.1)", true),
        ("said: 4.2.2.", true),
        ("554-5.7.1", true),
        ("2.1.5 Ok", false),
        ("250 Ok", false),
        ("5.1", false),
        ("5.1.1.1", false),
        ("5550", false),
        ("192.0.2.550", false),
        ("5.1234.1", false),
    ] {
        let text = format!("b@example.net\n{line}");
        let expect = is_code.then_some(Report::BounceText);
        assert_eq!(proven(PartKind::Text, &text, &[]), expect, "{line}");
    }
}

#[test]
fn links_are_let_through_where_refusals_are_explained_and_nowhere_else() {
    let bounce = |own: &str| format!("b@example.net\n{own}\n--- Original message ---\n{HEADER}");
    let many =
        |lines: usize| format!("550 no\n{}http://shop.example/x", "still speaking\n".repeat(lines));
    let links = |count: usize| format!("550 no {}", "http://shop.example/ ".repeat(count));
    for (own, formal) in [
        ("550 5.7.1 see http://lookup.example/?ip=192.0.2.1".to_owned(), true),
        ("mailbox is full, see https://support.google.com/mail/?p=x".to_owned(), true),
        ("mailbox is full, click http://shop.example/".to_owned(), false),
        ("mailbox is full, click www.shop.example".to_owned(), false),
        ("click http://shop.example/\n550 no".to_owned(), false),
        (many(5), true),
        (many(6), false),
        (links(3), true),
        (links(4), false),
    ] {
        let expect = formal.then_some(Report::PlainBounce);
        assert_eq!(proven(PartKind::Text, &bounce(&own), &[]), expect, "{own}");
    }
    let returned = format!("{}\nhttp://shop.example/", bounce("550 no"));
    assert_eq!(proven(PartKind::Text, &returned, &[]), Some(Report::PlainBounce), "what came back");
    for (target, formal) in [
        ("mailto:b@example.net", true),
        ("https://go.microsoft.com/fwlink/?LinkId=1", true),
        ("https://shop.example/", false),
        ("javascript:x", false),
    ] {
        let found = proven(PartKind::Html, &bounce("550 no"), &[target]);
        assert_eq!(found.is_some(), formal, "{target}");
    }
}

#[test]
fn own_words_are_few_because_a_forger_needs_many() {
    for (bytes, formal) in [(8 * 1024, true), (8 * 1024 + 1, false)] {
        let head = "b@example.net\n550 no\n";
        let text = format!("{head}{}", "x".repeat(bytes + 2 - head.len()));
        assert_eq!(proven(PartKind::Text, &text, &[]).is_some(), formal, "{bytes}");
    }
}

#[test]
fn the_returned_header_is_looked_for_within_limits() {
    let own = "b@example.net\n550 no\n";
    for (lines, expect) in [(397, Report::PlainBounce), (398, Report::BounceText)] {
        let text = format!("{own}{}Received: x\nTo: x\nFrom: x", "x\n".repeat(lines - 2));
        let found = proven(PartKind::Text, &text, &[]);
        assert_eq!(found, Some(expect), "{lines} lines before the header's three");
    }
}

#[test]
fn hostile_texts_take_no_time() {
    let began = Instant::now();
    for unit in ["To: x\n", "a", ":", "\n", "@", "550 ", "http://", "Received: x\nX-Y: z\n", "- "] {
        let _ = proven(PartKind::Text, &unit.repeat(1_000_000 / unit.len()), &[]);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn notices_for_programs_are_known_by_their_form_and_their_only_links() {
    let notice = r#"{"notificationType":"Bounce","bounce":{"bouncedRecipients":[]},"mail":{}}"#;
    let enveloped =
        r#"{ "Type" : "Notification", "Message" : "{\"notificationType\":\"Bounce\"}" }"#;
    let end = "\nhttps://sns.eu-west-1.amazonaws.com/unsubscribe.html?x";
    for (text, expect) in [
        (notice.to_owned(), true),
        (format!("{notice}{end}"), true),
        (enveloped.to_owned(), true),
        (notice.replace("Bounce\"", "Prize\""), false),
        (format!("Hello {notice}"), false),
        (format!("{notice}\nhttp://shop.example/"), false),
        (format!("{notice}\nhttps://sns.shop.example/"), false),
        (format!("{notice}\nhttps://files.amazonaws.com/"), false),
    ] {
        let found = proven(PartKind::Text, &text, &[]) == Some(Report::Notice);
        assert_eq!(found, expect, "{text}");
    }
}

/// A bounce in words: a null sender, and parts with what they prove.
fn formal(
    parts: &[(Option<u16>, PartKind, &str, Option<Report>)],
    change: impl Fn(&mut Envelope, &mut HeaderReading),
) -> bool {
    let mut envelope = Envelope { verified: true, ..Envelope::default() };
    let mut header = HeaderReading::default();
    change(&mut envelope, &mut header);
    let outline = Outline {
        size: 3000,
        parts: parts.iter().map(|(parent, kind, media, _)| part(*parent, *kind, media)).collect(),
        ..Outline::default()
    };
    let facts: Vec<PartFacts> = parts
        .iter()
        .map(|(.., report)| PartFacts { report: *report, ..PartFacts::default() })
        .collect();
    let facts: Vec<Option<&PartFacts>> = facts.iter().map(Some).collect();
    judge(&envelope, &header, &outline, &facts, &[]).is_some()
}

#[test]
fn the_pieces_of_a_bounce_must_come_together() {
    use PartKind::{Container, HeaderBlock, Message, Text};
    let plain = |report| [(None, Text, "text/plain", report)];
    let with = |report| {
        [
            (None, Container, "multipart/mixed", None),
            (Some(0), Text, "text/plain", report),
            (Some(0), Message, "message/rfc822", None),
            (Some(2), HeaderBlock, "text/rfc822-headers", None),
        ]
    };
    let nothing = |_: &mut Envelope, _: &mut HeaderReading| {};
    let sender = |envelope: &mut Envelope, _: &mut HeaderReading| {
        envelope.sender = "a@sender.example".to_owned();
    };
    let automatic = |_: &mut Envelope, header: &mut HeaderReading| {
        let field = Field { name: "X-Failed-Recipients".to_owned(), value: "b@x".to_owned() };
        header.fields.push(field);
    };
    assert!(formal(&plain(Some(Report::PlainBounce)), nothing), "all in one text");
    assert!(!formal(&plain(Some(Report::PlainBounce)), sender), "a sender");
    assert!(formal(&plain(Some(Report::BounceText)), nothing), "words alone, null sender");
    assert!(!formal(&plain(Some(Report::ReturnedHeader)), nothing), "a header alone");
    assert!(formal(&plain(Some(Report::ReturnedHeader)), automatic), "and a field of Exim");
    assert!(!formal(&plain(None), automatic), "nothing that proves anything");
    assert!(formal(&with(Some(Report::BounceText)), nothing), "words and the mail");
    assert!(!formal(&with(None), nothing), "a mail enclosed by anybody");
    assert!(formal(&with(None), automatic), "and a field of Exim");
}

#[test]
fn words_alone_need_a_null_sender_or_the_subject_of_a_bounce() {
    let plain = [(None, PartKind::Text, "text/plain", Some(Report::BounceText))];
    for (subject, expect) in [("Undeliverable: oars", true), ("Boat parts", false)] {
        let found = formal(&plain, |envelope, header| {
            envelope.sender = "postmaster@mx.example".to_owned();
            header.subject = subject.to_owned();
            header.from = vec![Mailbox::default()];
        });
        assert_eq!(found, expect, "{subject}");
    }
}
