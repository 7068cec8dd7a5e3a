//! A directory into a table: the snapshot, then the segments behind it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tamis_reputation_protocol::signatures::Table;

use crate::log::files::{self, Files, SegmentId};
use crate::log::frame::{self, Next, Reader};
use crate::log::snapshot::Snapshot;
use crate::log::{OpenError, Position, record};

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// Looks at a directory that a compaction changes meanwhile: a file that is gone was replaced by a newer one.
const LOOKS_MAX: usize = 8;

/// What a directory gave.
#[derive(Debug, Default)]
pub(in crate::log) struct Replay {
    pub snapshot: Option<Snapshot>,
    pub segments: Vec<SegmentId>,
    pub position: Option<Position>,
    pub warnings: Vec<String>,
    /// Reports that no table has room for.
    pub skipped: u64,
}

/// Reads the log in `dir`, which somebody else may be writing, into an empty table, and changes nothing: a write that is
/// not whole at the end is left out. The place in the shared order up to which it goes.
///
/// # Errors
/// [`OpenError`]; the table is to be thrown away then.
pub fn replay_into(dir: &Path, table: &mut Table) -> Result<Option<Position>, OpenError> {
    let mut looks = 0;
    let opened = loop {
        looks += 1;
        match Opened::of(dir) {
            Err(OpenError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && looks < LOOKS_MAX => {}
            other => break other?,
        }
    };
    opened.replay(table, false).map(|replay| replay.position)
}

/// Reads the log in `dir`, which belongs to this process, into an empty table; cuts off and removes what a crash left.
pub(in crate::log) fn tidied(dir: &Path, table: &mut Table) -> Result<Replay, OpenError> {
    let opened = Opened::of(dir)?;
    let replaced = opened.replaced.clone();
    let replay = opened.replay(table, true)?;
    for path in replaced.into_iter().chain([dir.join(files::NEW)]) {
        files::remove(&path).map_err(OpenError::io(&path))?;
    }
    Ok(replay)
}

/// All files of a directory, open before the first is read: what happens to their names no longer matters.
struct Opened {
    snapshot: Option<Snapshot>,
    segments: Vec<(SegmentId, PathBuf, File)>,
    replaced: Vec<PathBuf>,
}

impl Opened {
    fn of(dir: &Path) -> Result<Self, OpenError> {
        let mut files = Files::of(dir)?;
        let snapshot = files.snapshots.last();
        let snapshot = snapshot.map(|(_, path)| Snapshot::open(path)).transpose()?;
        let place = snapshot.as_ref().map_or((0, 0), |it| (it.epoch(), it.segment()));
        let replaced = files.take_replaced(place);
        let mut segments = Vec::new();
        for (id, path) in files.segments {
            let file = File::open(&path).map_err(OpenError::io(&path))?;
            segments.push((id, path, file));
        }
        Ok(Self { snapshot, segments, replaced })
    }

    fn replay(self, table: &mut Table, may_cut: bool) -> Result<Replay, OpenError> {
        let mut replay = Replay::default();
        if let Some(snapshot) = &self.snapshot {
            replay.skipped = snapshot.load(table)?;
            replay.position = snapshot.position();
        }
        replay.snapshot = self.snapshot;
        let mut segments = self.segments.iter();
        while let Some((id, path, file)) = segments.next() {
            let rest = segments.as_slice();
            let has_more = |later: &&File| length(later).is_ok_and(|bytes| bytes > 0);
            // One that was made and not written to changes nothing: the one before may end in a torn write.
            let is_last = !rest.iter().any(|(_, _, file)| has_more(&file));
            let mut reading = Reading { table, replay: &mut replay, may_cut };
            let ended = reading.segment(*id, path, file, is_last)?;
            replay.segments.push(*id);
            if ended == Ended::Cut && !is_last {
                drop_copies(rest, may_cut)?;
                break;
            }
        }
        replay.warnings.extend(no_room(replay.skipped));
        Ok(replay)
    }
}

/// What is said of reports that no table has room for.
pub(in crate::log) fn no_room(skipped: u64) -> Option<String> {
    (skipped > 0).then(|| {
        format!(
            "{skipped} reports of the log are not in the table, which has no room for more signatures or names of reporters"
        )
    })
}

/// After a copy that was cut, more copies are of no use; originals would be missing what was cut.
fn drop_copies(rest: &[(SegmentId, PathBuf, File)], may_cut: bool) -> Result<(), OpenError> {
    if let Some((_, later, _)) = rest.iter().find(|(id, ..)| !id.is_copy) {
        return Err(OpenError::damaged(later, 0, "changes before it are missing"));
    }
    for (_, later, _) in rest.iter().filter(|_| may_cut) {
        files::remove(later).map_err(OpenError::io(later))?;
    }
    Ok(())
}

fn length(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len())
}

#[derive(PartialEq, Eq)]
enum Ended {
    Whole,
    Cut,
}

struct Reading<'a> {
    table: &'a mut Table,
    replay: &'a mut Replay,
    may_cut: bool,
}

impl Reading<'_> {
    /// Applies what a segment holds. The last one may end in the middle of a frame: that write was not acknowledged and
    /// is cut off, unless what stands behind it shows that it was. A copy is believed up to the first thing that does not
    /// fit, since all behind it is read again from where the copy was taken.
    fn segment(
        &mut self,
        id: SegmentId,
        path: &Path,
        file: &File,
        is_last: bool,
    ) -> Result<Ended, OpenError> {
        let length = length(file).map_err(OpenError::io(path))?;
        let mut reader = Reader::new(BufReader::with_capacity(READ_BYTES, file), 0);
        loop {
            let at = reader.at();
            let damaged = |what: &str| OpenError::damaged(path, at, what);
            match reader.frame().map_err(OpenError::io(path))? {
                Next::End => return Ok(Ended::Whole),
                Next::Payload(payload) => {
                    let commit = record::read_commit(&payload);
                    let commit = commit.ok_or_else(|| damaged("no such record"))?;
                    let epoch = self.table.epoch();
                    if commit.epoch_before != epoch && id.is_copy {
                        return self.cut(path, at, length);
                    }
                    if commit.epoch_before != epoch {
                        let before = commit.epoch_before;
                        return Err(damaged(&format!(
                            "changes after epoch {before} follow epoch {epoch}: some are missing"
                        )));
                    }
                    for change in &commit.changes {
                        match self.table.replay(change) {
                            Ok(_) => {}
                            // As it was when it was written: others were under way and took the last room.
                            Err(refused) if refused.is_limit() => self.replay.skipped += 1,
                            Err(refused) => return Err(damaged(&refused.to_string())),
                        }
                    }
                    self.replay.position = commit.position.or(self.replay.position);
                }
                Next::Bad if id.is_copy => return self.cut(path, at, length),
                Next::Bad => {
                    let is_torn = is_last && is_torn_write(path, at, length)?;
                    if !is_torn {
                        return Err(damaged("no whole record, and more behind it"));
                    }
                    return self.cut(path, at, length);
                }
            }
        }
    }

    fn cut(&mut self, path: &Path, at: u64, length: u64) -> Result<Ended, OpenError> {
        if self.may_cut {
            let file = OpenOptions::new().write(true).open(path).map_err(OpenError::io(path))?;
            file.set_len(at).and_then(|()| file.sync_all()).map_err(OpenError::io(path))?;
            self.replay.warnings.push(format!(
                "the log ended in a write that is not whole: {} bytes from byte {at} on were cut off",
                length - at
            ));
        }
        Ok(Ended::Cut)
    }
}

/// Whether the bytes from `at` to the end, where no frame can be read, can be one write that was torn: no longer than a
/// frame, and no whole frame behind its first byte.
fn is_torn_write(path: &Path, at: u64, length: u64) -> Result<bool, OpenError> {
    if length.saturating_sub(at) > (frame::HEAD_BYTES + frame::PAYLOAD_BYTES_MAX) as u64 {
        return Ok(false);
    }
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(at + 1))?;
        let mut behind = Vec::new();
        file.take(length.saturating_sub(at + 1)).read_to_end(&mut behind)?;
        Ok(behind)
    };
    let behind = read().map_err(OpenError::io(path))?;
    Ok(!frame::any_in(&behind, record::may_be_commit))
}
