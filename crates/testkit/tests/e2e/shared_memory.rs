//! Several scanner processes over one Redis: what one has read, no other asks for; and a master may die meanwhile.

use crate::mails::{header, mail, noise, status, with_attachment};
use crate::never_lose_mail::{send_until_taken, times_arrived};
use std::thread;
use std::time::Duration;
use tamis_testkit::peers::{
    Dialogue, PEER_WAIT_MAX, Postfix, PostfixConfig, Redis, RedisSentinel, Sink, SmtpdService,
    Tamis, wait_for,
};

/// Bytes that are no part of an Offer, so that a scanner which does not know them has to ask.
const LONG: usize = 200_000;
/// Mails of a stream; the master dies in its middle.
const MAILS: u32 = 300;
/// Limit for the stream, the failover included.
const STREAM_WAIT_MAX: Duration = Duration::from_secs(60);

fn scanner(redis: &str) -> Tamis {
    Tamis::start(&["scanner"], Some(&format!("[scanner]\nredis = \"{redis}\"\nreputation = []\n")))
}

fn edge(scanner: &Tamis, next_hop: u16) -> Tamis {
    Tamis::thin_edge(&format!(
        "[edge]\nnext_hop = \"127.0.0.1:{next_hop}\"\nscanners = [\"http://{}\"]\n",
        scanner.address("scanner", "listen")
    ))
}

fn is_connected(scanner: &Tamis) {
    let connected = || (scanner.metric("tamis_scanner_redis_connected") > 0.0).then_some(());
    wait_for("a connection to Redis", PEER_WAIT_MAX, connected, || scanner.log());
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn what_one_scanner_has_read_another_does_not_ask_for() {
    let (redis, sink) = (Redis::start(), Sink::smtp().start());
    let scanners = [scanner(&redis.url()), scanner(&redis.url())];
    let edges = scanners.each_ref().map(|scanner| edge(scanner, sink.port));
    scanners.iter().for_each(is_connected);
    let letter = with_attachment("long", "The table that you asked for.", &noise(1, LONG));
    for (number, edge) in edges.iter().enumerate() {
        let mut client = Dialogue::connect(edge.smtp_port());
        let reply = client.send("ann@sender.test", &["bob@example.test"], &letter);
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
        let kept = || redis.cli(&["dbsize"]).trim().parse::<u32>().ok().filter(|size| *size >= 2);
        let _ = wait_for("both parts in Redis", PEER_WAIT_MAX, kept, || scanners[number].log());
    }
    let metric = |scanner: usize, name: &str| scanners[scanner].metric(name);
    assert!(metric(0, "tamis_scanner_needed_parts_total") >= 1.0, "the first had to ask");
    assert!(metric(0, "tamis_scanner_supplied_bytes_total") >= LONG as f64);
    assert!((metric(1, "tamis_scanner_needed_parts_total")).abs() < 0.5, "the second did not");
    assert!((metric(1, "tamis_scanner_supplied_bytes_total")).abs() < 0.5);
    let recalled = "tamis_scanner_recalled_total{memory=\"redis\",found=\"yes\"}";
    assert!(metric(1, recalled) >= 1.0, "{}", scanners[1].get("/metrics").1);
    let mails = sink.wait(2);
    assert_eq!(status(&mails[0].content), status(&mails[1].content));
    assert_eq!(header(&mails[1].content, "X-Tamis-Rung"), ["full"]);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_new_redis_master_in_the_middle_of_a_stream_costs_no_mail() {
    let mut redis = RedisSentinel::start();
    let scanner = scanner(&redis.url());
    let back = SmtpdService::reinjection();
    let edge = edge(&scanner, back.port);
    let front = SmtpdService::new().content_filter_smtp(edge.smtp_port());
    let postfix = Postfix::start(&PostfixConfig::new([front, back]));
    let port = postfix.port();
    let sending = thread::spawn(move || send_until_taken(port, MAILS, 4));
    let _ = postfix.maildir_within("bob", 50, STREAM_WAIT_MAX);
    let old = redis.kill_master();
    redis.wait_failover(old);
    let tries = sending.join().expect("the senders end");
    assert_eq!(tries, MAILS, "Postfix in front takes each at once");
    postfix.wait_queue_empty(STREAM_WAIT_MAX);
    let arrived = times_arrived(&postfix);
    assert_eq!(arrived.len(), MAILS as usize);
    assert!(arrived.values().all(|times| *times == 1));
    // A cache may miss what it was told while it changed hands: what counts is that it is used again.
    let kept = || redis.cli(&["dbsize"]).trim().parse().unwrap_or(0);
    let before: u32 = kept();
    let mut number = 0;
    let remembered = || {
        number += 1;
        let content = mail("after the failover", &format!("Something new to remember, {number}."));
        let mut client = Dialogue::connect(edge.smtp_port());
        assert_eq!(client.send("ann@sender.test", &["bob@example.test"], &content).code, 250);
        (kept() > before).then_some(())
    };
    wait_for("facts in the new master", PEER_WAIT_MAX, remembered, || scanner.log());
    is_connected(&scanner);
}
