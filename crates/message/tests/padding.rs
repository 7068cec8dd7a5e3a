//! Much of nothing in a mail, and something to read behind it: nobody hides behind the limits.
#![allow(clippy::unwrap_used, reason = "a test may fail aloud")]

use tamis_domain::limits::{HEADER_BLOCK_BYTES_MAX, LINKS_MAX, PARTS_MAX, TEXT_BYTES_MAX};
use tamis_domain::outline::{Disposition, Oddity, Part, PartKind, TransferEncoding};
use tamis_domain::reading::PartReading;
use tamis_message::content::decode;
use tamis_message::digesting::dissect;
use tamis_message::reading::read_part;

fn read(media_type: &str, charset: &str, content: &[u8]) -> PartReading {
    let kind = if media_type == "text/html" { PartKind::Html } else { PartKind::Text };
    let part = Part {
        parent: None,
        depth: 0,
        kind,
        media_type: media_type.to_owned(),
        charset: Some(charset.to_owned()),
        encoding: TransferEncoding::Identity,
        disposition: Disposition::None,
        file_name: None,
        size: content.len() as u64,
        digest: None,
    };
    read_part(&part, content)
}

const LETTER: &str =
    "<p>Your account is limited, <a href='http://203.0.113.5/l'>www.bank.test</a></p>";

/// Something of no meaning, longer than what is read of a text.
fn many(unit: &str) -> String {
    unit.repeat(TEXT_BYTES_MAX / unit.len() + 1)
}

#[test]
fn a_letter_behind_much_that_is_never_shown_is_read_as_it_stands_and_so_is_what_follows() {
    for (name, padding) in [
        ("a comment", format!("<!--{}-->", many("words \n"))),
        ("a comment of markup", format!("<!--{}-->", many("<b>"))),
        ("a comment that ends otherwise", format!("<!--{}--!>", many("words >"))),
        ("comments", many("<!-- x -->")),
        ("comments without a word", many("<!-->")),
        ("an instruction", format!("<?{}>", many("x "))),
        ("a style sheet", format!("<style>{}</style >", many(".a{b:c}\n"))),
        ("a script", format!("<SCRIPT>{}</Script>", many("'<!-' </scripts>"))),
        ("no script", format!("<noscript><!--{}--></noscript>", many("x "))),
        ("a picture", format!("<img alt = 'a' src=\"data:image/png;base64,{}\">", many("A"))),
        ("a picture without quotes", format!("<img src=data:image/png;base64,{}>", many("A"))),
        ("blanks", many(" \r\n")),
        ("blanks in a tag", format!("<img{}>", many(" \n"))),
    ] {
        let page = format!("<html><body>{padding}{LETTER}{}", "<p>more words".repeat(30_000));
        let reading = read("text/html", "utf-8", page.as_bytes());
        let text = reading.text.unwrap();
        let start = "Your account is limited, www.bank.test\nmore words";
        assert!(text.visible.starts_with(start), "{name}: {:?}", text.visible.get(..40));
        assert_eq!(text.visible.matches("more words").count(), 30_000, "{name}");
        let links: Vec<_> = reading.links.iter().map(|link| &link.host[..]).collect();
        assert_eq!((links, reading.is_cut), (vec!["203.0.113.5"], false), "{name}");
        assert!(text.hidden_chars < 40_000, "{name}: {}", text.hidden_chars);
    }
}

#[test]
fn a_plain_text_behind_blanks_is_read() {
    let text = many("\r\n\t ") + "Your account is limited: http://203.0.113.5/l";
    let reading = read("text/plain", "utf-8", text.as_bytes());
    assert_eq!(reading.text.unwrap().visible, text.trim());
    assert!(reading.links.len() == 1 && !reading.is_cut);
}

#[test]
fn the_end_of_what_is_too_long_is_read_besides() {
    let words = many("winter in the garden ");
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (name, media_type, charset, content) in [
        ("text", "text/plain", "utf-8", format!("{words}{words}{LETTER}\n\n").into_bytes()),
        ("hidden words", "text/html", "utf-8", {
            format!("<p style='display:none'>{words}{words}</p>{LETTER}").into_bytes()
        }),
        ("a script with a comment", "text/html", "utf-8", {
            format!("<script>/*<!--*/{}</script>{LETTER}", many("x=1;")).into_bytes()
        }),
        ("a cut character", "text/html", "utf-8", {
            format!("{words}{}{LETTER}", "é".repeat(TEXT_BYTES_MAX / 16)).into_bytes()
        }),
        ("UTF-16", "text/html", "utf-16le", wide(&format!("{words}{LETTER}"))),
        ("UTF-16 of another length", "text/html", "utf-16le", wide(&format!("a{words}{LETTER}"))),
    ] {
        let reading = read(media_type, charset, &content);
        let text = reading.text.unwrap();
        assert!(text.folded.contains("your account is limited"), "{name}");
        assert!(reading.links.iter().any(|link| link.host == "203.0.113.5"), "{name}");
        assert!(reading.is_cut && !text.broken_charset, "{name}");
    }
}

#[test]
fn many_harmless_links_do_not_hide_the_one_that_matters_wherever_it_stands() {
    let links = |from: usize, to: usize| -> String {
        (from..to).map(|at| format!("<a href='http://h{at}.test/'>more</a> ")).collect()
    };
    for before in [0, LINKS_MAX - 10, LINKS_MAX - 1, LINKS_MAX, LINKS_MAX + 100, 30 * LINKS_MAX] {
        for behind in [0, LINKS_MAX, 30 * LINKS_MAX] {
            let page = format!("{}{LETTER}{}", links(0, before), links(before, before + behind));
            let reading = read("text/html", "utf-8", page.as_bytes());
            let is_told = reading.links.iter().any(|link| link.host == "203.0.113.5");
            assert!(is_told, "{before} before, {behind} behind");
            assert!(reading.links.len() == LINKS_MAX.min(before + behind + 1));
            assert_eq!(reading.is_cut, before + behind + 1 > LINKS_MAX);
            let last = format!("h{}.test", (before + behind).saturating_sub(1));
            let ends = before + behind == 0 || reading.links.iter().any(|it| it.host == last);
            assert!(ends, "{before} before, {behind} behind: the last one");
        }
    }
}

const LETTER_IN_BASE64: &str = "WW91ciBhY2NvdW50IGlzIGxpbWl0ZWQ=";

/// The texts of all leaves of a mail.
fn texts(mail: &[u8]) -> Vec<String> {
    let read = dissect(mail);
    let spans = read.outline.parts.iter().zip(&read.spans);
    let leaves = spans.filter_map(|(part, span)| Some((part, span.as_ref()?)));
    leaves
        .filter_map(|(part, span)| read_part(part, &decode(span, span.of(mail))).text)
        .map(|text| text.visible)
        .collect()
}

#[test]
fn fields_beyond_the_limit_of_a_header_still_say_how_to_read_the_body() {
    let padding = "X-Pad: some words of a header\r\n".repeat(HEADER_BLOCK_BYTES_MAX / 31);
    let fields = "Subject: a\r\ncontent-type: text/plain;\r\n charset=utf-8\r\nX-B: c\r\n d\r\n\
        Content-Transfer-Encoding: base64\r\nMIME-Version: 1.0\r\n\r\n";
    for more in 0..200 {
        let mail =
            format!("{padding}X-More: {}\r\n{fields}{LETTER_IN_BASE64}\r\n", "x".repeat(more));
        assert_eq!(texts(mail.as_bytes()), ["Your account is limited"], "{more}");
    }
    let part =
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{padding}{padding}");
    let mail = format!("{part}{fields}{LETTER_IN_BASE64}\r\n--b--\r\n");
    assert_eq!(texts(mail.as_bytes()), ["Your account is limited"]);
}

#[test]
fn a_part_whose_first_line_is_no_field_is_read_with_and_without_its_header() {
    for first in [" ", "\tfoo", "From x", ": x", "junk", "X Y: x", "junk\r\nSubject: x\r\nmore"] {
        let mail = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{first}\r\nContent-Type: \
             text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n{LETTER_IN_BASE64}\r\n--b--\r\n"
        );
        let texts = texts(mail.as_bytes());
        assert!(texts.iter().any(|text| text.starts_with("Your account")), "{first:?}: {texts:?}");
        assert!(texts[0].contains(LETTER_IN_BASE64), "{first:?}: the usual reading, first");
        let oddities = dissect(mail.as_bytes()).outline.oddities;
        for oddity in [Oddity::BrokenHeader, Oddity::OtherReading] {
            assert!(oddities.contains(&(oddity, 1)), "{first:?}: {oddities:?}");
        }
    }
    for text in ["Hello,\r\nNote: words\r\n\r\nContent-Type: text/x\r\n", "Hello", "a\r\nb\r\n\r\n"]
    {
        let mail =
            format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{text}\r\n--b--\r\n");
        let oddities = dissect(mail.as_bytes()).outline.oddities;
        assert_eq!(oddities, [], "a text without a header is nothing to be held against anybody");
        let seen =
            texts(mail.as_bytes()).join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(seen, text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
}

#[test]
fn the_first_fragment_of_a_mail_is_read_as_the_mail_it_begins() {
    let head = "Content-Type: message/partial; id=\"a@b.test\"; number=1; total=2\r\n\r\n";
    let mail = format!(
        "{head}Subject: limits\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n\
         {LETTER_IN_BASE64}\r\n"
    );
    assert!(texts(mail.as_bytes()).contains(&"Your account is limited".to_owned()));
    let elsewhere = "Content-Type: message/external-body; access-type=URL;\r\n \
        URL=\"http://a.test/\"\r\n\r\nContent-Type: text/html\r\n\r\nsee http://a.test/letter\r\n";
    assert!(texts(elsewhere.as_bytes())[0].contains("see http://a.test/letter"));
}

#[test]
fn a_mail_of_many_parts_returns_and_line_ends_is_walked_through() {
    let parts = |count: usize| "--b\r\n\r\nx\r\n".repeat(count);
    let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    let read = dissect(format!("{head}{}--b--\r\n", parts(PARTS_MAX + 500)).as_bytes());
    assert_eq!(read.outline.parts.len(), PARTS_MAX);
    assert_eq!(read.outline.oddities, [(Oddity::TooManyParts, 501)]);
    for (bytes, text) in [("\r\r\ra\r\r\nb\r\r", "a\nb"), ("\r\n\r\r\nbegin\r\n", "begin")] {
        assert_eq!(texts(format!("\r\n{bytes}").as_bytes())[0], text);
    }
}
