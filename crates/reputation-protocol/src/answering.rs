//! The server's side: a datagram in, at most one out, never a longer one.
//!
//! A source first proves that it receives what is sent to its address: the server hands out a cookie (keyed BLAKE3 of
//! address and time slot) and keeps nothing. Only a question with a valid cookie is looked up. Both challenges and
//! answers have a rate per source, in separate tables: a flood under somebody's forged address exhausts the challenges
//! of that address, never the answers of its true owner.

mod rate;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tamis_domain::reputation::Class;

use crate::known::Known;
use crate::packet::{self, Challenge, Malformed, Question, Trace};
use rate::Rates;
pub use rate::{Rate, SOURCES_MAX};

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
}

/// Facts of one answer, to count and trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Items asked for.
    pub items: u8,
    /// Listings given by class, in the order of [`Class::ALL`].
    pub classes: [u8; Class::ALL.len()],
    /// The trace that the question belongs to.
    pub trace: Option<Trace>,
    /// The number of the question.
    pub id: u64,
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
    answers: Rates,
    challenges: Rates,
    question: Question,
}

impl Answering {
    /// `secret` is random and the same for all sockets of one server. `now` is the start of the cookies' time.
    #[must_use]
    pub fn new(secret: [u8; 32], limits: Limits, now: Instant) -> Self {
        let seed = |label| u64_of(blake3::keyed_hash(&secret, label).as_bytes());
        Self {
            secret,
            origin: now,
            answers: Rates::new(limits.answers, seed(b"answers"), now),
            challenges: Rates::new(limits.challenges, seed(b"challenges"), now),
            question: Question { id: 0, cookie: 0, trace: None, items: Vec::new() },
        }
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
        if let Err(malformed) = self.question.decode_again(datagram) {
            return Action::Silent(Silence::Malformed(malformed));
        }
        let address = source.ip().to_canonical();
        let slot = now.saturating_duration_since(self.origin).as_secs() / COOKIE_SLOT.as_secs();
        let Some(proof) = self.proof(address, slot) else {
            if !self.challenges.take(address, now) {
                return Action::Silent(Silence::Limited);
            }
            let cookie = cookie(&self.secret, address, slot);
            Challenge { id: self.question.id, cookie }.encode_into(out);
            return Action::Challenge;
        };
        if !self.answers.take(address, now) {
            return Action::Silent(Silence::Limited);
        }
        let fresh = (proof == Proof::Old).then(|| cookie(&self.secret, address, slot));
        Action::Answer(self.answer(fresh, now_unix_s, known, out))
    }

    fn answer(
        &self,
        fresh_cookie: Option<u64>,
        now_unix_s: u32,
        known: &Known<'_>,
        out: &mut Vec<u8>,
    ) -> Answered {
        let question = &self.question;
        packet::begin_answer(
            out,
            question.id,
            known.table.epoch(),
            fresh_cookie,
            question.items.len(),
        );
        let mut classes = [0; Class::ALL.len()];
        for item in &question.items {
            let listing = known.ask(item, now_unix_s);
            if let Some(listing) = listing {
                classes[usize::from(listing.class.code()) - 1] += 1;
            }
            packet::push_listing(out, listing);
        }
        let items = u8::try_from(question.items.len()).unwrap_or(u8::MAX);
        Answered { items, classes, trace: question.trace, id: question.id }
    }

    fn proof(&self, address: IpAddr, slot: u64) -> Option<Proof> {
        if self.question.cookie == 0 {
            return None;
        }
        if self.question.cookie == cookie(&self.secret, address, slot) {
            return Some(Proof::Young);
        }
        let before = slot.checked_sub(1)?;
        (self.question.cookie == cookie(&self.secret, address, before)).then_some(Proof::Old)
    }
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
