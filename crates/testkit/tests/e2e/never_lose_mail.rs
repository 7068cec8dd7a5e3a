//! Whatever dies, every mail arrives, and no mail twice that the sender did not have to send twice.
//!
//! A stream of mails runs through Postfix while one of the processes behind it is killed in the middle and comes back.
//! `TAMIS_TEST_MAILS` makes the streams longer or shorter.

use crate::mails::{header, mail};
use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tamis_testkit::peers::{
    Dialogue, Postfix, PostfixConfig, Redis, Signal, SmtpdService, Tamis, wait_for,
};

/// Mails of one stream: long enough that the blow falls in its middle on a fast machine too.
const MAILS: u32 = 2_000;
/// Connections that send at the same time.
const SENDERS: u32 = 4;
/// Limit for the whole stream, retries included, in a debug build on two busy cores.
const STREAM_WAIT_MAX: Duration = Duration::from_secs(180);
/// Mails of which Postfix may not know whether the filter took them: as many as it hands on at once (master.cf).
const IN_HAND_MAX: usize = 10;
/// Pause of a sender whose mail was refused for now.
const AGAIN: Duration = Duration::from_millis(20);

/// How Postfix hands mail to Tamis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Milter,
    Queue,
    QueueLmtp,
}

/// Everything a mail passes, each part a process of its own.
struct Cluster {
    redis: Redis,
    reputation: Tamis,
    scanner: Tamis,
    edge: Tamis,
    postfix: Postfix,
}

fn cluster(by: By, edge: &str) -> Cluster {
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
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [\"http://{}\"]\ndeadline_ms = 5000\n{edge}",
        back.port,
        scanner.address("scanner", "listen")
    ));
    let front = match by {
        By::Milter => SmtpdService::new().milter(edge.milter_port()),
        By::Queue => SmtpdService::new().content_filter_smtp(edge.smtp_port()),
        By::QueueLmtp => SmtpdService::new().content_filter_lmtp(edge.lmtp_port()),
    };
    let postfix = Postfix::start(&PostfixConfig::new([front, back]));
    Cluster { redis, reputation, scanner, edge, postfix }
}

fn mails() -> u32 {
    env::var("TAMIS_TEST_MAILS").ok().and_then(|count| count.parse().ok()).unwrap_or(MAILS)
}

/// Sends mails `stream-0`, `stream-1`... until each was taken, as an MTA with a queue does; gives the number of tries.
pub fn send_until_taken(port: u16, mails: u32, senders: u32) -> u32 {
    let next = Arc::new(AtomicU32::new(0));
    let sender = move |next: Arc<AtomicU32>| {
        let mut tries = 0;
        let mut open = None;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= mails {
                return tries;
            }
            tries += send_one(port, number, &mut open);
        }
    };
    let threads: Vec<_> = (0..senders)
        .map(|_| {
            let next = Arc::clone(&next);
            thread::spawn(move || sender(next))
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("a sender that ends")).sum()
}

fn send_one(port: u16, number: u32, open: &mut Option<Dialogue>) -> u32 {
    let end = Instant::now() + STREAM_WAIT_MAX;
    let content = mail(&format!("stream-{number}"), &format!("Line {number} of a long letter."));
    let mut tries = 1;
    loop {
        let client = open.get_or_insert_with(|| Dialogue::connect(port));
        let reply = client.send("ann@sender.test", &["bob@example.test"], &content);
        if reply.code == 250 {
            return tries;
        }
        assert!(reply.code / 100 != 5, "refused for good: {:?}", reply.lines);
        assert!(Instant::now() < end, "mail {number} is not taken: {:?}", reply.lines);
        *open = None;
        tries += 1;
        thread::sleep(AGAIN);
    }
}

/// How often each mail arrived, by Message-Id; each says how it was judged.
pub fn times_arrived(postfix: &Postfix) -> BTreeMap<String, usize> {
    let mut arrived = BTreeMap::new();
    for mail in postfix.mails_now("bob") {
        assert_eq!(header(&mail, "X-Tamis-Rung").len(), 1, "{}", String::from_utf8_lossy(&mail));
        *arrived.entry(header(&mail, "Message-Id").concat()).or_default() += 1;
    }
    arrived
}

/// Sends the stream and lets each blow fall when another share of it has arrived.
fn stream(cluster: &mut Cluster, blows: &[fn(&mut Cluster)]) -> BTreeMap<String, usize> {
    let port = cluster.postfix.port();
    let sending = thread::spawn(move || send_until_taken(port, mails(), SENDERS));
    for (blow, number) in blows.iter().zip(1..) {
        let arrived = number * mails() as usize / (blows.len() + 2);
        wait_for(
            &format!("{arrived} mails"),
            STREAM_WAIT_MAX,
            || (cluster.postfix.mail_count("bob") >= arrived).then_some(()),
            || cluster.postfix.log() + &cluster.edge.log(),
        );
        assert!(cluster.postfix.mail_count("bob") < mails() as usize, "a blow after the end");
        blow(cluster);
    }
    let _ = sending.join().expect("the senders end");
    cluster.postfix.wait_queue_empty(STREAM_WAIT_MAX);
    times_arrived(&cluster.postfix)
}

#[track_caller]
fn assert_each_once(arrived: &BTreeMap<String, usize>) {
    assert_eq!(arrived.len(), mails() as usize, "mails lost");
    let twice: Vec<_> = arrived.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[track_caller]
fn assert_few_twice(arrived: &BTreeMap<String, usize>, in_hand: usize) {
    assert_eq!(arrived.len(), mails() as usize, "mails lost");
    let twice = arrived.values().filter(|times| **times > 1).count();
    assert!(twice <= in_hand, "{twice} doubled, {in_hand} were in hand");
    assert!(arrived.values().all(|times| *times <= 2));
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn killing_scanner_reputation_and_redis_behind_the_queue_loses_and_doubles_nothing() {
    let mut cluster = cluster(By::Queue, "");
    let arrived = stream(
        &mut cluster,
        &[
            |cluster| cluster.scanner.restart(),
            |cluster| cluster.reputation.restart(),
            |cluster| cluster.redis.restart(),
        ],
    );
    assert_each_once(&arrived);
}

/// The edge can die between the next hop's 250 and its own: Postfix then sends again, as it must.
#[test]
#[ignore = "needs the peers that ./test installs"]
fn killing_the_edge_behind_the_queue_doubles_only_what_postfix_had_in_hand() {
    for by in [By::Queue, By::QueueLmtp] {
        let mut cluster = cluster(by, "");
        let arrived = stream(&mut cluster, &[|cluster| cluster.edge.restart()]);
        assert_few_twice(&arrived, IN_HAND_MAX);
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn killing_scanner_reputation_and_redis_behind_the_milter_loses_and_doubles_nothing() {
    let mut cluster = cluster(By::Milter, "");
    let arrived = stream(
        &mut cluster,
        &[
            |cluster| cluster.scanner.restart(),
            |cluster| cluster.reputation.restart(),
            |cluster| cluster.redis.restart(),
        ],
    );
    assert_each_once(&arrived);
}

/// The milter has no mail of its own: what it had in hand is refused for now, so nothing comes twice.
#[test]
#[ignore = "needs the peers that ./test installs"]
fn killing_the_edge_behind_the_milter_loses_and_doubles_nothing() {
    let mut cluster = cluster(By::Milter, "");
    let arrived = stream(&mut cluster, &[|cluster| cluster.edge.restart()]);
    assert_each_once(&arrived);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn mail_accepted_while_no_scanner_lives_says_that_nobody_judged_it() {
    let mut cluster = cluster(By::Milter, "milter_unscanned = \"accept\"\n");
    let arrived = stream(
        &mut cluster,
        &[
            |cluster| {
                cluster.scanner.kill9();
                let count = cluster.postfix.mail_count("bob") + 20;
                wait_for(
                    "mails that go on without a scanner",
                    STREAM_WAIT_MAX,
                    || (cluster.postfix.mail_count("bob") >= count).then_some(()),
                    || cluster.edge.log(),
                );
            },
            |cluster| cluster.scanner.restart(),
        ],
    );
    assert_each_once(&arrived);
    let rungs: Vec<_> = cluster
        .postfix
        .mails_now("bob")
        .iter()
        .map(|mail| header(mail, "X-Tamis-Rung").concat())
        .collect();
    let unjudged = rungs.iter().filter(|rung| *rung == "not_scanned").count();
    assert!(unjudged >= 10, "{unjudged} unjudged");
    let counted = cluster.edge.metric("tamis_edge_rungs_total{rung=\"not_scanned\"}");
    assert!((counted - unjudged as f64).abs() < 0.5, "each marked and counted");
    let judged_again = rungs.last().is_some_and(|rung| rung != "not_scanned");
    assert!(judged_again, "on whatever rung the machine has time for: {:?}", rungs.last());
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn processes_that_are_asked_to_end_finish_what_they_have_and_double_nothing() {
    for by in [By::Queue, By::Milter] {
        let mut cluster = cluster(by, "");
        let arrived = stream(
            &mut cluster,
            &[
                |cluster| end_in_order(&mut cluster.edge),
                |cluster| end_in_order(&mut cluster.scanner),
            ],
        );
        assert_each_once(&arrived);
    }
}

fn end_in_order(tamis: &mut Tamis) {
    tamis.signal(Signal::Terminate);
    let status = tamis.wait_exit(Duration::from_secs(40));
    assert!(status.success(), "{status}: {}", tamis.log());
    tamis.restart();
}
