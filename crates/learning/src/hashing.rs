//! Keyed hashing of features: whoever reads a store without the site's key learns no word from it.

use std::fmt;

/// The key of a site: all its scanners share one. It is never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SiteKey(pub [u8; 16]);

impl fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SiteKey(..)")
    }
}

impl SiteKey {
    /// A number that tells keys apart without telling them: what was tokenised under another key is other knowledge.
    #[must_use]
    pub fn tag(&self) -> u32 {
        fold(self.hash(b"tag of this key"))
    }

    /// SipHash-2-4 (Aumasson and Bernstein, 2012) of `bytes`.
    #[must_use]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        let half = |at: usize| {
            let mut half = [0; 8];
            half.copy_from_slice(&self.0[at..at + 8]);
            u64::from_le_bytes(half)
        };
        let (k0, k1) = (half(0), half(8));
        let mut state = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let mut eight = [0; 8];
            eight.copy_from_slice(word);
            absorb(&mut state, u64::from_le_bytes(eight));
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        last[7] = bytes.len().to_le_bytes()[0];
        absorb(&mut state, u64::from_le_bytes(last));
        state[2] ^= 0xff;
        (0..4).for_each(|_| round(&mut state));
        state[0] ^ state[1] ^ state[2] ^ state[3]
    }
}

fn absorb(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    round(state);
    state[0] ^= word;
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

/// Both halves of a hash in one.
#[must_use]
pub const fn fold(hash: u64) -> u32 {
    #[allow(clippy::cast_possible_truncation, reason = "half of the bits is what is wanted")]
    let folded = (hash ^ (hash >> 32)) as u32;
    folded
}

/// A hash of two hashes in this order, `distance` apart. The inputs are secret already, so mixing them is enough.
#[must_use]
pub const fn pair(first: u64, second: u64, distance: u64) -> u64 {
    let mixed = first
        .rotate_left(17)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(second ^ distance.wrapping_mul(0xd6e8_feb8_6659_fd93));
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_paper() {
        let mut key = [0; 16];
        (0..16).for_each(|at| key[usize::from(at)] = at);
        let input: Vec<u8> = (0..15).collect();
        assert_eq!(SiteKey(key).hash(&input), 0xa129_ca61_49be_45e5);
        assert_eq!(SiteKey(key).hash(&[]), 0x726f_db47_dd0e_0e31);
    }

    #[test]
    fn another_key_gives_other_tokens_and_none_is_printed() {
        let (a, b) = (SiteKey([1; 16]), SiteKey([2; 16]));
        assert_ne!(a.hash(b"word"), b.hash(b"word"));
        assert_ne!(a.tag(), b.tag());
        assert_eq!(format!("{a:?}"), "SiteKey(..)");
    }

    #[test]
    fn pairs_know_their_order_and_distance() {
        assert_ne!(pair(1, 2, 1), pair(2, 1, 1));
        assert_ne!(pair(1, 2, 1), pair(1, 2, 2));
    }
}
