//! The server's side: a datagram in, at most one out, never a longer one.
//!
//! A source first proves that it receives what is sent to its address: the server hands out a cookie (keyed BLAKE3 of
//! address and time slot) and keeps nothing. Only a question with a valid cookie is looked up. Both challenges and
//! answers have a rate per source, in separate tables: a flood under somebody's forged address exhausts the challenges
//! of that address, never the answers of its true owner. All challenges together have a rate too, so that a flood from
//! many forged addresses is not answered into the void at the cost of those who have proof. Sources that have proven
//! themselves within [`PROVEN_LIFE`] are challenged beside that rate, under one of their own: a flood of strangers does
//! not stand between them and a new proof.
//!
//! Sealed questions ([`crate::seal`]) take the same way: their session was made after a cookie, and belongs to the address
//! that gave it.

mod rate;
mod total;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tamis_domain::reputation::Class;

use crate::known::Known;
use crate::packet::{self, Challenge, Hello, KeyId, Malformed, Question, SealedHead, Shape, Trace};
use crate::seal::{self, Fault};
pub use rate::{PROVEN_CHALLENGES, PROVEN_LIFE, Rate, SOURCES_MAX};
use rate::{Proven, Rates};
pub use total::CHALLENGES_PER_SECOND_MAX;
use total::Total;

/// Time that a cookie is made in. It is good in its own slot and the next: 10 to 20 minutes. Short enough that a
/// machine which loses its address cannot use the proof for long, long enough that clients are seldom challenged.
pub const COOKIE_SLOT: Duration = Duration::from_secs(600);

/// What may be set about the server's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Answers to one proven source (IPv4 address or IPv6 /64).
    pub answers: Rate,
    /// Challenges to one unproven source.
    pub challenges: Rate,
}

impl Default for Limits {
    /// A scanner judges some thousand mails a second at most, and asks once for each.
    fn default() -> Self {
        Self {
            answers: Rate { per_second: 50_000, burst: 50_000 },
            challenges: Rate { per_second: 100, burst: 1_000 },
        }
    }
}

/// What was done with a datagram. The bytes to send are in the buffer that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing is sent.
    Silent(Silence),
    /// A cookie is sent: 24 bytes.
    Challenge,
    /// A session is sent: 72 bytes.
    Session,
    /// An answer is sent.
    Answer(Answered),
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Not a question.
    Malformed(Malformed),
    /// The source asks faster than it may.
    Limited,
    /// Something about its seal.
    Seal(Fault),
}

/// Facts of one answer, to count and trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Whether items were asked for that another shard keeps.
    pub is_elsewhere: bool,
    /// Items asked for.
    pub items: u8,
    /// Listings given by class, in the order of [`Class::ALL`].
    pub classes: [u8; Class::ALL.len()],
    /// The trace that the question belongs to.
    pub trace: Option<Trace>,
    /// The number of the question.
    pub id: u64,
    /// Whose key sealed the question.
    pub client: Option<KeyId>,
}

impl Answered {
    /// Items that were listed.
    #[must_use]
    pub fn listed(&self) -> u8 {
        self.classes.iter().sum()
    }
}

/// The server's side of one socket.
#[derive(Debug)]
pub struct Answering {
    secret: [u8; 32],
    origin: Instant,
    /// Also remembers who has proven himself lately: only after that a token is taken here.
    answers: Proven,
    challenges: Rates,
    challenges_in_all: Total,
    /// Of sources that have proven themselves lately.
    renewals_in_all: Total,
    question: Question,
    seal: Option<seal::Server>,
    /// Memory for what was under a seal.
    opened: Vec<u8>,
}

impl Answering {
    /// `secret` is random and the same for all sockets of one server. `now` is the start of the cookies' time.
    #[must_use]
    pub fn new(secret: [u8; 32], limits: Limits, now: Instant) -> Self {
        let seed = |label| u64_of(blake3::keyed_hash(&secret, label).as_bytes());
        Self {
            secret,
            origin: now,
            answers: Proven::new(limits.answers, seed(b"answers"), now),
            challenges: Rates::new(limits.challenges, seed(b"challenges"), now),
            challenges_in_all: Total::new(now),
            renewals_in_all: Total::new(now),
            question: Question::empty(),
            seal: None,
            opened: Vec::new(),
        }
    }

    /// Answers sealed questions too, and with [`seal::Settings::require_seal`] no others.
    #[must_use]
    pub fn sealed(mut self, seal: seal::Server) -> Self {
        self.seal = Some(seal);
        self
    }

    /// The sessions, when sealed questions are answered.
    #[must_use]
    pub const fn seal(&self) -> Option<&seal::Server> {
        self.seal.as_ref()
    }

    /// The question that was answered last: what to count when it is a sighting. After any other action than
    /// [`Action::Answer`] it is of no use.
    #[must_use]
    pub const fn question(&self) -> &Question {
        &self.question
    }

    /// Takes a datagram from `source`, asks what is `known`, and leaves what is to be sent back in `out`.
    ///
    /// `now_unix_s` is the time of day, for the age of listings.
    pub fn handle(
        &mut self,
        datagram: &[u8],
        source: SocketAddr,
        now: Instant,
        now_unix_s: u32,
        known: &Known<'_>,
        out: &mut Vec<u8>,
    ) -> Action {
        out.clear();
        let at = Moment { now, unix_s: now_unix_s, address: source.ip().to_canonical() };
        let action = match Shape::of(datagram) {
            Shape::Open => self.open(datagram, at, known, out),
            Shape::Hello => self.greet(datagram, at, out),
            Shape::Sealed => self.unseal(datagram, at, known, out),
        };
        action.unwrap_or_else(|silence| {
            out.clear();
            Action::Silent(silence)
        })
    }

    /// A question in clear.
    fn open(
        &mut self,
        datagram: &[u8],
        at: Moment,
        known: &Known<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Action, Silence> {
        self.question.decode_again(datagram).map_err(Silence::Malformed)?;
        if self.seal.as_ref().is_some_and(seal::Server::requires_seal) {
            return Err(Silence::Seal(Fault::Unsealed));
        }
        let Some(proof) = self.proof(self.question.cookie, at) else {
            return self.challenge(self.question.id, at, out);
        };
        self.take_answer(at)?;
        let fresh = (proof == Proof::Old).then(|| self.cookie(at, self.slot(at.now)));
        let (id, count) = (self.question.id, self.question.items.len());
        let marks = known.marks(&self.question.items);
        packet::begin_answer(out, id, known.table.epoch(), fresh, marks, count);
        Ok(Action::Answer(self.answer(None, at, known, out)))
    }

    /// The first half of a handshake.
    fn greet(&mut self, datagram: &[u8], at: Moment, out: &mut Vec<u8>) -> Result<Action, Silence> {
        let hello = Hello::decode(datagram).map_err(Silence::Malformed)?;
        if self.seal.is_none() {
            return Err(Silence::Seal(Fault::Off));
        }
        if self.proof(hello.cookie, at).is_none() && !self.is_renewal(&hello, at) {
            return self.challenge(hello.id, at, out);
        }
        self.take_answer(at)?;
        let Some(seal) = &mut self.seal else { return Err(Silence::Seal(Fault::Off)) };
        let session = seal.greet(datagram, &hello, at.address, at.now).map_err(Silence::Seal)?;
        session.encode_into(out);
        Ok(Action::Session)
    }

    /// Whether a hello names a session of the same client and address that is in force. Its number was told to that
    /// address alone and most of it is random: as good a proof as a cookie, and the client need not fetch a new one.
    fn is_renewal(&self, hello: &Hello, at: Moment) -> bool {
        let seal = self.seal.as_ref();
        seal.is_some_and(|seal| seal.is_in_force(hello.cookie, hello.key, at.address, at.now))
    }

    /// A sealed question. A session that is not known is answered like a cookie that is not known: that is how clients
    /// learn of a restart.
    fn unseal(
        &mut self,
        datagram: &[u8],
        at: Moment,
        known: &Known<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Action, Silence> {
        let (head, _) = SealedHead::question(datagram).map_err(Silence::Malformed)?;
        let Some(seal) = &mut self.seal else { return Err(Silence::Seal(Fault::Off)) };
        let opened = match seal.open(datagram, &head, at.address, at.now, &mut self.opened) {
            Ok(opened) => opened,
            Err(Fault::Session) => return self.challenge(head.id, at, out),
            Err(fault) => return Err(Silence::Seal(fault)),
        };
        // After the seal: a forged source must not use up the answers of its owner.
        self.take_answer(at)?;
        self.question.decode_opened(&head, &self.opened).map_err(Silence::Malformed)?;
        let marks = known.marks(&self.question.items);
        packet::begin_sealed_answer(out, &head, known.table.epoch(), marks);
        let answered = self.answer(Some(opened.client), at, known, out);
        let Some(seal) = &self.seal else { return Err(Silence::Seal(Fault::Off)) };
        seal.seal(opened, out).map_err(Silence::Seal)?;
        Ok(Action::Answer(answered))
    }

    /// The listings of the question, behind an answer's beginning in `out`.
    fn answer(
        &self,
        client: Option<KeyId>,
        at: Moment,
        known: &Known<'_>,
        out: &mut Vec<u8>,
    ) -> Answered {
        let question = &self.question;
        let mut classes = [0; Class::ALL.len()];
        for item in &question.items {
            let listing = known.ask(item, at.unix_s);
            if let Some(listing) = listing {
                classes[usize::from(listing.class.code()) - 1] += 1;
            }
            packet::push_listing(out, listing);
        }
        let items = u8::try_from(question.items.len()).unwrap_or(u8::MAX);
        let is_elsewhere = known.marks(&question.items).is_elsewhere;
        Answered { is_elsewhere, items, classes, trace: question.trace, id: question.id, client }
    }

    fn challenge(&mut self, id: u64, at: Moment, out: &mut Vec<u8>) -> Result<Action, Silence> {
        self.take_challenge(at)?;
        Challenge { id, cookie: self.cookie(at, self.slot(at.now)) }.encode_into(out);
        Ok(Action::Challenge)
    }

    /// What those who have proven themselves may have beside all strangers; then, for them as for anybody, what strangers
    /// may have. Those all together first: with nothing left for them no source of a flood is looked up.
    fn take_challenge(&mut self, at: Moment) -> Result<(), Silence> {
        if !self.renewals_in_all.is_spent(at.now) && self.answers.challenge(at.address, at.now) {
            self.renewals_in_all.spend(at.now);
            return Ok(());
        }
        if self.challenges_in_all.is_spent(at.now) || !self.challenges.take(at.address, at.now) {
            return Err(Silence::Limited);
        }
        self.challenges_in_all.spend(at.now);
        Ok(())
    }

    fn take_answer(&mut self, at: Moment) -> Result<(), Silence> {
        if self.answers.take(at.address, at.now) { Ok(()) } else { Err(Silence::Limited) }
    }

    fn slot(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin).as_secs() / COOKIE_SLOT.as_secs()
    }

    fn cookie(&self, at: Moment, slot: u64) -> u64 {
        cookie(&self.secret, at.address, slot)
    }

    fn proof(&self, given: u64, at: Moment) -> Option<Proof> {
        if given == 0 {
            return None;
        }
        let slot = self.slot(at.now);
        if given == self.cookie(at, slot) {
            return Some(Proof::Young);
        }
        let before = slot.checked_sub(1)?;
        (given == self.cookie(at, before)).then_some(Proof::Old)
    }
}

/// When a datagram came, and from where.
#[derive(Clone, Copy)]
struct Moment {
    now: Instant,
    unix_s: u32,
    address: IpAddr,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    Young,
    Old,
}

/// The proof of `address` in a time slot; never 0. 64 bits: who tries a million a second for the 20 minutes that a
/// cookie lives hits with probability 7e-11, and gains answers no longer than his questions.
fn cookie(secret: &[u8; 32], address: IpAddr, slot: u64) -> u64 {
    let mut material = [0; 24];
    let octets = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    material[..16].copy_from_slice(&octets);
    material[16..].copy_from_slice(&slot.to_be_bytes());
    u64_of(blake3::keyed_hash(secret, &material).as_bytes()).max(1)
}

fn u64_of(hash: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests;
