//! Several reputation nodes over one order of writes in a real Redis: killed, cut off, emptied, trimmed.

use std::time::{Duration, Instant};

use crate::asker::Asker;
use crate::mails::noise;
use crate::reputation_nodes::{
    Nodes, Writers, add_somewhere, agreed, agreed_among, all_listed, deletion, is_listed, order,
    report, signature, until,
};
use tamis_testkit::peers::{Redis, RedisCluster, RedisSentinel, Tamis, free_port};
use tonic::Code;

/// What the field is promised, from acknowledged to visible on every node.
const VISIBLE_WITHIN: Duration = Duration::from_secs(1);

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
    let mut askers = Vec::new();
    for node in &nodes.running {
        askers.push(Asker::of(node).await);
    }
    let load = Writers::start(&nodes, 8, Duration::from_millis(20));
    let (mut visible, mut gone) = (Vec::new(), Vec::new());
    for number in 0..200_u64 {
        let writer = number as usize % 3;
        clients[writer].add(report(number..number + 1)).await.expect("a write");
        let began = Instant::now();
        for node in (0..3).map(|step| (writer + step) % 3) {
            let asker = &mut askers[node];
            until("a write to be seen", &nodes, async || {
                asker.link(&signature(number).value).await.is_some()
            })
            .await;
        }
        visible.push(began.elapsed());
        clients[(writer + 1) % 3].delete(deletion(number)).await.expect("a deletion");
        let began = Instant::now();
        for asker in &mut askers {
            until("a deletion to be seen", &nodes, async || {
                asker.link(&signature(number).value).await.is_none()
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
        // The one that was under way may not be known; those after it are refused at once.
        let is_first = round == 0 && refused.code() == Code::DeadlineExceeded;
        assert!(is_first || refused.code() == Code::Unavailable, "{refused}");
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
    assert!(matches!(refused.code(), Code::Unavailable | Code::DeadlineExceeded), "{refused}");
    // The old master comes back as a replica: writes are taken again, in the order of the new one.
    tokio::task::block_in_place(|| group.revive());
    for number in 21..41 {
        add_somewhere(&mut clients, number).await;
    }
    let all = (0..20).chain(21..41).map(|number| (number, Duration::ZERO)).collect();
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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_redis_that_lost_its_last_writes_goes_on_from_what_the_nodes_have() {
    let redis = Redis::start();
    let nodes = Nodes::start(&redis.url(), 3);
    let mut clients = nodes.clients();
    for number in 0..20 {
        add_somewhere(&mut clients, number).await;
    }
    let (log, old) = ("tamis:{default}:log", "tamis:{default}:old");
    let _ = redis.cli(&["copy", log, old]);
    for number in 20..40 {
        add_somewhere(&mut clients, number).await;
    }
    let before = agreed(&nodes).await;
    // What a failover to a replica that was behind does.
    let _ = redis.cli(&["rename", old, log]);
    until("a node to notice", &nodes, async || {
        order(&mut clients[0]).await.is_some_and(|(_, order)| !order.connected)
    })
    .await;
    for number in 40..60 {
        add_somewhere(&mut clients, number).await;
    }
    assert!(agreed(&nodes).await >= before + 20);
    let all = (0..60).map(|number| (number, Duration::ZERO)).collect();
    all_listed(&nodes, &all).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_server_with_a_log_of_its_own_becomes_the_first_node_and_others_take_its_table() {
    let redis = Redis::start();
    let mut nodes = Nodes::start_with(&redis.url(), 2, 0, "");
    let state = tempfile::tempdir().expect("a directory");
    let own = format!("state_dir = \"{}\"\n", state.path().display());
    let grpc = format!("[reputation]\ngrpc = \"127.0.0.1:{}\"\n{own}", nodes.ports[0]);
    let mut clients = nodes.clients();
    {
        let _alone = tokio::task::block_in_place(|| Tamis::start(&["reputation"], Some(&grpc)));
        for number in 0..20 {
            add_somewhere(&mut clients[..1], number).await;
        }
    }
    let configs = [nodes.config(0) + &own, nodes.config(1)];
    for config in configs {
        let node = tokio::task::block_in_place(|| Tamis::start(&["reputation"], Some(&config)));
        nodes.running.push(node);
    }
    add_somewhere(&mut clients, 20).await;
    agreed(&nodes).await;
    let all = (0..=20).map(|number| (number, Duration::ZERO)).collect();
    all_listed(&nodes, &all).await;
}
