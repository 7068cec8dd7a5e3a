//! The seal, attacked by who has recorded everything and may send anything, on both sides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::digest::SignatureKind;
use tamis_reputation_protocol::answering::{Action, Answering, Limits, Rate};
use tamis_reputation_protocol::asking::{
    Asking, Event, Fact, Outcome, Output, Plan, Server as Asked, Times, Want,
};
use tamis_reputation_protocol::known::Known;
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::seal::{Client, Key, Keys, Seal, Server, Settings};
use tamis_reputation_protocol::signatures::{Rules, Table};

use crate::pick::{Pick, start};

const NO_LIMIT: Rate = Rate { per_second: 0, burst: 1 };
const SETTINGS: Settings =
    Settings { require_seal: true, handshakes_per_client: NO_LIMIT, handshakes: NO_LIMIT };

/// One honest question; on its way any bytes, and changed copies of what passes, reach both sides. The server does no
/// handshake and answers nothing because of them, and the client hears only its server.
pub fn sealing(data: &[u8]) {
    let mut run = Run::new();
    let mut pick = Pick::new(data);
    let mut asking = run.asking();
    let mut outcome = None;
    while outcome.is_none() {
        match asking.poll().expect("a fair network") {
            Output::Send { datagram, .. } => {
                run.attack_server(data, &datagram, &mut pick);
                let reply = run.hear(&datagram, run.home).1;
                assert!(!reply.is_empty(), "an honest datagram is not heard any more");
                run.attack_client(&mut asking, data, &reply, &mut pick);
                asking.handle(Event::Received { from: run.server, datagram: &reply }, run.now);
            }
            Output::Want(Want::Seal(_)) => {
                let server = run.equipped();
                asking.handle(Event::Equipped(server), run.now);
            }
            Output::Noted(fact) => run.note(&fact),
            Output::Finished(found) => outcome = Some(found),
            Output::Want(_) => {}
        }
    }
    let handshakes = run.answering.seal().map(|seal| seal.work().handshakes);
    assert_eq!(handshakes, Some(1), "work for strangers");
    match outcome {
        Some(Outcome::Answered { listings, .. }) => assert_eq!(listings, [None]),
        other => panic!("{other:?}"),
    }
}

struct Run {
    answering: Answering,
    table: Table,
    seals: Client,
    cookie: u64,
    home: SocketAddr,
    server: SocketAddr,
    now: Instant,
}

impl Run {
    fn new() -> Self {
        let now = start();
        let file = format!("{:016x} {:062x}ab", 1, 1);
        let keys = Arc::new(Keys::parse(&file).expect("a key"));
        let limits = Limits { answers: NO_LIMIT, challenges: NO_LIMIT };
        let seal = Server::new(keys, SETTINGS, [2; 32], now);
        Self {
            answering: Answering::new([7; 32], limits, now).sealed(seal),
            table: Table::new(Rules::default()),
            seals: Client::new(Key::parse(&file).expect("a key"), [3; 32]),
            cookie: 0,
            home: SocketAddr::from(([192, 0, 2, 1], 4000)),
            server: SocketAddr::from(([192, 0, 2, 9], 7060)),
            now,
        }
    }

    fn equipped(&mut self) -> Asked {
        let server = Asked { address: self.server, cookie: self.cookie, seal: Seal::Off };
        self.seals.equip(server, self.now)
    }

    fn asking(&mut self) -> Asking {
        let budget = Duration::from_secs(1);
        let plan = Plan {
            items: vec![Item::exact(naming::link(SignatureKind::Link.word()))],
            id: 0x0102_0304_0506_0708,
            trace: None,
            is_sighting: true,
            times: Times { hedge_after: None, answer_within: budget, budget },
            first: self.equipped(),
            probe: None,
        };
        Asking::new(plan, self.now)
    }

    fn note(&mut self, fact: &Fact) {
        if let Fact::Cookie { cookie, .. } = fact {
            self.cookie = *cookie;
        }
        // A forged session is an error here, and nothing else.
        let _ = self.seals.note(fact, self.now);
    }

    fn hear(&mut self, datagram: &[u8], source: SocketAddr) -> (Action, Vec<u8>) {
        let mut out = vec![0; 100];
        let known = Known::table(&self.table);
        let action = self.answering.handle(datagram, source, self.now, 0, &known, &mut out);
        assert!(out.len() <= datagram.len(), "{} bytes for {}", out.len(), datagram.len());
        (action, out)
    }

    /// Any bytes, and the honest datagram changed or from elsewhere, before it comes itself.
    fn attack_server(&mut self, data: &[u8], honest: &[u8], pick: &mut Pick<'_>) {
        let elsewhere = SocketAddr::from(([198, 51, 100, 1], 4000));
        for (datagram, source) in [
            (data.to_vec(), self.home),
            (changed(honest, pick), self.home),
            (changed(honest, pick), self.home),
            (honest.to_vec(), elsewhere),
        ] {
            if datagram == honest && source == self.home {
                continue;
            }
            let (action, _) = self.hear(&datagram, source);
            let harmless = matches!(action, Action::Silent(_) | Action::Challenge);
            assert!(harmless, "{action:?} for {datagram:02x?}");
        }
    }

    /// Any bytes, and the honest reply changed, before it comes itself. Challenges and sessions are not sealed: who can
    /// read the wire may forge them, which costs the client a datagram and never its seal; so they are left out here.
    fn attack_client(
        &mut self,
        asking: &mut Asking,
        data: &[u8],
        honest: &[u8],
        pick: &mut Pick<'_>,
    ) {
        let is_answer = honest.get(3) == Some(&2);
        for datagram in [data.to_vec(), changed(honest, pick), changed(honest, pick)] {
            let is_answer_too = datagram.get(3) == Some(&2);
            if datagram == honest || !is_answer_too {
                continue;
            }
            asking.handle(Event::Received { from: self.server, datagram: &datagram }, self.now);
            let noted = asking.poll();
            let ignored = matches!(noted, Some(Output::Noted(Fact::Ignored { .. })));
            assert!(ignored, "{noted:?} for {datagram:02x?}, an answer: {is_answer}");
        }
    }
}

/// One to three bytes changed, or the end cut.
fn changed(honest: &[u8], pick: &mut Pick<'_>) -> Vec<u8> {
    let mut datagram = honest.to_vec();
    for _ in 0..=pick.below(3) {
        let at = usize::from(pick.u16()) % datagram.len().max(1);
        match pick.below(8) {
            0 => datagram.truncate(at),
            1 => datagram.extend_from_slice(pick.bytes(100)),
            _ => {
                if let Some(byte) = datagram.get_mut(at) {
                    *byte ^= pick.byte() | 1;
                }
            }
        }
    }
    datagram
}
