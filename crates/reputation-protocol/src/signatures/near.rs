//! Which listed texts resemble this one: a banded index over sketches (Indyk and Motwani 1998, as in Broder's
//! near-duplicate work), several owners a place, every candidate confirmed on its whole sketch.
//!
//! A sketch of 32 lanes is cut into 16 bands of two; a text stands in one bucket for each band. Two sketches with 17
//! equal lanes share a band by the pigeonhole principle. A bucket is one cache line, so asking reads 16 of them.

use std::num::NonZeroU32;

use tamis_domain::digest::Sketch;

use crate::hashing::Seeded;

/// Owners of one bucket: what fits a cache line with the tags. A question so confirms at most 160 candidates.
pub const BUCKET_OWNERS_MAX: usize = 10;

/// What [`super::Table::evicted`] counts, for the reader of a metric.
pub const EVICTED_MEANING: &str = "places of texts in the similarity index that were given up for newer texts; \
     a text has 16 places and is missed by similarity only for the bands that it lost";

const BANDS: usize = Sketch::LANES / 2;

/// Mean owners of a bucket before the index doubles. At a mean of 6 one bucket in 25 is full (Poisson).
const MEAN_OWNERS_MAX: usize = 6;

/// Buckets of a new index: 64 KiB, room for 384 texts.
const BUCKETS_FIRST: usize = 1024;

/// Place of a text in the index, counted from 1 so that 0 can mean "no owner".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextId(NonZeroU32);

#[derive(Debug)]
struct Text {
    sketch: Sketch,
    value: [u8; 16],
}

/// Owners in order of arrival, oldest first; 0: free. Tags are other bits of the hash, so that texts of other bands in
/// the same bucket are seldom read.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket {
    owners: [u32; BUCKET_OWNERS_MAX],
    tags: [u16; BUCKET_OWNERS_MAX],
}

/// The index.
#[derive(Debug)]
pub(super) struct Near {
    hash: Seeded,
    texts: Vec<Text>,
    free: Vec<TextId>,
    buckets: Vec<Bucket>,
    evicted: u64,
}

impl Near {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            hash: Seeded::new(seed),
            texts: Vec::new(),
            free: Vec::new(),
            buckets: Vec::new(),
            evicted: 0,
        }
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.texts.capacity() * size_of::<Text>()
            + self.free.capacity() * size_of::<TextId>()
            + self.buckets.capacity() * size_of::<Bucket>()
    }

    /// Puts a text in. None only beyond 2^32 texts, far above any memory.
    pub(super) fn insert(&mut self, sketch: &Sketch, value: [u8; 16]) -> Option<TextId> {
        let text = Text { sketch: *sketch, value };
        let id = if let Some(id) = self.free.pop() {
            self.texts[id.index()] = text;
            id
        } else {
            let id = TextId::at(self.texts.len())?;
            self.texts.push(text);
            id
        };
        if self.grow_if_full() {
            return Some(id);
        }
        self.place(id);
        Some(id)
    }

    pub(super) fn remove(&mut self, id: TextId) {
        let sketch = self.texts[id.index()].sketch;
        for band in 0..BANDS {
            let (bucket, _) = self.spot(&sketch, band);
            self.buckets[bucket].remove(id);
        }
        self.free.push(id);
    }

    /// Calls `seen` with the exact value and the agreement of every indexed text that agrees in `agreement_min` lanes,
    /// each once.
    pub(super) fn visit(
        &self,
        sketch: &Sketch,
        agreement_min: u8,
        mut seen: impl FnMut([u8; 16], u8),
    ) {
        if self.buckets.is_empty() {
            return;
        }
        let mut visited = [0; BANDS * BUCKET_OWNERS_MAX];
        let mut count = 0;
        for band in 0..BANDS {
            let (bucket, tag) = self.spot(sketch, band);
            let bucket = &self.buckets[bucket];
            for (owner, owner_tag) in bucket.owners.iter().zip(bucket.tags) {
                let Some(id) = TextId::of(*owner) else { break };
                if owner_tag != tag || visited[..count].contains(owner) {
                    continue;
                }
                visited[count] = *owner;
                count += 1;
                let text = &self.texts[id.index()];
                let agreement = text.sketch.agreement(sketch);
                if agreement >= agreement_min {
                    seen(text.value, agreement);
                }
            }
        }
    }

    fn place(&mut self, id: TextId) {
        let sketch = self.texts[id.index()].sketch;
        for band in 0..BANDS {
            let (bucket, tag) = self.spot(&sketch, band);
            self.evicted += u64::from(self.buckets[bucket].push(id, tag));
        }
    }

    /// Doubles the index when the texts have become too many for it, and places them all again.
    fn grow_if_full(&mut self) -> bool {
        let live = self.texts.len() - self.free.len();
        if live * BANDS <= self.buckets.len() * MEAN_OWNERS_MAX {
            return false;
        }
        let buckets = (self.buckets.len() * 2).max(BUCKETS_FIRST);
        self.buckets = vec![Bucket::default(); buckets];
        let mut gone = vec![false; self.texts.len()];
        for id in &self.free {
            gone[id.index()] = true;
        }
        let kept = (0..self.texts.len()).filter(|index| !gone[*index]).filter_map(TextId::at);
        for id in kept.collect::<Vec<_>>() {
            self.place(id);
        }
        true
    }

    /// Bucket and tag of one band.
    fn spot(&self, sketch: &Sketch, band: usize) -> (usize, u16) {
        let (first, second) = (sketch.0[2 * band], sketch.0[2 * band + 1]);
        let word = (band as u64) << 32 | u64::from(first) << 16 | u64::from(second);
        let hash = self.hash.word(word);
        // The number of buckets is a power of two.
        ((hash as usize) & (self.buckets.len() - 1), (hash >> 48) as u16)
    }
}

impl TextId {
    fn at(index: usize) -> Option<Self> {
        u32::try_from(index + 1).ok().and_then(Self::of)
    }

    fn of(owner: u32) -> Option<Self> {
        NonZeroU32::new(owner).map(Self)
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl Bucket {
    /// Adds an owner; true when the oldest had to go.
    fn push(&mut self, id: TextId, tag: u16) -> bool {
        let end = self.owners.iter().position(|owner| *owner == 0);
        let place = end.unwrap_or_else(|| {
            self.shift_over(0);
            BUCKET_OWNERS_MAX - 1
        });
        self.owners[place] = id.0.get();
        self.tags[place] = tag;
        end.is_none()
    }

    fn remove(&mut self, id: TextId) {
        // Two bands of one text may share a bucket: one place is freed for each call.
        if let Some(place) = self.owners.iter().position(|owner| *owner == id.0.get()) {
            self.shift_over(place);
        }
    }

    fn shift_over(&mut self, place: usize) {
        self.owners[place..].rotate_left(1);
        self.tags[place..].rotate_left(1);
        self.owners[BUCKET_OWNERS_MAX - 1] = 0;
        self.tags[BUCKET_OWNERS_MAX - 1] = 0;
    }
}
