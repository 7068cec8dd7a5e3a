//! The one thread that changes table and directory of a node: entries in order, a whole table from a peer, snapshots for
//! peers.

use std::sync::Arc;
use std::time::Duration;

use tamis_reputation_protocol::signatures::{Change, Table};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::entry::{Begin, Content, Entry};
use super::{ID_BYTES, Link};
use crate::log::local::LocalLog;
use crate::log::snapshot::Snapshot;
use crate::log::{Durability, Position};
use crate::writes;

/// Snapshots sent to peers at the same time: each reads the disk as fast as it can.
pub const SNAPSHOTS_AT_ONCE_MAX: usize = 2;

/// Pause between two looks at a compaction that peers wait for.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Work {
    /// Applies entries that follow the present position.
    Entries(Vec<Entry>, oneshot::Sender<Outcome>),
    /// Takes the snapshot that lies in the directory in the place of everything.
    Install(oneshot::Sender<Result<(), String>>),
    /// Gives a snapshot that reaches at least this position.
    Snapshot(Position, SnapshotAsked),
}

type SnapshotAsked = oneshot::Sender<Result<Arc<Snapshot>, String>>;

/// What became of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All are applied.
    Applied,
    /// The stream began here with another table than this node has.
    Differs(Position),
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
    ) -> Result<(Arc<Snapshot>, OwnedSemaphorePermit), NoSnapshot> {
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
    log: LocalLog,
    /// Whether the copy of the order is given up: then the next start reads the order from its end on.
    is_given_up: bool,
    /// Peers that wait for a snapshot that is being made.
    asked: Vec<(Position, SnapshotAsked)>,
}

impl Applier {
    pub(super) const fn new(link: Arc<Link>, log: LocalLog) -> Self {
        Self { link, log, is_given_up: false, asked: Vec::new() }
    }

    pub(super) fn run(mut self, mut waiting: mpsc::Receiver<Work>) {
        self.show_size();
        loop {
            // A compaction ends without a word: it is looked at while somebody waits for it.
            let work = if self.asked.is_empty() {
                waiting.blocking_recv()
            } else {
                match waiting.try_recv() {
                    Ok(work) => Some(work),
                    Err(mpsc::error::TryRecvError::Disconnected) => None,
                    Err(mpsc::error::TryRecvError::Empty) => {
                        std::thread::sleep(LOOK_AGAIN);
                        self.compact();
                        continue;
                    }
                }
            };
            match work {
                None => return,
                Some(Work::Entries(entries, done)) => {
                    let _ = done.send(self.entries(entries));
                }
                Some(Work::Install(done)) => {
                    let _ = done.send(self.install());
                }
                Some(Work::Snapshot(at_least, asked)) => self.asked.push((at_least, asked)),
            }
            self.compact();
            self.show_size();
        }
    }

    fn entries(&mut self, entries: Vec<Entry>) -> Outcome {
        for Entry { position, content } in entries {
            match content {
                Content::Commit { id, changes } => self.commit(position, id, &changes),
                Content::Begin(begin) if !self.is_ours(&begin) => {
                    return Outcome::Differs(position);
                }
                Content::Begin(_) => self.copy(self.link.epoch(), position, &[]),
                Content::Unreadable => {
                    let at = super::entry::text(position);
                    tracing::error!(
                        "entry {at} of the shared order cannot be read; every node of this version skips it"
                    );
                    self.copy(self.link.epoch(), position, &[]);
                }
            }
            self.link.reached(position);
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
        if self.is_given_up {
            return;
        }
        let copied = self.log.append(epoch_before, Some(position), changes, Durability::Buffered);
        if let Err(error) = copied {
            self.link.shared.warn(format!(
                "the copy of the shared order cannot be written: {error}; the next start reads from its end on"
            ));
            self.is_given_up = true;
        }
    }

    fn compact(&mut self) {
        writes::compact(&mut self.log, &self.link.shared);
        self.link.state().snapshot = self.snapshot().and_then(|snapshot| snapshot.position());
        for (at_least, asked) in std::mem::take(&mut self.asked) {
            match self.reaching(at_least) {
                Some(told) => {
                    // A peer that went away needs none.
                    let _ = asked.send(told);
                }
                None => self.asked.push((at_least, asked)),
            }
        }
    }

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.log.histories().snapshot()
    }

    /// A snapshot that reaches this position, or why there will be none; nothing while one is being made.
    fn reaching(&mut self, at_least: Position) -> Option<Result<Arc<Snapshot>, String>> {
        let present = self.snapshot();
        if let Some(snapshot) = present
            && snapshot.position() >= Some(at_least)
        {
            return Some(Ok(snapshot));
        }
        if self.is_given_up {
            return Some(Err("its directory cannot be written".to_owned()));
        }
        if self.log.position() < Some(at_least) {
            let wanted = super::entry::text(at_least);
            return Some(Err(format!("this node has not reached {wanted} yet")));
        }
        match writes::begin_compaction(&mut self.log, &self.link.shared) {
            Ok(()) => None,
            Err(error) => Some(Err(error.to_string())),
        }
    }

    fn install(&mut self) -> Result<(), String> {
        let before = self.link.epoch();
        let fetched = self.log.fetched_path();
        let mut table = Table::new(*self.link.shared.table().rules());
        let installed = self.log.install_snapshot(&fetched, &mut table);
        let position = installed.map_err(|error| error.to_string())?;
        let position = position.ok_or("the snapshot says no position")?;
        let epoch = table.epoch();
        let old = self.link.shared.replace_table(table);
        self.link.reached(position);
        self.link.state().resyncs += 1;
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
        self.link.shared.metrics.sized(&self.link.shared.table(), self.log.bytes());
    }
}
