//! The bytes of a file to a similarity name: pieces that are cut where the content says, so that bytes put in or taken
//! out move no other piece.
//!
//! # The rules
//! 1. A rolling value `g = (g << 1) + GEAR[byte]` runs over the bytes (gear hash: Xia and others 2014, content-defined
//!    chunking: Manber 1994, Muthitacharoen and others 2001). `GEAR[b]` is `mix(KEY + 256 + b)`.
//! 2. A **piece** ends behind a byte where the top [`CUT_BITS`] bits of `g` are zero, if it has at least
//!    [`PIECE_BYTES_MIN`] bytes, or where it has [`PIECE_BYTES_MAX`]; then `g` begins anew at 0. The rest at the end is
//!    a piece too.
//! 3. A piece with fewer than [`VALUES_MIN`] different byte values is padding and passed over.
//! 4. The **features** of all 32 lanes are `mix(fnv(bytes of the piece))`.
//!
//! A file with fewer than [`PIECES_MIN`] different pieces has no sketch. Of a longer one the first [`FILE_BYTES_MAX`]
//! bytes count. The exact name of a file is that of its digest.
//!
//! What a packer compressed anew differs from its first changed byte on: a near copy of a packed file is found by the
//! members that stayed.

use tamis_domain::digest::Sketch;

use super::{Different, KEY, Minima, fnv, mix};

/// Leading zero bits that end a piece: one place in 64.
pub const CUT_BITS: u32 = 6;

/// Bytes of the shortest piece.
pub const PIECE_BYTES_MIN: usize = 32;

/// Bytes of the longest piece, for content that never says where to cut.
pub const PIECE_BYTES_MAX: usize = 512;

/// Different byte values of a piece that says something.
pub const VALUES_MIN: u32 = 8;

/// Different pieces that a file must have: about 5 kB. The frame of an empty document of a common program is smaller.
pub const PIECES_MIN: usize = 48;

/// Bytes of a file looked at: some 10 ms of work.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

const GEAR: [u64; 256] = {
    let mut gear = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        gear[byte] = mix(KEY.wrapping_add(256 + byte as u64));
        byte += 1;
    }
    gear
};

/// Names a file by similarity.
#[must_use]
pub fn file_sketch(content: &[u8]) -> Option<Sketch> {
    let mut rest = &content[..content.len().min(FILE_BYTES_MAX)];
    let mut pieces: Minima<0, { Sketch::LANES }> = Minima::new();
    let mut different: Different<PIECES_MIN> = Different::default();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(piece_length(rest));
        rest = behind;
        if says_something(piece) {
            let feature = mix(fnv(piece.iter().copied()));
            if pieces.add(feature) {
                different.add(feature);
            }
        }
    }
    different.is_enough().then(|| pieces.sketch())
}

pub(super) fn piece_length(bytes: &[u8]) -> usize {
    let longest = bytes.len().min(PIECE_BYTES_MAX);
    let mut gear = 0_u64;
    for (at, byte) in bytes[..longest].iter().enumerate() {
        gear = (gear << 1).wrapping_add(GEAR[usize::from(*byte)]);
        if at + 1 >= PIECE_BYTES_MIN && gear.leading_zeros() >= CUT_BITS {
            return at + 1;
        }
    }
    longest
}

fn says_something(piece: &[u8]) -> bool {
    let mut seen = [0_u64; 4];
    for byte in piece {
        seen[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }
    seen.iter().map(|bits| bits.count_ones()).sum::<u32>() >= VALUES_MIN
}
