//! Several reputation nodes over one order of writes in a real Redis: killed, cut off, emptied, trimmed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::mails::noise;
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tamis_testkit::peers::{Redis, RedisCluster, RedisSentinel, Tamis, free_port};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

/// Longest wait for nodes to agree again after a loss: an election, a failover, a resync on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// What the field is promised, from acknowledged to visible on every node.
const VISIBLE_WITHIN: Duration = Duration::from_secs(1);

/// Questions at the same time to one node.
const ASKERS: usize = 16;

/// Nodes of one service; the ports of all are known before the first is started.
struct Nodes {
    url: String,
    ports: Vec<u16>,
    extra: String,
    running: Vec<Tamis>,
}

impl Nodes {
    fn start(url: &str, count: usize) -> Self {
        Self::start_with(url, count, count, "")
    }

    /// Starts the first `running` of `count`, side by side: a first start waits for its peers.
    fn start_with(url: &str, count: usize, running: usize, extra: &str) -> Self {
        let ports = (0..count).map(|_| free_port()).collect();
        let (url, extra, running_now) = (url.to_owned(), extra.to_owned(), Vec::new());
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

    fn config(&self, node: usize) -> String {
        let peers: Vec<String> = (0..self.ports.len())
            .filter(|other| *other != node)
            .map(|other| format!("\"127.0.0.1:{}\"", self.ports[other]))
            .collect();
        format!(
            "[reputation]\nredis = \"{}\"\nnode = \"node-{node}\"\ngrpc = \"127.0.0.1:{}\"\npeers = [{}]\n{}",
            self.url,
            self.ports[node],
            peers.join(", "),
            self.extra
        )
    }

    fn clients(&self) -> Vec<Client> {
        self.ports.iter().map(|port| client(*port)).collect()
    }

    fn logs(&self) -> String {
        self.running.iter().map(Tamis::log).collect::<Vec<_>>().join("\n----\n")
    }
}

type Client = ReputationClient<Channel>;

fn client(port: u16) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).expect("an address");
    ReputationClient::new(endpoint.timeout(Duration::from_secs(10)).connect_lazy())
}

fn signature(number: u64) -> wire::Signature {
    let value = noise(number + 1, 16);
    wire::Signature { kind: wire::SignatureKind::Link.into(), value, sketch: Vec::new() }
}

fn report(numbers: impl Iterator<Item = u64>) -> wire::AddRequest {
    wire::AddRequest {
        signatures: numbers.map(signature).collect(),
        class: wire::Class::Spam.into(),
        weight: 50,
        reporter: "desk".to_owned(),
    }
}

fn deletion(number: u64) -> wire::DeleteRequest {
    let signatures = vec![signature(number)];
    wire::DeleteRequest { signatures, reporter: "desk".to_owned() }
}

async fn is_listed(client: &mut Client, number: u64) -> Result<bool, tonic::Status> {
    let request = wire::WhyRequest { signature: Some(signature(number)) };
    client.why(request).await.map(|answer| answer.into_inner().listed)
}

async fn order(client: &mut Client) -> Option<(u64, wire::Order)> {
    let stats = client.stats(wire::StatsRequest {}).await.ok()?.into_inner();
    stats.order.map(|order| (stats.epoch, order))
}

async fn until(what: &str, nodes: &Nodes, mut done: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < PATIENCE, "{what} within {PATIENCE:?}\n{}", nodes.logs());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

/// Waits until every node follows and all are at the same epoch, and gives that.
async fn agreed(nodes: &Nodes) -> u64 {
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
async fn add_somewhere(clients: &mut [Client], number: u64) {
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
struct Writers {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<BTreeMap<u64, Duration>>>,
    refused: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Writers {
    fn start(nodes: &Nodes, each: usize, pause: Duration) -> Self {
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

    async fn end(self) -> BTreeMap<u64, Duration> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a writer");
        }
        println!("refused or not known: {}", self.refused.load(Ordering::Relaxed));
        std::mem::take(&mut self.acknowledged.lock().expect("no panic"))
    }
}

async fn write(
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
async fn all_listed(nodes: &Nodes, acknowledged: &BTreeMap<u64, Duration>) {
    let numbers: Vec<u64> = acknowledged.keys().copied().collect();
    let clients = nodes.clients().into_iter().take(nodes.running.len()).enumerate();
    let questions = clients.flat_map(|(node, client)| {
        numbers.chunks(numbers.len().div_ceil(ASKERS).max(1)).map(move |some| {
            let (mut client, some) = (client.clone(), some.to_vec());
            tokio::spawn(async move {
                for number in some {
                    let listed = is_listed(&mut client, number).await.expect("an answer");
                    assert!(listed, "node {node} lost acknowledged {number:#x}");
                }
            })
        })
    });
    for asked in questions.collect::<Vec<_>>() {
        assert!(asked.await.is_ok(), "{}", nodes.logs());
    }
}

fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * part) as usize]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_write_on_any_node_is_visible_on_all_within_a_second_under_load_and_so_is_a_deletion() {
    let redis = Redis::start();
    let nodes = Nodes::start(&redis.url(), 3);
    let mut clients = nodes.clients();
    let load = Writers::start(&nodes, 8, Duration::from_millis(2));
    let (mut visible, mut gone) = (Vec::new(), Vec::new());
    for number in 0..300_u64 {
        let writer = number as usize % 3;
        clients[writer].add(report(number..number + 1)).await.expect("a write");
        let began = Instant::now();
        for node in (0..3).map(|step| (writer + step) % 3) {
            let client = &mut clients[node];
            until("a write to be seen", &nodes, async || {
                is_listed(client, number).await.expect("an answer")
            })
            .await;
        }
        visible.push(began.elapsed());
        clients[(writer + 1) % 3].delete(deletion(number)).await.expect("a deletion");
        let began = Instant::now();
        for client in &mut clients {
            until("a deletion to be seen", &nodes, async || {
                !is_listed(client, number).await.expect("an answer")
            })
            .await;
        }
        gone.push(began.elapsed());
    }
    let acknowledged = load.end().await;
    let mut writes: Vec<Duration> = acknowledged.values().copied().collect();
    println!(
        "{} writes of the load: p50 {:?}, p99 {:?}",
        writes.len(),
        percentile(&mut writes, 0.5),
        percentile(&mut writes, 0.99)
    );
    for (what, times) in [("write", &mut visible), ("deletion", &mut gone)] {
        let (p50, p99) = (percentile(times, 0.5), percentile(times, 0.99));
        println!(
            "{what} acknowledged to visible on all: p50 {p50:?}, p99 {p99:?}, of {}",
            times.len()
        );
        assert!(p99 < VISIBLE_WITHIN, "{what}: {p99:?}");
    }
    agreed(&nodes).await;
    all_listed(&nodes, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn nodes_killed_at_random_while_all_write_lose_no_acknowledged_write_and_agree_again() {
    let kills = std::env::var("TAMIS_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(25_usize);
    let redis = Redis::start();
    let mut nodes = Nodes::start(&redis.url(), 3);
    let load = Writers::start(&nodes, 4, Duration::from_millis(1));
    for (kill, chance) in noise(7, 2 * kills).chunks(2).enumerate() {
        tokio::time::sleep(Duration::from_millis(u64::from(chance[0]))).await;
        let node = usize::from(chance[1]) % 3;
        let restarted = tokio::task::block_in_place(|| {
            nodes.running[node].restart();
            nodes.running[node].pid()
        });
        assert!(restarted > 0, "kill {kill}");
    }
    let acknowledged = load.end().await;
    let epoch = agreed(&nodes).await;
    println!("{kills} kills, {} acknowledged writes, epoch {epoch}", acknowledged.len());
    assert!(acknowledged.len() > 10 * kills, "there was a load");
    all_listed(&nodes, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_durable_redis_killed_while_all_write_loses_no_acknowledged_write() {
    let mut redis = Redis::durable();
    let nodes = Nodes::start(&redis.url(), 3);
    let load = Writers::start(&nodes, 4, Duration::from_millis(1));
    for chance in noise(8, 6) {
        tokio::time::sleep(Duration::from_millis(300 + 2 * u64::from(chance))).await;
        tokio::task::block_in_place(|| redis.restart());
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let acknowledged = load.end().await;
    let epoch = agreed(&nodes).await;
    println!("6 kills of Redis, {} acknowledged writes, epoch {epoch}", acknowledged.len());
    assert!(acknowledged.len() > 100, "there was a load");
    all_listed(&nodes, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn without_redis_nodes_answer_on_refuse_writes_by_name_at_once_and_catch_up() {
    let mut redis = Redis::durable();
    let nodes = Nodes::start(&redis.url(), 2);
    let mut clients = nodes.clients();
    add_somewhere(&mut clients, 1).await;
    agreed(&nodes).await;
    tokio::task::block_in_place(|| redis.kill9());
    let lost = Instant::now();
    for round in 0..20_u64 {
        let began = Instant::now();
        let refused = clients[0].add(report(100 + round..101 + round)).await.expect_err("no order");
        assert_eq!(refused.code(), Code::Unavailable);
        // The one that was under way may not be known; those after it are refused at once.
        let limit = if round == 0 { Duration::from_secs(3) } else { Duration::from_secs(1) };
        assert!(began.elapsed() < limit, "{round}: {:?} {refused}", began.elapsed());
        assert!(round == 0 || refused.message().contains("Redis"), "{refused}");
        assert!(is_listed(&mut clients[0], 1).await.expect("an answer"));
    }
    until("clients to be told to ask others", &nodes, async || {
        order(&mut clients[1]).await.is_some_and(|(_, order)| order.stale && !order.connected)
    })
    .await;
    assert!(lost.elapsed() >= Duration::from_secs(2), "not before two seconds");
    tokio::task::block_in_place(|| redis.restart());
    add_somewhere(&mut clients, 2).await;
    let back = Instant::now();
    agreed(&nodes).await;
    println!("agreed {:?} after the first write was taken again", back.elapsed());
    for client in &mut clients {
        assert!(is_listed(client, 1).await.expect("an answer"));
        assert!(is_listed(client, 2).await.expect("an answer"));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_frozen_redis_is_told_from_a_slow_one_in_time() {
    let redis = Redis::start();
    let nodes = Nodes::start(&redis.url(), 2);
    let mut clients = nodes.clients();
    add_somewhere(&mut clients, 1).await;
    redis.freeze();
    let began = Instant::now();
    let refused = clients[0].add(report(2..3)).await.expect_err("no answer of Redis");
    assert!(refused.message().contains("not known whether"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let began = Instant::now();
    let refused = clients[0].add(report(3..4)).await.expect_err("no order");
    assert!(refused.message().contains("nothing was written"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    redis.thaw();
    add_somewhere(&mut clients, 4).await;
    agreed(&nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn an_emptied_redis_is_begun_anew_with_the_highest_epoch_and_nothing_is_forgotten() {
    let redis = Redis::start();
    let nodes = Nodes::start(&redis.url(), 3);
    let mut clients = nodes.clients();
    for number in 0..50 {
        add_somewhere(&mut clients, number).await;
    }
    let before = agreed(&nodes).await;
    let _ = redis.cli(&["flushall"]);
    let emptied = Instant::now();
    add_somewhere(&mut clients, 50).await;
    println!("writes go on {:?} after everything was deleted", emptied.elapsed());
    for number in 51..100 {
        add_somewhere(&mut clients, number).await;
    }
    let after = agreed(&nodes).await;
    assert!(after >= before + 50, "{before}, then {after}");
    let all = (0..100).map(|number| (number, Duration::ZERO)).collect();
    all_listed(&nodes, &all).await;
    for client in &mut clients {
        let (_, order) = order(client).await.expect("an order");
        assert_eq!(order.resyncs, 0, "all had the same table");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_redis_emptied_while_one_node_was_behind_makes_that_node_take_the_others_table() {
    let mut redis = Redis::start();
    let mut nodes = Nodes::start(&redis.url(), 3);
    let mut clients = nodes.clients();
    for number in 0..20 {
        add_somewhere(&mut clients, number).await;
    }
    agreed(&nodes).await;
    nodes.running[2].kill9();
    for number in 20..40 {
        add_somewhere(&mut clients[..2], number).await;
    }
    tokio::task::block_in_place(|| redis.restart());
    add_somewhere(&mut clients[..2], 40).await;
    tokio::task::block_in_place(|| nodes.running[2].restart());
    agreed(&nodes).await;
    let all = (0..=40).map(|number| (number, Duration::ZERO)).collect();
    all_listed(&nodes, &all).await;
    assert_eq!(order(&mut clients[2]).await.expect("an order").1.resyncs, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_node_without_state_or_too_far_behind_takes_the_table_of_a_peer() {
    let redis = Redis::start();
    let mut nodes = Nodes::start_with(&redis.url(), 3, 2, "");
    let mut clients = nodes.clients();
    for number in 0..30 {
        add_somewhere(&mut clients[..2], number).await;
    }
    // Nothing of it is left to be read.
    assert_ne!(redis.cli(&["xtrim", "tamis:{default}:log", "maxlen", "0"]).trim(), "0");
    let third = nodes.config(2);
    let third = tokio::task::block_in_place(|| Tamis::start(&["reputation"], Some(&third)));
    nodes.running.push(third);
    agreed(&nodes).await;
    let all = (0..30).map(|number| (number, Duration::ZERO)).collect();
    all_listed(&nodes, &all).await;
    assert_eq!(order(&mut clients[2]).await.expect("an order").1.resyncs, 1);

    // One that has state, but not enough of it.
    nodes.running[1].kill9();
    add_somewhere(&mut clients[..1], 30).await;
    agreed_among(&nodes, &mut clients, &[0, 2]).await;
    let _ = redis.cli(&["xtrim", "tamis:{default}:log", "maxlen", "0"]);
    add_somewhere(&mut clients[..1], 31).await;
    tokio::task::block_in_place(|| nodes.running[1].restart());
    agreed(&nodes).await;
    let all = (0..32).map(|number| (number, Duration::ZERO)).collect();
    all_listed(&nodes, &all).await;
    assert_eq!(order(&mut clients[1]).await.expect("an order").1.resyncs, 1);

    // One that could never have all of it says so instead of answering from half of it.
    let alone = tempfile::tempdir().expect("a directory");
    let state = alone.path().join("state");
    let (udp, grpc) = (free_port(), free_port());
    let text = format!(
        "[reputation]\nredis = \"{}\"\nlisten = \"127.0.0.1:{udp}\"\ngrpc = \"127.0.0.1:{grpc}\"\nadmin = \"\"\nstate_dir = \"{}\"\n",
        redis.url(),
        state.display()
    );
    let file = alone.path().join("tamis.toml");
    std::fs::write(&file, text).expect("a configuration");
    let file = file.to_string_lossy();
    let refused = tokio::task::block_in_place(|| Tamis::run(&["reputation", "--config", &file]));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("peers"), "{said}");
}

async fn agreed_among(nodes: &Nodes, clients: &mut [Client], among: &[usize]) {
    until("these nodes have the same epoch", nodes, async || {
        let mut epochs = Vec::new();
        for node in among {
            epochs.push(order(&mut clients[*node]).await.map(|(epoch, _)| epoch));
        }
        epochs.windows(2).all(|two| two[0].is_some() && two[0] == two[1])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn the_order_goes_on_after_a_failover_of_sentinels() {
    let mut group = RedisSentinel::start();
    let nodes = Nodes::start_with(&group.url(), 2, 2, "redis_acks = 1\n");
    let mut clients = nodes.clients();
    for number in 0..20 {
        add_somewhere(&mut clients, number).await;
    }
    let old = group.kill_master();
    tokio::task::block_in_place(|| group.wait_failover(old));
    // The group has one server left: no replica can have a write.
    let refused = clients[0].add(report(20..21)).await.expect_err("too few replicas");
    assert_eq!(refused.code(), Code::Unavailable);
    let all = (0..20).map(|number| (number, Duration::ZERO)).collect();
    agreed(&nodes).await;
    all_listed(&nodes, &all).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn the_order_goes_on_after_a_redis_cluster_lost_the_master_of_its_stream() {
    let mut cluster = RedisCluster::start();
    let nodes = Nodes::start(&cluster.url(), 2);
    let mut clients = nodes.clients();
    for number in 0..20 {
        add_somewhere(&mut clients, number).await;
    }
    let old = cluster.kill_master_of("tamis:{default}:log");
    tokio::task::block_in_place(|| cluster.wait_failover(old));
    for number in 20..40 {
        add_somewhere(&mut clients, number).await;
    }
    agreed(&nodes).await;
    let all = (0..40).map(|number| (number, Duration::ZERO)).collect();
    all_listed(&nodes, &all).await;
}
