//! Features of invented readings.

use tamis_domain::outline::Oddity;
use tamis_domain::reading::{Field, HeaderReading, Link, Mailbox, Text};

use super::*;
use crate::bag::{Bag, FEATURES_MAX};
use crate::group::Group;

fn one(group: Group, pieces: &[&str]) -> u64 {
    let mut bag = Bag::new();
    bag.add(group, pieces);
    bag.counted()[0].0
}

fn has(bag: &Bag, group: Group, pieces: &[&str]) -> bool {
    bag.clone().counted().iter().any(|(feature, _)| *feature == one(group, pieces))
}

fn text(visible: &str) -> Text {
    Text { visible: visible.to_owned(), folded: visible.to_lowercase(), ..Text::default() }
}

fn numbers(bag: Bag) -> Vec<(u64, u32)> {
    bag.counted()
}

#[test]
fn words_are_cut_as_people_cut_them_and_numbers_are_told_by_length() {
    let bag = read_text(&text("Don't pay 1500$ to x7f9 at http://pay.example.org/a now"));
    for word in ["don't", "pay", "\u{1}4", "$", "to", "\u{1}code", "at", "\u{1}url", "now"] {
        assert!(has(&bag, Group::Words, &[word]), "{word}");
    }
    assert!(has(&bag, Group::Pairs, &["don't", "pay"]));
    assert!(!has(&bag, Group::Words, &["example"]), "a host is no word: it names a source");
}

#[test]
fn numbers_addresses_and_hosts_do_not_matter_so_that_no_campaign_is_learnt_by_heart() {
    let a = read_text(&text("call 555123 or write to eve@example.com see http://a.example/x"));
    let b = read_text(&text("call 987654 or write to bob@example.net see http://b.example/y"));
    let only_words = |bag: Bag| -> Vec<(u64, u32)> {
        let words = numbers(bag).into_iter();
        words.filter(|(feature, _)| crate::bag::group_of(*feature) != Some(Group::Style)).collect()
    };
    assert_eq!(only_words(a), only_words(b));
}

#[test]
fn scripts_without_blanks_give_one_word_a_character() {
    let bag = read_text(&text("免费发票"));
    assert!(has(&bag, Group::Words, &["免"]));
    assert!(has(&bag, Group::Pairs, &["发", "票"]));
}

#[test]
fn a_text_is_read_at_its_start_and_end_and_no_longer_than_allowed() {
    let middle = "filler ".repeat(TEXT_READ_BYTES_MAX);
    let bag = read_text(&text(&format!("beginning {middle} hidden {middle} ending")));
    assert!(has(&bag, Group::Words, &["beginning"]) && has(&bag, Group::Words, &["ending"]));
    assert!(!has(&bag, Group::Words, &["hidden"]));
    assert!(bag.len() < FEATURES_MAX / 2, "{} features", bag.len());
    // A cut may fall into a character of several bytes.
    for shift in 0..4 {
        let long = format!("{}{}", "x".repeat(shift), "Ω€𝄞".repeat(5000));
        assert!(!read_text(&text(&long)).is_empty());
    }
}

fn header(subject: &str) -> HeaderReading {
    HeaderReading {
        subject: subject.to_owned(),
        from: vec![Mailbox {
            name: "Eve Example".to_owned(),
            address: "eve@shop.example".to_owned(),
        }],
        fields: vec![Field { name: "X-Spam-Flag".to_owned(), value: "YES".to_owned() }],
        ..HeaderReading::default()
    }
}

#[test]
fn claims_of_other_filters_change_nothing() {
    let plain = numbers(read_header(&header("cheap watches")));
    for claim in ["[SPAM] cheap watches", "***SPAM*** cheap watches", "{Spam?} cheap watches"] {
        let claimed: Vec<u64> =
            numbers(read_header(&header(claim))).into_iter().map(|f| f.0).collect();
        let subject = plain.iter().filter(|(f, _)| {
            matches!(crate::bag::group_of(*f), Some(Group::Subject | Group::SubjectLetters))
        });
        assert!(subject.clone().count() > 0);
        for (feature, _) in subject {
            assert!(claimed.contains(feature), "{claim}");
        }
        assert!(!claimed.contains(&one(Group::Subject, &["spam"])), "{claim}");
    }
    let mut without = header("cheap watches");
    without.fields.clear();
    assert_eq!(numbers(read_header(&without)), plain, "X-Spam-Flag is not read");
}

#[test]
fn answers_and_names_of_lists_are_taken_off_a_subject() {
    let bag = read_header(&header("Re: [garden] Fwd: tulips"));
    assert!(has(&bag, Group::Subject, &["tulips"]));
    assert!(!has(&bag, Group::Subject, &["garden"]) && !has(&bag, Group::Subject, &["re"]));
    assert!(has(&bag, Group::Header, &["answers", "1", "alone"]));
    // Many prefixes cost no more than some.
    assert!(!read_header(&header(&"re: ".repeat(10_000))).is_empty());
}

#[test]
fn links_are_told_by_their_shape_and_never_by_their_host() {
    let link = |host: &str| Link {
        target: format!("http://click.{host}/unsubscribe?id=77"),
        host: format!("click.{host}"),
        shown: Some("https://bank.example/login".to_owned()),
    };
    let a = read_links(&[link("shop-one.example")]);
    let b = read_links(&[link("mall-two.example")]);
    assert!(has(&a, Group::Links, &["misleading"]));
    assert!(has(&a, Group::LinkWords, &["path", "unsubscribe"]));
    assert!(has(&a, Group::LinkWords, &["field", "id"]));
    assert!(has(&a, Group::LinkWords, &["label", "click"]));
    assert_eq!(numbers(a), numbers(b));
}

#[test]
fn links_are_read_up_to_n_and_not_n_plus_1() {
    let link = |path: &str| Link {
        target: format!("http://a.example/{path}"),
        host: "a.example".to_owned(),
        shown: None,
    };
    let mut links = vec![link("same"); LINKS_READ_MAX - 1];
    links.extend([link("last"), link("beyond")]);
    let bag = read_links(&links);
    assert!(has(&bag, Group::LinkWords, &["path", "last"]));
    assert!(!has(&bag, Group::LinkWords, &["path", "beyond"]));
}

#[test]
fn hostile_links_are_read_in_bounds() {
    for target in
        ["", ":", "http:", "http://", "http:////", "http://[", "http://@:/?&=", "é€:\u{0}"]
    {
        let link = Link {
            target: target.repeat(200),
            host: target.to_owned(),
            shown: Some(target.to_owned()),
        };
        assert!(!read_links(&[link]).is_empty());
    }
    let long = Link {
        target: format!("http://a.example/{}", "a/".repeat(1000)),
        host: "a.".repeat(100),
        shown: None,
    };
    let bag = read_links(&vec![long; 200]);
    assert!(bag.len() <= FEATURES_MAX);
}

fn part(kind: PartKind, media_type: &str, parent: Option<u16>) -> Part {
    Part {
        parent,
        depth: u8::from(parent.is_some()),
        kind,
        media_type: media_type.to_owned(),
        charset: None,
        encoding: tamis_domain::outline::TransferEncoding::Identity,
        disposition: tamis_domain::outline::Disposition::None,
        file_name: None,
        size: 100,
        digest: None,
    }
}

#[test]
fn the_plain_text_that_nobody_sees_does_not_count() {
    let mut outline = Outline {
        parts: vec![
            part(PartKind::Container, "multipart/alternative", None),
            part(PartKind::Text, "text/plain", Some(0)),
            part(PartKind::Html, "text/html", Some(0)),
        ],
        ..Outline::default()
    };
    let page = |bytes: usize| move |number: usize| if number == 2 { bytes } else { 500 };
    assert_eq!(judged(&outline, page(PAGE_BYTES_MIN)), [2]);
    assert_eq!(judged(&outline, page(PAGE_BYTES_MIN - 1)), [1, 2], "an empty page shows nothing");
    outline.parts[0].media_type = "multipart/mixed".to_owned();
    assert_eq!(judged(&outline, page(PAGE_BYTES_MIN)), [1, 2], "in a mixed mail both are seen");
}

#[test]
fn what_is_sent_along_says_nothing_of_a_mail_that_says_something_itself() {
    let mut outline = Outline {
        parts: vec![
            part(PartKind::Container, "multipart/mixed", None),
            part(PartKind::Text, "text/plain", Some(0)),
            part(PartKind::Text, "text/plain", Some(0)),
            part(PartKind::Message, "message/rfc822", Some(0)),
            part(PartKind::HeaderBlock, "text/rfc822-headers", Some(3)),
            part(PartKind::Html, "text/html", Some(3)),
        ],
        ..Outline::default()
    };
    let said = |bytes: usize| move |number: usize| if number == 1 { bytes } else { 500 };
    assert_eq!(judged(&outline, said(SHOWN_BYTES_MIN)), [1, 2, 5], "all of it is shown");
    outline.parts[2].disposition = Disposition::Attachment;
    outline.parts[3].disposition = Disposition::Attachment;
    assert_eq!(judged(&outline, said(SHOWN_BYTES_MIN)), [1]);
    assert_eq!(
        judged(&outline, said(SHOWN_BYTES_MIN - 1)),
        [1, 2, 5],
        "or there is nothing to judge"
    );
    outline.parts[5].parent = Some(5);
    assert_eq!(judged(&outline, said(SHOWN_BYTES_MIN)), [1, 5], "a circle ends");
}

#[test]
fn line_ends_are_no_feature_because_who_stored_the_mail_made_them() {
    let mut outline =
        Outline { parts: vec![part(PartKind::Text, "text/plain", None)], ..Outline::default() };
    let plain = numbers(read_structure(&outline, 10));
    outline.oddities = vec![(Oddity::MixedLineEnds, 3)];
    assert_eq!(numbers(read_structure(&outline, 10)), plain);
    outline.oddities = vec![(Oddity::NulByte, 1)];
    assert_ne!(numbers(read_structure(&outline, 10)), plain);
}
