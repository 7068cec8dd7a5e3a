//! What is resident of one signature: 12 bytes of its value as its name, and 8 bytes of what was said of it.

use tamis_domain::digest::{Signature, SignatureKind};

use super::votes::{ListId, Vote};
use crate::hashing::Seeded;

/// The name of a signature in the table: kind and the first 12 bytes of the value.
///
/// 96 bits: a value that nobody listed is found among 2^27 listed ones with probability 2^-69. Who makes content of his
/// own on purpose finds two of equal name after 2^48 tries, and so gains that his own two mails are judged alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// [`SignatureKind::code`].
    pub(super) kind: u8,
    pub(super) value: [u8; 12],
}

impl Name {
    pub(super) fn of(signature: &Signature) -> Self {
        let value = std::array::from_fn(|at| signature.value[at]);
        Self { kind: signature.kind.code(), value }
    }

    pub(super) const fn hash(&self, seeded: Seeded) -> u64 {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.value;
        let first = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        seeded.words(first, u64::from_le_bytes([i, j, k, l, self.kind, 0, 0, 0]))
    }

    pub(super) fn kind(&self) -> SignatureKind {
        SignatureKind::from_code(self.kind).unwrap_or(SignatureKind::Part)
    }
}

/// What was said, in 64 bits: `kind 3 | is a list 1 | vote 60 or number of a list 30`. 0: nothing. Two words, so that a
/// slot needs no padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept([u32; 2]);

/// What [`Kept`] unfolds to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    /// One reporter's word.
    One(Vote),
    /// More than one: they live apart.
    Many(ListId),
}

const KIND_SHIFT: u32 = 29;
const MANY: u32 = 1 << 28;
const VOTE_HIGH: u32 = MANY - 1;

impl Kept {
    pub(super) const fn one(kind: u8, vote: Vote) -> Self {
        let high = (vote.bits() >> 32) as u32 & VOTE_HIGH;
        Self([(kind as u32) << KIND_SHIFT | high, vote.bits() as u32])
    }

    pub(super) const fn many(kind: u8, list: ListId) -> Self {
        Self([(kind as u32) << KIND_SHIFT | MANY, list.0])
    }

    pub(super) const fn is_none(self) -> bool {
        self.0[0] == 0
    }

    pub(super) const fn kind_code(self) -> u8 {
        (self.0[0] >> KIND_SHIFT) as u8
    }

    pub(super) const fn said(self) -> Said {
        let [high, low] = self.0;
        if high & MANY != 0 {
            return Said::Many(ListId(low));
        }
        Said::One(Vote::from_bits(((high & VOTE_HIGH) as u64) << 32 | low as u64))
    }
}
