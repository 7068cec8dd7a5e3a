//! What sockets, writer and administration share: the table, what a person should know, the metrics.

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tamis_reputation_protocol::signatures::Table;

use crate::metrics::Metrics;

/// Warnings kept; each comes from a start or a failure, and a failure replaces its predecessor.
const WARNINGS_MAX: usize = 16;

/// Shared by all parts of one service.
#[derive(Debug)]
pub struct Shared {
    table: RwLock<Table>,
    warnings: Mutex<Vec<String>>,
    log_trouble: Mutex<Option<String>>,
    /// Counters of this service.
    pub metrics: Metrics,
}

impl Shared {
    /// A service with this table.
    #[must_use]
    pub fn new(table: Table, metrics: Metrics) -> Self {
        let table = RwLock::new(table);
        Self { table, warnings: Mutex::default(), log_trouble: Mutex::default(), metrics }
    }

    /// The table, for questions. Held for one batch of datagrams at most, so that a write waits microseconds.
    pub fn table(&self) -> RwLockReadGuard<'_, Table> {
        // A panic while the lock was held cannot leave a change half made that a later reader would trust: the table
        // has no invariant across calls. Going on beats dying.
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table, for the one writer. Held for some changes at most, so that questions wait microseconds.
    pub(crate) fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps something that a person should know until the process ends.
    pub fn warn(&self, warning: String) {
        tracing::warn!("{warning}");
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.len() < WARNINGS_MAX {
            warnings.push(warning);
        }
    }

    /// The log's present trouble, or none any more.
    pub(crate) fn log_trouble(&self, trouble: Option<String>) {
        let mut present = self.log_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*present, &trouble) {
            (None, Some(why)) => tracing::error!("writes are refused: {why}"),
            (Some(_), None) => tracing::info!("writes are taken again"),
            _ => {}
        }
        *present = trouble;
    }

    /// All that a person should know now.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut all = self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let trouble = self.log_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(trouble.as_ref().map(|why| format!("writes are refused: {why}")));
        all
    }
}
