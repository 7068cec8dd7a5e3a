//! A server, its clients, and what passes between them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::reputation::{Class, Listing};
use tamis_reputation_protocol::answering::{Action, Answering, Limits, Rate};
use tamis_reputation_protocol::asking::{
    Asking, Cookies, Event, Fact, Outcome, Output, Plan, Sending, Times, Want,
};
use tamis_reputation_protocol::known::Known;
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::{Item, Shape};
use tamis_reputation_protocol::seal::{Client, Key, Keys, Server, Settings, Work};
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};

pub(super) const NOW_UNIX: u32 = 1_800_000_000;
pub(super) const SERVER: &str = "192.0.2.1:7060";
pub(super) const HOME: &str = "198.51.100.7:4000";
pub(super) const ELSEWHERE: &str = "198.51.100.8:4000";

pub(super) fn line(number: usize) -> String {
    format!("{number:016x} {number:062x}ab\n")
}

pub(super) fn key(number: usize) -> Key {
    Key::parse(&line(number)).unwrap()
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn link(name: &str) -> Item {
    Item::exact(naming::link(name))
}

pub(super) fn table() -> Table {
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

pub(super) const NO_LIMIT: Rate = Rate { per_second: 0, burst: 1 };

/// A server that knows clients 1 to 20.
pub(super) struct World {
    pub(super) answering: Answering,
    pub(super) table: Table,
    pub(super) is_stale: bool,
    pub(super) start: Instant,
    pub(super) now: Instant,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(
            Settings {
                handshakes_per_client: NO_LIMIT,
                handshakes: NO_LIMIT,
                ..Settings::default()
            },
            Limits::default(),
        )
    }

    pub(super) fn with(settings: Settings, limits: Limits) -> Self {
        let now = Instant::now();
        let keys = Keys::parse(&(1..=20).map(line).collect::<String>()).unwrap();
        let seal = Server::new(Arc::new(keys), settings, [3; 32], now);
        let answering = Answering::new([9; 32], limits, now).sealed(seal);
        Self { answering, table: table(), is_stale: false, start: now, now }
    }

    pub(super) fn hear(&mut self, datagram: &[u8], source: &str) -> (Action, Vec<u8>) {
        let mut out = vec![1, 2, 3];
        let known = Known { is_stale: self.is_stale, ..Known::table(&self.table) };
        let action =
            self.answering.handle(datagram, address(source), self.now, NOW_UNIX, &known, &mut out);
        assert!(out.len() <= datagram.len(), "{} bytes for {}", out.len(), datagram.len());
        assert_eq!(out.is_empty(), matches!(action, Action::Silent(_)), "{action:?}");
        (action, out)
    }

    pub(super) fn work(&self) -> Work {
        self.answering.seal().unwrap().work()
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Takes one question of `client` from beginning to end; gives what was sent and how it ended.
    pub(super) fn ask(&mut self, client: &mut Site, items: &[Item]) -> (Vec<Vec<u8>>, Outcome) {
        let mut asking = client.asking(items, self.now);
        let mut sent = Vec::new();
        let mut ended = None;
        loop {
            match client.next(&mut asking, self.now) {
                Step::Sent(datagram, _) => {
                    let (_, out) = self.hear(&datagram, client.source);
                    sent.push(datagram);
                    if !out.is_empty() {
                        let received = Event::Received { from: address(SERVER), datagram: &out };
                        asking.handle(received, self.now);
                    }
                }
                Step::Noted(_) => {}
                Step::Finished(outcome) => ended = Some(outcome),
                Step::Idle => {
                    if let Some(outcome) = ended.take_if(|_| asking.is_settled()) {
                        return (sent, outcome);
                    }
                    let deadline = asking.deadline().expect("not finished");
                    self.now = deadline;
                    asking.handle(Event::Timer, deadline);
                }
            }
        }
    }

    /// A sealed question as it goes over the wire, with its answer.
    pub(super) fn sealed_question(&mut self, client: &mut Site) -> Vec<u8> {
        self.ask(client, &[link("x.example")]);
        let mut asking = client.asking(&[link("bad.example/offer")], self.now);
        match client.next(&mut asking, self.now) {
            Step::Sent(datagram, Sending::First) => datagram,
            other => panic!("{other:?}"),
        }
    }
}

/// A client with its cookies and sessions.
pub(super) struct Site {
    pub(super) cookies: Cookies,
    pub(super) seals: Client,
    pub(super) source: &'static str,
    pub(super) ids: u64,
}

#[derive(Debug)]
pub(super) enum Step {
    Sent(Vec<u8>, Sending),
    Noted(Fact),
    Finished(Outcome),
    Idle,
}

impl Site {
    pub(super) fn new(number: usize, source: &'static str) -> Self {
        let seals = Client::new(key(number), [number as u8; 32]);
        Self { cookies: Cookies::default(), seals, source, ids: 100 }
    }

    pub(super) fn asking(&mut self, items: &[Item], now: Instant) -> Asking {
        self.ids += 1;
        let first = self.seals.equip(self.cookies.of(address(SERVER)), now);
        let budget = Duration::from_millis(50);
        Asking::new(
            Plan {
                items: items.to_vec(),
                id: self.ids,
                trace: None,
                is_sighting: true,
                times: Times { hedge_after: None, answer_within: budget / 2, budget },
                first,
                probe: None,
            },
            now,
        )
    }

    /// What the shell does with one output.
    pub(super) fn next(&mut self, asking: &mut Asking, now: Instant) -> Step {
        match asking.poll() {
            None => Step::Idle,
            Some(Output::Send { datagram, sending, .. }) => Step::Sent(datagram, sending),
            Some(Output::Want(Want::Seal(server))) => {
                let server = self.seals.equip(self.cookies.of(server), now);
                asking.handle(Event::Equipped(server), now);
                self.next(asking, now)
            }
            Some(Output::Want(_)) => {
                asking.handle(Event::Nobody, now);
                self.next(asking, now)
            }
            Some(Output::Noted(fact)) => {
                if let Fact::Cookie { server, cookie } = fact {
                    self.cookies.learn(server, cookie);
                }
                let _ = self.seals.note(&fact, now);
                Step::Noted(fact)
            }
            Some(Output::Finished(outcome)) => Step::Finished(outcome),
        }
    }
}

pub(super) fn shapes(sent: &[Vec<u8>]) -> Vec<Shape> {
    sent.iter().map(|datagram| Shape::of(datagram)).collect()
}

pub(super) fn class(outcome: &Outcome) -> Option<Class> {
    match outcome {
        Outcome::Answered { listings, .. } => listings[0].map(|listing: Listing| listing.class),
        other => panic!("{other:?}"),
    }
}
