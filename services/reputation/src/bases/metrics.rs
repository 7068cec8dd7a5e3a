//! What bases tell of themselves.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tamis_bases::manifest::Manifest;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Counters of one node's bases. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    generation: Gauge,
    age_seconds: Gauge,
    fetched_bytes: Counter,
    reused_bytes: Counter,
    served_bytes: Counter,
    refused: Family<ReasonLabel, Counter>,
    subscribers: Gauge,
    is_wanted: Gauge,
    is_connected: Gauge,
    signatures: Gauge,
    signatures_epoch: Gauge,
    is_held: Gauge,
    published: Counter,
    publish_failures: Counter,
}

/// Why a release may be refused, or a pull fail: the words of [`super::error::BasesError::word`]; `docs/bases.md` says whose fault each is.
const REASONS: [&str; 17] = [
    "absent",
    "channel",
    "chunk",
    "disk",
    "downgrade",
    "equivocation",
    "expired",
    "key_comes_back",
    "list",
    "malformed",
    "retired_key",
    "signature",
    "signatures",
    "taken_back",
    "unknown_key",
    "upstream",
    "whole",
];

impl Metrics {
    /// Registers everything; once for each registry.
    #[must_use]
    pub fn new(registry: &tamis_runtime::metrics::Metrics) -> Self {
        let metrics = Self::default();
        registry.register("bases", |registry| metrics.register(registry));
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        let gauges = [
            ("generation", "Generation of the bases in force; 0: none", &self.generation),
            (
                "manifest_age_seconds",
                "Seconds since the manifest in force was made",
                &self.age_seconds,
            ),
            ("subscribers", "Subscribers connected", &self.subscribers),
            ("upstream_wanted", "1 where an upstream is named", &self.is_wanted),
            ("upstream_connected", "1 while the upstream is subscribed to", &self.is_connected),
            (
                "publishing_held",
                "1 while nothing is published, since somebody went back here",
                &self.is_held,
            ),
            ("signatures", "Signatures listed by the bases in force", &self.signatures),
            (
                "signatures_epoch",
                "Number of the last change of the publisher's table that is in force here",
                &self.signatures_epoch,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        let counters = [
            ("fetched_bytes", "Bytes of chunks that came from the upstream", &self.fetched_bytes),
            ("reused_bytes", "Bytes of chunks that were here already", &self.reused_bytes),
            ("served_bytes", "Bytes of chunks that went to subscribers", &self.served_bytes),
            ("published", "Releases that this service published", &self.published),
            ("publish_failures", "Releases that could not be published", &self.publish_failures),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        // An alert wants to see the first one as a growth.
        for reason in REASONS {
            let _ = self.refused.get_or_create(&ReasonLabel { reason });
        }
        registry.register(
            "refused",
            "Manifests and chunks that were refused, and pulls that failed, by reason",
            self.refused.clone(),
        );
    }

    pub(crate) fn in_force(&self, manifest: &Manifest, now_unix_s: u64) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.generation.set(gauge(manifest.generation));
        self.age_seconds.set(gauge(now_unix_s.saturating_sub(manifest.created_unix_s)));
    }

    /// Shows what the bases list.
    pub(crate) fn listed(&self, signatures: usize, epoch: u64) {
        self.signatures.set(i64::try_from(signatures).unwrap_or(i64::MAX));
        self.signatures_epoch.set(i64::try_from(epoch).unwrap_or(i64::MAX));
    }

    /// Shows whether nothing is published since somebody went back.
    pub(crate) fn held(&self, is_held: bool) {
        self.is_held.set(is_held.into());
    }

    /// Counts a try to publish.
    pub(crate) fn published(&self, is_done: bool) {
        if is_done { &self.published } else { &self.publish_failures }.inc();
    }

    pub(super) fn fetched(&self, bytes: usize) {
        self.fetched_bytes.inc_by(bytes as u64);
    }

    pub(super) fn reused(&self, bytes: usize) {
        self.reused_bytes.inc_by(bytes as u64);
    }

    pub(super) fn served(&self, bytes: usize) {
        self.served_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Shows that there is an upstream to be connected to.
    pub(super) fn wanted(&self) {
        self.is_wanted.set(1);
    }

    pub(super) fn connected(&self, is_connected: bool) {
        self.is_connected.set(is_connected.into());
    }

    /// One subscriber, as long as the guard lives.
    pub(super) fn subscriber(&self) -> Subscriber {
        self.subscribers.inc();
        Subscriber(self.subscribers.clone())
    }

    /// Bytes of chunks that came from the upstream.
    #[must_use]
    pub fn fetched_bytes(&self) -> u64 {
        self.fetched_bytes.get()
    }

    /// Bytes of chunks that were here already.
    #[must_use]
    pub fn reused_bytes(&self) -> u64 {
        self.reused_bytes.get()
    }

    /// Times that something was refused for this reason.
    #[must_use]
    pub fn refusals(&self, reason: &'static str) -> u64 {
        self.refused.get_or_create(&ReasonLabel { reason }).get()
    }

    /// Subscribers now.
    #[must_use]
    pub fn subscribers(&self) -> i64 {
        self.subscribers.get()
    }
}

/// See [`Metrics::subscriber`].
#[derive(Debug)]
pub(super) struct Subscriber(Gauge);

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_document_is_shown_before_it_happens() {
        let document = include_str!("../../../../docs/bases.md");
        let rows = document.lines().skip_while(|line| !line.starts_with("| reason |")).skip(2);
        let cells =
            rows.take_while(|line| line.starts_with('|')).filter_map(|row| row.split('|').nth(1));
        let mut told: Vec<&str> = cells
            .flat_map(|cell| cell.split(','))
            .map(|word| word.trim().trim_matches('`'))
            .collect();
        told.sort_unstable();
        assert_eq!(told, REASONS);
    }
}
