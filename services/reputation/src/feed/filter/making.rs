//! One filter, from the files on disk to the file that scanners read.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tamis_bases::chunks::Naming;
use tamis_bases::filter::file::{Head, begin};
use tamis_bases::filter::{band_keys, exact_key};
use tamis_domain::digest::{Signature, Sketch};
use tamis_reputation_protocol::signatures::Change;

use super::super::Origin;
use super::super::files::FeedError;
use super::keys::{Keys, KeysError};
use crate::log::frame::{Next, Reader};
use crate::log::histories::Histories;
use crate::log::record;
use crate::log::snapshot::Snapshot;
use crate::log::tail::Tail;

/// Tries to read the log between two compactions.
const TRIES_MAX: usize = 5;

/// Bytes copied at once.
const COPY_BYTES: usize = 256 * 1024;

/// What was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub keys: u64,
    pub head: Head,
}

/// A snapshot and the group that was made of it, in a file.
type Kept = Option<(Arc<Snapshot>, u64)>;

/// Makes filters.
#[derive(Debug)]
pub(super) struct Maker {
    path: PathBuf,
    dir: PathBuf,
    histories: Histories,
    own: Kept,
    base: Kept,
}

#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error("{0}")]
    Keys(#[from] KeysError),
    #[error("the bases: {0}")]
    Base(#[from] FeedError),
    #[error("the snapshot: {0}")]
    Snapshot(#[from] crate::log::OpenError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Log(&'static str),
}

impl Maker {
    pub const fn new(path: PathBuf, dir: PathBuf, histories: Histories) -> Self {
        Self { path, dir, histories, own: None, base: None }
    }

    /// Writes the filter beside its place, synchronised, and renames it there.
    pub fn make(
        &mut self,
        covers_unix_s: u64,
        epoch: u64,
        base: Option<&Origin>,
    ) -> Result<Made, String> {
        let base_generation = base.map_or(0, |base| base.generation);
        let head = Head { covers_unix_s, epoch, base_generation };
        let done = self.written(head, base).map(|keys| Made { keys, head });
        if done.is_err() {
            // Perhaps what is kept is what failed: somebody removed it, or a disk lost it. Then it is made anew.
            (self.own, self.base) = (None, None);
        }
        done.map_err(|error| format!("{}: {error}", self.path.display()))
    }

    fn written(&mut self, head: Head, base: Option<&Origin>) -> Result<u64, MakeError> {
        fs::create_dir_all(&self.dir)?;
        let log = self.dir.join("log");
        let own = self.logged(&log)?;
        let mut keys = kept(&mut self.own, own, &self.dir.join("own"))?;
        let base_snapshot = base.and_then(|base| base.files.snapshot());
        keys += kept(&mut self.base, base_snapshot, &self.dir.join("base"))?;
        let next = beside(&self.path);
        let mut out = Summed { out: BufWriter::new(File::create(&next)?), sum: Naming::default() };
        out.write_all(&begin(&head, 4))?;
        for name in ["own", "base"] {
            copy(&mut File::open(self.dir.join(name))?, &mut out)?;
        }
        keys += log_keys(&log, &self.dir)?.write(&mut out)?;
        keys += base_keys(base, &self.dir)?.write(&mut out)?;
        let checksum = out.sum.name();
        out.write_all(&checksum.0)?;
        let file = out.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(keys)
    }

    /// Copies what came since the snapshot; that snapshot.
    fn logged(&self, to: &Path) -> Result<Option<Arc<Snapshot>>, MakeError> {
        for _ in 0..TRIES_MAX {
            let Some(mut tail) = Tail::begin(&self.histories) else {
                return Err(MakeError::Log("there is no log on disk"));
            };
            let mut out = BufWriter::new(File::create(to)?);
            let copied = tail.copy(&self.histories, &mut out)?;
            out.flush()?;
            if copied.is_some() {
                return Ok(tail.snapshot().cloned());
            }
        }
        Err(MakeError::Log("the log is compacted again and again"))
    }
}

/// The group of a snapshot, made anew where it is another one; how many keys it has.
fn kept(kept: &mut Kept, snapshot: Option<Arc<Snapshot>>, file: &Path) -> Result<u64, MakeError> {
    if let (Some((old, keys)), Some(new)) = (&*kept, &snapshot)
        && Arc::ptr_eq(old, new)
    {
        return Ok(*keys);
    }
    *kept = None;
    let mut keys = Keys::new(file.parent().unwrap_or(Path::new(".")));
    for number in 0..snapshot.as_ref().map_or(0, |snapshot| snapshot.blocks()) {
        let block = snapshot.as_ref().map(|snapshot| snapshot.block(number)).transpose()?;
        let saved = record::read_saved(&block.unwrap_or_default());
        for one in saved.ok_or(MakeError::Log("no such record in a snapshot"))? {
            push(&mut keys, &one.signature, one.sketch.as_ref())?;
        }
    }
    let mut out = BufWriter::new(File::create(file)?);
    let keys = keys.write(&mut out)?;
    out.flush()?;
    *kept = snapshot.map(|snapshot| (snapshot, keys));
    Ok(keys)
}

fn log_keys(log: &Path, dir: &Path) -> Result<Keys, MakeError> {
    let mut keys = Keys::new(dir);
    let mut reader = Reader::new(BufReader::with_capacity(COPY_BYTES, File::open(log)?), 0);
    loop {
        match reader.frame()? {
            Next::End => return Ok(keys),
            Next::Bad => return Err(MakeError::Log("no whole record in the log")),
            Next::Payload(payload) => {
                let commit = record::read_commit(&payload);
                let commit = commit.ok_or(MakeError::Log("no such record in the log"))?;
                commit.changes.iter().try_for_each(|change| push_change(&mut keys, change))?;
            }
        }
    }
}

fn base_keys(base: Option<&Origin>, dir: &Path) -> Result<Keys, MakeError> {
    let mut keys = Keys::new(dir);
    if let Some(base) = base {
        base.files.commits(0, |commit| {
            let pushed =
                commit.changes.iter().try_for_each(|change| push_change(&mut keys, change));
            pushed.map_err(FeedError::Io)
        })?;
    }
    Ok(keys)
}

/// A report adds; a deletion takes nothing out before the next compaction, which costs a question and hides nothing.
pub(super) fn push_change(keys: &mut Keys, change: &Change) -> io::Result<()> {
    match change {
        Change::Add { signature, sketch, .. } => push(keys, signature, sketch.as_ref()),
        Change::Delete { .. } | Change::Retract { .. } => Ok(()),
    }
}

fn push(keys: &mut Keys, signature: &Signature, sketch: Option<&Sketch>) -> io::Result<()> {
    let kind = signature.kind.code();
    keys.push(exact_key(kind, &signature.value))?;
    let bands = sketch.map(|sketch| band_keys(kind, &sketch.0));
    bands.into_iter().flatten().try_for_each(|key| keys.push(key))
}

fn copy(from: &mut File, out: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => out.write_all(&buffer[..count])?,
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

/// Sums up what is written.
struct Summed<W> {
    out: W,
    sum: Naming,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
