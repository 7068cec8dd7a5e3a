//! Logs and traces of one process.
//!
//! Logs go to standard error, one line per event. Traces go out by OTLP/gRPC, and only where the standard `OTEL_*`
//! variables ask for them ([`Traces::asked_by`]), and hold our own spans alone: level info or more important, in a crate
//! whose name begins with `tamis`. Spans exist for traces alone: without OTLP no span is ever made, so a log
//! event must carry the fields it needs itself. Log lines carry the trace id where there is one.

mod bounded;
mod export;
mod line;
pub mod panics;
pub mod propagation;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use tracing::Level;
use tracing::subscriber::set_global_default;
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

pub use bounded::SpanCounts;
pub use export::{SHUTDOWN_MAX, Traces};

/// The section `[telemetry]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// How log lines look.
    pub log: LogFormat,
    /// What is logged: a level, or directives as in `RUST_LOG` (which wins over this where it is set).
    pub level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person at a terminal.
    #[default]
    Human,
    /// One JSON object per line, for a log collector.
    Json,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { log: LogFormat::default(), level: "info".to_owned() }
    }
}

/// Telemetry that could not start. A receiver of traces that is away is no such error.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level cannot be read. The fault of who wrote it.
    #[error("{origin} = {text:?} is no log level: {message}")]
    Level {
        /// `[telemetry] level` or `RUST_LOG`.
        origin: &'static str,
        /// What was written.
        text: String,
        /// What is wrong.
        message: String,
    },
    /// Telemetry was started twice in this process. A fault of ours.
    #[error("telemetry is started already")]
    AlreadyStarted,
}

/// Starts logs and traces.
#[derive(Debug)]
pub struct Telemetry;

/// Keeps telemetry running; dropped at the end of `main`, it sends what is left, for [`SHUTDOWN_MAX`] at most.
#[derive(Debug)]
#[must_use = "traces that are not sent yet are lost unless this lives until the end"]
pub struct Guard {
    exporter: Option<export::Exporter>,
    counts: SpanCounts,
}

impl Telemetry {
    /// Installs the log writer, and the trace exporter if the environment asks for one. Call it once, early in `main`,
    /// inside or outside a tokio runtime: the exporter has a thread of its own. `service_name` names the process in traces
    /// unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` do.
    ///
    /// # Errors
    /// A level that cannot be read; a second start. Traces that cannot be set up are only warned of: mail goes on.
    pub fn start(config: &TelemetryConfig, service_name: &str) -> Result<Guard, TelemetryError> {
        panics::report_within_memory();
        let environment = |name: &str| std::env::var(name).ok();
        let filter = log_filter(config, environment)?;
        let traces = Traces::asked_by(environment);
        let counts = SpanCounts::default();
        let (exporter, warning) = match &traces {
            Traces::On => match export::Exporter::start(service_name, environment, &counts) {
                Ok(exporter) => (Some(exporter), None),
                Err(error) => (None, Some(error)),
            },
            Traces::Off => (None, None),
            Traces::Unsupported(why) => (None, Some(why.clone())),
        };
        // Two subscribers and not one with an optional layer: a layer that is `None` wants every span to exist.
        let started = match &exporter {
            None => {
                set_global_default(tracing_subscriber::registry().with(lines(config.log, filter)))
            }
            Some(exporter) => {
                let subscriber = tracing_subscriber::registry().with(spans(exporter));
                set_global_default(subscriber.with(lines(config.log, filter)))
            }
        };
        started.map_err(|_| TelemetryError::AlreadyStarted)?;
        if let Some(why) = warning {
            tracing::warn!(%why, "no traces are sent");
        }
        Ok(Guard { exporter, counts })
    }
}

impl Guard {
    /// Whether traces are sent.
    pub fn sends_traces(&self) -> bool {
        self.exporter.is_some()
    }

    /// What became of the spans so far.
    pub fn span_counts(&self) -> &SpanCounts {
        &self.counts
    }

    /// Sends what is left, for [`SHUTDOWN_MAX`] at most, without holding up the runtime. Dropping does the same, but blocks.
    pub async fn shutdown(self) {
        // Only fails if the runtime is ending, and then the drop inside has been done or is lost with it.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

/// Writes events that pass the filter.
fn lines<S>(format: LogFormat, filter: EnvFilter) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer()
        .event_format(line::Line::new(format))
        .with_writer(std::io::stderr)
        // Otherwise a closed standard error would be complained of there, which panics.
        .log_internal_errors(false)
        .with_filter(filter.and(
            // With its hint, what is finer than anybody wants costs the libraries one comparison and no look-up.
            filter_fn(|meta| meta.is_event()).with_max_level_hint(LevelFilter::TRACE),
        ))
}

/// Sends our own spans alone: those of the libraries would multiply the volume.
fn spans<S>(exporter: &export::Exporter) -> impl Layer<S> + use<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(exporter.tracer())
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(
            filter_fn(|meta| {
                meta.is_span() && meta.level() <= &Level::INFO && meta.target().starts_with("tamis")
            })
            .with_max_level_hint(LevelFilter::INFO),
        )
}

fn log_filter(
    config: &TelemetryConfig,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<EnvFilter, TelemetryError> {
    let (origin, text) = match environment("RUST_LOG").filter(|text| !text.is_empty()) {
        Some(text) => ("RUST_LOG", text),
        None => ("[telemetry] level", config.level.clone()),
    };
    EnvFilter::builder().parse(&text).map_err(|error| TelemetryError::Level {
        origin,
        text,
        message: error.to_string(),
    })
}
