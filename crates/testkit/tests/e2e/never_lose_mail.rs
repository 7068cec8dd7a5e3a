//! Whatever dies, every mail arrives: 2,000 mails through Postfix while one of our processes is killed.

use crate::mails::header;
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;
use tamis_testkit::peers::{
    Postfix, PostfixConfig, Redis, SmtpSource, SmtpdService, Tamis, smtp_source,
};

/// Mails of the stream: long enough that the blow falls in its middle on a fast machine too.
const MAILS: u32 = 2_000;
/// Limit for the whole stream, retries included, in a debug build on two cores.
const STREAM_WAIT_MAX: Duration = Duration::from_secs(180);
/// Mails that have arrived when the blow falls: in the middle of the stream.
const BEFORE_THE_BLOW: usize = 300;

/// Everything a mail passes, each part a process of its own.
struct Cluster {
    redis: Redis,
    reputation: Tamis,
    scanner: Tamis,
    edge: Tamis,
    postfix: Postfix,
}

fn cluster() -> Cluster {
    let redis = Redis::start();
    let reputation = Tamis::start(&["reputation"], None);
    let scanner = Tamis::start(
        &["scanner"],
        Some(&format!(
            "[scanner]\nredis = \"{}\"\nreputation = [\"{}\"]\n",
            redis.url(),
            reputation.address("reputation", "listen")
        )),
    );
    let back = SmtpdService::reinjection();
    let edge = Tamis::thin_edge(&format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [\"http://{}\"]\ndeadline_ms = 5000\n",
        back.port,
        scanner.address("scanner", "listen")
    ));
    let front = SmtpdService::new().content_filter_smtp(edge.smtp_port());
    let postfix = Postfix::start(&PostfixConfig::new([front, back]));
    Cluster { redis, reputation, scanner, edge, postfix }
}

/// Sends the stream, lets `blow` fall in the middle of it, and gives how often each mail arrived.
fn stream(mut cluster: Cluster, blow: impl FnOnce(&mut Cluster)) -> BTreeMap<String, usize> {
    let port = cluster.postfix.port();
    let source = SmtpSource { mails: MAILS, ..SmtpSource::default() };
    let sending = thread::spawn(move || smtp_source(port, &source));
    let _ = cluster.postfix.maildir_within("bob", BEFORE_THE_BLOW, STREAM_WAIT_MAX);
    blow(&mut cluster);
    sending.join().unwrap_or_else(|_| panic!("smtp-source stopped early"));
    cluster.postfix.wait_queue_empty(STREAM_WAIT_MAX);
    let mut arrived = BTreeMap::new();
    for mail in cluster.postfix.mails_now("bob") {
        assert_eq!(header(&mail, "X-Tamis-Rung").len(), 1, "each mail says how it was judged");
        let id = header(&mail, "Message-Id").concat();
        *arrived.entry(id).or_default() += 1;
    }
    arrived
}

#[track_caller]
fn assert_each_once(arrived: &BTreeMap<String, usize>) {
    assert_eq!(arrived.len(), MAILS as usize, "mails lost");
    let twice: Vec<_> = arrived.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn killing_the_scanner_loses_and_doubles_nothing() {
    let arrived = stream(cluster(), |cluster| cluster.scanner.restart());
    assert_each_once(&arrived);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn killing_the_reputation_service_loses_and_doubles_nothing() {
    let arrived = stream(cluster(), |cluster| cluster.reputation.kill9());
    assert_each_once(&arrived);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn killing_redis_loses_and_doubles_nothing() {
    let arrived = stream(cluster(), |cluster| cluster.redis.kill9());
    assert_each_once(&arrived);
}

/// The edge can die between the next hop's 250 and its own: Postfix then sends again, as it must.
#[test]
#[ignore = "needs the peers that ./test installs"]
fn killing_the_edge_loses_nothing_and_doubles_only_what_postfix_sent_again() {
    let arrived = stream(cluster(), |cluster| cluster.edge.restart());
    assert_eq!(arrived.len(), MAILS as usize, "mails lost");
    // Postfix holds at most 10 mails at once in its hands towards the filter (master.cf).
    let twice = arrived.values().filter(|times| **times > 1).count();
    assert!(twice <= 10, "{twice} doubled");
    assert!(arrived.values().all(|times| *times <= 2));
}
