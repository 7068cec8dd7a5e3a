use std::fmt::Write as _;

use super::page::{FONTS_MAX, FORM_DEPTH_MAX, FORMS_MAX, STATES_MAX};
use super::*;
use crate::work::Budget;

#[path = "../../tests/made/mod.rs"]
mod made;
use made::pdf;

fn document(content: &[u8]) -> Document {
    crate::document::read(content, &mut Budget::default()).expect("a document")
}

fn text(content: &str) -> String {
    document(&pdf(content, &[])).text
}

#[test]
fn glyphs_at_places_become_words_and_lines() {
    for (content, expect) in [
        ("BT /F1 12 Tf (Hello) Tj ET", "Hello\n"),
        ("BT /F1 12 Tf 100 700 Td (one) Tj 0 -14 Td (two) Tj ET", "one\ntwo\n"),
        ("BT /F1 12 Tf (one) Tj 60 0 Td (two) Tj ET", "one two\n"),
        ("BT /F1 10 Tf (o) Tj 5 0 Td (n) Tj 5 0 Td (e) Tj ET", "one\n"),
        ("BT /F1 12 Tf [(on) 20 (e) -400 (two)] TJ ET", "one two\n"),
        (
            "BT /F1 12 Tf 14 TL (one) Tj T* (two) Tj (three) ' 1 1 (four) \" ET",
            "one\ntwo\nthree\nfour\n",
        ),
        ("BT /F1 1 Tf 12 0 0 12 50 700 Tm (one) Tj 12 0 0 12 50 680 Tm (two) Tj ET", "one\ntwo\n"),
        ("q .1 0 0 .1 0 0 cm BT /F1 120 Tf 1 0 0 1 0 7000 Tm (one) Tj ET Q", "one\n"),
        ("BT /F1 12 Tf 0 1 -1 0 50 50 Tm (up) Tj 0 60 Td (on) Tj ET", "up\non\n"),
        ("BT /F1 12 Tf <48656c6c6f> Tj ET", "Hello\n"),
        ("BT /F1 12 Tf (caf\\351 \\223x\\224) Tj ET", "caf\u{e9} \u{201c}x\u{201d}\n"),
        ("BI /W 1 /H 1 ID \u{1}(x) Tj EI BT /F1 9 Tf (a) Tj ET", "a\n"),
        ("BT (no font) Tj ET", ""),
        ("BT /F1 12 Tf (unclosed", ""),
        ("", ""),
    ] {
        assert_eq!(text(content), expect, "{content}");
    }
}

#[test]
fn fonts_say_what_their_codes_mean() {
    let read = |font: &str, content: &str, others: &[&str]| {
        let all = [&[font, "<<>>"][..], others].concat();
        document(&pdf(&format!("BT /F2 12 Tf {content} Tj ET"), &all)).text
    };
    let differing =
        "<</Type/Font/Subtype/Type1/Encoding<</Differences[65/eacute/uni20AC 67/fi]>>>>";
    assert_eq!(read(differing, "(ABCD)", &[]), "\u{e9}\u{20ac}fiD\n");
    let map = "1 begincodespacerange<0000><FFFF>endcodespacerange 2 beginbfrange<0001><0003><0061><0004><0004>[<00660069>]endbfrange";
    let stream = format!("<</Length {}>>stream\n{map}\nendstream ", map.len());
    let wide =
        "<</Type/Font/Subtype/Type0/Encoding/Identity-H/ToUnicode 12 0 R/DescendantFonts[13 0 R]>>";
    let below = "<</W[1[500 500] 3 4 600]/DW 900>>";
    assert_eq!(read(wide, "<0001000200030004>", &[&stream, below]), "abcfi\n");
    let chinese = "<</Type/Font/Subtype/Type0/Encoding/GBK-EUC-H/DescendantFonts[12 0 R]>>";
    assert_eq!(read(chinese, "<C4E3BAC3>", &["<<>>"]), "\u{4f60}\u{597d}\n");
    let unknown = "<</Type/Font/Subtype/Type0/Encoding/Identity-H>>";
    assert_eq!(read(unknown, "<00010002>", &[]), "");
}

#[test]
fn links_are_found_wherever_they_stand() {
    let direct = "<</Type/Annot/Subtype/Link/A<</S/URI/URI(http://a.test/\\(x\\))>>>>";
    let found = document(&pdf("", &[direct, "<</A<</S/URI/URI 12 0 R>>>>", "(http://b.test/)"]));
    let targets: Vec<_> = found.links.iter().map(|link| link.target.as_str()).collect();
    assert_eq!(targets, ["http://a.test/(x)", "http://b.test/"]);
    let objects = "20 0 21 30 <</S/URI/URI(http://c.test/)>> (x)";
    let stream = format!(
        "<</Type/ObjStm/N 2/First 11/Length {}>>stream\n{objects}\nendstream ",
        objects.len()
    );
    assert_eq!(document(&pdf("", &[&stream])).links[0].target, "http://c.test/");
    let utf16 = "<</S/URI/URI<FEFF0068007400740070003A002F002F0061>>>";
    assert_eq!(document(&pdf("", &[utf16])).links[0].target, "http://a");
}

#[test]
fn what_acts_by_itself_is_noted() {
    let facts = |object: &str| document(&pdf("", &[object])).facts;
    for (object, expect) in [
        ("<</S/JavaScript/JS(app.alert)>>", (true, false, false)),
        ("<</S/J#61vaScript/J#53(x)>>", (true, false, false)),
        ("<</OpenAction<</S/JavaScript/JS(x)>>>>", (true, true, false)),
        ("<</OpenAction[3 0 R/Fit]>>", (false, false, false)),
        ("<</OpenAction<</S/GoTo/D[3 0 R]>>>>", (false, false, false)),
        ("<</Names<</JavaScript<</Names[(a)1 0 R]>>>>>>", (true, true, false)),
        ("<</AA<</O<</S/URI/URI(http://a.test)>>>>>>", (false, true, false)),
        ("<</AA<</K<</S/JavaScript/JS(format)>>>>>>", (true, false, false)),
        ("<</S/Launch/F(cmd.exe)>>", (false, true, false)),
        ("<</Type/Filespec/EF<</F 9 0 R>>>>", (false, false, true)),
    ] {
        let facts = facts(object);
        let found = (facts.has_javascript, facts.has_auto_action, facts.has_embedded_files);
        assert_eq!(found, expect, "{object}");
    }
}

#[test]
fn an_encrypted_file_is_said_to_be_and_not_shown_as_noise() {
    let mut content =
        pdf("BT /F1 12 Tf (x) Tj ET", &["<</Filter/Standard/V 2>>", "<</S/URI/URI(\u{1}\u{2})>>"]);
    content.extend(b"trailer<</Root 1 0 R/Encrypt 10 0 R>>");
    let found = document(&content);
    assert!(found.facts.is_encrypted && found.text.is_empty() && found.links.is_empty());
    let mut pretended = pdf("BT /F1 12 Tf (x) Tj ET", &[]);
    pretended.extend(b"trailer<</Root 1 0 R/Encrypt 99 0 R>>");
    assert_eq!(document(&pretended).text, "x\n", "no such dictionary");
}

#[test]
fn damage_is_read_as_far_as_it_goes() {
    let whole = String::from_utf8(pdf("BT /F1 12 Tf (text) Tj ET", &[])).unwrap();
    for (content, expect) in [
        (whole.replace("trailer", "tr"), "text\n"),
        (whole.replace("/Length ", "/Length 9"), "text\n"),
        (whole.replace("/Kids[3 0 R]", "/Kids[2 0 R 3 0 R 3 0 R]"), "text\n"),
        (whole.replace("/Type/Pages/Kids[3 0 R]", ""), "text\n"),
        (whole.replace("endobj", ""), "text\n"),
        (whole.replace("endstream", ""), "text\n"),
        (format!("junk\n{whole}"), "text\n"),
        (whole.replace("4 0 obj<<", "4 0 obj<</Filter/FlateDecode"), ""),
        ("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 1 0 R>>".to_owned(), ""),
    ] {
        assert_eq!(document(content.as_bytes()).text, expect, "{content}");
    }
    assert!(document(b"%PDF-1.4").is_damaged && !document(whole.as_bytes()).is_damaged);
    let loop_of_forms =
        "<</Subtype/Form/Resources<</XObject<</X1 11 0 R>>>>/Length 6>>stream\n/X1 Do\nendstream ";
    let found = document(&pdf("/X1 Do", &["<<>>", loop_of_forms]));
    assert!(found.cuts.contains(&Cut::Depth), "{FORM_DEPTH_MAX} forms within each other");
}

#[test]
fn forms_fonts_pages_and_states_have_their_limits() {
    let form = "<</Subtype/Form/Resources<</Font<</F1 5 0 R>>>>/Length 23>>stream\nBT /F1 1 Tf (a) Tj ET  \nendstream ";
    for (forms, is_cut) in [(FORMS_MAX, false), (FORMS_MAX + 1, true)] {
        let found = document(&pdf(&"/X1 Do ".repeat(forms), &["<<>>", form]));
        assert_eq!(found.cuts.contains(&Cut::Count), is_cut);
    }
    for (fonts, is_cut) in [(FONTS_MAX, false), (FONTS_MAX + 1, true)] {
        // A font that is named and not there is read each time.
        let found = document(&pdf(&"/F9 1 Tf ".repeat(fonts), &[]));
        assert_eq!(found.cuts.contains(&Cut::Count), is_cut);
    }
    for (pages, is_cut) in [(PAGES_MAX, false), (PAGES_MAX + 1, true)] {
        let mut kids = String::new();
        let page: Vec<&str> = (0..pages).map(|_| "<</Type/Page/Contents 4 0 R>>").collect();
        for at in 0..pages {
            let _ = write!(kids, "{} 0 R ", at + 10);
        }
        let content = String::from_utf8(pdf("", &page)).unwrap();
        let found = document(content.replace("[3 0 R]", &format!("[{kids}]")).as_bytes());
        assert_eq!(found.cuts.contains(&Cut::Count), is_cut);
    }
    for (states, expect) in [(STATES_MAX, "a\n"), (STATES_MAX + 1, "a\n")] {
        let content =
            format!("{} BT /F1 1 Tf (a) Tj ET {}", "q ".repeat(states), "Q ".repeat(states));
        assert_eq!(text(&content), expect);
    }
    let mut deep = String::from("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj ");
    for at in 2..TREE_DEPTH_MAX + 4 {
        let _ = write!(deep, "{at} 0 obj<</Kids[{} 0 R]>>endobj ", at + 1);
    }
    assert!(document(deep.as_bytes()).cuts.contains(&Cut::Depth));
}

#[test]
fn objects_are_looked_at_up_to_their_limit_and_references_in_a_circle_end() {
    use super::file::OBJECTS_MAX;
    for (objects, is_cut) in [(OBJECTS_MAX, false), (OBJECTS_MAX + 1, true)] {
        let mut content = String::from("%PDF-1.4\n");
        for at in 1..=objects {
            let _ = write!(content, "{at} 0 obj 1 ");
        }
        assert_eq!(document(content.as_bytes()).cuts.contains(&Cut::Count), is_cut);
    }
    let circle = document(&pdf("", &["10 0 R", "12 0 R", "11 0 R", "<</URI 11 0 R/AA 10 0 R>>"]));
    assert!(circle.links.is_empty());
}

#[test]
fn a_page_of_many_arrays_and_a_file_of_false_ends_cost_what_they_weigh() {
    for content in [
        pdf(&"[".repeat(100_000), &[]),
        pdf(&"<<".repeat(100_000), &[]),
        pdf(&"(".repeat(100_000), &[]),
        [b"%PDF-1.4\n".to_vec(), b"1 0 obj<</Length 9>>stream\n".repeat(4000)].concat(),
        [b"%PDF-1.4\n".to_vec(), b"1 0 obj[[[[[[[[[[".repeat(6000)].concat(),
    ] {
        let mut budget = Budget::default();
        let _ = crate::document::read(&content, &mut budget);
        assert!(budget.spent() <= crate::work::DOCUMENT_WORK_MAX);
    }
}
