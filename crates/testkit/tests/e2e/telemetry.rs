//! What an administrator sees of a mail without seeing the mail: traces, logs, health.

use crate::mails::mail;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tamis_testkit::peers::{Dialogue, PEER_WAIT_MAX, Sink, Tamis, wait_for};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Mails sent before a trace has to be whole: the first question to a reputation server may only fetch the cookie.
const MAILS_MAX: usize = 20;
/// Wait for spans after a mail.
const SPANS_WAIT: Duration = Duration::from_secs(3);

/// A span as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    service: String,
    name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
}

/// A receiver of traces, as collectors are.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|it| it.attributes).unwrap_or_default();
            let named = attributes.into_iter().find(|it| it.key == "service.name");
            let service = match named.and_then(|it| it.value?.value) {
                Some(Any::StringValue(name)) => name,
                _ => String::new(),
            };
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(Span {
                    service: service.clone(),
                    name: span.name,
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
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

    /// A way from an answer of the reputation service back to the root of its trace.
    fn whole_trace(&self) -> Option<Vec<Span>> {
        let spans = self.spans();
        spans.iter().filter(|span| span.name == "reputation.answer").find_map(|answer| {
            let mut way = vec![answer.clone()];
            while way[way.len() - 1].parent.iter().any(|byte| *byte != 0) && way.len() < 10 {
                let last = &way[way.len() - 1];
                let parent = spans.iter().find(|it| it.id == last.parent && it.trace == last.trace);
                way.push(parent?.clone());
            }
            Some(way)
        })
    }
}

fn environment(endpoint: &str) -> [(&str, &str); 2] {
    [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "100")]
}

const TEXT: &str =
    "The marigold parcel has arrived and waits for its owner beside the old counter.";

/// Sends mails through the SMTP door until a whole trace has come.
async fn trace_of(receiver: &Receiver, smtp_port: u16) -> Vec<Span> {
    for number in 0..MAILS_MAX {
        let content = mail(&format!("traced {number}"), &format!("{number} {TEXT}"));
        let sending = move || {
            let mut client = Dialogue::connect(smtp_port);
            client.send("ann@sender.test", &["bob@example.test"], &content)
        };
        let reply = tokio::task::spawn_blocking(sending).await.expect("a sender");
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
        let end = tokio::time::Instant::now() + SPANS_WAIT;
        while tokio::time::Instant::now() < end {
            if let Some(way) = receiver.whole_trace() {
                return way;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    panic!("no whole trace among {:#?}", receiver.spans());
}

fn names(way: &[Span]) -> Vec<&str> {
    way.iter().map(|span| span.name.as_str()).collect()
}

const WAY: [&str; 4] = ["reputation.answer", "scanner.reputation", "scanner.scan", "edge.judge"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn one_trace_leads_from_the_edge_through_the_scanner_to_the_reputation_answer() {
    let receiver = Receiver::default();
    let endpoint = receiver.start().await;
    let (sink, with) = (Sink::smtp().start(), environment(&endpoint));
    let reputation = Tamis::start_with("reputation", "", &with);
    let asked = reputation.address("reputation", "listen");
    let config = format!("[scanner]\nreputation_budget_ms = 2000\nreputation = [\"{asked}\"]\n");
    let scanner = Tamis::start_with("scanner", &config, &with);
    let listen = scanner.address("scanner", "listen");
    let config = format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [\"http://{listen}\"]\n[telemetry]\nlog = \"json\"\n",
        sink.port
    );
    let edge = Tamis::start_with("edge", &config, &with);
    let way = trace_of(&receiver, edge.smtp_port()).await;
    assert_eq!(names(&way), WAY);
    let services: Vec<_> = way.iter().map(|span| span.service.as_str()).collect();
    assert_eq!(services, ["tamis-reputation", "tamis-scanner", "tamis-scanner", "tamis-edge"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn one_process_with_all_roles_tells_the_same_trace() {
    let receiver = Receiver::default();
    let endpoint = receiver.start().await;
    let sink = Sink::smtp().start();
    let config = format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\n[scanner]\nreputation_budget_ms = 2000\n",
        sink.port
    );
    let all = Tamis::start_with("all", &config, &environment(&endpoint));
    let way = trace_of(&receiver, all.smtp_port()).await;
    assert_eq!(names(&way), WAY);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn json_logs_are_json_and_hold_nothing_of_the_mail_but_its_id() {
    let sink = Sink::smtp().start();
    let config = format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\n[telemetry]\nlog = \"json\"\n\
         [policy.lists]\nblacklisted = [\"eve.surname@secret-sender.test\"]\n",
        sink.port
    );
    let tamis = Tamis::start(&["all"], Some(&config));
    let mut client = Dialogue::connect(tamis.smtp_port());
    for from in ["ann.surname@secret-sender.test", "eve.surname@secret-sender.test"] {
        let content = mail("marigold subject", TEXT);
        let reply = client.send(from, &["bob.surname@secret-receiver.test"], &content);
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
    }
    let two = || Some(tamis.log_lines("mail")).filter(|lines| lines.len() == 2);
    let lines = wait_for("two lines", PEER_WAIT_MAX, two, || tamis.log());
    let found: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(found[0]["status"], "not_detected");
    assert_eq!(found[1]["status"], "blacklisted");
    for (line, mail) in found.iter().zip(sink.wait(2)) {
        for field in ["time", "level", "id", "door", "score", "rung", "action", "size", "ms"] {
            assert!(!line[field].is_null(), "no {field} in {line}");
        }
        let id = crate::mails::header(&mail.content, "X-Tamis-Id");
        assert_eq!(id, [line["id"].as_str().unwrap_or("")]);
    }
    let log = tamis.log();
    for line in log.lines().filter(|line| !line.contains("listens on") && !line.contains("http://"))
    {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "no JSON: {line}");
    }
    for secret in ["surname", "secret-", "marigold", "Ann", "sender.test"] {
        assert!(!log.contains(secret), "'{secret}' in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn health_is_told_by_http_and_by_grpc() {
    let reputation = Tamis::start(&["reputation"], None);
    let scanner = Tamis::start(&["scanner"], None);
    let edge = Tamis::thin_edge("");
    for role in [&reputation, &scanner, &edge] {
        for path in ["/healthz/live", "/healthz/ready"] {
            assert_eq!(role.get(path).0, 200, "{path}");
        }
        assert_eq!(role.get("/nothing").0, 404);
    }
    for address in [scanner.address("scanner", "listen"), reputation.address("reputation", "grpc")]
    {
        let channel =
            tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("a URL");
        let mut client = HealthClient::new(channel.connect().await.expect("gRPC"));
        let question = HealthCheckRequest { service: String::new() };
        let answer = client.check(question).await.expect("an answer").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
}
