//! Writes a snapshot signature by signature, in order. Memory: one block and the index.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tamis_domain::digest::SignatureKind;
use tamis_reputation_protocol::signatures::{ReporterRecord, Saved};

use super::Snapshot;
use super::format::{self, BLOCK_BYTES, Count, ENTRIES_PER_FRAME, Foot, IndexEntry};
use crate::log::record::{self, Key, RawSaved, saved_records};
use crate::log::{Position, files, frame};

/// Bytes after which what was written is sent to the disk. Several gigabytes sent at once would hold up every
/// synchronisation of the log for seconds.
const SYNC_BYTES: u64 = 32 * 1024 * 1024;

/// A snapshot that is being written. Dropped unfinished it leaves a file that the next one overwrites.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    file: File,
    at: u64,
    synced_at: u64,
    block: Vec<u8>,
    block_first: Option<Key>,
    last: Option<Key>,
    index: Vec<IndexEntry>,
    foot: Foot,
}

impl Writer {
    /// Begins the snapshot of `epoch` in `dir`.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin(dir: &Path, epoch: u64, position: Option<Position>) -> io::Result<Self> {
        let count = |kind| Count { kind, signatures: 0, sketched: 0 };
        let mut counts: Vec<_> = SignatureKind::ALL.into_iter().map(count).collect();
        counts.sort_by_key(|count| count.kind.code());
        let foot = Foot {
            epoch,
            position,
            segment: 0,
            reporters_at: 0,
            index_at: 0,
            reporters: 0,
            counts,
        };
        let mut writer = Self {
            dir: dir.to_path_buf(),
            file: File::create(dir.join(files::NEW))?,
            at: 0,
            synced_at: 0,
            block: Vec::with_capacity(BLOCK_BYTES * 2),
            block_first: None,
            last: None,
            index: Vec::new(),
            foot,
        };
        writer.frame(&format::head(epoch))?;
        Ok(writer)
    }

    /// The log goes on in the segment with this number, among those that begin at the same epoch.
    pub(in crate::log) const fn followed_by(&mut self, segment: u32) {
        self.foot.segment = segment;
    }

    /// Adds a signature. They come in ascending order of kind and value.
    ///
    /// # Errors
    /// The disk's, or a signature out of order.
    pub fn push(&mut self, saved: &Saved) -> io::Result<()> {
        let mut bytes = Vec::new();
        record::push_saved(&mut bytes, saved);
        let raw = saved_records(&bytes).next().flatten();
        self.push_raw(&raw.ok_or_else(|| io::Error::other("a record that cannot be read"))?)
    }

    pub(in crate::log) fn push_raw(&mut self, saved: &RawSaved<'_>) -> io::Result<()> {
        if self.last.is_some_and(|last| last >= saved.key) {
            return Err(io::Error::other("signatures out of order"));
        }
        let kind = saved.key.0[0];
        if let Some(count) = self.foot.counts.iter_mut().find(|count| count.kind.code() == kind) {
            count.signatures += 1;
            count.sketched += u64::from(saved.is_sketched);
        }
        self.last = Some(saved.key);
        self.block_first.get_or_insert(saved.key);
        self.block.extend_from_slice(saved.bytes);
        if self.block.len() >= BLOCK_BYTES {
            self.close_block()?;
        }
        Ok(())
    }

    /// Ends the file, makes it durable and gives it its name, over one of the same epoch.
    ///
    /// # Errors
    /// The disk's.
    pub fn finish(mut self, reporters: &[ReporterRecord]) -> io::Result<Snapshot> {
        self.close_block()?;
        self.foot.reporters_at = self.at;
        self.foot.reporters = u32::try_from(reporters.len()).unwrap_or(u32::MAX);
        self.reporters(reporters)?;
        self.foot.index_at = self.at;
        for entries in std::mem::take(&mut self.index).chunks(ENTRIES_PER_FRAME) {
            let mut payload = Vec::new();
            entries.iter().for_each(|entry| format::push_entry(&mut payload, entry));
            self.frame(&payload)?;
        }
        let foot_at = self.at;
        self.foot.counts.retain(|count| count.signatures > 0);
        self.frame(&self.foot.to_bytes())?;
        self.file.write_all(&format::trailer(foot_at))?;
        self.file.sync_all()?;
        let path = files::snapshot_path(&self.dir, self.foot.epoch);
        fs::rename(self.dir.join(files::NEW), &path)?;
        files::sync_dir(&self.dir)?;
        Ok(Snapshot::open(&path)?)
    }

    fn reporters(&mut self, reporters: &[ReporterRecord]) -> io::Result<()> {
        let mut payload = Vec::new();
        for reporter in reporters {
            record::push_reporter(&mut payload, reporter);
            if payload.len() >= BLOCK_BYTES {
                self.frame(&payload)?;
                payload.clear();
            }
        }
        if !payload.is_empty() {
            self.frame(&payload)?;
        }
        Ok(())
    }

    fn close_block(&mut self) -> io::Result<()> {
        let Some(first) = self.block_first.take() else { return Ok(()) };
        self.index.push(IndexEntry { first, at: self.at });
        let mut block = std::mem::take(&mut self.block);
        self.frame(&block)?;
        block.clear();
        self.block = block;
        Ok(())
    }

    fn frame(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(payload.len() + frame::HEAD_BYTES);
        frame::push(&mut out, payload);
        self.file.write_all(&out)?;
        self.at += out.len() as u64;
        if self.at - self.synced_at >= SYNC_BYTES {
            self.file.sync_data()?;
            self.synced_at = self.at;
        }
        Ok(())
    }
}
