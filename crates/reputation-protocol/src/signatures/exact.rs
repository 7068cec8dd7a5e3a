//! Signatures without a sketch: 20 bytes each, ordered by their hash with gaps (Robin Hood hashing, Celis 1986) in many
//! small segments, so that a search ends early even where 92 % of the places are taken.

use super::directory::{Directory, bits_for};
use super::kept::{Kept, Name};
use super::pages::{Fill, PAGE_BYTES, PAGES_MAX, Pages};
use crate::hashing::Seeded;

const PLACES: usize = PAGE_BYTES / size_of::<Slot>();
const FILL: Fill = Fill { full: 92, rebuilt: 88 };
type Slots = Pages<Slot, PLACES>;

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
        let directory = Directory::new(bits, || Segment::new(hash, pages, bits));
        Self { hash, directory, len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let segments = self.directory.segments();
        let pages = segments.map(|segment| segment.pages.memory_bytes()).sum::<usize>();
        self.directory.memory_bytes() + pages
    }

    pub(super) fn find(&self, name: &Name) -> Option<Place> {
        let hash = name.hash(self.hash);
        let place = self.directory.of(hash).find(hash, name)?;
        Some(Place { hash, place })
    }

    pub(super) fn kept(&self, at: Place) -> Kept {
        self.directory.of(at.hash).pages.at(at.place).kept
    }

    pub(super) fn set(&mut self, at: Place, kept: Kept) {
        let pages = &mut self.directory.of_mut(at.hash).pages;
        let slot = pages.at(at.place);
        pages.set(at.place, Slot { kept, ..slot });
    }

    /// Puts one in that is not there yet.
    pub(super) fn insert(&mut self, name: &Name, kept: Kept) {
        let hash = name.hash(self.hash);
        while self.directory.of(hash).is_full() {
            let segment = self.directory.of_mut(hash);
            let depth = segment.depth;
            if let Some(upper) = segment.make_room() {
                self.directory.split(hash, depth, upper);
            }
        }
        self.directory.of_mut(hash).put(hash, Slot { value: name.value, kept });
        self.len += 1;
    }

    pub(super) fn remove(&mut self, at: Place) {
        self.directory.of_mut(at.hash).take(at.place);
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
    fn new(hash: Seeded, pages: usize, depth: u32) -> Self {
        Self { hash, pages: Pages::new(pages), used: 0, depth }
    }

    const fn is_full(&self) -> bool {
        FILL.is_full(self.used, self.pages.places())
    }

    /// Steps from where the search for the slot at `place` begins.
    fn steps(&self, slot: &Slot, place: usize) -> usize {
        let home = self.pages.home(slot.name().hash(self.hash), self.depth);
        if place >= home { place - home } else { place + self.pages.places() - home }
    }

    fn find(&self, hash: u64, name: &Name) -> Option<usize> {
        let mut place = self.pages.home(hash, self.depth);
        for steps in 0.. {
            let slot = self.pages.at(place);
            if slot.is_free() {
                return None;
            }
            if slot.value == name.value && slot.kept.kind_code() == name.kind {
                return Some(place);
            }
            // Whoever came here by a shorter way would have made room for this name.
            if self.steps(&slot, place) < steps {
                return None;
            }
            place = self.pages.next(place);
        }
        None
    }

    fn put(&mut self, hash: u64, slot: Slot) {
        let mut carried = slot;
        let mut place = self.pages.home(hash, self.depth);
        let mut steps = 0;
        loop {
            let there = self.pages.at(place);
            if there.is_free() {
                self.pages.set(place, carried);
                self.used += 1;
                return;
            }
            let shorter = self.steps(&there, place);
            if shorter < steps {
                self.pages.set(place, carried);
                (carried, steps) = (there, shorter);
            }
            place = self.pages.next(place);
            steps += 1;
        }
    }

    /// The followers move up until one stands where its search begins.
    fn take(&mut self, place: usize) {
        let mut gap = place;
        loop {
            let next = self.pages.next(gap);
            let slot = self.pages.at(next);
            if slot.is_free() || self.steps(&slot, next) == 0 {
                break;
            }
            self.pages.set(gap, slot);
            gap = next;
        }
        self.pages.set(gap, Slot::default());
        self.used -= 1;
    }

    /// One page more, or the upper half where 16 pages are too few.
    fn make_room(&mut self) -> Option<Self> {
        let mut slots = self.slots();
        let pages = Slots::holding(FILL.places(slots.len()));
        if pages <= PAGES_MAX {
            self.lay_out(pages, &slots);
            return None;
        }
        let bit = 1 << (63 - self.depth);
        self.depth += 1;
        let upper: Vec<_> = slots.extract_if(.., |(hash, _)| *hash & bit != 0).collect();
        let wanted = |slots: &[_]| Slots::holding(FILL.places(slots.len())).min(PAGES_MAX);
        let mut other = Self::new(self.hash, 1, self.depth);
        other.lay_out(wanted(&upper), &upper);
        self.lay_out(wanted(&slots), &slots);
        Some(other)
    }

    fn lay_out(&mut self, pages: usize, slots: &[(u64, Slot)]) {
        self.pages.reset(pages);
        self.used = 0;
        for (hash, slot) in slots {
            self.put(*hash, *slot);
        }
    }

    /// All entries in the order of their places, so that laying them out again walks forward.
    fn slots(&self) -> Vec<(u64, Slot)> {
        let all = (0..self.pages.places()).map(|place| self.pages.at(place));
        all.filter(|slot| !slot.is_free()).map(|slot| (slot.name().hash(self.hash), slot)).collect()
    }
}
