//! The whole table for a peer that behaves badly: it asks for many, and takes none.

use std::time::{Duration, Instant};

use crate::reputation_nodes::{Nodes, agreed, client, report};
use tamis_proto::reputation as wire;
use tamis_testkit::peers::{Redis, Signal};
use tonic::Code;

/// So many that no buffer on the way holds the snapshot: some 10 MB.
const SIGNATURES: u64 = 80_000;

/// Snapshots that one node sends at the same time.
const AT_ONCE: usize = 2;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn peers_that_stop_reading_a_table_keep_one_more_out_by_name_and_do_not_hold_up_the_end() {
    let redis = Redis::start();
    let mut nodes = Nodes::start(&redis.url(), 1);
    agreed(&nodes).await;
    let mut writer = client(nodes.ports[0]);
    for from in (0..SIGNATURES).step_by(1_000) {
        writer.add(report(from..from + 1_000)).await.expect("a write");
    }
    let ask = async || {
        let request =
            wire::SnapshotRequest { service: "default".to_owned(), at_least: "0-0".to_owned() };
        client(nodes.ports[0]).snapshot(request).await.map(tonic::Response::into_inner)
    };
    let mut stopped = Vec::new();
    for _ in 0..AT_ONCE {
        stopped.push(ask().await.expect("a snapshot"));
    }
    let refused = ask().await.expect_err("one more than there are places");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("2 snapshots are on their way"), "{refused}");

    let began = Instant::now();
    let mut node = nodes.running.remove(0);
    node.signal(Signal::Terminate);
    let exit = node.wait_exit(Duration::from_secs(12));
    assert!(exit.success(), "{exit} after {:?}\n{}", began.elapsed(), node.log());
    drop(stopped);
}
