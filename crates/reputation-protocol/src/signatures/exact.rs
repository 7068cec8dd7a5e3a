//! Signatures without a sketch: 20 bytes each, ordered by their hash with gaps (Robin Hood hashing, Celis 1986) in many
//! small segments, so that a search ends early even where 92 % of the places are taken.

use super::directory::{Directory, bits_for};
use super::kept::{Kept, Name};
use super::pages::{Arena, Fill, PAGE_BYTES, PAGES_MAX, Pages};
use crate::hashing::Seeded;

const PLACES: usize = PAGE_BYTES / size_of::<Slot>();
const FILL: Fill = Fill { full: 92, rebuilt: 88 };
type Slots = Pages<PLACES>;
type Memory = Arena<Slot, PLACES>;

/// One signature.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    value: [u8; 12],
    kept: Kept,
}

/// Where one stands, until the next one is put in or taken out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    hash: u64,
    place: usize,
}

/// The table.
#[derive(Debug)]
pub(super) struct Exact {
    hash: Seeded,
    directory: Directory<Segment>,
    slots: Memory,
    len: usize,
}

#[derive(Debug)]
struct Segment {
    hash: Seeded,
    pages: Slots,
    used: usize,
    depth: u32,
}

impl Exact {
    pub(super) fn with_room(hash: Seeded, entries: usize) -> Self {
        let bits = bits_for(FILL.places(entries), Slots::AHEAD);
        let pages = Slots::holding(FILL.places(entries.div_ceil(1 << bits)));
        let mut slots = Memory::new();
        let directory = Directory::new(bits, || Segment::new(hash, pages, bits, &mut slots));
        Self { hash, directory, slots, len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.directory.memory_bytes() + self.slots.memory_bytes()
    }

    pub(super) fn find(&self, name: &Name) -> Option<Place> {
        let hash = name.hash(self.hash);
        let place = self.directory.of(hash).find(hash, name, &self.slots)?;
        Some(Place { hash, place })
    }

    pub(super) fn kept(&self, at: Place) -> Kept {
        self.directory.of(at.hash).pages.at(at.place, &self.slots).kept
    }

    pub(super) fn set(&mut self, at: Place, kept: Kept) {
        self.directory.of(at.hash).pages.at_mut(at.place, &mut self.slots).kept = kept;
    }

    /// Puts one in that is not there yet.
    pub(super) fn insert(&mut self, name: &Name, kept: Kept) {
        let hash = name.hash(self.hash);
        while self.directory.of(hash).is_full() {
            let segment = self.directory.of_mut(hash);
            let depth = segment.depth;
            if let Some(upper) = segment.make_room(&mut self.slots) {
                self.directory.split(hash, depth, upper);
            }
        }
        let slot = Slot { value: name.value, kept };
        self.directory.of_mut(hash).put(hash, slot, &mut self.slots);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, at: Place) {
        self.directory.of_mut(at.hash).take(at.place, &mut self.slots);
        self.len -= 1;
    }
}

impl Slot {
    const fn is_free(&self) -> bool {
        self.kept.is_none()
    }

    const fn name(&self) -> Name {
        Name { kind: self.kept.kind_code(), value: self.value }
    }
}

impl Segment {
    fn new(hash: Seeded, pages: usize, depth: u32, slots: &mut Memory) -> Self {
        Self { hash, pages: Pages::new(pages, slots), used: 0, depth }
    }

    const fn is_full(&self) -> bool {
        FILL.is_full(self.used, self.pages.places())
    }

    /// Steps from where the search for the slot at `place` begins.
    fn steps(&self, slot: &Slot, place: usize) -> usize {
        let home = self.pages.home(slot.name().hash(self.hash), self.depth);
        if place >= home { place - home } else { place + self.pages.places() - home }
    }

    fn find(&self, hash: u64, name: &Name, slots: &Memory) -> Option<usize> {
        let mut place = self.pages.home(hash, self.depth);
        for steps in 0.. {
            let slot = self.pages.at(place, slots);
            if slot.is_free() {
                return None;
            }
            if slot.value == name.value && slot.kept.kind_code() == name.kind {
                return Some(place);
            }
            // Whoever came here by a shorter way would have made room for this name.
            if self.steps(slot, place) < steps {
                return None;
            }
            place = self.pages.next(place);
        }
        None
    }

    fn put(&mut self, hash: u64, slot: Slot, slots: &mut Memory) {
        let mut carried = slot;
        let mut place = self.pages.home(hash, self.depth);
        let mut steps = 0;
        loop {
            let there = self.pages.at_mut(place, slots);
            if there.is_free() {
                *there = carried;
                self.used += 1;
                return;
            }
            let shorter = self.steps(there, place);
            if shorter < steps {
                std::mem::swap(there, &mut carried);
                steps = shorter;
            }
            place = self.pages.next(place);
            steps += 1;
        }
    }

    /// The followers move up until one stands where its search begins.
    fn take(&mut self, place: usize, slots: &mut Memory) {
        let mut gap = place;
        loop {
            let next = self.pages.next(gap);
            let slot = *self.pages.at(next, slots);
            if slot.is_free() || self.steps(&slot, next) == 0 {
                break;
            }
            *self.pages.at_mut(gap, slots) = slot;
            gap = next;
        }
        *self.pages.at_mut(gap, slots) = Slot::default();
        self.used -= 1;
    }

    /// One page more, or the upper half where [`PAGES_MAX`] pages are too few.
    fn make_room(&mut self, slots: &mut Memory) -> Option<Self> {
        let mut all = self.all(slots);
        let pages = Slots::holding(FILL.places(all.len()));
        if pages <= PAGES_MAX {
            self.lay_out(pages, &all, slots);
            return None;
        }
        let bit = 1 << (63 - self.depth);
        self.depth += 1;
        let upper: Vec<_> = all.extract_if(.., |(hash, _)| *hash & bit != 0).collect();
        let wanted = |some: &[_]| Slots::holding(FILL.places(some.len())).min(PAGES_MAX);
        self.lay_out(wanted(&all), &all, slots);
        let mut other = Self::new(self.hash, wanted(&upper), self.depth, slots);
        upper.iter().for_each(|(hash, slot)| other.put(*hash, *slot, slots));
        Some(other)
    }

    fn lay_out(&mut self, pages: usize, all: &[(u64, Slot)], slots: &mut Memory) {
        self.pages.reset(pages, slots);
        self.used = 0;
        for (hash, slot) in all {
            self.put(*hash, *slot, slots);
        }
    }

    /// All entries in the order of their places, so that laying them out again walks forward.
    fn all(&self, slots: &Memory) -> Vec<(u64, Slot)> {
        let all = (0..self.pages.places()).map(|place| *self.pages.at(place, slots));
        all.filter(|slot| !slot.is_free()).map(|slot| (slot.name().hash(self.hash), slot)).collect()
    }
}
