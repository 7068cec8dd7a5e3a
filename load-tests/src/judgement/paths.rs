//! The hot paths of a judgement, each over one mail made here, for counting instructions.
//!
//! A path is named after what it runs, so that a count that grew names its code.

use std::fmt::Write as _;
use std::hint::black_box;

use tamis_checks::bases::Bases;
use tamis_documents::document;
use tamis_documents::work::Budget;
use tamis_domain::outline::{Part, PartKind};
use tamis_domain::reading::PartReading;
use tamis_message::content::decode;
use tamis_message::digesting::dissect;
use tamis_message::header;
use tamis_message::reading::{fold, read_part, render};
use tamis_message::sketch::file::file_sketch;
use tamis_message::sketch::text::text_name;

use crate::documents::{docx, pdf, rtf, words};

/// One path: does its work so many times.
type Path = fn(times: usize);

/// All paths by name.
pub const PATHS: [(&str, Path); 11] = [
    ("dissect_and_decode", |times| repeat(times, newsletter(), |mail| contents(mail))),
    ("header_read", |times| repeat(times, newsletter(), |mail| read_header(mail))),
    ("render_html_100kB", |times| repeat(times, page(100 * 1024), |page| render(page))),
    ("read_part_html", |times| repeat(times, newsletter(), |mail| readings(mail))),
    ("fold_accents", |times| repeat(times, accents(), |text| fold(text))),
    ("text_sketch", |times| repeat(times, fold(&words(32 * 1024)).text, |it| text_name(it))),
    ("file_sketch", |times| repeat(times, words(256 * 1024), |it| file_sketch(it.as_bytes()))),
    ("checks_of_parts", |times| {
        let read = readings(&newsletter());
        repeat(times, read, |read| judge(read));
    }),
    ("document_pdf", |times| repeat(times, pdf(&words(100 * 1024)), |it| document(it))),
    ("document_docx", |times| repeat(times, docx(&words(100 * 1024)), |it| document(it))),
    ("document_rtf", |times| repeat(times, rtf(&words(100 * 1024)), |it| document(it))),
];

/// Runs `work` over `input` so many times, and once before: what is made once for a process is not counted.
fn repeat<I, O>(times: usize, input: I, work: impl Fn(&I) -> O) {
    for _ in 0..=times {
        black_box(work(black_box(&input)));
    }
}

fn contents(mail: &[u8]) -> Vec<(Part, Vec<u8>)> {
    let read = dissect(mail);
    let parts = read.outline.parts.into_iter().zip(read.spans);
    parts.filter_map(|(part, span)| span.map(|it| (part, decode(&it, it.of(mail))))).collect()
}

fn read_header(mail: &[u8]) -> tamis_domain::reading::HeaderReading {
    header::read(&dissect(mail).outline.header)
}

fn readings(mail: &[u8]) -> Vec<(Part, PartReading)> {
    let parts = contents(mail).into_iter();
    parts.map(|(part, content)| (read_part(&part, &content), part)).map(|(r, p)| (p, r)).collect()
}

fn judge(read: &[(Part, PartReading)]) -> usize {
    let bases = Bases::default();
    let facts = read.iter().map(|(part, read)| tamis_checks::part::judge(part, read, &bases));
    facts.map(|facts| facts.evidence.len()).sum()
}

fn document(content: &[u8]) -> Option<usize> {
    document::read(content, &mut Budget::default()).map(|found| found.text.len())
}

/// Words of a language with accents, and some posing letters.
fn accents() -> String {
    words(32 * 1024).replace("quick", "schn\u{e9}ll").replace("lazy", "l\u{430}zy")
}

/// A page as a mailer for many writes it: nested tables, styles, links with long tokens.
fn page(bytes: usize) -> String {
    let mut page = String::from(
        "<html><head><style>.a{color:#333}.b{font-size:0}</style></head><body bgcolor=\"#ffffff\">",
    );
    let text = words(bytes);
    for (number, line) in text.lines().enumerate() {
        if page.len() >= bytes {
            break;
        }
        let _ = write!(
            page,
            "<table width=\"600\" cellpadding=\"0\" border=\"0\" style=\"border-collapse:collapse\"><tr>\
             <td class=\"a\" align=\"left\" style=\"padding:4px 8px;font-family:Arial,sans-serif;color:#333333\">\
             <a href=\"https://news.example.org/c/{number}?t=4f9a2c&amp;u=7d\" style=\"color:#0066cc\">{line}</a>\
             <img src=\"https://img.example.org/{number}.png\" width=\"20\" height=\"20\" alt=\"\"> \
             &copy; {line} &nbsp;</td></tr></table>\r\n"
        );
    }
    page.push_str("</body></html>");
    page
}

/// A mail of two bodies with the header of a list.
fn newsletter() -> Vec<u8> {
    let mut mail = String::from(
        "Received: from mx.example.org (mx.example.org [192.0.2.1]) by in.example.com with ESMTPS id 4fX\r\n\
         \tfor <bob@example.com>; Mon, 02 Mar 2026 10:00:02 +0000\r\n\
         Received: from app.example.org (localhost [127.0.0.1]) by mx.example.org; Mon, 02 Mar 2026 10:00:00 +0000\r\n\
         From: =?utf-8?Q?Garden_Lett=C3=A9r?= <news@example.org>\r\nTo: Bob <bob@example.com>\r\n\
         Subject: =?utf-8?B?V2ludGVyIGluIHRoZSBnYXJkZW4=?= of March\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\n\
         Message-ID: <20260302.1@example.org>\r\nList-Id: <garden.example.org>\r\n\
         List-Unsubscribe: <https://news.example.org/u/1>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=\"=_b\"\r\n\r\n--=_b\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n",
    );
    mail.push_str(&words(4 * 1024).replace('\n', "\r\n"));
    mail.push_str(
        "\r\n--=_b\r\nContent-Type: text/html; charset=utf-8\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n",
    );
    mail.push_str(&page(24 * 1024).replace('=', "=3D"));
    mail.push_str("\r\n--=_b--\r\n");
    mail.into_bytes()
}

/// What a made mail is read as: the paths above would count little if it were not what it is taken for.
#[must_use]
pub fn kinds() -> Vec<PartKind> {
    contents(&newsletter()).into_iter().map(|(part, _)| part.kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mail_of_the_paths_is_a_text_and_a_page_and_each_path_runs() {
        assert_eq!(kinds(), [PartKind::Text, PartKind::Html]);
        assert!(render(&page(100 * 1024)).links.len() > 100);
        for (name, path) in PATHS {
            path(0);
            assert!(!name.contains(' '));
        }
    }
}
