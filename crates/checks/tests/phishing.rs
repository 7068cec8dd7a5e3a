//! Phishing: a trusted name, an alarm and a way elsewhere; and honest mail that has two of the three.

use tamis_checks::phishing::judge;
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::{Field, HeaderReading, Mailbox, PartFacts};

fn header(name: &str, address: &str, subject: &str) -> HeaderReading {
    HeaderReading {
        from: vec![Mailbox { name: name.to_owned(), address: address.to_owned() }],
        subject: subject.to_owned(),
        ..HeaderReading::default()
    }
}

/// Names of what is found in a mail with these findings in its header and in its one part, and these links.
fn found(
    header: &HeaderReading,
    free: &[&'static str],
    part: &[&'static str],
    links: &[&str],
) -> Vec<String> {
    let evidence = |names: &[&'static str]| -> Vec<Evidence> {
        names.iter().map(|name| Evidence::new(name, 1.0, Source::Header, "")).collect()
    };
    let links = links.iter().map(|link| (*link).to_owned()).collect();
    let facts = PartFacts { evidence: evidence(part), links, ..PartFacts::default() };
    let found = judge(header, &evidence(free), &[None, Some(&facts)]);
    assert!(found.iter().all(|found| tamis_checks::names::is_known(&found.name)));
    found.into_iter().map(|found| found.name.into_owned()).collect()
}

#[test]
fn a_trusted_name_whose_links_all_lead_elsewhere_is_told() {
    let false_one = header("PayPal Service", "x@news.example", "Your receipt");
    let borrowed = &["brand_in_name"][..];
    assert_eq!(found(&false_one, borrowed, &[], &["login.example/a"]), ["brand_links_elsewhere"]);
    assert!(found(&false_one, borrowed, &[], &["www.paypal.com/a", "x.example"]).is_empty());
    assert!(found(&false_one, borrowed, &[], &[]).is_empty(), "nothing to follow");
    assert!(found(&false_one, &[], &[], &["login.example/a"]).is_empty());
}

#[test]
fn an_alarm_in_a_trusted_name_by_somebody_else_is_told_in_many_languages() {
    for subject in [
        "Netflix: update your payment details",
        "Ihr PayPal Konto wurde eingeschr\u{e4}nkt",
        "Votre compte Netflix est suspendu",
        "Amazon \u{672c}\u{4eba}\u{78ba}\u{8a8d}",
        "Binance: conta bloqueada",
    ] {
        let header = header("Team", "x@news.example", subject);
        assert_eq!(found(&header, &[], &[], &["a.example/b"]), ["brand_alarm"], "{subject}");
    }
    for (address, subject, link) in [
        ("x@netflix.com", "Netflix: update your payment details", "a.example/b"),
        ("x@news.example", "Netflix: update your payment details", "www.netflix.com/account"),
        ("x@news.example", "What is new on Netflix in May", "a.example/b"),
        ("x@news.example", "Please update your records", "a.example/b"),
    ] {
        assert!(
            found(&header("Team", address, subject), &[], &[], &[link]).is_empty(),
            "{subject}"
        );
    }
    let mut talk = header("Team", "x@news.example", "Re: Netflix account suspended");
    let (name, value) = ("In-Reply-To".to_owned(), "<a@b>".to_owned());
    talk.fields.push(Field { name, value });
    assert!(found(&talk, &[], &["link_shortened", "mailbox_threat"], &["a.example/b"]).is_empty());
}

#[test]
fn an_alarm_about_an_account_needs_a_way_to_a_place_that_anybody_can_have() {
    let plain = header("IT", "x@news.example", "Mailbox");
    for place in ["link_page_builder", "qr_link", "page_attached", "link_names_mailbox"] {
        assert_eq!(
            found(&plain, &[], &["mailbox_threat", place], &["a.example"]),
            ["account_trap"]
        );
        assert!(found(&plain, &[], &[place], &["a.example"]).is_empty(), "{place} alone");
    }
    assert!(found(&plain, &[], &["mailbox_threat"], &["a.example"]).is_empty(), "an alarm alone");
    let posing = header("IT", "x@micros0ft.example", "Your password will expire");
    assert_eq!(
        found(&posing, &["sender_look_alike"], &["qr_link"], &["a.example"]),
        ["account_trap"]
    );
}
