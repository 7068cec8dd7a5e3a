//! Text cut into words and into characters.

use tamis_domain::letters::is_alphanumeric;

/// Words longer than this are codes, and all alike.
const WORD_CHARS_MAX: usize = 24;

/// Digits of a number from which on its length says no more.
const NUMBER_DIGITS_MAX: usize = 6;

/// Signs that are words of their own.
const SIGNS: &str = "$€£¥₹%!?";

/// What stands for a web address in running text.
pub(super) const WEB_ADDRESS: &str = "\u{1}url";
/// What stands for a mail address.
pub(super) const MAIL_ADDRESS: &str = "\u{1}address";
/// What stands for a word with digits in it.
const CODE: &str = "\u{1}code";
/// What stands for a word of too many letters.
const LONG: &str = "\u{1}long";
/// What stands for numbers of so many digits.
const NUMBERS: [&str; NUMBER_DIGITS_MAX] =
    ["\u{1}1", "\u{1}2", "\u{1}3", "\u{1}4", "\u{1}5", "\u{1}6"];

/// Calls `out` with each word of a folded text, in order. Numbers are told by their length alone; of scripts without
/// blanks each character is a word; apostrophes join.
pub(super) fn words<'a>(folded: &'a str, out: &mut Vec<&'a str>) {
    for chunk in folded.split_whitespace() {
        if is_web_address(chunk) {
            out.push(WEB_ADDRESS);
        } else if chunk.contains('@') && chunk.contains('.') {
            out.push(MAIL_ADDRESS);
        } else {
            chunk_words(chunk, out);
        }
    }
}

pub(super) fn is_web_address(chunk: &str) -> bool {
    (chunk.as_bytes().contains(&b':') && chunk.contains("://")) || chunk.starts_with("www.")
}

fn chunk_words<'a>(chunk: &'a str, out: &mut Vec<&'a str>) {
    let mut start = 0;
    for (at, c) in chunk.char_indices() {
        let joins = is_alphanumeric(c) || matches!(c, '\'' | '’');
        if joins && !is_unspaced(c) {
            continue;
        }
        out.extend(word(&chunk[start..at]));
        start = at + c.len_utf8();
        if is_unspaced(c) || SIGNS.contains(c) {
            out.push(&chunk[at..start]);
        }
    }
    out.extend(word(&chunk[start..]));
}

fn word(run: &str) -> Option<&str> {
    let run = run.trim_matches(['\'', '’']);
    let digits = run.chars().filter(|c| c.is_numeric()).count();
    let chars = run.chars().count();
    match (chars, digits) {
        (0, _) => None,
        (_, 0) if chars > WORD_CHARS_MAX => Some(LONG),
        (_, 0) => Some(run),
        _ if digits == chars => NUMBERS.get(digits.min(NUMBER_DIGITS_MAX) - 1).copied(),
        _ => Some(CODE),
    }
}

/// Characters of scripts that are written without blanks between words: Han, kana, hangul, Thai, Lao.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0e00..=0x0eff | 0x3040..=0x30ff | 0x3400..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff
        | 0x20000..=0x2ffff)
}

/// The first `max` characters: white space collapsed, digits as `0`, addresses as `~`.
pub(super) fn letters(folded: &str, max: usize) -> Vec<char> {
    let mut letters = vec![' '];
    for chunk in folded.split_whitespace() {
        if letters.len() >= max {
            break;
        }
        if is_web_address(chunk) || (chunk.contains('@') && chunk.contains('.')) {
            letters.push('~');
        } else {
            letters.extend(chunk.chars().take(max).map(|c| if c.is_numeric() { '0' } else { c }));
        }
        letters.push(' ');
    }
    letters.truncate(max);
    letters
}
