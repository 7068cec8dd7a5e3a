//! A question that carries a trace context is answered as a part of that trace. Alone in its file: the subscriber is one for the
//! process.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test may fail loudly")]

use std::sync::{Arc, Mutex};

use opentelemetry::trace::{SpanId, SpanKind, TraceId, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tamis_reputation::config::Typed;
use tamis_reputation::service::Service;
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::{Item, Question, Reply, Trace};
use tamis_runtime::admin::Readiness;
use tamis_runtime::listen::ListenAddress;
use tamis_runtime::metrics::Metrics;
use tamis_runtime::shutdown::Shutdown;
use tokio::net::UdpSocket;
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

#[tokio::test]
async fn the_answer_is_a_child_of_the_asker_and_an_unproven_question_makes_no_span() {
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();

    let typed =
        Typed { listen: "127.0.0.1:0".to_owned(), grpc: ListenAddress::Off, ..Typed::default() };
    let service = Service::bind(typed.check().unwrap(), &Metrics::new()).await.unwrap();
    let server = service.udp_address();
    let shutdown = Shutdown::new();
    let is_ready = Readiness::new(shutdown.clone()).condition("reputation");
    let end = shutdown.clone();
    let task = tokio::spawn(async move { service.run(None, is_ready, end).await });

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    let trace = Trace { trace_id: [0x71; 16], parent_span_id: [0x72; 8] };
    let items = vec![Item::exact(naming::link("a.example"))];
    let mut question = Question { id: 5, cookie: 0, trace: Some(trace), is_sighting: false, items };
    let mut buffer = [0; 2048];
    socket.send(&question.encode()).await.unwrap();
    let length = socket.recv(&mut buffer).await.unwrap();
    let Ok(Reply::Challenge(challenge)) = Reply::decode(&buffer[..length]) else { panic!() };
    let named = |span: &SpanData| span.name == "reputation.answer";
    assert!(!kept.0.lock().unwrap().iter().any(named), "no span without proof");

    question.cookie = challenge.cookie;
    socket.send(&question.encode()).await.unwrap();
    let length = socket.recv(&mut buffer).await.unwrap();
    assert!(matches!(Reply::decode(&buffer[..length]), Ok(Reply::Answer(_))));
    shutdown.request();
    task.await.unwrap().unwrap();
    let spans = kept.0.lock().unwrap().clone();
    let answers: Vec<_> = spans.iter().filter(|span| named(span)).collect();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].span_context.trace_id(), TraceId::from_bytes(trace.trace_id));
    assert_eq!(answers[0].parent_span_id, SpanId::from_bytes(trace.parent_span_id));
    assert_eq!(answers[0].span_kind, SpanKind::Server);
    assert!(answers[0].attributes.iter().any(|it| it.key.as_str() == "items"));
}
