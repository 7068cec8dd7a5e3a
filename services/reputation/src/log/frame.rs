//! Frames on disk: `length u32 | checksum 16 | payload`, big-endian. The checksum is BLAKE3 over length and payload, cut
//! to 128 bits.
//!
//! One commit is one frame, written by one call and, in a segment `log-`, synchronised before the next begins. So a frame
//! that is bad while a good one stands anywhere behind it was damaged after it had been acknowledged. A bad one with
//! nothing good behind it is taken for a write that was torn before it was acknowledged.

use std::io::{self, Read};

/// Bytes of one payload: a commit of [`crate::writes::CHANGES_PER_COMMIT_MAX`] changes has 0.8 MB.
pub const PAYLOAD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes before the payload.
pub const HEAD_BYTES: usize = 4 + CHECKSUM_BYTES;

const CHECKSUM_BYTES: usize = 16;

/// Adds a frame around `payload` to `out`.
pub fn push(out: &mut Vec<u8>, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(length, payload));
    out.extend_from_slice(payload);
}

/// What stands next in a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A whole frame.
    Payload(Vec<u8>),
    /// The end, right after a whole frame.
    End,
    /// Something else: cut short, or damaged.
    Bad,
}

/// Reads frames one after the other.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    at: u64,
}

impl<R: Read> Reader<R> {
    /// Reads from `source`, which stands at offset `at` of its file.
    pub const fn new(source: R, at: u64) -> Self {
        Self { source, at }
    }

    /// Offset after the last whole frame.
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// The next frame.
    ///
    /// # Errors
    /// The disk's.
    pub fn frame(&mut self) -> io::Result<Next> {
        let mut head = [0; HEAD_BYTES];
        match fill(&mut self.source, &mut head)? {
            0 => return Ok(Next::End),
            HEAD_BYTES => {}
            _ => return Ok(Next::Bad),
        }
        let (length, expected) = head.split_at(4);
        let length = [length[0], length[1], length[2], length[3]];
        let bytes = u32::from_be_bytes(length) as usize;
        // An empty payload is never written; a file system that lost data reads as zeros.
        if bytes == 0 || bytes > PAYLOAD_BYTES_MAX {
            return Ok(Next::Bad);
        }
        let mut payload = vec![0; bytes];
        let end = self.at + (HEAD_BYTES + bytes) as u64;
        if fill(&mut self.source, &mut payload)? < bytes {
            return Ok(Next::Bad);
        }
        if checksum(length, &payload) != *expected {
            return Ok(Next::Bad);
        }
        self.at = end;
        Ok(Next::Payload(payload))
    }
}

/// The payload of `bytes` when they are one whole frame and nothing else.
#[must_use]
pub fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let payload = frame_payload(bytes, |_| true)?;
    (HEAD_BYTES + payload.len() == bytes.len()).then_some(payload)
}

/// Bytes of the payload that a frame's head promises; none when no head promises so many.
pub(super) fn payload_length(head: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(*head.first_chunk()?) as usize;
    (1..=PAYLOAD_BYTES_MAX).contains(&length).then_some(length)
}

/// Whether a whole frame stands at any offset of `bytes`. A damaged length hides where the next frame begins, so every
/// offset is tried; `may_begin` says of a payload whether its beginning is worth the checksum.
pub fn any_in(bytes: &[u8], may_begin: impl Fn(&[u8]) -> bool) -> bool {
    (0..bytes.len()).any(|at| frame_payload(&bytes[at..], &may_begin).is_some())
}

fn frame_payload(bytes: &[u8], may_begin: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<CHECKSUM_BYTES>()?;
    let count = u32::from_be_bytes(*length) as usize;
    if count == 0 || count > PAYLOAD_BYTES_MAX {
        return None;
    }
    let payload = rest.get(..count)?;
    (may_begin(payload) && checksum(*length, payload) == *expected).then_some(payload)
}

/// Fills `buffer` as far as the source goes; how far.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn checksum(length: [u8; 4], payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&length).update(payload);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..CHECKSUM_BYTES]);
    sum
}
