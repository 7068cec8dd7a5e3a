//! All histories in one file, sorted, so that one is found by reading one block and the log before it can go.
//!
//! Frames, see [`super::frame`]: head `3 | epoch u64`; blocks of saved signatures in ascending order of kind and value;
//! reporters; the index, `first key 13 | offset u64` of each block; the foot, see [`Foot`]. Then `offset of the foot u64 |
//! "tamis sn"`. It is written beside, synchronised and renamed, so that it is there whole or not at all. Of the index, less
//! than a thousandth of the data, one copy is held in memory.

mod format;
mod load;
mod write;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tamis_domain::digest::SignatureKind;
use tamis_reputation_protocol::signatures::{ReporterRecord, Saved, Table};

use super::frame;
use super::record::{self, Key, saved_records};
use super::{OpenError, Position};
pub use format::{BLOCK_BYTES, Count, Foot};
use format::{HEAD_FRAME_BYTES, IndexEntry, TRAILER_BYTES};
pub use write::Writer;

/// A snapshot that is open. The file may be unlinked meanwhile; it is read all the same.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    file: File,
    bytes: u64,
    foot: Foot,
    index: Vec<IndexEntry>,
}

impl Snapshot {
    /// Opens a snapshot: foot and index are read and verified, blocks are when they are used.
    ///
    /// # Errors
    /// The disk's, or damage.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(OpenError::io(path))?;
        let bytes = file.metadata().map_err(OpenError::io(path))?.len();
        let damaged = |at, what: &str| OpenError::damaged(path, at, what);
        let trailer_at =
            bytes.checked_sub(TRAILER_BYTES).ok_or_else(|| damaged(0, "it is too short"))?;
        let mut trailer = [0; TRAILER_BYTES as usize];
        file.read_exact_at(&mut trailer, trailer_at).map_err(OpenError::io(path))?;
        let head = framed(&file, 0, HEAD_FRAME_BYTES).map_err(OpenError::io(path))?;
        if let Some(format) = head.as_deref().and_then(format::other_format) {
            return Err(OpenError::Format { path: path.to_path_buf(), format });
        }
        let foot_at = format::foot_at(&trailer)
            .filter(|at| (HEAD_FRAME_BYTES..trailer_at).contains(at))
            .ok_or_else(|| damaged(trailer_at, "no snapshot ends so"))?;
        let foot = framed(&file, foot_at, trailer_at)
            .map_err(OpenError::io(path))?
            .and_then(|payload| Foot::read(&payload, foot_at))
            .ok_or_else(|| damaged(foot_at, "its foot is damaged"))?;
        if head.as_deref().and_then(format::read_head) != Some(foot.epoch) {
            return Err(damaged(0, "no snapshot begins so"));
        }
        let mut snapshot = Self { path: path.to_path_buf(), file, bytes, foot, index: Vec::new() };
        snapshot.read_index(foot_at)?;
        Ok(snapshot)
    }

    fn read_index(&mut self, foot_at: u64) -> Result<(), OpenError> {
        let mut at = self.foot.index_at;
        while at < foot_at {
            let payload = self.frame_at(at, foot_at)?;
            let entries = format::read_index(&payload);
            self.index.extend(entries.ok_or_else(|| self.damaged(at, "no index stands here"))?);
            at += (frame::HEAD_BYTES + payload.len()) as u64;
        }
        if !format::is_index(&self.index, self.foot.reporters_at) {
            return Err(self.damaged(self.foot.index_at, "its index contradicts itself"));
        }
        Ok(())
    }

    /// Epoch of the table that it holds.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.foot.epoch
    }

    /// Its place in the shared order, if there is one.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        self.foot.position
    }

    /// Number of the first segment after it, among those that begin at its epoch.
    pub(super) const fn segment(&self) -> u32 {
        self.foot.segment
    }

    /// Signatures by kind.
    #[must_use]
    pub fn counts(&self) -> &[Count] {
        &self.foot.counts
    }

    /// Its size.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it was opened. It may have been replaced since.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file, to send it elsewhere: fills `buffer` as far as the file goes; how far.
    ///
    /// # Errors
    /// The disk's.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// The history of the signature with this kind and beginning of its value.
    ///
    /// # Errors
    /// The disk's, or damage in the one block that is read.
    pub fn find(
        &self,
        kind: SignatureKind,
        value_prefix: &[u8; 12],
    ) -> Result<Option<Saved>, OpenError> {
        self.find_key(Key::new(kind, value_prefix))
    }

    pub(super) fn find_key(&self, key: Key) -> Result<Option<Saved>, OpenError> {
        let behind = self.index.partition_point(|entry| entry.first <= key);
        let Some(number) = behind.checked_sub(1) else { return Ok(None) };
        let block = self.block(number)?;
        let at = self.index[number].at;
        for saved in saved_records(&block) {
            let saved = saved.ok_or_else(|| self.damaged(at, "no such record"))?;
            if saved.key > key {
                break;
            }
            if saved.key == key {
                let read = record::read_saved(saved.bytes).and_then(|mut all| all.pop());
                return read.map(Some).ok_or_else(|| self.damaged(at, "no such record"));
            }
        }
        Ok(None)
    }

    /// Blocks of saved signatures.
    pub(crate) const fn blocks(&self) -> usize {
        self.index.len()
    }

    /// The payload of one block, verified.
    pub(crate) fn block(&self, number: usize) -> Result<Vec<u8>, OpenError> {
        let Some(entry) = self.index.get(number) else { return Ok(Vec::new()) };
        let end = self.index.get(number + 1).map_or(self.foot.reporters_at, |next| next.at);
        let payload = framed(&self.file, entry.at, end).map_err(OpenError::io(&self.path))?;
        let payload = payload.ok_or_else(|| self.damaged(entry.at, "a checksum does not fit"))?;
        let first = saved_records(&payload).next().flatten().map(|saved| saved.key);
        if first != Some(entry.first) {
            return Err(self.damaged(entry.at, "a block begins with another key than its index"));
        }
        Ok(payload)
    }

    /// What is known of the reporters.
    ///
    /// # Errors
    /// The disk's, or damage.
    pub fn reporters(&self) -> Result<Vec<ReporterRecord>, OpenError> {
        let mut all = Vec::new();
        let mut at = self.foot.reporters_at;
        while at < self.foot.index_at {
            let payload = self.frame_at(at, self.foot.index_at)?;
            let some = record::read_reporters(&payload);
            all.extend(some.ok_or_else(|| self.damaged(at, "no such reporter"))?);
            at += (frame::HEAD_BYTES + payload.len()) as u64;
        }
        if all.len() != self.foot.reporters as usize {
            return Err(self.damaged(at, "reporters are missing"));
        }
        Ok(all)
    }

    /// Reads it all into an empty table. How many reports were left out, because no table has room for them.
    ///
    /// # Errors
    /// The disk's, or damage: a snapshot is whole or it is not believed. The table is to be thrown away then.
    pub fn load(&self, table: &mut Table) -> Result<u64, OpenError> {
        load::load(self, table)
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// The disk's, or damage.
    pub fn verify(&self) -> Result<(), OpenError> {
        self.reporters()?;
        (0..self.blocks()).try_for_each(|number| self.block(number).map(drop))
    }

    /// The payload of the frame at `at`, which must end at `end` at the latest.
    fn frame_at(&self, at: u64, end: u64) -> Result<Vec<u8>, OpenError> {
        let mut length = [0; 4];
        let got = self.read_at(&mut length, at).map_err(OpenError::io(&self.path))?;
        let frame_end = at + (frame::HEAD_BYTES as u64) + u64::from(u32::from_be_bytes(length));
        let payload = if got == length.len() && frame_end <= end {
            framed(&self.file, at, frame_end).map_err(OpenError::io(&self.path))?
        } else {
            None
        };
        payload.ok_or_else(|| self.damaged(at, "a checksum does not fit"))
    }

    fn damaged(&self, at: u64, what: &str) -> OpenError {
        OpenError::damaged(&self.path, at, what)
    }
}

/// The payload of the one frame from `at` to `end`; none when that is not what stands there.
fn framed(file: &File, at: u64, end: u64) -> io::Result<Option<Vec<u8>>> {
    let length = end.saturating_sub(at);
    if length > (frame::HEAD_BYTES + frame::PAYLOAD_BYTES_MAX) as u64 {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    match file.read_exact_at(&mut bytes, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let is_whole = frame::whole(&bytes).is_some();
    bytes.drain(..frame::HEAD_BYTES.min(bytes.len()));
    Ok(is_whole.then_some(bytes))
}

/// Reads a snapshot into an empty table; its place in the shared order.
///
/// # Errors
/// As [`Snapshot::open`] and [`Snapshot::load`].
pub fn read(path: &Path, table: &mut Table) -> Result<Option<Position>, OpenError> {
    let snapshot = Snapshot::open(path)?;
    snapshot.load(table)?;
    Ok(snapshot.position())
}
