//! base64 (RFC 2045 section 6.8), read the way mail programs do: junk is skipped, padding ends a quantum only.

/// Decoded bytes collected before they are given out.
const OUT_BYTES: usize = 768;

const SKIP: u8 = 64;
const PAD: u8 = 65;
const JUNK: u8 = 66;

const TABLE: [u8; 256] = table();

const fn table() -> [u8; 256] {
    let mut table = [JUNK; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0;
    while value < 64 {
        table[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    table[b'=' as usize] = PAD;
    table[b' ' as usize] = SKIP;
    table[b'\t' as usize] = SKIP;
    table[b'\r' as usize] = SKIP;
    table[b'\n' as usize] = SKIP;
    table
}

/// Bits of an open quantum, and what went wrong so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base64 {
    bits: u32,
    characters: u8,
    padded: bool,
    broken: bool,
    /// Whether padding or junk came: there decoders of another make stop.
    stopped: bool,
}

impl Base64 {
    pub(crate) fn push(&mut self, raw: &[u8], out: &mut dyn FnMut(&[u8])) {
        let mut rest = raw;
        while !rest.is_empty() {
            rest = &rest[self.push_to_stop(rest, out)..];
        }
    }

    /// Whether a decoder of another make would have stopped before now.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Takes bytes up to the first padding or junk, once; says how many.
    pub(crate) fn push_to_stop(&mut self, raw: &[u8], out: &mut dyn FnMut(&[u8])) -> usize {
        let mut buffer = [0; OUT_BYTES];
        let mut filled = 0;
        let mut rest = raw;
        while !rest.is_empty() {
            if self.characters == 0 && !self.padded {
                let (used, made) = whole_quanta(rest, &mut buffer[filled..]);
                rest = &rest[used..];
                filled += made;
            }
            if let Some((&byte, behind)) = rest.split_first() {
                let stopped = self.stopped;
                filled += self.byte(byte, &mut buffer[filled..]);
                rest = behind;
                if self.stopped && !stopped {
                    break;
                }
            }
            if filled + 3 > OUT_BYTES {
                out(&buffer[..filled]);
                filled = 0;
            }
        }
        if filled > 0 {
            out(&buffer[..filled]);
        }
        raw.len() - rest.len()
    }

    /// Takes one character; writes at most three bytes and says how many.
    fn byte(&mut self, byte: u8, buffer: &mut [u8]) -> usize {
        match TABLE[usize::from(byte)] {
            SKIP => 0,
            JUNK => {
                (self.broken, self.stopped) = (true, true);
                0
            }
            PAD => {
                (self.padded, self.stopped) = (true, true);
                self.close(buffer)
            }
            value => {
                self.broken |= self.padded;
                self.bits = self.bits << 6 | u32::from(value);
                self.characters += 1;
                if self.characters < 4 {
                    return 0;
                }
                let [_, a, b, c] = self.bits.to_be_bytes();
                buffer[..3].copy_from_slice(&[a, b, c]);
                (self.bits, self.characters) = (0, 0);
                3
            }
        }
    }

    /// Ends an open quantum.
    fn close(&mut self, buffer: &mut [u8]) -> usize {
        let (bits, characters) = (self.bits, self.characters);
        (self.bits, self.characters) = (0, 0);
        match characters {
            2 => {
                buffer[0] = (bits >> 4) as u8;
                1
            }
            3 => {
                buffer[..2].copy_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]);
                2
            }
            1 => {
                self.broken = true;
                0
            }
            _ => 0,
        }
    }

    pub(crate) fn finish(&mut self, out: &mut dyn FnMut(&[u8])) -> bool {
        let mut buffer = [0; 3];
        self.broken |= self.characters > 0;
        let made = self.close(&mut buffer);
        out(&buffer[..made]);
        self.broken
    }
}

/// Decodes groups of four letters while nothing else comes: the inside of lines, where nearly all bytes are.
fn whole_quanta(raw: &[u8], buffer: &mut [u8]) -> (usize, usize) {
    let (mut used, mut made) = (0, 0);
    for (four, three) in raw.chunks_exact(4).zip(buffer.chunks_exact_mut(3)) {
        let [a, b, c, d] =
            [four[0], four[1], four[2], four[3]].map(|byte| TABLE[usize::from(byte)]);
        if (a | b | c | d) >= SKIP {
            break;
        }
        let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
        three.copy_from_slice(&bits.to_be_bytes()[1..]);
        used += 4;
        made += 3;
    }
    (used, made)
}
