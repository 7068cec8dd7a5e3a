//! The one writer: orders changes, makes them durable in groups, applies them, tells who waits.
//!
//! It has a thread of its own, since a disk blocks. What waits while one group is written goes to disk together in the
//! next: the more writers, the fewer synchronisations for each.

use std::sync::Arc;
use std::thread::JoinHandle;

use tamis_reputation_protocol::signatures::{Applied, Change, Refused};
use tamis_runtime::clock;
use tokio::sync::{mpsc, oneshot};

use crate::log::histories::Histories;
use crate::log::local::LocalLog;
use crate::log::memory::MemoryLog;
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
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
}

#[derive(Debug)]
struct Request {
    changes: Vec<Change>,
    done: oneshot::Sender<Result<Committed, WriteError>>,
}

/// The way to the writer. Cheap to clone; when all are gone the writer ends.
#[derive(Clone, Debug)]
pub struct Writes {
    requests: mpsc::Sender<Request>,
    durable: bool,
    histories: Histories,
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
        let writer = Writer { shared, log, memory };
        writer.show_size();
        let builder = std::thread::Builder::new().name("reputation-log".to_owned());
        let thread = builder.spawn(move || writer.run(waiting))?;
        Ok((Self { requests, durable, histories }, thread))
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

    /// Makes changes, all or none; returns when they are on disk and in the table.
    ///
    /// # Errors
    /// [`WriteError`]: nothing was changed. After [`WriteError::Stopping`] it is not known whether it was.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<Committed, WriteError> {
        if changes.len() > CHANGES_PER_COMMIT_MAX {
            return Err(WriteError::TooMany);
        }
        let (done, committed) = oneshot::channel();
        let request = Request { changes, done };
        self.requests.send(request).await.map_err(|_| WriteError::Stopping)?;
        committed.await.map_err(|_| WriteError::Stopping)?
    }
}

struct Writer {
    shared: Arc<Shared>,
    log: Option<LocalLog>,
    memory: MemoryLog,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Request>) {
        let mut held_over = None;
        loop {
            let Some(first) = held_over.take().or_else(|| waiting.blocking_recv()) else { return };
            let mut group = vec![first];
            let mut changes = group[0].changes.len();
            while let Ok(request) = waiting.try_recv() {
                changes += request.changes.len();
                if changes > CHANGES_PER_COMMIT_MAX {
                    held_over = Some(request);
                    break;
                }
                group.push(request);
            }
            self.commit(group);
            self.compact();
        }
    }

    /// One group: those that the table would refuse leave first, the others are written and applied together.
    fn commit(&mut self, group: Vec<Request>) {
        let mut changes: Vec<Change> = Vec::new();
        let mut accepted = Vec::new();
        for mut request in group {
            let before = changes.len();
            changes.append(&mut request.changes);
            // Together with those before it: the last place of the table is given once.
            let checked = self.shared.table().check(&changes);
            match checked {
                Ok(()) => accepted.push((changes.len() - before, request.done)),
                Err(refused) => {
                    changes.truncate(before);
                    self.shared.metrics.committed("refused", None);
                    let _ = request.done.send(Err(refused.into()));
                }
            }
        }
        if accepted.is_empty() {
            return;
        }
        if let Err(error) = self.write(&changes) {
            for (_, done) in accepted {
                self.shared.metrics.committed("failed", None);
                let _ = done.send(Err(error.clone().into()));
            }
            return;
        }
        let mut rest = changes.as_slice();
        for (count, done) in accepted {
            let (own, others) = rest.split_at(count);
            rest = others;
            let committed = self.apply(own);
            // Who asked may have gone; the change stands.
            let _ = done.send(Ok(committed));
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

    fn apply(&self, changes: &[Change]) -> Committed {
        let mut committed = Committed::default();
        for some in changes.chunks(CHANGES_PER_HOLD) {
            let mut table = self.shared.table_mut();
            for change in some {
                match table.replay(change) {
                    Ok(Applied::Added) => committed.added += 1,
                    Ok(Applied::Confirmed) => committed.confirmed += 1,
                    Ok(Applied::Deleted | Applied::Retracted) => committed.deleted += 1,
                    Ok(Applied::Unknown) => committed.unknown += 1,
                    // Checked before it was written; a table that changes its mind is a fault of ours.
                    Err(refused) => tracing::error!(%refused, "a checked change was refused"),
                }
            }
        }
        committed.epoch = self.shared.table().epoch();
        committed
    }

    /// Another thread does the work; questions and writes go on.
    fn compact(&mut self) {
        let Some(log) = self.log.as_mut() else { return };
        let bytes = log.bytes();
        match log.compacted() {
            None => {}
            Some(Ok(())) => tracing::info!(bytes, "the log was compacted"),
            Some(Err(error)) => tracing::warn!(%error, "{CANNOT_COMPACT}"),
        }
        if !log.wants_compaction() {
            return;
        }
        let table = self.shared.table();
        let (epoch, reporters) = (table.epoch(), table.reporters().collect());
        drop(table);
        if let Err(error) = log.begin_compaction(epoch, reporters) {
            tracing::warn!(%error, "{CANNOT_COMPACT}");
        }
    }

    fn show_size(&self) {
        let bytes = self.log.as_ref().map_or(0, LocalLog::bytes);
        self.shared.metrics.sized(&self.shared.table(), bytes);
    }
}
