#![expect(clippy::disallowed_methods, reason = "the first instant has to come from somewhere")]

use tamis_domain::digest::{PartDigest, Sketch};

use super::*;
use crate::naming;
use crate::packet::{Answer, Item, Reply};
use crate::signatures::Table;
use crate::signatures::{Authority, Change, Rules};

const NOW_UNIX: u32 = 1_800_000_000;

fn table() -> Table {
    let mut table = Table::new(Rules::default());
    let change = Change::Add {
        signature: naming::link("bad.example/offer"),
        sketch: None,
        class: Class::Phishing,
        weight: 70,
        reporter: "desk".to_owned(),
        authority: Authority::Operator,
        at_unix_s: NOW_UNIX,
    };
    table.apply(&change).unwrap();
    table
}

fn question(cookie: u64) -> Question {
    let names = ["bad.example/offer", "good.example/offer"];
    let items = names.map(|name| Item::exact(naming::link(name))).to_vec();
    Question { id: 42, cookie, trace: None, is_sighting: false, items }
}

struct Server {
    answering: Answering,
    table: Table,
    start: Instant,
}

impl Server {
    fn new(limits: Limits) -> Self {
        let start = Instant::now();
        Self { answering: Answering::new([9; 32], limits, start), table: table(), start }
    }

    fn hear(&mut self, question: &Question, source: &str, after_s: u64) -> (Action, Option<Reply>) {
        self.hear_bytes(&question.encode(), source, after_s)
    }

    fn hear_bytes(&mut self, bytes: &[u8], source: &str, after_s: u64) -> (Action, Option<Reply>) {
        let mut out = Vec::new();
        let now = self.start + Duration::from_secs(after_s);
        let source = source.parse().unwrap();
        let action = self.answering.handle(
            bytes,
            source,
            now,
            NOW_UNIX,
            &Known::table(&self.table),
            &mut out,
        );
        assert!(out.len() <= bytes.len(), "an answer longer than its question");
        let silent = matches!(action, Action::Silent(_));
        assert_eq!(out.is_empty(), silent);
        (action, (!silent).then(|| Reply::decode(&out).unwrap()))
    }

    fn cookie(&mut self, source: &str, after_s: u64) -> u64 {
        match self.hear(&question(0), source, after_s).1 {
            Some(Reply::Challenge(challenge)) => challenge.cookie,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn without_proof_a_challenge_with_it_an_answer() {
    let mut server = Server::new(Limits::default());
    let cookie = server.cookie("192.0.2.1:5000", 0);
    let (action, reply) = server.hear(&question(cookie), "192.0.2.1:6000", 1);
    let Some(Reply::Answer(Answer {
        id: 42,
        epoch: 1,
        fresh_cookie: None,
        is_stale: false,
        is_elsewhere: false,
        listings,
    })) = reply
    else {
        panic!("{reply:?}");
    };
    assert_eq!(listings[0].map(|it| it.class), Some(Class::Phishing));
    assert_eq!(listings[1], None);
    let Action::Answer(answered) = action else { panic!("{action:?}") };
    assert_eq!((answered.items, answered.listed(), answered.classes), (2, 1, [0, 0, 1, 0, 0, 0]));
}

#[test]
fn a_cookie_proves_one_address_alone() {
    let mut server = Server::new(Limits::default());
    let cookie = server.cookie("192.0.2.1:5000", 0);
    for (source, proven) in [
        ("192.0.2.1:5001", true),
        ("[::ffff:192.0.2.1]:5001", true),
        ("192.0.2.2:5000", false),
        ("[2001:db8::1]:5000", false),
    ] {
        let (action, _) = server.hear(&question(cookie), source, 0);
        assert_eq!(matches!(action, Action::Answer(_)), proven, "{source}");
    }
    let (action, _) = server.hear(&question(cookie ^ 1), "192.0.2.1:5000", 0);
    assert_eq!(action, Action::Challenge);
}

#[test]
fn a_cookie_is_renewed_in_its_second_slot_and_dies_in_its_third() {
    let mut server = Server::new(Limits::default());
    let source = "192.0.2.1:5000";
    let slot = COOKIE_SLOT.as_secs();
    let cookie = server.cookie(source, 0);
    let fresh = |reply: Option<Reply>| match reply {
        Some(Reply::Answer(answer)) => Some(answer.fresh_cookie),
        _ => None,
    };
    assert_eq!(fresh(server.hear(&question(cookie), source, slot - 1).1), Some(None));
    let renewed = fresh(server.hear(&question(cookie), source, slot).1);
    let Some(Some(renewed)) = renewed else { panic!("{renewed:?}") };
    assert_eq!(fresh(server.hear(&question(renewed), source, slot).1), Some(None));
    let last = server.hear(&question(cookie), source, 2 * slot - 1).1;
    assert!(matches!(fresh(last), Some(Some(_))));
    assert_eq!(fresh(server.hear(&question(cookie), source, 2 * slot).1), None);
}

#[test]
fn malformed_datagrams_are_met_with_silence_before_anything_else() {
    let mut server = Server::new(Limits::default());
    let mut bytes = question(0).encode();
    bytes.push(0);
    let (action, reply) = server.hear_bytes(&bytes, "192.0.2.1:5000", 0);
    assert!(matches!(action, Action::Silent(Silence::Malformed(_))), "{action:?}");
    assert_eq!(reply, None);
}

#[test]
fn a_flood_of_forged_questions_does_not_silence_the_true_owner_of_the_address() {
    let limits = Limits {
        answers: Rate { per_second: 10, burst: 3 },
        challenges: Rate { per_second: 1, burst: 2 },
    };
    let mut server = Server::new(limits);
    let source = "192.0.2.1:5000";
    let cookie = server.cookie(source, 0);
    for _ in 0..100 {
        server.hear(&question(0), source, 0);
    }
    assert_eq!(server.hear(&question(0), source, 0).0, Action::Silent(Silence::Limited));
    for _ in 0..3 {
        assert!(matches!(server.hear(&question(cookie), source, 0).0, Action::Answer(_)));
    }
    assert_eq!(server.hear(&question(cookie), source, 0).0, Action::Silent(Silence::Limited));
    assert!(matches!(server.hear(&question(cookie), source, 1).0, Action::Answer(_)));
}

#[test]
fn the_trace_of_a_question_is_handed_on() {
    let mut server = Server::new(Limits::default());
    let cookie = server.cookie("192.0.2.1:5000", 0);
    let trace = Trace { trace_id: [1; 16], parent_span_id: [2; 8] };
    let traced = Question { trace: Some(trace), ..question(cookie) };
    let (action, _) = server.hear(&traced, "192.0.2.1:5000", 0);
    let Action::Answer(answered) = action else { panic!("{action:?}") };
    assert_eq!((answered.trace, answered.id), (Some(trace), 42));
}

#[test]
fn a_shard_says_when_it_is_asked_exactly_for_what_another_keeps_and_never_for_what_has_a_sketch() {
    let mut server = Server::new(Limits::default());
    let cookie = server.cookie("192.0.2.1:5000", 0);
    let shard = Some("0000-7fff".parse().unwrap());
    server.table = Table::new(Rules { shard, ..Rules::default() });
    let at = |first: u8, sketch| {
        let mut item = Item { sketch, ..Item::exact(naming::text(&PartDigest([1; 32]))) };
        item.signature.value[0] = first;
        item
    };
    let lanes = Some(Sketch([3; 32]));
    for (items, elsewhere) in [
        (vec![at(0x7f, None)], false),
        (vec![at(0x80, None)], true),
        (vec![at(0x80, lanes)], false),
        (vec![at(0x7f, None), at(0x80, lanes)], false),
        (vec![at(0x7f, None), at(0xff, None)], true),
    ] {
        let asked = Question { items, ..question(cookie) };
        let (action, reply) = server.hear(&asked, "192.0.2.1:5000", 1);
        let Some(Reply::Answer(answer)) = reply else { panic!("{reply:?}") };
        assert_eq!(answer.is_elsewhere, elsewhere, "{asked:?}");
        let Action::Answer(answered) = action else { panic!("{action:?}") };
        assert_eq!(answered.is_elsewhere, elsewhere);
    }
    server.table = Table::new(Rules::default());
    let asked = Question { items: vec![at(0xff, None)], ..question(cookie) };
    let (_, reply) = server.hear(&asked, "192.0.2.1:5000", 1);
    assert!(matches!(reply, Some(Reply::Answer(answer)) if !answer.is_elsewhere));
}
