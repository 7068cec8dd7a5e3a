//! The memory of segments: up to 20 pages of equal size each, out of one arena. Equal pages leave no holes, a segment
//! grows by one of 11 to 20 pages, so that few places are free, and an arena grows by pieces so large that the system can
//! back them with large pages of its own.

/// Bytes of a page at most.
pub(super) const PAGE_BYTES: usize = 3072;

/// Pages of a segment; a segment that needs more is split. Rebuilding 20 pages is what the longest pause is made of:
/// 15,360 places of 4 bytes, about a millisecond. With more, smaller pages fewer places would be free, and each signature
/// would be moved more often.
pub(super) const PAGES_MAX: usize = 20;

/// Pages of one chunk: 24 MiB, so that most of it can be large pages of the machine, of 2 MiB. What of the last chunk was
/// never used is not resident.
const CHUNK_PAGES: usize = 8192;

/// How full segments are, in hundredths of their places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    /// Beyond this a segment is laid out anew: the way to a free place grows steeply.
    pub(super) full: usize,
    /// At most so full is one that was laid out anew, so that it is not soon again.
    pub(super) rebuilt: usize,
}

/// Pages of `N` places, by number.
#[derive(Debug)]
pub(super) struct Arena<E, const N: usize> {
    chunks: Vec<Vec<[E; N]>>,
    free: Vec<u32>,
}

/// The pages of one segment.
#[derive(Debug)]
pub(super) struct Pages<const N: usize> {
    numbers: [u32; PAGES_MAX],
    count: u32,
}

impl<E: Copy + Default, const N: usize> Arena<E, N> {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new() }
    }

    /// Bytes of all pages that were ever used.
    pub(super) fn memory_bytes(&self) -> usize {
        let pages =
            self.chunks.iter().map(|chunk| chunk.len() * size_of::<[E; N]>()).sum::<usize>();
        let lists = self.chunks.capacity() * size_of::<Vec<[E; N]>>();
        pages + lists + self.free.capacity() * size_of::<u32>()
    }

    fn page(&self, number: u32) -> &[E; N] {
        &self.chunks[number as usize / CHUNK_PAGES][number as usize % CHUNK_PAGES]
    }

    fn page_mut(&mut self, number: u32) -> &mut [E; N] {
        &mut self.chunks[number as usize / CHUNK_PAGES][number as usize % CHUNK_PAGES]
    }

    /// The place with this number among all of the arena.
    pub(super) fn of_all(&self, number: u32) -> &E {
        let (page, place) = (number as usize / N, number as usize % N);
        &self.chunks[page / CHUNK_PAGES][page % CHUNK_PAGES][place]
    }

    /// A page that nobody has, of empty places.
    fn take(&mut self) -> u32 {
        if let Some(number) = self.free.pop() {
            self.page_mut(number).fill(E::default());
            return number;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_PAGES) {
            self.chunks.push(Vec::with_capacity(CHUNK_PAGES));
        }
        let before = (self.chunks.len() - 1) * CHUNK_PAGES;
        let Some(last) = self.chunks.last_mut() else { return 0 };
        last.push([E::default(); N]);
        (before + last.len() - 1) as u32
    }
}

impl<const N: usize> Pages<N> {
    /// Places of a segment to which room is made ahead: a page is left for uneven hashes.
    pub(super) const AHEAD: usize = (PAGES_MAX - 1) * N;

    pub(super) fn new<E: Copy + Default>(count: usize, arena: &mut Arena<E, N>) -> Self {
        let mut pages = Self { numbers: [0; PAGES_MAX], count: 0 };
        pages.reset(count, arena);
        pages
    }

    pub(super) const fn places(&self) -> usize {
        self.count as usize * N
    }

    /// Where the search for a hash begins, when its first `depth` bits chose this segment. Grows with the hash.
    pub(super) const fn home(&self, hash: u64, depth: u32) -> usize {
        ((((hash << depth) >> 32) * (self.places() as u64)) >> 32) as usize
    }

    pub(super) fn at<'a, E: Copy + Default>(&self, place: usize, arena: &'a Arena<E, N>) -> &'a E {
        &arena.page(self.numbers[place / N])[place % N]
    }

    pub(super) fn at_mut<'a, E: Copy + Default>(
        &self,
        place: usize,
        arena: &'a mut Arena<E, N>,
    ) -> &'a mut E {
        &mut arena.page_mut(self.numbers[place / N])[place % N]
    }

    /// The number of a place among all of the arena: 2^32 lines of 64 bytes are more than any table has.
    pub(super) const fn in_all(&self, place: usize) -> u32 {
        self.numbers[place / N] * N as u32 + (place % N) as u32
    }

    pub(super) const fn next(&self, place: usize) -> usize {
        if place + 1 == self.places() { 0 } else { place + 1 }
    }

    /// Forgets all entries and has `count` pages, at most [`PAGES_MAX`].
    pub(super) fn reset<E: Copy + Default>(&mut self, count: usize, arena: &mut Arena<E, N>) {
        let (had, has) = (self.count as usize, count.min(PAGES_MAX));
        for number in self.numbers.iter().take(had.min(has)) {
            arena.page_mut(*number).fill(E::default());
        }
        for number in self.numbers.iter_mut().take(has).skip(had) {
            *number = arena.take();
        }
        arena.free.extend(self.numbers.iter().take(had).skip(has));
        self.count = has as u32;
    }

    /// Pages for so many places; more than [`PAGES_MAX`]: split.
    pub(super) const fn holding(places: usize) -> usize {
        if places == 0 { 1 } else { places.div_ceil(N) }
    }
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
