//! Megabytes of text and of file that each reader reads in a second, over documents made here:
//! `cargo run --release -p tamis-load-tests --bin documents`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::{DeflateEncoder, ZlibEncoder};
use tamis_documents::document::read;
use tamis_documents::qr::{Grey, read as read_codes};
use tamis_documents::work::Budget;

#[path = "../../../crates/documents/tests/made/mod.rs"]
mod made;
use made::{Packed, WORD};

/// Bytes of text of each document, as much as is kept of one.
const TEXT_BYTES: usize = 200 * 1024;

/// How long each reader is measured.
const TIME: Duration = Duration::from_millis(700);

fn main() {
    let words: Vec<&str> =
        "the quick brown fox jumps over a lazy dog while seven wizards quietly vex"
            .split(' ')
            .collect();
    let (mut text, mut at) = (String::new(), 7_usize);
    while text.len() < TEXT_BYTES {
        at = at.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493);
        text.push_str(words[(at >> 40) % words.len()]);
        text.push(if at >> 33 & 15 == 0 { '\n' } else { ' ' });
    }
    for (name, content) in [
        ("rtf", rtf(&text)),
        (
            "doc",
            made::compound_of_large_sectors(&made::word(&[(&text.replace('\n', "\r"), false)], 0)),
        ),
        ("docx", docx(&text)),
        ("odt", odt(&text)),
        ("xlsx", xlsx(&text)),
        ("pdf", pdf(&text)),
        (
            "ics",
            format!("BEGIN:VCALENDAR\r\nDESCRIPTION:{}\r\n", text.replace('\n', "\r\n "))
                .into_bytes(),
        ),
    ] {
        measure(name, &content);
    }
    pictures();
}

fn measure(name: &str, content: &[u8]) {
    let (began, mut rounds, mut bytes, mut slowest) = (Instant::now(), 0, 0, Duration::ZERO);
    while began.elapsed() < TIME {
        let one = Instant::now();
        bytes += read(content, &mut Budget::default()).expect("a document").text.len();
        slowest = slowest.max(one.elapsed());
        rounds += 1;
    }
    let mb = |bytes: usize| bytes as f64 / 1e6 / began.elapsed().as_secs_f64();
    println!(
        "{name:5} {:7} bytes  text {:7.1} MB/s  file {:7.1} MB/s  slowest {slowest:?}",
        content.len(),
        mb(bytes),
        mb(content.len() * rounds)
    );
}

/// Noise is the worst picture for a finder of corners.
fn pictures() {
    for side in [500, 1400] {
        let noise = |at: usize| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
        let luma: Vec<u8> = (0..side * side).map(noise).collect();
        let began = Instant::now();
        let codes = read_codes(Grey { width: side, height: side, luma: &luma });
        println!("codes {side} x {side} of noise: {} found in {:?}", codes.len(), began.elapsed());
    }
}

fn rtf(text: &str) -> Vec<u8> {
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

fn docx(text: &str) -> Vec<u8> {
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

fn odt(text: &str) -> Vec<u8> {
    let lines = text.lines().map(|line| format!("<text:p text:style-name=\"P1\">{line}</text:p>"));
    archive(&[
        ("mimetype", "application/vnd.oasis.opendocument.text".to_owned()),
        ("content.xml", lines.collect()),
        ("META-INF/manifest.xml", String::new()),
    ])
}

fn xlsx(text: &str) -> Vec<u8> {
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml";
    let types = format!("<Types><Override PartName=\"/xl/s.xml\" ContentType=\"{kind}\"/></Types>");
    let strings = text.split(' ').map(|word| format!("<si><t>{}</t></si>", word.trim()));
    archive(&[("[Content_Types].xml", types), ("xl/s.xml", strings.collect())])
}

fn pdf(text: &str) -> Vec<u8> {
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
