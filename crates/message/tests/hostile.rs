//! Mails built to be slow: eight times the bytes must not take much more than eight times as long, whatever they are.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads files and clocks, and may fail aloud"
)]

use std::time::{Duration, Instant};

use tamis_domain::outline::PartKind;
use tamis_message::content::decode;
use tamis_message::digesting::{Digesting, dissect};
use tamis_message::{header, reading};

/// Bytes of the small run: enough to take longer than [`TICK`] allows to hide, and few enough that the large run stays
/// below the limits of a header and of a text, beyond which nothing is read.
const SMALL_BYTES: usize = 30 * 1024;

/// How many times as many bytes the large run has.
const TIMES: usize = 8;

const _: () = assert!(TIMES * SMALL_BYTES < tamis_domain::limits::HEADER_BLOCK_BYTES_MAX);

/// How much longer one large mail may take than small ones of as many bytes together. Linear is 1, quadratic is 8.
const RATIO_MAX: f64 = 3.0;

/// Processor time is told in steps of a few milliseconds.
const TICK: Duration = Duration::from_millis(12);

/// Measurements before a ratio is believed: cold caches can slow one run, a quadratic reader slows all.
const ATTEMPTS_MAX: usize = 5;

/// `prefix` and as many `unit`s as make about `bytes`.
fn filled(prefix: &str, unit: &str, bytes: usize) -> Vec<u8> {
    [prefix.as_bytes(), unit.repeat(bytes / unit.len()).as_bytes()].concat()
}

/// Time that this thread has spent on a processor, which other work on the machine does not lengthen; where the system
/// does not tell, time as it passes.
fn worked(start: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let worked = told.and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
    worked.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

fn worked_on(mail: &[u8], times: usize) -> Duration {
    let start = Instant::now();
    let before = worked(start);
    (0..times).for_each(|_| all_at_once(mail));
    worked(start).saturating_sub(before)
}

fn all_at_once(mail: &[u8]) {
    let read = dissect(mail);
    header::read(&read.outline.header).fields.truncate(1);
    for (part, span) in read.outline.parts.iter().zip(&read.spans) {
        let Some(span) = span.as_ref().filter(|_| part.kind != PartKind::Other) else { continue };
        let raw = &mail[usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap()];
        assert_eq!(reading::read_part(part, &decode(span, raw)).digest, part.digest);
    }
}

#[track_caller]
fn check(name: &str, mail: impl Fn(usize) -> Vec<u8>) {
    let (small, large) = (mail(SMALL_BYTES), mail(TIMES * SMALL_BYTES));
    let (mut few, mut many) = (Duration::MAX, Duration::MAX);
    for _ in 0..ATTEMPTS_MAX {
        many = many.min(worked_on(&large, 1));
        few = few.min(worked_on(&small, TIMES));
        if many.as_secs_f64() < RATIO_MAX * few.max(TICK).as_secs_f64() {
            return;
        }
    }
    panic!("{name}: {few:?} for {TIMES} small mails, but {many:?} for as many bytes in one");
}

const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n";

/// As many nested containers as are followed, all open.
fn nested() -> String {
    (0..31)
        .map(|at| {
            format!("Content-Type: multipart/mixed; boundary=bbbbbbbb{at}\n\n--bbbbbbbb{at}\n")
        })
        .collect()
}

#[test]
fn boundaries_cost_linear_time() {
    for unit in [
        "-", "--", "--\n", "--b", "--bx\n", "-\n", "\n", "\r", "\r\n", "--b\n", "--b--\n", "--b \t",
    ] {
        check(unit, |bytes| filled(MIXED, unit, bytes));
    }
    let nested = nested();
    for unit in ["--bbbbbbbb\n", "--bbbbbbbb15x\n", "--bbbbbbbb30\n\n"] {
        check(unit, |bytes| filled(&nested, unit, bytes));
    }
}

#[test]
fn headers_cost_linear_time() {
    for unit in [
        "a:\n",
        "a",
        " \n",
        "a:\n ",
        "(",
        "\"",
        "Received: ((((\n",
        "From: <<<<(((\n",
        "=?a?q? =?",
        ",",
        "Content-Type: x\n",
    ] {
        check(unit, |bytes| filled("To: ", unit, bytes));
        check(unit, |bytes| filled("Content-Type: text/plain; ", unit, bytes));
        check(unit, |bytes| filled(&format!("{MIXED}--b\nx: "), unit, bytes));
    }
    check("many part headers", |bytes| {
        filled(MIXED, "--b\nContent-Type: text/plain; a=\"b\n\n", bytes)
    });
    check("rfc2231 pieces", |bytes| {
        let pieces: String = (0..bytes / 16).map(|at| format!("; name*{at}*=%41")).collect();
        format!("Content-Type: text/plain{pieces}\n\nx").into_bytes()
    });
}

#[test]
fn pages_and_texts_cost_linear_time() {
    for unit in [
        "<b>",
        "</b>",
        "<",
        "<a href=x>",
        "<a href=http://a.test/>",
        "&amp",
        "<!--",
        "<b style='/*'>",
        "<td hidden>",
        "http://",
        "a@",
        "@",
        "www.",
        "(http://a.test)",
        "\u{200b}a",
        "e\u{301}",
        "\u{301}",
        "<script>",
        "<x a=1 b=2 c",
        "<style>a{",
        "<style>.a{color:red}</style>",
        "<style>@media{{",
        "<b class='a b c d e f g' id=a>",
        "<noscript>",
        "<noscript><b></noscript>",
        "<a href='data:text/html,<a href=x>'>",
        "<iframe srcdoc='<iframe srcdoc=x>'>",
    ] {
        check(unit, |bytes| filled("Content-Type: text/html; charset=utf-8\n\n", unit, bytes));
        check(unit, |bytes| filled("Content-Type: text/plain; charset=utf-8\n\n", unit, bytes));
    }
}

/// A colon asks whether an address stands before it, and must not search all that stands before it.
#[test]
fn lists_of_addresses_cost_linear_time() {
    check("colons behind a long address", |bytes| {
        let list = ["\"", &"a".repeat(bytes / 2), "@\"", &":".repeat(bytes / 2)].concat();
        format!("To: {list}\n\nx").into_bytes()
    });
    for unit in ["a:", "<a>:", "@:", "\"@\":"] {
        check(unit, |bytes| filled("To: ", unit, bytes));
    }
}

/// Each of many links is joined to the base of the page: a long base must not make that dear.
#[test]
fn links_under_a_long_base_cost_hardly_more_than_without() {
    let page = |base: &str| {
        let start = format!("Content-Type: text/html\n\n<base href='{base}'>");
        filled(&start, "<img src=x>", 4 * TIMES * SMALL_BYTES)
    };
    let (with, without) = (page(&format!("http://a.test/{}/", "x".repeat(2000))), page(""));
    let (mut long, mut short) = (Duration::MAX, Duration::MAX);
    for _ in 0..ATTEMPTS_MAX {
        long = long.min(worked_on(&with, 1));
        short = short.min(worked_on(&without, 1));
        if long.as_secs_f64() < 2.0 * short.max(TICK).as_secs_f64() {
            return;
        }
    }
    panic!("{short:?} without a base, but {long:?} with a long one");
}

/// Each element looks its classes up in the style sheet.
#[test]
fn pages_under_a_large_style_sheet_cost_linear_time() {
    let rules: String = (0..2000).map(|at| format!(".a{at}, b.c{at} {{color:red}} ")).collect();
    let start = format!("Content-Type: text/html\n\n<style>{rules}</style>");
    for unit in ["<b class='a1 a2 a3'>", "<b class=a1></b>", "<style>.x{color:red}</style>"] {
        check(unit, |bytes| filled(&start, unit, bytes));
    }
}

#[test]
fn encodings_cost_linear_time() {
    for encoding in ["base64", "quoted-printable", "x-uuencode"] {
        for unit in ["=", " ", "=\n", "A", "M", "begin 644 a\n", "= \t", "\r"] {
            let prefix =
                format!("Content-Type: text/plain\nContent-Transfer-Encoding: {encoding}\n\n");
            check(unit, |bytes| filled(&prefix, unit, bytes));
        }
    }
    let wrapped =
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n".repeat(4);
    check("wrapped", |bytes| filled(&wrapped, "x =\n", bytes));
}

/// One large mail, in pieces of one network read: done well within the time an MTA waits, even hardly optimised.
#[test]
fn twenty_megabytes_of_near_delimiters_pass() {
    let start = Instant::now();
    let before = worked(start);
    let nested = nested();
    let mut digesting = Digesting::new();
    digesting.push(nested.as_bytes());
    let unit = b"--bbbbbbbb1\t\n--bbbbbbbb30--x\n-\r--bbbbbbbb\r\n".repeat(400);
    for _ in 0..20 * 1024 * 1024 / unit.len() {
        digesting.push(&unit);
    }
    let read = digesting.finish();
    assert!(read.outline.parts.len() > 32);
    let took = worked(start).saturating_sub(before);
    assert!(took < Duration::from_secs(10), "{took:?}");
}
