//! Sketched signatures by hash, 4 bytes each: a number of 26 bits and a tag of 6. Linear probing in many small segments.
//!
//! The hash of an entry is not kept: whoever owns the index says it again from the number when a segment is rebuilt.
//! Entries of one hash stand in the order of arrival.

use super::directory::{Directory, bits_for};
use super::pages::{PAGE_BYTES, Pages};

/// Numbers that exist: 1 to this. 0 is a free place, the last of 26 bits one whose owner is gone.
pub(super) const IDS_MAX: usize = (1 << ID_BITS) - 2;

/// Bits of a tag: of entries that are not meant, one in 64 is looked at.
pub(super) const TAG_BITS: u32 = 32 - ID_BITS;

const ID_BITS: u32 = 26;
const ID_MASK: u32 = (1 << ID_BITS) - 1;
const GONE: u32 = ID_MASK;
const PLACES: usize = PAGE_BYTES / size_of::<u32>();

/// The index.
#[derive(Debug)]
pub(super) struct Ids(Directory<Segment>);

#[derive(Debug)]
struct Segment {
    pages: Pages<u32, PLACES>,
    /// Places that are not free.
    used: usize,
    /// Places with an owner.
    live: usize,
    depth: u32,
}

/// The tag of an entry about which nothing but its hash is known.
pub(super) const fn tag_of(hash: u64) -> u32 {
    // The last bits: places are chosen by the first.
    hash as u32 & ((1 << TAG_BITS) - 1)
}

impl Ids {
    pub(super) fn new() -> Self {
        Self::with_room(0)
    }

    pub(super) fn with_room(entries: usize) -> Self {
        let bits = bits_for(entries, Pages::<u32, PLACES>::ahead());
        let pages = Pages::<u32, PLACES>::wanted(entries.div_ceil(1 << bits));
        Self(Directory::new(bits, || Segment::new(pages, bits)))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let pages = self.0.segments().map(|segment| segment.pages.memory_bytes()).sum::<usize>();
        self.0.memory_bytes() + pages
    }

    /// What stands where the search for a hash begins: asked early, it is in the cache when it is needed.
    pub(super) fn first(&self, hash: u64) -> u32 {
        let segment = self.0.of(hash);
        segment.pages.at(segment.home(hash))
    }

    /// Entries that may have this hash and tag, oldest first, with their places.
    pub(super) fn visit(&self, hash: u64, tag: u32, mut seen: impl FnMut(usize, u32)) {
        self.0.of(hash).walk(hash, |place, entry| {
            if entry >> ID_BITS == tag && entry != GONE {
                seen(place, entry & ID_MASK);
            }
            false
        });
    }

    /// The first number with this hash and tag that `is` the one.
    pub(super) fn find(&self, hash: u64, tag: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut found = None;
        self.0.of(hash).walk(hash, |_, entry| {
            if entry >> ID_BITS == tag && entry != GONE && is(entry & ID_MASK) {
                found = Some(entry & ID_MASK);
            }
            found.is_some()
        });
        found
    }

    /// Adds an entry behind the others of its hash. `hash_of` says the hash of any number that was put in.
    pub(super) fn push(&mut self, hash: u64, tag: u32, id: u32, hash_of: impl Fn(u32) -> u64) {
        while self.0.of(hash).is_full() {
            let segment = self.0.of_mut(hash);
            let depth = segment.depth;
            if let Some(upper) = segment.make_room(&hash_of) {
                self.0.split(hash, depth, upper);
            }
        }
        self.0.of_mut(hash).put(hash, tag << ID_BITS | id);
    }

    /// Takes an entry out; its place is free again when the segment is rebuilt.
    pub(super) fn remove(&mut self, hash: u64, id: u32) {
        let segment = self.0.of_mut(hash);
        let mut found = None;
        segment.walk(hash, |place, entry| {
            if entry & ID_MASK == id {
                found = Some(place);
            }
            found.is_some()
        });
        if let Some(place) = found {
            segment.take(place);
        }
    }

    /// The oldest of these places of one hash goes, the others move up, and a new entry with their tag comes last.
    pub(super) fn displace(&mut self, hash: u64, places: &[usize], id: u32) {
        let pages = &mut self.0.of_mut(hash).pages;
        for pair in places.windows(2) {
            pages.set(pair[0], pages.at(pair[1]));
        }
        if let Some(last) = places.last() {
            pages.set(*last, pages.at(*last) & !ID_MASK | id);
        }
    }
}

impl Segment {
    fn new(pages: usize, depth: u32) -> Self {
        Self { pages: Pages::new(pages), used: 0, live: 0, depth }
    }

    const fn home(&self, hash: u64) -> usize {
        self.pages.home(hash, self.depth)
    }

    const fn is_full(&self) -> bool {
        self.pages.is_full(self.used)
    }

    /// All entries from the beginning of the search for a hash to the next free place, until `seen` has enough. There is
    /// always a free place.
    fn walk(&self, hash: u64, mut seen: impl FnMut(usize, u32) -> bool) {
        let mut place = self.home(hash);
        loop {
            let rest = self.pages.rest(place);
            for (step, entry) in rest.iter().enumerate() {
                if *entry == 0 || seen(place + step, *entry) {
                    return;
                }
            }
            place = (place + rest.len()) % self.pages.places();
        }
    }

    fn put(&mut self, hash: u64, entry: u32) {
        let mut end = self.home(hash);
        while self.pages.at(end) != 0 {
            end = self.pages.next(end);
        }
        self.pages.set(end, entry);
        self.used += 1;
        self.live += 1;
    }

    fn take(&mut self, place: usize) {
        // Nobody's search goes on behind a place that a free one follows.
        let is_last = self.pages.at(self.pages.next(place)) == 0;
        self.pages.set(place, if is_last { 0 } else { GONE });
        self.used -= usize::from(is_last);
        self.live -= 1;
    }

    /// Lays all entries out anew, with a page more if they need it; the upper half comes back where even 16 pages are
    /// too few.
    fn make_room(&mut self, hash_of: &impl Fn(u32) -> u64) -> Option<Self> {
        let mut entries: Vec<_> =
            self.entries().into_iter().map(|entry| (hash_of(entry & ID_MASK), entry)).collect();
        let pages = Pages::<u32, PLACES>::wanted(entries.len());
        if pages <= super::pages::PAGES_MAX {
            self.lay_out(pages, &entries);
            return None;
        }
        let bit = 1 << (63 - self.depth);
        self.depth += 1;
        let upper: Vec<_> = entries.extract_if(.., |(hash, _)| *hash & bit != 0).collect();
        let wanted = |entries: &[_]| Pages::<u32, PLACES>::wanted(entries.len()).min(16);
        let mut other = Self::new(1, self.depth);
        other.lay_out(wanted(&upper), &upper);
        self.lay_out(wanted(&entries), &entries);
        Some(other)
    }

    fn lay_out(&mut self, pages: usize, entries: &[(u64, u32)]) {
        self.pages.reset(pages);
        (self.used, self.live) = (0, 0);
        for (hash, entry) in entries {
            self.put(*hash, *entry);
        }
    }

    /// All entries with an owner, those of one hash in their order: beginning behind a free place, since searches wrap
    /// around.
    fn entries(&self) -> Vec<u32> {
        let places = self.pages.places();
        let first = (0..places).find(|place| self.pages.at(*place) == 0).unwrap_or_default();
        (first..places)
            .chain(0..first)
            .map(|place| self.pages.at(place))
            .filter(|entry| *entry != 0 && *entry != GONE)
            .collect()
    }
}
