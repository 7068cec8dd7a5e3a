//! Megabytes of text and of file that each reader reads in a second, over documents made here:
//! `cargo run --release -p tamis-load-tests --bin documents`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use tamis_documents::document::read;
use tamis_documents::qr::{Grey, read as read_codes};
use tamis_documents::work::Budget;
use tamis_load_tests::documents::{doc, docx, ics, odt, pdf, rtf, words, xlsx};

/// Bytes of text of each document, as much as is kept of one.
const TEXT_BYTES: usize = 200 * 1024;

/// How long each reader is measured.
const TIME: Duration = Duration::from_millis(700);

fn main() {
    let text = words(TEXT_BYTES);
    for (name, content) in [
        ("rtf", rtf(&text)),
        ("doc", doc(&text)),
        ("docx", docx(&text)),
        ("odt", odt(&text)),
        ("xlsx", xlsx(&text)),
        ("pdf", pdf(&text)),
        ("ics", ics(&text)),
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
