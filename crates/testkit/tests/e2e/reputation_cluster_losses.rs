//! What several reputation nodes do when their Redis lost something, and who decides then.

use std::time::{Duration, Instant};

use crate::reputation_nodes::{
    Client, Nodes, add_somewhere, agreed, all_listed, is_listed, order, report, signature, until,
};
use tamis_proto::reputation as wire;
use tamis_reputation::log::streams::{Settings, announce, beginning};
use tamis_runtime::redis_address::Address;
use tamis_testkit::peers::{Redis, Tamis};
use tonic::Code;

const LOG: &str = "tamis:{default}:log";

async fn warnings(client: &mut Client) -> String {
    let stats = client.stats(wire::StatsRequest {}).await;
    stats.map(|stats| stats.into_inner().warnings.join("; ")).unwrap_or_default()
}

async fn warned(nodes: &Nodes, client: &mut Client, text: &str) {
    until(text, nodes, async || warnings(client).await.contains(text)).await;
}

fn restart(node: &mut Tamis) {
    tokio::task::block_in_place(|| node.restart());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn nobody_begins_an_emptied_order_before_the_node_that_has_most_is_back() {
    let mut redis = Redis::start();
    let mut nodes = Nodes::start(&redis.url(), 3);
    let mut clients = nodes.clients();
    for number in 0..20 {
        add_somewhere(&mut clients, number).await;
    }
    agreed(&nodes).await;
    nodes.running[0].kill9();
    nodes.running[1].kill9();
    for number in 20..40 {
        add_somewhere(&mut clients[2..], number).await;
    }
    nodes.running[2].kill9();
    tokio::task::block_in_place(|| redis.restart());
    restart(&mut nodes.running[0]);
    restart(&mut nodes.running[1]);
    warned(&nodes, &mut clients[0], "2 of 3 nodes are heard of").await;
    restart(&mut nodes.running[2]);
    agreed(&nodes).await;
    let all = (0..40).map(|number| (number, Duration::ZERO)).collect();
    all_listed(&nodes, &all).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_node_that_still_loads_is_waited_for_before_an_order_begins() {
    let redis = Redis::start();
    let mut nodes = Nodes::start(&redis.url(), 3);
    let mut clients = nodes.clients();
    add_somewhere(&mut clients, 1).await;
    agreed(&nodes).await;
    nodes.running[2].kill9();
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("snapshot-00000000000000000007"), "").expect("a file");
    let settings = Settings {
        address: Address::parse(&redis.url()).expect("an address"),
        authority: None,
        service: "default".to_owned(),
        acks: 0,
        node: "node-2".to_owned(),
        peers: Vec::new(),
    };
    let announcement = announce(&settings, dir.path());
    let told = || redis.cli(&["hget", "tamis:{default}:nodes", "node-2"]);
    until("the node to say that it loads", &nodes, async || told().starts_with("7 - - 2 ")).await;
    let _ = redis.cli(&["flushall"]);
    warned(&nodes, &mut clients[0], "have read their directories").await;
    assert_eq!(redis.cli(&["exists", LOG]).trim(), "0", "nobody begins");
    restart(&mut nodes.running[2]);
    drop(announcement);
    agreed(&nodes).await;
    assert!(is_listed(&mut clients[2], 1).await.expect("an answer"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_node_that_was_behind_when_redis_lost_its_last_writes_does_not_overrule_the_others() {
    let redis = Redis::start();
    let mut nodes = Nodes::start(&redis.url(), 3);
    let mut clients = nodes.clients();
    for number in 0..20 {
        add_somewhere(&mut clients, number).await;
    }
    agreed(&nodes).await;
    nodes.running[2].kill9();
    let old = "tamis:{default}:old";
    let _ = redis.cli(&["copy", LOG, old]);
    for number in 20..40 {
        add_somewhere(&mut clients[..2], number).await;
    }
    // What a failover to a replica that was behind does, to which the third node comes first.
    let _ = redis.cli(&["rename", old, LOG]);
    restart(&mut nodes.running[2]);
    add_somewhere(&mut clients[2..], 40).await;
    agreed(&nodes).await;
    let all = (0..=40).map(|number| (number, Duration::ZERO)).collect();
    all_listed(&nodes, &all).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_node_without_peers_that_lacks_what_is_gone_says_so_wherever_it_is_asked_and_answers_on()
{
    let redis = Redis::start();
    let nodes = Nodes::start(&redis.url(), 1);
    let mut clients = nodes.clients();
    add_somewhere(&mut clients, 1).await;
    agreed(&nodes).await;
    // An entry that nobody can read any more.
    let lost = format!(
        "redis.call('XADD', '{LOG}', '*', 'x', 'y'); redis.call('XTRIM', '{LOG}', 'MAXLEN', 0)"
    );
    let _ = redis.cli(&["eval", &lost, "0"]);
    let _ = redis.cli(&["client", "kill", "type", "normal"]);
    let gone = "what lies between is gone";
    warned(&nodes, &mut clients[0], gone).await;
    let node = &nodes.running[0];
    until("it not to be ready", &nodes, async || node.get("/healthz/ready").0 == 503).await;
    assert_eq!(node.metric("tamis_reputation_order_trouble "), 1.0);
    assert_eq!(node.metric("tamis_reputation_order_writable "), 0.0);
    assert!(is_listed(&mut clients[0], 1).await.expect("an answer"));
    let refused = clients[0].add(report(2..3)).await.expect_err("no order");
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains(gone), "{refused}");
    assert_eq!(warnings(&mut clients[0]).await.matches(gone).count(), 1);
    let logged = |level: &str| {
        let log = node.log();
        log.lines().filter(|line| line.contains(gone) && line.contains(level)).count()
    };
    assert_eq!(logged("ERROR"), 1, "{}", node.log());
    // Somebody gives the order up: the node is all there is.
    let _ = redis.cli(&["del", LOG]);
    add_somewhere(&mut clients, 2).await;
    until("it to be ready", &nodes, async || node.get("/healthz/ready").0 == 200).await;
    assert_eq!(warnings(&mut clients[0]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_write_without_its_replicas_is_told_as_written_and_those_after_it_are_refused_at_once() {
    let redis = Redis::start();
    let nodes = Nodes::start_with(&redis.url(), 1, 1, "redis_acks = 1\n");
    let mut clients = nodes.clients();
    let unconfirmed = async |client: &mut Client, number: u64, why: &str| {
        let told = client.add(report(number..number + 1)).await.expect_err("no replica");
        assert_eq!(told.code(), Code::DeadlineExceeded, "{told}");
        assert!(told.message().contains("written, not confirmed by replicas"), "{told}");
        assert!(told.message().contains(why), "{told}");
        assert!(is_listed(client, number).await.expect("an answer"), "it was written");
    };
    unconfirmed(&mut clients[0], 1, "0 of 1 replicas").await;
    let began = Instant::now();
    for number in 2..22 {
        let refused = clients[0].add(report(number..number + 1)).await.expect_err("no replica");
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        assert!(refused.message().contains("nothing was written"), "{refused}");
        assert!(refused.message().contains("replicas"), "{refused}");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(redis.cli(&["xlen", LOG]).trim(), "2", "the beginning and one write");
    assert!(warnings(&mut clients[0]).await.contains("writes are refused"));

    let replica = Redis::start();
    let _ = replica.cli(&["replicaof", "127.0.0.1", &redis.port.to_string()]);
    // Again what was written already: it stays one voice.
    add_somewhere(&mut clients, 1).await;
    let why = wire::WhyRequest { signature: Some(signature(1)) };
    let why = clients[0].why(why).await.expect("an answer").into_inner();
    assert_eq!(why.reporters, 1, "{why:?}");

    // An error of the question for replicas alone.
    let _ = redis.cli(&["acl", "setuser", "default", "-wait"]);
    unconfirmed(&mut clients[0], 30, "'wait' command").await;
    let refused = clients[0].add(report(31..32)).await.expect_err("no word of replicas");
    assert!(refused.message().contains("nothing was written"), "{refused}");
    let _ = redis.cli(&["acl", "setuser", "default", "+wait"]);
    add_somewhere(&mut clients, 32).await;
    assert!(order(&mut clients[0]).await.expect("an order").1.connected);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_beginning_takes_its_own_lock_away_and_passes_nothing_over_that_others_wrote() {
    let redis = Redis::start();
    let begin = |token: &str, last: &str, id: &str| {
        let fields = [token, last, id, "b", "5", "f", "", "n", "a"];
        let keys = ["eval", beginning::SCRIPT, "2", "lock", "log"];
        redis.cli(&[&keys[..], &fields[..]].concat()).trim().to_owned()
    };
    let held = || redis.cli(&["get", "lock"]).trim().to_owned();
    let entries = || redis.cli(&["xlen", "log"]).trim().to_owned();
    for (what, lock, last, said, lock_after, entries_after) in [
        ("nobody's lock", "", "", "", "", "0"),
        ("another's lock", "other", "", "", "other", "0"),
        ("the stream is there already", "own", "1-0", "", "", "0"),
        ("as it was looked at", "own", "", "7-0", "", "1"),
        ("others wrote meanwhile", "own", "6-0", "", "", "1"),
        ("as it was looked at again", "own", "7-0", "8-0", "", "2"),
        ("given back", "own", "-", "", "", "2"),
    ] {
        let _ = match lock {
            "" => redis.cli(&["del", "lock"]),
            lock => redis.cli(&["set", "lock", lock]),
        };
        let id = if said.is_empty() { "9-0" } else { said };
        assert_eq!(begin("own", last, id), said, "{what}");
        assert_eq!((held().as_str(), entries().as_str()), (lock_after, entries_after), "{what}");
    }
}
