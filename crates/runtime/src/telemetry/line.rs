//! One log line per event.
//!
//! JSON: `time`, `level`, `target`, `message`, `trace_id` if there is one, then the fields of the event. A field with one of
//! those names loses to ours.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, TraceId};
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Full, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::registry::LookupSpan;

use super::LogFormat;

/// Writes events in one of the two formats.
#[derive(Debug)]
pub(super) struct Line {
    format: LogFormat,
    human: Format<Full>,
}

impl Line {
    pub(super) fn new(format: LogFormat) -> Self {
        Self { format, human: tracing_subscriber::fmt::format().with_ansi(false) }
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.format {
            LogFormat::Json => json(&mut writer, event),
            LogFormat::Human => {
                let mut text = String::new();
                self.human.format_event(context, Writer::new(&mut text), event)?;
                human(&mut writer, text.trim_end())
            }
        }
    }
}

/// Writes one line. Fields may hold what a peer sent: a line end or a terminal's escape sequence in them must not forge
/// other lines, so control characters are shown and not sent.
fn human(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    if let Some(trace) = trace_id() {
        write!(writer, "[{trace}] ")?;
    }
    for char in text.chars() {
        if char.is_control() {
            write!(writer, "{}", char.escape_default())?;
        } else {
            writer.write_char(char)?;
        }
    }
    writer.write_char('\n')
}

/// The trace of the span that is entered now. Entering a span makes its context current; asking the subscriber would not do,
/// since it is busy with this very event.
fn trace_id() -> Option<TraceId> {
    let context = Context::current();
    let span = context.span();
    let ids = span.span_context();
    ids.is_valid().then(|| ids.trace_id())
}

fn json(writer: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
    let mut fields = Fields(Map::new());
    event.record(&mut fields);
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    let message = fields.0.remove("message").unwrap_or_default();
    // A span that has ended is not entered any more: the event itself then says whose it is.
    let named = fields.0.remove("trace_id").and_then(|trace| Some(trace.as_str()?.to_owned()));
    for ours in ["time", "level", "target"] {
        fields.0.remove(ours);
    }
    let metadata = event.metadata();
    let object = Object {
        time,
        level: metadata.level().as_str().to_ascii_lowercase(),
        target: metadata.target(),
        message,
        trace_id: trace_id().map(|trace| trace.to_string()).or(named),
        fields: fields.0,
    };
    let text = serde_json::to_string(&object).map_err(|_| fmt::Error)?;
    writeln!(writer, "{text}")
}

/// A JSON line; the order of the fields is the order in the line.
#[derive(Serialize)]
struct Object {
    time: String,
    level: String,
    target: &'static str,
    message: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// Collects the fields of an event with their types.
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        // `r#type` is how a field named by a keyword is written.
        let name = field.name();
        self.0.insert(name.strip_prefix("r#").unwrap_or(name).to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set(field, value.to_string());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }
}
