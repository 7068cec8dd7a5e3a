//! The order of writes in a directory: `lock`, at most one `snapshot-<epoch>` and the segment `log-<epoch>` after it.
//! More than one of each is left only by a crash while compacting; the next start tidies up.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tamis_reputation_protocol::signatures::{Change, Table};

use super::frame::{self, Next, Reader};
use super::{AppendError, Durability, OpenError, Position, record, snapshot};

/// Bytes of log before it is compacted, unless the last snapshot is larger: replaying as much takes about a second.
pub const COMPACT_BYTES: u64 = 64 * 1024 * 1024;

/// A whole snapshot that takes the place of everything else in the directory, at this start or the next.
pub const INSTALL: &str = "snapshot.install";

/// An open log. One writer; every acknowledged commit is on disk.
#[derive(Debug)]
pub struct LocalLog {
    dir: PathBuf,
    _lock: File,
    segment: File,
    segment_path: PathBuf,
    segment_bytes: u64,
    snapshot_bytes: u64,
    compact_bytes: u64,
    position: Option<Position>,
    snapshot: Option<(u64, Option<Position>)>,
    broken: Option<String>,
}

/// A log that was opened, and what a person should know about it.
#[derive(Debug)]
pub struct Opened {
    /// The log.
    pub log: LocalLog,
    /// For instance a tail that was cut off.
    pub warnings: Vec<String>,
    /// The place in the shared order up to which this directory goes, if it is a copy of one.
    pub position: Option<Position>,
}

impl LocalLog {
    /// Opens or makes the log in `dir` and replays it into `table`, which must be empty. `compact_bytes`: see
    /// [`COMPACT_BYTES`].
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed.
    pub fn open(dir: &Path, table: &mut Table, compact_bytes: u64) -> Result<Opened, OpenError> {
        fs::create_dir_all(dir).map_err(OpenError::io(dir))?;
        let lock = lock(dir)?;
        let mut warnings = Vec::new();
        install(dir).map_err(OpenError::io(dir))?;
        let files = Files::of(dir)?;
        let (mut snapshot_bytes, mut position, mut snapshot) = (0, None, None);
        if let Some((epoch, path)) = files.snapshots.last() {
            position = snapshot::read(path, table)?;
            snapshot = Some((*epoch, position));
            snapshot_bytes = fs::metadata(path).map_err(OpenError::io(path))?.len();
        }
        let last = files.segments.len().saturating_sub(1);
        for (number, (_, path)) in files.segments.iter().enumerate() {
            let reached = replay(path, number == last, table, &mut warnings)?;
            position = position.max(reached);
        }
        let segment_path = match files.segments.last() {
            Some((_, path)) => path.clone(),
            None => segment_path(dir, table.epoch()),
        };
        let segment = open_segment(&segment_path).map_err(OpenError::io(&segment_path))?;
        snapshot::sync_dir(dir).map_err(OpenError::io(dir))?;
        let segment_bytes = segment.metadata().map_err(OpenError::io(&segment_path))?.len();
        let log = Self {
            dir: dir.to_path_buf(),
            _lock: lock,
            segment,
            segment_path,
            segment_bytes,
            snapshot_bytes,
            compact_bytes,
            position,
            snapshot,
            broken: None,
        };
        Ok(Opened { log, warnings, position })
    }

    /// Writes changes that follow `epoch_before`, all or none, and returns when they are on disk.
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
        let mut bytes = Vec::new();
        frame::push(&mut bytes, &record::commit(epoch_before, position, changes));
        if let Err(error) = self.segment.write_all(&bytes) {
            return Err(self.taken_back(&error));
        }
        // After a failed synchronisation the kernel may have dropped the pages and call the next one a success
        // (Rebello et al., "Can applications recover from fsync failures?", 2020): only a new start reads the truth.
        if durability == Durability::Synced
            && let Err(error) = self.segment.sync_data()
        {
            return Err(self.broken(error.to_string()));
        }
        self.segment_bytes += bytes.len() as u64;
        self.position = position;
        Ok(())
    }

    /// Epoch, place in the shared order and file of the last snapshot, if there is one.
    #[must_use]
    pub fn snapshot(&self) -> Option<(u64, Option<Position>, PathBuf)> {
        self.snapshot.map(|(epoch, place)| (epoch, place, snapshot::path(&self.dir, epoch)))
    }

    /// Bytes on disk.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.segment_bytes + self.snapshot_bytes
    }

    /// Whether a snapshot would pay: the log has outgrown both the threshold and the last snapshot, so that the cost of
    /// snapshots stays in proportion to the writes.
    #[must_use]
    pub fn wants_compaction(&self) -> bool {
        self.broken.is_none() && self.segment_bytes > self.compact_bytes.max(self.snapshot_bytes)
    }

    /// Writes `table` as a snapshot, begins a new segment and removes what came before. A crash at any point leaves a
    /// directory that opens to the same table.
    ///
    /// # Errors
    /// The disk's; the log goes on as it was, and wants the next compaction when it is twice as long.
    pub fn compact(&mut self, table: &Table) -> io::Result<()> {
        let threshold = self.compact_bytes;
        self.compact_bytes = threshold.max(2 * self.segment_bytes);
        self.replace_by_snapshot(table)?;
        self.compact_bytes = threshold;
        Ok(())
    }

    fn replace_by_snapshot(&mut self, table: &Table) -> io::Result<()> {
        let snapshot_bytes = snapshot::write(&self.dir, table, self.position)?;
        self.snapshot = Some((table.epoch(), self.position));
        let path = segment_path(&self.dir, table.epoch());
        if path != self.segment_path {
            // All that can fail comes first: file, path and length change together or not at all.
            let segment = open_segment(&path)?;
            let bytes = segment.metadata()?.len();
            snapshot::sync_dir(&self.dir)?;
            (self.segment, self.segment_path, self.segment_bytes) = (segment, path, bytes);
        }
        self.snapshot_bytes = snapshot_bytes;
        let files = Files::of(&self.dir).map_err(io::Error::other)?;
        let kept = snapshot::path(&self.dir, table.epoch());
        for (_, old) in files.snapshots.iter().chain(&files.segments) {
            if *old != kept && *old != self.segment_path {
                fs::remove_file(old)?;
            }
        }
        Ok(())
    }

    /// Cuts off what a failed write left, so that the next one begins after a whole frame. Never extends: a file that is
    /// shorter than it should be has lost acknowledged writes.
    fn taken_back(&mut self, error: &io::Error) -> AppendError {
        let whole = self.segment.metadata().and_then(|meta| match meta.len() {
            length if length == self.segment_bytes => Ok(()),
            length if length > self.segment_bytes => self.segment.set_len(self.segment_bytes),
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
        self.segment = file;
        self.segment_bytes = 0;
    }

    #[cfg(test)]
    pub(super) fn write_keeping_length(&mut self, file: File) {
        self.segment = file;
    }
}

/// Snapshots and segments by epoch, in order.
struct Files {
    snapshots: Vec<(u64, PathBuf)>,
    segments: Vec<(u64, PathBuf)>,
}

impl Files {
    fn of(dir: &Path) -> Result<Self, OpenError> {
        let mut files = Self { snapshots: Vec::new(), segments: Vec::new() };
        for entry in fs::read_dir(dir).map_err(OpenError::io(dir))? {
            let entry = entry.map_err(OpenError::io(dir))?;
            let name = entry.file_name();
            let Some((kind, epoch)) = name.to_str().and_then(|name| name.split_once('-')) else {
                continue;
            };
            let Ok(epoch) = epoch.parse() else { continue };
            match kind {
                "snapshot" => files.snapshots.push((epoch, entry.path())),
                "log" => files.segments.push((epoch, entry.path())),
                _ => {}
            }
        }
        files.snapshots.sort();
        files.segments.sort();
        Ok(files)
    }
}

/// Lets a whole snapshot that came from another node take the place of everything else.
fn install(dir: &Path) -> io::Result<()> {
    let new = dir.join(INSTALL);
    if !new.exists() {
        return Ok(());
    }
    let files = Files::of(dir).map_err(io::Error::other)?;
    for (_, old) in files.snapshots.iter().chain(&files.segments) {
        fs::remove_file(old)?;
    }
    let mut table = Table::new(tamis_reputation_protocol::signatures::Rules::default());
    snapshot::read(&new, &mut table).map_err(io::Error::other)?;
    fs::rename(&new, snapshot::path(dir, table.epoch()))?;
    snapshot::sync_dir(dir)
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(OpenError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(dir.to_path_buf())),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

fn segment_path(dir: &Path, epoch: u64) -> PathBuf {
    dir.join(format!("log-{epoch:020}"))
}

fn open_segment(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Applies what a segment holds beyond the table. The last segment may end in the middle of a frame: that write was
/// not acknowledged and is cut off, unless what stands behind it shows that it was.
fn replay(
    path: &Path,
    is_last: bool,
    table: &mut Table,
    warnings: &mut Vec<String>,
) -> Result<Option<Position>, OpenError> {
    let mut position = None;
    let io = |source| OpenError::Io { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut reader = Reader::new(BufReader::new(file), 0);
    loop {
        let at = reader.at();
        let damaged = |what: String| OpenError::Damaged { path: path.to_path_buf(), at, what };
        match reader.frame().map_err(io)? {
            Next::End => return Ok(position),
            Next::Payload(payload) => {
                let commit = record::read_commit(&payload);
                let commit = commit.ok_or_else(|| damaged("no such record".to_owned()))?;
                apply(&commit, table).map_err(damaged)?;
                position = position.max(commit.position);
            }
            Next::Bad => {
                if !is_last || !is_torn_write(path, at, length).map_err(io)? {
                    return Err(damaged("no whole record, and more behind it".to_owned()));
                }
                let file = OpenOptions::new().write(true).open(path).map_err(io)?;
                file.set_len(at).and_then(|()| file.sync_all()).map_err(io)?;
                warnings.push(format!(
                    "the log ended in a write that is not whole: {} bytes from byte {at} on were cut off",
                    length - at
                ));
                return Ok(position);
            }
        }
    }
}

fn apply(commit: &record::Commit, table: &mut Table) -> Result<(), String> {
    if commit.epoch_before < table.epoch() {
        // The snapshot has it already.
        return Ok(());
    }
    if commit.epoch_before > table.epoch() {
        let (before, epoch) = (commit.epoch_before, table.epoch());
        return Err(format!("changes after epoch {before} follow epoch {epoch}: some are missing"));
    }
    for change in &commit.changes {
        table.replay(change).map_err(|refused| refused.to_string())?;
    }
    Ok(())
}

/// Whether the bytes from `at` to the end, where no frame can be read, can be one write that was torn: no longer than a
/// frame, and no whole frame behind its first byte.
fn is_torn_write(path: &Path, at: u64, length: u64) -> io::Result<bool> {
    if length.saturating_sub(at) > (frame::HEAD_BYTES + frame::PAYLOAD_BYTES_MAX) as u64 {
        return Ok(false);
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at + 1))?;
    let mut behind = Vec::new();
    file.take(length.saturating_sub(at + 1)).read_to_end(&mut behind)?;
    Ok(!frame::any_in(&behind, record::may_be_commit))
}
