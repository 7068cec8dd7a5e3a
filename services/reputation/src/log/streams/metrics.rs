//! What a node shows of its place in the shared order.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::gauge::Gauge;

use crate::shared::Standing;

/// The metrics of one node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct OrderMetrics {
    connected: Gauge,
    lag_changes: Gauge,
    lag_seconds: Gauge<f64, AtomicU64>,
    resyncs: Gauge,
    nodes: Gauge,
    trouble: Gauge,
    writable: Gauge,
}

impl OrderMetrics {
    /// Registers everything; once for each registry.
    pub fn new(registry: &tamis_runtime::metrics::Metrics) -> Self {
        let metrics = Self::default();
        registry.register("reputation_order", |registry| {
            for (name, help, gauge) in [
                ("connected", "Whether this node follows the shared order", &metrics.connected),
                ("lag_changes", "Changes that another node has ahead", &metrics.lag_changes),
                ("resyncs", "Tables taken from another node since the start", &metrics.resyncs),
                ("nodes", "Nodes heard of, this one included", &metrics.nodes),
                ("trouble", "1: this node falls behind until somebody mends it", &metrics.trouble),
                ("writable", "Whether writes are taken here", &metrics.writable),
            ] {
                registry.register(name, help, gauge.clone());
            }
            registry.register(
                "lag_seconds",
                "From the last change applied here to the last of the shared order, or since Redis answered",
                metrics.lag_seconds.clone(),
            );
        });
        metrics
    }

    /// Shows where a node stands.
    pub(super) fn show(&self, standing: &Standing, is_unfit: bool, is_open: bool) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.connected.set(standing.connected.into());
        self.lag_changes.set(gauge(standing.lag_changes));
        self.lag_seconds.set(standing.lag_seconds);
        self.resyncs.set(gauge(standing.resyncs));
        self.nodes.set(standing.nodes.into());
        self.trouble.set(is_unfit.into());
        self.writable.set(is_open.into());
    }
}
