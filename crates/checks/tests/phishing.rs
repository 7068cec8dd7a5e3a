//! Phishing: a trusted name, an alarm and a way elsewhere; and honest mail that has two of the three.

use tamis_checks::phishing::{judge, told};
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::{Field, HeaderReading, Link, Mailbox, PartFacts, Text};

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
    let places = ["link_page_builder", "link_stored_page", "qr_link", "page_attached"];
    for place in places.into_iter().chain(["link_names_mailbox", "link_redirected"]) {
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

#[test]
fn a_trusted_name_in_the_text_counts_beside_an_alarm_and_no_link_to_its_owner() {
    let link = |host: &str| Link {
        target: format!("https://{host}/a"),
        host: host.to_owned(),
        ..Link::default()
    };
    let text = |folded: String| Text { folded, ..Text::default() };
    let notice = text("your paypal account".to_owned());
    let name = |text: &Text, links: &[Link]| told(text, links).map(|found| found.name.into_owned());
    assert_eq!(name(&notice, &[link("a.example")]).as_deref(), Some("brand_told"));
    for links in [&[link("a.example"), link("www.paypal.com")][..], &[]] {
        assert_eq!(name(&notice, links), None);
    }
    let late = |before: usize| text(format!("{} paypal", "x".repeat(before)));
    assert!(told(&late(1024 - 7), &[link("a.example")]).is_some());
    assert!(told(&late(1024 - 6), &[link("a.example")]).is_none());

    let alarm = header("Service", "x@news.example", "Your account is suspended");
    let part = &["brand_told"][..];
    assert_eq!(found(&alarm, &[], part, &["a.example"]), ["brand_told_alarm"]);
    assert!(found(&alarm, &[], &[], &["a.example"]).is_empty());
    let owner = header("Service", "x@paypal.com", "Your account is suspended");
    assert!(found(&owner, &[], part, &["a.example"]).is_empty(), "of a trusted sender");
    let calm = header("Shop", "x@news.example", "Your order");
    assert!(found(&calm, &[], part, &["a.example"]).is_empty(), "no alarm");
    let mut news = alarm.clone();
    let (name, value) = ("List-Unsubscribe".to_owned(), "<https://a.example>".to_owned());
    news.fields.push(Field { name, value });
    assert!(found(&news, &[], part, &["a.example"]).is_empty(), "a newsletter");
}

#[test]
fn an_invoice_to_be_cancelled_by_telephone_is_told_from_free_mailboxes_alone() {
    for (address, part, expect) in [
        ("billing.4711@gmail.com", &["callback_invoice"][..], &["callback_trap"][..]),
        ("billing@shop.example", &["callback_invoice"], &[]),
        ("billing.4711@gmail.com", &[], &[]),
    ] {
        assert_eq!(
            found(&header("Billing", address, "Order"), &[], part, &[]),
            expect,
            "{address}"
        );
    }
}

#[test]
fn a_lure_counts_beside_a_name_that_is_not_the_senders_and_never_alone() {
    let lure = header("Costco", "x@news.example", "Your reward");
    assert_eq!(
        found(&lure, &["brand_in_name"], &["link_stored_page"], &["a.example"]),
        ["brand_links_elsewhere", "account_trap"]
    );
    assert!(found(&lure, &[], &["link_stored_page"], &["a.example"]).is_empty());
    let named = header("Team", "x@news.example", "Your N\u{e9}tflix refund");
    assert_eq!(found(&named, &[], &[], &["a.example"]), ["brand_alarm"]);
}
