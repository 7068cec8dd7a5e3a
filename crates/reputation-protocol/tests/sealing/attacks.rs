//! Who stands between, beside, or has recorded everything.

use tamis_domain::digest::{PartDigest, Sketch};
use tamis_reputation_protocol::answering::{Action, Limits, Silence};
use tamis_reputation_protocol::asking::{Disbelief, Event, Fact, Outcome, Sending};
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::{
    Answer, Challenge, HELLO_BYTES, Item, KeyId, Question, Reply, SESSION_BYTES, Shape,
};
use tamis_reputation_protocol::seal::{Client, Fault, Key, Settings, WINDOW, Work};

use crate::world::*;

#[test]
fn nothing_is_computed_for_who_has_not_proven_his_address() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    for round in 0..1000_u64 {
        let mut asking = client.asking(&[link("x.example")], world.now);
        let Step::Sent(hello, _) = client.next(&mut asking, world.now) else { panic!() };
        // Without a cookie, with a made-up one, with that of another address.
        let mut hello = hello;
        if round % 2 == 1 {
            hello[12..20].copy_from_slice(&(round | 1 << 60).to_be_bytes());
        }
        let (action, out) = world.hear(&hello, HOME);
        if round < 900 {
            assert_eq!((action, out.len()), (Action::Challenge, 24), "{round}");
        }
    }
    assert_eq!(world.work(), Work::default());
}

#[test]
fn a_hello_is_authentic_in_every_bit_or_met_with_silence() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    let mut asking = client.asking(&[link("x.example")], world.now);
    let Step::Sent(first, _) = client.next(&mut asking, world.now) else { panic!() };
    let (_, out) = world.hear(&first, HOME);
    asking.handle(Event::Received { from: address(SERVER), datagram: &out }, world.now);
    assert!(matches!(client.next(&mut asking, world.now), Step::Noted(Fact::Cookie { .. })));
    let Step::Sent(hello, Sending::Proof) = client.next(&mut asking, world.now) else { panic!() };
    assert_eq!(hello.len(), HELLO_BYTES);
    for bit in 0..hello.len() * 8 {
        let mut changed = hello.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let (action, _) = world.hear(&changed, HOME);
        let is_cookie = (12..20).contains(&(bit / 8));
        let silent = matches!(action, Action::Silent(_));
        assert!(silent != is_cookie, "bit {bit}: {action:?}");
    }
    for length in 0..hello.len() {
        assert!(matches!(world.hear(&hello[..length], HOME).0, Action::Silent(_)));
    }
    assert_eq!(world.hear(&hello, ELSEWHERE).0, Action::Challenge, "a cookie of another address");
    assert_eq!(world.work().handshakes, 0);
    let (action, session) = world.hear(&hello, HOME);
    assert_eq!((action, session.len()), (Action::Session, SESSION_BYTES));
    // The same hello again: the same words, and no second handshake.
    for _ in 0..100 {
        assert_eq!(world.hear(&hello, HOME), (Action::Session, session.clone()));
    }
    assert_eq!(world.work().handshakes, 1);
    assert_eq!(world.answering.seal().unwrap().sessions(world.now), 1);
}

#[test]
fn clients_without_a_key_or_with_a_wrong_one_get_silence() {
    let mut world = World::new();
    let mut stranger = Site::new(21, HOME);
    assert_eq!(world.ask(&mut stranger, &[link("x.example")]).1, Outcome::Unanswered);
    assert_eq!((world.work().macs, world.work().handshakes), (0, 0), "no key of this name");
    let mut liar = Site::new(1, HOME);
    liar.seals = Client::new(Key::new(KeyId(1_u64.to_be_bytes()), &[5; 32]).unwrap(), [1; 32]);
    assert_eq!(world.ask(&mut liar, &[link("x.example")]).1, Outcome::Unanswered);
    assert_eq!((world.work().macs, world.work().handshakes), (1, 0));
}

#[test]
fn a_replayed_reflected_moved_or_changed_question_is_met_with_silence() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    let mut other = Site::new(2, HOME);
    let of_other = world.sealed_question(&mut other);
    let question = world.sealed_question(&mut client);
    for bit in 0..question.len() * 8 {
        let mut changed = question.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let (action, out) = world.hear(&changed, HOME);
        // Another session's number is no session, which anybody may be told; without the seal's flag it is a question.
        match (bit / 8, action) {
            (12..20, Action::Challenge) => assert_eq!(out.len(), 24),
            (_, action) => assert!(matches!(action, Action::Silent(_)), "bit {bit}: {action:?}"),
        }
    }
    for length in 0..question.len() {
        assert!(matches!(world.hear(&question[..length], HOME).0, Action::Silent(_)), "{length}");
    }
    // Header fields of another sound question of the same source.
    for field in [4..12, 12..20, 20..24, 24..32, 4..32, 12..32] {
        let mut swapped = question.clone();
        swapped[field.clone()].copy_from_slice(&of_other[field.clone()]);
        if swapped == question {
            continue;
        }
        assert!(matches!(world.hear(&swapped, HOME).0, Action::Silent(_)), "{field:?}");
    }
    let moved = world.hear(&question, ELSEWHERE).0;
    assert_eq!(moved, Action::Silent(Silence::Seal(Fault::Source)));
    let (action, answer) = world.hear(&question, HOME);
    assert!(
        matches!(action, Action::Answer(_)),
        "none of that has spoilt the true one: {action:?}"
    );
    assert_eq!(world.hear(&question, HOME).0, Action::Silent(Silence::Seal(Fault::Replayed)));
    assert!(matches!(world.hear(&answer, HOME).0, Action::Silent(Silence::Malformed(_))));
    assert!(matches!(world.hear(&of_other, HOME).0, Action::Answer(_)));
}

#[test]
fn counters_are_taken_once_in_any_order_within_the_window() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    world.ask(&mut client, &[link("x.example")]);
    let mut questions: Vec<Vec<u8>> = (0..=WINDOW)
        .map(|_| {
            let mut asking = client.asking(&[link("x.example")], world.now);
            match client.next(&mut asking, world.now) {
                Step::Sent(datagram, _) => datagram,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    let last = questions.pop().unwrap();
    assert!(matches!(world.hear(&last, HOME).0, Action::Answer(_)));
    let replayed = Action::Silent(Silence::Seal(Fault::Replayed));
    assert_eq!(world.hear(&questions[0], HOME).0, replayed, "behind the window");
    for question in questions[1..].iter().rev() {
        assert!(matches!(world.hear(question, HOME).0, Action::Answer(_)));
    }
    for question in &questions {
        assert_eq!(world.hear(question, HOME).0, replayed);
    }
}

#[test]
fn the_client_believes_nothing_that_is_not_sealed_for_it() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    let question = world.sealed_question(&mut client);
    let (_, answer) = world.hear(&question, HOME);
    let mut asking = client.asking(&[link("bad.example/offer")], world.now);
    let Step::Sent(question, _) = client.next(&mut asking, world.now) else { panic!() };
    let id = asking.id();
    let (_, sealed) = world.hear(&question, HOME);
    let clear = Answer {
        id,
        epoch: 1,
        fresh_cookie: None,
        is_stale: false,
        is_elsewhere: false,
        listings: vec![None],
    };
    let mut relabelled = answer.clone();
    relabelled[4..12].copy_from_slice(&id.to_be_bytes());
    let mut recounted = relabelled.clone();
    recounted[24..32].copy_from_slice(&sealed[24..32]);
    let mut stale = sealed.clone();
    stale[20] ^= 2;
    for (datagram, why) in [
        (clear.encode(), Disbelief::Unsealed),
        (answer, Disbelief::Id),
        (relabelled, Disbelief::Seal(Fault::Other)),
        (recounted, Disbelief::Seal(Fault::Tag)),
        (stale, Disbelief::Seal(Fault::Tag)),
    ] {
        asking.handle(Event::Received { from: address(SERVER), datagram: &datagram }, world.now);
        match client.next(&mut asking, world.now) {
            Step::Noted(Fact::Ignored { why: found, .. }) => assert_eq!(found, why),
            other => panic!("{why:?}: {other:?}"),
        }
    }
    let reflected = Event::Received { from: address(SERVER), datagram: &question };
    asking.handle(reflected, world.now);
    assert!(matches!(client.next(&mut asking, world.now), Step::Noted(Fact::Ignored { .. })));
    asking.handle(Event::Received { from: address(SERVER), datagram: &sealed }, world.now);
    assert!(matches!(client.next(&mut asking, world.now), Step::Noted(Fact::Answered { .. })));
}

#[test]
fn a_forged_session_is_not_believed_and_the_true_one_still_is() {
    let (mut world, mut client) = (World::new(), Site::new(1, HOME));
    let mut asking = client.asking(&[link("bad.example/offer")], world.now);
    let Step::Sent(hello, _) = client.next(&mut asking, world.now) else { panic!() };
    let (_, challenge) = world.hear(&hello, HOME);
    asking.handle(Event::Received { from: address(SERVER), datagram: &challenge }, world.now);
    client.next(&mut asking, world.now);
    let Step::Sent(hello, _) = client.next(&mut asking, world.now) else { panic!() };
    let (_, session) = world.hear(&hello, HOME);
    for at in 12..session.len() {
        let mut forged = session.clone();
        forged[at] ^= 1;
        asking.handle(Event::Received { from: address(SERVER), datagram: &forged }, world.now);
        let mut sent = 0;
        loop {
            match client.next(&mut asking, world.now) {
                Step::Sent(..) => sent += 1,
                Step::Idle => break,
                _ => {}
            }
        }
        assert_eq!((sent, client.seals.sessions()), (0, 0), "byte {at}");
        if at > 60 {
            break;
        }
    }
    asking.handle(Event::Received { from: address(SERVER), datagram: &session }, world.now);
    let sealed = std::iter::from_fn(|| match client.next(&mut asking, world.now) {
        Step::Idle => None,
        step => Some(step),
    })
    .find_map(|step| match step {
        Step::Sent(datagram, _) => Some(datagram),
        _ => None,
    });
    assert_eq!(Shape::of(&sealed.expect("the question itself")), Shape::Sealed);
}

#[test]
fn a_challenge_cannot_talk_a_client_out_of_its_seal() {
    let (world, mut client) = (World::new(), Site::new(1, HOME));
    let mut asking = client.asking(&[link("bad.example/offer")], world.now);
    let id = asking.id();
    let mut sent = Vec::new();
    for cookie in 1..=10 {
        while let step @ (Step::Sent(..) | Step::Noted(_)) = client.next(&mut asking, world.now) {
            if let Step::Sent(datagram, _) = step {
                sent.push(datagram);
            }
        }
        let challenge = Challenge { id, cookie }.encode();
        asking.handle(Event::Received { from: address(SERVER), datagram: &challenge }, world.now);
    }
    assert_eq!(shapes(&sent), [Shape::Hello, Shape::Hello], "and no storm either");
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Sound datagrams of every kind, as a wiretapper has them.
fn recorded(world: &mut World) -> Vec<Vec<u8>> {
    let mut client = Site::new(1, HOME);
    let mut all = world.ask(&mut client, &[link("bad.example/offer"), link("x.example")]).0;
    let text =
        Item { sketch: Some(Sketch([7; 32])), signature: naming::text(&PartDigest([2; 32])) };
    all.extend(world.ask(&mut client, &[text]).0);
    all.push(world.sealed_question(&mut client));
    let mut clear = Question {
        id: 7,
        cookie: 0,
        trace: None,
        is_sighting: true,
        items: vec![text, link("x.example")],
    };
    all.push(clear.encode());
    let (_, challenge) = world.hear(&clear.encode(), HOME);
    let Ok(Reply::Challenge(Challenge { cookie, .. })) = Reply::decode(&challenge) else {
        panic!()
    };
    clear.cookie = cookie;
    all.push(clear.encode());
    let answers: Vec<_> = all.iter().map(|datagram| world.hear(datagram, HOME).1).collect();
    all.extend(answers.into_iter().filter(|answer| !answer.is_empty()));
    all
}

fn mutate(datagram: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    for _ in 0..random.below(3) {
        let at = random.below(datagram.len().max(1));
        match random.below(8) {
            0 => datagram.truncate(at),
            1 => datagram.extend((0..random.below(90)).map(|_| 0xaa)),
            2 => {
                let other = &others[random.below(others.len())];
                let end = (at + random.below(40)).min(datagram.len()).min(other.len());
                if at < end {
                    datagram[at..end].copy_from_slice(&other[at..end]);
                }
            }
            3 => *datagram = (0..random.below(1300)).map(|_| random.next() as u8).collect(),
            _ => {
                if let Some(byte) = datagram.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
}

/// `World::hear` checks the length of every reply.
#[test]
fn no_reply_is_longer_than_what_it_answers_whatever_comes_and_no_work_is_done_without_proof() {
    for require_seal in [false, true] {
        let settings = Settings { require_seal, ..Settings::default() };
        let limits = Limits { answers: NO_LIMIT, challenges: NO_LIMIT };
        let mut world = World::with(Settings { require_seal: false, ..settings }, limits);
        let all = recorded(&mut world);
        if require_seal {
            world = World::with(settings, limits);
        }
        let before = world.work();
        let mut random = Random(if require_seal { 0x5ea1 } else { 0x5eed });
        let (mut replies, mut bytes_in, mut bytes_out) = (0, 0, 0);
        for round in 0..100_000_usize {
            let mut datagram = all[round % all.len()].clone();
            mutate(&mut datagram, &all, &mut random);
            let source = [HOME, ELSEWHERE, "[2001:db8::1]:9"][random.below(3)];
            let (_, out) = world.hear(&datagram, source);
            (bytes_in, bytes_out) = (bytes_in + datagram.len(), bytes_out + out.len());
            replies += usize::from(!out.is_empty());
        }
        assert!(
            bytes_out < bytes_in && replies > 1000,
            "{replies} replies, {bytes_out} of {bytes_in}"
        );
        let handshakes = world.work().handshakes - before.handshakes;
        assert!(handshakes <= 2, "{handshakes} handshakes out of recorded hellos");
    }
}
