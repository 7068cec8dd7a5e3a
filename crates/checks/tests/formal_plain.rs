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
        ("b@example.net: mailbox is full".to_owned(), Some(Report::BounceWords)),
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
        ("said: 550 x", false),
        ("<b@mx.example>: 550 x", true),
        ("<the prize>: 550 x", false),
        ("said: 550 5.7.1 x", true),
        ("Win $500 now", false),
        ("$500 now", false),
        ("500,000 now", false),
        ("500.00 now", false),
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
    for (own, formal) in [
        ("550 5.7.1 see http://lookup.example/?ip=192.0.2.1", false),
        ("550 5.7.1 see https://postmaster.yahooinc.com/error-codes", true),
        ("550 5.7.1 see https://postmaster.yahooinc.com.", true),
        ("550 5.7.1 see https://postmaster.yahooinc.com.shop.example/", false),
        ("550 5.7.1 see https://postmaster.yahooinc.com@shop.example/", false),
        ("mailbox is full, see https://support.google.com/mail/?p=x", true),
        ("mailbox is full, click http://shop.example/", false),
        ("mailbox is full, click www.shop.example", false),
        ("click http://shop.example/\n550 no", false),
        ("mailbox is full, click HTTP://SHOP.EXAMPLE/", false),
        ("mailbox is full, click WWW.SHOP.EXAMPLE", false),
        ("mailbox is full, click ftp://shop.example/", false),
        ("550 no\nhttp://shop.example/x", false),
    ] {
        let expect = formal.then_some(Report::PlainBounce);
        assert_eq!(proven(PartKind::Text, &bounce(own), &[]), expect, "{own}");
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
#[expect(clippy::disallowed_methods, reason = "this measures real time")]
fn hostile_texts_take_no_time() {
    let began = Instant::now();
    for unit in ["To: x\n", "a", ":", "\n", "@", "550 ", "http://", "Received: x\nX-Y: z\n", "- "] {
        let _ = proven(PartKind::Text, &unit.repeat(1_000_000 / unit.len()), &[]);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn notices_for_programs_prove_nothing_because_anybody_can_write_their_sender() {
    let notice = r#"{"notificationType":"Bounce","bounce":{"bouncedRecipients":[]},"mail":{}}"#;
    let enveloped =
        r#"{ "Type" : "Notification", "Message" : "{\"notificationType\":\"Bounce\"}" }"#;
    for text in [
        notice.to_owned(),
        enveloped.to_owned(),
        format!("{notice} HTTPS://SHOP.EXAMPLE/"),
        format!("{notice}\nhttps://sns.shop.s3.amazonaws.com/"),
    ] {
        assert_eq!(proven(PartKind::Text, &text, &[]), None, "{text}");
        assert_eq!(proven(PartKind::Html, &text, &["https://shop.example/"]), None, "{text}");
    }
}

/// What becomes of a mail of one part with these words, as a site gets it.
fn is_formal_mail(
    kind: PartKind,
    visible: &str,
    sender: &str,
    change: impl Fn(&mut HeaderReading),
) -> bool {
    let mut header = HeaderReading::default();
    change(&mut header);
    let envelope = Envelope { sender: sender.to_owned(), verified: true, ..Envelope::default() };
    let media = if kind == PartKind::Html { "text/html" } else { "text/plain" };
    let outline = Outline { size: 900, parts: vec![part(None, kind, media)], ..Outline::default() };
    let target = "http://shop.example/".to_owned();
    let link = Link { target, host: "shop.example".to_owned(), ..Link::default() };
    let has_link = visible.to_lowercase().contains("shop.example/");
    let reading = PartReading {
        text: Some(Text { visible: visible.to_owned(), ..Text::default() }),
        links: if has_link { vec![link] } else { vec![] },
        ..PartReading::default()
    };
    let links = if has_link { vec!["shop.example".to_owned()] } else { vec![] };
    let report = report(&outline.parts[0], &reading);
    let facts = PartFacts { report, links, ..PartFacts::default() };
    judge(&envelope, &header, &outline, &[Some(&facts)], &[]).is_some()
}

#[test]
fn spam_with_a_null_sender_is_no_bounce_for_a_price_and_an_address() {
    let parcels = |header: &mut HeaderReading| header.subject = "Your delivery waits".to_owned();
    let bounces = |header: &mut HeaderReading| {
        header.subject = "Delivery Status Notification (Failure)".to_owned();
    };
    let automatic = |header: &mut HeaderReading| {
        header.fields.push(Field { name: "X-Failed-Recipients".into(), value: "b@x".into() });
    };
    for (what, text) in [
        ("a price", "Win $500 now http://shop.example/ mail a@shop.example"),
        ("a price without a link", "Win $500 now, mail a@shop.example"),
        ("a price that starts a line", "$500 for you, mail a@shop.example"),
        ("a code, and a link behind it", "a@shop.example\n550 5.1.1 http://shop.example/"),
        ("the same, loud", "a@shop.example\n550 5.1.1 HTTP://SHOP.EXAMPLE/"),
        ("the same, without a scheme", "a@shop.example\n550 5.1.1 WWW.SHOP.EXAMPLE/"),
        ("the same, of another scheme", "a@shop.example\n550 5.1.1 ftp://shop.example/"),
    ] {
        let found =
            |change: &dyn Fn(&mut HeaderReading)| is_formal_mail(PartKind::Text, text, "", change);
        assert!(!found(&|_| {}), "{what}");
        assert!(!found(&parcels), "{what}, about parcels");
        assert!(!found(&bounces), "{what}, with the subject of a bounce");
        assert!(!found(&automatic), "{what}, with a field of Exim");
    }
    let real = "550 5.1.1 <b@mx.example> no such account";
    let found =
        |change: &dyn Fn(&mut HeaderReading)| is_formal_mail(PartKind::Text, real, "", change);
    assert!(found(&bounces) && found(&automatic), "a real one");
    assert!(!found(&|_| {}) && !found(&parcels), "a null sender announces nothing by itself");
    let answered = |header: &mut HeaderReading| {
        bounces(header);
        header.fields.push(Field { name: "Reply-To".into(), value: "agent@shop.example".into() });
    };
    assert!(!found(&answered), "no mail system waits for an answer");
    let parcel = "Your parcel could not be delivered. Write to agent@shop.example.";
    let found =
        |change: &dyn Fn(&mut HeaderReading)| is_formal_mail(PartKind::Text, parcel, "", change);
    assert!(!found(&bounces) && !found(&automatic), "a phrase without a code brings the mail back");
}

#[test]
fn what_poses_as_qmail_or_as_a_notice_may_not_bring_links() {
    let subject = |header: &mut HeaderReading| header.subject = "failure notice".to_owned();
    let from = |header: &mut HeaderReading| {
        let address = "no-reply@sns.amazonaws.com".to_owned();
        header.from = vec![Mailbox { name: String::new(), address }];
    };
    let qmail = "Hi. This is the x program at y.";
    let notice = r#"{"notificationType":"Bounce"} HTTPS://SHOP.EXAMPLE/"#;
    assert!(is_formal_mail(PartKind::Text, qmail, "", subject), "a qmail bounce");
    for (what, kind, text, sender) in [
        ("qmail", PartKind::Text, format!("{qmail} http://shop.example/"), ""),
        ("loud qmail", PartKind::Text, format!("{qmail} HTTP://SHOP.EXAMPLE/"), ""),
        ("a page as qmail", PartKind::Html, format!("{qmail} http://shop.example/"), ""),
        ("a notice", PartKind::Text, notice.to_owned(), ""),
        ("a page as notice", PartKind::Html, notice.to_owned(), ""),
        ("a notice with a sender", PartKind::Text, notice.to_owned(), "a@shop.example"),
    ] {
        assert!(!is_formal_mail(kind, &text, sender, subject), "{what}");
        assert!(!is_formal_mail(kind, &text, sender, from), "{what}, from Amazon");
        assert!(!is_formal_mail(kind, &text, sender, |_| {}), "{what}, from nobody");
    }
}

#[test]
fn qmail_may_return_a_mail_with_links_behind_its_own_words() {
    let own = "Hi. This is the qmail-send program at y.\n<b@mx.example>:\nno such user (#5.1.1)";
    let returned = format!("--- Below this line is a copy of the message.\n{HEADER}");
    let subject = |header: &mut HeaderReading| header.subject = "failure notice".to_owned();
    let behind = format!("{own}\n{returned}\nhttp://shop.example/");
    assert!(is_formal_mail(PartKind::Text, &behind, "", subject));
    let before = format!("Hi. This is the x program at y. http://shop.example/\n{returned}");
    assert!(!is_formal_mail(PartKind::Text, &before, "", subject));
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
    assert!(!formal(&plain(Some(Report::BounceText)), nothing), "words alone, null sender");
    assert!(formal(&plain(Some(Report::BounceText)), automatic), "words, and a field of Exim");
    assert!(!formal(&plain(Some(Report::BounceWords)), automatic), "a phrase, and a field of Exim");
    assert!(formal(&with(Some(Report::BounceWords)), nothing), "a phrase and the mail");
    assert!(!formal(&plain(Some(Report::ReturnedHeader)), nothing), "a header alone");
    assert!(formal(&plain(Some(Report::ReturnedHeader)), automatic), "and a field of Exim");
    assert!(!formal(&plain(None), automatic), "nothing that proves anything");
    assert!(formal(&with(Some(Report::BounceText)), nothing), "words and the mail");
    assert!(!formal(&with(None), nothing), "a mail enclosed by anybody");
    assert!(formal(&with(None), automatic), "and a field of Exim");
}

#[test]
fn words_alone_need_the_subject_of_a_bounce_whoever_sends_them() {
    let plain = [(None, PartKind::Text, "text/plain", Some(Report::BounceText))];
    for sender in ["", "postmaster@mx.example"] {
        for (subject, expect) in
            [("Undeliverable: oars", true), ("Boat parts", false), ("Delivery at noon", false)]
        {
            let found = formal(&plain, |envelope, header| {
                envelope.sender = sender.to_owned();
                envelope.verified = sender.is_empty();
                header.subject = subject.to_owned();
                header.from = vec![Mailbox::default()];
            });
            assert_eq!(found, expect, "{sender} {subject}");
        }
    }
}
