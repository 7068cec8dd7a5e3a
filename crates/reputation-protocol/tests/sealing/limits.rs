//! Rates and tables at n and n + 1.

use std::time::Duration;

use tamis_reputation_protocol::answering::{Action, Limits, PROVEN_CHALLENGES, Rate, Silence};
use tamis_reputation_protocol::asking::Event;
use tamis_reputation_protocol::packet::{Challenge, Hello, Reply};
use tamis_reputation_protocol::seal::{
    Client, Fault, PER_CLIENT_MAX, SESSION_LIFE, SESSIONS_MAX, Settings,
};

use crate::world::*;

/// A hello of a new ephemeral key, with a cookie, as one more process of a client says it.
fn fresh_hello(world: &mut World, client: usize, process: u64) -> Vec<u8> {
    let mut seed = [client as u8; 32];
    seed[..8].copy_from_slice(&process.to_be_bytes());
    let mut site = Site { seals: Client::new(key(client), seed), ..Site::new(client, HOME) };
    let mut asking = site.asking(&[link("x.example")], world.now);
    let Step::Sent(hello, _) = site.next(&mut asking, world.now) else { panic!() };
    let (action, challenge) = world.hear(&hello, HOME);
    assert_eq!(action, Action::Challenge);
    let Ok(Reply::Challenge(Challenge { cookie, .. })) = Reply::decode(&challenge) else {
        panic!()
    };
    asking.handle(Event::Received { from: address(SERVER), datagram: &challenge }, world.now);
    site.next(&mut asking, world.now);
    let Step::Sent(hello, _) = site.next(&mut asking, world.now) else { panic!() };
    assert_eq!(Hello::decode(&hello).unwrap().cookie, cookie);
    hello
}

#[test]
fn handshakes_have_a_rate_for_each_client_and_for_all() {
    let settings = Settings {
        require_seal: false,
        handshakes_per_client: Rate { per_second: 10, burst: 3 },
        handshakes: Rate { per_second: 100, burst: 5 },
    };
    let mut world = World::with(settings, Limits::default());
    let busy = Action::Silent(Silence::Seal(Fault::Busy));
    for process in 0..3 {
        let hello = fresh_hello(&mut world, 1, process);
        assert_eq!(world.hear(&hello, HOME).0, Action::Session, "n of one client");
    }
    let hello = fresh_hello(&mut world, 1, 3);
    assert_eq!(world.hear(&hello, HOME).0, busy, "n + 1 of one client");
    for process in 0..2 {
        let hello = fresh_hello(&mut world, 2, process);
        assert_eq!(world.hear(&hello, HOME).0, Action::Session, "n of all");
    }
    let hello = fresh_hello(&mut world, 3, 0);
    assert_eq!(world.hear(&hello, HOME).0, busy, "n + 1 of all");
    world.pass(Duration::from_millis(100));
    assert_eq!(world.hear(&hello, HOME).0, Action::Session);
    assert_eq!(world.work().handshakes, 6);
}

#[test]
fn a_client_has_its_share_of_sessions_and_replaces_its_own_idlest() {
    let unlimited = Limits { answers: NO_LIMIT, challenges: NO_LIMIT };
    let settings =
        Settings { handshakes_per_client: NO_LIMIT, handshakes: NO_LIMIT, ..Settings::default() };
    let mut world = World::with(settings, unlimited);
    let mut neighbour = Site::new(2, HOME);
    let of_neighbour = world.sealed_question(&mut neighbour);
    let sessions = |world: &World| world.answering.seal().unwrap().sessions(world.now);
    for process in 0..PER_CLIENT_MAX as u64 {
        world.pass(Duration::from_millis(1));
        let hello = fresh_hello(&mut world, 1, process);
        assert_eq!(world.hear(&hello, HOME).0, Action::Session);
    }
    assert_eq!((sessions(&world), world.work().replaced), (1 + PER_CLIENT_MAX, 0));
    let hello = fresh_hello(&mut world, 1, PER_CLIENT_MAX as u64);
    assert_eq!(world.hear(&hello, HOME).0, Action::Session);
    assert_eq!((sessions(&world), world.work().replaced), (1 + PER_CLIENT_MAX, 1));
    assert!(matches!(world.hear(&of_neighbour, HOME).0, Action::Answer(_)), "the idlest of all");
}

#[test]
fn the_table_holds_so_many_sessions_and_replaces_the_idlest() {
    let unlimited = Limits { answers: NO_LIMIT, challenges: NO_LIMIT };
    let settings =
        Settings { handshakes_per_client: NO_LIMIT, handshakes: NO_LIMIT, ..Settings::default() };
    let mut world = World::with(settings, unlimited);
    let mut idle = Site::new(20, HOME);
    let of_idle = world.sealed_question(&mut idle);
    let mut busy = Site::new(19, HOME);
    let first_of_busy = world.sealed_question(&mut busy);
    for number in 0..SESSIONS_MAX - 2 {
        world.pass(Duration::from_millis(1));
        let hello = fresh_hello(&mut world, 1 + number % 16, number as u64);
        assert_eq!(world.hear(&hello, HOME).0, Action::Session);
    }
    let sessions = |world: &World| world.answering.seal().unwrap().sessions(world.now);
    assert_eq!((sessions(&world), world.work().replaced), (SESSIONS_MAX, 0));
    assert!(matches!(world.hear(&first_of_busy, HOME).0, Action::Answer(_)), "used: not idle");
    let hello = fresh_hello(&mut world, 18, 1);
    assert_eq!(world.hear(&hello, HOME).0, Action::Session);
    assert_eq!((sessions(&world), world.work().replaced), (SESSIONS_MAX, 1));
    assert_eq!(world.hear(&of_idle, HOME).0, Action::Challenge, "its place is another's now");
    // Ended sessions give their places away before anybody is replaced.
    world.pass(SESSION_LIFE);
    let hello = fresh_hello(&mut world, 18, 2);
    assert_eq!(world.hear(&hello, HOME).0, Action::Session);
    assert_eq!((sessions(&world), world.work().replaced), (1, 1));
}

#[test]
fn a_flood_under_the_address_of_a_client_does_not_use_up_its_answers() {
    let limits = Limits {
        answers: Rate { per_second: 1000, burst: 50 },
        challenges: Rate { per_second: 1, burst: 2 },
    };
    let mut world = World::with(Settings::default(), limits);
    let mut client = Site::new(1, HOME);
    let question = world.sealed_question(&mut client);
    let mut forged = question.clone();
    for number in 0..1000_u64 {
        forged[24..32].copy_from_slice(&(number + 5).to_be_bytes());
        assert_eq!(world.hear(&forged, HOME).0, Action::Silent(Silence::Seal(Fault::Tag)));
        forged[12..20].copy_from_slice(&(number | 1 << 63).to_be_bytes());
        let action = world.hear(&forged, HOME).0;
        let limited = Action::Silent(Silence::Limited);
        let most = 2 + u64::from(PROVEN_CHALLENGES.burst);
        assert!(action == limited || action == Action::Challenge && number < most, "{action:?}");
        forged[12..20].copy_from_slice(&question[12..20]);
    }
    for left in 0..48 {
        let mut asking = client.asking(&[link("x.example")], world.now);
        let Step::Sent(datagram, _) = client.next(&mut asking, world.now) else { panic!() };
        let action = world.hear(&datagram, HOME).0;
        assert!(matches!(action, Action::Answer(_)), "{left}: {action:?}");
    }
    let mut limited = 0;
    for _ in 0..10 {
        let mut asking = client.asking(&[link("x.example")], world.now);
        let Step::Sent(datagram, _) = client.next(&mut asking, world.now) else { panic!() };
        limited += u32::from(world.hear(&datagram, HOME).0 == Action::Silent(Silence::Limited));
    }
    assert!(limited >= 8, "a source has a rate under its seal too: {limited}");
}
