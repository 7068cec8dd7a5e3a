//! Questions under a seal: one genuine client with its session, each question timed; and what a flood of forged sources
//! makes of the same shapes.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tamis_domain::digest::{Signature, SignatureKind};
use tamis_reputation_protocol::asking::{
    Asking, Cookies, Event, Fact, Outcome, Output, Plan, Times, Want,
};
use tamis_reputation_protocol::packet::{
    Hello, Item, KeyId, MAC_BYTES, PUBLIC_BYTES, Question, Reply, TAG_BYTES,
};
use tamis_reputation_protocol::seal::{Client, Key};

use super::asking::{QUESTION_BYTES_MAX, mixed, value};
use super::probe::Felt;

/// The one key of client and server. It protects made questions on this machine and nothing else.
pub const KEY: &str =
    "0000000000000007 00000000000000000000000000000000000000000000000000000000000007ab\n";
const KEY_ID: KeyId = KeyId([0, 0, 0, 0, 0, 0, 0, 7]);
/// Longest wait for one answer.
const BUDGET: Duration = Duration::from_millis(300);
/// Longest wait for the session: handshakes are lost too.
const SESSION_MAX: Duration = Duration::from_secs(10);
/// Shortest time-out of a socket that waits at all.
const WAIT_MIN: Duration = Duration::from_micros(10);

/// Asks `per_second` sealed questions for `time`; also the milliseconds until the first answer, handshake and all.
///
/// # Errors
/// The system's; a server that makes no session.
pub fn run(
    from: SocketAddr,
    server: SocketAddr,
    per_second: f64,
    time: Duration,
) -> Result<(Felt, f64)> {
    let mut site = Site::new(from, server)?;
    let began = Instant::now();
    while site.felt.answered == 0 {
        ensure!(began.elapsed() < SESSION_MAX, "{server} makes no session");
        site.ask();
        site.hear(Instant::now() + BUDGET)?;
    }
    let opened_ms = began.elapsed().as_secs_f64() * 1000.0;
    site.asked.clear();
    site.felt = Felt { sent: 0, answered: 0, known: 0, times: crate::times::Times::default() };
    let began = Instant::now();
    while began.elapsed() < time {
        let due = began + Duration::from_secs_f64(site.felt.sent as f64 / per_second);
        while Instant::now() < due {
            site.hear(due)?;
        }
        site.ask();
    }
    let ended = Instant::now();
    while !site.asked.is_empty() && ended.elapsed() < 2 * BUDGET {
        site.hear(Instant::now() + BUDGET)?;
    }
    Ok((site.felt, opened_ms))
}

/// The genuine client.
struct Site {
    socket: UdpSocket,
    server: SocketAddr,
    cookies: Cookies,
    seals: Client,
    asked: HashMap<u64, (Asking, Instant)>,
    felt: Felt,
    next: u64,
}

impl Site {
    fn new(from: SocketAddr, server: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(from)?;
        socket.connect(server)?;
        let key = Key::parse(KEY).context("the key")?;
        let felt = Felt { sent: 0, answered: 0, known: 0, times: crate::times::Times::default() };
        // Each process draws other secrets, as clients do: the same hello again would be given its session of before, in
        // which the numbers of its first questions are used up.
        let mut seed = [11; 32];
        seed[..4].copy_from_slice(&std::process::id().to_be_bytes());
        let (cookies, seals) = (Cookies::default(), Client::new(key, seed));
        Ok(Self { socket, server, cookies, seals, asked: HashMap::new(), felt, next: 0 })
    }

    /// Begins a question.
    fn ask(&mut self) {
        let now = Instant::now();
        let id = mixed(self.next);
        let times = Times { hedge_after: None, answer_within: BUDGET, budget: BUDGET };
        let plan = Plan {
            items: vec![item(self.next)],
            id,
            trace: None,
            is_sighting: false,
            times,
            first: self.seals.equip(self.cookies.of(self.server), now),
            probe: None,
        };
        self.next += 1;
        self.felt.sent += 1;
        self.asked.insert(id, (Asking::new(plan, now), now));
        self.act(id);
    }

    /// Takes one datagram if one comes before `until`, and ends what waited too long.
    fn hear(&mut self, until: Instant) -> Result<()> {
        let wait = until.saturating_duration_since(Instant::now()).max(WAIT_MIN);
        self.socket.set_read_timeout(Some(wait))?;
        let mut datagram = [0; QUESTION_BYTES_MAX];
        if let Ok(length) = self.socket.recv(&mut datagram)
            && let Some(id) = Reply::id_of(&datagram[..length])
            && let Some((asking, _)) = self.asked.get_mut(&id)
        {
            let datagram = &datagram[..length];
            asking.handle(Event::Received { from: self.server, datagram }, Instant::now());
            self.act(id);
        }
        let now = Instant::now();
        let is_late =
            |(asking, _): &(Asking, Instant)| asking.deadline().is_some_and(|it| it <= now);
        let late: Vec<u64> =
            self.asked.iter().filter(|(_, it)| is_late(it)).map(|(id, _)| *id).collect();
        for id in late {
            if let Some((asking, _)) = self.asked.get_mut(&id) {
                asking.handle(Event::Timer, now);
            }
            self.act(id);
        }
        Ok(())
    }

    /// Does what a question wants done.
    fn act(&mut self, id: u64) {
        let Some((mut asking, began)) = self.asked.remove(&id) else { return };
        while let Some(output) = asking.poll() {
            let now = Instant::now();
            match output {
                // What does not leave is not answered either, and counts as that.
                Output::Send { datagram, .. } => drop(self.socket.send(&datagram)),
                Output::Want(Want::Seal(server)) => {
                    let server = self.seals.equip(self.cookies.of(server), now);
                    asking.handle(Event::Equipped(server), now);
                }
                Output::Want(_) => asking.handle(Event::Nobody, now),
                Output::Noted(fact) => {
                    if let Fact::Cookie { server, cookie } = fact {
                        self.cookies.learn(server, cookie);
                    }
                    // What is not believed is not answered.
                    let _ = self.seals.note(&fact, now);
                }
                Output::Finished(Outcome::Answered { listings, .. }) => {
                    self.felt.answered += 1;
                    self.felt.known += u64::from(listings.iter().any(Option::is_some));
                    self.felt.times.add(began.elapsed().as_nanos() as u64);
                }
                Output::Finished(_) => {}
            }
        }
        if !asking.is_settled() {
            self.asked.insert(id, (asking, began));
        }
    }
}

fn item(number: u64) -> Item {
    Item::exact(Signature { kind: SignatureKind::Part, value: value(number) })
}

/// Writes datagram `index` of a flood and says how long it is: in turn a sealed question of a guessed session, a hello
/// without proof of address, and one with a guessed proof; all but their codes are as the true client's.
pub fn forged(index: u64, out: &mut [u8; QUESTION_BYTES_MAX]) -> usize {
    let (id, guess) = (mixed(index), mixed(!index).max(1));
    let bytes = match index % 3 {
        0 => {
            let items = vec![item(index)];
            let question = Question { id, cookie: 0, trace: None, is_sighting: false, items };
            let mut bytes = question.encode_for_seal(guess, index);
            bytes.extend_from_slice(&value(index)[..TAG_BYTES]);
            bytes
        }
        turn => {
            let mut public = [0; PUBLIC_BYTES];
            public[..16].copy_from_slice(&value(index));
            let cookie = if turn == 1 { 0 } else { guess };
            Hello { id, cookie, key: KEY_ID, public, mac: [7; MAC_BYTES] }.encode()
        }
    };
    out[..bytes.len()].copy_from_slice(&bytes);
    bytes.len()
}
