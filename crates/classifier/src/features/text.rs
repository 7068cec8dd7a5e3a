//! The visible text: words, phrases, spelling, style.

use tamis_domain::letters::is_alphabetic;
use tamis_domain::reading::Text;

use super::magnitude;
use super::words::{letters, words};
use crate::bag::Bag;
use crate::group::Group;

/// Bytes of folded text that are read from its start.
pub const TEXT_READ_BYTES_MAX: usize = 9 * 1024;

/// Bytes that are read from the end of a longer text: farewells and footers tell as much as the start.
pub const TEXT_TAIL_BYTES: usize = 3 * 1024;

/// Characters whose runs are features. After a page of text spelling says nothing new.
pub const LETTERS_MAX: usize = 3000;

/// Words from which on the share of different ones says something.
const WORDS_MIN: usize = 20;

/// Features of one part's text.
#[must_use]
pub fn read_text(text: &Text) -> Bag {
    let bytes = text.folded.len().min(TEXT_READ_BYTES_MAX + TEXT_TAIL_BYTES);
    // A run for each letter, and for each fifth or so a word and a pair.
    let mut bag = Bag::with_room(bytes.min(LETTERS_MAX) + bytes * 2 / 5);
    let head = &text.folded[..text.folded.floor_char_boundary(TEXT_READ_BYTES_MAX)];
    let tail_from = text.folded.len().saturating_sub(TEXT_TAIL_BYTES).max(head.len());
    let tail = &text.folded[text.folded.ceil_char_boundary(tail_from)..];
    let mut found = Vec::new();
    words(head, &mut found);
    words(tail, &mut found);
    for word in &found {
        bag.add(Group::Words, &[word]);
    }
    let different = bag.different();
    for pair in found.windows(2) {
        bag.add(Group::Pairs, pair);
    }
    bag.add_letters(Group::Letters, &letters(head, LETTERS_MAX));
    characters(&mut bag, text);
    lines(&mut bag, text);
    variety(&mut bag, found.len(), different);
    hidden(&mut bag, text);
    bag
}

fn visible_head(text: &Text) -> &str {
    &text.visible[..text.visible.floor_char_boundary(TEXT_READ_BYTES_MAX)]
}

/// Shares of kinds of characters.
fn characters(bag: &mut Bag, text: &Text) {
    let head = visible_head(text);
    let (mut capitals, mut small, mut digits, mut blanks) = (0, 0, 0, 0);
    let (mut all, mut foreign) = (0, 0);
    if head.is_ascii() {
        let head = head.as_bytes();
        all = head.len();
        capitals = count(head, |byte| byte.is_ascii_uppercase());
        small = count(head, |byte| byte.is_ascii_lowercase());
        digits = count(head, |byte| byte.is_ascii_digit());
        blanks = count(head, |byte| matches!(byte, b'\t'..=b'\r' | b' '));
    } else {
        for c in head.chars() {
            all += 1;
            match c {
                c if c.is_uppercase() => capitals += 1,
                c if is_alphabetic(c) => small += 1,
                c if c.is_numeric() => digits += 1,
                c if c.is_whitespace() => blanks += 1,
                _ => {}
            }
            foreign += usize::from(!c.is_ascii() && is_alphabetic(c));
        }
    }
    let shouts = count(head.as_bytes(), |byte| byte == b'!');
    let signs = all - capitals - small - digits - blanks;
    let all: usize = (capitals + small + digits + signs).max(1);
    let mut share = |kind, count: usize, of: usize, most: usize| {
        bag.add_number(Group::Style, kind, (count * of / all).min(most));
    };
    share("capitals", capitals, 20, 10);
    share("digits", digits, 20, 10);
    share("signs", signs, 20, 10);
    share("foreign", foreign, 8, 8);
    share("blanks", blanks, 20, 10);
    bag.add_number(Group::Style, "shouts", magnitude(shouts).min(5));
    bag.add_number(Group::Style, "length", magnitude(text.visible.len()));
}

/// How many bytes are such; sums of few are added by the processor in one step.
fn count(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> usize {
    let few = |few: &[u8]| few.iter().map(|byte| u8::from(is_such(*byte))).sum::<u8>();
    bytes.chunks(128).map(|some| usize::from(few(some))).sum()
}

/// Quoting, attribution, signature: the habits of people who answer each other.
fn lines(bag: &mut Bag, text: &Text) {
    let (mut all, mut quoted, mut longest) = (0_usize, 0, 0);
    let (mut signed, mut attributed) = (false, false);
    for line in visible_head(text).split('\n') {
        all += 1;
        quoted += usize::from(line.trim_start().starts_with('>'));
        longest = longest.max(line.len());
        signed |= matches!(line.trim_end(), "--");
        attributed |= line.ends_with("wrote:")
            || line.ends_with("writes:")
            || (line.starts_with("On ") && line.ends_with(':'));
    }
    let share = if quoted == 0 { 0 } else { 1 + quoted * 4 / all };
    bag.add_number(Group::Style, "quoted", share);
    bag.add_number(Group::Style, "lines", magnitude(all));
    bag.add_number(Group::Style, "longest line", magnitude(longest));
    if signed {
        bag.add(Group::Style, &["signed"]);
    }
    if attributed {
        bag.add(Group::Style, &["attributed"]);
    }
}

fn variety(bag: &mut Bag, all: usize, different: usize) {
    if all >= WORDS_MIN {
        bag.add_number(Group::Style, "variety", different * 10 / all);
    }
}

fn hidden(bag: &mut Bag, text: &Text) {
    bag.add_number(Group::Style, "hidden", magnitude(text.hidden_chars as usize / 16).min(8));
    bag.add_number(Group::Style, "invisible", magnitude(text.invisible_chars as usize).min(6));
    bag.add_number(Group::Style, "homoglyphs", magnitude(text.homoglyphs as usize).min(4));
    if text.broken_charset {
        bag.add(Group::Style, &["broken charset"]);
    }
}
