//! Traces against a receiver of our own: what arrives, and what the end of a process costs when none answers.
//!
//! The variables are read from the environment of a process, so each case runs [`program`] in a process of its own.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tamis_runtime::listen::Listener;
use tamis_runtime::telemetry::propagation::{adopt, remote_context};
use tamis_runtime::telemetry::{LogFormat, SHUTDOWN_MAX, Telemetry, TelemetryConfig};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

/// Starting a process and joining its threads, on a busy machine.
const SLACK: Duration = Duration::from_secs(5);

/// What the other tests start: two spans, the outer one with a parent elsewhere, and a log line inside.
#[test]
#[ignore = "the program that the other tests start"]
fn program() {
    let config = TelemetryConfig { log: LogFormat::Json, ..Default::default() };
    let guard = Telemetry::start(&config, "program").unwrap();
    let outer = tracing::info_span!(target: "tamis_edge", "outer", answer = 42);
    adopt(&outer, remote_context([0xab; 16], [0xcd; 8]));
    outer.in_scope(|| {
        tracing::info_span!(target: "tamis_edge", "inner").in_scope(|| {
            tracing::info!(level = "mine", r#type = "t", count = 3, "worked");
        });
        tracing::debug_span!(target: "tamis_edge", "too fine")
            .in_scope(|| tracing::debug!("too fine"));
        tracing::info_span!(target: "h2", "not ours").in_scope(|| {});
    });
    let spans_exist = !outer.is_disabled();
    drop(outer);
    tracing::warn!(sends_traces = guard.sends_traces(), spans_exist, "done");
    let begun = Instant::now();
    drop(guard);
    let taken = begun.elapsed();
    assert!(taken < SHUTDOWN_MAX + SLACK, "the end took {taken:?}");
}

/// What another test starts: more spans than may wait.
#[test]
#[ignore = "the program that another test starts"]
fn flood() {
    let config = TelemetryConfig { log: LogFormat::Json, ..Default::default() };
    let guard = Telemetry::start(&config, "flood").unwrap();
    for _ in 0..1000 {
        tracing::info_span!(target: "tamis_edge", "one of many").in_scope(|| {});
    }
    let counts = guard.span_counts().clone();
    let (sent, dropped) = (counts.count("sent"), counts.count("dropped"));
    tracing::warn!(sent, dropped, "made");
    let begun = Instant::now();
    drop(guard);
    let taken = begun.elapsed();
    assert!(taken < SHUTDOWN_MAX + SLACK, "the end took {taken:?}");
}

async fn run_program(variables: &[(&str, &str)]) -> Output {
    run("traces::program", variables).await
}

async fn run(program: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([program, "--exact", "--ignored", "--nocapture"]);
    command.env_remove("RUST_LOG");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = run.await.unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}\n{stderr}");
    output
}

/// The JSON lines that the program wrote.
fn log_lines(output: &Output) -> Vec<serde_json::Value> {
    String::from_utf8_lossy(&output.stderr)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

struct Receiver(mpsc::Sender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send(request.into_inner()).await.map_err(|_| Status::unavailable("gone"))?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test]
async fn spans_arrive_with_their_parents_and_the_log_line_has_their_trace() {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let endpoint = format!("http://{}", listener.address());
    let (sender, mut received) = mpsc::channel(16);
    let receiver = tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(Receiver(sender)))
            .serve_with_incoming(listener.incoming()),
    );
    let output = run_program(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=edge-0"),
    ])
    .await;
    receiver.abort();
    let _ = receiver.await;

    let mut spans = Vec::new();
    while let Some(request) = received.recv().await {
        for resource_spans in request.resource_spans {
            let resource = format!("{:?}", resource_spans.resource);
            for word in ["service.name", "\"program\"", "k8s.pod.name", "\"edge-0\""] {
                assert!(resource.contains(word), "{word} in {resource}");
            }
            spans.extend(resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    spans.sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["inner", "outer"], "our spans at info level and no others");
    let (inner, outer) = (&spans[0], &spans[1]);
    assert_eq!((&outer.trace_id[..], &outer.parent_span_id[..]), (&[0xab; 16][..], &[0xcd; 8][..]));
    assert_eq!((&inner.trace_id, &inner.parent_span_id), (&outer.trace_id, &outer.span_id));
    assert!(outer.attributes.iter().any(|attribute| attribute.key == "answer"));

    let lines = log_lines(&output);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let worked = &lines[0];
    assert_eq!(worked["trace_id"], "ab".repeat(16));
    assert_eq!((&worked["message"], &worked["level"]), (&"worked".into(), &"info".into()));
    assert_eq!((&worked["type"], &worked["count"]), (&"t".into(), &3.into()));
    assert!(worked["time"].as_str().unwrap().ends_with('Z'));
    assert!(lines[1].get("trace_id").is_none(), "{lines:?}");
    assert_eq!(lines[1]["spans_exist"], true);
}

#[tokio::test]
async fn the_name_in_the_environment_wins() {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let endpoint = format!("http://{}", listener.address());
    let (sender, mut received) = mpsc::channel(16);
    let receiver = tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(Receiver(sender)))
            .serve_with_incoming(listener.incoming()),
    );
    let variables = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str()),
        ("OTEL_SERVICE_NAME", "edge-of-site-a"),
    ];
    run_program(&variables).await;
    receiver.abort();
    let request = received.recv().await.unwrap();
    let resource = format!("{:?}", request.resource_spans[0].resource);
    assert!(resource.contains("\"edge-of-site-a\"") && !resource.contains("\"program\""));
}

#[tokio::test]
async fn the_sampler_of_the_environment_is_obeyed() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
    ];
    let lines = log_lines(&run_program(&variables).await);
    let warned =
        lines.iter().any(|line| line["message"] == "traces cannot be sent and are dropped");
    assert!(!warned, "nothing is sampled, so nothing is sent: {lines:?}");
}

#[tokio::test]
async fn without_a_receiver_the_work_goes_on_and_the_end_is_not_held_up() {
    let silent = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let silent_endpoint = format!("http://{}", silent.address());
    // Nobody listens; somebody listens and never speaks.
    for endpoint in ["http://127.0.0.1:1", silent_endpoint.as_str()] {
        let output = run_program(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]).await;
        let lines = log_lines(&output);
        assert_eq!(lines[0]["message"], "worked");
        assert_eq!(lines[1]["sends_traces"], true);
    }
}

#[tokio::test]
async fn a_receiver_that_never_answers_costs_the_spans_beyond_the_bound_and_no_waiting() {
    let silent = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let endpoint = format!("http://{}", silent.address());
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        // Longer than this test: no batch is given up, so no place becomes free.
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16"),
    ];
    let output = run("traces::flood", &variables).await;
    let line = log_lines(&output).into_iter().find(|line| line["message"] == "made").unwrap();
    assert_eq!((&line["sent"], &line["dropped"]), (&0.into(), &(1000 - 64).into()), "{line}");
}

#[tokio::test]
async fn without_the_variables_there_are_no_spans_and_no_trace_ids() {
    let lines = log_lines(&run_program(&[]).await);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.get("trace_id").is_none()), "{lines:?}");
    assert_eq!(lines[1]["sends_traces"], false);
    assert_eq!(lines[1]["spans_exist"], false, "a span that nobody reads costs nothing");
}

#[tokio::test]
async fn a_wish_that_cannot_be_met_is_said_once_and_stops_nothing() {
    for variables in [
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"), ("OTEL_TRACES_EXPORTER", "zipkin")],
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "no endpoint"), ("OTEL_TRACES_EXPORTER", "otlp")],
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "https://x"), ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/none")],
    ] {
        let lines = log_lines(&run_program(&variables).await);
        assert_eq!(lines[0]["message"], "no traces are sent", "{variables:?}: {lines:?}");
        assert_eq!(lines[2]["sends_traces"], false);
    }
}
