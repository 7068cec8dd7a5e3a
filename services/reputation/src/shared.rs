//! What sockets, writer and administration share: the table, what a person should know, the metrics.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tamis_reputation_protocol::signatures::Table;
use tokio::sync::watch;

use crate::feed::Origin;
use crate::metrics::Metrics;

/// Warnings kept; each comes from a start or a failure, and a failure replaces its predecessor.
const WARNINGS_MAX: usize = 16;

/// Where a node stands in the order that several nodes share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Name of this node.
    pub node: String,
    /// Whether Redis answers and this node follows the order; writes are taken only then.
    pub connected: bool,
    /// The entry up to which everything is applied, as Redis writes it; empty before the first.
    pub position: String,
    /// Changes that another node has and this one has not, as last heard.
    pub lag_changes: u64,
    /// Seconds between the last entry of the stream and the last one applied here; without Redis, since it answered last.
    pub lag_seconds: f64,
    /// Times that this node took its table from another one since it started.
    pub resyncs: u64,
    /// Nodes heard of within the last seconds, this one included.
    pub nodes: u32,
}

/// Shared by all parts of one service.
#[derive(Debug)]
pub struct Shared {
    table: RwLock<Table>,
    warnings: Mutex<Vec<String>>,
    log_trouble: Mutex<Option<String>>,
    order_troubles: Mutex<Vec<String>>,
    is_stale: AtomicBool,
    copies_wait: AtomicBool,
    is_fit: watch::Sender<bool>,
    standing: Mutex<Option<Standing>>,
    base: RwLock<Option<Table>>,
    base_origin: Mutex<Option<Arc<Origin>>>,
    base_trouble: Mutex<Option<String>>,
    filter_trouble: Mutex<Option<String>>,
    /// Counters of this service.
    pub metrics: Metrics,
}

impl Shared {
    /// A service with this table.
    #[must_use]
    pub fn new(table: Table, metrics: Metrics) -> Self {
        let table = RwLock::new(table);
        Self {
            table,
            warnings: Mutex::default(),
            log_trouble: Mutex::default(),
            order_troubles: Mutex::default(),
            is_stale: AtomicBool::new(false),
            copies_wait: AtomicBool::new(false),
            is_fit: watch::Sender::new(true),
            standing: Mutex::default(),
            base: RwLock::default(),
            base_origin: Mutex::default(),
            base_trouble: Mutex::default(),
            filter_trouble: Mutex::default(),
            metrics,
        }
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

    /// Puts a whole table in the place of the present one, for readers between two questions; gives back the old one.
    pub(crate) fn replace_table(&self, table: Table) -> Table {
        std::mem::replace(&mut *self.table_mut(), table)
    }

    /// What the bases in force list, for questions. Held as [`Shared::table`] is; who holds both took that one first.
    pub fn base(&self) -> RwLockReadGuard<'_, Option<Table>> {
        self.base.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the bases in force list, for the one task that follows them.
    pub(crate) fn base_mut(&self) -> RwLockWriteGuard<'_, Option<Table>> {
        self.base.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it came from, if there is any.
    #[must_use]
    pub fn base_origin(&self) -> Option<Arc<Origin>> {
        self.base_origin.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn base_came_from(&self, origin: Option<Arc<Origin>>) {
        *self.base_origin.lock().unwrap_or_else(PoisonError::into_inner) = origin;
    }

    /// What is wrong with the newest bases, or nothing any more.
    pub(crate) fn base_trouble(&self, trouble: Option<String>) {
        let mut present = self.base_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = trouble.as_ref().filter(|why| present.as_ref() != Some(why)) {
            tracing::warn!("{why}");
        }
        *present = trouble;
    }

    /// Why no filter of what is listed is written, or nothing any more. Who writes it has logged that.
    pub(crate) fn filter_trouble(&self, trouble: Option<&str>) {
        let trouble =
            trouble.map(|why| format!("no filter of listed signatures is written: {why}"));
        *self.filter_trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Whether this node is cut off from the order that it shares with others, so that clients had better ask another.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Relaxed)
    }

    pub(crate) fn set_stale(&self, is_stale: bool) {
        if self.is_stale.swap(is_stale, Ordering::Relaxed) != is_stale {
            tracing::info!(is_stale, "whether clients had better ask another node");
        }
    }

    /// Whether the table has what is not on disk yet, so that nothing made of the files holds all of it.
    #[must_use]
    pub fn copies_wait(&self) -> bool {
        self.copies_wait.load(Ordering::Acquire)
    }

    /// Set before the table has it.
    pub(crate) fn set_copies_wait(&self, wait: bool) {
        self.copies_wait.store(wait, Ordering::Release);
    }

    /// Whether all threads and tasks of this service live that should, now and from now on.
    #[must_use]
    pub fn is_fit(&self) -> watch::Receiver<bool> {
        self.is_fit.subscribe()
    }

    /// A part ended that never should: it is told, and others should be asked.
    pub(crate) fn died(&self, what: &str) {
        self.is_fit.send_replace(false);
        self.warn(format!("{what} of this node ended unexpectedly: start it again"));
    }

    /// Where this node stands in the shared order; none where it has an order of its own.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn stands(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = Some(standing);
    }

    /// Keeps something that a person should know until the process ends. What is known already is not told again.
    pub fn warn(&self, warning: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.contains(&warning) {
            return;
        }
        tracing::warn!("{warning}");
        if warnings.len() < WARNINGS_MAX {
            warnings.push(warning);
        }
    }

    /// What is wrong with the place in the shared order now. Each is logged when it comes, not as long as it stays.
    pub(crate) fn order_troubles(&self, troubles: Vec<String>) {
        let mut present = self.order_troubles.lock().unwrap_or_else(PoisonError::into_inner);
        for trouble in troubles.iter().filter(|trouble| !present.contains(trouble)) {
            tracing::error!("{trouble}");
        }
        *present = troubles;
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
        all.extend(self.order_troubles.lock().unwrap_or_else(PoisonError::into_inner).clone());
        all.extend(self.base_trouble.lock().unwrap_or_else(PoisonError::into_inner).clone());
        all.extend(self.filter_trouble.lock().unwrap_or_else(PoisonError::into_inner).clone());
        all
    }
}

#[cfg(test)]
mod tests {
    use tamis_reputation_protocol::signatures::Rules;

    use super::*;

    #[test]
    fn a_warning_that_comes_again_and_again_leaves_room_for_the_others() {
        let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
        let shared = Shared::new(Table::new(Rules::default()), metrics);
        (0..100).for_each(|_| shared.warn("the same".to_owned()));
        (1..WARNINGS_MAX).for_each(|number| shared.warn(format!("warning {number}")));
        assert_eq!(shared.warnings().len(), WARNINGS_MAX);
        shared.warn("one more".to_owned());
        assert_eq!(shared.warnings().len(), WARNINGS_MAX);
    }
}
