//! Bytes of some character set to text: declared where that fits, else UTF-8, else windows-1252.

mod utf7;

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use tamis_domain::limits::TEXT_BYTES_MAX;

/// Text, and whether the bytes did not fit what was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The text; bytes that mean nothing are U+FFFD.
    pub text: String,
    /// Whether the declared character set is unknown, or bytes did not fit it.
    pub broken: bool,
}

/// Decodes `bytes`.
///
/// A declared character set that fits all bytes wins (WHATWG Encoding names, as browsers and mail programs know
/// them); US-ASCII with high bytes, an unknown name and a set that does not fit are `broken` and read as UTF-8 if
/// that is valid. Where nothing was declared, UTF-8 is no fault. The last resort is windows-1252 (or the declared
/// set with replacement characters, if it is not a single-byte set).
#[must_use]
pub fn decode(bytes: &[u8], declared: Option<&str>) -> Decoded {
    let label = declared.map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty());
    if let Some(encoding) = marked(bytes) {
        let (text, _) = encoding.decode_with_bom_removal(bytes);
        let broken = label.is_some_and(|label| !label.to_ascii_lowercase().starts_with("utf-16"));
        return Decoded { text: text.into_owned(), broken };
    }
    if label.is_some_and(is_utf7) {
        return Decoded { text: utf7::decode(bytes), broken: !bytes.is_ascii() };
    }
    if bytes.is_ascii() && !label.is_some_and(is_stateful) {
        let known = label.is_none_or(|label| find(label).is_some());
        return Decoded { text: lossy(bytes).into_owned(), broken: !known };
    }
    let ascii = label.is_some_and(is_ascii);
    let encoding = label.filter(|_| !ascii).and_then(find);
    if let Some(encoding) = encoding
        && let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes)
    {
        return Decoded { text: without_mark(&text).to_owned(), broken: false };
    }
    let broken = label.is_some();
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Decoded { text: without_mark(text).to_owned(), broken };
    }
    let last = encoding.filter(|encoding| !encoding.is_single_byte()).unwrap_or(WINDOWS_1252);
    let last = if last == UTF_8 && mostly_invalid(bytes) { WINDOWS_1252 } else { last };
    let (text, _) = last.decode_without_bom_handling(bytes);
    Decoded { text: without_mark(&text).to_owned(), broken: true }
}

/// UTF-8, what is none of it as U+FFFD. Nearly all is valid: asking so first takes many bytes at a time, where replacing
/// takes one.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Other readings of one text.
pub const OTHER_TEXTS_MAX: usize = 3;

/// What else the bytes say to programs that believe another of the claims about their character set, or that leave NUL
/// bytes out. Only claims that change what ASCII bytes mean make a difference worth a look: words and links are ASCII in
/// all other sets. `usual` is the text as [`decode`] made it.
#[must_use]
pub fn other_texts(bytes: &[u8], claims: [Option<&str>; 2], usual: &str) -> Vec<String> {
    let changes_ascii = |label: &str| is_stateful(label) || is_utf7(label);
    let looked_at = &bytes[..bytes.len().min(TEXT_BYTES_MAX)];
    let nuls = match memchr::memchr(0, looked_at) {
        Some(first) => looked_at[first..].iter().filter(|byte| **byte == 0).count(),
        None => 0,
    };
    // Every program knows ISO-2022 where it is declared, and nothing else is; few know UTF-7.
    let [declared, meta] = claims;
    let differ = declared.is_some() && meta.is_some() && declared != meta;
    let is_doubtful =
        |label: &str| is_wide(label) || is_utf7(label) || differ && changes_ascii(label);
    let is_claimed = claims.into_iter().flatten().any(is_doubtful);
    if nuls == 0 && !is_claimed && marked(bytes).is_none() {
        return Vec::new();
    }
    let looks_wide = nuls >= bytes.len() / 3;
    let whole: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    // Past its mark, a text of UTF-16 is read as something else; without its NUL bytes as ASCII.
    let unmarked = if marked(bytes).is_some() { &bytes[2..] } else { bytes };
    let read = |label: Option<&str>| {
        let is_wide = label.is_some_and(is_wide);
        decode(
            if is_wide { unmarked } else { whole.strip_prefix(b"\xff\xfe").unwrap_or(&whole) },
            label,
        )
    };
    let mut others: Vec<String> = Vec::new();
    for label in claims.into_iter().chain([None, Some("utf-16le")]) {
        if label == Some("utf-16le") && !(nuls > 0 && looks_wide) {
            continue;
        }
        let text = read(label).text;
        if text != usual && !others.contains(&text) && others.len() < OTHER_TEXTS_MAX {
            others.push(text);
        }
    }
    others
}

/// Whether bytes of ASCII are what they are in ASCII, whatever of these claims is believed.
#[must_use]
pub(crate) fn keeps_ascii(bytes: &[u8], claims: [Option<&str>; 2]) -> bool {
    let changes = |label: &str| {
        is_stateful(label) || is_utf7(label) || label.to_ascii_lowercase().starts_with("utf-16")
    };
    marked(bytes).is_none() && !claims.into_iter().flatten().any(changes)
}

/// UTF-16 says so itself by its first two bytes, whatever was declared (WHATWG Encoding, section 6).
fn marked(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0xff, 0xfe, ..] => Some(encoding_rs::UTF_16LE),
        [0xfe, 0xff, ..] => Some(encoding_rs::UTF_16BE),
        _ => None,
    }
}

/// The character set that the first two bytes name.
#[must_use]
pub(crate) fn marked_label(bytes: &[u8]) -> Option<&'static str> {
    marked(bytes).map(Encoding::name)
}

/// Whether this is UTF-16, where other bytes are NUL.
pub(crate) fn is_wide(label: &str) -> bool {
    label.to_ascii_lowercase().starts_with("utf-16")
}

fn is_utf7(label: &str) -> bool {
    ["utf-7", "utf7", "unicode-1-1-utf-7", "csunicode11utf7"]
        .iter()
        .any(|name| label.eq_ignore_ascii_case(name))
}

fn find(label: &str) -> Option<&'static Encoding> {
    let encoding = Encoding::for_label(label.as_bytes()).or_else(|| other_name(label))?;
    // The standard maps some dangerous sets to "replacement", which reads as nothing at all.
    (encoding != encoding_rs::REPLACEMENT).then_some(encoding)
}

/// Names seen in mail that the WHATWG list lacks.
fn other_name(label: &str) -> Option<&'static Encoding> {
    let label = label.to_ascii_lowercase();
    let standard = match label.as_str() {
        "cp1250" | "windows1250" => "windows-1250",
        "windows1251" | "win-1251" | "win1251" => "windows-1251",
        "windows1252" | "cp-850" | "cp850" | "unknown-8bit" | "x-unknown" | "unknown" => {
            "windows-1252"
        }
        "cp932" | "windows-932" => "shift_jis",
        "cp936" | "windows-936" => "gbk",
        "cp949" => "euc-kr",
        "cp950" => "big5",
        "iso-8859-8-e" => "iso-8859-8",
        "ansi_x3.110-1983" => "us-ascii",
        _ => {
            let (base, _) = label.split_once('*').or_else(|| label.split_once("//"))?;
            return Encoding::for_label(base.as_bytes());
        }
    };
    Encoding::for_label(standard.as_bytes())
}

fn is_ascii(label: &str) -> bool {
    ["us-ascii", "ascii", "ansi_x3.4-1968", "iso-ir-6"]
        .iter()
        .any(|name| label.eq_ignore_ascii_case(name))
}

/// Sets in which ASCII bytes do not mean ASCII.
fn is_stateful(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    label.starts_with("iso-2022") || label.starts_with("utf-16") || label.starts_with("hz-")
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Whether UTF-8 was only claimed: more bad bytes than good characters beyond ASCII.
fn mostly_invalid(bytes: &[u8]) -> bool {
    let text = lossy(bytes);
    let bad = text.chars().filter(|&c| c == '\u{fffd}').count();
    let good = text.chars().filter(|&c| !c.is_ascii() && c != '\u{fffd}').count();
    bad > good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], declared: Option<&str>, text: &str, broken: bool) {
        assert_eq!(decode(bytes, declared), Decoded { text: text.to_owned(), broken });
    }

    #[test]
    fn a_declared_set_that_fits_wins() {
        check(b"\xcf\xf0\xe8\xe2\xe5\xf2", Some("windows-1251"), "Привет", false);
        check(b"\x1b$B$3$s\x1b(B", Some("ISO-2022-JP"), "こん", false);
        check(b"\xe9t\xe9", Some("iso-8859-1"), "été", false);
        check("été".as_bytes(), Some("utf-8"), "été", false);
        check(b"plain", Some("cp932"), "plain", false);
    }

    #[test]
    fn utf_16_says_so_itself_and_utf_7_is_read_because_some_mail_programs_do() {
        check(b"\xff\xfeh\0i\0", None, "hi", false);
        check(b"\xfe\xff\0h\0i", Some("utf-16"), "hi", false);
        check(b"\xff\xfeh\0i\0", Some("us-ascii"), "hi", true);
        check(b"h\0i\0", Some("utf-16le"), "hi", false);
        check(b"+ADw-b+AD4-Hi Mom +Jjo--+-!", Some("UTF-7"), "<b>Hi Mom \u{263a}-+!", false);
        check(b"+2D3cAA-", Some("utf-7"), "\u{1f400}", false);
        check(b"a+!b+AD", Some("utf-7"), "a+!b", false);
        check(b"+2AA-x", Some("utf-7"), "\u{fffd}x", false);
    }

    #[test]
    fn claims_that_change_what_ascii_means_give_a_text_each() {
        let others = |bytes: &[u8], claims| {
            let usual = decode(bytes, claims_first(claims)).text;
            other_texts(bytes, claims, &usual)
        };
        fn claims_first(claims: [Option<&'static str>; 2]) -> Option<&'static str> {
            claims[0].or(claims[1])
        }
        assert_eq!(others(b"plain", [Some("utf-8"), Some("iso-8859-1")]), [""; 0]);
        assert_eq!(others("é".as_bytes(), [Some("utf-8"), Some("iso-8859-1")]), [""; 0]);
        assert_eq!(others(b"+ADw-b", [Some("utf-8"), Some("utf-7")]), ["<b"]);
        assert_eq!(others(b"+ADw-b", [Some("utf-7"), None]), ["+ADw-b"]);
        assert!(others(b"h\0i\0", [Some("utf-8"), None]).contains(&"hi".to_owned()));
        assert!(others(b"h\0i", [None, None]).contains(&"hi".to_owned()));
        assert!(others(b"\xff\xfehi", [Some("utf-8"), None]).contains(&"hi".to_owned()));
    }

    #[test]
    fn what_does_not_fit_is_read_all_the_same_and_noted() {
        check("été".as_bytes(), Some("us-ascii"), "été", true);
        check(b"\xe9t\xe9", Some("utf-8"), "été", true);
        check(b"\xe9t\xe9", None, "été", true);
        check("été".as_bytes(), None, "été", false);
        check(b"abc", Some("no-such-set"), "abc", true);
        check("été".as_bytes(), Some("no-such-set"), "été", true);
    }
}
