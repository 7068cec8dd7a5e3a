use tamis_domain::limits::{HEADER_BLOCK_BYTES_MAX, PART_DEPTH_MAX, PARTS_MAX};
use tamis_domain::outline::Oddity;

use super::*;
use crate::content::decode;

fn count(dissected: &Dissected, oddity: Oddity) -> u32 {
    dissected.outline.oddities.iter().find(|(found, _)| *found == oddity).map_or(0, |(_, n)| *n)
}

/// The content of every leaf, decoded from the raw mail by its span, which must be what its name names.
fn contents(mail: &[u8], dissected: &Dissected) -> Vec<Option<String>> {
    let parts = dissected.outline.parts.iter().zip(&dissected.spans);
    parts
        .map(|(part, span)| {
            let span = span.as_ref()?;
            let range = usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap();
            let content = decode(span, &mail[range]);
            assert_eq!(part.digest, Some(part_digest(&content)), "{part:?}");
            assert_eq!(part.size, content.len() as u64);
            Some(String::from_utf8_lossy(&content).into_owned())
        })
        .collect()
}

/// `(depth, kind, content)` of all parts, written with LF and checked with CRLF and byte by byte too.
#[track_caller]
fn check(mail: &str, expect: &[(u8, PartKind, &str)]) -> Dissected {
    let whole = dissect(mail.as_bytes());
    let found = contents(mail.as_bytes(), &whole);
    let parts = whole.outline.parts.iter().zip(&found);
    let mut found: Vec<_> = parts
        .map(|(part, content)| (part.depth, part.kind, content.as_deref().unwrap_or("")))
        .collect();
    // What only other readings have stands behind them; `readings` is about that.
    found.truncate(found.len() - count(&whole, Oddity::OtherReading) as usize);
    assert_eq!(found, expect, "{mail}");
    let mut slow = Digesting::new();
    mail.bytes().for_each(|byte| slow.push(&[byte]));
    assert_eq!(slow.finish(), whole, "byte by byte");
    let crlf = mail.replace('\n', "\r\n");
    let other = dissect(crlf.as_bytes());
    contents(crlf.as_bytes(), &other);
    let names = |dissected: &Dissected| -> Vec<_> {
        dissected.outline.parts.iter().map(|part| (part.digest, part.size)).collect()
    };
    assert_eq!(names(&other), names(&whole), "CRLF");
    assert_eq!(other.outline.header_digest, whole.outline.header_digest);
    assert_eq!(other.outline.oddities, whole.outline.oddities);
    whole
}

use PartKind::{Container, HeaderBlock, Html, Message, Other, Report, Text};

#[test]
fn a_plain_mail_is_one_leaf() {
    let read = check("Subject: a\nTo: b\n\nhello\nworld\n\n\n", &[(0, Text, "hello\nworld")]);
    assert_eq!(read.outline.header, b"Subject: a\nTo: b\n");
    assert_eq!(read.header, 0..17);
    assert!(read.outline.oddities.is_empty());
}

#[test]
fn parts_preamble_and_epilogue() {
    check(
        "Content-Type: multipart/mixed; boundary=B\n\npreamble\n--B\n\none\n\n--B  \t\nContent-Type: text/html\n\n\
         <p>two\n--B--\nepilogue\n--B\n\nthree\n",
        &[(0, Container, ""), (1, Text, "one"), (1, Html, "<p>two")],
    );
}

#[test]
fn an_outer_delimiter_ends_inner_containers() {
    let read = check(
        "Content-Type: multipart/mixed; boundary=foo\n\n--foo\nContent-Type: multipart/mixed; boundary=foobar\n\n\
         --foobar\n\na\n--foobarx\nb\n--foo\nContent-Type: application/x\n\nc\n\n--foo--",
        &[(0, Container, ""), (1, Container, ""), (2, Text, "a\n--foobarx\nb"), (1, Other, "c")],
    );
    assert_eq!(count(&read, Oddity::UnclosedMultipart), 1);
}

#[test]
fn an_enclosed_message_has_its_header_as_first_child() {
    check(
        "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: message/rfc822\n\nFrom x@y z\nSubject: in\nContent-Type: \
         multipart/digest; boundary=C\n\n--C\n\nSubject: deep\n\nbody\n--C--\n--B\nContent-Type: \
         message/delivery-status\n\nReporting-MTA: dns; a\n\nAction: failed\n--B--\n",
        &[
            (0, Container, ""),
            (1, Message, ""),
            (2, HeaderBlock, "Subject: in\nContent-Type: multipart/digest; boundary=C"),
            (2, Container, ""),
            (3, Message, ""),
            (4, HeaderBlock, "Subject: deep"),
            (4, Text, "body"),
            (1, Report, "Reporting-MTA: dns; a\n\nAction: failed"),
        ],
    );
}

#[test]
fn an_encoded_enclosed_message_is_decoded_and_taken_apart() {
    // "Subject: in\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nh=69\r\n"
    let read = check(
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n\
         U3ViamVjdDogaW4NCkNvbnRlbnQtVHJhbnNmZXItRW5jb2Rpbmc6IHF1b3Rl\nZC1wcmludGFibGUNCg0KaD02OQ0K\n",
        &[
            (0, Message, ""),
            (1, HeaderBlock, "Subject: in\nContent-Transfer-Encoding: quoted-printable"),
            (1, Text, "hi"),
        ],
    );
    assert_eq!(count(&read, Oddity::EncodedContainer), 1);
    assert_eq!(read.spans[2].as_ref().unwrap().wrappings.len(), 1);
}

#[test]
fn what_is_not_taken_apart_is_read_as_text() {
    let read =
        check("Content-Type: multipart/mixed\n\n--x\nhidden?\n", &[(0, Text, "--x\nhidden?")]);
    assert_eq!(count(&read, Oddity::MissingBoundary), 1);
    let read = check(
        "Content-Type: multipart/mixed; boundary=B\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n",
        &[(0, Container, ""), (1, Text, "hello")],
    );
    assert_eq!(count(&read, Oddity::EmptyMultipart), 1);
    assert_eq!(count(&read, Oddity::EncodedContainer), 1);
    check(
        "Content-Type: multipart/mixed; boundary=B\n\nall\n--B--\nrest\n",
        &[(0, Container, ""), (1, Text, "all")],
    );
}

#[test]
fn a_header_ends_where_mail_programs_end_it() {
    let read =
        check("Subject: a\nno field here\nTo: b\n\nx", &[(0, Text, "no field here\nTo: b\n\nx")]);
    assert_eq!(count(&read, Oddity::BrokenHeader), 1);
    let read = check("just text\n\nmore", &[(0, Text, "just text\n\nmore")]);
    assert_eq!(count(&read, Oddity::NoHeader), 1);
    check("", &[(0, Text, "")]);
    check(
        "Content-Type: multipart/mixed; boundary=B\n--B\nbody at once\n--B\nContent-Type: text/html\njunk line\nContent-Transfer-Encoding: \
         base64\n\nPGI+\n--B\nContent-Type: image/gif\n--B--",
        &[
            (0, Container, ""),
            (1, Text, "body at once"),
            (1, Html, "<b>"),
            (1, PartKind::Image, ""),
        ],
    );
}

#[test]
fn what_adapters_put_before_a_mail_is_not_part_of_it() {
    let mail = "Subject: a\n\nx";
    let expect = dissect(mail.as_bytes()).outline;
    for prefix in [
        "From a@b Sat\n",
        "From a Sat\nX-Envelope-From: <a>\nX-Envelope-To: b,\n c\n",
        "X-Envelope-To: b\n",
    ] {
        let read = check(&format!("{prefix}{mail}"), &[(0, Text, "x")]);
        assert_eq!(read.outline.header, expect.header);
        assert_eq!(read.header.start, prefix.len() as u64);
    }
}

#[test]
fn a_line_that_a_program_logged_before_a_stored_mail_hides_its_header_from_nobody() {
    let mail = "Return-Path: <a@b>\nSubject: a\n\nx";
    let expect = dissect(mail.as_bytes()).outline;
    let log = "\u{2705} settings read from: here.toml\n";
    let read = check(&format!("{log}{mail}"), &[(0, Text, "x")]);
    assert_eq!(read.outline.header, expect.header);
    assert_eq!(read.header.start, log.len() as u64);
    // Before any other field, or twice, it is text without a header, as it is to mail programs.
    for text in
        ["log\nSubject: a\n\nx", "log\nlog\nReceived: by a\n\nx", "log\n\nReceived: by a", "log"]
    {
        let read = check(text, &[(0, Text, text)]);
        assert_eq!(count(&read, Oddity::NoHeader), 1);
    }
}

#[test]
fn the_same_mail_through_every_door_has_the_same_header_name() {
    let name = |header: &str| header_digest(header.as_bytes());
    let milter = name("From: a@b\nTo: a@c,d@e\nSubject:  x\n y\nDate: d\n");
    assert_eq!(
        milter,
        name(
            "Received: by z\r\nfrom: a@b\r\nTO: a@c, d@e\r\nSubject: x\r\n\ty \r\nDate: d\r\n\r\nbody"
        )
    );
    assert_ne!(milter, name("From: a@b\nTo: a@c,d@e\nSubject: xy\nDate: d\n"));
    assert_ne!(name("From: a\nTo: b\n"), name("From: a\nto:b\nCc:\n"));
}

#[test]
fn mails_of_different_people_share_a_name_only_where_they_are_copies_of_one_mail() {
    let head = "From: ann@example.org\nTo: list@example.com\nCc: c@example.com\nSubject: s\n\
        Date: d\nMessage-ID: <1@example.org>\n";
    let body = "Content-Type: multipart/mixed; boundary=B\n\n--B\n\none\n--B\n\ntwo\n--B--\n";
    let name =
        |head: &str, body: &str| mail_name(&dissect(format!("{head}{body}").as_bytes()).outline);
    let mail = name(head, body);
    // Who gets a copy stands in the envelope and in traces: what one copy felled counts for all of them.
    let traces =
        "Return-Path: <v+bob@example.com>\nDelivered-To: bob@example.com\nReceived: by x\n";
    assert_eq!(mail, name(&format!("{traces}{head}"), body));
    // Whoever writes himself, to others, about something else, at another time, or other words, writes another mail.
    let lines: Vec<&str> = head.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        for changed in [format!("{line}x"), format!("{line}\n{line}"), "X: y".to_owned()] {
            let mut lines: Vec<&str> = lines.clone();
            lines[at] = &changed;
            assert_ne!(mail, name(&format!("{}\n", lines.join("\n")), body), "{changed}");
        }
    }
    let parts = ["--B\n\none\n", "--B\n\ntwo\n"];
    for other in [
        body.replace("one", "One"),
        body.replace(&parts.concat(), &[parts[1], parts[0]].concat()),
        body.replace(parts[1], ""),
        body.replace(parts[1], &parts[1].repeat(2)),
    ] {
        assert_ne!(mail, name(head, &other), "{other}");
    }
}

#[test]
fn oddities_are_counted() {
    let read = dissect(b"Subject: \xe9\r\nSubject: b\r\nX: \0\n\r\na\rb\r\n");
    for (oddity, times) in [
        (Oddity::EightBitHeader, 1),
        (Oddity::DuplicateField, 1),
        (Oddity::NulByte, 1),
        (Oddity::MixedLineEnds, 1),
        (Oddity::BareCr, 1),
    ] {
        assert_eq!(count(&read, oddity), times, "{oddity:?}");
    }
    for (length, times) in [(998, 0), (999, 1)] {
        for end in ["\n", "\r\n"] {
            let mail = format!("a: b{end}{end}{}{end}x", "y".repeat(length));
            assert_eq!(count(&dissect(mail.as_bytes()), Oddity::LongLine), times);
        }
    }
    let read = dissect(b"Content-Type: x\nContent-Transfer-Encoding: rot13\n\nx");
    assert_eq!(
        read.outline.oddities,
        [(Oddity::BrokenContentType, 1), (Oddity::UnknownEncoding, 1)]
    );
}

#[test]
fn parts_are_taken_up_to_n_and_counted_at_n_plus_1() {
    let mail = |count: usize| {
        let parts = "--B\n\nx\n".repeat(count);
        format!("Content-Type: multipart/mixed; boundary=B\n\n{parts}--B--\n")
    };
    for (parts, beyond) in [(PARTS_MAX - 1, 0), (PARTS_MAX, 1), (PARTS_MAX + 41, 42)] {
        let read = dissect(mail(parts).as_bytes());
        assert_eq!(read.outline.parts.len(), PARTS_MAX);
        assert_eq!(read.spans.len(), PARTS_MAX);
        assert_eq!(count(&read, Oddity::TooManyParts), beyond);
    }
}

#[test]
fn nesting_is_taken_apart_up_to_n_and_read_as_text_at_n_plus_1() {
    for (depth, beyond) in [(usize::from(PART_DEPTH_MAX), 0), (usize::from(PART_DEPTH_MAX) + 1, 1)]
    {
        let mut mail: String = (0..depth)
            .map(|at| format!("Content-Type: multipart/mixed; boundary=b{at}x\n\n--b{at}x\n"))
            .collect();
        mail.push_str("\ndeepest");
        let read = dissect(mail.as_bytes());
        assert_eq!(count(&read, Oddity::TooDeep), beyond);
        assert_eq!(read.outline.parts.last().unwrap().depth, PART_DEPTH_MAX);
        let content = contents(mail.as_bytes(), &read).pop().unwrap().unwrap();
        assert!(content.ends_with("deepest"));
    }
    let mail = "Content-Type: message/rfc822\n\n".repeat(40);
    let read = dissect(mail.as_bytes());
    assert_eq!(count(&read, Oddity::TooDeep), 1);
    assert_eq!(read.outline.parts.last().unwrap().depth, PART_DEPTH_MAX);
}

#[test]
fn a_header_block_is_kept_up_to_n_and_cut_at_n_plus_1() {
    for (length, cut) in [(HEADER_BLOCK_BYTES_MAX, 0), (HEADER_BLOCK_BYTES_MAX + 1, 1)] {
        let mail = format!("X: {}\n\nbody", "y".repeat(length - 4));
        let read = dissect(mail.as_bytes());
        assert_eq!(contents(mail.as_bytes(), &read), [Some("body".to_owned())]);
        assert_eq!(read.outline.header.len(), HEADER_BLOCK_BYTES_MAX);
        assert_eq!(read.header, 0..length as u64);
        assert_eq!(count(&read, Oddity::HeaderTooLong), cut);
    }
}

#[test]
fn a_boundary_is_honoured_up_to_n_and_missing_at_n_plus_1() {
    for (length, missing) in [(BOUNDARY_BYTES_MAX, 0), (BOUNDARY_BYTES_MAX + 1, 1)] {
        let boundary = "b".repeat(length);
        let mail = format!(
            "Content-Type: multipart/mixed;\n boundary={boundary}\n\n--{boundary}\n\nx\n--{boundary}--\n"
        );
        assert_eq!(count(&dissect(mail.as_bytes()), Oddity::MissingBoundary), missing);
    }
}

#[test]
fn a_delimiter_line_is_seen_up_to_n_and_is_text_at_n_plus_1() {
    for (length, parts) in [(DELIMITER_LINE_BYTES_MAX - 1, 3), (DELIMITER_LINE_BYTES_MAX, 2)] {
        let blanks = " ".repeat(length - 3);
        let mail = format!(
            "Content-Type: multipart/mixed; boundary=B\n\n--B\n\nx\n--B{blanks}\n\ny\n--B--\n"
        );
        assert_eq!(dissect(mail.as_bytes()).outline.parts.len(), parts);
    }
}

#[test]
fn encoded_messages_are_unwrapped_up_to_n_and_read_as_text_at_n_plus_1() {
    for (layers, beyond) in [(WRAPPINGS_MAX, 0), (WRAPPINGS_MAX + 1, 1)] {
        let mut mail = "Subject: deepest\n\nbody".to_owned();
        for _ in 0..layers {
            mail = mail.replace('=', "=3D");
            mail.insert_str(
                0,
                "Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n",
            );
        }
        let read = dissect(mail.as_bytes());
        assert_eq!(count(&read, Oddity::TooDeep), beyond);
        assert!(contents(mail.as_bytes(), &read).pop().unwrap().unwrap().ends_with("body"));
    }
}

#[test]
fn the_reading_key_covers_what_the_reading_depends_on() {
    let part = dissect(b"\n\nx").outline.parts.remove(0);
    let key = reading_key(&part, 1);
    assert_eq!(key, reading_key(&part, 1));
    assert_ne!(key, reading_key(&part, 2));
    assert_ne!(key, reading_key(&Part { charset: Some("utf-8".into()), ..part.clone() }, 1));
    assert_ne!(key, reading_key(&Part { media_type: "text/html".into(), ..part.clone() }, 1));
    assert_ne!(key, reading_key(&Part { kind: Html, ..part.clone() }, 1));
    assert_eq!(key, reading_key(&Part { file_name: Some("x".into()), ..part }, 1));
}

/// Body hashes of a mail whose signature asks for the relaxed form, at every split in two.
#[test]
fn the_body_that_signatures_ask_for_begins_where_the_header_ends() {
    let signature = "From: a@example.org\r\nDKIM-Signature: v=1; c=relaxed/relaxed; b=x\r\n";
    let hashes = |mail: &[u8], at: usize| {
        let mut digesting = Digesting::new();
        digesting.push(&mail[..at]);
        digesting.push(&mail[at..]);
        digesting.finish().outline.body_hashes
    };
    let of = |body: &str| hashes(format!("{signature}\r\n{body}").as_bytes(), 0);
    let expect = of("Hello\r\nyou\r\n");
    assert_eq!(expect.len(), 1);
    assert_ne!(expect, of("Hello\r\n"), "it depends on the body");
    for mail in [
        format!("{signature}\r\nHello \r\nyou\r\n\r\n"),
        // A line that is no field ends the header, and is the first of the body.
        format!("{signature}Hello\r\nyou\r\n"),
        format!("From x@example.org Sat Nov 21\n{signature}\nHello\nyou\n"),
    ] {
        for at in 0..=mail.len() {
            assert_eq!(hashes(mail.as_bytes(), at), expect, "{mail:?} at {at}");
        }
    }
    let empty = of("");
    for mail in [signature.to_owned(), signature.trim_end().to_owned()] {
        assert_eq!(hashes(mail.as_bytes(), 0), empty, "the mail ends within its header");
    }
    assert_eq!(hashes(b"From: a@example.org\r\n\r\nHello\r\n", 0), [], "nobody asks");
}
