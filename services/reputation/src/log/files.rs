//! The names in a state directory: `lock`, `snapshot-<epoch>`, segments `log-<epoch>` and `copy-<epoch>`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::OpenError;

/// A snapshot that is being written.
pub(super) const NEW: &str = "snapshot.new";

/// A whole snapshot that takes the place of everything else in the directory, at this start or the next.
pub(super) const INSTALL: &str = "snapshot.install";

/// Which segment: the order of the log is the order of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SegmentId {
    /// Epoch before its first commit.
    pub epoch: u64,
    /// Number among those of the same epoch: a segment may change nothing.
    pub number: u32,
    /// Whether its commits are copies of what a shared order keeps, see [`super::Position`].
    pub is_copy: bool,
}

impl SegmentId {
    /// Its place in the order, without its kind.
    pub const fn place(&self) -> (u64, u32) {
        (self.epoch, self.number)
    }

    pub fn path(&self, dir: &Path) -> PathBuf {
        let kind = if self.is_copy { "copy" } else { "log" };
        let Self { epoch, number, .. } = self;
        match number {
            0 => dir.join(format!("{kind}-{epoch:020}")),
            _ => dir.join(format!("{kind}-{epoch:020}-{number}")),
        }
    }

    fn of(name: &str) -> Option<Self> {
        let (kind, place) = name.split_once('-')?;
        let is_copy = match kind {
            "log" => false,
            "copy" => true,
            _ => return None,
        };
        let (epoch, number) = place.split_once('-').unwrap_or((place, "0"));
        Some(Self { epoch: epoch.parse().ok()?, number: number.parse().ok()?, is_copy })
    }
}

/// The file of the snapshot at `epoch`.
pub(super) fn snapshot_path(dir: &Path, epoch: u64) -> PathBuf {
    dir.join(format!("snapshot-{epoch:020}"))
}

/// Snapshots and segments, in order.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub snapshots: Vec<(u64, PathBuf)>,
    pub segments: Vec<(SegmentId, PathBuf)>,
}

impl Files {
    pub fn of(dir: &Path) -> Result<Self, OpenError> {
        let mut files = Self::default();
        for entry in fs::read_dir(dir).map_err(OpenError::io(dir))? {
            let entry = entry.map_err(OpenError::io(dir))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let epoch = name.strip_prefix("snapshot-").map(str::parse);
            if let Some(Ok(epoch)) = epoch {
                files.snapshots.push((epoch, entry.path()));
            } else if let Some(id) = SegmentId::of(name) {
                files.segments.push((id, entry.path()));
            }
        }
        files.snapshots.sort();
        files.segments.sort();
        Ok(files)
    }

    /// Takes out what the last snapshot replaces: older snapshots and the segments before `place`.
    pub fn take_replaced(&mut self, place: (u64, u32)) -> Vec<PathBuf> {
        let kept = self.snapshots.pop();
        let mut replaced: Vec<_> = self.snapshots.drain(..).map(|(_, path)| path).collect();
        self.snapshots.extend(kept);
        self.segments.retain(|(id, path)| {
            let is_kept = id.place() >= place;
            if !is_kept {
                replaced.push(path.clone());
            }
            is_kept
        });
        replaced
    }
}

/// Takes the directory for this process; the system gives it back when the process ends, however it ends.
pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
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

/// Makes names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
