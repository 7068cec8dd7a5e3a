//! Points, and what is said of them.

use tamis_domain::outline::{Disposition, TransferEncoding};
use tamis_domain::reading::{Field, Mailbox};

use super::*;
use crate::base::{Head, write};
use crate::group::GROUPS;

fn base() -> Vec<u8> {
    let head = Head {
        bias: -1.0,
        slope: 1.0,
        intercept: 0.0,
        threshold: 3.0,
        units: [0.0; GROUPS],
        damping: [0.0; GROUPS],
    };
    write(&head, 0, &[])
}

#[test]
fn points_rise_with_the_sum_and_stay_within_their_bounds() {
    let mut last = f32::NEG_INFINITY;
    for step in -400..400 {
        let sum = step as f32 / 20.0;
        let points = points_at(sum, 3.0, false);
        assert!(points >= last && (POINTS_MIN..=POINTS_MAX).contains(&points), "{sum}");
        assert!(points_at(sum, 3.0, true) <= points.min(BULK_POINTS_MAX), "{sum}");
        last = points;
    }
    assert_eq!(points_at(0.0, 3.0, false), 0.0);
    assert!(points_at(-4.0, 3.0, false) < points_at(-3.0, 3.0, false), "order is kept among ham");
    assert_eq!(
        points_at(3.0, 3.0, false),
        5.0,
        "the threshold is where content alone makes suspect"
    );
    assert_eq!(points_at(3.0, 3.0, true), 5.0);
    assert!(points_at(4.0, 3.0, false) < 10.0, "a little above it is not spam by content alone");
}

fn header(signer: &str, unsubscribe: bool) -> HeaderReading {
    let mut fields = vec![Field {
        name: "DKIM-Signature".to_owned(),
        value: format!("v=1; a=rsa-sha256; d={signer}; s=x; b=y"),
    }];
    if unsubscribe {
        let (name, value) = ("List-Unsubscribe".to_owned(), "<https://a.example/u>".to_owned());
        fields.push(Field { name, value });
    }
    let address = "news@mail.shop.example".to_owned();
    let from = vec![Mailbox { name: "Shop".to_owned(), address }];
    HeaderReading { fields, from, ..HeaderReading::default() }
}

#[test]
fn bulk_mail_that_stands_by_its_name_is_never_spam_by_content_alone() {
    assert!(is_signed_bulk(&header("shop.example", true)));
    assert!(!is_signed_bulk(&header("shop.example", false)), "no list");
    assert!(!is_signed_bulk(&header("elsewhere.example", true)), "another's signature");
    assert!(points_at(100.0, 3.0, true) <= BULK_POINTS_MAX);
}

/// A list says for its members how to unsubscribe from it: that is no merit of whoever writes to it.
#[test]
fn mail_to_a_list_is_not_bulk_of_its_author() {
    let with = |fields: &[(&str, &str)]| {
        let mut header = header("shop.example", true);
        let field = |(name, value): &(&str, &str)| Field {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        header.fields.extend(fields.iter().map(field));
        is_signed_bulk(&header)
    };
    let post = ("List-Post", "<mailto:Devel@lists.workshop.example>");
    assert!(!with(&[post, ("To", "Devel <devel@lists.workshop.example>")]));
    assert!(!with(&[
        ("X-BeenThere", "devel@lists.workshop.example"),
        ("Cc", "a@b.example, devel@lists.workshop.example")
    ]));
    assert!(with(&[post, ("To", "reader@workshop.example")]), "a newsletter to its reader");
    assert!(with(&[("List-Post", "NO"), ("To", "reader@workshop.example")]));
    assert!(with(&[("To", "devel@lists.workshop.example")]));
}

#[test]
fn a_mail_whose_text_is_not_known_is_not_judged() {
    let bytes = base();
    let base = Base::read(&bytes).unwrap();
    let part = Part {
        parent: None,
        depth: 0,
        kind: PartKind::Text,
        media_type: "text/plain".to_owned(),
        charset: None,
        encoding: TransferEncoding::Identity,
        disposition: Disposition::None,
        file_name: None,
        size: 100,
        digest: None,
    };
    let outline = Outline { parts: vec![part.clone()], ..Outline::default() };
    let header = header("shop.example", true);
    assert_eq!(judge(&header, &outline, &[None], &base), None);
    assert_eq!(judge(&header, &outline, &[], &base), None);
    let known = read_part(&part, &PartReading::default(), &base).unwrap();
    let judgement = judge(&header, &outline, &[Some(&known)], &base).unwrap();
    assert_eq!(judgement.logit, -1.0, "nothing known, the bias alone");
    let odd = ContentSums { weights: vec![0.0; 3], ..known };
    assert_eq!(judge(&header, &outline, &[Some(&odd)], &base), None, "of another version");
}

#[test]
fn the_finding_names_groups_and_quotes_nothing() {
    let bytes = base();
    let base = Base::read(&bytes).unwrap();
    let mut added = [0.0; GROUPS];
    added[0] = 4.0;
    added[6] = 1.0;
    let judgement = Judgement { logit: 5.0, probability: 0.993, added, read: 50.0 };
    let found = evidence(&judgement, &HeaderReading::default(), &base).unwrap();
    assert_eq!(found.name, EVIDENCE);
    assert_eq!(
        found.detail,
        "content looks 99.3 % like spam: words of the text +4.0, form of the links +1.0"
    );
    let nothing = Judgement { logit: 0.0, ..judgement };
    assert!(evidence(&nothing, &HeaderReading::default(), &base).is_none());
}

#[test]
fn what_accuses_plain_mail_of_a_discussion_list_counts_more_and_what_excuses_does_not() {
    let bytes = base();
    let base = Base::read(&bytes).unwrap();
    let header = |fields: &[(&str, &str)]| {
        let field = |(name, value): &(&str, &str)| {
            let (name, value) = ((*name).to_owned(), (*value).to_owned());
            Field { name, value }
        };
        HeaderReading { fields: fields.iter().map(field).collect(), ..HeaderReading::default() }
    };
    let post = ("List-Post", "<mailto:talk@lists.example>");
    let on_list = header(&[post]);
    let weight = |logit: f32, header: &HeaderReading| {
        let added = [0.0; GROUPS];
        let judgement = Judgement { logit, probability: 0.5, added, read: 50.0 };
        evidence(&judgement, header, &base).unwrap().weight
    };
    assert_eq!(weight(2.4, &on_list), 5.0);
    assert_eq!(weight(2.4, &header(&[post, ("Content-Type", "Text/Plain; charset=utf-8")])), 5.0);
    assert_eq!(weight(2.4, &header(&[post, ("Content-Type", "text/html")])), 4.0, "a page");
    assert_eq!(weight(2.4, &HeaderReading::default()), 4.0, "no list");
    assert_eq!(weight(-2.0, &on_list), weight(-2.0, &HeaderReading::default()));
}

#[test]
fn a_greeting_of_few_words_is_hardly_accused_and_a_page_in_full() {
    assert_eq!(as_far_as_read(8.0, 2.0), 1.6);
    assert_eq!(as_far_as_read(8.0, 10.0), 8.0);
    assert_eq!(as_far_as_read(8.0, 500.0), 8.0);
    assert_eq!(as_far_as_read(8.0, 0.0), 0.0);
    assert_eq!(as_far_as_read(-2.0, 0.0), -2.0, "what excuses is bounded as it is");
}
