//! Sealed clients while a flood with forged sources takes every challenge that strangers may have.

use std::time::Duration;

use tamis_reputation_protocol::answering::{
    Action, CHALLENGES_PER_SECOND_MAX, Limits, PROVEN_CHALLENGES, PROVEN_LIFE, Silence,
};
use tamis_reputation_protocol::asking::{Event, Fact, Outcome};
use tamis_reputation_protocol::packet::{HELLO_BYTES, Hello, Question, Shape};
use tamis_reputation_protocol::seal::{Fault, HELLO_PACE, RENEW_AFTER, SESSION_LIFE, Settings};

use crate::world::*;

const LIMITED: Action = Action::Silent(Silence::Limited);

/// Datagrams without proof, each from another forged source, until no stranger is challenged any more.
fn flood(world: &mut World, random: &mut u32) {
    let items = vec![link("x.example")];
    let bytes = Question { id: 9, cookie: 0, trace: None, is_sighting: false, items }.encode();
    let mut limited = 0;
    for _ in 0..2 * CHALLENGES_PER_SECOND_MAX {
        *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let source =
            format!("10.{}.{}.{}:53", *random >> 24, *random >> 16 & 255, *random >> 8 & 255);
        limited += u32::from(world.hear(&bytes, &source).0 == LIMITED);
        if limited == 64 {
            return;
        }
    }
    panic!("the flood was answered all the time");
}

fn is_answered(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answered { .. })
}

#[test]
fn sealed_clients_are_answered_without_a_gap_while_a_flood_takes_all_challenges() {
    let mut world = World::with(Settings::default(), Limits::default());
    let homes = ["192.0.2.1:5000", "192.0.2.2:5000", "[2001:db8::3]:5000"];
    let mut sites: Vec<_> =
        (1..).zip(homes).map(|(number, home)| Site::new(number, home)).collect();
    for site in &mut sites {
        assert!(is_answered(&world.ask(site, &[link("x.example")]).1), "before the flood");
    }
    let mut random = 7;
    world.pass(RENEW_AFTER - Duration::from_secs(15));
    for second in (0..140).step_by(10) {
        world.pass(Duration::from_secs(10));
        flood(&mut world, &mut random);
        for (number, site) in sites.iter_mut().enumerate() {
            let (sent, outcome) = world.ask(site, &[link("bad.example/offer")]);
            assert!(is_answered(&outcome), "client {number} after {second} s: {sent:?}");
            assert!(sent.len() <= 2 && Shape::of(&sent[0]) == Shape::Sealed, "{sent:?}");
        }
    }
    assert_eq!(world.work().handshakes, 6, "one more for each");
}

#[test]
fn who_has_proven_himself_lately_gets_a_new_proof_beside_the_flood_and_a_stranger_does_not() {
    let mut world = World::with(Settings::default(), Limits::default());
    let (mut seldom, mut stranger) = (Site::new(1, HOME), Site::new(2, ELSEWHERE));
    world.ask(&mut seldom, &[link("x.example")]);
    let mut random = 8;
    for pause in [SESSION_LIFE + Duration::from_secs(1), PROVEN_LIFE - Duration::from_secs(1)] {
        world.pass(pause);
        flood(&mut world, &mut random);
        let (sent, outcome) = world.ask(&mut seldom, &[link("x.example")]);
        assert_eq!(shapes(&sent), [Shape::Hello, Shape::Hello, Shape::Sealed]);
        assert!(is_answered(&outcome));
        flood(&mut world, &mut random);
        assert_eq!(world.ask(&mut stranger, &[link("x.example")]).1, Outcome::Unanswered);
    }
    world.pass(PROVEN_LIFE);
    flood(&mut world, &mut random);
    assert_eq!(world.ask(&mut seldom, &[link("x.example")]).1, Outcome::Unanswered);
}

/// A question in clear without proof.
fn unproven() -> Vec<u8> {
    let items = vec![link("x.example")];
    Question { id: 9, cookie: 0, trace: None, is_sighting: false, items }.encode()
}

#[test]
fn a_proven_source_has_its_own_limit_of_challenges_at_n_and_not_n_plus_1() {
    let mut world = World::with(Settings::default(), Limits::default());
    world.ask(&mut Site::new(1, HOME), &[link("x.example")]);
    world.ask(&mut Site::new(2, ELSEWHERE), &[link("x.example")]);
    flood(&mut world, &mut 9);
    for number in 0..PROVEN_CHALLENGES.burst {
        assert_eq!(world.hear(&unproven(), HOME).0, Action::Challenge, "{number}");
    }
    assert_eq!(world.hear(&unproven(), HOME).0, LIMITED, "n + 1, forged or not");
    assert_eq!(world.hear(&unproven(), ELSEWHERE).0, Action::Challenge, "another's is its own");
    world.pass(Duration::from_millis(1000 / u64::from(PROVEN_CHALLENGES.per_second)));
    flood(&mut world, &mut 10);
    assert_eq!(world.hear(&unproven(), HOME).0, Action::Challenge);
    assert_eq!(world.hear(&unproven(), HOME).0, LIMITED);
}

#[test]
fn all_proven_sources_together_have_a_limit_beside_that_of_strangers() {
    let mut world = World::with(Settings::default(), Limits::default());
    let sources = CHALLENGES_PER_SECOND_MAX / PROVEN_CHALLENGES.burst + 1;
    let sources: Vec<&'static str> = (0..sources)
        .map(|number| -> &'static str {
            Box::leak(format!("192.0.{}.{}:5000", number >> 8, number & 255).into_boxed_str())
        })
        .collect();
    for source in &sources {
        assert!(is_answered(&world.ask(&mut Site::new(1, source), &[link("x.example")]).1));
    }
    flood(&mut world, &mut 11);
    let mut challenged = 0;
    for source in &sources {
        for _ in 0..PROVEN_CHALLENGES.burst {
            challenged += u32::from(world.hear(&unproven(), source).0 == Action::Challenge);
        }
    }
    assert_eq!(challenged, CHALLENGES_PER_SECOND_MAX, "n and not n + 1");
    world.pass(Duration::from_secs(1));
    for number in 0..CHALLENGES_PER_SECOND_MAX {
        let source = format!("11.{}.{}.{}:53", number >> 16, number >> 8 & 255, number & 255);
        assert_eq!(world.hear(&unproven(), &source).0, Action::Challenge, "{number}");
    }
}

/// A client whose session is to be renewed, and the hello that goes beside its question.
fn renewing(world: &mut World) -> (Site, Vec<u8>) {
    let mut client = Site::new(1, HOME);
    world.ask(&mut client, &[link("x.example")]);
    world.pass(RENEW_AFTER);
    let mut asking = client.asking(&[link("x.example")], world.now);
    let Step::Sent(question, _) = client.next(&mut asking, world.now) else { panic!() };
    let Step::Sent(hello, _) = client.next(&mut asking, world.now) else { panic!() };
    assert_eq!((Shape::of(&question), Shape::of(&hello)), (Shape::Sealed, Shape::Hello));
    (client, hello)
}

#[test]
fn a_session_in_force_proves_its_own_address_and_client_and_nobody_elses() {
    let mut world = World::new();
    let (_client, hello) = renewing(&mut world);
    assert_eq!(hello.len(), HELLO_BYTES);
    assert_eq!(world.hear(&hello, ELSEWHERE).0, Action::Challenge, "another address");
    let mut of_other = hello.clone();
    of_other[24..32].copy_from_slice(&2_u64.to_be_bytes());
    assert_eq!(world.hear(&of_other, HOME).0, Action::Challenge, "another client's key");
    for bit in 0..64 {
        let mut other_session = hello.clone();
        other_session[12 + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(world.hear(&other_session, HOME).0, Action::Challenge, "bit {bit}");
    }
    assert_eq!(world.work().macs, 1, "no key was used for any of them");
    let mut forged = hello.clone();
    forged[79] ^= 1;
    assert_eq!(world.hear(&forged, HOME).0, Action::Silent(Silence::Seal(Fault::Mac)));
    assert_eq!(world.hear(&hello, HOME).0, Action::Session);
    world.pass(SESSION_LIFE);
    assert_eq!(world.hear(&hello, HOME).0, Action::Challenge, "it has ended");
}

#[test]
fn the_old_session_serves_until_the_new_one_is_learned_and_hellos_keep_their_pace() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    world.ask(&mut client, &[link("x.example")]);
    world.pass(RENEW_AFTER);
    let (mut hellos, mut answers) = (0, 0);
    for _ in 0..500 {
        // Every session is lost on its way, no answer is.
        let mut asking = client.asking(&[link("bad.example/offer")], world.now);
        loop {
            match client.next(&mut asking, world.now) {
                Step::Sent(datagram, _) if Shape::of(&datagram) == Shape::Hello => {
                    assert_ne!(Hello::decode(&datagram).unwrap().cookie, 0);
                    assert_eq!(world.hear(&datagram, HOME).0, Action::Session);
                    hellos += 1;
                }
                Step::Sent(datagram, _) => {
                    let (_, out) = world.hear(&datagram, HOME);
                    let received = Event::Received { from: address(SERVER), datagram: &out };
                    asking.handle(received, world.now);
                }
                Step::Finished(outcome) => answers += u32::from(is_answered(&outcome)),
                Step::Noted(_) => {}
                Step::Idle => break,
            }
        }
        world.pass(HELLO_PACE / 10);
    }
    assert_eq!((answers, hellos), (500, 50));
    assert_eq!(client.seals.sessions(), 1);
}

#[test]
fn an_asking_waits_for_the_session_that_it_renews_and_not_beyond_its_budget() {
    for is_lost in [false, true] {
        let (mut world, mut client) = (World::new(), Site::new(1, HOME));
        world.ask(&mut client, &[link("x.example")]);
        world.pass(RENEW_AFTER);
        let mut asking = client.asking(&[link("x.example")], world.now);
        let Step::Sent(question, _) = client.next(&mut asking, world.now) else { panic!() };
        let Step::Sent(hello, _) = client.next(&mut asking, world.now) else { panic!() };
        let (_, answer) = world.hear(&question, HOME);
        let (_, session) = world.hear(&hello, HOME);
        asking.handle(Event::Received { from: address(SERVER), datagram: &answer }, world.now);
        while !matches!(client.next(&mut asking, world.now), Step::Idle) {}
        assert!(!asking.is_settled(), "answered, and the session is still on its way");
        if is_lost {
            let end = asking.deadline().expect("something is waited for");
            asking.handle(Event::Timer, end);
        } else {
            let received = Event::Received { from: address(SERVER), datagram: &session };
            asking.handle(received, world.now);
            assert!(matches!(
                client.next(&mut asking, world.now),
                Step::Noted(Fact::Session { .. })
            ));
        }
        assert!(asking.is_settled(), "lost: {is_lost}");
        world.pass(Duration::from_secs(10));
        let (sent, _) = world.ask(&mut client, &[link("x.example")]);
        assert_eq!(sent.len(), if is_lost { 2 } else { 1 });
    }
}
