//! Traces out, by OTLP over gRPC; never in the way of the work.
//!
//! Finished spans go into a bounded queue, which drops what does not fit. A thread of its own takes them out, and
//! the gRPC connection lives on a runtime of its own: a busy or ending main runtime cannot hold it up, nor the reverse.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::{EnvResourceDetector, ResourceDetector};
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData, SpanExporter,
};
use tokio::runtime::Runtime;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::bounded::{Bounded, SpanCounts, WAITING_MAX};

/// How long the end of the process waits for the last traces: well within the grace that supervisors give.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(2);

/// Whether traces are to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traces {
    /// Nobody asked, or somebody said no.
    Off,
    /// To the receiver that the variables name.
    On,
    /// Asked for in a way that this program does not speak; the text says which.
    Unsupported(String),
}

impl Traces {
    /// Decides by the standard variables: on if `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`
    /// is set, `OTEL_SDK_DISABLED` is not `true`, `OTEL_TRACES_EXPORTER` is unset or `otlp`, and the protocol is `grpc`.
    /// As the specification has it, an empty variable counts as unset.
    pub fn asked_by(environment: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| environment(name).filter(|value| !value.is_empty());
        let either = |one: &str, other: &str| value(one).or_else(|| value(other));
        if value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Self::Off;
        }
        let exporter = value("OTEL_TRACES_EXPORTER");
        if exporter.as_deref() == Some("none") {
            return Self::Off;
        }
        if either("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT").is_none() {
            return Self::Off;
        }
        if let Some(other) = exporter.filter(|exporter| exporter != "otlp") {
            return Self::Unsupported(format!("OTEL_TRACES_EXPORTER={other}: only otlp is known"));
        }
        match either("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL") {
            Some(other) if other != "grpc" => {
                Self::Unsupported(format!("OTLP protocol {other}: only grpc is spoken"))
            }
            _ => Self::On,
        }
    }
}

/// Sends finished spans until dropped.
#[derive(Debug)]
pub(super) struct Exporter {
    provider: SdkTracerProvider,
    runtime: Option<Runtime>,
}

impl Exporter {
    /// Starts the threads; connects later, when there is something to send.
    pub(super) fn start(
        service_name: &str,
        environment: impl Fn(&str) -> Option<String>,
        counts: &SpanCounts,
    ) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp")
            .enable_all()
            .build()
            .map_err(|error| format!("the exporter's runtime cannot start: {error}"))?;
        let exporter = {
            // The lazy channel wants a runtime to live on.
            let _on_its_runtime = runtime.enter();
            let builder = OtlpExporter::builder().with_tonic();
            match tls(&environment)? {
                Some(tls) => builder.with_tls_config(tls).build(),
                None => builder.build(),
            }
            .map_err(|error| error.to_string())?
        };
        let exporter = Watched { exporter, away: AtomicBool::new(false), counts: counts.clone() };
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(service_name, &environment))
            .with_span_processor(Bounded {
                queue: BatchSpanProcessor::builder(exporter).build(),
                counts: counts.clone(),
                waiting_max: waiting_max(&environment),
            })
            .build();
        Ok(Self { provider, runtime: Some(runtime) })
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("tamis")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // What cannot be sent in time is lost: telemetry never holds up the end.
        let _ = self.provider.shutdown_with_timeout(SHUTDOWN_MAX);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The SDK's queue has as many places, by the same variable.
fn waiting_max(environment: impl Fn(&str) -> Option<String>) -> usize {
    let typed = environment("OTEL_BSP_MAX_QUEUE_SIZE").and_then(|text| text.trim().parse().ok());
    typed.filter(|typed| *typed > 0).unwrap_or(WAITING_MAX)
}

/// Who we are in traces: the variables win over the program's own name.
fn resource(service_name: &str, environment: impl Fn(&str) -> Option<String>) -> Resource {
    let named = environment("OTEL_SERVICE_NAME").is_some_and(|name| !name.is_empty())
        || EnvResourceDetector::new().detect().get(&"service.name".into()).is_some();
    let builder = Resource::builder();
    if named { builder.build() } else { builder.with_service_name(service_name.to_owned()).build() }
}

/// TLS towards the receiver by the standard variables, of which the SDK itself reads none: an authority, and a certificate of our
/// own where the receiver asks for one. `None`: the SDK's default for the URL's scheme.
fn tls(environment: impl Fn(&str) -> Option<String>) -> Result<Option<ClientTlsConfig>, String> {
    let file = |what: &str| {
        ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"]
            .iter()
            .map(|prefix| format!("{prefix}{what}"))
            .find_map(|name| environment(&name).filter(|path| !path.is_empty()).map(|p| (name, p)))
            .map(|(name, path)| std::fs::read(&path).map_err(|e| format!("{name}={path}: {e}")))
            .transpose()
    };
    let Some(authority) = file("CERTIFICATE")? else { return Ok(None) };
    let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
    Ok(Some(match (file("CLIENT_CERTIFICATE")?, file("CLIENT_KEY")?) {
        (Some(certificate), Some(key)) => config.identity(Identity::from_pem(certificate, key)),
        _ => config,
    }))
}

/// Says once that the receiver is away, and once that it is back; the spans in between are lost in silence.
#[derive(Debug)]
struct Watched<E> {
    exporter: E,
    away: AtomicBool,
    counts: SpanCounts,
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        self.counts.exported(spans, result.is_ok());
        let was_away = self.away.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !was_away => {
                tracing::warn!(%error, "traces cannot be sent and are dropped");
            }
            Ok(()) if was_away => tracing::info!("traces are sent again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
