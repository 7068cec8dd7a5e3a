//! Structure, names of attachments, links, text and programs: each sign at its edge.

use tamis_checks::bases::Bases;
use tamis_checks::{attachments, links, part, structure, text};
use tamis_domain::evidence::{Evidence, Mark};
use tamis_domain::limits::{FILE_NAME_CHARS_MAX, LINKS_MAX, PARTS_MAX};
use tamis_domain::outline::{Disposition, Oddity, Outline, Part, PartKind, TransferEncoding};
use tamis_domain::reading::{Link, PartReading, Text};

fn leaf(kind: PartKind, media_type: &str, size: u64) -> Part {
    Part {
        parent: None,
        depth: 0,
        kind,
        media_type: media_type.to_owned(),
        charset: None,
        encoding: TransferEncoding::Identity,
        disposition: Disposition::None,
        file_name: None,
        size,
        digest: None,
    }
}

fn names(found: &[Evidence]) -> Vec<&str> {
    assert!(found.iter().all(|found| tamis_checks::names::is_known(&found.name)), "{found:?}");
    found.iter().map(|found| found.name.as_ref()).collect()
}

#[test]
fn every_oddity_is_evidence_under_its_own_word() {
    for oddity in Oddity::ALL {
        let outline = Outline { oddities: vec![(oddity, 3)], ..Outline::default() };
        let found = structure::judge(&outline);
        assert_eq!(names(&found), [oddity.word()]);
        // How a store keeps lines, and whether it keeps the header, is no fault of the sender's: told, not weighed.
        let is_of_store = matches!(oddity, Oddity::MixedLineEnds | Oddity::NoHeader);
        assert_eq!(found[0].weight > 0.0, !is_of_store, "{}", oddity.word());
        assert!(found[0].weight <= 2.0, "{}", oddity.word());
    }
}

#[test]
fn three_ambiguities_are_deliberate_two_are_an_accident() {
    let odd = [Oddity::BareCr, Oddity::NulByte, Oddity::DuplicateField];
    for (kinds, is_sign) in [(2, false), (3, true)] {
        let oddities = odd[..kinds].iter().map(|odd| (*odd, 1)).collect();
        let found = structure::judge(&Outline { oddities, ..Outline::default() });
        assert_eq!(names(&found).contains(&"ambiguous"), is_sign, "{kinds}");
    }
}

#[test]
fn mail_without_words_is_a_sign() {
    let text = |size| leaf(PartKind::Text, "text/plain", size);
    let html = |size| leaf(PartKind::Html, "text/html", size);
    let image = |size| leaf(PartKind::Image, "image/png", size);
    let other = leaf(PartKind::Other, "application/pdf", 9000);
    for (parts, expect) in [
        (vec![text(10), html(900)], vec![]),
        (vec![html(900)], vec!["html_only"]),
        (vec![text(400), image(8192)], vec!["image_only"]),
        (vec![text(401), image(8192)], vec![]),
        (vec![text(400), image(8191)], vec![]),
        (vec![text(0), image(9000), other], vec![]),
        (vec![leaf(PartKind::Message, "message/partial", 9)], vec!["message_partial"]),
        (vec![leaf(PartKind::Text, "message/external-body", 9)], vec!["message_external_body"]),
        (vec![leaf(PartKind::Message, "message/rfc822", 9)], vec![]),
        (vec![], vec![]),
    ] {
        let outline = Outline { parts, ..Outline::default() };
        assert_eq!(names(&structure::judge(&outline)), expect);
    }
}

#[test]
fn names_of_attachments_are_seen_through() {
    let mark = Some(Mark::Suspicious);
    for (name, media, expect, marked) in [
        ("report.pdf", "application/pdf", vec![], None),
        ("a.b.c.tar.gz", "application/gzip", vec![], None),
        ("setup.exe", "application/octet-stream", vec!["dangerous_extension"], None),
        ("SETUP.EXE. ", "application/octet-stream", vec!["dangerous_extension"], None),
        ("exe", "application/octet-stream", vec![], None),
        (".exe", "application/octet-stream", vec!["dangerous_extension"], None),
        ("x.pdf.exe", "application/zip", vec!["dangerous_extension", "double_extension"], mark),
        ("x.pdf .scr", "application/zip", vec!["dangerous_extension", "double_extension"], mark),
        ("v1.2.exe", "application/zip", vec!["dangerous_extension"], None),
        ("pdf.exe", "application/zip", vec!["dangerous_extension"], None),
        ("x\u{202e}fdp.exe", "application/zip", vec!["dangerous_extension", "turned_name"], mark),
        ("x\u{202e}y.pdf", "application/pdf", vec!["turned_name"], None),
        ("\u{2067}שלום\u{2069}.pdf", "application/pdf", vec![], None),
        (
            "x.pdf        .exe",
            "a/b",
            vec!["dangerous_extension", "double_extension", "name_with_gap"],
            mark,
        ),
        ("x       y.pdf", "a/b", vec![], None),
        ("x        y.pdf", "a/b", vec!["name_with_gap"], None),
        ("x.scr", "image/jpeg", vec!["dangerous_extension", "type_against_name"], mark),
        ("", "a/b", vec![], None),
    ] {
        let part = Part { file_name: Some(name.to_owned()), ..leaf(PartKind::Other, media, 1) };
        let found = attachments::judge(&Outline { parts: vec![part], ..Outline::default() });
        assert_eq!(names(&found), expect, "{name:?}");
        assert_eq!(found.iter().find_map(|found| found.mark), marked, "{name:?}");
        assert!(found.iter().all(|found| found.part == Some(0)), "{name:?}");
    }
}

#[test]
fn many_long_names_are_judged_in_bounded_time() {
    let name = Some(".".repeat(FILE_NAME_CHARS_MAX));
    let part = Part { file_name: name, ..leaf(PartKind::Other, "a/b", 1) };
    let outline = Outline { parts: vec![part; PARTS_MAX], ..Outline::default() };
    assert_eq!(attachments::judge(&outline), vec![]);
}

fn link(target: &str, host: &str, shown: Option<&str>) -> Link {
    Link { target: target.to_owned(), host: host.to_owned(), shown: shown.map(str::to_owned) }
}

#[test]
fn links_are_seen_through() {
    let shown = Some("https://www.bank.example/login");
    for (target, host, shown, expect) in [
        ("https://www.example.org/a?b", "www.example.org", Some("Click here"), None),
        ("http://192.0.2.1/x", "192.0.2.1", None, Some("link_to_address")),
        ("http://3221225985/x", "3221225985", None, Some("link_to_address")),
        ("http://[2001:db8::1]/", "[2001:db8::1]", None, Some("link_to_address")),
        ("mailto:a@192.0.2.1", "192.0.2.1", None, None),
        ("http://xn--e1aybc.example/", "xn--e1aybc.example", None, Some("link_punycode")),
        ("http://www.bank.example@evil.example/", "evil.example", None, Some("link_userinfo")),
        ("http://user@example.org/", "example.org", None, None),
        ("mailto:www.bank.example@evil.example", "evil.example", None, None),
        ("http://evil.example/", "evil.example", shown, Some("link_shows_other_host")),
        ("http://click.bank.example/", "click.bank.example", shown, None),
        ("http://evil.example/", "evil.example", Some("see www.bank.example now"), None),
        ("http://a.b.c.d.e.f.g/", "a.b.c.d.e.f.g", None, Some("link_many_labels")),
        ("http://a.b.c.d.e.f/", "a.b.c.d.e.f", None, None),
        ("http://example.org:8081/", "example.org", None, Some("link_odd_port")),
        ("http://example.org:8080/", "example.org", None, None),
        ("http://example.org:/", "example.org", None, None),
        (" java\tscript:alert(1)", "", None, Some("link_runs_script")),
        ("data:text/html;base64,xx", "", None, Some("link_runs_script")),
        ("http://bank%2eexample/", "bank.example", None, Some("link_disguised_host")),
        ("http://ba\u{ad}nk.example/", "bank.example", None, Some("link_disguised_host")),
        ("http://", "", None, None),
        ("", "", None, None),
    ] {
        let found = links::judge(&[link(target, host, shown)]);
        assert_eq!(names(&found).first().copied(), expect, "{target}");
        assert!(found.len() <= 1, "{target}: {found:?}");
    }
}

#[test]
fn a_hundred_links_are_one_finding_with_a_count() {
    let many = vec![link("http://192.0.2.1/", "192.0.2.1", None); LINKS_MAX + 1];
    let found = links::judge(&many);
    assert_eq!(found.len(), 1);
    assert!(found[0].detail.starts_with(&format!("{LINKS_MAX} link(s)")), "{}", found[0].detail);
}

#[test]
fn questions_about_links_carry_no_personal_token() {
    let long = format!("http://example.org/{}", "x".repeat(300));
    let all = [
        link("http://example.org/a?user=1", "example.org", None),
        link("HTTPS://example.org/a/#top", "example.org", None),
        link("http://example.org", "example.org", None),
        link("mailto:u@example.org", "example.org", None),
        link(&long, "example.org", None),
    ];
    assert_eq!(links::questions(&all), ["example.org/a", "example.org"]);
}

#[test]
fn questions_about_links_are_asked_up_to_the_limit() {
    for (bytes, by_host) in [(256, false), (257, true)] {
        let path = "x".repeat(bytes - "example.org/".len());
        let target = format!("http://example.org/{path}");
        let expect = if by_host { "example.org".to_owned() } else { format!("example.org/{path}") };
        assert_eq!(links::questions(&[link(&target, "example.org", None)]), [expect]);
    }
    // A long path is no way around lists of hosts.
    let long = format!("http://shop.example/{}", "x".repeat(3000));
    assert_eq!(links::questions(&[link(&long, "shop.example", None)]), ["shop.example"]);
}

#[test]
fn texts_are_judged_at_the_edge() {
    let plain = |change: fn(&mut Text)| {
        let mut text = Text { visible: "word ".repeat(100), ..Text::default() };
        change(&mut text);
        text
    };
    let fee = |phrases: usize| {
        let all = ["next of kin", "beneficiary", "barrister", "consignment", "western union"];
        Text { folded: all[..phrases].join(" and "), ..Text::default() }
    };
    let wallet = |address: &str, word: &str| Text {
        visible: format!("pay to {address}."),
        folded: format!("pay {word}"),
        ..Text::default()
    };
    for (text, expect) in [
        (plain(|_| {}), vec![]),
        (plain(|text| text.hidden_chars = 1500), vec!["hidden_text"]),
        (plain(|text| text.hidden_chars = 1499), vec![]),
        (plain(|text| text.invisible_chars = 200), vec!["invisible_characters"]),
        (plain(|text| text.invisible_chars = 19), vec![]),
        (plain(|text| text.homoglyphs = 3), vec!["homoglyphs"]),
        (plain(|text| text.homoglyphs = 2), vec![]),
        (plain(|text| text.broken_charset = true), vec!["broken_charset"]),
        (fee(2), vec![]),
        (fee(3), vec!["advance_fee"]),
        (fee(4), vec!["advance_fee"]),
        (wallet("1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "bitcoin"), vec!["wallet"]),
        (wallet("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "btc: now"), vec!["wallet"]),
        (wallet("1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "nothing"), vec![]),
        (wallet("1234567890123456789012345678", "bitcoin"), vec![]),
        (wallet("http://x.example/1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "bitcoin"), vec![]),
        (wallet("bc1short", "bitcoin"), vec![]),
    ] {
        assert_eq!(names(&text::judge(&text)), expect, "{}", text.folded);
    }
}

#[test]
fn more_phrases_of_a_fraud_weigh_more_up_to_a_limit() {
    let all = [
        "next of kin",
        "beneficiary",
        "barrister",
        "consignment",
        "western union",
        "diplomat",
        "dear friend",
    ];
    for (phrases, weight) in
        [(2, None), (3, Some(2.0)), (4, Some(4.0)), (5, Some(5.0)), (6, Some(6.0)), (7, Some(6.0))]
    {
        let text = Text { folded: all[..phrases].join(", "), ..Text::default() };
        assert_eq!(text::judge(&text).first().map(|found| found.weight), weight, "{phrases}");
    }
}

#[test]
fn frauds_are_looked_for_up_to_the_limit_because_long_texts_are_reports() {
    let phrases = "next of kin, beneficiary, barrister";
    for (before, found) in
        [(64 * 1024 - phrases.len(), true), (64 * 1024 - phrases.len() + 1, false)]
    {
        let folded = format!("{}{phrases}", " ".repeat(before));
        let text = Text { folded, ..Text::default() };
        assert_eq!(!text::judge(&text).is_empty(), found, "{before}");
    }
}

#[test]
fn programs_are_known_by_their_first_bytes_whatever_they_claim_to_be() {
    let mut windows = b"MZ\x90\0\x03".to_vec();
    windows.resize(64, 0);
    for (head, kind, media, size, expect, mark) in [
        (windows.clone(), PartKind::Other, "application/octet-stream", 64, vec!["program"], None),
        (windows.clone(), PartKind::Other, "application/octet-stream", 63, vec![], None),
        (
            windows.clone(),
            PartKind::Image,
            "image/png",
            64,
            vec!["disguised_program"],
            Some(Mark::Suspicious),
        ),
        (
            windows,
            PartKind::Other,
            "application/pdf",
            64,
            vec!["disguised_program"],
            Some(Mark::Suspicious),
        ),
        (b"MZ is a county".repeat(9), PartKind::Text, "text/plain", 126, vec![], None),
    ] {
        let reading = PartReading { head, ..PartReading::default() };
        let facts = part::judge(&leaf(kind, media, size), &reading, &Bases::default());
        assert_eq!(names(&facts.evidence), expect, "{media} {size}");
        assert_eq!(facts.evidence.iter().find_map(|found| found.mark), mark);
    }
}

#[test]
fn facts_about_a_part_do_not_depend_on_what_its_memory_key_leaves_out() {
    let mut head = b"MZ\x90\0\x03".to_vec();
    head.resize(64, 0);
    let reading = PartReading { head, ..PartReading::default() };
    let one = leaf(PartKind::Other, "application/octet-stream", 64);
    let other = Part {
        parent: Some(7),
        depth: 3,
        disposition: Disposition::Attachment,
        file_name: Some("x.pdf.exe".to_owned()),
        encoding: TransferEncoding::Base64,
        ..one.clone()
    };
    let bases = Bases::default();
    assert_eq!(part::judge(&one, &reading, &bases), part::judge(&other, &reading, &bases));
}
