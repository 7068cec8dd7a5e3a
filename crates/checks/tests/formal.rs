//! Formal mail by structure, and every guard against forged bounces.

use tamis_checks::formal::{judge, report};
use tamis_domain::digest::{Signature, SignatureKind};
use tamis_domain::envelope::Envelope;
use tamis_domain::evidence::{Evidence, Mark, Source};
use tamis_domain::outline::{Disposition, Outline, Part, PartKind, TransferEncoding};
use tamis_domain::reading::{Field, HeaderReading, Mailbox, PartFacts, PartReading, Report, Text};
use tamis_domain::reputation::{Answered, Class, Listing};

/// A mail with all that `judge` looks at. Starts as a proper bounce.
#[derive(Clone)]
struct Mail {
    envelope: Envelope,
    header: HeaderReading,
    outline: Outline,
    facts: Vec<Option<PartFacts>>,
    answers: Vec<Answered>,
}

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

fn facts(report: Option<Report>) -> Option<PartFacts> {
    Some(PartFacts { report, ..PartFacts::default() })
}

fn field(name: &str, value: &str) -> Field {
    Field { name: name.to_owned(), value: value.to_owned() }
}

fn bounce(media_type: &str, proven: Report) -> Mail {
    Mail {
        envelope: Envelope { verified: true, ..Envelope::default() },
        header: HeaderReading::default(),
        outline: Outline {
            size: 3000,
            parts: vec![
                part(None, PartKind::Container, "multipart/report"),
                part(Some(0), PartKind::Text, "text/plain"),
                part(Some(0), PartKind::Report, media_type),
                part(Some(0), PartKind::Report, "text/rfc822-headers"),
            ],
            ..Outline::default()
        },
        facts: vec![None, facts(None), facts(Some(proven)), facts(None)],
        answers: vec![],
    }
}

fn dsn() -> Mail {
    bounce("message/delivery-status", Report::DeliveryStatus)
}

fn answer(fields: Vec<Field>) -> Mail {
    Mail {
        envelope: Envelope {
            sender: "a@sender.example".to_owned(),
            verified: true,
            ..Envelope::default()
        },
        header: HeaderReading { fields, ..HeaderReading::default() },
        outline: Outline {
            size: 900,
            parts: vec![part(None, PartKind::Text, "text/plain")],
            ..Outline::default()
        },
        facts: vec![facts(None)],
        answers: vec![],
    }
}

fn kind(mail: &Mail) -> Option<String> {
    let facts: Vec<Option<&PartFacts>> = mail.facts.iter().map(Option::as_ref).collect();
    let found = judge(&mail.envelope, &mail.header, &mail.outline, &facts, &mail.answers)?;
    assert_eq!((found.mark, found.weight), (Some(Mark::Formal), 0.0));
    Some(found.detail)
}

#[test]
fn reports_in_their_place_are_formal() {
    let mdn = bounce("message/disposition-notification", Report::Disposition);
    let mut arf = bounce("message/feedback-report", Report::Feedback);
    arf.envelope.sender = "abuse@provider.example".to_owned();
    for (mail, expect) in [
        (dsn(), "delivery status notification (RFC 3464)"),
        (mdn, "receipt (RFC 8098)"),
        (arf, "feedback report (RFC 5965)"),
    ] {
        assert_eq!(kind(&mail).as_deref(), Some(expect));
    }
}

#[test]
fn a_bounce_with_any_fault_is_not_formal_because_spam_forges_bounces() {
    type Change = fn(&mut Mail);
    let cases: [(&str, Change); 7] = [
        ("a sender that is not null", |m| m.envelope.sender = "a@sender.example".to_owned()),
        ("alternatives", |m| m.outline.parts[0].media_type = "multipart/alternative".to_owned()),
        ("a report deep inside", |m| m.outline.parts[2].parent = Some(1)),
        ("a report that is not well formed", |m| m.facts[2] = facts(None)),
        ("a report that nobody read", |m| m.facts[2] = None),
        ("a returned part that nobody read", |m| m.facts[3] = None),
        ("no parts at all", |m| m.outline.parts.clear()),
    ];
    for (fault, change) in cases {
        let mut mail = dsn();
        change(&mut mail);
        assert_eq!(kind(&mail), None, "{fault}");
    }
}

#[test]
fn a_report_in_another_wrapping_is_one_still_because_mail_systems_differ() {
    let mut mixed = dsn();
    mixed.outline.parts[0].media_type = "multipart/mixed".to_owned();
    assert!(kind(&mixed).is_some(), "OpenSMTPD calls it mixed");
    let mut wrapped = dsn();
    for part in &mut wrapped.outline.parts {
        part.parent = part.parent.map(|parent| parent + 1).or(Some(0));
    }
    wrapped.outline.parts.insert(0, part(None, PartKind::Container, "multipart/mixed"));
    wrapped.facts.insert(0, None);
    assert!(kind(&wrapped).is_some(), "a relay added a footer");
    wrapped.outline.parts[0].media_type = "multipart/alternative".to_owned();
    assert_eq!(kind(&wrapped), None, "one of several ways to show the mail");
}

#[test]
fn a_bounce_shows_words_and_nothing_to_click_on_because_spam_forges_bounces() {
    type Change = fn(&mut Mail);
    let cases: [(&str, bool, Change); 12] = [
        ("a link", false, |m| m.facts[1] = linked("shop.example/x")),
        ("a page that explains", true, |m| m.facts[1] = linked("support.google.com/mail/a")),
        ("the same host with a page of anybody", false, |m| {
            m.facts[1] = linked("www.google.com/url");
        }),
        ("a host that only begins so", false, |m| {
            m.facts[1] = linked("support.google.com.shop.example/x");
        }),
        ("links in the report", true, |m| m.facts[2].as_mut().unwrap().links.push("a/b".into())),
        ("a page", true, |m| m.outline.parts[1].kind = PartKind::Html),
        ("a page with a link", false, |m| {
            m.outline.parts[1].kind = PartKind::Html;
            m.facts[1] = linked("shop.example/x");
        }),
        ("an icon", true, |m| add(m, 0, PartKind::Image, "image/png")),
        ("a picture", false, |m| {
            add(m, 0, PartKind::Image, "image/png");
            m.outline.parts[4].size = 8 * 1024 + 1;
        }),
        ("a file", false, |m| add(m, 0, PartKind::Other, "application/pdf")),
        ("properties of Outlook", true, |m| add(m, 0, PartKind::Other, "application/ms-tnef")),
        ("a file that poses as such", false, |m| {
            add(m, 0, PartKind::Other, "application/ms-tnef");
            m.outline.parts[4].size = 16 * 1024 + 1;
        }),
    ];
    for (what, formal, change) in cases {
        let mut mail = dsn();
        change(&mut mail);
        assert_eq!(kind(&mail).is_some(), formal, "{what}");
    }
}

/// A complaint as providers send it, with the mail complained about and all that was wrong with that.
fn complaint() -> Mail {
    let mut mail = bounce("message/feedback-report", Report::Feedback);
    mail.envelope.sender = "abuse@provider.example".to_owned();
    mail.outline.parts[3] = part(Some(0), PartKind::Message, "message/rfc822");
    mail.outline.parts.push(part(Some(3), PartKind::HeaderBlock, "text/rfc822-headers"));
    mail.outline.parts.push(part(Some(3), PartKind::Html, "text/html"));
    mail.outline.parts.push(part(Some(3), PartKind::Image, "image/png"));
    mail.facts[3] = None;
    mail.facts.extend([facts(None), linked("spam.example/x"), facts(None)]);
    mail
}

fn linked(link: &str) -> Option<PartFacts> {
    Some(PartFacts { links: vec![link.to_owned()], ..PartFacts::default() })
}

fn add(mail: &mut Mail, parent: u16, kind: PartKind, media_type: &str) {
    mail.outline.parts.push(part(Some(parent), kind, media_type));
    mail.facts.push(if kind.is_leaf() { facts(None) } else { None });
}

#[test]
fn a_complaint_shows_only_plain_text_because_anybody_can_send_one() {
    type Change = fn(&mut Mail);
    let cases: [(&str, bool, Change); 11] = [
        ("as providers send it", true, |_| {}),
        ("links in the report", true, |m| m.facts[2].as_mut().unwrap().links.push("a/b".into())),
        ("the link of the RFC", true, |m| m.facts[1] = linked("www.mipassoc.org/arf/")),
        ("a link in the text", false, |m| m.facts[1] = linked("shop.example/x")),
        ("a link like that of the RFC", false, |m| m.facts[1] = linked("mipassoc.org/arfx")),
        ("a page as text", false, |m| m.outline.parts[1].kind = PartKind::Html),
        ("a page besides", false, |m| add(m, 0, PartKind::Html, "text/html")),
        ("a picture", false, |m| add(m, 0, PartKind::Image, "image/png")),
        ("a file", false, |m| add(m, 0, PartKind::Other, "application/pdf")),
        ("alternatives", false, |m| {
            add(m, 0, PartKind::Container, "multipart/alternative");
            add(m, 7, PartKind::Html, "text/html");
        }),
        ("names of programs", false, |m| {
            m.outline.parts[6].file_name = Some("a.pdf.exe".to_owned());
        }),
    ];
    for (what, formal, change) in cases {
        let mut mail = complaint();
        change(&mut mail);
        assert_eq!(kind(&mail).is_some(), formal, "{what}");
    }
}

#[test]
fn a_bounce_that_returns_a_listed_mail_is_not_formal() {
    for (class, formal) in [
        (Class::Spam, false),
        (Class::Phishing, false),
        (Class::Malware, false),
        (Class::Bulk, true),
        (Class::Allowed, true),
    ] {
        let mut mail = dsn();
        mail.answers.push(Answered {
            signature: Signature { kind: SignatureKind::Text, value: [1; 16] },
            part: Some(3),
            listing: Some(Listing {
                class,
                weight: 80,
                reporters: 3,
                age_hours: 5,
                similarity: 25,
            }),
        });
        assert_eq!(kind(&mail).is_some(), formal, "{class:?}");
    }
}

#[test]
fn content_that_is_probably_spam_is_not_formal() {
    for (weight, formal) in [(4.99, true), (5.0, false), (f32::INFINITY, false), (-9.0, true)] {
        let mut mail = dsn();
        let evidence = vec![Evidence::new("x", weight, Source::Text, "")];
        mail.facts[1] = Some(PartFacts { evidence, ..PartFacts::default() });
        assert_eq!(kind(&mail).is_some(), formal, "{weight}");
    }
}

#[test]
fn a_file_without_an_envelope_is_judged_by_what_its_trace_says() {
    let system = "MAILER-DAEMON@mx.example";
    for (sender, return_path, from, formal) in [
        ("", Some(""), "a@b.example", true),
        ("", Some("a@b.example"), system, false),
        ("", Some(system), "a@b.example", true),
        ("", None, system, true),
        ("", None, "a@b.example", false),
        ("a@b.example", None, system, false),
    ] {
        let mut mail = dsn();
        mail.envelope = Envelope { sender: sender.to_owned(), ..Envelope::default() };
        mail.header.return_path = return_path.map(str::to_owned);
        mail.header.from = vec![Mailbox { name: String::new(), address: from.to_owned() }];
        assert_eq!(kind(&mail).is_some(), formal, "{sender:?} {return_path:?} {from}");
    }
}

#[test]
fn names_of_mail_systems_are_no_null_sender_where_an_mta_vouches_for_the_envelope() {
    for sender in ["postmaster@shop.example", "mailer-daemon@shop.example", "null"] {
        for (verified, formal) in [(true, false), (false, true)] {
            let mut mail = dsn();
            mail.envelope.sender = sender.to_owned();
            mail.envelope.verified = verified;
            assert_eq!(kind(&mail).is_some(), formal, "{sender} {verified}");
        }
    }
}

#[test]
fn a_fact_excuses_no_links_but_of_what_a_bounce_in_words_returns() {
    for (proven, formal) in [
        (Report::QmailBounce, false),
        (Report::Feedback, false),
        (Report::PlainBounce, true),
        (Report::ReturnedHeader, true),
    ] {
        let mut mail = dsn();
        let links = vec!["shop.example/x".to_owned()];
        mail.facts[1] = Some(PartFacts { links, report: Some(proven), ..PartFacts::default() });
        assert_eq!(kind(&mail).is_some(), formal, "{proven:?}");
    }
}

#[test]
fn qmail_bounces_are_known_by_their_opening_and_subject() {
    for (subject, sender, proven, formal) in [
        ("failure notice", "", Some(Report::QmailBounce), true),
        ("Failure Notice", "", Some(Report::QmailBounce), true),
        ("you won", "", Some(Report::QmailBounce), false),
        ("failure notice", "a@b.example", Some(Report::QmailBounce), false),
        ("failure notice", "", None, false),
    ] {
        let mut mail = answer(vec![]);
        mail.envelope.sender = sender.to_owned();
        mail.header.subject = subject.to_owned();
        mail.facts = vec![facts(proven)];
        assert_eq!(kind(&mail).is_some(), formal, "{subject} {sender}");
    }
}

#[test]
fn automatic_answers_are_short_plain_and_answer_something() {
    let replied = field("Auto-Submitted", "auto-replied (vacation)");
    let to = field("In-Reply-To", "<x@y>");
    for (fields, formal) in [
        (vec![replied.clone(), to.clone()], true),
        (vec![field("X-Autoreply", "yes"), to.clone()], true),
        (vec![field("Precedence", "auto_reply"), to.clone()], true),
        (vec![field("References", "<x@y>")], false),
        (vec![replied.clone()], false),
        (vec![field("Auto-Submitted", "auto-generated"), to.clone()], false),
        (vec![field("Auto-Submitted", "no"), to.clone()], false),
        (vec![to.clone()], false),
    ] {
        assert_eq!(kind(&answer(fields.clone())).is_some(), formal, "{fields:?}");
    }
    type Change = fn(&mut Mail);
    let faults: [(&str, Change); 4] = [
        ("too long", |m| m.outline.size = 16 * 1024 + 1),
        ("an attachment", |m| m.outline.parts[0].file_name = Some("x.txt".to_owned())),
        ("an image", |m| {
            m.outline.parts.push(part(Some(0), PartKind::Image, "image/png"));
            m.facts.push(facts(None));
        }),
        ("a link", |m| {
            let links = vec!["example.org".to_owned()];
            m.facts[0] = Some(PartFacts { links, ..PartFacts::default() });
        }),
    ];
    for (fault, change) in faults {
        let mut mail = answer(vec![replied.clone(), to.clone()]);
        change(&mut mail);
        assert_eq!(kind(&mail), None, "{fault}");
    }
}

#[test]
fn dmarc_reports_are_known_by_subject_and_name() {
    let good = "provider.example!example.org!1700000000!1700086400.xml.gz";
    let subject = "Report Domain: example.org Submitter: provider.example Report-ID: <1>";
    for (subject, name, formal) in [
        (subject, good, true),
        (subject, "provider.example!example.org!1700000000!1700086400!id.zip", true),
        (subject, "report.xml.gz", false),
        (subject, "a!b!c!d.xml", false),
        ("Your report", good, false),
    ] {
        let mut mail = answer(vec![]);
        mail.header.subject = subject.to_owned();
        let attached = part(None, PartKind::Other, "application/gzip");
        mail.outline.parts = vec![Part { file_name: Some(name.to_owned()), ..attached }];
        assert_eq!(kind(&mail).is_some(), formal, "{name}");
        for (parent, what) in [(PartKind::Image, "image/png"), (PartKind::HeaderBlock, "text/x")] {
            let mut more = mail.clone();
            more.facts.push(facts(None));
            more.outline.parts.push(part(None, parent, what));
            assert_eq!(kind(&more), None, "{name} and {what}");
        }
    }
}

#[test]
fn a_part_proves_a_report_by_its_fields() {
    let dsn = "reporting-mta: dns; mx.example\nfinal-recipient : rfc822; u@example.org\naction: failed\nstatus: 5.1.1";
    let without = |field: &str| dsn.replace(field, "x-none");
    let qmail = "Hi. This is the qmail-send program at mx.example. I'm afraid";
    for (media, text, expect) in [
        ("message/delivery-status", dsn.to_owned(), Some(Report::DeliveryStatus)),
        ("message/delivery-status", without("reporting-mta"), Some(Report::DeliveryStatus)),
        ("message/delivery-status", without("action: failed"), Some(Report::DeliveryStatus)),
        ("message/delivery-status", without("status:"), Some(Report::DeliveryStatus)),
        ("message/delivery-status", without("final-recipient"), None),
        ("message/delivery-status", without("action: failed").replace("status:", "x:"), None),
        ("message/delivery-status", dsn.replace("failed", "won").replace("status:", "x:"), None),
        ("message/delivery-status", dsn.replace('\n', " "), None),
        ("text/plain", dsn.to_owned(), Some(Report::BounceText)),
        (
            "message/disposition-notification",
            "final-recipient: rfc822;u@x disposition: manual-action/x; displayed".to_owned(),
            Some(Report::Disposition),
        ),
        ("message/disposition-notification", "final-recipient: x".to_owned(), None),
        ("message/feedback-report", "feedback-type: abuse".to_owned(), Some(Report::Feedback)),
        ("message/feedback-report", "abuse".to_owned(), None),
        ("text/plain", qmail.to_owned(), Some(Report::QmailBounce)),
        ("text/plain", format!("Well: {qmail}"), None),
        ("text/plain", format!("Hi. This is the {} program at x", "é".repeat(200)), None),
    ] {
        let kind = if media == "text/plain" { PartKind::Text } else { PartKind::Report };
        let read = Text { visible: text.clone(), folded: text.to_lowercase(), ..Text::default() };
        let reading = PartReading { text: Some(read), ..PartReading::default() };
        assert_eq!(report(&part(None, kind, media), &reading), expect, "{media} {text}");
    }
}
