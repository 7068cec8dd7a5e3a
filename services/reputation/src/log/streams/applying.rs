//! The one thread that changes table and directory of a node: entries in order, a whole table from a peer, snapshots for
//! peers.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use tamis_reputation_protocol::signatures::{Change, Table};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::entry::{Begin, Content, Entry};
use super::{ID_BYTES, Link};
use crate::log::local::{COMPACT_BYTES, LocalLog};
use crate::log::{Durability, Position};
use crate::writes;

/// Snapshots sent to peers at the same time: each reads the disk as fast as it can.
pub const SNAPSHOTS_AT_ONCE_MAX: usize = 2;

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Work {
    /// Applies entries that follow the present position.
    Entries(Vec<Entry>, oneshot::Sender<Outcome>),
    /// Takes the snapshot that lies in the directory in the place of everything.
    Install(oneshot::Sender<Result<(), String>>),
    /// Gives a snapshot that reaches at least this position.
    Snapshot(Position, oneshot::Sender<Result<SnapshotFile, String>>),
}

/// What became of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All are applied.
    Applied,
    /// The stream began here with another table than this node has.
    Differs(Position),
}

/// A snapshot to be sent. Open, so that it stays when the directory goes on.
#[derive(Debug)]
pub struct SnapshotFile {
    /// The file, at its beginning.
    pub file: File,
    /// Epoch of the table in it.
    pub epoch: u64,
    /// Up to where in the order it goes.
    pub position: Position,
}

/// Where peers get snapshots. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Snapshots {
    link: Arc<Link>,
    work: mpsc::Sender<Work>,
    places: Arc<Semaphore>,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum NoSnapshot {
    /// The caller's: it belongs to another service.
    #[error("this is a node of the service {0:?}")]
    OtherService(String),
    /// Ours: ask another node.
    #[error("no snapshot here: {0}")]
    NotHere(String),
    /// Ours: later.
    #[error("{SNAPSHOTS_AT_ONCE_MAX} snapshots are on their way already")]
    TooMany,
}

impl Snapshots {
    pub(super) fn new(link: Arc<Link>, work: mpsc::Sender<Work>) -> Self {
        Self { link, work, places: Arc::new(Semaphore::new(SNAPSHOTS_AT_ONCE_MAX)) }
    }

    /// A snapshot that reaches at least `at_least`, and the place that it takes among [`SNAPSHOTS_AT_ONCE_MAX`].
    ///
    /// # Errors
    /// [`NoSnapshot`].
    pub async fn reaching(
        &self,
        service: &str,
        at_least: Position,
    ) -> Result<(SnapshotFile, tokio::sync::OwnedSemaphorePermit), NoSnapshot> {
        if service != self.link.settings.service {
            return Err(NoSnapshot::OtherService(self.link.settings.service.clone()));
        }
        let not_here = |why: &str| NoSnapshot::NotHere(why.to_owned());
        if !self.link.state().follows {
            return Err(not_here("this node does not follow the shared order itself"));
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| NoSnapshot::TooMany)?;
        let (done, made) = oneshot::channel();
        let stopping = || not_here("the node is stopping");
        self.work.send(Work::Snapshot(at_least, done)).await.map_err(|_| stopping())?;
        let file = made.await.map_err(|_| stopping())?.map_err(NoSnapshot::NotHere)?;
        Ok((file, place))
    }
}

pub(super) struct Applier {
    link: Arc<Link>,
    dir: PathBuf,
    /// The copy of the order; none when it could not be written or read: then the next start reads the order again.
    log: Option<LocalLog>,
}

impl Applier {
    pub(super) const fn new(link: Arc<Link>, dir: PathBuf, log: LocalLog) -> Self {
        Self { link, dir, log: Some(log) }
    }

    pub(super) fn run(mut self, mut work: mpsc::Receiver<Work>) {
        self.show_size();
        while let Some(work) = work.blocking_recv() {
            match work {
                Work::Entries(entries, done) => {
                    let outcome = self.entries(entries);
                    self.compact();
                    self.show_size();
                    let _ = done.send(outcome);
                }
                Work::Install(done) => {
                    let _ = done.send(self.install());
                    self.show_size();
                }
                Work::Snapshot(at_least, done) => {
                    let _ = done.send(self.snapshot(at_least));
                }
            }
        }
    }

    fn entries(&mut self, entries: Vec<Entry>) -> Outcome {
        for Entry { position, content } in entries {
            match content {
                Content::Commit { id, changes } => self.commit(position, id, &changes),
                Content::Begin(begin) if !self.is_ours(&begin) => return Outcome::Differs(position),
                Content::Begin(_) => self.copy(self.link.epoch(), position, &[]),
                Content::Unreadable => {
                    let at = super::entry::text(position);
                    tracing::error!("entry {at} of the shared order cannot be read; every node of this version skips it");
                    self.copy(self.link.epoch(), position, &[]);
                }
            }
            self.link.state().position = Some(position);
        }
        Outcome::Applied
    }

    /// Whether the stream begins with the table that this node has.
    fn is_ours(&self, begin: &Begin) -> bool {
        begin.epoch == self.link.epoch() && begin.from == self.link.position()
    }

    fn commit(&mut self, position: Position, id: [u8; ID_BYTES], changes: &[Change]) {
        let epoch_before = self.link.epoch();
        let pending = self.link.pending().remove(&id);
        let shared = &self.link.shared;
        match pending {
            Some(pending) if pending.counts.iter().sum::<usize>() == changes.len() => {
                let mut rest = changes;
                let mut done = Vec::new();
                for count in pending.counts {
                    let (own, others) = rest.split_at(count);
                    rest = others;
                    done.push(writes::apply(shared, own));
                }
                // Who asked may have given up; the change stands.
                let _ = pending.shown.send(done);
            }
            _ => {
                writes::apply(shared, changes);
            }
        }
        self.copy(epoch_before, position, changes);
    }

    /// Copies what was applied. A copy that fails is given up: a gap in it would be worse than its end.
    fn copy(&mut self, epoch_before: u64, position: Position, changes: &[Change]) {
        let Some(log) = &mut self.log else { return };
        let copied = log.append(epoch_before, Some(position), changes, Durability::Buffered);
        if let Err(error) = copied {
            self.link.shared.warn(format!(
                "the copy of the shared order cannot be written: {error}; the next start reads from its end on"
            ));
            self.log = None;
        }
    }

    fn compact(&mut self) {
        if self.log.as_ref().is_some_and(LocalLog::wants_compaction)
            && let Err(error) = self.write_snapshot()
        {
            tracing::warn!("the log cannot be compacted; it goes on growing: {error}");
        }
    }

    fn write_snapshot(&mut self) -> Result<(), String> {
        let log = self.log.as_mut().ok_or("the copy on disk is given up")?;
        let table = self.link.shared.table();
        log.compact(&table).map_err(|error| error.to_string())?;
        drop(table);
        self.link.state().snapshot = log.snapshot().and_then(|(_, position, _)| position);
        Ok(())
    }

    fn snapshot(&mut self, at_least: Position) -> Result<SnapshotFile, String> {
        let reaches = |log: &LocalLog| {
            let (epoch, position, path) = log.snapshot()?;
            Some((epoch, position.filter(|position| *position >= at_least)?, path))
        };
        let present = self.log.as_ref().and_then(reaches);
        let found = match present {
            Some(found) => found,
            None => {
                self.write_snapshot()?;
                let here = super::entry::text(at_least);
                let found = self.log.as_ref().and_then(reaches);
                found.ok_or_else(|| format!("this node has not reached {here} yet"))?
            }
        };
        let (epoch, position, path) = found;
        let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(SnapshotFile { file, epoch, position })
    }

    fn install(&mut self) -> Result<(), String> {
        // Closed first: opening it again takes the new snapshot in the place of everything.
        self.log = None;
        let before = self.link.epoch();
        let mut table = Table::new(*self.link.shared.table().rules());
        let opened = LocalLog::open(&self.dir, &mut table, COMPACT_BYTES);
        let opened = opened.map_err(|error| error.to_string())?;
        let position = opened.position.ok_or("the snapshot says no position")?;
        let epoch = table.epoch();
        let old = self.link.shared.replace_table(table);
        let mut state = self.link.state();
        state.position = Some(position);
        state.snapshot = opened.log.snapshot().and_then(|(_, position, _)| position);
        state.resyncs += 1;
        drop(state);
        self.log = Some(opened.log);
        drop(old);
        if epoch < before {
            self.link.shared.warn(format!(
                "this node had come to epoch {before}, the shared order only to {epoch}: what it alone had is gone"
            ));
        }
        tracing::info!(epoch, "the table of another node was taken");
        Ok(())
    }

    fn show_size(&self) {
        let bytes = self.log.as_ref().map_or(0, LocalLog::bytes);
        self.link.shared.metrics.sized(&self.link.shared.table(), bytes);
    }
}
