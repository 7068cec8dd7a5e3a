//! One mail as a trace: every process and every wait in it, its exemplars, and what becomes of mail when nobody takes traces.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::Value;
use tamis_testkit::peers::{
    Dialogue, PEER_WAIT_MAX, Process, Redis, Sink, Tamis, free_port, get, wait_for,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::dashboards::prometheus;
use crate::dns::nsd;
use crate::mails::{header, mail, noise, with_attachment};

/// Mails sent before a trace has to be whole: the first question to a reputation server may only fetch the cookie, and
/// Redis may not be connected yet.
const MAILS_MAX: u64 = 20;
/// Wait for spans after a mail.
const SPANS_WAIT: Duration = Duration::from_secs(3);
/// More than travels inside an Offer, so that the memory is asked before the content is.
const ATTACHED_BYTES: usize = 100_000;

/// A span as it arrived. Kinds are OTLP's: 1 internal, 2 server, 3 client.
#[derive(Clone, Debug)]
struct Span {
    service: String,
    name: String,
    kind: i32,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    attributes: BTreeMap<String, String>,
}

/// A receiver of traces, as collectors are.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<Span>>>);

fn attributes(all: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<Any>| match value {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    all.into_iter().map(|it| (it.key, text(it.value.and_then(|value| value.value)))).collect()
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.into_inner().resource_spans {
            let of_all = attributes(resource.resource.map(|it| it.attributes).unwrap_or_default());
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(Span {
                    service: of_all.get("service.name").cloned().unwrap_or_default(),
                    name: span.name,
                    kind: span.kind,
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                    attributes: attributes(span.attributes),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Receiver {
    /// Starts to listen; gives the endpoint.
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving);
        endpoint
    }

    fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Spans by trace.
    fn traces(&self) -> BTreeMap<Vec<u8>, Vec<Span>> {
        let mut traces: BTreeMap<Vec<u8>, Vec<Span>> = BTreeMap::new();
        for span in self.spans() {
            traces.entry(span.trace.clone()).or_default().push(span);
        }
        traces
    }
}

/// Each span of a trace behind its parent, as `parent > child`, with the kinds that are not internal.
fn tree(trace: &[Span]) -> BTreeSet<String> {
    let shown = |span: &Span| match span.kind {
        2 => format!("{} (server)", span.name),
        3 => format!("{} (client)", span.name),
        _ => span.name.clone(),
    };
    let parent = |span: &Span| {
        let found = trace.iter().find(|it| it.id == span.parent);
        found.map_or_else(|| "nothing".to_owned(), shown)
    };
    trace.iter().map(|span| format!("{} > {}", parent(span), shown(span))).collect()
}

fn environment(endpoint: &str) -> Vec<(&str, &str)> {
    vec![("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "100")]
}

const TEXT: &str =
    "The marigold parcel has arrived and waits for its owner beside the old counter.";

/// Sends one mail whose attachment nobody has seen.
async fn send(smtp_port: u16, number: u64) {
    let content = with_attachment(
        &format!("traced {number}"),
        &format!("{number} {TEXT}"),
        &noise(number + 1, ATTACHED_BYTES),
    );
    let sending = move || {
        let mut client = Dialogue::connect(smtp_port);
        client.send("ann@sender.test", &["bob@example.test"], &content)
    };
    let reply = tokio::task::spawn_blocking(sending).await.expect("a sender");
    assert_eq!(reply.code, 250, "{:?}", reply.lines);
}

/// Sends mails until a trace is as wanted.
async fn trace_of(
    receiver: &Receiver,
    smtp_port: u16,
    is_wanted: impl Fn(&[Span]) -> bool,
) -> Vec<Span> {
    for number in 0..MAILS_MAX {
        send(smtp_port, number).await;
        let end = tokio::time::Instant::now() + SPANS_WAIT;
        while tokio::time::Instant::now() < end {
            if let Some(trace) = receiver.traces().into_values().find(|trace| is_wanted(trace)) {
                return trace;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let trees: Vec<_> = receiver.traces().values().map(|trace| tree(trace)).collect();
    panic!("no such trace among {trees:#?}");
}

/// Every span that a mail with a large attachment has.
const TREE: [&str; 10] = [
    "nothing > edge.judge",
    "edge.judge > tamis.scan.v1.Scanner/Scan (client)",
    "tamis.scan.v1.Scanner/Scan (client) > tamis.scan.v1.Scanner/Scan (server)",
    "tamis.scan.v1.Scanner/Scan (server) > MGET (client)",
    "tamis.scan.v1.Scanner/Scan (server) > scanner.dns",
    "scanner.dns > dns.lookup (client)",
    "tamis.scan.v1.Scanner/Scan (server) > scanner.full",
    "tamis.scan.v1.Scanner/Scan (server) > scanner.reputation",
    "scanner.reputation > reputation.question (client)",
    "reputation.question (client) > reputation.answer (server)",
];

fn expected(of_dns_and_redis: bool) -> BTreeSet<String> {
    let is_there =
        |line: &&str| of_dns_and_redis || !(line.contains("dns") || line.contains("MGET"));
    TREE.into_iter().filter(is_there).map(str::to_owned).collect()
}

/// Three roles, Redis and a name server.
struct Parts {
    sink: Sink,
    _redis: Redis,
    _nsd: Process,
    _directory: tempfile::TempDir,
    reputation: Tamis,
    scanner: Tamis,
}

impl Parts {
    fn start(with: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a folder");
        let (sink, redis, port) = (Sink::smtp().start(), Redis::start(), free_port());
        let nsd = nsd(directory.path(), port);
        let reputation = Tamis::start_with("reputation", "", with);
        let asked = reputation.address("reputation", "listen");
        let config = format!(
            "[scanner]\nredis = \"{}\"\nredis_budget_ms = 2000\nreputation_budget_ms = 2000\n\
             reputation = [\"{asked}\"]\n[scanner.dns]\nenabled = true\nservers = ['127.0.0.1:{port}']\n",
            redis.url()
        );
        let scanner = Tamis::start_with("scanner", &config, with);
        let (_redis, _nsd, _directory) = (redis, nsd, directory);
        Self { sink, _redis, _nsd, _directory, reputation, scanner }
    }

    fn edge(&self, with: &[(&str, &str)]) -> Tamis {
        let config = format!(
            "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [\"http://{}\"]\n[telemetry]\nlog = \"json\"\n",
            self.sink.port,
            self.scanner.address("scanner", "listen")
        );
        Tamis::start_with("edge", &config, with)
    }
}

/// The one span with this name and kind.
fn one<'a>(trace: &'a [Span], name: &str, kind: i32) -> &'a Span {
    let found: Vec<_> =
        trace.iter().filter(|span| (span.name.as_str(), span.kind) == (name, kind)).collect();
    assert_eq!(found.len(), 1, "{name}: {trace:#?}");
    found[0]
}

fn has(span: &Span, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        let found = span.attributes.get(*name).map(String::as_str);
        assert_eq!(found, Some(*value), "{name} in {span:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn one_mail_is_one_tree_from_the_edge_to_redis_dns_and_the_reputation_answer() {
    let receiver = Receiver::default();
    let endpoint = receiver.start().await;
    let with = environment(&endpoint);
    let parts = Parts::start(&with);
    let edge = parts.edge(&with);
    let wanted = expected(true);
    let trace = trace_of(&receiver, edge.smtp_port(), |trace| tree(trace) == wanted).await;

    let rpc = [("rpc.system.name", "grpc"), ("rpc.method", "tamis.scan.v1.Scanner/Scan")];
    let (call, served) = (one(&trace, rpc[1].1, 3), one(&trace, rpc[1].1, 2));
    has(call, &rpc);
    has(served, &rpc);
    let port = parts.scanner.port("scanner", "listen").to_string();
    has(call, &[("server.address", "127.0.0.1"), ("server.port", &port)]);
    has(one(&trace, "MGET", 3), &[("db.system.name", "redis"), ("db.operation.name", "MGET")]);
    let asked = one(&trace, "reputation.question", 3);
    let port = parts.reputation.port("reputation", "listen").to_string();
    has(asked, &[("network.transport", "udp"), ("server.port", &port)]);
    for (name, kind, service) in [
        ("edge.judge", 1, "tamis-edge"),
        (rpc[1].1, 3, "tamis-edge"),
        (rpc[1].1, 2, "tamis-scanner"),
        ("MGET", 3, "tamis-scanner"),
        ("reputation.answer", 2, "tamis-reputation"),
    ] {
        assert_eq!(one(&trace, name, kind).service, service, "{name}");
    }
    let said = format!("{:?}", receiver.spans());
    for secret in ["sender.test", "example.test", "marigold", "ann@", "bob@"] {
        assert!(!said.contains(secret), "'{secret}' in a span");
    }
    log_lines_name_the_trace(&edge, &trace[0]);
}

/// The line of a mail and its trace find each other.
fn log_lines_name_the_trace(edge: &Tamis, span: &Span) {
    let id: String = span.trace.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines = edge.log_lines("mail");
    let named = lines.iter().filter(|line| line.contains(&format!("\"trace_id\":\"{id}\"")));
    assert_eq!(named.count(), 1, "{id} in {lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn an_edge_that_does_not_sample_is_obeyed_by_all_behind_it() {
    let receiver = Receiver::default();
    let endpoint = receiver.start().await;
    let with = environment(&endpoint);
    let parts = Parts::start(&with);
    let mut unsampled = with.clone();
    unsampled.push(("OTEL_TRACES_SAMPLER", "traceidratio"));
    unsampled.push(("OTEL_TRACES_SAMPLER_ARG", "0"));
    let (silent, speaking) = (parts.edge(&unsampled), parts.edge(&with));
    for number in 0..3 {
        send(silent.smtp_port(), 100 + number).await;
    }
    // What the scanner sends of later mails comes behind all that it would have sent of earlier ones.
    let is_whole = |trace: &[Span]| {
        ["edge.judge", "scanner.full"].iter().all(|name| trace.iter().any(|it| it.name == *name))
    };
    trace_of(&receiver, speaking.smtp_port(), is_whole).await;
    let begun_here = "nothing > tamis.scan.v1.Scanner/Scan (server)";
    let traces = receiver.traces();
    let own = traces.values().filter(|trace| {
        // The edge's part of the last mail may still be under way.
        tree(trace).contains(begun_here) && trace.iter().any(|span| span.parent.is_empty())
    });
    assert_eq!(own.count(), 0, "a scanner began a trace of its own: {traces:#?}");
    assert!(traces.len() <= MAILS_MAX as usize, "one trace a mail of the edge that samples");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn prometheus_keeps_exemplars_that_lead_to_traces_that_were_sent() {
    let receiver = Receiver::default();
    let endpoint = receiver.start().await;
    let sink = Sink::smtp().start();
    let config = format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\n[scanner]\nreputation_budget_ms = 2000\n",
        sink.port
    );
    let all = Tamis::start_with("all", &config, &environment(&endpoint));
    let wanted = expected(false);
    trace_of(&receiver, all.smtp_port(), |trace| tree(trace) == wanted).await;
    let directory = tempfile::tempdir().expect("a folder");
    let (_prometheus, address) = prometheus(directory.path(), &[("all", all.admin())]);
    for metric in
        ["tamis_edge_mail_seconds", "tamis_scanner_mail_seconds", "tamis_scanner_stage_seconds"]
    {
        let named = || {
            let ids = exemplars(&address, &format!("{metric}_bucket"));
            Some(ids).filter(|ids| !ids.is_empty())
        };
        let named = wait_for(metric, PEER_WAIT_MAX, named, || all.get("/metrics").1);
        let known: BTreeSet<String> = receiver
            .traces()
            .keys()
            .map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        assert!(named.is_subset(&known), "{metric}: {named:?} of {known:?}");
    }
}

/// Trace ids of the exemplars that Prometheus has of a metric.
fn exemplars(prometheus: &str, metric: &str) -> BTreeSet<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let path =
        format!("/api/v1/query_exemplars?query={metric}&start={}&end={}", now - 600, now + 60);
    let (_, body) = get(prometheus, &path).unwrap_or_default();
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let series = body["data"].as_array().cloned().unwrap_or_default();
    let found =
        series.iter().flat_map(|one| one["exemplars"].as_array().cloned().unwrap_or_default());
    found.filter_map(|it| Some(it["labels"]["trace_id"].as_str()?.to_owned())).collect()
}

/// Mails while nobody takes traces are judged as ever; what became of their spans.
fn judged_while_nobody_takes_traces(endpoint: &str) -> Tamis {
    let sink = Sink::smtp().start();
    let mut with = environment(endpoint);
    with.extend([("OTEL_BSP_MAX_QUEUE_SIZE", "8"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")]);
    let config = format!("[edge]\nnext_hop = \"127.0.0.1:{}\"\n", sink.port);
    let all = Tamis::start_with("all", &config, &with);
    let mut client = Dialogue::connect(all.smtp_port());
    for number in 0..30 {
        let content = mail(&format!("untold {number}"), TEXT);
        let reply = client.send("ann@sender.test", &["bob@example.test"], &content);
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
    }
    for arrived in sink.wait(30) {
        assert_eq!(header(&arrived.content, "X-Tamis-Status"), ["not_detected"]);
    }
    assert_eq!(all.metric("tamis_edge_rungs_total{rung=\"not_scanned\"}"), 0.0);
    all
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_receiver_that_takes_traces_and_never_answers_costs_spans_and_no_mail() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
    let all = judged_while_nobody_takes_traces(&endpoint);
    assert!(all.metric("tamis_trace_spans_total{outcome=\"dropped\"}") > 0.0);
    assert_eq!(all.metric("tamis_trace_spans_total{outcome=\"sent\"}"), 0.0);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_receiver_that_is_gone_costs_spans_and_no_mail() {
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let all = judged_while_nobody_takes_traces(&endpoint);
    let failed = || (all.metric("tamis_trace_spans_total{outcome=\"failed\"}") > 0.0).then_some(());
    wait_for("spans that failed", PEER_WAIT_MAX, failed, || all.get("/metrics").1);
    assert_eq!(all.metric("tamis_trace_spans_total{outcome=\"sent\"}"), 0.0);
}
