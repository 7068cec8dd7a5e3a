//! Values picked out of bytes, and cuts of a stream. Both depend on the bytes alone.

/// Takes values off the front of a fuzzer's bytes; zeros once they are used up, so that every input is some value.
#[derive(Debug)]
pub struct Pick<'a> {
    rest: &'a [u8],
}

impl<'a> Pick<'a> {
    /// All of `bytes` is there to pick from.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing but zeros would come.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not picked yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.rest.split_at(self.rest.len().min(N));
        self.rest = rest;
        let mut array = [0; N];
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// A number of 16 bits.
    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    /// A number of 32 bits.
    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    /// A number of 64 bits.
    pub fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    /// One byte's worth of a number below `end`, which is 1 to 256.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One of these.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// At most `longest` bytes, below 256; their number stands before them.
    pub fn bytes(&mut self, longest: usize) -> &'a [u8] {
        let length = self.below(longest + 1).min(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// At most `longest` bytes as text.
    pub fn text(&mut self, longest: usize) -> String {
        String::from_utf8_lossy(self.bytes(longest)).into_owned()
    }
}

/// Cuts a stream at places that depend on its first bytes and its length.
#[derive(Debug)]
pub struct Cuts(u64);

/// Bytes that decide on the cuts. Not all: a fuzzer that changes one byte must see what that byte does.
const DECIDING_BYTES: usize = 16;

impl Cuts {
    /// The cuts of this stream.
    #[must_use]
    pub fn of(stream: &[u8]) -> Self {
        // FNV-1a, 64 bits.
        let mut seed = 0xcbf2_9ce4_8422_2325_u64 ^ stream.len() as u64;
        for byte in stream.iter().take(DECIDING_BYTES) {
            seed = (seed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(seed | 1)
    }

    /// A number below `end` (xorshift64*).
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }

    /// The next piece of `rest`, which shrinks by it; `None` at its end. Short and long pieces take turns.
    pub fn next<'a>(&mut self, rest: &mut &'a [u8]) -> Option<&'a [u8]> {
        if rest.is_empty() {
            return None;
        }
        let longest = [1, 2, 7, 60, 4000][self.below(5)];
        let (piece, behind) = rest.split_at(rest.len().min(1 + self.below(longest)));
        *rest = behind;
        Some(piece)
    }

    /// All pieces of `stream`.
    pub fn pieces<'a>(&mut self, stream: &'a [u8]) -> Vec<&'a [u8]> {
        let mut rest = stream;
        std::iter::from_fn(|| self.next(&mut rest)).collect()
    }
}

/// Bytes that a person reads when two of them differ.
#[derive(Default, PartialEq, Eq)]
pub struct Shown(pub Vec<u8>);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// An instant to count from: the only look at a clock. What a target does must not depend on it.
#[must_use]
pub fn start() -> std::time::Instant {
    std::time::Instant::now()
}
