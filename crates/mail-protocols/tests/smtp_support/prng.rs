//! Numbers from a seed, so that each run is the same run.

pub struct Prng(u64);

impl Prng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// A number under `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Cuts `bytes` at random places.
    pub fn split<'a>(&mut self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let (mut parts, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let longest = [1, 3, 40, 4000][self.below(4)];
            let (part, after) = rest.split_at(rest.len().min(1 + self.below(longest)));
            parts.push(part);
            rest = after;
        }
        parts
    }
}
