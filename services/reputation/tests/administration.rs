//! Who may ask what of a running service, and that nobody holds up its end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "bases/support.rs"]
#[allow(dead_code)]
mod bases;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bases::Authority;
use tamis_domain::reputation::Class;
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tamis_reputation::config::{Config, GRACE, Typed};
use tamis_reputation::reporters::{Reporter, new_token};
use tamis_reputation::service::Service;
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::signatures::Authority as Voice;
use tamis_runtime::admin::Readiness;
use tamis_runtime::exit::Failure;
use tamis_runtime::listen::ListenAddress;
use tamis_runtime::metrics::Metrics;
use tamis_runtime::shutdown::Shutdown;
use tamis_runtime::tls::Tls;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

struct Running {
    grpc: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), Failure>>,
}

fn typed() -> Typed {
    Typed {
        listen: "127.0.0.1:0".to_owned(),
        grpc: ListenAddress::Tcp(([127, 0, 0, 1], 0).into()),
        ..Typed::default()
    }
}

async fn start(config: Config, tls: Option<Tls>) -> Running {
    let service = Service::bind(config, &Metrics::new()).await.unwrap();
    let grpc = service.grpc_address().unwrap().tcp().unwrap();
    let shutdown = Shutdown::new();
    let is_ready = Readiness::new(shutdown.clone()).condition("reputation");
    let end = shutdown.clone();
    let task = tokio::spawn(async move { service.run(tls.as_ref(), is_ready, end).await });
    Running { grpc, shutdown, task }
}

impl Running {
    async fn client(&self) -> ReputationClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc)).unwrap();
        ReputationClient::new(endpoint.connect().await.unwrap())
    }

    async fn stopped(self) -> Duration {
        let began = Instant::now();
        self.shutdown.request();
        self.task.await.unwrap().unwrap();
        began.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_does_not_hold_up_the_end_of_the_service() {
    // What is given to calls in hand, and no more.
    let grace = Duration::from_millis(300);
    let running = start(Config { grace, ..typed().check().unwrap() }, None).await;
    let mut silent = TcpStream::connect(running.grpc).await.unwrap();
    // It is taken: the server's first frame came.
    assert!(silent.read(&mut [0; 64]).await.unwrap() > 0);
    let took = running.stopped().await;
    println!("ended after {took:?}");
    assert!(took >= grace && took < GRACE, "{took:?}");
}

fn signature() -> wire::Signature {
    let signature = naming::link("bad.example/x");
    wire::Signature {
        kind: signature.kind.code().into(),
        value: signature.value.to_vec(),
        sketch: Vec::new(),
    }
}

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    if !token.is_empty() {
        let shown = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", shown);
    }
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn why_is_told_to_who_shows_a_token_and_names_others_to_operators_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("reporters.toml");
    let made =
        |name: &str, authority| new_token(&Reporter { name: name.to_owned(), authority }).unwrap();
    let (one, first) = made("a.example/mx1", Voice::Reporter);
    let (two, second) = made("b.example", Voice::Reporter);
    let (desk, third) = made("desk", Voice::Operator);
    std::fs::write(&path, first + &second + &third).unwrap();
    let config = Typed { reporters: path, ..typed() }.check().unwrap();
    let running = start(config, None).await;
    let mut client = running.client().await;
    for token in [&one, &two] {
        let add = wire::AddRequest {
            signatures: vec![signature()],
            class: Class::Spam.code().into(),
            weight: 50,
            reporter: String::new(),
        };
        client.add(with_token(add, token)).await.unwrap();
    }
    let ask = || wire::WhyRequest { signature: Some(signature()) };
    for token in ["", "unknown"] {
        let refused = client.why(with_token(ask(), token)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{token:?}: {refused}");
    }
    for (token, names) in [
        (&one, ["a.example/mx1", ""]),
        (&two, ["", "b.example"]),
        (&desk, ["a.example/mx1", "b.example"]),
    ] {
        let why = client.why(with_token(ask(), token)).await.unwrap().into_inner();
        let told: Vec<&str> = why.reports.iter().map(|told| told.reporter.as_str()).collect();
        assert_eq!((why.listed, told.as_slice()), (true, &names[..]));
    }
    // How large and well it is names nobody.
    assert!(client.stats(wire::StatsRequest {}).await.is_ok());
    drop(client);
    running.stopped().await;
}

/// What a node with the test's certificate (for localhost and 127.0.0.1) hears when it asks for a snapshot.
async fn snapshot_with(peer_names: &[&str]) -> Code {
    let authority = Authority::new();
    let tls = authority.tls().load().unwrap();
    let peer_names = peer_names.iter().map(|name| (*name).to_owned()).collect();
    let running = start(Typed { peer_names, ..typed() }.check().unwrap(), tls.clone()).await;
    let endpoint = Endpoint::from_shared(format!("https://{}", running.grpc)).unwrap();
    let endpoint = endpoint.tls_config(tls.unwrap().client()).unwrap();
    let mut client = ReputationClient::new(endpoint.connect().await.unwrap());
    let refused = client.snapshot(wire::SnapshotRequest::default()).await.unwrap_err();
    drop(client);
    running.stopped().await;
    refused.code()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_goes_to_certificates_of_peers_and_to_no_other_of_the_authority() {
    // Let in, a node hears that this one has no shared order.
    for names in [&["localhost"][..], &["127.0.0.1"], &["node-b.example", "localhost"]] {
        assert_eq!(snapshot_with(names).await, Code::FailedPrecondition, "{names:?}");
    }
    for names in [&[][..], &["node-b.example"], &["192.0.2.1"]] {
        assert_eq!(snapshot_with(names).await, Code::PermissionDenied, "{names:?}");
    }
}
