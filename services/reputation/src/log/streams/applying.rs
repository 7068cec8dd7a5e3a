//! The one thread that changes table and directory of a node: entries in order, a whole table from a peer, snapshots for
//! peers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_reputation_protocol::signatures::{Change, Table};
use tamis_runtime::clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::entry::{Content, Entry};
use super::troubles::Alarm;
use super::{ID_BYTES, Link};
use crate::log::local::LocalLog;
use crate::log::snapshot::Snapshot;
use crate::log::{Durability, Position};
use crate::writes;

/// Snapshots sent to peers at the same time: each reads the disk as fast as it can.
pub const SNAPSHOTS_AT_ONCE_MAX: usize = 2;

/// Pause between two looks at a compaction that peers wait for.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Changes and commits whose copy waits for room on the disk, some 20 MB. With more nothing is applied: what this node
/// did not apply stays in the stream.
pub const COPIES_WAITING_MAX: usize = 65_536;

/// Between two attempts to write them.
const COPY_AGAIN: Duration = Duration::from_secs(1);

/// Pauses after compactions that failed while a peer waits, together less than it waits. Then it is told why.
const COMPACTION_PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// How long peers are refused then.
const COMPACTION_REST: Duration = Duration::from_secs(30);

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Work {
    /// Applies entries that follow the present position.
    Entries(Vec<Entry>, oneshot::Sender<Outcome>),
    /// Takes the snapshot that lies in the directory in the place of everything.
    Install(oneshot::Sender<Result<(), String>>),
    /// Gives a snapshot that reaches at least this position.
    Snapshot(Position, SnapshotAsked),
    /// What a fault of ours would do.
    #[cfg(test)]
    Panic,
    /// Whether the disk is full from now on.
    #[cfg(test)]
    Full(bool, oneshot::Sender<()>),
}

type SnapshotAsked = oneshot::Sender<Result<Arc<Snapshot>, String>>;

/// What became of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All are applied.
    Applied,
    /// The stream began here with another table than this node has.
    Differs(Position),
    /// Too many wait for their copy on disk: those from here on are not applied.
    Stalled,
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

/// An applied commit whose copy could not be written yet.
#[derive(Debug)]
struct Copy {
    epoch_before: u64,
    position: Position,
    changes: Vec<Change>,
}

pub(super) struct Applier {
    link: Arc<Link>,
    log: LocalLog,
    /// In order; while something waits here the log is behind the table.
    copies: VecDeque<Copy>,
    /// Changes and commits among them.
    copies_size: usize,
    copy_again_at: Option<Instant>,
    retries: Retries,
    /// Peers that wait for a snapshot that is being made.
    asked: Vec<(Position, SnapshotAsked)>,
}

impl Applier {
    pub(super) fn new(link: Arc<Link>, log: LocalLog) -> Self {
        Self {
            link,
            log,
            copies: VecDeque::new(),
            copies_size: 0,
            copy_again_at: None,
            retries: Retries::default(),
            asked: Vec::new(),
        }
    }

    pub(super) fn run(mut self, mut waiting: mpsc::Receiver<Work>) {
        let _alarm = Alarm::new(&self.link, "the thread that applies entries");
        self.show_size();
        loop {
            // A compaction and a full disk end without a word: they are looked at while somebody waits for them.
            let work = if self.asked.is_empty() && self.copies.is_empty() {
                waiting.blocking_recv()
            } else {
                match waiting.try_recv() {
                    Ok(work) => Some(work),
                    Err(mpsc::error::TryRecvError::Disconnected) => None,
                    Err(mpsc::error::TryRecvError::Empty) => {
                        std::thread::sleep(LOOK_AGAIN);
                        self.copy_waiting();
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
                #[cfg(test)]
                Some(Work::Panic) => panic!("as a fault of ours"),
                #[cfg(test)]
                Some(Work::Full(is_full, done)) => {
                    self.log.be_full(is_full);
                    let _ = done.send(());
                }
            }
            self.compact();
            self.show_size();
        }
    }

    fn entries(&mut self, entries: Vec<Entry>) -> Outcome {
        for entry in entries {
            self.copy_waiting();
            if self.copies_size >= COPIES_WAITING_MAX {
                return Outcome::Stalled;
            }
            let (position, mark) = (entry.position, entry.mark());
            match entry.content {
                Content::Commit { id, changes } => self.commit(position, id, changes),
                Content::Begin(begin) if !begin.continues(&self.link.own()) => {
                    return Outcome::Differs(position);
                }
                Content::Begin(_) => self.copy(self.link.epoch(), position, Vec::new()),
                Content::Unreadable => {
                    let at = super::entry::text(position);
                    tracing::error!(
                        "entry {at} of the shared order cannot be read; every node of this version skips it"
                    );
                    self.copy(self.link.epoch(), position, Vec::new());
                }
            }
            self.link.reached(position, mark);
        }
        Outcome::Applied
    }

    /// First the log, then the table, as a node alone does: who is told of a change finds its history, and a release that
    /// is made of the log has all that the table's epoch speaks of.
    fn commit(&mut self, position: Position, id: [u8; ID_BYTES], changes: Vec<Change>) {
        let pending = self.link.pending().remove(&id);
        self.copy(self.link.epoch(), position, changes.clone());
        let shared = &self.link.shared;
        match pending {
            Some(pending) if pending.counts.iter().sum::<usize>() == changes.len() => {
                let mut rest = changes.as_slice();
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
                // Nobody waits for what it did; a refusal is logged there.
                let _ = writes::apply(shared, &changes);
            }
        }
    }

    /// Copies what is applied. What cannot be written waits, in order: a gap in the copy would be worse than its end.
    fn copy(&mut self, epoch_before: u64, position: Position, changes: Vec<Change>) {
        self.copies_size += 1 + changes.len();
        self.copies.push_back(Copy { epoch_before, position, changes });
        self.copy_waiting();
    }

    fn copy_waiting(&mut self) {
        self.write_waiting();
        self.link.shared.set_copies_wait(!self.copies.is_empty());
    }

    /// Writes what waits, unless that failed just now.
    fn write_waiting(&mut self) {
        let now = clock::now();
        if self.copies.is_empty() || self.copy_again_at.is_some_and(|at| now < at) {
            return;
        }
        while let Some(Copy { epoch_before, position, changes }) = self.copies.front() {
            let copied =
                self.log.append(*epoch_before, Some(*position), changes, Durability::Buffered);
            if let Err(error) = copied {
                self.log.mend_copy();
                self.copy_again_at = Some(now + COPY_AGAIN);
                let trouble = (error.to_string(), self.copies_size >= COPIES_WAITING_MAX);
                self.link.trouble(|troubles| troubles.copy = Some(trouble));
                return;
            }
            self.copies_size = self.copies_size.saturating_sub(1 + changes.len());
            self.copies.pop_front();
        }
        if self.copy_again_at.take().is_some() {
            tracing::info!("the copy of the shared order is written again");
            self.link.trouble(|troubles| troubles.copy = None);
        }
    }

    fn compact(&mut self) {
        // While the log is behind the table, the table's epoch is not the log's.
        let ended = match self.copies.is_empty() {
            true => writes::compact(&mut self.log, &self.link.shared),
            false => self.log.compacted(),
        };
        match ended {
            Some(Ok(())) => self.retries = Retries::default(),
            Some(Err(error)) => self.retries.failed(error.to_string(), clock::now()),
            None => {}
        }
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
        if !self.copies.is_empty() {
            return Some(Err("its directory cannot be written".to_owned()));
        }
        if self.log.position() < Some(at_least) {
            let wanted = super::entry::text(at_least);
            return Some(Err(format!("this node has not reached {wanted} yet")));
        }
        if self.log.is_compacting() {
            return None;
        }
        let now = clock::now();
        match self.retries.next(now) {
            Try::Later => None,
            Try::Never(why) => Some(Err(why)),
            Try::Now => {
                if let Err(error) = writes::begin_compaction(&mut self.log, &self.link.shared) {
                    self.retries.failed(error.to_string(), now);
                }
                None
            }
        }
    }

    fn install(&mut self) -> Result<(), String> {
        let before = self.link.epoch();
        let fetched = self.log.fetched_path();
        let mut table = Table::new(*self.link.shared.table().rules());
        let installed = self.log.install_snapshot(&fetched, &mut table);
        let position = installed.map_err(|error| {
            // It is of no use to anybody, and may be large.
            let _ = std::fs::remove_file(&fetched);
            error.to_string()
        })?;
        self.copies.clear();
        (self.copies_size, self.copy_again_at) = (0, None);
        self.link.trouble(|troubles| troubles.copy = None);
        let position = position.ok_or("the snapshot says no position")?;
        let epoch = table.epoch();
        let old = self.link.shared.replace_table(table);
        self.link.shared.set_copies_wait(false);
        self.link.reached(position, None);
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

/// When a compaction that peers wait for may be tried, after some that failed.
#[derive(Debug, Default)]
struct Retries {
    failed: usize,
    not_before: Option<Instant>,
    why: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Try {
    Now,
    Later,
    /// Not soon: this is told to who waits.
    Never(String),
}

impl Retries {
    fn failed(&mut self, why: String, now: Instant) {
        let pause = COMPACTION_PAUSES.get(self.failed).copied().unwrap_or(COMPACTION_REST);
        self.failed += 1;
        self.not_before = Some(now + pause);
        self.why = why;
    }

    fn next(&mut self, now: Instant) -> Try {
        let is_over = self.failed > COMPACTION_PAUSES.len();
        match self.not_before {
            Some(at) if now < at && is_over => Try::Never(format!(
                "its log cannot be compacted, {} attempts failed: {}",
                self.failed, self.why
            )),
            Some(at) if now < at => Try::Later,
            _ => {
                if is_over {
                    *self = Self::default();
                }
                Try::Now
            }
        }
    }
}
