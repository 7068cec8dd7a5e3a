//! Folded text to a similarity name.
//!
//! # The rules
//! 1. **Words.** Text is cut at white space. A piece with `://` or that begins with `www.` is the mask `u`; one with `@`
//!    between other characters is `m`. Any other piece is cut into runs of letters and digits (Unicode `Alphabetic`
//!    or `Numeric`); a run with a digit in it is the mask `n`, one of more than [`WORD_CHARS_MAX`] characters is `l`, and
//!    each character of scripts that are written without blanks ([`is_unspaced`]) is a word of its own.
//!    So copies that differ in names of customers' accounts, amounts, tracking links and padding agree.
//! 2. A mask that follows the same mask is dropped.
//! 3. **Windows.** Each three consecutive words are one window. A word's hash `w` is `mix` of its 64-bit FNV-1a value
//!    (offset 14695981039346656037, prime 1099511628211, over UTF-8; masks are preceded by a zero byte); the window's is
//!    `mix(KEY + 3*w1 + 5*w2 + 7*w3)` in wrapping arithmetic, where `mix` is the finaliser of SplitMix64
//!    (Steele, Lea, Flood 2014) and `KEY` is [`KEY`].
//! 4. **Bins.** The top five bits of a window's hash choose one of 32 bins; each bin keeps the least hash
//!    (one permutation hashing: Li, Owen, Zhang 2012).
//! 5. **Empty bins** are filled by optimal densification (Shrivastava 2017): for attempt 1, 2, ... bin
//!    `mix(KEY + bin*2^32 + attempt) mod 32` is asked until one that was not empty at first gives its hash.
//! 6. **Lanes.** A lane is the low 16 bits of the bin's hash (b-bit minima: Li and König 2010).
//!
//! Text with fewer than [`WORDS_MIN`] words that are not masks, or with fewer than [`BINS_MIN`] filled bins, has no sketch:
//! by chance it would agree with other short text, and short text is better known by its exact name.
//!
//! The share of equal lanes is an estimate of the Jaccard similarity of the sets of windows, with a standard deviation of
//! about 0.09 at one half. Changing one word of each ten leaves 7/13 of it: about 17 lanes of 32. Unrelated text agrees
//! in a lane once in 65,536 times.

use tamis_domain::digest::Sketch;

/// Words, masks not counted, that a text must have: twenty give eighteen windows, about fourteen filled bins.
pub const WORDS_MIN: usize = 20;

/// Bins of 32 that must be filled before densification, so that repeated words do not make a sketch.
pub const BINS_MIN: usize = 8;

/// Characters of the longest word that is not masked: longer runs are codes and padding.
pub const WORD_CHARS_MAX: usize = 24;

/// Constant that keeps these hashes apart from other uses of the same mixer: "tamis v1" in ASCII.
pub const KEY: u64 = 0x7461_6d69_7320_7631;

/// Names text by similarity; `folded` is what [`crate::reading::fold`] gives.
#[must_use]
pub fn text_sketch(folded: &str) -> Option<Sketch> {
    let mut windows = Windows::default();
    for piece in folded.split_whitespace() {
        windows.piece(piece);
    }
    let filled = windows.bins.iter().flatten().count();
    if windows.plain_words < WORDS_MIN || filled < BINS_MIN {
        return None;
    }
    Some(Sketch(densified(&windows.bins).map(|hash| (hash & 0xffff) as u16)))
}

#[derive(Debug, Default)]
struct Windows {
    bins: [Option<u64>; Sketch::LANES],
    plain_words: usize,
    words: usize,
    last_two: [u64; 2],
    last_mask: Option<u8>,
}

impl Windows {
    fn piece(&mut self, piece: &str) {
        if piece.contains("://") || piece.starts_with("www.") {
            return self.mask(b'u');
        }
        let is_address = piece.find('@').is_some_and(|at| at > 0 && at + 1 < piece.len());
        if is_address {
            return self.mask(b'm');
        }
        for run in piece.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
            self.run(run);
        }
    }

    fn run(&mut self, run: &str) {
        if run.chars().any(is_unspaced) {
            let mut buffer = [0; 4];
            for c in run.chars() {
                self.plain(c.encode_utf8(&mut buffer));
            }
        } else if run.chars().any(char::is_numeric) {
            self.mask(b'n');
        } else if run.chars().nth(WORD_CHARS_MAX).is_some() {
            self.mask(b'l');
        } else {
            self.plain(run);
        }
    }

    fn plain(&mut self, word: &str) {
        self.plain_words += 1;
        self.last_mask = None;
        self.word(hash(word.bytes()));
    }

    fn mask(&mut self, mask: u8) {
        if self.last_mask != Some(mask) {
            self.last_mask = Some(mask);
            self.word(hash([0, mask].into_iter()));
        }
    }

    fn word(&mut self, third: u64) {
        let [first, second] = self.last_two;
        self.last_two = [second, third];
        self.words += 1;
        if self.words < 3 {
            return;
        }
        let sum = KEY
            .wrapping_add(first.wrapping_mul(3))
            .wrapping_add(second.wrapping_mul(5))
            .wrapping_add(third.wrapping_mul(7));
        let window = mix(sum);
        let bin = &mut self.bins[(window >> 59) as usize];
        *bin = Some(bin.map_or(window, |least| least.min(window)));
    }
}

/// Fills empty bins from others. At least one bin is filled.
fn densified(bins: &[Option<u64>; Sketch::LANES]) -> [u64; Sketch::LANES] {
    std::array::from_fn(|bin| {
        let asked = (1_u64..).map(|attempt| {
            let seed = KEY.wrapping_add((bin as u64) << 32).wrapping_add(attempt);
            bins[(mix(seed) % Sketch::LANES as u64) as usize]
        });
        // A filled bin is hit in some attempt: with BINS_MIN of 32 filled, 200 misses have probability 2^-83.
        std::iter::once(bins[bin]).chain(asked.take(ATTEMPTS_MAX)).flatten().next().unwrap_or(0)
    })
}

/// Attempts to fill one empty bin.
const ATTEMPTS_MAX: usize = 200;

fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    let fnv = bytes.fold(14_695_981_039_346_656_037_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
    });
    mix(fnv)
}

/// The finaliser of SplitMix64.
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
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
mod tests;
