//! The client's side, step by step.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may fail loudly and read the clock once"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tamis_domain::digest::{PartDigest, SignatureKind, Sketch};
use tamis_domain::limits::SIGNATURES_MAX;
use tamis_domain::reputation::{Class, Listing};
use tamis_reputation_protocol::asking::{
    Asking, DATAGRAMS_SEEN_MAX, Disbelief, Event, FLIGHTS_MAX, Fact, Outcome, Output, Plan,
    Sending, Server, Times, Want,
};
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::{Answer, Challenge, Hello, Item, Question};
use tamis_reputation_protocol::seal::{Client, Key, Seal};

const ID: u64 = 77;

fn server(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 7060))
}

fn at(number: u8) -> Server {
    Server { address: server(number), cookie: 5, seal: Seal::Off }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn plan(items: Vec<Item>) -> Plan {
    Plan {
        items,
        id: ID,
        trace: None,
        is_sighting: false,
        times: Times { hedge_after: Some(ms(3)), answer_within: ms(10), budget: ms(50) },
        first: at(1),
        probe: None,
    }
}

fn links(count: usize) -> Vec<Item> {
    (0..count).map(|n| Item::exact(naming::link(&format!("h{n}.example/")))).collect()
}

fn listing(weight: u8) -> Option<Listing> {
    Some(Listing { class: Class::Spam, weight, reporters: 1, age_hours: 1, similarity: 32 })
}

fn answer(listings: Vec<Option<Listing>>) -> Vec<u8> {
    Answer { id: ID, epoch: 3, fresh_cookie: None, is_stale: false, is_elsewhere: false, listings }
        .encode()
}

fn drain(asking: &mut Asking) -> Vec<Output> {
    std::iter::from_fn(|| asking.poll()).collect()
}

/// What was sent: to whom, why, with which cookie.
fn sent(outputs: &[Output]) -> Vec<(SocketAddr, Sending, u64)> {
    let of = |output: &Output| match output {
        Output::Send { server, datagram, sending } => {
            Some((*server, *sending, Question::decode(datagram).unwrap().cookie))
        }
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

#[test]
fn the_first_good_answer_ends_the_question_in_the_order_of_the_mail() {
    let now = Instant::now();
    let text =
        Item { signature: naming::text(&PartDigest([1; 32])), sketch: Some(Sketch([3; 32])) };
    let mut asking = Asking::new(plan(vec![links(1)[0], text]), now);
    let outputs = drain(&mut asking);
    assert_eq!(sent(&outputs), [(server(1), Sending::First, 5)]);
    let Output::Send { datagram, .. } = &outputs[0] else { panic!() };
    let kinds = Question::decode(datagram)
        .unwrap()
        .items
        .iter()
        .map(|it| it.signature.kind)
        .collect::<Vec<_>>();
    assert_eq!(kinds, [SignatureKind::Text, SignatureKind::Link], "texts go first on the wire");

    let reply = answer(vec![listing(10), listing(20)]);
    asking.handle(Event::Received { from: server(1), datagram: &reply }, now + ms(1));
    let fact =
        Fact::Answered { server: server(1), after: ms(1), epoch: 3, is_stale: false, late: false };
    let listings = vec![listing(20), listing(10)];
    let outcome = Outcome::Answered { server: server(1), epoch: 3, listings };
    assert_eq!(drain(&mut asking), [Output::Noted(fact), Output::Finished(outcome)]);
    assert!(asking.is_settled());
    assert_eq!(asking.deadline(), None);
}

#[test]
fn a_challenge_is_met_once_and_measured_from_the_second_datagram() {
    let now = Instant::now();
    let mut asking = Asking::new(plan(links(1)), now);
    drain(&mut asking);
    let challenge = Challenge { id: ID, cookie: 99 }.encode();
    let received = || Event::Received { from: server(1), datagram: &challenge };
    asking.handle(received(), now + ms(1));
    let outputs = drain(&mut asking);
    assert_eq!(outputs[0], Output::Noted(Fact::Cookie { server: server(1), cookie: 99 }));
    assert_eq!(sent(&outputs), [(server(1), Sending::Proof, 99)]);
    asking.handle(received(), now + ms(1));
    let twice = Fact::Ignored { from: server(1), why: Disbelief::Twice };
    assert_eq!(drain(&mut asking), [Output::Noted(twice)]);
    asking.handle(Event::Received { from: server(1), datagram: &answer(vec![None]) }, now + ms(2));
    let fact =
        Fact::Answered { server: server(1), after: ms(1), epoch: 3, is_stale: false, late: false };
    assert_eq!(drain(&mut asking)[0], Output::Noted(fact));
}

#[test]
fn datagrams_of_strangers_other_questions_and_wrong_shapes_are_not_believed() {
    let now = Instant::now();
    let good = answer(vec![None]);
    let other_id = Answer {
        id: ID + 1,
        epoch: 3,
        fresh_cookie: None,
        is_stale: false,
        is_elsewhere: false,
        listings: vec![None],
    }
    .encode();
    let longer = answer(vec![None; 3]);
    let count = answer(vec![None; 2]);
    for (from, datagram, why) in [
        (server(2), &good, Disbelief::Sender),
        (SocketAddr::from(([10, 0, 0, 1], 7061)), &good, Disbelief::Sender),
        (server(1), &other_id, Disbelief::Id),
        (server(1), &longer, Disbelief::Longer),
        (server(1), &count, Disbelief::Count(2)),
    ] {
        let mut asking = Asking::new(plan(links(1)), now);
        drain(&mut asking);
        asking.handle(Event::Received { from, datagram }, now);
        assert_eq!(drain(&mut asking), [Output::Noted(Fact::Ignored { from, why })]);
        asking.handle(Event::Received { from: server(1), datagram: &good }, now);
        assert!(matches!(
            drain(&mut asking).last(),
            Some(Output::Finished(Outcome::Answered { .. }))
        ));
    }
}

#[test]
fn a_late_first_server_is_raced_and_the_loser_is_still_measured() {
    let now = Instant::now();
    let mut asking = Asking::new(plan(links(1)), now);
    drain(&mut asking);
    assert_eq!(asking.deadline(), Some(now + ms(3)));
    asking.handle(Event::Timer, now + ms(3));
    assert_eq!(drain(&mut asking), [Output::Want(Want::Hedge(server(1)))]);
    asking.handle(Event::Ask(at(2)), now + ms(3));
    assert_eq!(sent(&drain(&mut asking)), [(server(2), Sending::Hedge, 5)]);
    let reply = answer(vec![None]);
    asking.handle(Event::Received { from: server(2), datagram: &reply }, now + ms(4));
    assert!(matches!(drain(&mut asking).last(), Some(Output::Finished(Outcome::Answered { .. }))));
    assert!(!asking.is_settled());
    assert_eq!(asking.deadline(), Some(now + ms(10)));
    asking.handle(Event::Received { from: server(1), datagram: &reply }, now + ms(6));
    let fact =
        Fact::Answered { server: server(1), after: ms(6), epoch: 3, is_stale: false, late: false };
    assert_eq!(drain(&mut asking), [Output::Noted(fact)], "no second end");
    assert!(asking.is_settled());
}

#[test]
fn a_silent_server_is_replaced_and_its_late_answer_is_still_taken() {
    let now = Instant::now();
    let mut asking = Asking::new(
        Plan { times: Times { hedge_after: None, ..plan(vec![]).times }, ..plan(links(1)) },
        now,
    );
    drain(&mut asking);
    asking.handle(Event::Timer, now + ms(10));
    let timed_out = Output::Noted(Fact::TimedOut(server(1)));
    assert_eq!(drain(&mut asking), [timed_out, Output::Want(Want::Another(server(1)))]);
    asking.handle(Event::Ask(at(2)), now + ms(10));
    assert_eq!(sent(&drain(&mut asking)), [(server(2), Sending::Another, 5)]);
    let reply = answer(vec![None]);
    asking.handle(Event::Received { from: server(1), datagram: &reply }, now + ms(12));
    let fact =
        Fact::Answered { server: server(1), after: ms(12), epoch: 3, is_stale: false, late: true };
    let outputs = drain(&mut asking);
    assert_eq!(outputs[0], Output::Noted(fact));
    assert!(matches!(outputs[1], Output::Finished(Outcome::Answered { .. })));
}

#[test]
fn the_budget_ends_everything_and_gives_every_flight_back() {
    let now = Instant::now();
    let probing = Plan { probe: Some(at(2)), ..plan(links(1)) };
    let mut asking = Asking::new(probing, now);
    assert_eq!(sent(&drain(&mut asking)).len(), 2);
    asking.handle(Event::Timer, now + ms(50));
    let outputs = drain(&mut asking);
    assert_eq!(
        outputs,
        [
            Output::Noted(Fact::TimedOut(server(1))),
            Output::Noted(Fact::TimedOut(server(2))),
            Output::Finished(Outcome::Unanswered),
        ]
    );
    asking.handle(Event::Ask(at(3)), now + ms(51));
    assert_eq!(drain(&mut asking), []);
}

#[test]
fn refusals_end_the_question_at_once_when_there_is_nobody_else() {
    let now = Instant::now();
    let mut asking = Asking::new(plan(links(1)), now);
    drain(&mut asking);
    asking.handle(Event::Refused(server(1)), now);
    let refused = Output::Noted(Fact::Refused(server(1)));
    assert_eq!(drain(&mut asking), [refused, Output::Want(Want::Another(server(1)))]);
    asking.handle(Event::Nobody, now);
    assert_eq!(drain(&mut asking), [Output::Finished(Outcome::Unanswered)]);
}

#[test]
fn six_flights_and_no_seventh() {
    let now = Instant::now();
    let mut asking = Asking::new(plan(links(1)), now);
    for number in 2..=FLIGHTS_MAX as u8 {
        asking.handle(Event::Ask(at(number)), now);
    }
    assert_eq!(sent(&drain(&mut asking)).len(), FLIGHTS_MAX);
    asking.handle(Event::Ask(at(100)), now);
    assert_eq!(sent(&drain(&mut asking)), []);
}

#[test]
fn a_flood_of_datagrams_is_looked_at_so_far_and_no_further() {
    let now = Instant::now();
    let mut asking = Asking::new(plan(links(1)), now);
    drain(&mut asking);
    for _ in 0..DATAGRAMS_SEEN_MAX + 1 {
        asking.handle(Event::Received { from: server(1), datagram: b"?" }, now);
    }
    assert_eq!(drain(&mut asking).len(), DATAGRAMS_SEEN_MAX);
}

#[test]
fn what_does_not_fit_is_left_out_from_the_end_of_the_order_and_counted() {
    let now = Instant::now();
    for (count, left_out) in
        [(SIGNATURES_MAX, 0), (SIGNATURES_MAX + 1, 1), (200, 200 - SIGNATURES_MAX)]
    {
        let mut asking = Asking::new(plan(links(count)), now);
        let outputs = drain(&mut asking);
        let fact = Output::Noted(Fact::LeftOut(left_out));
        assert_eq!(outputs.contains(&fact), left_out > 0, "{count}");
        let asked = SIGNATURES_MAX.min(count);
        let reply = answer(vec![listing(9); asked]);
        asking.handle(Event::Received { from: server(1), datagram: &reply }, now);
        let outputs = drain(&mut asking);
        let Some(Output::Finished(Outcome::Answered { listings, .. })) = outputs.last() else {
            panic!("{outputs:?}")
        };
        assert_eq!((listings.len(), listings.iter().flatten().count()), (count, asked));
    }
}

#[test]
fn a_mail_without_signatures_asks_nobody() {
    let mut asking = Asking::new(plan(vec![]), Instant::now());
    assert_eq!(drain(&mut asking), [Output::Finished(Outcome::NothingToAsk)]);
    assert!(asking.is_settled());
}

#[test]
fn a_server_that_was_asked_twice_is_not_praised_for_its_first_answer() {
    let now = Instant::now();
    let mut asking = Asking::new(plan(links(1)), now);
    asking.handle(Event::Timer, now + ms(10));
    asking.handle(Event::Ask(at(1)), now + ms(10));
    drain(&mut asking);
    let reply = answer(vec![None]);
    asking.handle(Event::Received { from: server(1), datagram: &reply }, now + ms(11));
    let fact =
        Fact::Answered { server: server(1), after: ms(11), epoch: 3, is_stale: false, late: false };
    assert_eq!(drain(&mut asking)[0], Output::Noted(fact));
}

#[test]
fn with_nobody_to_race_the_hedge_wakes_nobody_up() {
    let now = Instant::now();
    // Silence is given up before a hedge is due, and nobody else is named.
    let times = Times { hedge_after: Some(ms(20)), answer_within: ms(10), budget: ms(50) };
    let mut asking = Asking::new(Plan { times, ..plan(links(1)) }, now);
    asking.handle(Event::Timer, now + ms(10));
    asking.handle(Event::Nobody, now + ms(10));
    asking.handle(Event::Timer, now + ms(20));
    assert_eq!(asking.deadline(), Some(now + ms(50)), "a deadline in the past would spin");
}

/// Questions go out under a seal or in clear, never one in the other's place.
#[test]
fn a_server_without_a_seal_is_not_asked_what_was_meant_for_sealed_ones_nor_the_other_way_round() {
    let now = Instant::now();
    let shared = format!("{:016x} {:062x}ab", 1, 1);
    let mut seals = Client::new(Key::parse(&shared).unwrap(), [1; 32]);
    let mut asking = Asking::new(plan(links(1)), now);
    drain(&mut asking);
    asking.handle(Event::Ask(seals.equip(at(2), now)), now);
    assert_eq!(drain(&mut asking), []);

    let sealed = Plan { first: seals.equip(at(1), now), ..plan(links(1)) };
    let mut asking = Asking::new(sealed, now);
    let outputs = drain(&mut asking);
    assert!(matches!(&outputs[..], [Output::Send { sending: Sending::First, datagram, .. }]
        if Hello::decode(datagram).is_ok()));
    asking.handle(Event::Ask(at(2)), now);
    assert_eq!(drain(&mut asking), []);
    // Refused by the only server, and offered one in clear: the end, at once.
    asking.handle(Event::Refused(server(1)), now);
    drain(&mut asking);
    asking.handle(Event::Ask(at(2)), now);
    assert_eq!(drain(&mut asking), [Output::Finished(Outcome::Unanswered)]);
}

#[test]
fn a_sealed_question_leaves_room_for_its_seal() {
    let now = Instant::now();
    let shared = format!("{:016x} {:062x}ab", 1, 1);
    let mut seals = Client::new(Key::parse(&shared).unwrap(), [1; 32]);
    // 24 + 71 * 17 = 1231 bytes would fit in clear, were 64 items not the end; texts show it.
    let text = |n: u8| Item {
        signature: naming::text(&PartDigest([n; 32])),
        sketch: Some(Sketch([3; 32])),
    };
    let items: Vec<Item> = (0..14).map(text).chain(links(4)).collect();
    for (first, left_out) in [(at(1), 0), (seals.equip(at(1), now), 2)] {
        let mut asking = Asking::new(Plan { first, ..plan(items.clone()) }, now);
        let noted = drain(&mut asking).contains(&Output::Noted(Fact::LeftOut(left_out)));
        assert_eq!(noted, left_out > 0, "{left_out}");
    }
}

/// To whom the question went, and whether that server is asked to count it.
fn counting(outputs: &[Output]) -> Vec<(SocketAddr, bool)> {
    let of = |output: &Output| match output {
        Output::Send { server, datagram, .. } => {
            Some((*server, Question::decode(datagram).unwrap().is_sighting))
        }
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

fn seen(first: Server) -> Plan {
    Plan { is_sighting: true, first, ..plan(links(1)) }
}

#[test]
fn one_mail_is_one_sighting_however_many_servers_are_raced_for_it() {
    let now = Instant::now();
    let mut asking = Asking::new(Plan { probe: Some(at(9)), ..seen(at(1)) }, now);
    assert_eq!(counting(&drain(&mut asking)), [(server(1), true), (server(9), false)]);
    asking.handle(Event::Timer, now + ms(3));
    asking.handle(Event::Ask(at(2)), now + ms(3));
    assert_eq!(counting(&drain(&mut asking)), [(server(2), false)], "a hedge");
    // Silent servers may have counted all the same.
    asking.handle(Event::Timer, now + ms(13));
    asking.handle(Event::Ask(at(3)), now + ms(13));
    asking.handle(Event::Ask(at(1)), now + ms(13));
    assert_eq!(counting(&drain(&mut asking)), [(server(3), false), (server(1), false)]);
}

#[test]
fn a_sighting_goes_on_to_the_next_server_where_the_first_one_cannot_have_counted() {
    let now = Instant::now();
    let mut asking = Asking::new(seen(at(1)), now);
    assert_eq!(counting(&drain(&mut asking)), [(server(1), true)]);
    asking.handle(Event::Refused(server(1)), now + ms(1));
    asking.handle(Event::Ask(at(2)), now + ms(1));
    assert_eq!(counting(&drain(&mut asking)), [(server(2), true)], "nobody listened at the first");
    // Without a cookie the first datagram is never counted: whoever is shown proof first is asked to.
    let unknown = Server { cookie: 0, ..at(1) };
    let mut asking = Asking::new(seen(unknown), now);
    drain(&mut asking);
    asking.handle(Event::Timer, now + ms(3));
    asking.handle(Event::Ask(at(2)), now + ms(3));
    assert_eq!(counting(&drain(&mut asking)), [(server(2), true)]);
    let challenge = Challenge { id: ID, cookie: 99 }.encode();
    asking.handle(Event::Received { from: server(1), datagram: &challenge }, now + ms(4));
    assert_eq!(counting(&drain(&mut asking)), [(server(1), false)]);
    // And a server that says that it did not answer is asked again.
    let mut asking = Asking::new(seen(at(1)), now);
    drain(&mut asking);
    asking.handle(Event::Received { from: server(1), datagram: &challenge }, now + ms(1));
    assert_eq!(counting(&drain(&mut asking)), [(server(1), true)]);
}

#[test]
fn a_server_that_keeps_other_values_has_not_answered_and_nobody_waits_for_it() {
    let now = Instant::now();
    let mut asking = Asking::new(plan(links(1)), now);
    drain(&mut asking);
    let listings = vec![None];
    let elsewhere = Answer {
        id: ID,
        epoch: 3,
        fresh_cookie: None,
        is_stale: false,
        is_elsewhere: true,
        listings,
    };
    let datagram = elsewhere.encode();
    asking.handle(Event::Received { from: server(1), datagram: &datagram }, now + ms(1));
    let outputs = drain(&mut asking);
    assert!(outputs.contains(&Output::Noted(Fact::Elsewhere { server: server(1) })));
    assert_eq!(outputs.last(), Some(&Output::Finished(Outcome::Unanswered)));
    // While another is raced, that one may know.
    let mut asking = Asking::new(Plan { probe: Some(at(2)), ..plan(links(1)) }, now);
    drain(&mut asking);
    asking.handle(Event::Received { from: server(1), datagram: &datagram }, now + ms(1));
    assert!(!drain(&mut asking).iter().any(|output| matches!(output, Output::Finished(_))));
    let reply = answer(vec![listing(9)]);
    asking.handle(Event::Received { from: server(2), datagram: &reply }, now + ms(2));
    let outputs = drain(&mut asking);
    let Some(Output::Finished(Outcome::Answered { server: by, .. })) = outputs.last() else {
        panic!("{outputs:?}");
    };
    assert_eq!(*by, server(2));
}
