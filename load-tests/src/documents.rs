//! Documents made here, for measurements: the same words in every format.
#![allow(clippy::unwrap_used, reason = "packing into memory does not fail")]

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, ZlibEncoder};

#[path = "../../crates/documents/tests/made/mod.rs"]
mod made;
use made::{Packed, WORD};

/// About `bytes` bytes of words in lines, always the same.
#[must_use]
pub fn words(bytes: usize) -> String {
    let words: Vec<&str> =
        "the quick brown fox jumps over a lazy dog while seven wizards quietly vex"
            .split(' ')
            .collect();
    let (mut text, mut at) = (String::new(), 7_usize);
    while text.len() < bytes {
        at = at.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493);
        text.push_str(words[(at >> 40) % words.len()]);
        text.push(if at >> 33 & 15 == 0 { '\n' } else { ' ' });
    }
    text
}

/// A letter of Word 97.
#[must_use]
pub fn doc(text: &str) -> Vec<u8> {
    made::compound_of_large_sectors(&made::word(&[(&text.replace('\n', "\r"), false)], 0))
}

/// A calendar entry with a long description.
#[must_use]
pub fn ics(text: &str) -> Vec<u8> {
    format!("BEGIN:VCALENDAR\r\nDESCRIPTION:{}\r\n", text.replace('\n', "\r\n ")).into_bytes()
}

/// A rich text, as word processors write it.
#[must_use]
pub fn rtf(text: &str) -> Vec<u8> {
    let mut out = String::from("{\\rtf1\\ansi{\\fonttbl{\\f0\\fcharset0 A;}}");
    for line in text.lines() {
        let _ = write!(out, "{{\\rtlch\\fcs1 \\af0 \\ltrch\\fcs0 \\insrsid1 {line}}}\\par ");
    }
    (out + "}").into_bytes()
}

fn deflated(content: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn archive(entries: &[(&str, String)]) -> Vec<u8> {
    let entries: Vec<Packed> = entries
        .iter()
        .map(|(name, content)| Packed {
            name,
            method: 8,
            content: deflated(content),
            is_encrypted: false,
        })
        .collect();
    made::zip(&entries)
}

/// An Office Open XML letter.
#[must_use]
pub fn docx(text: &str) -> Vec<u8> {
    let mut body = String::from("<w:document><w:body>");
    for line in text.lines() {
        let _ = write!(
            body,
            "<w:p w:rsidR=\"00A7\" w:rsidRDefault=\"00A7\"><w:pPr><w:spacing w:after=\"0\"/></w:pPr><w:r><w:rPr>\
             <w:rFonts w:ascii=\"Arial\"/><w:sz w:val=\"20\"/></w:rPr><w:t xml:space=\"preserve\">{line}</w:t></w:r></w:p>"
        );
    }
    let types = format!(
        "<Types><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.{WORD}\"/></Types>"
    );
    archive(&[
        ("[Content_Types].xml", types),
        ("word/document.xml", body + "</w:body></w:document>"),
    ])
}

/// An OpenDocument letter.
#[must_use]
pub fn odt(text: &str) -> Vec<u8> {
    let lines = text.lines().map(|line| format!("<text:p text:style-name=\"P1\">{line}</text:p>"));
    archive(&[
        ("mimetype", "application/vnd.oasis.opendocument.text".to_owned()),
        ("content.xml", lines.collect()),
        ("META-INF/manifest.xml", String::new()),
    ])
}

/// A sheet whose strings are the words.
#[must_use]
pub fn xlsx(text: &str) -> Vec<u8> {
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml";
    let types = format!("<Types><Override PartName=\"/xl/s.xml\" ContentType=\"{kind}\"/></Types>");
    let strings = text.split(' ').map(|word| format!("<si><t>{}</t></si>", word.trim()));
    archive(&[("[Content_Types].xml", types), ("xl/s.xml", strings.collect())])
}

/// Pages of 3,000 characters, each packed.
#[must_use]
pub fn pdf(text: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.5\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n".to_vec();
    let pages: Vec<&[u8]> = text.as_bytes().chunks(3000).collect();
    let kids: String = (0..pages.len()).map(|at| format!("{} 0 R ", 10 + 2 * at)).collect();
    let _ = writeln!(out, "2 0 obj<</Kids[{kids}]/Resources<</Font<</F1 5 0 R>>>>>>endobj");
    out.extend(b"5 0 obj<</Type/Font/Subtype/Type1>>endobj\n");
    for (at, page) in pages.iter().enumerate() {
        let mut content = String::from("BT /F1 11 Tf 50 780 Td 13 TL\n");
        for line in String::from_utf8_lossy(page).lines() {
            let pieces: String = line.split(' ').map(|word| format!("({word})-250")).collect();
            let _ = writeln!(content, "[{pieces}]TJ T*");
        }
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all((content + "ET").as_bytes()).unwrap();
        let packed = encoder.finish().unwrap();
        let number = 10 + 2 * at;
        let _ = writeln!(out, "{number} 0 obj<</Type/Page/Contents {} 0 R>>endobj", number + 1);
        let _ = writeln!(
            out,
            "{} 0 obj<</Filter/FlateDecode/Length {}>>stream",
            number + 1,
            packed.len()
        );
        out.extend(packed);
        out.extend(b"\nendstream endobj\n");
    }
    out
}
