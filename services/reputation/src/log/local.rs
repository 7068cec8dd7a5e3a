//! The log in a directory: `lock`, at most one `snapshot-<epoch>` and the segment after it. More than one of each is there
//! while a compaction runs, and after a crash in one; the next start tidies up.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tamis_reputation_protocol::signatures::{Change, ReporterRecord, Table};

use super::files::{self, Files, SegmentId};
use super::histories::{Histories, InForce, Present, Source};
use super::merge::{Merge, Running};
use super::segment::{self, Segment};
use super::snapshot::Snapshot;
use super::{AppendError, Durability, OpenError, Position, frame, record};

/// A whole snapshot of this name in the directory takes the place of everything else there at the next start.
pub const INSTALL: &str = files::INSTALL;

/// Bytes of log before it is compacted, unless the last snapshot is large: replaying as much takes about a second.
pub const COMPACT_BYTES: u64 = 64 * 1024 * 1024;

/// The least that may be set: some dozens of changes. A compaction costs three synchronisations of the disk.
pub const COMPACT_BYTES_MIN: u64 = 4 * 1024;

/// The most that may be set, and the most that a large snapshot makes of it. Looking up one history scans as much (a
/// quarter of a second), a compaction holds up to a quarter of it in memory, and a start replays it in seconds.
pub const COMPACT_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// A compaction rewrites the whole snapshot: it waits until this part of it is new.
const SNAPSHOT_PARTS: u64 = 8;

/// An open log. One writer; every acknowledged commit is where its [`Durability`] says.
#[derive(Debug)]
pub struct LocalLog {
    // First, since fields are dropped in order: a merge ends before the directory is given back.
    compaction: Option<Running>,
    dir: PathBuf,
    present: Arc<Present>,
    segment: Arc<Segment>,
    writer: File,
    segment_bytes: u64,
    position: Option<Position>,
    compact_bytes: u64,
    retry_bytes: u64,
    broken: Option<String>,
    _lock: File,
}

/// A log that was opened, and what a person should know about it.
#[derive(Debug)]
pub struct Opened {
    /// The log.
    pub log: LocalLog,
    /// For instance a tail that was cut off.
    pub warnings: Vec<String>,
    /// The place in the shared order up to which it goes.
    pub position: Option<Position>,
}

impl LocalLog {
    /// Opens or makes the log in `dir` and replays it into `table`, which must be empty. `compact_bytes`: see
    /// [`COMPACT_BYTES`].
    ///
    /// # Errors
    /// [`OpenError`]; nothing that was acknowledged was changed, and the table is to be thrown away.
    pub fn open(dir: &Path, table: &mut Table, compact_bytes: u64) -> Result<Opened, OpenError> {
        fs::create_dir_all(dir).map_err(OpenError::io(dir))?;
        let lock = files::lock(dir)?;
        install(dir)?;
        let mut replay = segment::tidied(dir, table)?;
        let first = SegmentId { epoch: table.epoch(), number: 0, is_copy: false };
        if replay.segments.is_empty() {
            let number = replay.snapshot.as_ref().map_or(0, Snapshot::segment);
            replay.segments.push(SegmentId { number, ..first });
        }
        let mut files = InForce { snapshot: replay.snapshot.map(Arc::new), ..InForce::default() };
        let mut last = None;
        for id in replay.segments {
            let (segment, file) = Segment::open(dir, id).map_err(OpenError::io(id.path(dir)))?;
            let segment = Arc::new(segment);
            files.segments.push(Arc::clone(&segment));
            last = Some((segment, file));
        }
        let (segment, writer) = last.ok_or_else(|| OpenError::damaged(dir, 0, "no segment"))?;
        files::sync_dir(dir).map_err(OpenError::io(dir))?;
        let log = Self {
            compaction: None,
            dir: dir.to_path_buf(),
            present: Arc::new(Present::new(files)),
            segment_bytes: segment.bytes(),
            segment,
            writer,
            position: replay.position,
            compact_bytes,
            retry_bytes: 0,
            broken: None,
            _lock: lock,
        };
        Ok(Opened { log, warnings: replay.warnings, position: replay.position })
    }

    /// Writes changes that follow `epoch_before`, all or none, and returns when they are durable as asked. Changes with a
    /// position are copies of a shared order, which has them if this directory loses them.
    ///
    /// # Errors
    /// [`AppendError`]. Nothing may be applied. After [`AppendError::Full`] none of the changes is on disk; after
    /// [`AppendError::Broken`] that is not known: a write whose synchronisation failed may be there at the next start.
    pub fn append(
        &mut self,
        epoch_before: u64,
        position: Option<Position>,
        changes: &[Change],
        durability: Durability,
    ) -> Result<(), AppendError> {
        if let Some(why) = &self.broken {
            return Err(AppendError::Broken(why.clone()));
        }
        if position.is_some() != self.segment.id.is_copy {
            self.turn(epoch_before, position.is_some())?;
        }
        let mut bytes = Vec::new();
        frame::push(&mut bytes, &record::commit(epoch_before, position, changes));
        if let Err(error) = self.writer.write_all(&bytes) {
            return Err(self.taken_back(&error));
        }
        // After a failed synchronisation the kernel may have dropped the pages and call the next one a success
        // (Rebello et al., "Can applications recover from fsync failures?", 2020): only a new start reads the truth.
        if durability == Durability::Synced
            && let Err(error) = self.writer.sync_data()
        {
            return Err(self.broken(error.to_string()));
        }
        self.segment_bytes += bytes.len() as u64;
        self.segment.grown_to(self.segment_bytes);
        self.position = position.or(self.position);
        Ok(())
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let files = self.present.in_force();
        files.segments_bytes() + files.snapshot_bytes()
    }

    /// The place in the shared order up to which it goes.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        self.position
    }

    /// The way to look up histories, also from other threads.
    #[must_use]
    pub fn histories(&self) -> Histories {
        Histories(Source::Disk(Arc::clone(&self.present)))
    }

    /// Epoch, place in the shared order and file of the last snapshot, if there is one. A compaction may replace the file:
    /// [`Histories::snapshot`] gives one that is open.
    #[must_use]
    pub fn snapshot(&self) -> Option<(u64, Option<Position>, PathBuf)> {
        let snapshot = self.present.in_force().snapshot.clone()?;
        Some((snapshot.epoch(), snapshot.position(), snapshot.path().to_path_buf()))
    }

    /// Whether a snapshot would pay: the log has outgrown both the threshold and a part of the last snapshot, so that the
    /// cost of snapshots stays in proportion to the writes.
    #[must_use]
    pub fn wants_compaction(&self) -> bool {
        if self.broken.is_some() || self.compaction.is_some() {
            return false;
        }
        let files = self.present.in_force();
        let part = (files.snapshot_bytes() / SNAPSHOT_PARTS).min(COMPACT_BYTES_MAX);
        files.segments_bytes() > self.compact_bytes.max(part).max(self.retry_bytes)
    }

    /// Begins a new segment and starts to merge all before it into a snapshot, on another thread. `epoch` and `reporters`
    /// are the table's after the last append. [`Self::compacted`] tells how it ended.
    ///
    /// # Errors
    /// The disk's; the log goes on as it was, and wants the next compaction when it is twice as long.
    pub fn begin_compaction(
        &mut self,
        epoch: u64,
        reporters: Vec<ReporterRecord>,
    ) -> io::Result<()> {
        if self.compaction.is_some() {
            return Ok(());
        }
        self.retry_bytes = self.present.in_force().segments_bytes().saturating_mul(2);
        // One that nothing was written to can as well be the next: attempts that fail leave no trail of empty files.
        if self.segment_bytes > 0 || self.segment.id.epoch != epoch {
            self.rotate(epoch, self.segment.id.is_copy)?;
        }
        let mut frozen = self.present.in_force().segments.clone();
        frozen.retain(|segment| segment.id != self.segment.id);
        let merge = Merge {
            dir: self.dir.clone(),
            present: Arc::clone(&self.present),
            frozen,
            epoch,
            position: self.position,
            next: self.segment.id.number,
            reporters,
            is_cancelled: Arc::new(AtomicBool::new(false)),
        };
        self.compaction = Some(merge.start()?);
        Ok(())
    }

    /// Whether a compaction was begun whose end was not told yet.
    #[must_use]
    pub const fn is_compacting(&self) -> bool {
        self.compaction.is_some()
    }

    /// Tries to make a copy of a shared order writable again after [`AppendError::Broken`]: what is behind its last whole
    /// commit is cut off. Of a log that is nobody's copy that is not known to be enough.
    pub(crate) fn mend_copy(&mut self) {
        if self.broken.is_none() || !self.segment.id.is_copy {
            return;
        }
        let length = self.writer.metadata().map(|meta| meta.len());
        if length.is_ok_and(|length| length >= self.segment_bytes)
            && self.writer.set_len(self.segment_bytes).is_ok()
        {
            self.broken = None;
        }
    }

    /// How a compaction ended that was not told yet. After a failure the log goes on and wants the next one when it is
    /// twice as long.
    pub fn compacted(&mut self) -> Option<io::Result<()>> {
        let ended = self.compaction.as_mut()?.ended()?;
        self.compaction = None;
        if ended.is_ok() {
            self.retry_bytes = 0;
        }
        Some(ended)
    }

    /// As [`Self::compacted`], but waits for it.
    pub fn wait_for_compaction(&mut self) -> Option<io::Result<()>> {
        let ended = self.compaction.as_mut()?.wait();
        self.compaction = None;
        if ended.is_ok() {
            self.retry_bytes = 0;
        }
        Some(ended)
    }

    /// Where a snapshot from another node is to be written before [`Self::install_snapshot`].
    #[must_use]
    pub fn fetched_path(&self) -> PathBuf {
        self.dir.join("snapshot.fetched")
    }

    /// Puts a snapshot of another node in the place of all that this log has, and reads it into `table`, which must be
    /// empty. It is verified before, and takes its place as a whole or not at all. `fetched` is on the same file system.
    ///
    /// # Errors
    /// [`OpenError`]. If the snapshot is damaged the log is as before; if the disk fails it is broken until the next start.
    pub fn install_snapshot(
        &mut self,
        fetched: &Path,
        table: &mut Table,
    ) -> Result<Option<Position>, OpenError> {
        let snapshot = Snapshot::open(fetched)?;
        if let Some(what) = segment::no_room(snapshot.load(table)?) {
            tracing::warn!("{what}");
        }
        // It must not find its segments gone, nor give the directory a snapshot of its own afterwards.
        self.compaction = None;
        let installed = self.install(fetched, &snapshot);
        if let Err(error) = &installed {
            self.broken = Some(error.to_string());
        }
        installed?;
        // Everything in the directory is new.
        self.broken = None;
        self.position = snapshot.position();
        Ok(self.position)
    }

    fn install(&mut self, fetched: &Path, snapshot: &Snapshot) -> Result<(), OpenError> {
        let path = self.dir.join(files::INSTALL);
        let synced = File::open(fetched).and_then(|file| file.sync_all());
        synced.and_then(|()| fs::rename(fetched, &path)).map_err(OpenError::io(fetched))?;
        files::sync_dir(&self.dir).map_err(OpenError::io(&self.dir))?;
        install(&self.dir)?;
        let path = files::snapshot_path(&self.dir, snapshot.epoch());
        let snapshot = Arc::new(Snapshot::open(&path)?);
        let (epoch, number) = (snapshot.epoch(), snapshot.segment());
        let id = SegmentId { epoch, number, is_copy: snapshot.position().is_some() };
        self.present.change(|files| {
            files.snapshot = Some(snapshot);
            files.segments.clear();
        });
        self.begin_segment(id).map_err(OpenError::io(id.path(&self.dir)))
    }

    /// From copies to originals or back: what was buffered is synchronised, since originals may stand behind it now.
    fn turn(&mut self, epoch: u64, is_copy: bool) -> Result<(), AppendError> {
        if let Err(error) = self.writer.sync_data() {
            return Err(self.broken(error.to_string()));
        }
        self.rotate(epoch, is_copy).map_err(|error| AppendError::Full(error.to_string()))
    }

    fn rotate(&mut self, epoch: u64, is_copy: bool) -> io::Result<()> {
        let last = self.segment.id;
        let number = if last.epoch == epoch { last.number + 1 } else { 0 };
        self.begin_segment(SegmentId { epoch, number, is_copy })
    }

    /// All that can fail comes first: file, name and length change together or not at all.
    fn begin_segment(&mut self, id: SegmentId) -> io::Result<()> {
        let (segment, writer) = Segment::open(&self.dir, id)?;
        files::sync_dir(&self.dir)?;
        let segment = Arc::new(segment);
        self.present.change(|files| files.segments.push(Arc::clone(&segment)));
        self.segment_bytes = segment.bytes();
        (self.segment, self.writer) = (segment, writer);
        Ok(())
    }

    /// Cuts off what a failed write left, so that the next one begins after a whole frame. Never extends: a file that is
    /// shorter than it should be has lost acknowledged writes.
    fn taken_back(&mut self, error: &io::Error) -> AppendError {
        let whole = self.writer.metadata().and_then(|meta| match meta.len() {
            length if length == self.segment_bytes => Ok(()),
            length if length > self.segment_bytes => self.writer.set_len(self.segment_bytes),
            length => Err(io::Error::other(format!(
                "the segment has {length} bytes instead of {}",
                self.segment_bytes
            ))),
        });
        if let Err(again) = whole {
            return self.broken(format!("{error}; then {again}"));
        }
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => AppendError::Full(error.to_string()),
            _ => self.broken(error.to_string()),
        }
    }

    fn broken(&mut self, why: String) -> AppendError {
        self.broken = Some(why.clone());
        AppendError::Broken(why)
    }

    #[cfg(test)]
    pub(super) fn write_to(&mut self, file: File) {
        self.writer = file;
        self.segment_bytes = 0;
    }

    /// Writes go to a device that is full, until they go to the segment again.
    #[cfg(test)]
    pub(super) fn be_full(&mut self, is_full: bool) {
        let device = std::path::Path::new("/dev/full");
        let path = if is_full { device } else { &self.segment.path };
        if let Ok(file) = fs::OpenOptions::new().append(true).open(path) {
            self.writer = file;
        }
    }

    #[cfg(test)]
    pub(super) fn write_keeping_length(&mut self, file: File) {
        self.writer = file;
    }
}

/// Lets a snapshot that was fetched whole take the place of all else, if there is one. May be done again after a crash.
fn install(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join(files::INSTALL);
    let is_there = fs::exists(&path).map_err(OpenError::io(&path))?;
    if !is_there {
        return Ok(());
    }
    let snapshot = Snapshot::open(&path)?;
    snapshot.verify()?;
    let files = Files::of(dir)?;
    let segments = files.segments.into_iter().map(|(_, path)| path);
    for old in files.snapshots.into_iter().map(|(_, path)| path).chain(segments) {
        files::remove(&old).map_err(OpenError::io(old))?;
    }
    let place = files::snapshot_path(dir, snapshot.epoch());
    fs::rename(&path, &place).map_err(OpenError::io(&path))?;
    files::sync_dir(dir).map_err(OpenError::io(dir))
}
