//! Signatures with a sketch, 68 bytes each, in chunks that never move.

use tamis_domain::digest::Sketch;

use super::kept::{Kept, Name};

/// Entries of one chunk: 34 MiB, so that most of it can be large pages of the machine, of 2 MiB. What of the last chunk
/// was never used is not resident.
const CHUNK: usize = 1 << 19;

/// A sketch as it is kept: 12 bits of each lane, two lanes in three bytes, so that what a band needs stands together.
///
/// Unrelated content agrees in one lane of 4,096 by chance: in 17 of 32 with probability 2e-53, in 8 with 1e-22.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lanes([[u8; 3]; Sketch::LANES / 2]);

/// One signature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) lanes: Lanes,
    value: [u8; 12],
    pub(super) kept: Kept,
}

/// All of them, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Slab {
    chunks: Vec<Vec<Entry>>,
    free: Vec<u32>,
    len: usize,
}

impl Lanes {
    pub(super) fn of(sketch: &Sketch) -> Self {
        let lane = |lane: usize| u32::from(sketch.0[lane] & 0xfff);
        Self(std::array::from_fn(|band| {
            let [_, a, b, c] = (lane(2 * band) << 12 | lane(2 * band + 1)).to_be_bytes();
            [a, b, c]
        }))
    }

    /// Lanes that are equal, 0 to 32.
    pub(super) fn agreement(&self, other: &Self) -> u8 {
        let mut count = 0;
        for band in 0..self.0.len() {
            let differing = self.pair(band) ^ other.pair(band);
            count += u8::from(differing >> 12 == 0) + u8::from(differing & 0xfff == 0);
        }
        count
    }

    /// Lanes 2 `band` and 2 `band` + 1 in 24 bits.
    pub(super) fn pair(&self, band: usize) -> u32 {
        let [a, b, c] = self.0[band];
        u32::from_be_bytes([0, a, b, c])
    }
}

impl Entry {
    pub(super) const fn new(lanes: Lanes, name: &Name, kept: Kept) -> Self {
        Self { lanes, value: name.value, kept }
    }

    pub(super) const fn name(&self) -> Name {
        Name { kind: self.kept.kind_code(), value: self.value }
    }
}

impl Slab {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn entry(&self, id: u32) -> &Entry {
        let index = id as usize - 1;
        &self.chunks[index / CHUNK][index % CHUNK]
    }

    /// Reads something of the beginning and of the end of an entry, so that it is in the cache when it is needed.
    pub(super) fn touch(&self, id: u32) -> u8 {
        let entry = self.entry(id);
        entry.kept.kind_code() ^ entry.value[11] ^ entry.lanes.0[15][2]
    }

    pub(super) fn set(&mut self, id: u32, kept: Kept) {
        let index = id as usize - 1;
        self.chunks[index / CHUNK][index % CHUNK].kept = kept;
    }

    /// Another sketch for an entry that stands in no index by its former one.
    pub(super) fn set_lanes(&mut self, id: u32, lanes: Lanes) {
        let index = id as usize - 1;
        self.chunks[index / CHUNK][index % CHUNK].lanes = lanes;
    }

    /// Numbers stay below [`super::ids::IDS_MAX`] because the table refuses more.
    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        self.len += 1;
        if let Some(id) = self.free.pop() {
            let index = id as usize - 1;
            self.chunks[index / CHUNK][index % CHUNK] = entry;
            return id;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let Some(last) = self.chunks.last_mut() else { return 0 };
        last.push(entry);
        (before + last.len()) as u32
    }

    pub(super) fn remove(&mut self, id: u32) {
        self.free.push(id);
        self.len -= 1;
    }

    pub(super) fn memory_bytes(&self) -> usize {
        // What of the last chunk was never written is not resident.
        let chunks = self.chunks.iter().map(|chunk| chunk.len() * size_of::<Entry>());
        chunks.sum::<usize>()
            + self.chunks.capacity() * size_of::<Vec<Entry>>()
            + self.free.capacity() * size_of::<u32>()
    }
}
