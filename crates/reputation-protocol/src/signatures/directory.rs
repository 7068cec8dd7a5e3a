//! Extendible hashing (Fagin and others 1979): segments found by the first bits of a hash. A full segment splits alone,
//! so that no growth ever moves more than one segment.

/// Segments and the way to them.
#[derive(Debug)]
pub(super) struct Directory<S> {
    /// First bits of a hash that choose a number.
    bits: u32,
    numbers: Vec<u32>,
    segments: Vec<S>,
}

impl<S> Directory<S> {
    /// 2^`bits` segments.
    pub(super) fn new(bits: u32, segment: impl FnMut() -> S) -> Self {
        let count = 1_u32 << bits;
        let segments = std::iter::repeat_with(segment).take(count as usize).collect();
        Self { bits, numbers: (0..count).collect(), segments }
    }

    pub(super) fn of(&self, hash: u64) -> &S {
        &self.segments[self.number(hash)]
    }

    pub(super) fn of_mut(&mut self, hash: u64) -> &mut S {
        let number = self.number(hash);
        &mut self.segments[number]
    }

    /// Bytes of the way, without what segments hold elsewhere.
    pub(super) const fn memory_bytes(&self) -> usize {
        self.numbers.capacity() * size_of::<u32>() + self.segments.capacity() * size_of::<S>()
    }

    /// Hashes that share their first `depth` bits with this one, and whose next bit is 1, go to a new segment.
    pub(super) fn split(&mut self, hash: u64, depth: u32, upper: S) {
        if depth == self.bits {
            self.numbers = self.numbers.iter().flat_map(|number| [*number, *number]).collect();
            self.bits += 1;
        }
        let free = self.bits - depth;
        let first = (first_bits(hash, depth) << free) + (1 << (free - 1));
        let number = u32::try_from(self.segments.len()).unwrap_or(u32::MAX);
        self.segments.push(upper);
        self.numbers[first..first + (1 << (free - 1))].fill(number);
    }

    fn number(&self, hash: u64) -> usize {
        self.numbers[first_bits(hash, self.bits)] as usize
    }
}

/// Bits that choose among so many segments that `entries` fit, `segment_max` in each.
pub(super) fn bits_for(entries: usize, segment_max: usize) -> u32 {
    entries.div_ceil(segment_max).max(1).next_power_of_two().trailing_zeros()
}

const fn first_bits(hash: u64, bits: u32) -> usize {
    // In two steps, since no bits at all would be a shift by 64.
    (hash >> 1 >> (63 - bits)) as usize
}
