//! The service on real sockets of the loopback and real files.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test may fail loudly")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tamis_domain::digest::{PartDigest, Sketch};
use tamis_domain::reputation::{Class, Listing};
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tamis_reputation::config::{Config, Typed};
use tamis_reputation::service::{self, Service};
use tamis_reputation_protocol::asking::{
    Asking, Cookies, Event, Fact, Outcome, Output, Plan, Times,
};
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::{Item, Question, Reply};
use tamis_runtime::admin::Readiness;
use tamis_runtime::clock;
use tamis_runtime::exit::Failure;
use tamis_runtime::listen::ListenAddress;
use tamis_runtime::metrics::Metrics;
use tamis_runtime::shutdown::Shutdown;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::transport::Channel;

struct Running {
    udp: SocketAddr,
    admin: ReputationClient<Channel>,
    metrics: Metrics,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), Failure>>,
    cookies: Cookies,
}

fn config(state_dir: Option<&Path>) -> Config {
    let typed = Typed {
        listen: "127.0.0.1:0".to_owned(),
        grpc: ListenAddress::Tcp(([127, 0, 0, 1], 0).into()),
        state_dir: state_dir.map(Path::to_path_buf).unwrap_or_default(),
        ..Typed::default()
    };
    typed.check().unwrap()
}

impl Running {
    async fn start(config: Config) -> Self {
        let metrics = Metrics::new();
        let service = Service::bind(config, &metrics).await.unwrap();
        Self::over(service, metrics).await
    }

    async fn over(service: Service, metrics: Metrics) -> Self {
        let udp = service.udp_address();
        let grpc = service.grpc_address().unwrap().tcp().unwrap();
        let shutdown = Shutdown::new();
        let is_ready = Readiness::new(shutdown.clone()).condition("reputation");
        let end = shutdown.clone();
        let task = tokio::spawn(async move { service.run(None, is_ready, end).await });
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{grpc}")).unwrap();
        let admin = ReputationClient::new(channel.connect().await.unwrap());
        Self { udp, admin, metrics, shutdown, task, cookies: Cookies::default() }
    }

    async fn stop(self) {
        self.shutdown.request();
        drop(self.admin);
        self.task.await.unwrap().unwrap();
    }

    async fn add(&mut self, item: Item, class: Class) -> Result<wire::AddResponse, tonic::Status> {
        let request = wire::AddRequest {
            signatures: vec![signature(&item)],
            class: class.code().into(),
            weight: 75,
            reporter: "desk".to_owned(),
        };
        self.admin.add(request).await.map(tonic::Response::into_inner)
    }

    async fn delete(&mut self, item: Item) -> wire::DeleteResponse {
        let request =
            wire::DeleteRequest { signatures: vec![signature(&item)], reporter: "desk".to_owned() };
        self.admin.delete(request).await.unwrap().into_inner()
    }

    async fn stats(&mut self) -> wire::StatsResponse {
        self.admin.stats(wire::StatsRequest {}).await.unwrap().into_inner()
    }

    /// As a scanner does.
    async fn ask(&mut self, items: Vec<Item>) -> (u64, Vec<Option<Listing>>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let plan = Plan {
            items,
            id: u64::from(socket.local_addr().unwrap().port()),
            trace: None,
            is_sighting: false,
            times: Times {
                hedge_after: None,
                answer_within: Duration::from_secs(2),
                budget: Duration::from_secs(5),
            },
            first: self.cookies.of(self.udp),
            probe: None,
        };
        let mut asking = Asking::new(plan, clock::now());
        let mut buffer = [0; 2048];
        loop {
            while let Some(output) = asking.poll() {
                match output {
                    Output::Send { server, datagram, .. } => {
                        socket.send_to(&datagram, server).await.unwrap();
                    }
                    Output::Want(_) => {
                        asking.handle(Event::Nobody, clock::now());
                    }
                    Output::Noted(Fact::Cookie { server, cookie }) => {
                        self.cookies.learn(server, cookie);
                    }
                    Output::Noted(_) => {}
                    Output::Finished(Outcome::Answered { epoch, listings, .. }) => {
                        return (epoch, listings);
                    }
                    Output::Finished(other) => panic!("{other:?}"),
                }
            }
            let deadline = asking.deadline().unwrap();
            match tokio::time::timeout_at(deadline.into(), socket.recv_from(&mut buffer)).await {
                Ok(received) => {
                    let (length, from) = received.unwrap();
                    let datagram = &buffer[..length];
                    asking.handle(Event::Received { from, datagram }, clock::now());
                }
                Err(_) => asking.handle(Event::Timer, clock::now()),
            }
        }
    }

    async fn class(&mut self, item: Item) -> Option<Class> {
        self.ask(vec![item]).await.1[0].map(|listing| listing.class)
    }
}

fn signature(item: &Item) -> wire::Signature {
    wire::Signature {
        kind: item.signature.kind.code().into(),
        value: item.signature.value.to_vec(),
        sketch: item.sketch.map(|sketch| sketch.to_bytes().to_vec()).unwrap_or_default(),
    }
}

fn link(name: &str) -> Item {
    Item::exact(naming::link(name))
}

fn text(number: u8, changed_lanes: usize) -> Item {
    let mut sketch = Sketch(std::array::from_fn(|lane| lane as u16 * 1009));
    sketch.0[..changed_lanes].fill(7);
    Item { signature: naming::text(&PartDigest([number; 32])), sketch: Some(sketch) }
}

#[tokio::test]
async fn what_is_reported_is_answered_until_it_is_deleted() {
    let mut service = Running::start(config(None)).await;
    assert_eq!(service.class(link("bad.example/a")).await, None);
    let added = service.add(link("bad.example/a"), Class::Phishing).await.unwrap();
    assert_eq!((added.epoch, added.added, added.confirmed), (1, 1, 0));
    let (epoch, listings) = service.ask(vec![link("good.example"), link("bad.example/a")]).await;
    let found =
        Listing { class: Class::Phishing, weight: 75, reporters: 1, age_hours: 0, similarity: 32 };
    assert_eq!((epoch, listings), (1, vec![None, Some(found)]));
    let deleted = service.delete(link("bad.example/a")).await;
    assert_eq!((deleted.epoch, deleted.deleted, deleted.unknown), (2, 1, 0));
    assert_eq!(service.class(link("bad.example/a")).await, None);
    service.stop().await;
}

#[tokio::test]
async fn a_similar_text_is_found_and_why_names_the_listed_one() {
    let mut service = Running::start(config(None)).await;
    service.add(text(1, 0), Class::Spam).await.unwrap();
    assert_eq!(service.class(text(2, 15)).await, Some(Class::Spam));
    assert_eq!(service.class(text(2, 16)).await, None);
    let request = wire::WhyRequest { signature: Some(signature(&text(2, 10))) };
    let why = service.admin.why(request).await.unwrap().into_inner();
    assert!(why.listed);
    assert_eq!(why.signature, Some(signature(&text(1, 0))));
    assert_eq!((why.similarity, why.reporters), (22, 1));
    assert_eq!(why.reports.len(), 1);
    assert_eq!(why.reports[0].reporter, "desk");
    assert!(why.reports[0].first_unix_s > 1_700_000_000);
    service.stop().await;
}

/// A pipe that nobody writes to stands for a table that takes long.
#[tokio::test]
async fn who_is_asked_to_end_while_it_loads_ends() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = dir.path().join("snapshot-00000000000000000007");
    let made = std::process::Command::new("mkfifo").arg(&snapshot).status().unwrap();
    assert!(made.success());
    let (shutdown, metrics) = (Shutdown::new(), Metrics::new());
    let is_ready = Readiness::new(shutdown.clone()).condition("reputation");
    let settings = config(Some(dir.path()));
    let service = service::run(settings, &metrics, None, is_ready, shutdown.clone());
    let mut service = std::pin::pin!(service);
    let loading = tokio::time::timeout(Duration::from_millis(200), &mut service).await;
    assert!(loading.is_err(), "it was not loading: {loading:?}");
    shutdown.request();
    service.await.unwrap();
}

#[tokio::test]
async fn acknowledged_reports_survive_the_process_and_a_second_process_is_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Running::start(config(Some(dir.path()))).await;
    for number in 0..50 {
        service.add(text(number, usize::from(number) % 10), Class::Malware).await.unwrap();
    }
    service.delete(text(7, 7)).await;
    assert!(service.stats().await.durable);
    let refused = Service::bind(config(Some(dir.path())), &Metrics::new()).await.unwrap_err();
    assert!(refused.what.contains("another process"), "{refused}");
    // No orderly end: the task is dropped where it stands.
    service.task.abort();
    let _ = service.task.await;
    let metrics = Metrics::new();
    let mut again = loop {
        // The writer's thread lets the directory go when it sees that nobody can write any more.
        match Service::bind(config(Some(dir.path())), &metrics).await {
            Ok(free) => break Running::over(free, metrics).await,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let stats = again.stats().await;
    assert_eq!((stats.epoch, stats.kinds[0].signatures), (51, 49));
    assert_eq!(stats.warnings, Vec::<String>::new());
    for number in 0..50 {
        let exact = Item { sketch: None, ..text(number, 0) };
        let expected = (number != 7).then_some(Class::Malware);
        assert_eq!(again.class(exact).await, expected, "{number}");
    }
    again.stop().await;
}

#[tokio::test]
async fn memory_only_says_so() {
    let mut service = Running::start(config(None)).await;
    let stats = service.stats().await;
    assert!(!stats.durable);
    assert!(stats.warnings[0].contains("memory only"), "{:?}", stats.warnings);
    service.stop().await;
}

#[tokio::test]
async fn a_full_table_refuses_writes_by_name_and_goes_on_answering() {
    let mut small = config(None);
    small.rules.signatures_max = 2;
    let mut service = Running::start(small).await;
    service.add(link("a.example"), Class::Spam).await.unwrap();
    service.add(link("b.example"), Class::Spam).await.unwrap();
    let refused = service.add(link("c.example"), Class::Spam).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(service.class(link("b.example")).await, Some(Class::Spam));
    assert_eq!(service.class(link("c.example")).await, None);
    service.stop().await;
}

#[tokio::test]
async fn wrong_reports_are_refused_by_field_and_change_nothing() {
    let mut service = Running::start(config(None)).await;
    let good = || wire::AddRequest {
        signatures: vec![signature(&link("a.example"))],
        class: Class::Spam.code().into(),
        weight: 50,
        reporter: "desk".to_owned(),
    };
    let with = |signature: wire::Signature| wire::AddRequest {
        signatures: vec![super_good(), signature],
        ..good()
    };
    let one = || signature(&link("b.example"));
    for (request, field) in [
        (wire::AddRequest { signatures: vec![], ..good() }, "signatures"),
        (wire::AddRequest { signatures: vec![super_good(); 1001], ..good() }, "signatures"),
        (wire::AddRequest { class: 0, ..good() }, "class"),
        (wire::AddRequest { class: 7, ..good() }, "class"),
        (wire::AddRequest { class: Class::Suspected.code().into(), ..good() }, "class"),
        (wire::AddRequest { weight: 0, ..good() }, "weight"),
        (wire::AddRequest { weight: 101, ..good() }, "weight"),
        (wire::AddRequest { weight: 300, ..good() }, "weight"),
        (wire::AddRequest { reporter: String::new(), ..good() }, "reporter"),
        (wire::AddRequest { reporter: "r".repeat(65), ..good() }, "reporter"),
        (with(wire::Signature { kind: 0, ..one() }), "kind"),
        (with(wire::Signature { kind: 8, ..one() }), "kind"),
        (with(wire::Signature { value: vec![1; 15], ..one() }), "value"),
        (with(wire::Signature { sketch: vec![1; 64], ..one() }), "sketch"),
        (with(wire::Signature { kind: 2, sketch: vec![1; 63], ..one() }), "sketch"),
    ] {
        let refused = service.admin.add(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(field), "{field}: {refused}");
    }
    let thousand = wire::AddRequest { signatures: vec![super_good(); 1000], ..good() };
    let added = service.admin.add(thousand).await.unwrap().into_inner();
    assert_eq!((added.added, added.confirmed, added.epoch), (1, 999, 1000));
    service.stop().await;
}

fn super_good() -> wire::Signature {
    signature(&link("a.example"))
}

#[tokio::test]
async fn strangers_are_challenged_and_nonsense_is_met_with_silence() {
    let mut service = Running::start(config(None)).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(service.udp).await.unwrap();
    let question = Question {
        id: 9,
        cookie: 1,
        trace: None,
        is_sighting: false,
        items: vec![link("a.example")],
    }
    .encode();
    for nonsense in
        [&b""[..], b"hello", &question[..40], &[question.as_slice(), b"x"].concat(), &[7; 1300]]
    {
        socket.send(nonsense).await.unwrap();
    }
    socket.send(&question).await.unwrap();
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer).await.unwrap();
    // The first thing heard answers the last thing said: all before it was met with silence.
    assert!(matches!(Reply::decode(&buffer[..length]), Ok(Reply::Challenge(it)) if it.id == 9));
    let stats = service.stats().await;
    assert_eq!((stats.malformed, stats.challenges, stats.questions), (5, 1, 0));
    let text = service.metrics.text().unwrap();
    assert!(text.contains("tamis_reputation_malformed_total 5"), "{text}");
    assert!(text.contains("tamis_reputation_challenges_total 1"));
    service.stop().await;
}

#[tokio::test]
async fn several_sockets_share_one_port() {
    let mut many = config(None);
    many.sockets = 4;
    let mut service = Running::start(many).await;
    service.add(link("bad.example"), Class::Spam).await.unwrap();
    for _ in 0..40 {
        // A fresh source port each time, so that the kernel spreads them.
        assert_eq!(service.class(link("bad.example")).await, Some(Class::Spam));
    }
    assert_eq!(service.stats().await.challenges, 1, "a cookie is good at every socket");
    service.stop().await;
}

#[tokio::test]
async fn many_writers_at_once_are_all_acknowledged_and_all_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Running::start(config(Some(dir.path()))).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..16 {
        let mut admin = service.admin.clone();
        writers.spawn(async move {
            for number in 0..20 {
                let item = link(&format!("w{writer}.example/{number}"));
                let request = wire::AddRequest {
                    signatures: vec![signature(&item)],
                    class: Class::Spam.code().into(),
                    weight: 50,
                    reporter: format!("writer {writer}"),
                };
                admin.add(request).await.unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    assert_eq!(service.stats().await.epoch, 320);
    for writer in 0..16 {
        for number in 0..20 {
            let item = link(&format!("w{writer}.example/{number}"));
            assert_eq!(service.class(item).await, Some(Class::Spam));
        }
    }
    service.stop().await;
}
