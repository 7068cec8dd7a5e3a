//! The memory of one segment: up to 16 pages of equal size. Equal pages leave no holes in the heap, and a segment grows
//! by one of 9 to 16 pages, so that few places are free.

/// Bytes of a page at most: with the allocator's own word it fills one page of the machine.
pub(super) const PAGE_BYTES: usize = 4080;

/// Pages of a segment; a segment that needs more is split. Rebuilding 16 pages is what the longest pause is made of:
/// 16,128 places of 4 bytes, well below a millisecond.
pub(super) const PAGES_MAX: usize = 16;

/// How full segments are, in hundredths of their places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    /// Beyond this a segment is laid out anew: the way to a free place grows steeply.
    pub(super) full: usize,
    /// At most so full is one that was laid out anew, so that it is not soon again.
    pub(super) rebuilt: usize,
}

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
        ((((hash << depth) >> 32) * (self.places() as u64)) >> 32) as usize
    }

    pub(super) fn get(&self, place: usize) -> Option<&E> {
        self.pages[place / N].as_ref().map(|page| &page[place % N])
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut E> {
        self.pages[place / N].as_mut().map(|page| &mut page[place % N])
    }

    pub(super) fn at(&self, place: usize) -> E {
        self.pages[place / N].as_ref().map_or_else(E::default, |page| page[place % N])
    }

    pub(super) fn set(&mut self, place: usize, entry: E) {
        if let Some(page) = &mut self.pages[place / N] {
            page[place % N] = entry;
        }
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

    /// Pages for so many places; more than [`PAGES_MAX`]: split.
    pub(super) const fn holding(places: usize) -> usize {
        if places == 0 { 1 } else { places.div_ceil(N) }
    }

    /// Places of a segment to which room is made ahead: a page is left for uneven hashes.
    pub(super) const AHEAD: usize = (PAGES_MAX - 1) * N;
}

impl Fill {
    /// Whether one entry more than `used` would be too many for `places`.
    pub(super) const fn is_full(self, used: usize, places: usize) -> bool {
        used * 100 >= places * self.full
    }

    /// Places for so many entries.
    pub(super) const fn places(self, entries: usize) -> usize {
        (entries * 100).div_ceil(self.rebuilt)
    }
}
