//! Small damage to a seed, always the same for the same place.

/// Words on which decoders branch.
const WORDS: [&[u8]; 22] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b".\r\n",
    b"\r\n.\r\n",
    b"\n.\n",
    b"--",
    b"=",
    b"=\r\n",
    b"=?utf-8?q?",
    b"?=",
    b";",
    b":",
    b"<>",
    b"\"",
    b"\\",
    b"\xff\xff\xff\xff",
    b"\x80",
    b"\xe2\x80\x8b",
    b"\r\n\r\n",
    b"%00",
];

/// A seeded generator (xorshift64*).
struct Seeded(u64);

impl Seeded {
    /// One run of numbers for each place (FNV-1a of its name).
    fn of(place: &str) -> Self {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(place.bytes().fold(0xcbf2_9ce4_8422_2325, mix) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }
}

/// Longest mutation: pasting must not double a seed again and again.
const BYTES_MAX: usize = 64 * 1024;

/// One to eight kinds of damage, one after the other. `others` are the seeds to splice with.
pub fn mutation(seed: &[u8], others: &[&[u8]], place: &str) -> Vec<u8> {
    let mut seeded = Seeded::of(place);
    let mut bytes = seed.to_vec();
    for _ in 0..1 << seeded.below(4) {
        damage(&mut bytes, others, &mut seeded);
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

fn damage(bytes: &mut Vec<u8>, others: &[&[u8]], seeded: &mut Seeded) {
    let at = seeded.below(bytes.len() + 1);
    let to = at + seeded.below((bytes.len() - at).min(64) + 1);
    match seeded.below(9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << seeded.below(8),
        1 if at < bytes.len() => bytes[at] = seeded.below(256) as u8,
        2 => bytes.insert(at, seeded.below(256) as u8),
        3 => drop(bytes.drain(at..to)),
        4 => bytes.truncate(at),
        5 => paste(bytes, at, WORDS[seeded.below(WORDS.len())]),
        6 => {
            let piece = bytes[at..to].repeat(1 + seeded.below(8));
            paste(bytes, seeded.below(at + 1), &piece);
        }
        7 => {
            let other = others[seeded.below(others.len())];
            bytes.truncate(at);
            bytes.extend_from_slice(&other[seeded.below(other.len() + 1)..]);
        }
        _ => {
            let number = [0, 1, 0x7f, 0x80, 0xff][seeded.below(5)];
            bytes.iter_mut().skip(at).take(1 + to % 4).for_each(|byte| *byte = number);
        }
    }
}

fn paste(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}
