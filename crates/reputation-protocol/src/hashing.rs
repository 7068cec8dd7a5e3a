//! A small seeded hash for keys that are digests already.

use std::hash::{BuildHasher, Hasher};

/// Makes hashers that share a secret seed: whoever may choose keys still cannot choose their places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeded {
    seed: u64,
}

/// Folds words into 64 bits by wide multiplication.
pub(crate) struct Folded {
    state: u64,
}

/// Odd constant with evenly spread bits: the fraction of the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Seeded {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Hash of two words.
    pub(crate) const fn words(self, first: u64, second: u64) -> u64 {
        fold(fold(fold(self.seed ^ SPREAD, first), second), SPREAD)
    }

    /// Hash of one word.
    pub(crate) const fn word(self, word: u64) -> u64 {
        // Twice: the high bits of one product depend little on the low bits of the word.
        fold(fold(self.seed ^ SPREAD, word), SPREAD)
    }
}

impl BuildHasher for Seeded {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { state: self.seed ^ SPREAD }
    }
}

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.state = fold(self.state, word);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.cast_unsigned() as u64);
    }

    fn finish(&self) -> u64 {
        fold(self.state, SPREAD)
    }
}

const fn fold(state: u64, word: u64) -> u64 {
    let wide = ((state ^ word) as u128).wrapping_mul((SPREAD ^ state.rotate_left(32) | 1) as u128);
    (wide as u64) ^ ((wide >> 64) as u64)
}
