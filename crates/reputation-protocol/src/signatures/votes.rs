//! What several reporters said of one signature: lists of votes in arenas by size, 8 bytes a vote.

use tamis_domain::reputation::Class;

use super::change::Authority;
use super::words::{Named, Word};

/// The hour from which [`Vote::hour`] counts: 2020-01-01T00:00Z, in hours since 1970. Earlier times count as this.
const FIRST_HOUR: u32 = 438_288;

/// One reporter's word in 51 bits: `is contradicted 1 | named 2 | present 1 | hour 20 | reporter 16 | is an operator's 1 |
/// weight 7 | class 3`. [`super::kept::Kept`] has room for 60.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Vote(u64);

/// Lists by capacity: 2, 4, ... 256 votes.
const SIZES: usize = 8;

/// Bits of a list's number within its size. More lists than [`super::SIGNATURES_MAX`] never exist.
const INDEX_BITS: u32 = 27;

/// Votes of one chunk: 64 KiB, and a multiple of every capacity.
const CHUNK_VOTES: usize = 8192;

/// The name of a list: `size 3 | number 27`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListId(pub(super) u32);

/// All lists.
#[derive(Debug, Default)]
pub(super) struct Votes {
    arenas: [Arena; SIZES],
}

/// Lists of one capacity. Free places hold [`Vote::NONE`].
#[derive(Debug, Default)]
struct Arena {
    chunks: Vec<Vec<Vote>>,
    free: Vec<u32>,
    made: usize,
}

impl Vote {
    /// A place of a list that nobody took.
    pub(super) const NONE: Self = Self(0);

    const PRESENT: u64 = 1 << 47;
    const NAMED_SHIFT: u32 = 48;
    const CONTRADICTED: u64 = 1 << 50;
    const HOUR: u64 = 0xf_ffff << 27;
    /// What a renewal leaves as it is.
    const KEPT: u64 = 3 << Self::NAMED_SHIFT | Self::CONTRADICTED;

    pub(super) fn new(
        reporter: u16,
        class: Class,
        weight: u8,
        authority: Authority,
        unix_s: u32,
    ) -> Self {
        let hour = (unix_s / 3600).saturating_sub(FIRST_HOUR);
        let is_operator = u64::from(authority == Authority::Operator);
        let word = u64::from(hour) << 16 | u64::from(reporter);
        let said = is_operator << 10 | u64::from(weight & 127) << 3 | u64::from(class.code());
        Self(Self::PRESENT | word << 11 | said)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn reporter(self) -> u16 {
        (self.0 >> 11) as u16
    }

    /// Hours since 2020.
    pub(super) const fn hour(self) -> u32 {
        (self.0 >> 27) as u32 & 0xf_ffff
    }

    pub(super) const fn weight(self) -> u8 {
        (self.0 >> 3) as u8 & 127
    }

    pub(super) const fn class(self) -> Class {
        match self.0 & 7 {
            2 => Class::Spam,
            3 => Class::Phishing,
            4 => Class::Malware,
            5 => Class::Bulk,
            6 => Class::Allowed,
            _ => Class::Suspected,
        }
    }

    /// The same with what was told of its sketch and of contradiction.
    pub(super) fn with(mut self, named: Named, is_contradicted: bool) -> Self {
        self.name(named);
        self.set_contradicted(is_contradicted);
        self
    }
}

impl Word for Vote {
    fn is_by_reporter_of(&self, other: &Self) -> bool {
        self.reporter() == other.reporter()
    }

    fn class(&self) -> Class {
        Self::class(*self)
    }

    fn is_operator(&self) -> bool {
        self.0 >> 10 & 1 == 1
    }

    fn named(&self) -> Named {
        Named::from_code((self.0 >> Self::NAMED_SHIFT) as u8 & 3).unwrap_or_default()
    }

    fn name(&mut self, named: Named) {
        self.0 &= !(3 << Self::NAMED_SHIFT);
        self.0 |= u64::from(named.code()) << Self::NAMED_SHIFT;
    }

    fn is_contradicted(&self) -> bool {
        self.0 & Self::CONTRADICTED != 0
    }

    fn set_contradicted(&mut self, is_contradicted: bool) {
        self.0 &= !Self::CONTRADICTED;
        self.0 |= if is_contradicted { Self::CONTRADICTED } else { 0 };
    }

    fn renew(&mut self, newer: &Self) {
        let before = *self;
        self.0 = newer.0 & !Self::KEPT | self.0 & Self::KEPT;
        self.prolong(&before);
    }

    fn prolong(&mut self, newer: &Self) {
        let hour = self.hour().max(newer.hour());
        self.0 = self.0 & !Self::HOUR | u64::from(hour) << 27;
    }
}

impl std::fmt::Debug for Vote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} by {} at {}", self.class().word(), self.reporter(), self.hour())
    }
}

/// Hours since 2020 of a time, as votes count them.
pub(super) const fn hour_of(unix_s: u32) -> u32 {
    (unix_s / 3600).saturating_sub(FIRST_HOUR)
}

impl Votes {
    pub(super) fn list(&self, id: ListId) -> &[Vote] {
        let (size, index) = id.parts();
        let all = self.arenas[size].list(index, 2 << size);
        let count = all.iter().take_while(|vote| **vote != Vote::NONE).count();
        &all[..count]
    }

    /// A new list of 2 to [`super::REPORTERS_KEPT_MAX`] votes.
    pub(super) fn make(&mut self, votes: &[Vote]) -> ListId {
        let size = size_of_list(votes.len());
        let index = self.arenas[size].take(2 << size);
        self.write(ListId((size as u32) << INDEX_BITS | index), votes)
    }

    /// The list with other votes; it moves when they need another capacity.
    pub(super) fn replace(&mut self, id: ListId, votes: &[Vote]) -> ListId {
        if id.parts().0 == size_of_list(votes.len()) {
            return self.write(id, votes);
        }
        self.free(id);
        self.make(votes)
    }

    pub(super) fn free(&mut self, id: ListId) {
        self.write(id, &[]);
        let (size, index) = id.parts();
        self.arenas[size].free.push(index as u32);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let of = |arena: &Arena| {
            arena.chunks.iter().map(|chunk| chunk.capacity() * size_of::<Vote>()).sum::<usize>()
                + arena.chunks.capacity() * size_of::<Vec<Vote>>()
                + arena.free.capacity() * size_of::<u32>()
        };
        self.arenas.iter().map(of).sum()
    }

    fn write(&mut self, id: ListId, votes: &[Vote]) -> ListId {
        let (size, index) = id.parts();
        let places = self.arenas[size].list_mut(index, 2 << size);
        places.fill(Vote::NONE);
        places[..votes.len()].copy_from_slice(votes);
        id
    }
}

impl ListId {
    const fn parts(self) -> (usize, usize) {
        ((self.0 >> INDEX_BITS) as usize % SIZES, (self.0 & ((1 << INDEX_BITS) - 1)) as usize)
    }
}

fn size_of_list(votes: usize) -> usize {
    votes.max(2).next_power_of_two().trailing_zeros() as usize - 1
}

impl Arena {
    fn list(&self, index: usize, capacity: usize) -> &[Vote] {
        let first = index * capacity;
        &self.chunks[first / CHUNK_VOTES][first % CHUNK_VOTES..][..capacity]
    }

    fn list_mut(&mut self, index: usize, capacity: usize) -> &mut [Vote] {
        let first = index * capacity;
        &mut self.chunks[first / CHUNK_VOTES][first % CHUNK_VOTES..][..capacity]
    }

    fn take(&mut self, capacity: usize) -> u32 {
        if let Some(index) = self.free.pop() {
            return index;
        }
        if self.made * capacity == self.chunks.len() * CHUNK_VOTES {
            self.chunks.push(vec![Vote::NONE; CHUNK_VOTES]);
        }
        self.made += 1;
        u32::try_from(self.made - 1).unwrap_or(u32::MAX)
    }
}
