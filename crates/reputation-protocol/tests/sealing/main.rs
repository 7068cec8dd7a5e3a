//! Sealed questions: server against client, and both against whoever stands between and beside them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may fail loudly and read the clock once"
)]

mod attacks;
mod flood;
mod limits;
mod world;

use std::time::Duration;

use tamis_domain::digest::{PartDigest, Sketch};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::answering::{Action, Answering, COOKIE_SLOT, Limits, Silence};
use tamis_reputation_protocol::asking::{Asking, Disbelief, Event, Fact, Outcome};
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::{Item, KeyId, Question, SealedHead, Shape};
use tamis_reputation_protocol::seal::{
    Client, Fault, OPENING_LIFE, RENEW_AFTER, SESSION_LIFE, SILENCES_MAX, Seal, Settings,
};

use world::*;

#[test]
fn the_first_question_costs_two_round_trips_more_and_the_next_ones_none() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    let (sent, outcome) = world.ask(&mut client, &[link("bad.example/offer")]);
    assert_eq!(shapes(&sent), [Shape::Hello, Shape::Hello, Shape::Sealed]);
    assert_eq!(class(&outcome), Some(Class::Phishing));
    for _ in 0..3 {
        let (sent, outcome) = world.ask(&mut client, &[link("good.example")]);
        assert_eq!(shapes(&sent), [Shape::Sealed]);
        assert_eq!(class(&outcome), None);
    }
    let work = world.work();
    assert_eq!((work.macs, work.handshakes, work.opened), (1, 1, 4));
}

#[test]
fn with_a_cookie_at_hand_the_handshake_is_one_round_trip() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    world.ask(&mut client, &[link("x.example")]);
    client.seals = Client::new(key(1), [77; 32]);
    let (sent, _) = world.ask(&mut client, &[link("x.example")]);
    assert_eq!(shapes(&sent), [Shape::Hello, Shape::Sealed]);
}

#[test]
fn what_is_asked_and_answered_cannot_be_read_in_the_datagrams() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    let item =
        Item { sketch: Some(Sketch([0xabcd; 32])), signature: naming::text(&PartDigest([1; 32])) };
    let (sent, _) = world.ask(&mut client, &[item]);
    let value = item.signature.value;
    for datagram in &sent {
        assert!(!datagram.windows(value.len()).any(|window| window == value));
        assert!(!datagram.windows(4).any(|window| window == [0xab, 0xcd, 0xab, 0xcd]));
    }
}

#[test]
fn the_server_tells_the_client_of_a_question_its_sighting_and_its_staleness() {
    let (mut world, mut client) = (World::new(), Site::new(5, HOME));
    world.is_stale = true;
    let datagram = world.sealed_question(&mut client);
    let (action, out) = world.hear(&datagram, HOME);
    let Action::Answer(answered) = action else { panic!("{action:?}") };
    assert_eq!(answered.client, Some(KeyId(5_u64.to_be_bytes())));
    assert_eq!((answered.items, answered.listed()), (1, 1));
    assert!(world.answering.question().is_sighting);
    assert_eq!(world.answering.question().items, [link("bad.example/offer")]);
    // The counters run on: the answer is of another question than this one, and so is its seal.
    let mut asking = client.asking(&[link("bad.example/offer")], world.now);
    while !matches!(client.next(&mut asking, world.now), Step::Idle) {}
    asking.handle(Event::Received { from: address(SERVER), datagram: &out }, world.now);
    let Step::Noted(Fact::Ignored { why, .. }) = client.next(&mut asking, world.now) else {
        panic!("an old answer was taken");
    };
    assert_eq!(why, Disbelief::Id);
    let mut asking = client.asking(&[link("bad.example/offer")], world.now);
    let Step::Sent(datagram, _) = client.next(&mut asking, world.now) else { panic!() };
    let (_, out) = world.hear(&datagram, HOME);
    asking.handle(Event::Received { from: address(SERVER), datagram: &out }, world.now);
    let Step::Noted(Fact::Answered { is_stale, .. }) = client.next(&mut asking, world.now) else {
        panic!("not answered");
    };
    assert!(is_stale);
}

#[test]
fn a_session_ends_after_an_hour_on_both_sides_and_is_renewed_within_a_question() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    let question = world.sealed_question(&mut client);
    world.pass(RENEW_AFTER - Duration::from_secs(1));
    assert_eq!(shapes(&world.ask(&mut client, &[link("x.example")]).0), [Shape::Sealed]);
    world.pass(Duration::from_secs(1));
    let sent = shapes(&world.ask(&mut client, &[link("x.example")]).0);
    assert_eq!(sent, [Shape::Sealed, Shape::Hello], "renewed a minute before the end");
    assert_eq!(shapes(&world.ask(&mut client, &[link("x.example")]).0), [Shape::Sealed]);
    world.now = world.start + SESSION_LIFE - Duration::from_millis(1);
    assert!(matches!(world.hear(&question, HOME).0, Action::Answer(_)), "the old one still lives");
    let mut other = Site::new(2, HOME);
    let question = world.sealed_question(&mut other);
    world.pass(SESSION_LIFE);
    assert_eq!(world.hear(&question, HOME).0, Action::Challenge, "and then is not known");
    assert_eq!(world.answering.seal().unwrap().sessions(world.now), 0);
}

#[test]
fn a_restarted_server_is_known_again_within_one_question() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    world.ask(&mut client, &[link("x.example")]);
    let mut world = World::new();
    let (sent, outcome) = world.ask(&mut client, &[link("bad.example/offer")]);
    assert_eq!(shapes(&sent), [Shape::Sealed, Shape::Hello, Shape::Sealed]);
    assert_eq!(class(&outcome), Some(Class::Phishing));
    assert_eq!(shapes(&world.ask(&mut client, &[link("x.example")]).0), [Shape::Sealed]);
}

#[test]
fn a_client_that_moved_makes_a_new_session_after_some_silences() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    world.ask(&mut client, &[link("x.example")]);
    client.source = ELSEWHERE;
    for silence in 0..SILENCES_MAX {
        let (sent, outcome) = world.ask(&mut client, &[link("x.example")]);
        assert_eq!(
            (shapes(&sent), outcome),
            (vec![Shape::Sealed], Outcome::Unanswered),
            "{silence}"
        );
    }
    let (sent, outcome) = world.ask(&mut client, &[link("x.example")]);
    assert!(matches!(outcome, Outcome::Answered { .. }));
    assert_eq!(shapes(&sent), [Shape::Sealed, Shape::Hello, Shape::Hello, Shape::Sealed]);
}

#[test]
fn a_burst_of_questions_makes_one_session() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    let mut askings: Vec<Asking> =
        (0..200).map(|_| client.asking(&[link("bad.example/offer")], world.now)).collect();
    let mut finished = 0;
    while finished < askings.len() {
        for asking in &mut askings {
            match client.next(asking, world.now) {
                Step::Sent(datagram, _) => {
                    let (_, out) = world.hear(&datagram, HOME);
                    let received = Event::Received { from: address(SERVER), datagram: &out };
                    asking.handle(received, world.now);
                }
                Step::Finished(outcome) => {
                    assert_eq!(class(&outcome), Some(Class::Phishing));
                    finished += 1;
                }
                Step::Noted(_) | Step::Idle => {}
            }
        }
    }
    assert_eq!(world.work().handshakes, 1);
    world.pass(OPENING_LIFE);
    assert_eq!(shapes(&world.ask(&mut client, &[link("x.example")]).0), [Shape::Sealed]);
}

#[test]
fn where_a_seal_is_required_questions_in_clear_get_silence_and_elsewhere_answers() {
    let clear = Question {
        id: 7,
        cookie: 0,
        trace: None,
        is_sighting: false,
        items: vec![link("x.example")],
    };
    let mut open = World::new();
    assert_eq!(open.hear(&clear.encode(), HOME).0, Action::Challenge);
    let mut strict =
        World::with(Settings { require_seal: true, ..Settings::default() }, Limits::default());
    let unsealed = Action::Silent(Silence::Seal(Fault::Unsealed));
    assert_eq!(strict.hear(&clear.encode(), HOME).0, unsealed);
    let mut client = Site::new(1, HOME);
    assert!(matches!(strict.ask(&mut client, &[link("x.example")]).1, Outcome::Answered { .. }));
    // And without keys nothing sealed is understood.
    let question = strict.sealed_question(&mut client);
    strict.answering = Answering::new([9; 32], Limits::default(), strict.start);
    let off = Action::Silent(Silence::Seal(Fault::Off));
    assert_eq!(strict.hear(&question, HOME).0, off);
    let mut stranger = Site::new(2, HOME);
    assert_eq!(strict.ask(&mut stranger, &[link("x.example")]).1, Outcome::Unanswered);
}

#[test]
fn cookies_and_sessions_outlive_each_other() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    world.ask(&mut client, &[link("x.example")]);
    // The cookie is long dead: a session needs none.
    world.pass(3 * COOKIE_SLOT);
    assert_eq!(shapes(&world.ask(&mut client, &[link("x.example")]).0), [Shape::Sealed]);
    world.pass(RENEW_AFTER);
    let (sent, _) = world.ask(&mut client, &[link("x.example")]);
    assert_eq!(shapes(&sent), [Shape::Hello, Shape::Hello, Shape::Sealed]);
    let (head, _) = SealedHead::question(&sent[2]).unwrap();
    assert_eq!(head.counter, 0);
}

#[test]
fn without_a_key_everything_is_asked_in_clear() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    client.seals = Client::default();
    let server = client.seals.equip(client.cookies.of(address(SERVER)), world.now);
    assert!(matches!(server.seal, Seal::Off));
    let (sent, outcome) = world.ask(&mut client, &[link("bad.example/offer")]);
    assert_eq!(shapes(&sent), [Shape::Open, Shape::Open]);
    assert_eq!(class(&outcome), Some(Class::Phishing));
}
