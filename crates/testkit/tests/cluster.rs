//! A whole cluster in one process: two edges, two scanners, a reputation server, over real sockets of this machine.
//! Rounds and bytes are counted, since the dialogue exists to save them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::digest::SignatureKind;
use tamis_edge::config::EdgeConfig;
use tamis_edge::{Connector, EdgeParts, Opened};
use tamis_message::digesting;
use tamis_message::reading::read_part;
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tamis_runtime::admin::Readiness;
use tamis_runtime::listen::{ListenAddress, Listener};
use tamis_runtime::metrics::Metrics;
use tamis_runtime::shutdown::Shutdown;
use tamis_scanner::Scanner;
use tamis_scanner::config::Typed as ScannerConfig;
use tamis_scanner::snapshot::Snapshot;
use tamis_testkit::peers::{Dialogue, Sink};

/// Longest wait for anything to come true.
const PATIENCE: Duration = Duration::from_secs(20);

struct Role {
    address: String,
    metrics: Metrics,
    shutdown: Shutdown,
}

struct Cluster {
    reputation: Role,
    administration: String,
    scanners: Vec<Role>,
    edges: Vec<Role>,
    sink: tamis_testkit::peers::Sink,
}

fn any_port() -> ListenAddress {
    "127.0.0.1:0".parse().unwrap()
}

async fn reputation() -> (Role, String) {
    let (metrics, shutdown) = (Metrics::new(), Shutdown::new());
    let typed = tamis_reputation::config::Typed {
        listen: "127.0.0.1:0".to_owned(),
        grpc: any_port(),
        ..tamis_reputation::config::Typed::default()
    };
    let service =
        tamis_reputation::service::Service::bind(typed.check().unwrap(), &metrics).await.unwrap();
    let address = service.udp_address().to_string();
    let administration = format!("http://{}", service.grpc_address().unwrap());
    let ready = Readiness::new(shutdown.clone()).condition("reputation");
    let end = shutdown.clone();
    tokio::spawn(async move { service.run(None, ready, end).await });
    (Role { address, metrics, shutdown }, administration)
}

async fn scanner(reputation: &str) -> Role {
    let (metrics, shutdown) = (Metrics::new(), Shutdown::new());
    let typed = ScannerConfig {
        reputation: vec![reputation.to_owned()],
        reputation_budget_ms: 2000,
        ..ScannerConfig::default()
    };
    let counted = tamis_scanner::metrics::Metrics::new(&metrics);
    let scanner = Scanner::new(&typed.check().unwrap(), Snapshot::default(), counted);
    let listener = Listener::bind(&any_port()).await.unwrap();
    let address = format!("http://{}", listener.address());
    let ready = Readiness::new(shutdown.clone()).condition("scanner");
    let end = shutdown.clone();
    tokio::spawn(async move {
        tamis_scanner::service::run(Arc::new(scanner), listener, None, ready, end).await
    });
    Role { address, metrics, shutdown }
}

async fn edge(scanners: &[Role], next_hop: u16) -> Role {
    let (metrics, shutdown) = (Metrics::new(), Shutdown::new());
    let typed = EdgeConfig {
        milter: ListenAddress::Off,
        smtp: ListenAddress::Off,
        lmtp: any_port(),
        next_hop: format!("127.0.0.1:{next_hop}"),
        scanners: scanners.iter().map(|scanner| scanner.address.clone()).collect(),
        ..EdgeConfig::default()
    };
    let parts = EdgeParts {
        scanners: Connector::Addresses(None),
        metrics: metrics.clone(),
        readiness: Readiness::new(shutdown.clone()),
        shutdown: shutdown.clone(),
    };
    let opened = Opened::open(typed.check().unwrap(), parts).await.unwrap();
    let address = opened.doors().next().unwrap().1.to_string();
    tokio::spawn(opened.serve());
    Role { address, metrics, shutdown }
}

async fn cluster(scanners: usize) -> Cluster {
    let (reputation, administration) = reputation().await;
    let mut pool = Vec::new();
    for _ in 0..scanners {
        pool.push(scanner(&reputation.address).await);
    }
    let sink = Sink::smtp().start();
    let edges = vec![edge(&pool, sink.port).await, edge(&pool, sink.port).await];
    Cluster { reputation, administration, scanners: pool, edges, sink }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for role in self.edges.iter().chain(&self.scanners).chain([&self.reputation]) {
            role.shutdown.request();
        }
    }
}

impl Role {
    /// Sum of all samples of one metric whose labels hold `label`.
    fn count(&self, name: &str, label: &str) -> f64 {
        let text = self.metrics.text().unwrap();
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Sends one mail by LMTP; the code of the answer.
    async fn send(&self, mail: &str) -> u16 {
        let port = self.address.rsplit(':').next().unwrap().parse().unwrap();
        let mail = mail.replace('\n', "\r\n");
        let sending = move || {
            let mut client = Dialogue::connect(port);
            client.expect("LHLO test.example", 250);
            client.expect("MAIL FROM:<ann@example.org>", 250);
            client.expect("RCPT TO:<bob@example.com>", 250);
            client.expect("DATA", 354);
            client.content(mail.as_bytes(), 1)[0].code
        };
        tokio::task::spawn_blocking(sending).await.unwrap()
    }
}

impl Cluster {
    /// The header block of the `number`-th mail that the next hop got, from 1.
    async fn header(&self, number: usize) -> String {
        let began = Instant::now();
        while self.sink.count() < number {
            assert!(began.elapsed() < PATIENCE, "mail {number} has not arrived");
            tokio::task::yield_now().await;
        }
        let mails = self.sink.mails();
        let text = String::from_utf8_lossy(&mails[number - 1].content).into_owned();
        text.split("\r\n\r\n").next().unwrap().to_owned()
    }

    async fn client(&self) -> ReputationClient<tonic::transport::Channel> {
        let endpoint =
            tonic::transport::Endpoint::from_shared(self.administration.clone()).unwrap();
        ReputationClient::new(endpoint.connect().await.unwrap())
    }
}

fn mail(text: &str) -> String {
    format!(
        "From: Ann <ann@example.org>\nTo: bob@example.com\nSubject: news\n\
         Date: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-Id: <1@example.org>\n\n{text}\n"
    )
}

/// A text long enough to have a sketch; `mark` replaces one word of forty.
fn offer(mark: &str) -> String {
    mail(&format!(
        "Our warehouse in {mark} closes at the end of this month and every carpet, curtain and lamp has to go. \
         Come by on any day before the last Friday, bring this letter with you, and the second piece of \
         furniture that you choose costs you half of what the label says. Tables, chairs and wardrobes are \
         carried home for nothing within twenty kilometres, and nobody has to queue twice."
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn small_mails_take_one_round_and_copies_travel_by_name() {
    let cluster = cluster(1).await;
    let edge = &cluster.edges[0];
    assert_eq!(edge.send(&offer("Lyon")).await, 250);
    let first = edge.count("tamis_edge_content_bytes_total", "inline");
    assert!(first > 200.0, "the first copy brings its text: {first}");
    for _ in 0..20 {
        assert_eq!(edge.send(&offer("Lyon")).await, 250);
    }
    let all = edge.count("tamis_edge_content_bytes_total", "inline")
        + edge.count("tamis_edge_content_bytes_total", "supplied");
    assert_eq!(all, first, "twenty copies bring nothing but their names");
    assert_eq!(edge.count("tamis_edge_dialogues_total", "rounds=\"1\""), 21.0);
    assert_eq!(edge.count("tamis_edge_dialogues_total", "rounds=\"2\""), 0.0);
    // The other edge has not seen the cluster know it: it brings the text once more, and from then on the name.
    let other = &cluster.edges[1];
    for _ in 0..3 {
        assert_eq!(other.send(&offer("Lyon")).await, 250);
    }
    assert_eq!(other.count("tamis_edge_content_bytes_total", "inline"), first);
    assert!(cluster.header(24).await.contains("X-Tamis-Rung: full"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn big_parts_are_supplied_once_for_the_whole_cluster() {
    let cluster = cluster(1).await;
    let attachment =
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU2Nzg5YWJjZGVmZ2hpamtsbW5v\n".repeat(2000);
    let forwarded = |text: &str| {
        format!(
            "From: ann@example.org\nSubject: plan\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n\
             --b\n\n{text}\n--b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n\
             {attachment}--b--\n"
        )
    };
    let [one, two] = [&cluster.edges[0], &cluster.edges[1]];
    assert_eq!(one.send(&forwarded("have a look")).await, 250);
    assert_eq!(one.count("tamis_edge_dialogues_total", "rounds=\"2\""), 1.0, "nobody knew it");
    let supplied = one.count("tamis_edge_content_bytes_total", "supplied");
    assert!(supplied > 100_000.0 && supplied < 110_000.0, "decoded, and that alone: {supplied}");
    assert_eq!(two.send(&forwarded("ann sent me this")).await, 250);
    assert_eq!(
        two.count("tamis_edge_content_bytes_total", "supplied"),
        0.0,
        "the cluster knows it"
    );
    assert_eq!(two.count("tamis_edge_dialogues_total", "rounds=\"1\""), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reported_text_is_found_in_its_near_copies_until_it_is_deleted() {
    let cluster = cluster(1).await;
    let edge = &cluster.edges[0];
    assert_eq!(edge.send(&offer("Lyon")).await, 250);
    assert!(cluster.header(1).await.contains("X-Tamis-Status: not_detected"));

    let canonical = offer("Lyon");
    let dissected = digesting::dissect(canonical.as_bytes());
    let part = &dissected.outline.parts[0];
    let span = dissected.spans[0].as_ref().unwrap();
    let reading =
        read_part(part, &tamis_message::content::decode(span, span.of(canonical.as_bytes())));
    let name = reading.names.iter().find(|name| name.kind == SignatureKind::Text);
    let words = name.and_then(|name| name.material).expect("words enough");
    let signature = wire::Signature {
        kind: SignatureKind::Text.code().into(),
        value: tamis_reputation_protocol::naming::text(&words).value.to_vec(),
        sketch: reading.sketch(SignatureKind::Text).expect("long enough").to_bytes().to_vec(),
    };
    let digest = part.digest.as_ref().expect("content of its own");
    let exact = wire::Signature {
        kind: SignatureKind::Part.code().into(),
        value: tamis_reputation_protocol::naming::part(digest).value.to_vec(),
        sketch: Vec::new(),
    };
    let mut client = cluster.client().await;
    let report = wire::AddRequest {
        signatures: vec![signature.clone(), exact.clone()],
        class: wire::Class::Spam.into(),
        weight: 100,
        reporter: "postmaster".to_owned(),
    };
    client.add(report).await.unwrap();
    assert_eq!(edge.send(&offer("Lyon")).await, 250);
    assert_eq!(edge.send(&offer("Turin")).await, 250);
    let copy = cluster.header(2).await;
    assert!(copy.contains("X-Tamis-Status: spam") && copy.contains("X-Spam-Flag: YES"), "{copy}");
    // Words weigh by their likeness, at most 0.7: alone they make a mail suspect, not condemned.
    let near = cluster.header(3).await;
    assert!(near.contains("X-Tamis-Status: probable_spam"), "{near}");
    assert!(near.contains("reputation_spam") && !near.contains("X-Spam-Flag"), "{near}");
    assert_eq!(
        edge.send(&mail("See you at the harbour on Sunday, the boat leaves at nine.")).await,
        250
    );
    assert!(
        cluster.header(4).await.contains("X-Tamis-Status: not_detected"),
        "other mail is not accused"
    );

    let delete = wire::DeleteRequest {
        signatures: vec![signature, exact],
        reporter: "postmaster".to_owned(),
    };
    client.delete(delete).await.unwrap();
    assert_eq!(edge.send(&offer("Turin")).await, 250);
    assert!(
        cluster.header(5).await.contains("X-Tamis-Status: not_detected"),
        "delisting is instant"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn scanners_and_reputation_may_go_and_mail_still_passes() {
    let cluster = cluster(2).await;
    let edge = &cluster.edges[0];
    cluster.reputation.shutdown.request();
    let began = Instant::now();
    let mut sent = 0;
    loop {
        assert_eq!(edge.send(&offer(&format!("Lyon{sent}"))).await, 250);
        sent += 1;
        if cluster.header(sent).await.contains("X-Tamis-Rung: local") {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "the loss of reputation shows as a rung");
    }
    cluster.scanners[0].shutdown.request();
    for copy in 0..10 {
        assert_eq!(
            edge.send(&offer(&format!("Turin{copy}"))).await,
            250,
            "the other scanner judges"
        );
    }
    cluster.scanners[1].shutdown.request();
    let began = Instant::now();
    while edge.send(&offer("Bern")).await == 250 {
        assert!(began.elapsed() < PATIENCE, "without any scanner mail stays with the previous hop");
    }
}
