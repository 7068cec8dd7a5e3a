//! What a seal costs: `cargo test --release -p tamis-reputation-protocol --test seal_rates -- --ignored --nocapture`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a measurement reads the clock"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_reputation_protocol::answering::{Action, Answering, Limits, Rate};
use tamis_reputation_protocol::asking::{
    Asking, Cookies, Event, Fact, Outcome, Output, Plan, Times, Want,
};
use tamis_reputation_protocol::known::Known;
use tamis_reputation_protocol::packet::{Item, Question, Reply};
use tamis_reputation_protocol::seal::{Client, Key, Keys, Server, Settings};
use tamis_reputation_protocol::signatures::{Rules, Table};

const KEYS: &str =
    "00000000000000aa 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
const NO_LIMIT: Rate = Rate { per_second: 0, burst: 1 };

fn address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 7060))
}

fn items(exacts: usize, texts: usize) -> Vec<Item> {
    let item = |number: usize, kind, sketch| Item {
        signature: Signature { kind, value: [number as u8 + 1; 16] },
        sketch,
    };
    let texts = (0..texts).map(|n| item(n, SignatureKind::Text, Some(Sketch([n as u16; 32]))));
    texts.chain((0..exacts).map(|n| item(n, SignatureKind::Link, None))).collect()
}

fn server(now: Instant) -> Answering {
    let limits = Limits { answers: NO_LIMIT, challenges: NO_LIMIT };
    let settings =
        Settings { handshakes_per_client: NO_LIMIT, handshakes: NO_LIMIT, ..Settings::default() };
    let seal = Server::new(Arc::new(Keys::parse(KEYS).unwrap()), settings, [3; 32], now);
    Answering::new([1; 32], limits, now).sealed(seal)
}

/// Both sides in one process, with the time that each spends.
struct Pair {
    answering: Answering,
    cookies: Cookies,
    seals: Client,
    table: Table,
    now: Instant,
    server_time: Duration,
    client_time: Duration,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            answering: server(now),
            cookies: Cookies::default(),
            seals: Client::new(Key::parse(KEYS).unwrap(), [5; 32]),
            table: Table::new(Rules::default()),
            now,
            server_time: Duration::ZERO,
            client_time: Duration::ZERO,
        }
    }

    fn ask(&mut self, items: &[Item], id: u64) {
        let began = Instant::now();
        let mut serving = Duration::ZERO;
        let budget = Duration::from_secs(1);
        let first = self.seals.equip(self.cookies.of(address()), self.now);
        let times = Times { hedge_after: None, answer_within: budget, budget };
        let (items, trace, probe) = (items.to_vec(), None, None);
        let plan = Plan { items, id, trace, is_sighting: false, times, first, probe };
        let mut asking = Asking::new(plan, self.now);
        let mut out = Vec::new();
        loop {
            match asking.poll().unwrap() {
                Output::Send { datagram, .. } => {
                    let heard = Instant::now();
                    let known = Known::table(&self.table);
                    self.answering.handle(&datagram, address(), self.now, 0, &known, &mut out);
                    serving += heard.elapsed();
                    asking.handle(Event::Received { from: address(), datagram: &out }, self.now);
                }
                Output::Want(Want::Seal(server)) => {
                    let server = self.seals.equip(self.cookies.of(server), self.now);
                    asking.handle(Event::Equipped(server), self.now);
                }
                Output::Noted(fact) => {
                    self.seals.note(&fact, self.now).unwrap();
                    if let Fact::Cookie { server, cookie } = fact {
                        self.cookies.learn(server, cookie);
                    }
                }
                Output::Finished(Outcome::Answered { .. }) => break,
                other => panic!("{other:?}"),
            }
        }
        self.server_time += serving;
        self.client_time += began.elapsed() - serving;
    }
}

#[test]
#[ignore = "a measurement, not a test"]
fn what_a_seal_costs() {
    for (exacts, texts) in [(1, 0), (10, 0), (0, 1), (5, 13)] {
        let items = items(exacts, texts);
        clear(&items);
        let mut pair = Pair::new();
        pair.ask(&items, 1);
        (pair.server_time, pair.client_time) = (Duration::ZERO, Duration::ZERO);
        const ROUNDS: u32 = 300_000;
        (0..ROUNDS).for_each(|id| pair.ask(&items, id.into()));
        println!(
            "{exacts} exact + {texts} text, sealed: server {:?}, client with its state machine {:?} a question",
            pair.server_time / ROUNDS,
            pair.client_time / ROUNDS
        );
    }
    handshakes();
}

fn clear(items: &[Item]) {
    let now = Instant::now();
    let (mut answering, table, mut out) = (server(now), Table::new(Rules::default()), Vec::new());
    let mut question =
        Question { id: 1, cookie: 0, trace: None, is_sighting: false, items: items.to_vec() };
    answering.handle(&question.encode(), address(), now, 0, &Known::table(&table), &mut out);
    let Ok(Reply::Challenge(challenge)) = Reply::decode(&out) else { panic!("no challenge") };
    question.cookie = challenge.cookie;
    let datagram = question.encode();
    const ROUNDS: u32 = 1_000_000;
    let began = Instant::now();
    for _ in 0..ROUNDS {
        let action =
            answering.handle(&datagram, address(), now, 0, &Known::table(&table), &mut out);
        assert!(matches!(action, Action::Answer(_)));
    }
    println!("{} B in clear: server {:?} a question", datagram.len(), began.elapsed() / ROUNDS);
}

fn handshakes() {
    let mut pair = Pair::new();
    let items = items(1, 0);
    pair.ask(&items, 1);
    (pair.server_time, pair.client_time) = (Duration::ZERO, Duration::ZERO);
    const ROUNDS: u32 = 5000;
    for round in 0..ROUNDS {
        let mut seed = [6; 32];
        seed[..4].copy_from_slice(&round.to_be_bytes());
        pair.seals = Client::new(Key::parse(KEYS).unwrap(), seed);
        pair.ask(&items, round.into());
    }
    println!(
        "handshake and first question: server {:?}, client {:?}; {} made",
        pair.server_time / ROUNDS,
        pair.client_time / ROUNDS,
        pair.answering.seal().unwrap().work().handshakes
    );
}
