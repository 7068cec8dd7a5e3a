//! Compaction: the last snapshot and the segments behind it become the next snapshot, on a thread of its own and without
//! the table. Reads the old one block by block and copies what did not change; of the changes it holds 32 bytes each.

use std::io;
use std::iter::Peekable;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tamis_reputation_protocol::signatures::{ReporterRecord, Saved};

use super::histories::Present;
use super::record::{self, Key, RawSaved, saved_records};
use super::segment::{self, Segment};
use super::snapshot::{Snapshot, Writer};
use super::{Position, files};

/// What a merge needs.
#[derive(Debug)]
pub(super) struct Merge {
    pub dir: PathBuf,
    pub present: Arc<Present>,
    /// Segments that are no longer written; the present snapshot comes before them.
    pub frozen: Vec<Arc<Segment>>,
    /// Epoch after them.
    pub epoch: u64,
    /// Place in the shared order after them.
    pub position: Option<Position>,
    /// Number of the segment behind them.
    pub next: u32,
    /// What is known of the reporters after them.
    pub reporters: Vec<ReporterRecord>,
    pub is_cancelled: Arc<AtomicBool>,
}

/// A merge that runs.
#[derive(Debug)]
pub(super) struct Running {
    thread: Option<JoinHandle<io::Result<()>>>,
    is_cancelled: Arc<AtomicBool>,
}

impl Merge {
    pub fn start(self) -> io::Result<Running> {
        let is_cancelled = Arc::clone(&self.is_cancelled);
        let builder = std::thread::Builder::new().name("reputation-merge".to_owned());
        let thread = Some(builder.spawn(move || self.run())?);
        Ok(Running { thread, is_cancelled })
    }

    /// A crash at any point leaves a directory that opens to the same table: until the new snapshot has its name, the old
    /// one and the segments are there; from then on they no longer count.
    fn run(self) -> io::Result<()> {
        let old = self.present.in_force().snapshot.clone();
        let written = self.written(old.as_deref());
        if written.is_err() {
            // It may be large, and the disk may be full because of it.
            let _ = files::remove(&self.dir.join(files::NEW));
        }
        let snapshot = written?;
        self.present.change(|files| {
            files.snapshot = Some(Arc::new(snapshot));
            let is_frozen = |it: &Arc<Segment>| self.frozen.iter().any(|other| it.id == other.id);
            files.segments.retain(|segment| !is_frozen(segment));
        });
        for segment in &self.frozen {
            files::remove(&segment.path)?;
        }
        match old {
            Some(old) if old.epoch() != self.epoch => files::remove(old.path()),
            _ => Ok(()),
        }
    }

    fn written(&self, old: Option<&Snapshot>) -> io::Result<Snapshot> {
        let mut merging = Merging {
            merge: self,
            writer: Writer::begin(&self.dir, self.epoch, self.position)?,
            changes: self.changes()?.into_iter().peekable(),
        };
        merging.writer.followed_by(self.next);
        for number in 0..old.map_or(0, Snapshot::blocks) {
            // A snapshot of gigabytes may have nothing to change: whoever stops does not wait for all of it.
            self.go_on()?;
            let block = old.map_or_else(|| Ok(Vec::new()), |old| old.block(number))?;
            for saved in saved_records(&block) {
                let saved = saved.ok_or_else(|| io::Error::other("no such record"))?;
                merging.new_before(Some(saved.key))?;
                merging.known(&saved)?;
            }
        }
        merging.new_before(None)?;
        merging.writer.finish(&self.reporters)
    }

    /// Where the changes stand, by signature and then in their order.
    fn changes(&self) -> io::Result<Vec<Place>> {
        let mut all = Vec::new();
        for (number, segment) in self.frozen.iter().enumerate() {
            let number = u16::try_from(number).map_err(|_| io::Error::other("many segments"))?;
            segment.visit(|at, change| {
                all.push(Place { key: change.key, segment: number, at, epoch: change.epoch });
            })?;
            self.go_on()?;
        }
        all.sort_unstable_by_key(|place| (place.key, place.segment, place.at));
        Ok(all)
    }

    fn go_on(&self) -> io::Result<()> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "the service is stopping"));
        }
        Ok(())
    }
}

/// One change on disk.
#[derive(Clone, Copy, Debug)]
struct Place {
    key: Key,
    segment: u16,
    at: u64,
    epoch: u64,
}

struct Merging<'a> {
    merge: &'a Merge,
    writer: Writer,
    changes: Peekable<std::vec::IntoIter<Place>>,
}

impl Merging<'_> {
    /// Signatures that the old snapshot does not have, up to one that it has or to the end.
    fn new_before(&mut self, end: Option<Key>) -> io::Result<()> {
        while let Some(next) = self.changes.peek() {
            if end.is_some_and(|end| next.key >= end) {
                break;
            }
            let key = next.key;
            self.changed(key, None)?;
        }
        Ok(())
    }

    /// One that it has.
    fn known(&mut self, saved: &RawSaved<'_>) -> io::Result<()> {
        if self.changes.peek().is_none_or(|next| next.key != saved.key) {
            return self.writer.push_raw(saved);
        }
        let read = record::read_saved(saved.bytes).and_then(|mut all| all.pop());
        let read = read.ok_or_else(|| io::Error::other("no such record"))?;
        self.changed(saved.key, Some(read))
    }

    fn changed(&mut self, key: Key, saved: Option<Saved>) -> io::Result<()> {
        self.merge.go_on()?;
        let mut saved = saved;
        while let Some(place) = self.changes.next_if(|next| next.key == key) {
            let Some(segment) = self.merge.frozen.get(usize::from(place.segment)) else { continue };
            let change = segment::read_change_at(segment, place.at)?;
            saved = segment::apply(saved, &change, place.epoch);
        }
        saved.map_or(Ok(()), |saved| self.writer.push(&saved))
    }
}

impl Running {
    /// What became of it, once it ended.
    pub fn ended(&mut self) -> Option<io::Result<()>> {
        if self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return None;
        }
        Some(self.wait())
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the merge panicked")))
    }
}

impl Drop for Running {
    /// Nobody reads or writes the directory once its owner let it go.
    fn drop(&mut self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
        let _ = self.wait();
    }
}

#[cfg(test)]
mod tests {
    use tamis_reputation_protocol::signatures::{Rules, Table};

    use super::super::local::{COMPACT_BYTES, LocalLog};
    use super::super::tests::many;
    use super::*;

    #[test]
    fn a_merge_that_is_told_to_stop_ends_at_the_next_block_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        many(dir.path());
        let mut table = Table::new(Rules::default());
        let log = LocalLog::open(dir.path(), &mut table, COMPACT_BYTES).unwrap().log;
        let super::super::histories::Source::Disk(present) = log.histories().0 else {
            unreachable!("a log on disk")
        };
        assert!(present.in_force().snapshot.as_ref().unwrap().blocks() > 1);
        // Nothing has changed: whole blocks are copied, and no change is looked at.
        let merge = |is_cancelled| Merge {
            dir: dir.path().to_path_buf(),
            present: Arc::clone(&present),
            frozen: Vec::new(),
            epoch: table.epoch() + 1,
            position: None,
            next: 0,
            reporters: Vec::new(),
            is_cancelled: Arc::new(AtomicBool::new(is_cancelled)),
        };
        let stopped = merge(true).run().unwrap_err();
        assert_eq!(stopped.kind(), io::ErrorKind::Interrupted);
        assert!(!dir.path().join(files::NEW).exists());
        assert!(merge(false).run().is_ok());
    }
}
