//! The memory of one segment: up to 16 pages of equal size. Equal pages leave no holes in the heap, and a segment grows
//! by one of 9 to 16 pages, so that places stay 82 to 92 % full.

/// Bytes of a page at most: with the allocator's own word it fills one page of the machine.
pub(super) const PAGE_BYTES: usize = 4080;

/// Pages of a segment; a segment that needs more is split. Rebuilding 16 pages is what the longest pause is made of:
/// 16,320 places of 4 bytes, well below a millisecond.
pub(super) const PAGES_MAX: usize = 16;

/// Places of a segment that may be taken, in hundredths: beyond it the way to a free place grows steeply.
const FULL_PERCENT: usize = 92;

/// Share that is taken after a segment was rebuilt, at most: so much room that it is not rebuilt soon again.
const REBUILT_PERCENT: usize = 88;

/// `N` places a page.
#[derive(Debug)]
pub(super) struct Pages<E, const N: usize> {
    pages: [Option<Box<[E; N]>>; PAGES_MAX],
    count: usize,
}

impl<E: Copy + Default, const N: usize> Pages<E, N> {
    pub(super) fn new(count: usize) -> Self {
        let mut pages = Self { pages: [const { None }; PAGES_MAX], count: 0 };
        pages.reset(count);
        pages
    }

    pub(super) const fn places(&self) -> usize {
        self.count * N
    }

    /// Where the search for a hash begins, when its first `depth` bits chose this segment. Grows with the hash.
    pub(super) const fn home(&self, hash: u64, depth: u32) -> usize {
        (((hash << depth) >> 32) * (self.places() as u64) >> 32) as usize
    }

    pub(super) fn at(&self, place: usize) -> E {
        self.pages[place / N].as_ref().map_or_else(E::default, |page| page[place % N])
    }

    pub(super) fn set(&mut self, place: usize, entry: E) {
        if let Some(page) = &mut self.pages[place / N] {
            page[place % N] = entry;
        }
    }

    /// Entries from this place to the end of its page.
    pub(super) fn rest(&self, place: usize) -> &[E] {
        self.pages[place / N].as_ref().map_or(&[], |page| &page[place % N..])
    }

    pub(super) const fn next(&self, place: usize) -> usize {
        if place + 1 == self.places() { 0 } else { place + 1 }
    }

    /// Forgets all entries and has `count` pages, at most [`PAGES_MAX`].
    pub(super) fn reset(&mut self, count: usize) {
        for (number, page) in self.pages.iter_mut().enumerate() {
            if number >= count {
                *page = None;
            } else if let Some(page) = page {
                page.fill(E::default());
            } else {
                *page = Some(Box::new([E::default(); N]));
            }
        }
        self.count = count.min(PAGES_MAX);
    }

    pub(super) const fn memory_bytes(&self) -> usize {
        self.count * size_of::<[E; N]>()
    }

    /// Whether one entry more than `used` would be too many.
    pub(super) const fn is_full(&self, used: usize) -> bool {
        used * 100 >= self.places() * FULL_PERCENT
    }

    /// Pages for so many entries; more than [`PAGES_MAX`]: split.
    pub(super) fn wanted(entries: usize) -> usize {
        (entries * 100).div_ceil(REBUILT_PERCENT * N).max(1)
    }

    /// Entries that one segment takes when room is made ahead: a page is left for uneven hashes.
    pub(super) const fn ahead() -> usize {
        (PAGES_MAX - 1) * N * REBUILT_PERCENT / 100
    }
}
