//! The bytes of head, index and foot.

use tamis_domain::digest::SignatureKind;

use crate::log::record::fields::Fields;
use crate::log::record::{KEY_BYTES, Key, push_position};
use crate::log::{Position, frame};

/// Since 3, records tell what was said of the sketch that is stored.
const FORMAT: u8 = 3;

/// Bytes of saved signatures after which a block is closed: what one look-up reads and verifies (20 microseconds), and
/// what one entry of the index, 21 bytes, stands for.
pub const BLOCK_BYTES: usize = 32 * 1024;

/// Bytes of the frame that a snapshot begins with.
pub(super) const HEAD_FRAME_BYTES: u64 = frame::HEAD_BYTES as u64 + 9;

/// Bytes behind the foot.
pub(super) const TRAILER_BYTES: u64 = 16;

const MAGIC: &[u8; 8] = b"tamis sn";

const ENTRY_BYTES: usize = KEY_BYTES + 8;

/// Entries in one frame of the index.
pub(super) const ENTRIES_PER_FRAME: usize = BLOCK_BYTES / ENTRY_BYTES;

/// The shortest record of a signature, and what a sketch adds: no file holds more than its length allows.
const SAVED_BYTES_MIN: u64 = 17 + 1 + 8 + 1;
const SKETCH_BYTES: u64 = 64;

/// Signatures of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The kind.
    pub kind: SignatureKind,
    /// How many.
    pub signatures: u64,
    /// How many of them have a sketch.
    pub sketched: u64,
}

/// What stands at the end: `3 | epoch u64 | 0, or 1 | ms u64 | seq u64 | segment u32 | offset of the reporters u64 | offset of
/// the index u64 | reporters u32 | (kind u8 | signatures u64 | sketched u64) ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foot {
    /// Epoch of the table.
    pub epoch: u64,
    /// Place in the shared order.
    pub position: Option<Position>,
    /// Number of the first segment after it, among those that begin at this epoch.
    pub segment: u32,
    /// Where the blocks end and the reporters begin.
    pub reporters_at: u64,
    /// Where the reporters end and the index begins.
    pub index_at: u64,
    /// How many reporters.
    pub reporters: u32,
    /// How many signatures.
    pub counts: Vec<Count>,
}

impl Foot {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.push(u8::from(self.position.is_some()));
        if let Some(position) = self.position {
            push_position(&mut out, position);
        }
        out.extend_from_slice(&self.segment.to_be_bytes());
        out.extend_from_slice(&self.reporters_at.to_be_bytes());
        out.extend_from_slice(&self.index_at.to_be_bytes());
        out.extend_from_slice(&self.reporters.to_be_bytes());
        for count in &self.counts {
            out.push(count.kind.code());
            out.extend_from_slice(&count.signatures.to_be_bytes());
            out.extend_from_slice(&count.sketched.to_be_bytes());
        }
        out
    }

    /// Reads the foot that stands at `foot_at`; none when it is none, or promises more than fits before it.
    #[must_use]
    pub fn read(payload: &[u8], foot_at: u64) -> Option<Self> {
        let mut fields = Fields(payload);
        if fields.u8()? != FORMAT {
            return None;
        }
        let epoch = fields.u64()?;
        let position = match fields.u8()? {
            0 => None,
            1 => Some(fields.position()?),
            _ => return None,
        };
        let segment = fields.u32()?;
        let (reporters_at, index_at) = (fields.u64()?, fields.u64()?);
        let reporters = fields.u32()?;
        let mut counts: Vec<Count> = Vec::new();
        while !fields.0.is_empty() {
            let kind = SignatureKind::from_code(fields.u8()?)?;
            let count = Count { kind, signatures: fields.u64()?, sketched: fields.u64()? };
            if counts.last().is_some_and(|last| last.kind.code() >= kind.code()) {
                return None;
            }
            counts.push(count);
        }
        let foot = Self { epoch, position, segment, reporters_at, index_at, reporters, counts };
        foot.fits(foot_at).then_some(foot)
    }

    fn fits(&self, foot_at: u64) -> bool {
        let least = self.counts.iter().try_fold(0_u64, |least, count| {
            let plain = count.signatures.checked_mul(SAVED_BYTES_MIN)?;
            let sketches = count.sketched.checked_mul(SKETCH_BYTES)?;
            least.checked_add(plain)?.checked_add(sketches)
        });
        HEAD_FRAME_BYTES <= self.reporters_at
            && self.reporters_at <= self.index_at
            && self.index_at <= foot_at
            && least.is_some_and(|least| least <= self.reporters_at)
            && self.counts.iter().all(|count| count.sketched <= count.signatures)
    }
}

/// One block: its first key and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub first: Key,
    pub at: u64,
}

pub(super) fn head(epoch: u64) -> Vec<u8> {
    let mut out = vec![FORMAT];
    out.extend_from_slice(&epoch.to_be_bytes());
    out
}

/// The format of a head that another version wrote.
pub(super) fn other_format(head: &[u8]) -> Option<u8> {
    let first = head.first().copied().filter(|_| head.len() == head_bytes());
    first.filter(|format| (1..FORMAT).contains(format))
}

const fn head_bytes() -> usize {
    HEAD_FRAME_BYTES as usize - frame::HEAD_BYTES
}

pub(super) fn read_head(payload: &[u8]) -> Option<u64> {
    let mut fields = Fields(payload);
    let format = fields.u8()?;
    let epoch = fields.u64()?;
    (format == FORMAT && fields.0.is_empty()).then_some(epoch)
}

pub(super) fn push_entry(out: &mut Vec<u8>, entry: &IndexEntry) {
    out.extend_from_slice(&entry.first.0);
    out.extend_from_slice(&entry.at.to_be_bytes());
}

pub(super) fn read_index(payload: &[u8]) -> Option<Vec<IndexEntry>> {
    let mut fields = Fields(payload);
    let mut entries = Vec::with_capacity(payload.len() / ENTRY_BYTES);
    while !fields.0.is_empty() {
        entries.push(IndexEntry { first: Key(fields.array()?), at: fields.u64()? });
    }
    Some(entries)
}

/// Whether these are blocks one after the other, in order, that fill what lies between the head and `end`.
pub(super) fn is_index(index: &[IndexEntry], end: u64) -> bool {
    let first_at = index.first().map_or(end, |entry| entry.at);
    let last_at = index.last().map_or(0, |entry| entry.at);
    let is_ascending =
        index.windows(2).all(|two| two[0].first < two[1].first && two[0].at < two[1].at);
    first_at == HEAD_FRAME_BYTES && (index.is_empty() || last_at < end) && is_ascending
}

pub(super) fn trailer(foot_at: u64) -> [u8; TRAILER_BYTES as usize] {
    let mut out = [0; TRAILER_BYTES as usize];
    out[..8].copy_from_slice(&foot_at.to_be_bytes());
    out[8..].copy_from_slice(MAGIC);
    out
}

pub(super) fn foot_at(trailer: &[u8]) -> Option<u64> {
    let mut fields = Fields(trailer);
    let at = fields.u64()?;
    (fields.0 == MAGIC).then_some(at)
}
