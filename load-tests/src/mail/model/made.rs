//! Letters, pages, pictures and attachments made here, around texts that were found.

use std::fmt::Write as _;

use bytes::Bytes;

use super::super::dice::Dice;
use super::{Attachment, Letter, NUMBER_FIELD};
use crate::documents::{pdf, words};

/// Longest line of a made letter: RFC 5322 section 2.1.1 allows 998.
const LINE_BYTES_MAX: usize = 900;
/// Words of an attached document; the rest of its bytes cannot be read.
const DOCUMENT_BYTES_MAX: usize = 100_000;
/// Bytes in a line of Base64 (RFC 2045 section 6.8).
const BASE64_LINE: usize = 57;
/// Width and height of a picture, in pixels.
const PICTURE: (u32, u32) = (160, 100);

/// How a plain letter is to be read.
pub(super) const PLAIN: &[u8] =
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
/// How a page with pictures is to be read.
pub(super) const RELATED: &[u8] =
    b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=\"=_load\"\r\n";
/// How a letter with an attachment is to be read.
pub(super) const MIXED: &[u8] =
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_load\"\r\n";

/// The header of a made mail, without the fields about its body.
pub(super) fn header(number: u64, sender: &str, subject: &str) -> Vec<u8> {
    format!(
        "{NUMBER_FIELD}: {number}\r\n\
         Received: from mx.example.net (mx.example.net [192.0.2.10]) by in.example.test with ESMTPS id L{number:x};\r\n\
         \tMon, 02 Mar 2026 10:00:02 +0000\r\n\
         From: Sender <{sender}>\r\nTo: <reader{}@example.test>\r\nSubject: {subject}\r\n\
         Date: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <load.{number}@example.net>\r\n",
        number % 1_000
    )
    .into_bytes()
}

/// A text fit for a made letter: lines of bounded length, no control characters, between `min` and `max` bytes.
pub(super) fn letter_text(found: &str, min: usize, max: usize) -> String {
    let mut text = String::new();
    for line in found.lines() {
        let mut length = 0;
        for c in line.chars().filter(|c| !c.is_control()) {
            if length >= LINE_BYTES_MAX {
                text.push_str("\r\n");
                length = 0;
            }
            text.push(c);
            length += c.len_utf8();
        }
        text.push_str("\r\n");
        if text.len() >= max {
            break;
        }
    }
    if text.len() < min { words(4 * min).replace('\n', "\r\n") + "\r\n" } else { text }
}

/// A letter to one reader: his name, and a link that nobody else gets.
pub(super) fn personal(text: &str, number: u64, campaign: usize, token: u64) -> String {
    format!(
        "Dear Reader {number},\r\n\r\n{text}\r\nYour own page:\r\n\
         https://www.campaign{campaign}.example.net/offer?id={token:016x}\r\n"
    )
}

/// A newsletter's page for one reader.
pub(super) fn page(
    text: &str,
    number: u64,
    campaign: usize,
    token: u64,
    pictures: usize,
) -> String {
    let mut page = format!(
        "<html><head><title>News {campaign}</title></head><body>\r\n<p>Dear Reader {number},</p>\r\n"
    );
    for picture in 0..pictures {
        let _ = write!(page, "<img src=\"cid:p{picture}\" alt=\"\">\r\n");
    }
    for (at, line) in text.lines().filter(|line| !line.is_empty()).enumerate() {
        let line = line.replace('&', "&amp;").replace('<', "&lt;");
        let _ = write!(page, "<p>{line}</p>\r\n");
        if at % 8 == 7 {
            let _ = write!(
                page,
                "<p><a href=\"https://www.campaign{campaign}.example.net/a/{at}?id={token:016x}\">More</a></p>\r\n"
            );
        }
    }
    page + "</body></html>\r\n"
}

/// A page and its pictures, in pieces.
pub(super) fn related(page: String, pictures: &[Attachment]) -> Vec<Bytes> {
    let head = "--=_load\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
    let mut body = vec![Bytes::from(head.to_owned() + &page)];
    for (at, picture) in pictures.iter().enumerate() {
        body.push(Bytes::from(format!(
            "--=_load\r\nContent-Type: {}; name=\"p{at}.png\"\r\nContent-ID: <p{at}>\r\n\
             Content-Disposition: inline; filename=\"p{at}.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            picture.media_type
        )));
        body.push(picture.lines.clone());
    }
    body.push(Bytes::from_static(b"--=_load--\r\n"));
    body
}

/// A text and an attachment, in pieces.
pub(super) fn mixed(text: String, attached: &Attachment) -> Vec<Bytes> {
    let extension = if attached.media_type.ends_with("pdf") { "pdf" } else { "dat" };
    let head = "--=_load\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
    vec![
        Bytes::from(head.to_owned() + &text),
        Bytes::from(format!(
            "--=_load\r\nContent-Type: {}; name=\"report.{extension}\"\r\n\
             Content-Disposition: attachment; filename=\"report.{extension}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n",
            attached.media_type
        )),
        attached.lines.clone(),
        Bytes::from_static(b"--=_load--\r\n"),
    ]
}

/// A picture of its own for each number: flat areas with some noise, as logos and photographs are.
pub(super) fn picture(seed: u64, number: u64) -> Vec<u8> {
    let mut dice = Dice::of(seed ^ 0x91c, number);
    let (width, height) = PICTURE;
    let colours: Vec<[u8; 3]> = (0..8)
        .map(|_| {
            let [red, green, blue, ..] = dice.word().to_le_bytes();
            [red, green, blue]
        })
        .collect();
    let mut pixels = image::RgbImage::new(width, height);
    for (x, y, pixel) in pixels.enumerate_pixels_mut() {
        let [red, green, blue] = colours[((x / 40) + 4 * (y / 50)) as usize % 8];
        let noise = (dice.word() & 7) as u8;
        pixel.0 = [red ^ noise, green ^ noise, blue];
    }
    let mut png = std::io::Cursor::new(Vec::new());
    // Writing into memory does not fail; an empty picture would show in the tests.
    let _ = pixels.write_to(&mut png, image::ImageFormat::Png);
    png.into_inner()
}

/// An attachment of `bytes` bytes: every other one a document, its words first.
pub(super) fn something_attached(seed: u64, number: u64, bytes: usize) -> (Vec<u8>, &'static str) {
    let mut dice = Dice::of(seed ^ 0xa77, number);
    let (mut content, media_type) = if number.is_multiple_of(2) {
        let text = words(bytes.min(DOCUMENT_BYTES_MAX));
        (pdf(&format!("Report {:016x}\n{text}", dice.word())), "application/pdf")
    } else {
        (Vec::with_capacity(bytes), "application/octet-stream")
    };
    while content.len() < bytes {
        content.extend_from_slice(&dice.word().to_le_bytes());
    }
    (content, media_type)
}

/// A letter without a find.
pub(super) fn invented(number: u64) -> Letter {
    let mut header = header(number, &format!("ann{number}@example.org"), "A letter");
    header.extend_from_slice(PLAIN);
    let text = words(600 + 37 * (number as usize % 100)).replace('\n', "\r\n");
    let body = format!("Letter {number}.\r\n\r\n{text}\r\n");
    Letter { header: header.into(), body: body.into() }
}

/// Base64 in lines (RFC 4648 section 4).
pub(super) fn base64_lines(bytes: &[u8]) -> Bytes {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut lines = Vec::with_capacity(bytes.len() / BASE64_LINE * 78 + 80);
    for line in bytes.chunks(BASE64_LINE) {
        for group in line.chunks(3) {
            let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for place in 0..4 {
                let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
                lines.push(if place <= group.len() { letter } else { b'=' });
            }
        }
        lines.extend_from_slice(b"\r\n");
    }
    lines.into()
}
