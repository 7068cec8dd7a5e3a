//! Writes the filter of what this service would answer: what was reported here and what the bases in force list, so that
//! scanners need no datagram for mail of which nothing is known.
//!
//! It is built of what is on disk, not of the table, so that no question waits for it: [`making`] reads the snapshots and
//! what came since, [`keys`] gathers their keys within a bounded memory. Snapshots change seldom; what they make is kept.

mod keys;
mod making;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tamis_runtime::clock;
use tamis_runtime::shutdown::Shutdown;

use crate::alarm::Alarm;
use crate::log::histories::Histories;
use crate::shared::Shared;
use making::{Made, Maker};

/// The name of the filter among the files of a release.
pub(super) const FILE: &str = "signatures.filter";

/// Between two looks whether something changed. A look costs a lock that is free.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// From the end of one filter to the beginning of the next, at least: so a scanner, which looks every second, knows of a
/// report within three seconds where the filter is made in one.
const MADE_EVERY: Duration = Duration::from_secs(1);

/// The same for filters that take long: of five seconds one is spent on them.
const REST_FACTOR: u32 = 4;

/// A filter is written anew without a change after so long, so that scanners see that it still holds: they believe one for
/// three minutes unless it is configured otherwise.
const RENEWED_EVERY: Duration = Duration::from_secs(60);

/// What was answered so long before a filter is begun is in it for certain: a node is cut off from a shared order for two
/// seconds before it knows, and bases are answered from while they are being noted.
const COVERED_BEFORE_S: u64 = 3;

/// What the filter tells of itself.
#[derive(Clone, Debug, Default)]
struct Metrics {
    keys: Gauge,
    covers_unix_s: Gauge,
    made: Counter,
    failures: Counter,
}

/// Writes the filter again and again.
#[derive(Debug)]
pub(crate) struct Filtering {
    shared: Arc<Shared>,
    maker: Maker,
    metrics: Metrics,
    trouble: Option<String>,
}

/// What a filter depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    epoch: u64,
    base: (u64, u64),
}

impl Filtering {
    /// `dir`: where it may keep what it needs between two filters.
    pub fn new(
        path: PathBuf,
        dir: PathBuf,
        shared: &Arc<Shared>,
        histories: Histories,
        registry: &tamis_runtime::metrics::Metrics,
    ) -> Self {
        let metrics = Metrics::default();
        registry.register("reputation_filter", |registry| {
            registry.register("keys", "Keys of the filter written last", metrics.keys.clone());
            registry.register(
                "covers_timestamp_seconds",
                "What was answered at this time is in the filter written last",
                metrics.covers_unix_s.clone(),
            );
            registry.register("made", "Filters written", metrics.made.clone());
            registry.register(
                "failures",
                "Filters that could not be written; scanners ask for everything once the last one is old",
                metrics.failures.clone(),
            );
        });
        Self {
            shared: Arc::clone(shared),
            maker: Maker::new(path, dir, histories),
            metrics,
            trouble: None,
        }
    }

    /// Writes until the process ends.
    pub async fn run(mut self, shutdown: Shutdown) {
        let alarm = Alarm::new(&self.shared, "what writes the filter");
        let mut written: Option<(State, Instant)> = None;
        let mut not_before = clock::now();
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let (now, state) = (clock::now(), self.state());
            let is_due = written.is_none_or(|(before, at)| {
                before != state || now.saturating_duration_since(at) >= RENEWED_EVERY
            });
            if now < not_before || !is_due {
                continue;
            }
            let making = tokio::task::spawn_blocking(move || {
                let made = self.make();
                (self, made)
            });
            let (this, is_made) = match making.await {
                Ok(made) => made,
                Err(error) if error.is_panic() => return alarm.ring(),
                // Ends with the runtime.
                Err(_) => return,
            };
            self = this;
            let end = clock::now();
            not_before = end + MADE_EVERY.max(REST_FACTOR * end.saturating_duration_since(now));
            if is_made {
                written = Some((state, now));
            }
        }
    }

    fn state(&self) -> State {
        let epoch = self.shared.table().epoch();
        let base = self.shared.base().as_ref().map_or(0, |table| table.epoch());
        let generation = self.shared.base_origin().map_or(0, |origin| origin.generation);
        State { epoch, base: (generation, base) }
    }

    /// One filter; whether it was written. If not, the last one stays and grows old, which is safe.
    fn make(&mut self) -> bool {
        let made = self.made();
        let trouble = made.as_ref().err().cloned();
        match made {
            Ok(Made { keys, head }) => {
                self.metrics.made.inc();
                self.metrics.keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
                self.metrics.covers_unix_s.set(i64::try_from(head.covers_unix_s).unwrap_or(0));
            }
            Err(why) => {
                self.metrics.failures.inc();
                if self.trouble.as_ref() != Some(&why) {
                    tracing::warn!("no filter of listed signatures is written: {why}");
                }
            }
        }
        self.trouble = trouble;
        self.shared.filter_trouble(self.trouble.as_deref());
        self.trouble.is_none()
    }

    fn made(&mut self) -> Result<Made, String> {
        // A node that is cut off does not know what others list.
        if self.shared.is_stale() {
            return Err("this node is cut off from the order that it shares".to_owned());
        }
        // It is made of the files: what the table alone has is in none.
        if self.shared.copies_wait() {
            return Err("changes wait for room on the disk".to_owned());
        }
        let lag_s = self.shared.standing().map_or(0.0, |standing| standing.lag_seconds);
        let behind_s = COVERED_BEFORE_S + lag_s.max(0.0).ceil() as u64;
        // First, so that what comes meanwhile is not said to be covered.
        let (state, covers_unix_s) = (self.state(), clock::unix_seconds().saturating_sub(behind_s));
        let origin = self.shared.base_origin();
        self.maker.make(covers_unix_s, state.epoch, origin.as_deref())
    }
}
