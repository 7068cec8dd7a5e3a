//! Attached documents and pictures: what is in them besides text, and where their codes and links lead.
//!
//! Weights are small where honest offices do the same: statements come encrypted, forms carry scripts, workbooks macros.

use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::{Document, Link, PartReading};

/// Characters of text below which a document with a link says little but to follow it.
const TEXT_CHARS_MIN: usize = 400;

/// Links up to which such a document leads to one place; a sheet of links is a list.
const LINKS_MAX: usize = 3;

/// Judges what is known of one document or picture.
#[must_use]
pub fn judge(reading: &PartReading) -> Vec<Evidence> {
    let Some(document) = &reading.document else { return Vec::new() };
    type Test = fn(&Document) -> bool;
    let kinds: [(&'static str, f32, &str, Test); 9] = [
        ("document_macros", 1.5, "a document that carries macros", |it| it.has_macros),
        (
            "document_encrypted",
            0.8,
            "a document that no filter can look into: it is encrypted",
            |it| it.is_encrypted,
        ),
        ("document_javascript", 0.8, "a document that carries a script", |it| it.has_javascript),
        ("document_auto_action", 1.0, "a document that does something when it is opened", |it| {
            it.has_auto_action
        }),
        (
            "document_external",
            2.0,
            "a document that fetches a part of itself from elsewhere",
            |it| it.has_external_template,
        ),
        ("document_dde", 3.0, "a document that asks another program for data (DDE)", |it| {
            it.has_dde
        }),
        ("document_embedded", 0.2, "a document with a file or object inside", |it| {
            it.has_embedded_files
        }),
        ("document_bomb", 3.0, "a document that unpacks to far more than it weighs", |it| {
            it.is_bomb
        }),
        ("document_unreadable", 0.5, "a document that is damaged", |it| it.is_damaged),
    ];
    let judge = |(name, weight, what, test): (&'static str, f32, &str, Test)| {
        test(document).then(|| Evidence::new(name, weight, Source::Attachment, what))
    };
    let mut found: Vec<Evidence> = kinds.into_iter().filter_map(judge).collect();
    found.extend(link_only(document, reading));
    found.extend(qr_link(document, &reading.links));
    found
}

/// A page whose only purpose is that its link is followed.
fn link_only(document: &Document, reading: &PartReading) -> Option<Evidence> {
    if document.is_picture {
        return None;
    }
    let visible = reading.text.as_ref().map_or("", |text| &text.visible);
    let written = reading.links.len().saturating_sub(document.code_links);
    let web = reading.links[..written].iter().filter(|link| is_web(link)).count();
    let is_short = visible.chars().nth(TEXT_CHARS_MIN).is_none();
    (is_short && (1..=LINKS_MAX).contains(&web)).then(|| {
        let detail = "a document with little more in it than a link";
        Evidence::new("document_link_only", 1.0, Source::Attachment, detail)
    })
}

/// A code for a telephone that leads to the web, past everything that guards the computer.
fn qr_link(document: &Document, links: &[Link]) -> Option<Evidence> {
    let from = links.len().saturating_sub(document.code_links);
    let count = links[from..].iter().filter(|link| is_web(link)).count();
    (count > 0).then(|| {
        let detail = format!("{count} QR code(s) that lead to a web page");
        Evidence::new("qr_link", 1.0, Source::Link, detail)
    })
}

fn is_web(link: &Link) -> bool {
    let target = link.target.trim_start();
    ["http:", "https:"].iter().any(|scheme| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

#[cfg(test)]
mod tests {
    use tamis_domain::reading::Text;

    use super::*;

    fn names(reading: &PartReading) -> Vec<String> {
        judge(reading).into_iter().map(|found| found.name.into_owned()).collect()
    }

    fn reading(chars: usize, links: usize, code_links: usize) -> PartReading {
        let link = |at| Link { target: format!("https://{at}.test/"), ..Link::default() };
        PartReading {
            text: Some(Text { visible: "a".repeat(chars), ..Text::default() }),
            links: (0..links + code_links).map(link).collect(),
            document: Some(Document { code_links, ..Document::default() }),
            ..PartReading::default()
        }
    }

    #[test]
    fn each_fact_is_one_sign_and_a_plain_document_has_none() {
        let of =
            |document| names(&PartReading { document: Some(document), ..PartReading::default() });
        let plain = Document::default();
        assert!(of(plain).is_empty());
        assert!(names(&PartReading::default()).is_empty());
        assert!(of(Document { is_cut: true, ..plain }).is_empty(), "long documents are honest");
        for (document, name) in [
            (Document { has_macros: true, ..plain }, "document_macros"),
            (Document { is_encrypted: true, ..plain }, "document_encrypted"),
            (Document { has_javascript: true, ..plain }, "document_javascript"),
            (Document { has_auto_action: true, ..plain }, "document_auto_action"),
            (Document { has_external_template: true, ..plain }, "document_external"),
            (Document { has_dde: true, ..plain }, "document_dde"),
            (Document { has_embedded_files: true, ..plain }, "document_embedded"),
            (Document { is_bomb: true, ..plain }, "document_bomb"),
            (Document { is_damaged: true, ..plain }, "document_unreadable"),
        ] {
            assert_eq!(of(document), [name]);
        }
    }

    #[test]
    fn a_short_document_with_few_links_says_little_but_to_follow_them() {
        let is_sign = |chars, links| names(&reading(chars, links, 0)) == ["document_link_only"];
        assert!(is_sign(TEXT_CHARS_MIN, 1) && is_sign(0, LINKS_MAX));
        let untold = PartReading { text: None, ..reading(0, 1, 0) };
        assert_eq!(
            names(&untold),
            ["document_link_only"],
            "a picture of a page with a link over it"
        );
        assert!(!is_sign(TEXT_CHARS_MIN + 1, 1) && !is_sign(0, LINKS_MAX + 1) && !is_sign(0, 0));
    }

    #[test]
    fn codes_that_lead_to_the_web_are_told_from_links_that_are_written() {
        assert_eq!(names(&reading(1000, 2, 1)), ["qr_link"]);
        let mut other = reading(1000, 0, 1);
        other.links[0].target = "tel:+1".into();
        assert!(names(&other).is_empty());
    }
}
