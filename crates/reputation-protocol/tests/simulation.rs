//! Client and servers over a network that loses, delays, reorders and doubles datagrams, in virtual time, by seed.
//! `SEED=n` replays one seed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may fail loudly and read the clock once"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::digest::{PartDigest, SignatureKind, Sketch};
use tamis_domain::reputation::{Class, Listing};
use tamis_reputation_protocol::answering::{Answering, Limits};
use tamis_reputation_protocol::asking::{
    Asking, Cookies, Event, FLIGHTS_MAX, Fact, Outcome, Output, Plan, Sending, Server, Times, Want,
};
use tamis_reputation_protocol::known::Known;
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::{DATAGRAM_BYTES_MAX, Item, SEAL_BYTES};
use tamis_reputation_protocol::seal::{self, Client, Key, Keys, Settings};
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};

const NOW_UNIX: u32 = 1_800_000_000;
const BUDGET: Duration = Duration::from_millis(50);
const SERVERS: usize = 4;

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

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }
}

/// How bad a network is.
#[derive(Clone, Copy)]
struct Weather {
    lost_per_mille: u64,
    doubled_per_mille: u64,
    damaged_per_mille: u64,
    delay_us_max: u64,
    dead: usize,
    /// All servers want a seal.
    is_sealed: bool,
}

struct Network {
    random: Random,
    weather: Weather,
    now: Instant,
    /// By time of arrival, then in order of sending.
    flying: BTreeMap<(Instant, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    sent: u64,
}

impl Network {
    fn send(&mut self, from: SocketAddr, to: SocketAddr, mut datagram: Vec<u8>) {
        assert!(datagram.len() <= DATAGRAM_BYTES_MAX);
        let copies = 1 + u64::from(self.random.per_mille(self.weather.doubled_per_mille));
        if self.random.per_mille(self.weather.damaged_per_mille) {
            let at = self.random.below(datagram.len() as u64) as usize;
            datagram[at] ^= 1 << self.random.below(8);
        }
        for _ in 0..copies {
            self.sent += 1;
            if !self.random.per_mille(self.weather.lost_per_mille) {
                let delay = 50 + self.random.below(self.weather.delay_us_max);
                let at = self.now + Duration::from_micros(delay);
                self.flying.insert((at, self.sent), (from, to, datagram.clone()));
            }
        }
    }
}

fn server_address(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + number as u8], 7060))
}

fn client_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 1, 1], 40_000))
}

fn text(number: u16) -> Item {
    let lanes = std::array::from_fn(|lane| number.wrapping_mul(257).wrapping_add(lane as u16));
    let signature = naming::text(&PartDigest([number as u8; 32]));
    Item { signature, sketch: Some(Sketch(lanes)) }
}

/// Every second link and every third text is listed.
fn listed() -> Table {
    let mut table = Table::new(Rules { seed: 3, ..Rules::default() });
    let mut add = |item: Item| {
        let change = Change::Add {
            signature: item.signature,
            sketch: item.sketch,
            class: Class::Spam,
            weight: 60,
            reporter: "desk".to_owned(),
            authority: Authority::Operator,
            at_unix_s: NOW_UNIX,
        };
        table.apply(&change).unwrap();
    };
    (0..100).step_by(2).for_each(|number| add(link(number)));
    (0..100).step_by(3).for_each(|number| add(text(number as u16)));
    table
}

fn link(number: u64) -> Item {
    Item::exact(naming::link(&format!("host{number}.example/offer")))
}

fn items(random: &mut Random) -> Vec<Item> {
    let mut items = Vec::new();
    for _ in 0..random.below(30) {
        items.push(link(random.below(100)));
    }
    for _ in 0..random.below(12) {
        items.push(text(random.below(100) as u16));
    }
    items
}

#[derive(Default, Debug)]
struct Tally {
    questions: u64,
    answered: u64,
    unanswered: u64,
    nothing: u64,
    hedges: u64,
    others: u64,
    proofs: u64,
    ignored: u64,
}

struct World {
    network: Network,
    servers: Vec<(Answering, Table)>,
    cookies: Cookies,
    seals: Client,
    tally: Tally,
}

/// The key of the client, and keys of others.
const KEYS: &str =
    "00000000000000aa 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

impl World {
    fn new(seed: u64, weather: Weather) -> Self {
        let now = Instant::now();
        let keys = Arc::new(Keys::parse(KEYS).unwrap());
        let server = |n: u8| {
            let answering = Answering::new([n; 32], Limits::default(), now);
            if !weather.is_sealed {
                return (answering, listed());
            }
            let settings = Settings { require_seal: true, ..Settings::default() };
            let seal = seal::Server::new(Arc::clone(&keys), settings, [n; 32], now);
            (answering.sealed(seal), listed())
        };
        let seals = if weather.is_sealed {
            Client::new(Key::parse(KEYS).unwrap(), [seed as u8; 32])
        } else {
            Client::default()
        };
        let random = Random(seed);
        Self {
            network: Network { random, weather, now, flying: BTreeMap::new(), sent: 0 },
            servers: (0..SERVERS as u8).map(server).collect(),
            cookies: Cookies::default(),
            seals,
            tally: Tally::default(),
        }
    }

    /// One mail's question from beginning to end; checks every promise on the way.
    fn ask(&mut self) {
        let started = self.network.now;
        let items = items(&mut self.network.random);
        let first = self.network.random.below(SERVERS as u64) as usize;
        let probe = self.network.random.per_mille(200).then_some((first + 1) % SERVERS);
        let plan = Plan {
            items: items.clone(),
            id: self.network.random.next(),
            trace: None,
            is_sighting: false,
            times: Times {
                hedge_after: Some(Duration::from_millis(3)),
                answer_within: Duration::from_millis(10),
                budget: BUDGET,
            },
            first: self.equipped(first),
            probe: probe.map(|number| self.equipped(number)),
        };
        let mut asking = Asking::new(plan, started);
        let mut run = Run { finished: None, flights: 0, settled: 0 };
        self.tally.questions += 1;
        self.drain(&mut asking, &mut run, first);
        while let Some(deadline) = asking.deadline() {
            let arrival = self.network.flying.keys().next().copied();
            match arrival.filter(|(at, _)| *at <= deadline) {
                Some(key) => {
                    let (from, to, datagram) = self.network.flying.remove(&key).unwrap();
                    self.network.now = key.0;
                    self.deliver(&mut asking, from, to, &datagram);
                }
                None => {
                    self.network.now = deadline;
                    asking.handle(Event::Timer, deadline);
                }
            }
            self.drain(&mut asking, &mut run, first);
        }
        assert!(self.network.now <= started + BUDGET, "longer than the budget");
        assert_eq!(run.flights, run.settled, "every flight is given back to the selector");
        assert!(run.flights <= FLIGHTS_MAX);
        self.judge(&items, run.finished.expect("a question ends"));
    }

    fn equipped(&mut self, number: usize) -> Server {
        self.seals.equip(self.cookies.of(server_address(number)), self.network.now)
    }

    fn deliver(&mut self, asking: &mut Asking, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let now = self.network.now;
        if to == client_address() {
            asking.handle(Event::Received { from, datagram: bytes }, now);
            return;
        }
        let number = (0..SERVERS).find(|number| server_address(*number) == to).unwrap();
        if number < self.network.weather.dead {
            return;
        }
        let (answering, table) = &mut self.servers[number];
        let mut out = Vec::new();
        answering.handle(bytes, from, now, NOW_UNIX, &Known::table(table), &mut out);
        assert!(out.len() <= bytes.len(), "an answer longer than its question");
        if !out.is_empty() {
            self.network.send(to, from, out);
        }
    }

    fn drain(&mut self, asking: &mut Asking, run: &mut Run, first: usize) {
        while let Some(output) = asking.poll() {
            match output {
                Output::Send { server, datagram, sending } => {
                    run.flights += usize::from(sending != Sending::Proof);
                    self.tally.proofs += u64::from(sending == Sending::Proof);
                    self.network.send(client_address(), server, datagram);
                }
                Output::Want(Want::Seal(server)) => {
                    let server = self.seals.equip(self.cookies.of(server), self.network.now);
                    asking.handle(Event::Equipped(server), self.network.now);
                }
                Output::Want(want) => {
                    let other = match want {
                        Want::Seal(_) => unreachable!("taken above"),
                        Want::Hedge(_) => (first + 2) % SERVERS,
                        Want::Another(_) => self.network.random.below(SERVERS as u64) as usize,
                    };
                    self.tally.hedges += u64::from(matches!(want, Want::Hedge(_)));
                    self.tally.others += u64::from(matches!(want, Want::Another(_)));
                    let server = self.equipped(other);
                    asking.handle(Event::Ask(server), self.network.now);
                }
                Output::Noted(fact) => match fact {
                    Fact::Session { .. } | Fact::SessionLost { .. } => {
                        let believed = self.seals.note(&fact, self.network.now);
                        assert!(believed.is_ok() || self.network.weather.damaged_per_mille > 0);
                    }
                    Fact::Cookie { server, cookie } => self.cookies.learn(server, cookie),
                    Fact::Answered { late: false, .. } | Fact::TimedOut(_) | Fact::Refused(_) => {
                        let _ = self.seals.note(&fact, self.network.now);
                        run.settled += 1;
                    }
                    Fact::Ignored { .. } => self.tally.ignored += 1,
                    Fact::Elsewhere { .. } => {
                        assert!(
                            self.network.weather.damaged_per_mille > 0,
                            "no server has a shard"
                        );
                    }
                    Fact::Answered { .. } | Fact::LeftOut(_) => {}
                },
                Output::Finished(outcome) => {
                    assert!(run.finished.replace(outcome).is_none(), "finished twice");
                }
            }
        }
    }

    fn judge(&mut self, items: &[Item], outcome: Outcome) {
        match outcome {
            Outcome::Answered { listings, epoch, .. } => {
                self.tally.answered += 1;
                let table = &self.servers[0].1;
                // A bit flipped on the way may change what is asked, never what an answer means; so truth is told only
                // where nothing is damaged, or where a seal finds it.
                if self.network.weather.damaged_per_mille == 0 || self.network.weather.is_sealed {
                    assert_eq!(epoch, table.epoch());
                    check(items, &listings, table);
                }
                assert_eq!(listings.len(), items.len());
            }
            Outcome::Unanswered => self.tally.unanswered += 1,
            Outcome::NothingToAsk => {
                assert!(items.is_empty());
                self.tally.nothing += 1;
            }
        }
    }
}

struct Run {
    finished: Option<Outcome>,
    flights: usize,
    settled: usize,
}

fn check(items: &[Item], listings: &[Option<Listing>], table: &Table) {
    let bytes: usize = items.iter().map(Item::wire_bytes).sum();
    // The datagram less its header, and less a seal.
    let all_asked = bytes <= 1_208 - SEAL_BYTES && items.len() <= 64;
    for (item, listing) in items.iter().zip(listings) {
        let truth = table.ask(item, NOW_UNIX);
        let left_out =
            listing.is_none() && !all_asked && item.signature.kind == SignatureKind::Link;
        assert!(*listing == truth || left_out, "{item:?}: {listing:?} is not {truth:?}");
    }
}

fn seeds() -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => (0..64).collect(),
    }
}

fn sweep(weather: Weather) -> Tally {
    let mut sum = Tally::default();
    for seed in seeds() {
        println!("SEED={seed}");
        let mut world = World::new(seed, weather);
        for _ in 0..100 {
            world.ask();
            world.network.now += Duration::from_millis(20);
        }
        sum.questions += world.tally.questions;
        sum.answered += world.tally.answered;
        sum.unanswered += world.tally.unanswered;
        sum.nothing += world.tally.nothing;
        sum.hedges += world.tally.hedges;
        sum.others += world.tally.others;
        sum.proofs += world.tally.proofs;
        sum.ignored += world.tally.ignored;
    }
    println!("{sum:?}");
    assert_eq!(sum.questions, sum.answered + sum.unanswered + sum.nothing);
    sum
}

const FAIR: Weather = Weather {
    lost_per_mille: 0,
    doubled_per_mille: 0,
    damaged_per_mille: 0,
    delay_us_max: 1_000,
    dead: 0,
    is_sealed: false,
};

#[test]
fn on_a_fair_network_every_question_is_answered_and_each_server_challenges_once() {
    let sum = sweep(FAIR);
    assert_eq!(sum.unanswered, 0);
    assert_eq!((sum.hedges, sum.others, sum.ignored), (0, 0, 0));
    assert!(sum.proofs <= seeds().len() as u64 * SERVERS as u64, "{}", sum.proofs);
}

#[test]
fn loss_delay_reordering_and_doubles_cost_few_answers_and_no_truth() {
    let rough =
        Weather { lost_per_mille: 100, doubled_per_mille: 100, delay_us_max: 9_000, ..FAIR };
    let sum = sweep(rough);
    assert!(sum.answered * 1000 >= (sum.questions - sum.nothing) * 990, "{sum:?}");
    assert!(sum.hedges > 0 && sum.others > 0);
}

#[test]
fn half_of_the_servers_dead_costs_time_and_few_answers() {
    let sum = sweep(Weather { dead: SERVERS / 2, lost_per_mille: 10, ..FAIR });
    assert!(sum.answered * 1000 >= (sum.questions - sum.nothing) * 950, "{sum:?}");
}

#[test]
fn with_all_servers_dead_every_question_ends_in_time_unanswered() {
    let sum = sweep(Weather { dead: SERVERS, ..FAIR });
    assert_eq!(sum.answered, 0);
}

#[test]
fn damaged_datagrams_are_ignored_or_harmless() {
    let sum = sweep(Weather { damaged_per_mille: 300, lost_per_mille: 50, ..FAIR });
    assert!(sum.ignored > 100);
    assert!(sum.answered * 1000 >= (sum.questions - sum.nothing) * 950, "{sum:?}");
}

const SEALED: Weather = Weather { is_sealed: true, ..FAIR };

#[test]
fn under_a_seal_a_fair_network_costs_each_server_one_handshake_and_no_answer() {
    let sum = sweep(SEALED);
    assert_eq!((sum.unanswered, sum.hedges, sum.others, sum.ignored), (0, 0, 0, 0), "{sum:?}");
    // Cookie, then session: two datagrams more to each server, and to each that was asked meanwhile.
    assert!(sum.proofs <= 2 * seeds().len() as u64 * SERVERS as u64, "{sum:?}");
}

#[test]
fn under_a_seal_a_rough_network_costs_few_answers_and_no_truth() {
    let rough =
        Weather { lost_per_mille: 100, doubled_per_mille: 100, delay_us_max: 9_000, ..SEALED };
    let sum = sweep(rough);
    assert!(sum.answered * 1000 >= (sum.questions - sum.nothing) * 980, "{sum:?}");
    let damaged = sweep(Weather { damaged_per_mille: 200, lost_per_mille: 50, ..SEALED });
    assert!(damaged.ignored > 100);
    assert!(damaged.answered * 1000 >= (damaged.questions - damaged.nothing) * 950, "{damaged:?}");
}
