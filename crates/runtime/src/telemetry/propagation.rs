//! A trace that goes on in another process: W3C trace context over gRPC, and the bare ids for a datagram.
//!
//! Who receives a context makes a span and calls [`adopt`] before entering it:
//! `let span = info_span!("verdict"); adopt(&span, extract(request.metadata())); work.instrument(span).await`.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tonic::metadata::{Ascii, KeyRef, MetadataKey, MetadataMap, MetadataValue};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Writes the context of the current span (`traceparent`, `tracestate`) into the metadata of a request; nothing if
/// there is no trace.
pub fn inject(metadata: &mut MetadataMap) {
    let context = tracing::Span::current().context();
    if context.span().span_context().is_valid() {
        TraceContextPropagator::new().inject_context(&context, &mut Carrier(metadata));
    }
}

/// Reads the context that a caller wrote with [`inject`]. What is missing or malformed gives an empty context: the
/// trace then begins here.
pub fn extract(metadata: &MetadataMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Source(metadata))
}

/// Makes `parent` the parent of `span`, which must not have been entered yet. Nothing happens if there are no traces.
pub fn adopt(span: &tracing::Span, parent: Context) {
    if parent.span().span_context().is_valid() {
        // Refused where no exporter runs or the span is disabled: then there is no trace to go on.
        let _ = span.set_parent(parent);
    }
}

/// Trace id (16 bytes) and span id (8 bytes) of the current span, for a datagram that has no room for more; only if
/// the trace is sampled.
pub fn current_trace() -> Option<([u8; 16], [u8; 8])> {
    let current = tracing::Span::current();
    if current.is_none() {
        // No exporter, or none of ours above: the ordinary case, and it costs nothing.
        return None;
    }
    let context = current.context();
    let span = context.span();
    let ids = span.span_context();
    (ids.is_valid() && ids.is_sampled())
        .then(|| (ids.trace_id().to_bytes(), ids.span_id().to_bytes()))
}

/// Name of a sampled trace; shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceName([u8; 16]);

impl fmt::Display for TraceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TraceId::from_bytes(self.0).fmt(f)
    }
}

/// The trace of the current span, if it is sampled.
pub fn sampled() -> Option<TraceName> {
    current_trace().map(|(trace_id, _)| TraceName(trace_id))
}

/// The context behind the ids that [`current_trace`] gave in another process; empty if one of them is zero.
pub fn remote_context(trace_id: [u8; 16], span_id: [u8; 8]) -> Context {
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from_bytes(trace_id),
        SpanId::from_bytes(span_id),
        TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    ))
}

struct Carrier<'a>(&'a mut MetadataMap);

impl Injector for Carrier<'_> {
    fn set(&mut self, key: &str, value: String) {
        let key = MetadataKey::<Ascii>::from_bytes(key.as_bytes());
        if let (Ok(key), Ok(value)) = (key, MetadataValue::try_from(value)) {
            self.0.insert(key, value);
        }
    }
}

struct Source<'a>(&'a MetadataMap);

impl Extractor for Source<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0
            .keys()
            .filter_map(|key| match key {
                KeyRef::Ascii(key) => Some(key.as_str()),
                KeyRef::Binary(_) => None,
            })
            .collect()
    }
}
