//! Mails made to cost much: what is looked at stays within named budgets, counted in parts, bytes and pixels and never in
//! time, and where a budget ended the reading the reading says so.
#![allow(clippy::unwrap_used, reason = "a test may fail aloud")]

use tamis_documents::work::{DOCUMENT_WORK_MAX, WORK_SUM_MAX};
use tamis_domain::limits::{HEADER_BLOCK_BYTES_MAX, LINKS_MAX, PARTS_MAX};
use tamis_message::content::decode;
use tamis_message::digesting::dissect;
use tamis_message::header;
use tamis_message::reading::{Budget, FOLDED_BYTES_MAX, read_part_within};
use tamis_message::sketch::image::PIXELS_SUM_MAX;

/// Bytes that one folded character may go beyond its limit.
const CHARACTER_BYTES_MAX: usize = 64;

/// What was looked at in one mail.
#[derive(Debug, Default)]
struct Seen {
    parts: usize,
    header_bytes: usize,
    /// Values of all header fields, decoded.
    field_bytes: usize,
    oddities: usize,
    text_bytes_most: usize,
    links_most: usize,
    cut: usize,
    left_out: usize,
    work: u64,
    pixels: u64,
}

fn seen(mail: &[u8]) -> Seen {
    let read = dissect(mail);
    let fields = header::read(&read.outline.header).fields;
    let mut seen = Seen {
        parts: read.outline.parts.len(),
        header_bytes: read.outline.header.len(),
        field_bytes: fields.iter().map(|field| field.value.len()).sum(),
        oddities: read.outline.oddities.len(),
        ..Seen::default()
    };
    let mut budget = Budget::default();
    for (part, span) in read.outline.parts.iter().zip(&read.spans) {
        let Some(span) = span else { continue };
        let reading = read_part_within(part, &decode(span, span.of(mail)), &mut budget);
        let text = reading.text.as_ref().map_or(0, |text| text.folded.len());
        seen.text_bytes_most = seen.text_bytes_most.max(text);
        seen.links_most = seen.links_most.max(reading.links.len());
        seen.cut += usize::from(reading.is_cut);
    }
    seen.left_out = budget.left_out();
    seen.work = budget.documents.spent();
    seen.pixels = budget.pictures.decoded_pixels();
    seen
}

fn part(media_type: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("Content-Type: {media_type}\nContent-Transfer-Encoding: binary\n\n");
    [head.as_bytes(), content].concat()
}

fn parts(media_type: &str, content: &[u8], count: usize) -> Vec<u8> {
    let mut mail = b"Content-Type: multipart/mixed; boundary=b\n\n".to_vec();
    for _ in 0..count {
        mail.extend([b"--b\n", &part(media_type, content)[..], b"\n"].concat());
    }
    mail
}

/// What must be said of the mail.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    /// The structure is odd.
    Odd,
    /// A part was not read to its end.
    Cut,
    /// Something had no room in the budget of the mail.
    LeftOut,
    /// Nothing: all of it was read.
    Nothing,
}

fn mails() -> Vec<(&'static str, Vec<u8>, Says)> {
    let nested: String = (0..10_000)
        .map(|at| format!("Content-Type: multipart/mixed; boundary=b{at}\n\n--b{at}\n"))
        .collect();
    let html = |content: String| part("text/html; charset=utf-8", content.as_bytes());
    let many = |unit: &str, bytes: usize| unit.repeat(bytes / unit.len());
    let rtf = |inside: &str| part("application/rtf", format!("{{\\rtf1 {inside}").as_bytes());
    let pdf = |inside: &str| part("application/pdf", format!("%PDF-1.5\n{inside}").as_bytes());
    let kids: String = (1..4000)
        .map(|at| format!("{at} 0 obj<</Type/Pages/Kids[{at} 0 R {} 0 R 1 0 R]>>endobj\n", at + 1))
        .collect();
    let forms: String = (1..300)
        .map(|at| {
            let calls = format!("/X{} Do ", at + 1).repeat(200);
            format!(
                "{at} 0 obj<</Subtype/Form/Resources<</XObject<</X{0} {0} 0 R>>>>/Length {1}>>stream\n{calls}\nendstream endobj\n",
                at + 1,
                calls.len()
            )
        })
        .collect();
    let page = "900 0 obj<</Type/Catalog/Pages 901 0 R>>endobj 901 0 obj<</Kids[902 0 R]>>endobj\n\
        902 0 obj<</Type/Page/Contents 1 0 R/Resources<</XObject<</X2 2 0 R>>>>>>endobj\n";
    vec![
        ("10,000 nested containers", nested.into_bytes(), Says::Odd),
        ("100,000 parts", parts("text/plain", b"x", 100_000), Says::Odd),
        ("1,000,000 header fields", many("a: b\n", 5_000_000).into_bytes(), Says::Odd),
        (
            "encoded words",
            many("Subject: =?utf-8?q?=C3=A9?= =?utf-8?b?w6k=?=\n", 1100 << 10).into(),
            Says::Odd,
        ),
        (
            "texts beyond ASCII",
            parts("text/plain; charset=utf-8", many("\u{e9} ", 1 << 20).as_bytes(), 3),
            Says::LeftOut,
        ),
        ("open anchors", html(many("<a href=//a.test/1>", 1100 << 10)), Says::Cut),
        (
            "open elements under a sheet",
            html("<style>b i{color:red}</style>".to_owned() + &many("<b><i>", 1100 << 10)),
            Says::Cut,
        ),
        ("entities", html(many("&amp;&#x430;&nbsp;", 1100 << 10)), Says::Cut),
        ("attributes", html("<b ".to_owned() + &many("a=1 ", 300 << 10)), Says::Nothing),
        ("composing marks", html("e".to_owned() + &many("\u{301}", 300 << 10)), Says::Cut),
        ("long compatibility forms", html(many("\u{fdfa}", 300 << 10)), Says::Cut),
        ("links", html((0..5000).map(|at| format!("http://a.test/{at} ")).collect()), Says::Cut),
        ("braces of RTF", rtf(&many("{\\b", 5 << 20)), Says::Cut),
        ("binary runs of RTF", rtf(&many("\\bin9 ", 6 << 20)), Says::Cut),
        ("page tree in a circle", pdf(&(kids + "trailer<</Root 1 0 R>>")), Says::Nothing),
        ("forms that call forms", pdf(&(forms + page + "trailer<</Root 900 0 R>>")), Says::Nothing),
        ("open arrays of PDF", pdf(&many("1 0 obj[", 5 << 20)), Says::Nothing),
        ("40 documents", parts("application/rtf", b"{\\rtf1 word }", 40), Says::LeftOut),
        (
            "20 MB of empty groups",
            parts(
                "application/rtf",
                &[b"{\\rtf1 ", "{\\b}".repeat(1 << 20).as_bytes()].concat(),
                5,
            ),
            Says::LeftOut,
        ),
    ]
}

#[test]
fn whatever_a_mail_is_made_of_no_more_is_looked_at_than_its_budgets_say_and_it_is_told() {
    for (name, mail, says) in mails() {
        let seen = seen(&mail);
        assert!(seen.parts <= PARTS_MAX, "{name}: {seen:?}");
        assert!(seen.header_bytes <= HEADER_BLOCK_BYTES_MAX, "{name}: {seen:?}");
        // An encoded word of few bytes may say more than it has, by the replacement of what is no character.
        assert!(seen.field_bytes <= 3 * HEADER_BLOCK_BYTES_MAX, "{name}: {seen:?}");
        assert!(seen.text_bytes_most <= FOLDED_BYTES_MAX + CHARACTER_BYTES_MAX, "{name}: {seen:?}");
        assert!(seen.links_most <= LINKS_MAX, "{name}: {seen:?}");
        assert!(seen.work <= WORK_SUM_MAX && seen.pixels <= PIXELS_SUM_MAX, "{name}: {seen:?}");
        assert!(seen.left_out > 0 || seen.work <= DOCUMENT_WORK_MAX, "{name}: {seen:?}");
        let is_said = match says {
            Says::Odd => seen.oddities > 0,
            Says::Cut => seen.cut > 0,
            Says::LeftOut => seen.left_out > 0,
            Says::Nothing => seen.cut + seen.left_out == 0,
        };
        assert!(is_said, "{name} {says:?}: {seen:?}");
    }
}
