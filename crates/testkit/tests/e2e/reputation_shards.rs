//! Two shards of two replicas each over one shared order, and a scanner's client with the map.

use std::time::Duration;

use tamis_domain::reputation::{Answered, Class};
use tamis_proto::reputation as wire;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::sharding::{Shard, ShardMap};
use tamis_runtime::clock;
use tamis_scanner::ask::questions::Asked;
use tamis_scanner::ask::reputation::{Heard, LOOK_PERIOD, Plan, Service};
use tamis_scanner::metrics::Metrics;
use tamis_testkit::peers::{Redis, Tamis};
use tokio::time::Instant;

use crate::reputation_nodes::{Nodes, PATIENCE, agreed, deletion, is_listed, report, signature};

/// Signatures reported: enough that halves are halves.
const SIGNATURES: u64 = 400;

/// Of one mail.
const ASKED_AT_ONCE: usize = 20;

/// Long: the machine of a test is busy.
const BUDGET: Duration = Duration::from_secs(2);

const LOW: &str = "shard = \"0000-7fff\"\n";
const HIGH: &str = "shard = \"8000-ffff\"\n";

fn item(number: u64) -> Item {
    let value = signature(number).value.as_slice().try_into().expect("16 bytes");
    let kind = tamis_domain::digest::SignatureKind::Link;
    Item::exact(tamis_domain::digest::Signature { kind, value })
}

fn client(nodes: &[&Tamis; 4]) -> Service {
    let name = |node: usize| nodes[node].address("reputation", "listen");
    let shard = |from, one, other| Shard { from, servers: vec![name(one), name(other)] };
    let map = ShardMap::new(vec![shard(0, 0, 1), shard(0x8000, 2, 3)]).expect("a map");
    let plan = Plan {
        map,
        map_file: None,
        filter_file: None,
        look_period: LOOK_PERIOD,
        filter_age_max: None,
        is_sighting: false,
        key: None,
        budget: BUDGET,
    };
    Service::start(plan, Metrics::new(&tamis_runtime::metrics::Metrics::new()))
}

async fn ask(client: &Service, numbers: impl Iterator<Item = u64>) -> (Heard, Vec<Answered>) {
    let asked = numbers.map(|number| Asked { item: item(number), part: None }).collect();
    client.ask(asked, &client.sieving(), clock::now() + 2 * BUDGET).await
}

/// Asks mails of twenty names each for everything, each until it is answered in full.
async fn all_are_found(client: &Service) {
    let began = Instant::now();
    for first in (0..SIGNATURES).step_by(ASKED_AT_ONCE) {
        let answered = loop {
            let (heard, answered) = ask(client, first..first + ASKED_AT_ONCE as u64).await;
            if heard == Heard::Answered {
                break answered;
            }
            assert!(began.elapsed() < PATIENCE, "{heard:?} to the end");
        };
        for (number, found) in (first..).zip(answered) {
            assert_eq!(found.listing.map(|it| it.class), Some(Class::Spam), "{number}");
        }
    }
}

fn listed(node: &Tamis) -> f64 {
    node.metric("tamis_reputation_signatures{kind=\"link\"}")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn four_nodes_as_two_shards_hold_half_each_and_a_mail_of_both_is_answered_in_full() {
    let redis = Redis::start();
    let mut nodes = Nodes::start_each(&redis.url(), 4, 4, &[LOW, LOW, HIGH, HIGH]);
    agreed(&nodes).await;
    // Any node takes any write.
    let mut clients = nodes.clients();
    for first in (0..SIGNATURES).step_by(50) {
        let node = (first / 50 % 4) as usize;
        clients[node].add(report(first..first + 50)).await.expect("taken into the order");
    }
    // Also what changes nothing here, nothing there, and nothing anywhere.
    clients[0].add(report(9_000..9_004)).await.expect("taken");
    for number in 9_000..9_008 {
        clients[(number % 4) as usize].delete(deletion(number)).await.expect("taken");
    }
    let epoch = agreed(&nodes).await;
    assert_eq!(epoch, SIGNATURES + 4 + 8, "every change is a step on every node");

    let sizes: Vec<f64> = nodes.running.iter().map(listed).collect();
    assert_eq!((sizes[0], sizes[2]), (sizes[1], sizes[3]), "replicas hold the same: {sizes:?}");
    assert_eq!(sizes[0] + sizes[2], SIGNATURES as f64, "{sizes:?}");
    assert!((150.0..=250.0).contains(&sizes[0]), "about half each: {sizes:?}");
    let (low, high): (Vec<u64>, Vec<u64>) =
        (0..SIGNATURES).partition(|number| item(*number).signature.value[0] < 0x80);
    assert_eq!(low.len() as f64, sizes[0]);
    assert!(is_listed(&mut clients[0], low[0]).await.expect("its own"));
    let refused = is_listed(&mut clients[0], high[0]).await.expect_err("not its own");
    assert!(refused.message().contains("0000-7fff"), "{refused}");

    let asks = client(&[0, 1, 2, 3].map(|node| &nodes.running[node]));
    all_are_found(&asks).await;
    // With the map upside down nobody has what he is asked for, and says so.
    let wrong = client(&[2, 3, 0, 1].map(|node| &nodes.running[node]));
    let began = Instant::now();
    while !nodes.running.iter().all(|node| node.metric("tamis_reputation_elsewhere_total") > 0.0) {
        let (heard, answered) = ask(&wrong, 0..20).await;
        assert_eq!(heard, Heard::Silent, "what is kept elsewhere is not an answer");
        assert!(answered.iter().all(|it| it.listing.is_none()));
        assert!(began.elapsed() < PATIENCE, "every node is asked");
    }

    // One replica of each shard dies.
    for node in [3, 0] {
        drop(nodes.running.remove(node));
    }
    all_are_found(&asks).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_range_that_is_widened_is_read_from_the_nodes_own_log_and_said() {
    let redis = Redis::start();
    let mut nodes = Nodes::start_each(&redis.url(), 2, 2, &[LOW, HIGH]);
    agreed(&nodes).await;
    let mut clients = nodes.clients();
    clients[1].add(report(0..SIGNATURES)).await.expect("taken");
    agreed(&nodes).await;
    let half = listed(&nodes.running[0]);
    assert!(half < SIGNATURES as f64 && half > 0.0);
    let node = &mut nodes.running[0];
    let text = std::fs::read_to_string(node.config_file()).expect("a configuration");
    std::fs::write(node.config_file(), text.replace("0000-7fff", "0000-ffff")).expect("a file");
    node.restart();
    let log = node.log();
    assert!(log.contains("held 0000-7fff and holds 0000-ffff"), "{log}");
    agreed(&nodes).await;
    assert_eq!(listed(&nodes.running[0]), SIGNATURES as f64);
    let stats = clients[0].stats(wire::StatsRequest {}).await.expect("stats").into_inner();
    assert!(stats.warnings.iter().any(|warning| warning.contains("0000-ffff")), "{stats:?}");
}
