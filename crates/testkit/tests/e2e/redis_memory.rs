//! The evidence cache in every kind of Redis: alone, behind TLS, watched by Sentinels, as a Cluster; lost and found.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::PartFacts;
use tamis_runtime::redis_address::Address;
use tamis_scanner::memory::{FarAnswer, FarSettings, Key, Memory};
use tamis_testkit::peers::{Redis, RedisCluster, RedisSentinel};

/// Longest wait for a connection, a write or a failover; a failover takes up to five seconds here.
const PATIENCE: Duration = Duration::from_secs(30);

fn memory(url: &str, authority: Option<Vec<u8>>) -> Memory {
    let address = Address::parse(url).expect("a Redis address");
    let budget = Duration::from_millis(500);
    let far = FarSettings { address, authority, budget, keep: Duration::from_secs(600) };
    Memory::new(1 << 20, Some(far))
}

fn facts(detail: &str) -> Arc<PartFacts> {
    let evidence = vec![Evidence::new("gtube", 1000.0, Source::Text, detail)];
    Arc::new(PartFacts { evidence, ..PartFacts::default() })
}

/// Keys spread over all slots of a cluster.
fn keys(mark: u8) -> Vec<Key> {
    (0..20_u8).map(|number| [number.wrapping_mul(37) ^ mark; 32]).collect()
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < PATIENCE, "{what} within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What one scanner found, another scanner knows, in one round trip for all keys.
async fn is_shared(writer: &Memory, reader: &Memory, mark: u8) {
    let keys = keys(mark);
    until("what one scanner keeps, another recalls", async || {
        for key in &keys {
            writer.keep(*key, facts("shared"));
        }
        match reader.recall_far(&keys).await {
            FarAnswer::Facts(found) => found.iter().all(|found| *found == Some(facts("shared"))),
            _ => false,
        }
    })
    .await;
    assert_eq!(reader.recall_near(&keys[0]), Some(facts("shared")), "now it is known near, too");
    assert!(
        matches!(reader.recall_far(&[[0xee; 32]]).await, FarAnswer::Facts(found) if found == [None])
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn scanners_share_facts_through_one_redis_and_go_on_without_it() {
    let mut redis = Redis::start();
    let (writer, reader) = (memory(&redis.url(), None), memory(&redis.url(), None));
    is_shared(&writer, &reader, 0).await;
    redis.kill9();
    until("the loss is noticed", async || {
        matches!(reader.recall_far(&[[1; 32]]).await, FarAnswer::Silent)
    })
    .await;
    let began = Instant::now();
    for _ in 0..100 {
        assert!(matches!(reader.recall_far(&[[1; 32]]).await, FarAnswer::Silent));
    }
    assert!(began.elapsed() < Duration::from_millis(500), "a lost Redis costs no mail its budget");
    assert_eq!(reader.recall_near(&keys(0)[0]), Some(facts("shared")), "the process still knows");
    redis.restart();
    is_shared(&writer, &reader, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_frozen_redis_costs_one_budget_a_few_times_and_then_nothing() {
    let redis = Redis::start();
    let reader = memory(&redis.url(), None);
    until("a connection", async || {
        matches!(reader.recall_far(&[[1; 32]]).await, FarAnswer::Facts(_))
    })
    .await;
    redis.freeze();
    let began = Instant::now();
    for _ in 0..50 {
        assert!(matches!(reader.recall_far(&[[2; 32]]).await, FarAnswer::Silent));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    redis.thaw();
    until("it comes back", async || {
        matches!(reader.recall_far(&[[1; 32]]).await, FarAnswer::Facts(_))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn rediss_is_trusted_by_its_authority_and_by_no_other() {
    let redis = Redis::tls();
    let authority = std::fs::read(redis.authority()).expect("the authority's certificate");
    let (writer, reader) =
        (memory(&redis.url(), Some(authority.clone())), memory(&redis.url(), Some(authority)));
    is_shared(&writer, &reader, 0).await;
    let stranger = memory(&redis.url(), None);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        matches!(stranger.recall_far(&[[1; 32]]).await, FarAnswer::Silent),
        "a certificate nobody vouches for"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_new_master_is_followed_through_the_sentinels() {
    let mut redis = RedisSentinel::start();
    let (writer, reader) = (memory(&redis.url(), None), memory(&redis.url(), None));
    is_shared(&writer, &reader, 0).await;
    let old = redis.kill_master();
    redis.wait_failover(old);
    is_shared(&writer, &reader, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_cluster_is_asked_across_its_slots_and_survives_a_master() {
    let mut redis = RedisCluster::start();
    let (writer, reader) = (memory(&redis.url(), None), memory(&redis.url(), None));
    is_shared(&writer, &reader, 0).await;
    let old = redis.kill_master_of("tamis");
    redis.wait_failover(old);
    is_shared(&writer, &reader, 1).await;
}
