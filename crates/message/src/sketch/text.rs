//! Folded text to a similarity name.
//!
//! # The rules
//! 1. **Pieces.** Text, folded by [`crate::reading::fold`] (compatibility forms, lower case, nothing invisible), is cut at
//!    white space. A piece with `://`, one that begins with `www.`, and one with `@` between other characters and a dot
//!    behind it are links and addresses: they differ from copy to copy and are passed over.
//! 2. **Words.** A piece is cut where two or more characters in a row are neither letters, digits nor signs that stand for
//!    letters; a single one is dropped (`via.gra`, `it's`), as are those at the ends. Accents go (canonical decomposition
//!    without combining marks; Hangul syllables fall apart into their letters), and each character becomes the Latin one of its shape ([`super::shape`]): `1` and `l`
//!    are `i`, `0` and Greek omicron are `o`.
//! 3. **Numbers** are passed over: a word of which more than a third are digits and signs, or that ends in two of them.
//!    So amounts, dates, codes and accounts count for nothing, and `v1agra` is a word.
//! 4. Characters of scripts that are written without blanks ([`is_unspaced`]) make a word with each next one of the kind.
//! 5. **Words that count** have at least [`WORD_LETTERS_MIN`] characters (of Korean: two syllables), or two if they are
//!    [`is_unspaced`], and at most [`WORD_LETTERS_MAX`]: shorter ones are in every text, longer ones are codes and
//!    padding. Their feature is `mix(fnv(UTF-8))`; the set of them fills lanes 0 to 23.
//! 6. **Pairs.** Two words in a row, of at least two characters each, in either order: `mix(3 * a + 5 * b)` with `a` the
//!    lesser of the two features. The set of pairs fills lanes 24 to 31. Vocabulary alone is shared by texts of one
//!    trade; pairs are shared by copies.
//!
//! 7. The **exact** name is that of the 32-byte BLAKE3 of the features of all words of at least two characters, in their
//!    order, eight bytes each, big-endian: the same words, however they are packed, spaced, marked and numbered.
//!
//! A text with fewer than [`WORDS_MIN`] different words that count has no sketch: short text is better known by its
//! exact name, since the frame of a form letter alone can be half of it. One with fewer than [`EXACT_WORDS_MIN`] has
//! neither, and is known by its bytes.
//!
//! Sets have no order: paragraphs may change places. A word put in, left out or replaced costs one feature and two
//! pairs, where windows of three words lose three of as many: that is why copies stay alike although every third word
//! is new. What it does to recall and to false matches is measured in `load-tests/results/near.md`.

use tamis_domain::digest::{PartDigest, Sketch};
use tamis_domain::letters::is_alphanumeric;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use super::shape::{shape, stands_for_a_letter};
use super::{Different, FNV_OFFSET, Minima, Order, fnv, fnv_with, mix};

/// Different words that a text must have. At half of them the frame of a mailing list or a form letter made honest mail
/// a copy of spam; all that shorter texts gave on recall is found by their exact names.
pub const WORDS_MIN: usize = 28;

/// Different words that a text must have for an exact name: fewer are a greeting or a signature.
pub const EXACT_WORDS_MIN: usize = 10;

/// Letters of a word that counts.
pub const WORD_LETTERS_MIN: usize = 4;

/// Letters of the longest word that counts.
pub const WORD_LETTERS_MAX: usize = 24;

/// Lanes that words fill; pairs fill the rest.
const WORD_LANES: usize = 24;
const PAIR_LANES: usize = Sketch::LANES - WORD_LANES;

/// What one text is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextName {
    /// BLAKE3 of its words.
    pub exact: PartDigest,
    /// Similarity name, if it is long enough.
    pub sketch: Option<Sketch>,
}

/// Names text by similarity; `folded` is what [`crate::reading::fold`] gives.
#[must_use]
pub fn text_sketch(folded: &str) -> Option<Sketch> {
    text_name(folded).and_then(|name| name.sketch)
}

/// Names text exactly and by similarity; `folded` is what [`crate::reading::fold`] gives.
#[must_use]
pub fn text_name(folded: &str) -> Option<TextName> {
    let mut words = Words::new();
    let (mut start, mut kinds) = (0, 0);
    for (at, byte) in folded.bytes().enumerate() {
        let kind = KINDS[usize::from(byte)];
        if kind & BLANK == 0 {
            kinds |= kind;
            continue;
        }
        words.pieces(&folded[start..at], kinds);
        (start, kinds) = (at + 1, 0);
    }
    words.pieces(&folded[start..], kinds);
    words.finish()
}

/// White space.
const BLANK: u8 = 1;
/// May make a piece a link or an address.
const LINKING: u8 = 2;
/// Part of a character that is not ASCII.
const FOREIGN: u8 = 4;

/// What each byte of UTF-8 is. Nearly all of a text is ASCII: it is taken byte by byte.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'\t'..=b'\r' | b' ' => BLANK,
            b':' | b'@' => LINKING,
            128.. => FOREIGN,
            _ => 0,
        };
        byte += 1;
    }
    kinds
};

/// The shape of each ASCII character that makes words, 0 for the others, with [`SIGN`] for digits and signs.
const SHAPES: [u8; 128] = {
    let mut shapes = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        let c = byte as u8 as char;
        if stands_for_a_letter(c) {
            shapes[byte] = shape(c) as u8 | SIGN;
        } else if c.is_ascii_alphabetic() {
            shapes[byte] = shape(c) as u8;
        }
        byte += 1;
    }
    shapes
};

/// Beside a shape: a digit or a sign that stands for a letter.
const SIGN: u8 = 0x80;

struct Words {
    singles: Minima<0, WORD_LANES>,
    pairs: Minima<WORD_LANES, PAIR_LANES>,
    different: Different<WORDS_MIN>,
    order: Order,
    last: Option<u64>,
    word: Word,
    plain: String,
}

/// The word under way.
struct Word {
    /// FNV-1a of its shapes.
    hash: u64,
    letters: usize,
    signs: usize,
    signs_at_end: usize,
    unspaced: Option<char>,
}

impl Words {
    fn new() -> Self {
        Self {
            singles: Minima::new(),
            pairs: Minima::new(),
            different: Different::default(),
            order: Order::default(),
            last: None,
            word: Word::EMPTY,
            plain: String::new(),
        }
    }

    /// What stands between two blanks of ASCII, with the kinds of all its bytes.
    fn pieces(&mut self, pieces: &str, kinds: u8) {
        if kinds & FOREIGN != 0 {
            pieces.split(char::is_whitespace).for_each(|piece| self.piece(piece));
        } else if kinds & LINKING != 0 || pieces.starts_with("www.") {
            self.piece(pieces);
        } else {
            self.ascii(pieces.as_bytes());
        }
    }

    fn piece(&mut self, piece: &str) {
        let is_address = || {
            piece.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
        };
        if piece.contains("://") || piece.starts_with("www.") || is_address() {
            return;
        }
        if piece.is_ascii() {
            self.ascii(piece.as_bytes());
        } else {
            let mut plain = std::mem::take(&mut self.plain);
            plain.clear();
            piece.chars().for_each(|c| without_marks(c, &mut plain));
            self.characters(&plain);
            self.plain = plain;
        }
    }

    /// As [`Self::characters`], of a piece that is ASCII.
    fn ascii(&mut self, piece: &[u8]) {
        let mut word = Word::EMPTY;
        let mut gap = 0;
        for byte in piece {
            let shape = SHAPES[usize::from(*byte & 0x7f)];
            if shape == 0 {
                gap += 1;
                continue;
            }
            if gap > 1 {
                self.has(&word);
                word = Word::EMPTY;
            }
            gap = 0;
            word.take(shape & !SIGN, shape & SIGN != 0);
        }
        self.has(&word);
    }

    fn characters(&mut self, piece: &str) {
        let mut gap = 0;
        for c in piece.chars() {
            if !(is_alphanumeric(c) || stands_for_a_letter(c)) {
                gap += 1;
                continue;
            }
            if gap > 1 {
                self.end_word();
            }
            gap = 0;
            if is_unspaced(c) {
                self.unspaced(c);
            } else {
                self.word.push(c);
            }
        }
        self.end_word();
    }

    fn unspaced(&mut self, c: char) {
        let before = self.word.unspaced;
        if before.is_none() {
            self.end_word();
        }
        if let Some(before) = before {
            let mut pair = String::with_capacity(8);
            pair.extend([before, c]);
            self.counts(mix(fnv(pair.bytes())), true);
        }
        self.word.unspaced = Some(c);
    }

    fn end_word(&mut self) {
        let word = std::mem::replace(&mut self.word, Word::EMPTY);
        self.has(&word);
    }

    fn has(&mut self, word: &Word) {
        if word.letters >= 2 && word.letters <= WORD_LETTERS_MAX && !word.is_number() {
            self.counts(mix(word.hash), word.letters >= WORD_LETTERS_MIN);
        }
    }

    fn counts(&mut self, feature: u64, counts: bool) {
        if counts && self.singles.add(feature) {
            self.different.add(feature);
        }
        self.order.add(feature);
        if let Some(last) = self.last.replace(feature) {
            let (a, b) = (last.min(feature), last.max(feature));
            self.pairs.add(mix(a.wrapping_mul(3).wrapping_add(b.wrapping_mul(5))));
        }
    }

    fn finish(self) -> Option<TextName> {
        if self.different.count() < EXACT_WORDS_MIN {
            return None;
        }
        let mut lanes = [0; Sketch::LANES];
        self.singles.write(&mut lanes);
        self.pairs.write(&mut lanes);
        Some(TextName {
            exact: self.order.finish(),
            sketch: self.different.is_enough().then_some(Sketch(lanes)),
        })
    }
}

impl Word {
    const EMPTY: Self =
        Self { hash: FNV_OFFSET, letters: 0, signs: 0, signs_at_end: 0, unspaced: None };

    fn push(&mut self, c: char) {
        if self.unspaced.take().is_some() {
            *self = Self::EMPTY;
        }
        self.counted(stands_for_a_letter(c) || c.is_numeric());
        let mut bytes = [0; 4];
        let shape = shape(c).encode_utf8(&mut bytes);
        self.hash = shape.bytes().fold(self.hash, fnv_with);
    }

    /// Takes a shape that is one byte.
    const fn take(&mut self, shape: u8, is_sign: bool) {
        self.counted(is_sign);
        self.hash = fnv_with(self.hash, shape);
    }

    const fn counted(&mut self, is_sign: bool) {
        self.letters += 1;
        self.signs += is_sign as usize;
        self.signs_at_end = if is_sign { self.signs_at_end + 1 } else { 0 };
    }

    const fn is_number(&self) -> bool {
        self.signs_at_end >= 2 || 3 * self.signs > self.letters
    }
}

/// Adds a character decomposed, without combining marks. Their order, which decomposition sees to, does not matter then.
fn without_marks(c: char, plain: &mut String) {
    if c.is_ascii() {
        plain.push(c);
    } else {
        decompose_canonical(c, |part| {
            if !is_combining_mark(part) {
                plain.push(part);
            }
        });
    }
}

/// Thai, Lao, Burmese, Khmer, kana, Han: written without blanks between words.
#[must_use]
pub const fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::super::KEY;
    use super::*;

    /// One way is fast, the other follows the rules word by word: names must not depend on which was taken.
    #[test]
    fn ascii_is_named_as_by_the_way_for_all_characters() {
        let signs = b"abcdefghilnorstuwyABZ0123456789@$|+.,:;-_/!'\"()*#%&=\x0b\x1c\x7f";
        let mut state = KEY;
        for length in 1..400_usize {
            let (mut fast, mut slow) = (Words::new(), Words::new());
            for _ in 0..length {
                state = mix(state.wrapping_add(KEY));
                let letters = if state.is_multiple_of(7) { signs.len() } else { 22 };
                let piece: String = (0..state >> 32 & 31)
                    .map(|at| char::from(signs[mix(state ^ at) as usize % letters]))
                    .collect();
                fast.ascii(piece.as_bytes());
                slow.characters(&piece);
            }
            assert_eq!(fast.finish(), slow.finish(), "{length} pieces");
        }
    }

    #[test]
    fn every_character_loses_its_marks_as_canonical_decomposition_says() {
        use unicode_normalization::UnicodeNormalization as _;
        for c in '\0'..=char::MAX {
            let mut plain = String::new();
            without_marks(c, &mut plain);
            assert!(plain.chars().eq([c].into_iter().nfd().filter(|c| !is_combining_mark(*c))));
            let sorted = unicode_normalization::char::canonical_combining_class(c) != 0;
            assert!(!sorted || is_combining_mark(c), "{c:?} is put in order and is no mark");
        }
    }

    #[test]
    fn blanks_of_all_kinds_part_words() {
        let words = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima";
        let name = text_name(words);
        assert!(name.is_some());
        for blank in ["\u{b}", "\t", "\r\n", "\u{85}", "\u{a0}", "\u{2028}", " \u{3000} "] {
            assert_eq!(text_name(&words.replace(' ', blank)), name, "{blank:?}");
        }
    }
}
