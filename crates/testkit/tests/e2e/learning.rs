//! What users taught, shared by scanners through a real Redis: exact, and never waited for.

use std::time::{Duration, Instant};

use tamis_learning::knowledge::{Class, Outcome};
use tamis_runtime::redis_address::Address;
use tamis_scanner::learning::{Learning, Place, Recalled, Settings, Untaught};
use tamis_scanner::memory::FarSettings;
use tamis_testkit::peers::{Redis, RedisCluster};

/// Longest wait for a connection or a failover.
const PATIENCE: Duration = Duration::from_secs(30);

fn learning(url: &str, mails_max: usize) -> Learning {
    let far = FarSettings {
        address: Address::parse(url).expect("a Redis address"),
        authority: None,
        budget: Duration::from_millis(500),
        keep: Duration::MAX,
    };
    let settings = Settings { place: Place::Redis(far), token: None, mails_max };
    Learning::start(&settings).expect("a store that connects later")
}

fn letter(kind: &str, number: usize) -> Vec<u8> {
    format!(
        "From: {kind}{number}@{kind}.test\r\nTo: bob@example.com\r\nSubject: about {kind}\r\n\
         Message-Id: <{kind}{number}@example.org>\r\n\r\nwords of {kind}, and number {number}\r\n"
    )
    .into_bytes()
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < PATIENCE, "{what} within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn teach(learning: &Learning, kind: &str, number: usize, class: Option<Class>) -> Outcome {
    let taught = learning.teach(letter(kind, number), class, "bob@example.com").await;
    taught.expect("Redis is there").0
}

/// All that a Redis holds of learned mail: kind of key, fields, sorted.
fn dump(redis: &Redis) -> Vec<String> {
    let mut all = Vec::new();
    for scope in ["", "example.com"] {
        for (kind, command) in [("t", "hgetall"), ("m", "hkeys"), ("n", "hmget")] {
            let key = format!("tamis:l1:{{d:{scope}}}:{kind}");
            let mut words = vec!["--no-raw", command, &key];
            if kind == "n" {
                words.extend(["1", "2"]);
            }
            let text = redis.cli(&words);
            let values = text.lines().map(|line| line.split_once(") ").map_or(line, |(_, it)| it));
            let mut values: Vec<&str> = values.collect();
            if kind != "n" {
                let pair = if kind == "t" { 2 } else { 1 };
                let mut pairs: Vec<Vec<&str>> = values.chunks(pair).map(<[&str]>::to_vec).collect();
                pairs.sort();
                values = pairs.concat();
            }
            all.push(format!("{scope} {kind} {values:?}"));
        }
    }
    all
}

async fn features(learning: &Learning, kind: &str) -> Vec<u32> {
    until("a key", async || learning.key().is_some()).await;
    let key = learning.key().expect("a key");
    learning.features_of(&key, &letter(kind, 999))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn scanners_share_what_was_taught_and_unlearning_leaves_what_was_before() {
    let mut redis = Redis::start();
    let (one, other) = (learning(&redis.url(), 1000), learning(&redis.url(), 1000));
    until("a key of both", async || one.key().is_some() && one.key() == other.key()).await;
    for number in 0..25 {
        assert_eq!(teach(&one, "spam", number, Some(Class::Spam)).await, Outcome::Learned);
        assert_eq!(teach(&other, "ham", number, Some(Class::Ham)).await, Outcome::Learned);
    }
    let before = dump(&redis);
    assert!(before[0].len() > 1000, "{before:?}");
    assert_eq!(teach(&other, "spam", 3, Some(Class::Spam)).await, Outcome::Known);
    assert_eq!(teach(&one, "spam", 100, Some(Class::Spam)).await, Outcome::Learned);
    assert_eq!(teach(&other, "spam", 100, Some(Class::Ham)).await, Outcome::Moved);
    assert_eq!(teach(&one, "spam", 100, None).await, Outcome::Unlearned);
    assert_eq!(teach(&one, "spam", 100, None).await, Outcome::Unknown);
    assert_eq!(dump(&redis), before, "to the last unit");
    let spam = features(&other, "spam").await;
    let deadline = || Instant::now() + Duration::from_secs(5);
    for domain in [None, Some("example.com")] {
        let Recalled::Heard(Some(found)) = other.recall(&spam, domain, deadline()).await else {
            panic!("nothing is known")
        };
        assert!(found.weight > 1.0, "{found:?}");
    }
    redis.kill9();
    until("the loss is noticed", async || {
        one.recall(&spam, None, deadline()).await == Recalled::Silent
    })
    .await;
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(one.recall(&spam, None, deadline()).await, Recalled::Silent);
    }
    assert!(began.elapsed() < Duration::from_millis(500), "a lost Redis costs no mail its budget");
    let refused = one.teach(letter("spam", 1), Some(Class::Spam), "").await;
    assert_eq!(refused.map(|_| ()), Err(Untaught::Store));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn the_oldest_mails_are_forgotten_in_redis_at_n_plus_1_and_not_at_n() {
    let redis = Redis::start();
    let learning = learning(&redis.url(), 3);
    until("a key", async || learning.key().is_some()).await;
    for number in 0..3 {
        teach(&learning, "spam", number, Some(Class::Spam)).await;
    }
    assert_eq!(teach(&learning, "spam", 0, Some(Class::Spam)).await, Outcome::Known);
    teach(&learning, "spam", 3, Some(Class::Spam)).await;
    assert_eq!(teach(&learning, "spam", 0, None).await, Outcome::Unknown, "the oldest is gone");
    for number in 1..4 {
        assert_eq!(teach(&learning, "spam", number, None).await, Outcome::Unlearned);
    }
    assert_eq!(redis.cli(&["hlen", "tamis:l1:{d:}:t"]).trim(), "0", "and nothing is left of any");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_cluster_is_taught_and_asked_in_the_slot_of_each_domain() {
    let redis = RedisCluster::start();
    let learning = learning(&redis.url(), 1000);
    until("a key", async || learning.key().is_some()).await;
    for number in 0..25 {
        teach(&learning, "spam", number, Some(Class::Spam)).await;
        teach(&learning, "ham", number, Some(Class::Ham)).await;
    }
    let ham = features(&learning, "ham").await;
    let until = Instant::now() + Duration::from_secs(5);
    let Recalled::Heard(Some(found)) = learning.recall(&ham, Some("example.com"), until).await
    else {
        panic!("nothing is known")
    };
    assert!(found.weight < -1.0, "{found:?}");
}
