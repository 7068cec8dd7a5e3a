//! Signs of senders, relays, pages, and of parts together: each at its edge, on a mail that is otherwise in order.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by stopping

use tamis_checks::bases::Bases;
use tamis_checks::{headers, links, page, part, together};
use tamis_domain::envelope::{Client, Envelope};
use tamis_domain::evidence::Evidence;
use tamis_domain::outline::{Disposition, Outline, Part, PartKind, TransferEncoding};
use tamis_domain::reading::{
    Field, HeaderReading, Link, Mailbox, Page, PartFacts, PartReading, Relay, Text,
};

const NOW_S: i64 = 1_790_000_000;
const HOUR_S: i64 = 3600;

fn mailbox(name: &str, address: &str) -> Mailbox {
    Mailbox { name: name.to_owned(), address: address.to_owned() }
}

fn field(name: &str, value: &str) -> Field {
    Field { name: name.to_owned(), value: value.to_owned() }
}

fn envelope() -> Envelope {
    Envelope {
        sender: "a@sender.example".to_owned(),
        recipients: vec!["u@workshop.example".to_owned()],
        verified: true,
        ..Envelope::default()
    }
}

fn header() -> HeaderReading {
    HeaderReading {
        fields: vec![field("Date", "x"), field("Message-ID", "<x@y.z>"), field("Subject", "Hello")],
        from: vec![mailbox("A", "a@sender.example")],
        to: vec![mailbox("", "u@workshop.example")],
        subject: "Hello".to_owned(),
        date_s: Some(NOW_S),
        message_id: Some("x@y.z".to_owned()),
        ..HeaderReading::default()
    }
}

fn names(found: &[Evidence]) -> Vec<&str> {
    assert!(found.iter().all(|found| tamis_checks::names::is_known(&found.name)), "{found:?}");
    found.iter().map(|found| found.name.as_ref()).collect()
}

#[track_caller]
fn header_signs(change: impl FnOnce(&mut HeaderReading), expect: &[&str]) {
    let mut header = header();
    change(&mut header);
    assert_eq!(names(&headers::judge(&envelope(), &header, NOW_S)), expect);
}

#[test]
fn an_ordinary_mail_has_no_sign() {
    header_signs(|_| (), &[]);
}

#[test]
fn names_that_people_trust_belong_to_their_owners() {
    for (name, address, expect) in [
        ("PayPal Service", "x@sender.example", &["brand_in_name"][..]),
        ("PayPal Service", "x@mail.paypal.com", &[]),
        ("Paypals", "x@sender.example", &[]),
        ("A", "x@micros0ft.example", &["sender_look_alike"]),
        ("A", "x@sender.icu", &["sender_throw_away"]),
        ("A", "x@mailinator.com", &["sender_disposable"]),
        ("workshop.example support", "x@sender.example", &["name_poses_as_ours"]),
        ("workshop.example support", "x@mail.workshop.example", &[]),
        ("PayPal", "", &["from_without_domain"]),
        ("P\u{430}yP\u{430}l", "x@sender.example", &["brand_in_name"]),
        ("\u{697d}\u{5929}\u{5e02}\u{5834}", "x@sender.example", &["brand_in_name"]),
        ("\u{697d}\u{5929}\u{5e02}\u{5834}", "x@rakuten.co.jp", &[]),
        ("A", "x@sender.onmicrosoft.com", &["sender_rented"]),
        ("Account Security", "x@gmail.com", &["free_mail_borrowed", "free_mail_office"]),
        ("Account Security", "x@sender.example", &[]),
        ("Anna Bankhead", "x@gmail.com", &["free_mail_borrowed"]),
    ] {
        header_signs(|header| header.from = vec![mailbox(name, address)], expect);
    }
}

#[test]
fn the_recipients_address_in_the_subject_is_a_sign_unless_colleagues_write() {
    header_signs(
        |header| header.subject = "U@workshop.example: mail is waiting".to_owned(),
        &["subject_names_address"],
    );
    header_signs(
        |header| {
            header.subject = "u@workshop.example: mail is waiting".to_owned();
            header.from = vec![mailbox("", "a@workshop.example")];
        },
        &[],
    );
}

#[test]
fn clocks_are_compared_at_the_edge() {
    let relay = |date_s| Relay { date_s: Some(date_s), ..Relay::default() };
    for (latest, first, expect) in [
        (NOW_S, NOW_S - 36 * HOUR_S, &[][..]),
        (NOW_S, NOW_S - 36 * HOUR_S - 1, &["date_against_relay"]),
        (NOW_S - 6 * HOUR_S, NOW_S, &[]),
        (NOW_S - 6 * HOUR_S - 1, NOW_S, &["relays_backwards"]),
        (i64::MIN, i64::MAX, &["date_against_relay", "relays_backwards"]),
    ] {
        header_signs(|header| header.received = vec![relay(latest), relay(first)], expect);
    }
}

#[test]
fn zones_that_do_not_exist_are_a_sign() {
    for (zone, expect) in [
        ("+1400", &[][..]),
        ("-1200", &[]),
        ("+0545", &[]),
        ("+1500", &["date_odd_zone"]),
        ("-1300", &["date_odd_zone"]),
        ("+0210", &["date_odd_zone"]),
        ("+0590", &["date_odd_zone"]),
        ("GMT", &[]),
    ] {
        let date = format!("Sun, 22 Nov 2026 10:00:00 {zone}");
        header_signs(|header| header.fields[0].value = date, expect);
    }
}

#[test]
fn households_send_no_mail_of_their_own() {
    for (name, is_sign) in [
        ("203-0-113-5.provider.example", true),
        ("203-0-113-5-host.provider.example", false),
        ("5.113.0.203.dynamic.provider.example", true),
        ("p5b0c.dip0.t.provider.example", true),
        ("adsl-12.provider.example", true),
        ("mail-203-0-113-5.provider.example", false),
        ("mx.sender.example", false),
        ("a12-34.smtp-out.provider.example", false),
        ("203.0.113.5", false),
    ] {
        let client =
            Client { address: "203.0.113.5".parse().unwrap(), name: Some(name.to_owned()) };
        let envelope = Envelope { client: Some(client), ..envelope() };
        let found = headers::judge(&envelope, &header(), NOW_S);
        assert_eq!(names(&found) == ["client_household"], is_sign, "{name}: {found:?}");
        let submitted = Envelope { authenticated: Some("u".to_owned()), ..envelope };
        assert_eq!(headers::judge(&submitted, &header(), NOW_S), vec![], "{name} logged in");
    }
}

#[test]
fn pages_are_judged_at_the_edge() {
    type Change = fn(&mut Page);
    let cases: [(&[&str], Change); 12] = [
        (&[], |_| ()),
        (&[], |page| page.coloured_chars = 199),
        (&["text_coloured_away"], |page| page.coloured_chars = 200),
        (&["text_tiny"], |page| page.tiny_chars = 200),
        (&["text_off_screen"], |page| page.away_chars = 200),
        (&["form"], |page| page.forms = 1),
        (&["form_password"], |page| page.password_fields = 1),
        (&["page_script"], |page| page.scripts = 1),
        (&["page_refresh"], |page| page.refreshes = true),
        (&["page_carried"], |page| page.carried = 1),
        (&["tracking_pixel"], |page| page.pixels = 1),
        (&["form_password", "form"], |page| (page.forms, page.password_fields) = (1, 1)),
    ];
    for (expect, change) in cases {
        let mut read = Page::default();
        change(&mut read);
        assert_eq!(names(&page::judge(&read)), expect);
    }
}

#[test]
fn links_that_hide_a_mailbox_or_write_a_mail_are_told_from_ordinary_ones() {
    for (target, host, shown, expect) in [
        (
            "https://a.example/x#user@workshop.example",
            "a.example",
            None,
            &["link_names_mailbox"][..],
        ),
        (
            "https://a.example/#/in?e=user%40workshop.example",
            "a.example",
            None,
            &["link_names_mailbox"],
        ),
        ("https://a.example/u?email=user@workshop.example", "a.example", None, &[]),
        ("https://a.example/#part@", "a.example", None, &[]),
        ("https://a.example/#chapter", "a.example", None, &[]),
        (
            "https://a.example/x#dXNlckB3b3Jrc2hvcC5leGFtcGxl",
            "a.example",
            None,
            &["link_names_mailbox"],
        ),
        (
            "https://a.example/x#e=dXNlckB3b3Jrc2hvcC5leGFtcGxl==",
            "a.example",
            None,
            &["link_names_mailbox"],
        ),
        ("https://a.example/x#YSBjaGFwdGVyIG9mIGEgYm9vaw", "a.example", None, &[]),
        ("https://a.example/x#installation-guide", "a.example", None, &[]),
        (
            "mailto:x@gmail.com?subject=Report",
            "gmail.com",
            Some("Report"),
            &["link_mails_elsewhere"],
        ),
        ("mailto:x@gmail.com?subject=Report", "gmail.com", None, &[]),
        ("mailto:x@gmail.com", "gmail.com", Some("Write"), &[]),
        ("mailto:x@shop.example?subject=Hello", "shop.example", Some("Write"), &[]),
    ] {
        let shown = shown.map(str::to_owned);
        let link = Link { target: target.to_owned(), host: host.to_owned(), shown };
        assert_eq!(names(&links::judge(&[link])), expect, "{target}");
    }
}

#[test]
fn pages_in_stores_and_redirections_are_told_from_pictures_and_searches() {
    for (target, expect) in [
        ("https://storage.googleapis.com/box/offer.html?x=1", &["link_stored_page"][..]),
        ("https://storage.googleapis.com/box/a#b", &["link_stored_page"]),
        ("https://box.s3.amazonaws.com/a/index.HTM", &["link_stored_page"]),
        ("https://storage.googleapis.com/box/logo.png", &[]),
        ("https://shop.example/offer.html", &[]),
        ("https://www.google.com/url?sa=t&q=https://a.example/", &["link_redirected"]),
        ("https://www.google.com/search?q=a", &[]),
        ("https://www.youtube.com/redirect?q=http%3A%2F%2Fa.example", &["link_redirected"]),
        ("https://www.youtube.com/watch?v=a", &[]),
        ("https://www.shop.example/url?q=a", &[]),
    ] {
        let host = target.split('/').nth(2).unwrap_or_default().to_owned();
        let found = links::judge(&[Link { target: target.to_owned(), host, shown: None }]);
        let found: Vec<&str> =
            names(&found).into_iter().filter(|it| *it != "link_free_host").collect();
        assert_eq!(found, expect, "{target}");
    }
}

#[test]
fn links_are_looked_up_in_the_lists() {
    for (host, expect) in [
        ("bit.ly", &["link_shortened"][..]),
        ("x.weebly.com", &["link_free_host", "link_page_builder"]),
        ("x.icu", &["link_throw_away"]),
        ("paypal-login.example", &["link_brand_borrowed"]),
        ("micros0ft.example", &["link_look_alike"]),
        ("www.paypal.com", &[]),
        ("example.org", &[]),
    ] {
        for (scheme, expect) in [("http://", expect), ("mailto:a@", &[])] {
            let target = format!("{scheme}{host}");
            let link = Link { target, host: host.to_owned(), shown: None };
            assert_eq!(names(&links::judge(&[link])), expect, "{host}");
        }
    }
}

fn leaf(kind: PartKind, name: Option<&str>) -> Part {
    Part {
        parent: Some(0),
        depth: 1,
        kind,
        media_type: "a/b".to_owned(),
        charset: None,
        encoding: TransferEncoding::Identity,
        disposition: Disposition::None,
        file_name: name.map(str::to_owned),
        size: 9,
        digest: None,
    }
}

#[test]
fn a_packed_file_and_its_password_or_an_attached_page_that_acts_are_signs_together() {
    let facts = |reading: &PartReading| {
        part::judge(&leaf(PartKind::Html, None), reading, &Bases::default())
    };
    let told = facts(&PartReading {
        text: Some(Text { folded: "zip password: 123".to_owned(), ..Text::default() }),
        ..PartReading::default()
    });
    let form = facts(&PartReading {
        page: Page { password_fields: 1, ..Page::default() },
        ..PartReading::default()
    });
    let none = PartFacts::default();
    for (name, body, inside, expect) in [
        (Some("x.zip"), &told, &none, Some("archive_password")),
        (Some("X.RAR "), &told, &none, Some("archive_password")),
        (Some("x.zip"), &none, &none, None),
        (Some("x.pdf"), &told, &none, None),
        (Some("x.html"), &none, &form, Some("page_attached_acts")),
        (Some("x.html"), &form, &none, None),
        (None, &none, &form, None),
    ] {
        let mut parts = vec![leaf(PartKind::Text, None), leaf(PartKind::Other, name)];
        parts[1].disposition = Disposition::Attachment;
        let outline = Outline { parts, ..Outline::default() };
        let found = together::judge(&outline, &[Some(body), Some(inside)]);
        assert_eq!(names(&found).first().copied(), expect, "{name:?}");
        assert!(found.iter().all(|found| found.part == Some(1)));
        assert_eq!(together::judge(&outline, &[]), vec![], "nothing is known");
    }
}
