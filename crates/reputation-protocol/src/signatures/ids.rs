//! Sketched signatures by hash, 4 bytes each: a number of 26 bits and a tag of 6. Lines of 16 in many small
//! segments; what a full line cannot take goes to the next.
//!
//! The hash of an entry is not kept: whoever owns the index says it again from the number when a segment is rebuilt.
//! Entries of one hash stand in the order of arrival.

use super::directory::{Directory, bits_for};
use super::pages::{Fill, PAGE_BYTES, PAGES_MAX, Pages};

/// Numbers that exist: 1 to this. 0 is a free place, the last of 26 bits one whose owner is gone.
pub(super) const IDS_MAX: usize = (1 << ID_BITS) - 2;

/// Bits of a tag: of entries that are not meant, one in 64 is looked at.
pub(super) const TAG_BITS: u32 = 32 - ID_BITS;

const ID_BITS: u32 = 26;
const ID_MASK: u32 = (1 << ID_BITS) - 1;
const GONE: u32 = ID_MASK;
const LINES: usize = PAGE_BYTES / size_of::<Line>();
const FILL: Fill = Fill { full: 94, rebuilt: 90 };
type Lines = Pages<Line, LINES>;

/// Entries that come from memory together. They are taken from the front; a line with an entry at its end has been full.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(super) struct Line([u32; LINE]);

/// Entries of one line, a cache line of the machine.
const LINE: usize = 16;

/// The index.
#[derive(Debug)]
pub(super) struct Ids(Directory<Segment>);

/// A part of the index that grows by itself.
#[derive(Debug)]
pub(super) struct Segment {
    lines: Lines,
    /// Places that are not free.
    used: usize,
    /// Places with an owner.
    live: usize,
    depth: u32,
}

/// Entries whose owners are read together when a segment is rebuilt: 32 KiB of them.
const TOUCHED: usize = 256;

/// What the numbers of an index stand for.
pub(super) trait Owners {
    /// The hash that a number was put in with.
    fn hash(&self, id: u32) -> u64;

    /// Reads something of what the hash is made from, whatever it is.
    fn touch(&self, id: u32) -> u8;
}

/// The tag of an entry about which nothing but its hash is known.
pub(super) const fn tag_of(hash: u64) -> u32 {
    // The last bits: places are chosen by the first.
    hash as u32 & ((1 << TAG_BITS) - 1)
}

impl Ids {
    pub(super) fn with_room(entries: usize) -> Self {
        let bits = bits_for(lines_for(entries), Lines::AHEAD);
        let pages = Lines::holding(lines_for(entries.div_ceil(1 << bits)));
        Self(Directory::new(bits, || Segment::new(pages, bits)))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let pages = self.0.segments().map(|segment| segment.lines.memory_bytes()).sum::<usize>();
        self.0.memory_bytes() + pages
    }

    /// The segment of a hash.
    pub(super) fn segment(&self, hash: u64) -> &Segment {
        self.0.of(hash)
    }

    /// Entries that may have this hash and tag, oldest first, with their places.
    pub(super) fn visit(&self, hash: u64, tag: u32, mut seen: impl FnMut(usize, u32)) {
        self.0.of(hash).walk_tagged(hash, tag, |place, id| {
            seen(place, id);
            false
        });
    }

    /// The first number with this hash and tag that `is` the one.
    pub(super) fn find(&self, hash: u64, tag: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut found = None;
        self.0.of(hash).walk_tagged(hash, tag, |_, id| {
            if is(id) {
                found = Some(id);
            }
            found.is_some()
        });
        found
    }

    /// Adds an entry behind the others of its hash. `owners` say the hash of any number that was put in.
    pub(super) fn push(&mut self, hash: u64, tag: u32, id: u32, owners: &impl Owners) {
        while self.0.of(hash).is_full() {
            let segment = self.0.of_mut(hash);
            let depth = segment.depth;
            if let Some(upper) = segment.make_room(owners) {
                self.0.split(hash, depth, upper);
            }
        }
        self.0.of_mut(hash).put(hash, tag << ID_BITS | id);
    }

    /// Takes an entry out; its place is free again when the segment is rebuilt.
    pub(super) fn remove(&mut self, hash: u64, id: u32) {
        let segment = self.0.of_mut(hash);
        let mut found = None;
        segment.walk(hash, |number, line| {
            let slot = line.0.iter().position(|entry| entry & ID_MASK == id);
            found = slot.map(|slot| number * LINE + slot);
            found.is_some()
        });
        if let Some(place) = found {
            segment.take(place);
        }
    }

    /// The tag under which an entry stands, if it stands under this hash.
    pub(super) fn tag_at(&self, hash: u64, id: u32) -> Option<u32> {
        let mut found = None;
        self.0.of(hash).walk(hash, |_, line| {
            found = line.0.iter().find(|entry| **entry & ID_MASK == id).map(|it| it >> ID_BITS);
            found.is_some()
        });
        found
    }

    /// The oldest of these places of one hash goes, the others move up, and a new entry with their tag comes last.
    pub(super) fn displace(&mut self, hash: u64, places: &[usize], id: u32) {
        let segment = self.0.of_mut(hash);
        for pair in places.windows(2) {
            segment.set(pair[0], segment.at(pair[1]));
        }
        if let Some(last) = places.last() {
            segment.set(*last, segment.at(*last) & !ID_MASK | id);
        }
    }
}

/// Lines that hold so many entries.
const fn lines_for(entries: usize) -> usize {
    FILL.places(entries).div_ceil(LINE)
}

impl Segment {
    fn new(pages: usize, depth: u32) -> Self {
        Self { lines: Pages::new(pages), used: 0, live: 0, depth }
    }

    const fn home(&self, hash: u64) -> usize {
        self.lines.home(hash, self.depth)
    }

    /// The line where the search for a hash begins.
    pub(super) fn first_line(&self, hash: u64) -> Option<&Line> {
        self.lines.get(self.home(hash))
    }

    const fn is_full(&self) -> bool {
        FILL.is_full(self.used, self.lines.places() * LINE)
    }

    fn at(&self, place: usize) -> u32 {
        self.lines.get(place / LINE).map_or(0, |line| line.0[place % LINE])
    }

    fn set(&mut self, place: usize, entry: u32) {
        if let Some(line) = self.lines.get_mut(place / LINE) {
            line.0[place % LINE] = entry;
        }
    }

    /// The lines of a hash: from where its search begins to the first that never was full, until `seen` has enough.
    /// There is always one, since places are free.
    fn walk(&self, hash: u64, mut seen: impl FnMut(usize, &Line) -> bool) {
        let mut number = self.home(hash);
        while let Some(line) = self.lines.get(number) {
            if seen(number, line) || !line.was_full() {
                return;
            }
            number = self.lines.next(number);
        }
    }

    /// Entries of a hash that have this tag, with their places, until `seen` has enough.
    fn walk_tagged(&self, hash: u64, tag: u32, mut seen: impl FnMut(usize, u32) -> bool) {
        self.walk(hash, |number, line| {
            // Sixteen at once; most lines have none.
            if !line.0.iter().fold(false, |any, entry| any | (entry >> ID_BITS == tag)) {
                return false;
            }
            let is_meant = |entry: u32| entry >> ID_BITS == tag && entry != 0 && entry != GONE;
            let mut meant = line.0.iter().enumerate().filter(|(_, entry)| is_meant(**entry));
            meant.any(|(slot, entry)| seen(number * LINE + slot, entry & ID_MASK))
        });
    }

    fn put(&mut self, hash: u64, entry: u32) {
        let mut number = self.home(hash);
        while let Some(line) = self.lines.get_mut(number) {
            if let Some(place) = line.0.iter_mut().find(|place| **place == 0) {
                *place = entry;
                break;
            }
            number = self.lines.next(number);
        }
        self.used += 1;
        self.live += 1;
    }

    fn take(&mut self, place: usize) {
        // The last entry of a line that never was full leaves no trace.
        let is_last = place % LINE + 1 < LINE && self.at(place + 1) == 0;
        self.set(place, if is_last { 0 } else { GONE });
        self.used -= usize::from(is_last);
        self.live -= 1;
    }

    /// Lays all entries out anew, with a page more if they need it; the upper half comes back where even 16 pages are
    /// too few.
    fn make_room(&mut self, owners: &impl Owners) -> Option<Self> {
        let kept = self.entries();
        let mut entries = Vec::with_capacity(kept.len());
        for some in kept.chunks(TOUCHED) {
            // What a touch brings in comes while the next is asked for: the machine waits for many at a time.
            let early = some.iter().fold(0, |all, entry| all ^ owners.touch(entry & ID_MASK));
            std::hint::black_box(early);
            entries.extend(some.iter().map(|entry| (owners.hash(entry & ID_MASK), *entry)));
        }
        let pages = Lines::holding(lines_for(entries.len()));
        if pages <= PAGES_MAX {
            self.lay_out(pages, &entries);
            return None;
        }
        let bit = 1 << (63 - self.depth);
        self.depth += 1;
        let upper: Vec<_> = entries.extract_if(.., |(hash, _)| *hash & bit != 0).collect();
        let wanted = |entries: &[_]| Lines::holding(lines_for(entries.len())).min(PAGES_MAX);
        let mut other = Self::new(1, self.depth);
        other.lay_out(wanted(&upper), &upper);
        self.lay_out(wanted(&entries), &entries);
        Some(other)
    }

    fn lay_out(&mut self, pages: usize, entries: &[(u64, u32)]) {
        self.lines.reset(pages);
        (self.used, self.live) = (0, 0);
        for (hash, entry) in entries {
            self.put(*hash, *entry);
        }
    }

    /// All entries with an owner, those of one hash in their order: beginning behind a line that never was full, since
    /// searches wrap around.
    fn entries(&self) -> Vec<u32> {
        let count = self.lines.places();
        let line = |number: usize| self.lines.get(number % count);
        let first = (0..count).find(|number| line(*number).is_some_and(|line| !line.was_full()));
        let first = first.unwrap_or_default() + 1;
        let mut entries = Vec::with_capacity(self.live);
        for line in (first..first + count).filter_map(line) {
            entries.extend(line.0.iter().filter(|entry| **entry != 0 && **entry != GONE));
        }
        entries
    }
}

impl Line {
    /// Reads something of it, so that it is in the cache when it is needed.
    pub(super) const fn touch(&self) -> u32 {
        self.0[0]
    }

    const fn was_full(&self) -> bool {
        self.0[LINE - 1] != 0
    }
}
