use std::collections::BTreeMap;

use super::propagation::{adopt, current_trace, extract, inject, remote_context, sampled};
use super::*;
use crate::metrics::{Durations, Metrics};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tonic::metadata::MetadataMap;

fn environment(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    let map: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    move |name| map.get(name).cloned()
}

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");

#[test]
fn traces_are_sent_only_where_the_standard_variables_ask() {
    let off: &[&[(&str, &str)]] = &[
        &[],
        &[("OTEL_SERVICE_NAME", "x"), ("OTEL_TRACES_EXPORTER", "otlp")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
        &[ENDPOINT, ("OTEL_SDK_DISABLED", "true")],
        &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")],
        &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
    ];
    for variables in off {
        assert_eq!(Traces::asked_by(environment(variables)), Traces::Off, "{variables:?}");
    }
    let on: &[&[(&str, &str)]] = &[
        &[ENDPOINT],
        &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example.com")],
        &[ENDPOINT, ("OTEL_SDK_DISABLED", "false"), ("OTEL_TRACES_EXPORTER", "otlp")],
        &[ENDPOINT, ("OTEL_SDK_DISABLED", "yes"), ("OTEL_TRACES_EXPORTER", "")],
        &[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
        &[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ],
    ];
    for variables in on {
        assert_eq!(Traces::asked_by(environment(variables)), Traces::On, "{variables:?}");
    }
}

#[test]
fn what_is_asked_for_and_not_spoken_is_said_and_not_tried() {
    let table = [
        ([ENDPOINT, ("OTEL_TRACES_EXPORTER", "zipkin")], "only otlp is known"),
        ([ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], "only grpc is spoken"),
    ];
    for (variables, words) in table {
        let Traces::Unsupported(why) = Traces::asked_by(environment(&variables)) else {
            panic!("{variables:?}");
        };
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn rust_log_wins_over_the_level_of_the_file_and_both_are_checked() {
    let config = |level: &str| TelemetryConfig { level: level.into(), ..Default::default() };
    let filter = |level: &str, variables: &[(&str, &str)]| {
        log_filter(&config(level), environment(variables)).map(|filter| filter.to_string())
    };
    assert_eq!(filter("warn", &[]).unwrap(), "warn");
    assert_eq!(filter("warn", &[("RUST_LOG", "")]).unwrap(), "warn");
    assert_eq!(filter("warn", &[("RUST_LOG", "debug")]).unwrap(), "debug");
    assert_eq!(filter("info,tamis_edge=debug", &[]).unwrap(), "tamis_edge=debug,info");
    let error = filter("a=loud", &[]).unwrap_err().to_string();
    assert!(error.starts_with("[telemetry] level = \"a=loud\" is no log level"), "{error}");
    let error = filter("info", &[("RUST_LOG", "a=loud")]).unwrap_err().to_string();
    assert!(error.starts_with("RUST_LOG = \"a=loud\""), "{error}");
}

/// Runs `inside` in a span of a process that traces with `sampler`.
fn traced<T>(sampler: Sampler, inside: impl FnOnce() -> T) -> T {
    let provider = SdkTracerProvider::builder().with_sampler(sampler).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info_span!("work").in_scope(inside)
    })
}

#[test]
fn a_trace_goes_on_at_the_other_end_of_a_call() {
    let (metadata, ids) = traced(Sampler::AlwaysOn, || {
        let mut metadata = MetadataMap::new();
        inject(&mut metadata);
        (metadata, current_trace().unwrap())
    });
    let there = extract(&metadata);
    let span = there.span();
    let span = span.span_context();
    assert!(span.is_remote() && span.is_sampled());
    assert_eq!((span.trace_id().to_bytes(), span.span_id().to_bytes()), ids);
}

#[test]
fn a_span_that_adopts_a_context_has_its_trace_id() {
    let (trace_id, span_id) = ([7; 16], [9; 8]);
    let found = traced(Sampler::AlwaysOn, || {
        let span = tracing::info_span!("answer");
        adopt(&span, remote_context(trace_id, span_id));
        span.in_scope(current_trace)
    });
    let (found_trace, found_span) = found.unwrap();
    assert_eq!(found_trace, trace_id);
    assert_ne!(found_span, span_id, "a child has an id of its own");
}

#[test]
fn a_trace_that_is_not_sampled_gives_no_ids_for_the_datagram() {
    assert_eq!(traced(Sampler::AlwaysOff, current_trace), None);
}

#[test]
fn without_traces_nothing_is_written_and_nothing_adopted() {
    let mut metadata = MetadataMap::new();
    inject(&mut metadata);
    assert!(metadata.is_empty());
    assert_eq!(current_trace(), None);
    let span = tracing::info_span!("work");
    adopt(&span, remote_context([1; 16], [1; 8]));
    assert_eq!(span.in_scope(current_trace), None);
}

#[test]
fn a_malformed_context_is_no_context() {
    for text in [
        "",
        "00",
        "00-00000000000000000000000000000000-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319z-b7ad6b7169203331-01",
    ] {
        let mut metadata = MetadataMap::new();
        metadata.insert("traceparent", text.parse().unwrap());
        assert!(!extract(&metadata).span().span_context().is_valid(), "{text}");
    }
    assert!(!remote_context([0; 16], [1; 8]).span().span_context().is_valid());
    assert!(!remote_context([1; 16], [0; 8]).span().span_context().is_valid());
}

/// What one event with a hostile field looks like.
fn written(format: LogFormat) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    let writer = std::sync::Mutex::new(file.reopen().unwrap());
    let lines =
        tracing_subscriber::fmt::layer().event_format(line::Line::new(format)).with_writer(writer);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
        let helo = "mx.example.com\n2026-01-01 INFO forged\r\u{1b}[2J";
        tracing::info!(%helo, quoted = helo, target = "mine", "greeted");
    });
    std::fs::read_to_string(file.path()).unwrap()
}

#[test]
fn what_a_peer_sent_cannot_forge_a_log_line() {
    for format in [LogFormat::Human, LogFormat::Json] {
        let text = written(format);
        assert_eq!(text.matches(char::is_control).collect::<Vec<_>>(), ["\n"], "{text:?}");
        assert!(text.ends_with('\n') && text.contains("forged"), "{text:?}");
    }
}

#[test]
fn a_json_line_begins_with_time_level_target_and_message() {
    let text = written(LogFormat::Json);
    let at = |word: &str| text.find(word).unwrap();
    let order = ["\"time\":", "\"level\":", "\"target\":", "\"message\":", "\"helo\":"].map(at);
    assert!(order.is_sorted(), "{text}");
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["target"], "tamis_runtime::telemetry::tests", "ours wins over the event's");
    assert_eq!(line["message"], "greeted");
}

#[test]
fn a_bucket_names_the_last_sampled_trace_that_fell_into_it_and_no_other() {
    let shown = |sampler: Sampler| {
        let durations = Durations::new();
        let trace = traced(sampler, || {
            durations.observe(0.002);
            sampled().map(|trace| trace.to_string())
        });
        durations.observe(0.2);
        let metrics = Metrics::new();
        metrics.register("edge", |registry| registry.register("x_seconds", "Time", durations));
        (trace, metrics.open_metrics().unwrap(), metrics.text().unwrap())
    };
    let (trace, open_metrics, plain) = shown(Sampler::AlwaysOn);
    let label = format!(" # {{trace_id=\"{}\"}} 0.002 ", trace.unwrap());
    let named: Vec<_> = open_metrics.lines().filter(|line| line.contains(" # {")).collect();
    assert_eq!(named.len(), 1, "the one without a trace names none: {open_metrics}");
    let start = "tamis_edge_x_seconds_bucket{le=\"0.003\"} 1";
    assert!(named[0].starts_with(start) && named[0].contains(&label), "{named:?}");
    assert!(open_metrics.ends_with("# EOF\n"));
    assert!(!plain.contains("trace_id") && plain.contains(&format!("{start}\n")), "{plain}");
    let (trace, open_metrics, _) = shown(Sampler::AlwaysOff);
    assert_eq!((trace, open_metrics.contains("trace_id")), (None, false), "not sampled");
}

#[test]
fn who_begins_a_trace_decides_for_all_whether_it_is_sampled() {
    let always_at_heart = || Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
    let metadata = traced(Sampler::AlwaysOff, || {
        let mut metadata = MetadataMap::new();
        inject(&mut metadata);
        metadata
    });
    assert!(metadata.get("traceparent").is_some_and(|it| it.to_str().unwrap().ends_with("-00")));
    let there = traced(always_at_heart(), || {
        let span = tracing::info_span!("answer");
        adopt(&span, extract(&metadata));
        span.in_scope(current_trace)
    });
    assert_eq!(there, None, "the head said no");
    assert!(traced(always_at_heart(), current_trace).is_some(), "without a head it says yes");
}
