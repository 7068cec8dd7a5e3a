//! Chunks: pieces of files, cut where the content says so, named by BLAKE3.
//!
//! A cut depends on the 64 bytes before it alone, so a byte put in somewhere moves the cuts near it and no others. This is
//! the gear hash with normalised chunking of FastCDC (Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking
//! Approach for Data Deduplication", USENIX ATC 2016). Only the publisher cuts: a receiver believes names, not cuts, so
//! another way of cutting needs no new format.

use std::fmt;
use std::str::FromStr;

use crate::wire::{hex, unhex};

/// Bytes of a chunk at least, unless the file ends: shorter ones would cost more in names than they save.
pub const CHUNK_BYTES_MIN: usize = 16 * 1024;

/// Bytes of a chunk in the mean: what one changed byte costs a receiver.
pub const CHUNK_BYTES_MEAN: usize = 64 * 1024;

/// Bytes of a chunk at most: what a peer can make us hold before we can check it.
pub const CHUNK_BYTES_MAX: usize = 256 * 1024;

/// BLAKE3 of some bytes: their only name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub [u8; 32]);

/// Text that is not 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 64 hexadecimal digits in lower case")]
pub struct BadName;

impl Name {
    /// The name of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        unhex(text).map(Self).ok_or(BadName)
    }
}

/// The name of bytes that come piece by piece, for whole files.
#[derive(Clone, Debug, Default)]
pub struct Naming(blake3::Hasher);

impl Naming {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The name of all pieces together.
    #[must_use]
    pub fn name(&self) -> Name {
        Name(*self.0.finalize().as_bytes())
    }
}

/// Bits of the hash that must be zero before the mean is reached, and after: two more and two fewer than 16, which would
/// give 64 KiB. So lengths gather around the mean (FastCDC, section 3.4).
const BITS_BEFORE_MEAN: u32 = 18;
const BITS_AFTER_MEAN: u32 = 14;

/// Length of the first chunk of `bytes`, which hold the rest of a file or at least [`CHUNK_BYTES_MAX`] of it; 0 for no
/// bytes.
#[must_use]
pub fn cut(bytes: &[u8]) -> usize {
    let bytes = &bytes[..bytes.len().min(CHUNK_BYTES_MAX)];
    let mut hash = 0_u64;
    for (at, byte) in bytes.iter().enumerate().skip(CHUNK_BYTES_MIN - WINDOW_BYTES) {
        hash = (hash << 1).wrapping_add(GEAR[usize::from(*byte)]);
        let bits = if at < CHUNK_BYTES_MEAN { BITS_BEFORE_MEAN } else { BITS_AFTER_MEAN };
        // The uppermost bits depend on the most bytes: each shift pushes a byte's share upwards until it falls out.
        if at >= CHUNK_BYTES_MIN && hash >> (64 - bits) == 0 {
            return at;
        }
    }
    bytes.len()
}

/// Bytes that a cut depends on: one for each bit of the hash.
const WINDOW_BYTES: usize = 64;

/// One number for each byte value, without pattern: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) from zero.
const GEAR: [u64; 256] = {
    let mut table = [0; 256];
    let mut state = 0_u64;
    let mut at = 0;
    while at < table.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[at] = word ^ (word >> 31);
        at += 1;
    }
    table
};
