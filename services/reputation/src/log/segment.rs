//! Segments: commits one after the other, each in one frame. Those named `log-` are the truth and were synchronised commit
//! by commit; those named `copy-` hold what a shared order keeps too, and may lose their end.

mod replay;
mod scan;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::files::SegmentId;
pub use replay::replay_into;
pub(super) use replay::{no_room, tidied};
pub(super) use scan::{apply, read_change_at};

/// Bytes copied at once.
const COPY_BYTES: usize = 256 * 1024;

/// A segment that is open for reading. The file may be unlinked meanwhile; it is read all the same.
#[derive(Debug)]
pub(super) struct Segment {
    pub id: SegmentId,
    pub path: PathBuf,
    file: File,
    /// Bytes of whole commits; it grows while the segment is written.
    bytes: AtomicU64,
}

impl Segment {
    /// Opens the segment, and makes it when it is not there.
    pub fn open(dir: &Path, id: SegmentId) -> io::Result<(Self, File)> {
        let path = id.path(dir);
        let writer = OpenOptions::new().create(true).append(true).open(&path)?;
        let file = File::open(&path)?;
        let bytes = AtomicU64::new(file.metadata()?.len());
        Ok((Self { id, path, file, bytes }, writer))
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Writes the bytes between two places to `out`.
    pub fn copy_to(&self, from: u64, to: u64, out: &mut impl Write) -> io::Result<()> {
        let mut buffer = vec![0; COPY_BYTES];
        let mut at = from;
        while at < to {
            let wanted = usize::try_from(to - at).unwrap_or(COPY_BYTES).min(COPY_BYTES);
            self.file.read_exact_at(&mut buffer[..wanted], at)?;
            out.write_all(&buffer[..wanted])?;
            at += wanted as u64;
        }
        Ok(())
    }

    /// What stands before `bytes` is whole from now on.
    pub fn grown_to(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Release);
    }
}
