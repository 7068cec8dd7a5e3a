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

/// White space of ASCII.
const BLANK: u8 = 1;
/// A letter of ASCII.
const LETTER: u8 = 2;
/// Any other character of ASCII.
const OTHER: u8 = 4;
/// A colon or an at sign: may make a chunk an address.
const LINKING: u8 = 8;
/// Part of a character that is not ASCII.
const FOREIGN: u8 = 16;

/// What each byte of UTF-8 is.
const KINDS: [u8; 256] = {
    let mut kinds = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'\t'..=b'\r' | b' ' => BLANK,
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b':' | b'@' => OTHER | LINKING,
            128.. => FOREIGN,
            _ => OTHER,
        };
        byte += 1;
    }
    kinds
};

/// Calls `take` with each run of characters that are not white space and the kinds of its bytes, as long as it says so.
fn chunks<'a>(text: &'a str, mut take: impl FnMut(&'a str, u8) -> bool) {
    let (mut start, mut kinds) = (0, 0);
    let ends = text.bytes().map(|byte| KINDS[usize::from(byte)]).chain([BLANK]).enumerate();
    for (at, kind) in ends {
        if kind & BLANK == 0 {
            kinds |= kind;
            continue;
        }
        let chunk = &text[start..at];
        let goes_on = match kinds {
            0 => true,
            // There is white space beyond ASCII.
            _ if kinds & FOREIGN != 0 => {
                chunk.split_whitespace().all(|chunk| take(chunk, FOREIGN | LINKING))
            }
            _ => take(chunk, kinds),
        };
        if !goes_on {
            return;
        }
        (start, kinds) = (at + 1, 0);
    }
}

fn is_mail_address(chunk: &str) -> bool {
    chunk.contains('@') && chunk.contains('.')
}

/// Calls `out` with each word of a folded text, in order. Numbers are told by their length alone; of scripts without
/// blanks each character is a word; apostrophes join.
pub(super) fn words<'a>(folded: &'a str, out: &mut Vec<&'a str>) {
    chunks(folded, |chunk, kinds| {
        if kinds == LETTER {
            out.push(if chunk.len() > WORD_CHARS_MAX { LONG } else { chunk });
        } else if is_web_address(chunk) {
            out.push(WEB_ADDRESS);
        } else if kinds & LINKING != 0 && is_mail_address(chunk) {
            out.push(MAIL_ADDRESS);
        } else if kinds & FOREIGN == 0 {
            ascii_words(chunk, out);
        } else {
            chunk_words(chunk, out);
        }
        true
    });
}

/// As [`chunk_words`], of ASCII.
fn ascii_words<'a>(chunk: &'a str, out: &mut Vec<&'a str>) {
    let mut start = 0;
    for (at, byte) in chunk.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || byte == b'\'' {
            continue;
        }
        if start < at {
            out.extend(word(&chunk[start..at]));
        }
        start = at + 1;
        if matches!(byte, b'$' | b'%' | b'!' | b'?') {
            out.push(&chunk[at..start]);
        }
    }
    if start < chunk.len() {
        out.extend(word(&chunk[start..]));
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
    let (chars, digits) = if run.is_ascii() {
        (run.len(), run.bytes().filter(u8::is_ascii_digit).count())
    } else {
        (run.chars().count(), run.chars().filter(|c| c.is_numeric()).count())
    };
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
    let mut letters = Vec::with_capacity(max.min(folded.len()) + 2);
    letters.push(' ');
    chunks(folded, |chunk, kinds| {
        if letters.len() >= max {
            return false;
        }
        let room = max - letters.len();
        if is_web_address(chunk) || (kinds & LINKING != 0 && is_mail_address(chunk)) {
            letters.push('~');
        } else if kinds & FOREIGN == 0 {
            let bytes = chunk.as_bytes()[..chunk.len().min(room)].iter();
            letters
                .extend(bytes.map(|it| char::from(if it.is_ascii_digit() { b'0' } else { *it })));
        } else {
            letters.extend(chunk.chars().take(room).map(|c| if c.is_numeric() { '0' } else { c }));
        }
        letters.push(' ');
        true
    });
    letters.truncate(max);
    letters
}
