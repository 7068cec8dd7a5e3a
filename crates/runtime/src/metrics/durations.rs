//! A histogram of durations whose buckets remember the last sampled trace that fell into them.
//!
//! One exemplar a bucket, so memory is bounded by the buckets. Mails that are not sampled leave none: an exemplar that leads
//! to no trace would be a dead end for whoever follows it.

use std::fmt;
use std::time::UNIX_EPOCH;

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::{MetricType, TypedMetric};

use super::DURATION_SECONDS;
use crate::clock;
use crate::telemetry::propagation::{TraceName, sampled};

/// The label of an exemplar, by the name that Grafana expects.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TraceLabel {
    trace_id: String,
}

/// A histogram of durations in seconds. Fits `Family::new_with_constructor`. Cheap to clone.
#[derive(Clone)]
pub struct Durations(HistogramWithExemplars<TraceLabel>);

impl Durations {
    /// With the buckets of [`DURATION_SECONDS`].
    #[must_use]
    pub fn new() -> Self {
        Self(HistogramWithExemplars::new(DURATION_SECONDS.into_iter()))
    }

    /// Counts a duration of the trace at hand, if there is a sampled one.
    pub fn observe(&self, seconds: f64) {
        self.observe_of(seconds, sampled());
    }

    /// Counts a duration that belongs to `trace`, which ended before.
    pub fn observe_of(&self, seconds: f64, trace: Option<TraceName>) {
        let label = trace.map(|trace| TraceLabel { trace_id: trace.to_string() });
        // Without a time of its own an exemplar would look new at every scrape.
        let at = label.is_some().then(|| UNIX_EPOCH + clock::unix_time());
        self.0.observe(seconds, label, at);
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Durations")
    }
}

impl EncodeMetric for Durations {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        <Self as TypedMetric>::TYPE
    }
}

impl TypedMetric for Durations {
    const TYPE: MetricType = MetricType::Histogram;
}
