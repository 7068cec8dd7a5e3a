//! Nodes of one reputation service in a test, their clients, and a load of writes on them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::asker::Asker;
use crate::mails::noise;
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tamis_testkit::peers::{Tamis, free_port};
use tonic::transport::{Channel, Endpoint};

/// Longest wait for nodes to agree again after a loss: an election, a failover, a resync on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Names of one question: half of what a datagram holds.
const ASKED_AT_ONCE: usize = 32;

/// Nodes of one service; the ports of all are known before the first is started.
pub struct Nodes {
    url: String,
    /// Of administration.
    pub ports: Vec<u16>,
    /// Added to the configuration of each node; the last one to all further ones.
    extra: Vec<String>,
    /// Those that were started.
    pub running: Vec<Tamis>,
}

impl Nodes {
    pub fn start(url: &str, count: usize) -> Self {
        Self::start_with(url, count, count, "")
    }

    /// Starts the first `running` of `count`, side by side: a first start waits for its peers.
    pub fn start_with(url: &str, count: usize, running: usize, extra: &str) -> Self {
        Self::start_each(url, count, running, &[extra])
    }

    pub fn start_each(url: &str, count: usize, running: usize, extra: &[&str]) -> Self {
        let ports = (0..count).map(|_| free_port()).collect();
        let extra = extra.iter().map(|&extra| extra.to_owned()).collect();
        let (url, running_now) = (url.to_owned(), Vec::new());
        let mut nodes = Self { url, ports, extra, running: running_now };
        let configs: Vec<String> = (0..running).map(|node| nodes.config(node)).collect();
        nodes.running = std::thread::scope(|scope| {
            let starts: Vec<_> = configs
                .iter()
                .map(|config| scope.spawn(|| Tamis::start(&["reputation"], Some(config))))
                .collect();
            starts.into_iter().map(|start| start.join().expect("a node")).collect()
        });
        nodes
    }

    pub fn config(&self, node: usize) -> String {
        let peers: Vec<String> = (0..self.ports.len())
            .filter(|other| *other != node)
            .map(|other| format!("\"127.0.0.1:{}\"", self.ports[other]))
            .collect();
        format!(
            "[reputation]\nredis = \"{}\"\nnode = \"node-{node}\"\ngrpc = \"127.0.0.1:{}\"\npeers = [{}]\n{}",
            self.url,
            self.ports[node],
            peers.join(", "),
            self.extra.get(node).or(self.extra.last()).map_or("", String::as_str)
        )
    }

    pub fn clients(&self) -> Vec<Client> {
        self.ports.iter().map(|port| client(*port)).collect()
    }

    pub fn logs(&self) -> String {
        self.running.iter().map(Tamis::log).collect::<Vec<_>>().join("\n----\n")
    }
}

pub type Client = ReputationClient<Channel>;

pub fn client(port: u16) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).expect("an address");
    ReputationClient::new(endpoint.timeout(Duration::from_secs(10)).connect_lazy())
}

pub fn signature(number: u64) -> wire::Signature {
    let value = noise(number + 1, 16);
    wire::Signature { kind: wire::SignatureKind::Link.into(), value, sketch: Vec::new() }
}

pub fn report(numbers: impl Iterator<Item = u64>) -> wire::AddRequest {
    wire::AddRequest {
        signatures: numbers.map(signature).collect(),
        class: wire::Class::Spam.into(),
        weight: 50,
        reporter: "desk".to_owned(),
    }
}

pub fn deletion(number: u64) -> wire::DeleteRequest {
    let signatures = vec![signature(number)];
    wire::DeleteRequest { signatures, reporter: "desk".to_owned() }
}

pub async fn is_listed(client: &mut Client, number: u64) -> Result<bool, tonic::Status> {
    let request = wire::WhyRequest { signature: Some(signature(number)) };
    client.why(request).await.map(|answer| answer.into_inner().listed)
}

pub async fn order(client: &mut Client) -> Option<(u64, wire::Order)> {
    let stats = client.stats(wire::StatsRequest {}).await.ok()?.into_inner();
    stats.order.map(|order| (stats.epoch, order))
}

pub async fn until(what: &str, nodes: &Nodes, mut done: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < PATIENCE, "{what} within {PATIENCE:?}\n{}", nodes.logs());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

/// Waits until every node follows and all are at the same epoch, and gives that.
pub async fn agreed(nodes: &Nodes) -> u64 {
    let mut clients = nodes.clients();
    clients.truncate(nodes.running.len());
    let mut epoch = 0;
    until("all nodes follow and have the same epoch", nodes, async || {
        let mut orders = Vec::new();
        for client in &mut clients {
            orders.push(order(client).await);
        }
        let Some(Some((first, _))) = orders.first().cloned() else { return false };
        epoch = first;
        orders.iter().all(|order| {
            order
                .as_ref()
                .is_some_and(|(epoch, order)| order.connected && !order.stale && *epoch == first)
        })
    })
    .await;
    epoch
}

/// Writes until it is taken: what is not known is written again.
pub async fn add_somewhere(clients: &mut [Client], number: u64) {
    let began = Instant::now();
    loop {
        for client in clients.iter_mut() {
            if client.add(report(number..number + 1)).await.is_ok() {
                return;
            }
        }
        assert!(began.elapsed() < PATIENCE, "some node takes write {number}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Writers on every node, each with numbers of its own, until told to stop. What was acknowledged, and how long it took.
pub struct Writers {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<BTreeMap<u64, Duration>>>,
    refused: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Writers {
    pub fn start(nodes: &Nodes, each: usize, pause: Duration) -> Self {
        let writers = Self {
            stop: Arc::default(),
            acknowledged: Arc::default(),
            refused: Arc::default(),
            tasks: Vec::new(),
        };
        let tasks = nodes.ports.iter().enumerate().flat_map(|(node, port)| {
            let (port, writers) = (*port, &writers);
            (0..each).map(move |writer| {
                let first = ((1 + node * each + writer) as u64) << 32;
                tokio::spawn(write(
                    client(port),
                    first,
                    pause,
                    Arc::clone(&writers.stop),
                    Arc::clone(&writers.acknowledged),
                    Arc::clone(&writers.refused),
                ))
            })
        });
        let tasks = tasks.collect();
        Self { tasks, ..writers }
    }

    pub async fn end(self) -> BTreeMap<u64, Duration> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a writer");
        }
        println!("refused or not known: {}", self.refused.load(Ordering::Relaxed));
        std::mem::take(&mut self.acknowledged.lock().expect("no panic"))
    }
}

pub async fn write(
    mut client: Client,
    first: u64,
    pause: Duration,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<BTreeMap<u64, Duration>>>,
    refused: Arc<AtomicU64>,
) {
    let mut number = first;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        if client.add(report(number..number + 1)).await.is_ok() {
            acknowledged.lock().expect("no panic").insert(number, began.elapsed());
        } else {
            refused.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        number += 1;
        tokio::time::sleep(pause).await;
    }
}

/// Asks every node for everything.
pub async fn all_listed(nodes: &Nodes, acknowledged: &BTreeMap<u64, Duration>) {
    let numbers: Vec<u64> = acknowledged.keys().copied().collect();
    for (node, running) in nodes.running.iter().enumerate() {
        let mut asker = Asker::of(running).await;
        for some in numbers.chunks(ASKED_AT_ONCE) {
            let values: Vec<_> = some.iter().map(|number| signature(*number).value).collect();
            for (number, listing) in some.iter().zip(asker.links(&values).await) {
                assert!(
                    listing.is_some(),
                    "node {node} lost acknowledged {number:#x}\n{}",
                    nodes.logs()
                );
            }
        }
    }
}

/// Waits until these nodes have the same epoch.
pub async fn agreed_among(nodes: &Nodes, clients: &mut [Client], among: &[usize]) {
    until("these nodes have the same epoch", nodes, async || {
        let mut epochs = Vec::new();
        for node in among {
            epochs.push(order(&mut clients[*node]).await.map(|(epoch, _)| epoch));
        }
        epochs.windows(2).all(|two| two[0].is_some() && two[0] == two[1])
    })
    .await;
}
