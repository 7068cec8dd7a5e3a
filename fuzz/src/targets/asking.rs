//! The reputation client: one question, any events.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tamis_reputation_protocol::asking::{
    Asking, Event, FLIGHTS_MAX, Fact, Outcome, Output, Plan, Server, Times, Want,
};
use tamis_reputation_protocol::packet::{
    Challenge, DATAGRAM_BYTES_MAX, Hello, Question, Reply, SealedHead, Session, Shape,
};
use tamis_reputation_protocol::seal::{Client, Key, Seal};

use super::packet_there_and_back::{answer, item};
use crate::pick::{Pick, start};

/// A question under events picked from the bytes: ends exactly once and in time, believes nobody who was not asked.
pub fn asking(data: &[u8]) {
    let mut pick = Pick::new(data);
    let now = start();
    let mut seals = seals(&mut pick);
    let plan = plan(&mut pick, &mut seals, now);
    let (items, budget) = (plan.items.len(), plan.times.budget);
    let mut run = Run {
        asking: Asking::new(plan, now),
        seals,
        now,
        ends_at: now + budget,
        items,
        asked: BTreeSet::new(),
        last: None,
        outcomes: 0,
        sent: 0,
    };
    run.drain();
    while !pick.is_empty() {
        run.step(&mut pick);
        run.drain();
    }
    run.time_passes();
}

fn server(pick: &mut Pick<'_>) -> Server {
    let address = SocketAddr::from(([10, 0, 0, pick.byte() % 5], 7060));
    Server { address, cookie: u64::from(pick.byte()), seal: Seal::Off }
}

/// With a key or without.
fn seals(pick: &mut Pick<'_>) -> Client {
    let file = format!("{:016x} {:062x}ab", 1, 1);
    match Key::parse(&file) {
        Ok(key) if pick.flag() => Client::new(key, [1; 32]),
        _ => Client::default(),
    }
}

fn plan(pick: &mut Pick<'_>, seals: &mut Client, now: Instant) -> Plan {
    let times = Times {
        hedge_after: pick.flag().then(|| Duration::from_millis(pick.byte().into())),
        answer_within: Duration::from_millis(pick.byte().into()),
        budget: Duration::from_millis(pick.byte().into()),
    };
    let (id, first) = (pick.u64(), seals.equip(server(pick), now));
    let probe = pick.flag().then(|| seals.equip(server(pick), now));
    let count = pick.below(100);
    let items = (0..count).map(|_| item(pick)).collect();
    Plan { items, id, trace: None, is_sighting: pick.flag(), times, first, probe }
}

struct Run {
    asking: Asking,
    seals: Client,
    now: Instant,
    ends_at: Instant,
    items: usize,
    asked: BTreeSet<SocketAddr>,
    /// The question as it was sent last.
    last: Option<Question>,
    outcomes: usize,
    sent: usize,
}

impl Run {
    fn step(&mut self, pick: &mut Pick<'_>) {
        let who = self.seals.equip(server(pick), self.now);
        match pick.below(10) {
            0 => self.handle(Event::Received { from: who.address, datagram: pick.bytes(255) }),
            1 => self.honest(who.address, pick),
            2 => self.challenged(who.address, pick),
            3 => self.handle(Event::Refused(who.address)),
            4 => self.handle(Event::Ask(who)),
            5 => self.handle(Event::Nobody),
            7 => self.handle(Event::Equipped(who)),
            8 => self.welcomed(who.address, pick),
            6 => {
                self.now += Duration::from_millis(pick.byte().into());
                self.handle(Event::Timer);
            }
            _ => self.handle(Event::Timer),
        }
    }

    /// A well-formed answer, perhaps to another question or longer than this one.
    fn honest(&mut self, from: SocketAddr, pick: &mut Pick<'_>) {
        let Some(mut question) = self.last.clone() else { return };
        if pick.below(4) == 0 {
            question.id ^= 1;
        }
        if pick.below(4) == 0 {
            question.items.push(item(pick));
        }
        let datagram = answer(&question, pick).encode();
        self.handle(Event::Received { from, datagram: &datagram });
    }

    fn challenged(&mut self, from: SocketAddr, pick: &mut Pick<'_>) {
        let challenge = Challenge { id: self.asking.id(), cookie: pick.u64() | 1 };
        self.handle(Event::Received { from, datagram: &challenge.encode() });
    }

    fn welcomed(&mut self, from: SocketAddr, pick: &mut Pick<'_>) {
        let (id, session) = (self.asking.id(), pick.u64() | 1);
        let reply = Session { id, session, public: pick.array(), mac: pick.array() };
        self.handle(Event::Received { from, datagram: &reply.encode() });
    }

    fn handle(&mut self, event: Event<'_>) {
        self.asking.handle(event, self.now);
    }

    fn drain(&mut self) {
        while let Some(output) = self.asking.poll() {
            match output {
                Output::Send { server, datagram, .. } => {
                    assert!(datagram.len() <= DATAGRAM_BYTES_MAX);
                    self.asked.insert(server);
                    self.sent += 1;
                    self.said(&datagram);
                }
                Output::Want(Want::Seal(server)) => {
                    let server = Server { address: server, cookie: 3, seal: Seal::Off };
                    let server = self.seals.equip(server, self.now);
                    self.handle(Event::Equipped(server));
                }
                Output::Noted(Fact::Answered { server, .. }) => {
                    assert!(self.asked.contains(&server), "believed somebody who was not asked");
                    assert_eq!(self.seals.sessions(), 0, "nobody here has the key");
                }
                Output::Noted(fact @ Fact::Session { .. }) => {
                    assert!(self.seals.note(&fact, self.now).is_err(), "a session out of the air");
                }
                Output::Finished(outcome) => self.finished(&outcome),
                _ => {}
            }
        }
        // Each flight is sent once and proven once, its hello included; sealed questions need a session.
        assert!(self.sent <= 2 * FLIGHTS_MAX, "{} datagrams for one question", self.sent);
        assert!(self.asking.deadline().is_none_or(|at| at <= self.ends_at.max(self.now)));
    }

    fn said(&mut self, datagram: &[u8]) {
        let id = match Shape::of(datagram) {
            Shape::Open => {
                let question = Question::decode(datagram).expect("our own question");
                assert!(question.fits());
                let id = question.id;
                self.last = Some(question);
                id
            }
            Shape::Hello => Hello::decode(datagram).expect("our own hello").id,
            Shape::Sealed => SealedHead::question(datagram).expect("our own seal").0.id,
        };
        assert_eq!(id, self.asking.id());
    }

    fn finished(&mut self, outcome: &Outcome) {
        self.outcomes += 1;
        assert_eq!(self.outcomes, 1, "a question ends once");
        match outcome {
            Outcome::Answered { server, listings, .. } => {
                assert!(self.asked.contains(server) && listings.len() == self.items);
            }
            Outcome::NothingToAsk => assert_eq!((self.items, self.sent), (0, 0)),
            Outcome::Unanswered => {}
        }
    }

    fn time_passes(&mut self) {
        for _ in 0..4 * FLIGHTS_MAX {
            let Some(at) = self.asking.deadline() else { break };
            self.now = self.now.max(at);
            self.handle(Event::Timer);
            self.drain();
        }
        assert_eq!((self.asking.deadline(), self.outcomes), (None, 1), "a question without an end");
        assert!(self.asking.is_settled());
        let late = Challenge { id: self.asking.id(), cookie: 1 }.encode();
        assert!(Reply::decode(&late).is_ok());
        if let Some(from) = self.asked.first().copied() {
            self.handle(Event::Received { from, datagram: &late });
            self.drain();
        }
    }
}
