//! The one writer: orders changes, makes them durable in groups, applies them, tells who waits.
//!
//! It has a thread of its own, since a disk blocks. What waits while one group is written goes to disk together in the
//! next: the more writers, the fewer synchronisations for each.

use std::sync::Arc;
use std::thread::JoinHandle;

use tamis_reputation_protocol::signatures::{Applied, Change, Refused};
use tamis_runtime::clock;
use tokio::sync::{mpsc, oneshot};

use crate::alarm::Alarm;
use crate::log::histories::Histories;
use crate::log::local::LocalLog;
use crate::log::memory::MemoryLog;
use crate::log::streams::Link;
use crate::log::{AppendError, Durability};
use crate::shared::Shared;

/// Requests that wait for the writer; the next one waits for a place, and with it its caller.
pub const WAITING_MAX: usize = 256;

/// Changes in one group: bounds the frame on disk and how long its callers wait.
pub const CHANGES_PER_COMMIT_MAX: usize = 4_096;

/// Changes applied under one hold of the table: some 10 microseconds in which no question is answered.
const CHANGES_PER_HOLD: usize = 32;

const CANNOT_COMPACT: &str = "the log cannot be compacted; it goes on growing";

/// What one request did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Epoch after it.
    pub epoch: u64,
    /// Signatures listed that were not before.
    pub added: u32,
    /// Signatures reported that were listed before.
    pub confirmed: u32,
    /// Signatures taken off.
    pub deleted: u32,
    /// Signatures to be taken off that were not listed.
    pub unknown: u32,
}

/// Why a request did nothing at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The table would not take it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The log would not take it.
    #[error(transparent)]
    Log(#[from] AppendError),
    /// More changes than one commit holds: the caller's fault.
    #[error("more than {CHANGES_PER_COMMIT_MAX} changes at once")]
    TooMany,
    /// This node is cut off from the shared order: nothing was changed, another node may take it.
    #[error("writes are refused here: {0}; nothing was written")]
    CutOff(String),
    /// The shared order was asked and did not show the write in time.
    #[error("not known whether this was written: {0}; reporting it again is harmless")]
    Unknown(String),
    /// The shared order has the write, but not as many replicas as wanted: a failover may lose it. Writing it again makes
    /// sure, and changes nothing if it was not lost.
    #[error("written, not confirmed by replicas: {0}; reporting it again is harmless")]
    Unconfirmed(String),
    /// The service is stopping: nothing was written.
    #[error("the service is stopping")]
    Stopping,
}

/// Changes that somebody waits for.
#[derive(Debug)]
pub(crate) struct Request {
    pub changes: Vec<Change>,
    pub done: oneshot::Sender<Result<Committed, WriteError>>,
}

/// The way to the writer. Cheap to clone; when all are gone the writer ends.
#[derive(Clone, Debug)]
pub struct Writes {
    requests: mpsc::Sender<Request>,
    durable: bool,
    histories: Histories,
    link: Option<Arc<Link>>,
    shared: Arc<Shared>,
}

impl Writes {
    /// Starts the writer. Without a log, changes live as long as the process.
    ///
    /// # Errors
    /// The system's, when it has no thread to give.
    pub fn start(
        shared: Arc<Shared>,
        log: Option<LocalLog>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let durable = log.is_some();
        let memory = MemoryLog::default();
        let histories = log.as_ref().map_or_else(|| memory.histories(), LocalLog::histories);
        let writer = Writer { shared: Arc::clone(&shared), log, memory };
        writer.show_size();
        let builder = std::thread::Builder::new().name("reputation-log".to_owned());
        let thread = builder.spawn(move || writer.run(waiting))?;
        Ok((Self { requests, durable, histories, link: None, shared }, thread))
    }

    /// The way to the writer of a shared order, and what it has to take.
    pub(crate) fn shared(link: Arc<Link>, histories: Histories) -> (Self, mpsc::Receiver<Request>) {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let shared = Arc::clone(&link.shared);
        (Self { requests, durable: true, histories, link: Some(link), shared }, waiting)
    }

    /// Whether acknowledged changes survive the process.
    #[must_use]
    pub const fn durable(&self) -> bool {
        self.durable
    }

    /// What was reported of listed signatures.
    #[must_use]
    pub const fn histories(&self) -> &Histories {
        &self.histories
    }

    /// Why nobody takes a request.
    fn ended(&self) -> WriteError {
        match *self.shared.is_fit().borrow() {
            true => WriteError::Stopping,
            false => WriteError::CutOff(
                "the writer of this node ended unexpectedly: start it again".to_owned(),
            ),
        }
    }

    /// Makes changes, all or none; returns when they are on disk (or in the shared order) and in the table.
    ///
    /// # Errors
    /// [`WriteError`]: nothing was changed. After [`WriteError::Unknown`] it is not known whether it was; after
    /// [`WriteError::Unconfirmed`] it was, and may be lost again.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<Committed, WriteError> {
        if changes.len() > CHANGES_PER_COMMIT_MAX {
            return Err(WriteError::TooMany);
        }
        // Before waiting in a line that does not move.
        if let Some(why) = self.link.as_ref().and_then(|link| link.closed()) {
            return Err(WriteError::CutOff(why));
        }
        let (done, committed) = oneshot::channel();
        let request = Request { changes, done };
        self.requests.send(request).await.map_err(|_| self.ended())?;
        let ended = || WriteError::Unknown("the writer ended".to_owned());
        committed.await.map_err(|_| ended())?
    }
}

/// All that waits, up to a full commit.
pub(crate) fn gather(
    first: Request,
    waiting: &mut mpsc::Receiver<Request>,
    held_over: &mut Option<Request>,
) -> Vec<Request> {
    let mut changes = first.changes.len();
    let mut group = vec![first];
    while let Ok(request) = waiting.try_recv() {
        changes += request.changes.len();
        if changes > CHANGES_PER_COMMIT_MAX {
            *held_over = Some(request);
            break;
        }
        group.push(request);
    }
    group
}

/// One group without those that the table would refuse: these leave first, the others are ordered together.
pub(crate) struct Accepted {
    /// All changes, in order.
    pub changes: Vec<Change>,
    /// How many of them belong to whom.
    pub parts: Vec<(usize, oneshot::Sender<Result<Committed, WriteError>>)>,
}

impl Accepted {
    pub(crate) fn of(shared: &Shared, group: Vec<Request>) -> Self {
        let mut accepted = Self { changes: Vec::new(), parts: Vec::new() };
        for mut request in group {
            let before = accepted.changes.len();
            accepted.changes.append(&mut request.changes);
            // Together with those before it: the last place of the table is given once.
            let checked = shared.table().check(&accepted.changes);
            match checked {
                Ok(()) => accepted.parts.push((accepted.changes.len() - before, request.done)),
                Err(refused) => {
                    accepted.changes.truncate(before);
                    shared.metrics.committed("refused", None);
                    let _ = request.done.send(Err(refused.into()));
                }
            }
        }
        accepted
    }
}

/// Makes changes in the table, some under each hold of it; the others also when one is refused, since all are in the order.
pub(crate) fn apply(shared: &Shared, changes: &[Change]) -> Result<Committed, Refused> {
    let mut committed = Committed::default();
    let mut first_refused = None;
    for some in changes.chunks(CHANGES_PER_HOLD) {
        let mut table = shared.table_mut();
        for change in some {
            match table.replay(change) {
                // What another shard keeps was taken into the order; whether it was known there cannot be said here.
                Ok(Applied::Added | Applied::Elsewhere) => committed.added += 1,
                Ok(Applied::Confirmed) => committed.confirmed += 1,
                Ok(Applied::Deleted | Applied::Retracted) => committed.deleted += 1,
                Ok(Applied::Unknown) => committed.unknown += 1,
                // Checked before it was written: what was under way at the same time took the last room.
                Err(refused) => {
                    tracing::error!(%refused, "a change that is in the log has no room in the table");
                    first_refused.get_or_insert(refused);
                }
            }
        }
    }
    committed.epoch = shared.table().epoch();
    first_refused.map_or(Ok(committed), Err)
}

/// Another thread does the work; questions and writes go on. How one ended that was begun before, or could not begin.
pub(crate) fn compact(log: &mut LocalLog, shared: &Shared) -> Option<std::io::Result<()>> {
    let bytes = log.bytes();
    let mut ended = log.compacted();
    match &ended {
        None => {}
        Some(Ok(())) => tracing::info!(bytes, "the log was compacted"),
        Some(Err(error)) => tracing::warn!(%error, "{CANNOT_COMPACT}"),
    }
    if log.wants_compaction()
        && let Err(error) = begin_compaction(log, shared)
    {
        tracing::warn!(%error, "{CANNOT_COMPACT}");
        ended = Some(Err(error));
    }
    ended
}

pub(crate) fn begin_compaction(log: &mut LocalLog, shared: &Shared) -> std::io::Result<()> {
    let table = shared.table();
    let (epoch, reporters) = (table.epoch(), table.reporters().collect());
    drop(table);
    log.begin_compaction(epoch, reporters)
}

struct Writer {
    shared: Arc<Shared>,
    log: Option<LocalLog>,
    memory: MemoryLog,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Request>) {
        let _alarm = Alarm::new(&self.shared, "the writer");
        let mut held_over = None;
        loop {
            let Some(first) = held_over.take().or_else(|| waiting.blocking_recv()) else { return };
            let group = gather(first, &mut waiting, &mut held_over);
            self.commit(group);
            self.compact();
        }
    }

    fn commit(&mut self, group: Vec<Request>) {
        let Accepted { changes, parts } = Accepted::of(&self.shared, group);
        if parts.is_empty() {
            return;
        }
        if let Err(error) = self.write(&changes) {
            for (_, done) in parts {
                self.shared.metrics.committed("failed", None);
                let _ = done.send(Err(error.clone().into()));
            }
            return;
        }
        let mut rest = changes.as_slice();
        for (count, done) in parts {
            let (own, others) = rest.split_at(count);
            rest = others;
            let committed = apply(&self.shared, own);
            // Who asked may have gone; the change stands.
            let _ = done.send(committed.map_err(WriteError::from));
        }
        self.show_size();
    }

    fn write(&mut self, changes: &[Change]) -> Result<(), AppendError> {
        let epoch = self.shared.table().epoch();
        let Some(log) = &mut self.log else {
            self.memory.append(epoch, changes);
            self.shared.metrics.committed("in_memory", None);
            return Ok(());
        };
        let began = clock::now();
        let written = log.append(epoch, None, changes, Durability::Synced);
        let seconds = clock::now().saturating_duration_since(began).as_secs_f64();
        if written.is_ok() {
            self.shared.metrics.committed("durable", Some(seconds));
        }
        self.shared.log_trouble(written.as_ref().err().map(ToString::to_string));
        written
    }

    fn compact(&mut self) {
        if let Some(log) = self.log.as_mut() {
            let _ = compact(log, &self.shared);
        }
    }

    fn show_size(&self) {
        let bytes = self.log.as_ref().map_or(0, LocalLog::bytes);
        self.shared.metrics.sized(&self.shared.table(), bytes);
    }
}

#[cfg(test)]
mod tests {
    use tamis_reputation_protocol::signatures::{Rules, Table};

    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn a_writer_that_died_is_told_as_that_and_not_as_a_service_that_stops() {
        let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
        let shared = Arc::new(Shared::new(Table::new(Rules::default()), metrics));
        let (requests, waiting) = mpsc::channel(1);
        let histories = MemoryLog::default().histories();
        let shared_too = Arc::clone(&shared);
        let writes = Writes { requests, durable: false, histories, link: None, shared: shared_too };
        drop(waiting);
        assert_eq!(writes.commit(Vec::new()).await, Err(WriteError::Stopping));
        Alarm::new(&shared, "the writer").ring();
        let refused = writes.commit(Vec::new()).await;
        assert!(matches!(&refused, Err(WriteError::CutOff(why)) if why.contains("start it again")));
    }
}
