use std::net::Ipv4Addr;

use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::Item;

use super::*;

fn question(links: &[&str]) -> Question {
    let items = links.iter().map(|link| Item::exact(naming::link(link))).collect();
    Question { id: 1, cookie: 1, trace: None, is_sighting: false, items }
}

fn start(exchange: Option<Exchange>) -> Watch {
    let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
    Watch::start(Settings::default(), exchange, metrics, None).expect("a thread")
}

/// Waits for what the thread does on its own; bounded, so that a thread that does nothing fails the test.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = clock::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(clock::now() < until, "not within 20 s: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_thousand_copies_without_any_report_are_bulk_within_five_seconds() {
    let watch = start(None);
    let mut counter = watch.counter();
    let began = clock::now();
    let copy = question(&["shop.example/offer"]);
    for number in 0..1_000_u32 {
        counter.count(&copy, Ipv4Addr::from(0xC000_0200 + number % 50).into());
        if number % 32 == 0 {
            counter.flush();
        }
    }
    counter.flush();
    until("bulk", || watch.bulk().ask(&copy.items[0]).is_some());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(watch.seen(&copy.items[0]).map(|seen| seen.copies), Some(1_000));
}

#[test]
fn what_a_question_repeats_counts_once_and_a_network_is_one_client() {
    let watch = start(None);
    let mut counter = watch.counter();
    let repeated = question(&["shop.example/offer"; 64]);
    for host in 0..50_u16 {
        counter
            .count(&repeated, std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, host).into());
    }
    counter.flush();
    until("counted", || watch.seen(&repeated.items[0]).is_some_and(|seen| seen.copies >= 50));
    let seen = watch.seen(&repeated.items[0]);
    assert_eq!(seen.map(|seen| (seen.copies, seen.clients)), Some((50, 1)));
}

/// How many of so many are counted once the counting begins, and how many were lost before: one question a batch, as a loop
/// that is seldom asked hands them over.
fn counted_and_lost(questions: usize) -> (u64, u64) {
    let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
    let (watch, watching, waiting) = Watch::at_rest(Settings::default(), None, metrics);
    let mut counter = watch.counter();
    let copy = question(&["shop.example/offer"]);
    for _ in 0..questions {
        counter.count(&copy, Ipv4Addr::LOCALHOST.into());
        counter.flush();
    }
    let lost = watch.metrics.sightings_lost.get();
    let counting = std::thread::spawn(move || watching.run(&waiting));
    let memory = Arc::clone(&watch.memory);
    until("what was kept is handed over", || {
        counter.flush();
        counter.batch.is_empty()
    });
    drop((counter, watch));
    counting.join().expect("it ends when nobody is left");
    let memory = memory.lock().expect("nobody panicked");
    (memory.seen(&copy.items[0]).map_or(0, |seen| u64::from(seen.copies)), lost)
}

#[test]
fn a_pause_of_the_counting_loses_nothing_until_a_loop_has_kept_its_share() {
    let fit = WAITING_MAX + KEPT_MAX - 1;
    assert_eq!(counted_and_lost(fit), (fit as u64, 0));
    assert_eq!(counted_and_lost(fit + 1), (WAITING_MAX as u64, KEPT_MAX as u64));
}

#[test]
fn nodes_that_exchange_messages_agree() {
    let (to_b, from_a) = mpsc::channel(MESSAGES_MAX);
    let (to_a, from_b) = mpsc::channel(MESSAGES_MAX);
    let a = start(Some(Exchange { told: to_b, heard: from_b }));
    let b = start(Some(Exchange { told: to_a, heard: from_a }));
    let copy = question(&["shop.example/offer"]);
    for (node, source) in [(&a, [192, 0, 2, 1]), (&b, [192, 0, 2, 9])] {
        let mut counter = node.counter();
        for _ in 0..60 {
            counter.count(&copy, Ipv4Addr::from(source).into());
        }
        counter.flush();
    }
    for node in [&a, &b] {
        until("bulk at both", || node.bulk().ask(&copy.items[0]).is_some());
    }
}

#[test]
fn a_message_that_cannot_be_read_changes_nothing() {
    let (told, _told) = mpsc::channel(1);
    let (heard_in, heard) = mpsc::channel(MESSAGES_MAX);
    let watch = start(Some(Exchange { told, heard }));
    for bad in [vec![], vec![9; 40], vec![1, 0, 1]] {
        heard_in.try_send(bad).expect("room");
    }
    until("read", || heard_in.capacity() == MESSAGES_MAX);
    assert!(watch.bulk().is_empty());
}
