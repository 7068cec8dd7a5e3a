//! What reading documents may cost: one budget for a mail, one allowance for each document.
//!
//! Work is counted in bytes that pass a reader: packed ones, unpacked ones, and those read again. Bytes that are only
//! passed over count an eighth ([`Work::pass`]). It is the same on every machine, so what is cut is the same for everybody.

use flate2::bufread::{DeflateDecoder, ZlibDecoder};
use std::io::Read;

/// Documents of one mail that are read. Tenders and court files have twenty.
pub const DOCUMENTS_MAX: usize = 32;

/// Work for one document. Four million bytes of markup are some 20 ms, and the text of a novel.
pub const DOCUMENT_WORK_MAX: u64 = 4 * 1024 * 1024;

/// Work for all documents of one mail.
pub const WORK_SUM_MAX: u64 = 2 * DOCUMENT_WORK_MAX;

/// Bytes to which one packed stream is unpacked, and that are kept of one stream of a compound file.
pub const STREAM_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Unpacked bytes for each packed one from which on a stream of more than [`BOMB_BYTES_MIN`] is a bomb. Sheets of
/// numbers reach 60; DEFLATE ends at 1032.
pub const BOMB_RATIO_MIN: u64 = 250;

/// Unpacked bytes below which nothing is a bomb: a blank page of pixels packs as well as one.
pub const BOMB_BYTES_MIN: u64 = 1024 * 1024;

/// Bytes taken from an inflater at once.
const CHUNK_BYTES: usize = 32 * 1024;

/// What the documents of one mail may still cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    documents_left: usize,
    work_left: u64,
    left_out: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { documents_left: DOCUMENTS_MAX, work_left: WORK_SUM_MAX, left_out: 0 }
    }
}

impl Budget {
    /// Documents that were not read, or not as far as a mail's only document would have been.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// Work done so far, in bytes.
    #[must_use]
    pub const fn spent(&self) -> u64 {
        WORK_SUM_MAX - self.work_left
    }

    /// The allowance of one more document, if there is room for it.
    pub(crate) fn allow(&mut self) -> Option<Work> {
        if self.documents_left == 0 || self.work_left == 0 {
            self.left_out += 1;
            return None;
        }
        self.documents_left -= 1;
        let allowed = self.work_left.min(DOCUMENT_WORK_MAX);
        Some(Work { allowed, left: allowed, cuts: Vec::new() })
    }

    /// Takes back what a document did not use.
    pub(crate) fn settle(&mut self, work: &Work) {
        self.work_left -= work.allowed - work.left;
        // Another mail, with room, would have seen more of it.
        if work.allowed < DOCUMENT_WORK_MAX && work.cuts.contains(&Cut::Work) {
            self.left_out += 1;
        }
    }
}

/// Why something of a document was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cut {
    /// The allowance was used up.
    Work,
    /// More text than is kept.
    Text,
    /// One packed stream was longer than [`STREAM_BYTES_MAX`].
    Stream,
    /// It unpacks to far more than it weighs, or its entries lie upon each other.
    Bomb,
    /// More entries, objects, pages, fonts or forms than are looked at.
    Count,
    /// Nested deeper than is followed.
    Depth,
}

/// The allowance of one document.
#[derive(Clone, Debug)]
pub struct Work {
    allowed: u64,
    left: u64,
    cuts: Vec<Cut>,
}

impl Work {
    /// Counts so many bytes of work. `false` if the allowance does not hold them: then nothing more is done.
    pub fn spend(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.left = 0;
                self.cut(Cut::Work);
                false
            }
        }
    }

    /// Counts bytes that are only searched or passed over: an eighth of those that are read.
    pub fn pass(&mut self, bytes: usize) -> bool {
        self.spend(bytes / 8)
    }

    /// As many of the bytes as the allowance holds.
    pub fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let fits = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        self.spend(fits);
        if fits < bytes.len() {
            self.cut(Cut::Work);
        }
        &bytes[..fits]
    }

    /// Whether half of the allowance of one document is used up.
    #[must_use]
    pub const fn is_half_spent(&self) -> bool {
        self.left < DOCUMENT_WORK_MAX / 2
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Notes that something was not read.
    pub fn cut(&mut self, why: Cut) {
        if !self.cuts.contains(&why) {
            self.cuts.push(why);
        }
    }

    /// What was cut, in order of discovery.
    #[must_use]
    pub fn cuts(&self) -> &[Cut] {
        &self.cuts
    }
}

/// How a stream is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// RFC 1951, as in ZIP.
    Deflate,
    /// RFC 1950, as in PDF.
    Zlib,
}

/// Unpacks a stream within its limits. Of a damaged one comes what stands before the damage, as readers show it.
#[must_use]
pub fn unpack(packed: &[u8], packing: Packing, work: &mut Work) -> Vec<u8> {
    match packing {
        Packing::Deflate => drain(DeflateDecoder::new(packed), DeflateDecoder::total_in, work),
        Packing::Zlib => {
            let out = drain(ZlibDecoder::new(packed), ZlibDecoder::total_in, work);
            // Writers of broken headers exist, and readers that look past them.
            if out.is_empty() && packed.len() > 2 {
                let decoder = DeflateDecoder::new(&packed[2..]);
                return drain(decoder, DeflateDecoder::total_in, work);
            }
            out
        }
    }
}

/// Unpacks; `taken` says how many packed bytes a decoder has taken so far.
fn drain<D: Read>(mut decoder: D, taken: fn(&D) -> u64, work: &mut Work) -> Vec<u8> {
    let mut out = Vec::new();
    let mut counted = 0;
    loop {
        let start = out.len();
        let room = CHUNK_BYTES.min(STREAM_BYTES_MAX + 1 - start);
        out.resize(start + room, 0);
        let count = decoder.read(&mut out[start..]).unwrap_or_default();
        out.truncate(start + count);
        if out.len() as u64 > BOMB_BYTES_MIN.max(BOMB_RATIO_MIN * taken(&decoder)) {
            work.cut(Cut::Bomb);
            return out;
        }
        if out.len() > STREAM_BYTES_MAX {
            out.truncate(STREAM_BYTES_MAX);
            work.cut(Cut::Stream);
            return out;
        }
        let packed = taken(&decoder) - counted;
        counted += packed;
        if !work.spend(count + packed as usize) || count == 0 {
            return out;
        }
    }
}

#[cfg(test)]
mod tests;
