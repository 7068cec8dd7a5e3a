//! Sketched signatures by hash, 4 bytes each: a number and a tag. Lines of 16 in many small segments; what a full line
//! cannot take goes to a second one that the hash chooses, too, and on from there to the next ones. Were it the next one at
//! once, full lines would stand together: where 88 % of the places are taken a search would see 2.9 lines and not 1.9, and
//! the longest of 16 searches 11 and not 5.
//!
//! The hash of an entry is not kept: whoever owns the index says it again from the number when a segment is rebuilt.
//! Entries of one hash stand in the order of arrival.
//!
//! A number has 26 bits at most, and as long as all numbers of a segment are small, fewer: the bits saved make the tag
//! longer. Of 20,000 signatures one stranger in 65,536 passes for an entry that is meant, of a million one in 4,096, and
//! of 67 million one in 64.

use super::directory::{Directory, bits_for};
use super::pages::{Arena, Fill, PAGE_BYTES, PAGES_MAX, Pages};

/// Numbers that exist: 1 to this. 0 is a free place, the last of all bits one whose owner is gone.
pub(super) const IDS_MAX: usize = (1 << ID_BITS_MAX) - 2;

/// Bits of the part of a tag that the owner chooses; the others follow from the hash.
pub(super) const TAG_BITS: u32 = u32::BITS - ID_BITS_MAX;

const ID_BITS_MAX: u32 = 26;
/// Fewer bits would make longer tags than there is a use for.
const ID_BITS_MIN: u32 = 16;
const LINES: usize = PAGE_BYTES / size_of::<Line>();
const FILL: Fill = Fill { full: 92, rebuilt: 88 };
type Lines = Pages<LINES>;
type Memory = Arena<Line, LINES>;

/// Entries that come from memory together. They are taken from the front; a line with an entry at its end has been full.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line([u32; LINE]);

/// Entries of one line, a cache line of the machine.
const LINE: usize = 16;

/// The index.
#[derive(Debug)]
pub(super) struct Ids {
    directory: Directory<Segment>,
    lines: Memory,
}

/// A part of the index that grows by itself.
#[derive(Debug)]
struct Segment {
    lines: Lines,
    /// Places that are not free.
    used: u32,
    /// Places with an owner.
    live: u32,
    depth: u8,
    /// Bits of a number in this segment.
    id_bits: u8,
}

/// Odd, with evenly spread bits: the last bits of a hash decide the first of the product.
const SECOND: u64 = 0xd6e8_feb8_6659_fd93;

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
        Self::in_parts(0, entries)
    }

    /// An index whose hashes begin with the number of a part, of 2^`part_bits`, with room for so many entries in each.
    pub(super) fn in_parts(part_bits: u32, entries: usize) -> Self {
        let bits = bits_for(lines_for(entries), Lines::AHEAD);
        let pages = Lines::holding(lines_for(entries.div_ceil(1 << bits)));
        let mut lines = Memory::new();
        let depth = part_bits + bits;
        let segment = || Segment::new(pages, depth as u8, id_bits_for(entries), &mut lines);
        Self { directory: Directory::new(depth, segment), lines }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.directory.memory_bytes() + self.lines.memory_bytes()
    }

    /// Entries that may have this hash and tag, oldest first, with their places.
    pub(super) fn visit(&self, hash: u64, tag: u32, mut seen: impl FnMut(usize, u32)) {
        self.directory.of(hash).walk_tagged(hash, tag, &self.lines, |place, id| {
            seen(place, id);
            false
        });
    }

    /// The first number with this hash and tag that `is` the one.
    pub(super) fn find(&self, hash: u64, tag: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut found = None;
        self.directory.of(hash).walk_tagged(hash, tag, &self.lines, |_, id| {
            if is(id) {
                found = Some(id);
            }
            found.is_some()
        });
        found
    }

    /// Numbers that may have one of these hashes with its tag; of one hash the oldest first, but of all hashes step by
    /// step together, so that the machine waits for memory once for a step and not once for each hash.
    pub(super) fn visit_all<const K: usize>(
        &self,
        hashes: &[u64; K],
        tags: &[u32; K],
        mut seen: impl FnMut(u32),
    ) {
        let segments: [&Segment; K] = std::array::from_fn(|at| self.directory.of(hashes[at]));
        let mut numbers: [usize; K] = std::array::from_fn(|at| segments[at].home(hashes[at]));
        let mut lines: [u32; K] = std::array::from_fn(|at| segments[at].lines.in_all(numbers[at]));
        self.touch_lines(&lines);
        let mut open = (0..K).fold(0, |open, at| open | 1_u64 << at);
        for steps in 0.. {
            if open == 0 {
                break;
            }
            let mut still = 0;
            for at in ones(open) {
                let (segment, line) = (segments[at], self.lines.of_all(lines[at]));
                let tag = segment.tag(hashes[at], tags[at]);
                if line.has_tag(tag, segment.id_bits) {
                    segment.tagged(line, tag).for_each(|(_, id)| seen(id));
                }
                still |= u64::from(line.was_full()) << at;
            }
            for at in ones(still) {
                numbers[at] = segments[at].after(hashes[at], numbers[at], steps);
                lines[at] = segments[at].lines.in_all(numbers[at]);
            }
            // Few: all of them at once.
            let early = ones(still).fold(0, |all, at| all ^ self.lines.of_all(lines[at]).0[0]);
            std::hint::black_box(early);
            open = still;
        }
    }

    /// Reads something of the first line of each hash, so that it is in the cache when it is needed.
    pub(super) fn touch<const K: usize>(&self, hashes: &[u64; K]) {
        let segments: [&Segment; K] = std::array::from_fn(|at| self.directory.of(hashes[at]));
        let lines =
            std::array::from_fn(|at| segments[at].lines.in_all(segments[at].home(hashes[at])));
        self.touch_lines::<K>(&lines);
    }

    /// One loop and nothing else in it, so that the machine waits for many lines at a time.
    fn touch_lines<const K: usize>(&self, lines: &[u32; K]) {
        let early = lines.iter().fold(0, |all, line| all ^ self.lines.of_all(*line).0[0]);
        std::hint::black_box(early);
    }

    /// Adds an entry behind the others of its hash. `owners` say the hash of any number that was put in.
    pub(super) fn push(&mut self, hash: u64, tag: u32, id: u32, owners: &impl Owners) {
        while self.directory.of(hash).is_full() {
            let segment = self.directory.of_mut(hash);
            let depth = segment.depth;
            if let Some(upper) = segment.make_room(owners, &mut self.lines) {
                self.directory.split(hash, depth.into(), upper);
            }
        }
        let segment = self.directory.of_mut(hash);
        while id >= segment.id_mask() {
            segment.widen(&mut self.lines);
        }
        segment.put(hash, segment.tag(hash, tag) << segment.id_bits | id, &mut self.lines);
    }

    /// Takes an entry out; its place is free again when the segment is rebuilt.
    pub(super) fn remove(&mut self, hash: u64, id: u32) {
        let segment = self.directory.of_mut(hash);
        let mut found = None;
        segment.walk(hash, &self.lines, |number, line| {
            let slot = line.0.iter().position(|entry| entry & segment.id_mask() == id);
            found = slot.map(|slot| number * LINE + slot);
            found.is_some()
        });
        if let Some(place) = found {
            segment.take(place, &mut self.lines);
        }
    }

    /// The owner's part of the tag under which an entry stands, if it stands under this hash.
    pub(super) fn tag_at(&self, hash: u64, id: u32) -> Option<u32> {
        let segment = self.directory.of(hash);
        let mut found = None;
        segment.walk(hash, &self.lines, |_, line| {
            found = line.0.iter().find(|entry| **entry & segment.id_mask() == id).copied();
            found.is_some()
        });
        found.map(|entry| entry >> segment.id_bits & ((1 << TAG_BITS) - 1))
    }

    /// The oldest of these places of one hash goes, the others move up, and a new entry with their tag comes last.
    pub(super) fn displace(&mut self, hash: u64, places: &[usize], id: u32) {
        let segment = self.directory.of_mut(hash);
        while id >= segment.id_mask() {
            segment.widen(&mut self.lines);
        }
        for pair in places.windows(2) {
            segment.set(pair[0], segment.at(pair[1], &self.lines), &mut self.lines);
        }
        if let Some(last) = places.last() {
            let entry = segment.at(*last, &self.lines) & !segment.id_mask() | id;
            segment.set(*last, entry, &mut self.lines);
        }
    }
}

/// Lines that hold so many entries.
const fn lines_for(entries: usize) -> usize {
    FILL.places(entries).div_ceil(LINE)
}

/// Bits for the numbers of so many entries, and for the one that stands for none.
fn id_bits_for(entries: usize) -> u8 {
    (usize::BITS - (entries + 1).leading_zeros()).clamp(ID_BITS_MIN, ID_BITS_MAX) as u8
}

/// The places of the bits that are set, the lowest first.
fn ones(bits: impl Into<u64>) -> impl Iterator<Item = usize> {
    let mut left = bits.into();
    std::iter::from_fn(move || {
        let at = (left != 0).then(|| left.trailing_zeros() as usize)?;
        left &= left - 1;
        Some(at)
    })
}

impl Segment {
    fn new(pages: usize, depth: u8, id_bits: u8, memory: &mut Memory) -> Self {
        Self { lines: Pages::new(pages, memory), used: 0, live: 0, depth, id_bits }
    }

    const fn home(&self, hash: u64) -> usize {
        self.lines.home(hash, self.depth as u32)
    }

    /// The second line of a hash, if it is not its first.
    const fn second(&self, hash: u64) -> usize {
        self.lines.home(hash.wrapping_mul(SECOND), 0)
    }

    /// The line of a hash after this one, which is the first after so many `steps`: no line twice.
    fn after(&self, hash: u64, number: usize, steps: usize) -> usize {
        let next = if steps == 0 { self.second(hash) } else { self.lines.next(number) };
        if next == self.home(hash) { self.lines.next(next) } else { next }
    }

    const fn id_mask(&self) -> u32 {
        (1 << self.id_bits) - 1
    }

    /// The tag as this segment keeps it: the owner's part, and as much of the hash as there is room for.
    const fn tag(&self, hash: u64, tag: u32) -> u32 {
        (hash as u32 >> TAG_BITS << TAG_BITS | tag) & (u32::MAX >> self.id_bits)
    }

    const fn is_full(&self) -> bool {
        FILL.is_full(self.used as usize, self.lines.places() * LINE)
    }

    fn at(&self, place: usize, memory: &Memory) -> u32 {
        self.lines.at(place / LINE, memory).0[place % LINE]
    }

    fn set(&self, place: usize, entry: u32, memory: &mut Memory) {
        self.lines.at_mut(place / LINE, memory).0[place % LINE] = entry;
    }

    /// The lines of a hash: from where its search begins to the first that never was full, until `seen` has enough.
    /// There is always one, since places are free.
    fn walk(&self, hash: u64, memory: &Memory, mut seen: impl FnMut(usize, &Line) -> bool) {
        let mut number = self.home(hash);
        for steps in 0.. {
            let line = self.lines.at(number, memory);
            if seen(number, line) || !line.was_full() {
                return;
            }
            number = self.after(hash, number, steps);
        }
    }

    /// Entries of a hash that have this tag, with their places, until `seen` has enough.
    fn walk_tagged(
        &self,
        hash: u64,
        tag: u32,
        memory: &Memory,
        mut seen: impl FnMut(usize, u32) -> bool,
    ) {
        let tag = self.tag(hash, tag);
        self.walk(hash, memory, |number, line| {
            line.has_tag(tag, self.id_bits)
                && self.tagged(line, tag).any(|(slot, id)| seen(number * LINE + slot, id))
        });
    }

    /// Places and numbers of a line that have this tag, as this segment keeps it.
    fn tagged(&self, line: &Line, tag: u32) -> impl Iterator<Item = (usize, u32)> {
        let (bits, mask) = (self.id_bits, self.id_mask());
        let tagged = line.0.iter().enumerate().filter(move |(_, entry)| *entry >> bits == tag);
        let owned = tagged.map(move |(slot, entry)| (slot, entry & mask));
        owned.filter(move |(_, id)| *id != 0 && *id != mask)
    }

    fn put(&mut self, hash: u64, entry: u32, memory: &mut Memory) {
        let mut number = self.home(hash);
        for steps in 0.. {
            let line = self.lines.at_mut(number, memory);
            let used = line.used();
            if let Some(place) = line.0.get_mut(used) {
                *place = entry;
                break;
            }
            number = self.after(hash, number, steps);
        }
        self.used += 1;
        self.live += 1;
    }

    fn take(&mut self, place: usize, memory: &mut Memory) {
        // The last entry of a line that never was full leaves no trace.
        let is_last = place % LINE + 1 < LINE && self.at(place + 1, memory) == 0;
        self.set(place, if is_last { 0 } else { self.id_mask() }, memory);
        self.used -= u32::from(is_last);
        self.live -= 1;
    }

    /// One bit more for numbers, one less for tags. Nothing moves.
    fn widen(&mut self, memory: &mut Memory) {
        let (bits, mask) = (self.id_bits, self.id_mask());
        self.id_bits += 1;
        for number in 0..self.lines.places() {
            for entry in &mut self.lines.at_mut(number, memory).0 {
                let id = *entry & mask;
                // The tag loses its first bit.
                let tagged = *entry >> bits << self.id_bits | id;
                *entry = if id == mask { self.id_mask() } else { tagged };
            }
        }
    }

    /// Lays all entries out anew, with a page more if they need it; the upper half comes back where even
    /// [`PAGES_MAX`] pages are too few.
    fn make_room(&mut self, owners: &impl Owners, memory: &mut Memory) -> Option<Self> {
        let mut entries = self.hashed(owners, memory);
        let pages = Lines::holding(lines_for(entries.len()));
        if pages <= PAGES_MAX {
            self.lay_out(pages, &entries, memory);
            return None;
        }
        let bit = 1 << (63 - self.depth);
        self.depth += 1;
        let upper: Vec<_> = entries.extract_if(.., |(hash, _)| *hash & bit != 0).collect();
        let wanted = |entries: &[_]| Lines::holding(lines_for(entries.len())).min(PAGES_MAX);
        self.lay_out(wanted(&entries), &entries, memory);
        let mut other = Self::new(wanted(&upper), self.depth, self.id_bits, memory);
        upper.iter().for_each(|(hash, entry)| other.put(*hash, *entry, memory));
        Some(other)
    }

    fn lay_out(&mut self, pages: usize, entries: &[(u64, u32)], memory: &mut Memory) {
        self.lines.reset(pages, memory);
        (self.used, self.live) = (0, 0);
        for (hash, entry) in entries {
            self.put(*hash, *entry, memory);
        }
    }

    /// All entries with an owner, with their hashes; those of one hash in their order.
    fn hashed(&self, owners: &impl Owners, memory: &Memory) -> Vec<(u64, u32)> {
        let kept = self.entries(memory);
        let mut entries = Vec::with_capacity(kept.len());
        let mut late = Vec::new();
        for some in kept.chunks(TOUCHED) {
            // What a touch brings in comes while the next is asked for: the machine waits for many at a time.
            let id = |entry: &u32| entry & self.id_mask();
            let early = some.iter().fold(0, |all, (_, entry)| all ^ owners.touch(id(entry)));
            std::hint::black_box(early);
            for (number, entry) in some {
                let hash = owners.hash(id(entry));
                if self.home(hash) == *number {
                    entries.push((hash, *entry));
                } else {
                    let steps = self.lines.places() + number - self.second(hash);
                    late.push((steps % self.lines.places(), hash, *entry));
                }
            }
        }
        late.sort_by_key(|(steps, ..)| *steps);
        entries.extend(late.into_iter().map(|(_, hash, entry)| (hash, entry)));
        entries
    }

    /// All entries with an owner, with their lines.
    fn entries(&self, memory: &Memory) -> Vec<(usize, u32)> {
        let mut entries = Vec::with_capacity(self.live as usize);
        for number in 0..self.lines.places() {
            let line = self.lines.at(number, memory);
            let owned = line.0.iter().filter(|entry| **entry != 0 && !self.is_gone(**entry));
            entries.extend(owned.map(|entry| (number, *entry)));
        }
        entries
    }

    const fn is_gone(&self, entry: u32) -> bool {
        entry & self.id_mask() == self.id_mask()
    }
}

impl Line {
    const fn was_full(&self) -> bool {
        self.0[LINE - 1] != 0
    }

    /// Places that are not free: all stand in front.
    fn used(&self) -> usize {
        self.0.iter().map(|entry| usize::from(*entry != 0)).sum()
    }

    /// Whether an entry may have this tag, four by four in the machine's vectors; most lines have none.
    #[inline]
    fn has_tag(&self, tag: u32, id_bits: u8) -> bool {
        let (wanted, tags) = (tag << id_bits, u32::MAX << id_bits);
        let mut found = [0; 4];
        for four in self.0.chunks_exact(4) {
            for (found, entry) in found.iter_mut().zip(four) {
                *found |= u32::from((entry ^ wanted) & tags == 0);
            }
        }
        found != [0; 4]
    }
}

#[cfg(test)]
mod tests;
