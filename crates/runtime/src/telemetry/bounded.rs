//! Finished spans on their way to the exporter: counted, and bounded where they are made.
//!
//! The SDK's own queue is bounded too, but does not say what it drops. Here a span beyond the bound is dropped before it gets
//! there, without waiting, so that whoever made it never notices whether the receiver is slow, silent or gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// Spans that wait or are being sent, at most, unless `OTEL_BSP_MAX_QUEUE_SIZE` says otherwise: the specification's number.
/// A span has about one KiB.
pub(super) const WAITING_MAX: usize = 2048;

/// What became of spans.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// What became of the spans of sampled traces. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SpanCounts {
    spans: Family<OutcomeLabel, Counter>,
    waiting: Arc<AtomicUsize>,
}

impl Default for SpanCounts {
    fn default() -> Self {
        let spans = Family::default();
        for outcome in ["sent", "dropped", "failed"] {
            let _ = spans.get_or_create(&OutcomeLabel { outcome });
        }
        Self { spans, waiting: Arc::default() }
    }
}

impl SpanCounts {
    /// Shows them as `tamis_trace_spans_total`.
    pub fn register(&self, metrics: &crate::metrics::Metrics) {
        metrics.register("", |registry| {
            let help = "Spans of sampled traces: sent, dropped for want of room, failed to be sent";
            registry.register("trace_spans", help, self.spans.clone());
        });
    }

    /// Spans with this outcome: `sent`, `dropped` or `failed`.
    #[must_use]
    pub fn count(&self, outcome: &'static str) -> u64 {
        self.spans.get_or_create(&OutcomeLabel { outcome }).get()
    }

    /// An export is over.
    pub(super) fn exported(&self, spans: usize, is_sent: bool) {
        self.waiting.fetch_sub(spans, Ordering::AcqRel);
        self.add(if is_sent { "sent" } else { "failed" }, spans);
    }

    /// A place for one more span, if there is one.
    fn enter(&self, waiting_max: usize) -> bool {
        let one_more = |waiting: usize| (waiting < waiting_max).then_some(waiting + 1);
        let entered = self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        if entered.is_err() {
            self.add("dropped", 1);
        }
        entered.is_ok()
    }

    fn add(&self, outcome: &'static str, spans: usize) {
        self.spans.get_or_create(&OutcomeLabel { outcome }).inc_by(spans as u64);
    }
}

/// Lets as many spans through as there is room for.
#[derive(Debug)]
pub(super) struct Bounded {
    pub(super) queue: BatchSpanProcessor,
    pub(super) counts: SpanCounts,
    pub(super) waiting_max: usize,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.counts.enter(self.waiting_max) {
            self.queue.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_spans_may_wait_and_one_more_is_dropped_and_counted() {
        let counts = SpanCounts::default();
        assert!((0..3).all(|_| counts.enter(3)));
        assert!(!counts.enter(3), "the fourth");
        assert_eq!((counts.count("dropped"), counts.count("sent")), (1, 0));
        counts.exported(2, true);
        counts.exported(1, false);
        assert!(counts.enter(3), "there is room again");
        assert_eq!((counts.count("sent"), counts.count("failed")), (2, 1));
    }
}
