//! Which names of a mail find room in its one question.
//!
//! Each kind has a share that no other can take, so that neither a hundred junk texts nor a hundred junk links push the
//! telling name out. What a kind does not need is given to the others in turns. What is left out is counted: then the
//! answer is part of one ([`Heard::Partly`](super::super::reputation::Heard::Partly)).

use std::collections::{HashMap, HashSet, VecDeque};

use tamis_domain::digest::{Signature, SignatureKind};
use tamis_domain::limits::SIGNATURES_MAX;
use tamis_domain::reputation::{Answered, Listing};
use tamis_reputation_protocol::packet::{
    DATAGRAM_BYTES_MAX, EXACT_ITEM_BYTES, HEADER_BYTES, Item, SEAL_BYTES, SKETCHED_ITEM_BYTES,
    TRACE_BYTES,
};

use super::{Asked, Names};

/// Bytes of a question's items, whether it is sealed and traced or not.
pub const ROOM_BYTES: usize = DATAGRAM_BYTES_MAX - HEADER_BYTES - TRACE_BYTES - SEAL_BYTES;

/// Items with a sketch: each is compared with all of its kind that a server has.
pub const SKETCHED_ASKED_MAX: usize = 12;

/// Items that each kind is sure of, those that tell most first. Together they fit.
pub const SHARES: [(SignatureKind, usize); 7] = [
    (SignatureKind::Text, 3),
    (SignatureKind::Part, 10),
    (SignatureKind::Attachment, 2),
    (SignatureKind::Html, 1),
    (SignatureKind::Image, 2),
    (SignatureKind::Link, 16),
    (SignatureKind::Sender, super::SENDERS_ASKED_MAX),
];

const _: () = {
    let (mut bytes, mut items, mut sketched, mut at) = (0, 0, 0, 0);
    while at < SHARES.len() {
        let (kind, count) = SHARES[at];
        let has_sketch = kind.has_sketch();
        bytes += count * if has_sketch { SKETCHED_ITEM_BYTES } else { EXACT_ITEM_BYTES };
        sketched += if has_sketch { count } else { 0 };
        items += count;
        at += 1;
    }
    assert!(bytes <= ROOM_BYTES && items <= SIGNATURES_MAX && sketched <= SKETCHED_ASKED_MAX);
};

/// What is asked of a mail.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// The items, each signature once; among them what a filter says is not listed, which costs no room.
    pub asked: Vec<Asked>,
    /// The same signatures in other parts: what is answered holds for them too.
    pub twins: Vec<Asked>,
    /// Names that are not asked, or without the sketch that they have.
    pub left_out: usize,
}

/// Chooses. What `may_be_listed` denies needs no room.
#[must_use]
pub fn choose(names: Names, may_be_listed: impl Fn(&Item) -> bool) -> Chosen {
    let mut chosen = Chosen { left_out: names.unnamed, ..Chosen::default() };
    let mut seen: HashSet<Signature> = HashSet::with_capacity(names.asked.len());
    let mut room = Room::default();
    for asked in names.asked {
        if !seen.insert(asked.item.signature) {
            chosen.twins.push(asked);
        } else if may_be_listed(&asked.item) {
            room.wait(asked);
        } else {
            chosen.asked.push(asked);
        }
    }
    room.give_shares();
    room.give_in_turns();
    chosen.left_out += room.give_without_sketches();
    chosen.asked.append(&mut room.given);
    chosen
}

/// What was answered, also for the twins of what was asked.
#[must_use]
pub fn with_twins(mut answers: Vec<Answered>, twins: &[Asked]) -> Vec<Answered> {
    let listed: HashMap<Signature, Listing> =
        answers.iter().filter_map(|answer| Some((answer.signature, answer.listing?))).collect();
    answers.extend(twins.iter().map(|twin| Answered {
        signature: twin.item.signature,
        part: twin.part,
        listing: listed.get(&twin.item.signature).copied(),
    }));
    answers
}

/// The room of one question while it is given away.
#[derive(Default)]
struct Room {
    /// By the places of [`SHARES`].
    waiting: [VecDeque<Asked>; SHARES.len()],
    given: Vec<Asked>,
    bytes: usize,
    sketched: usize,
}

impl Room {
    fn wait(&mut self, asked: Asked) {
        let kind = asked.item.signature.kind;
        if let Some(at) = SHARES.iter().position(|(it, _)| *it == kind) {
            self.waiting[at].push_back(asked);
        }
    }

    fn give_shares(&mut self) {
        for (at, (_, share)) in SHARES.iter().enumerate() {
            for _ in 0..*share {
                self.give(at);
            }
        }
    }

    /// One of each kind, as long as any finds room.
    fn give_in_turns(&mut self) {
        loop {
            let mut is_given = false;
            for at in 0..SHARES.len() {
                is_given |= self.give(at);
            }
            if !is_given {
                return;
            }
        }
    }

    /// The exact name at least, kind after kind in turns. How many names were left out, whole or their sketch.
    fn give_without_sketches(&mut self) -> usize {
        let left_out = self.waiting.iter().map(VecDeque::len).sum();
        for waiting in &mut self.waiting {
            waiting.iter_mut().for_each(|asked| asked.item.sketch = None);
        }
        self.give_in_turns();
        left_out
    }

    /// Gives room to the next of a kind, if there is enough.
    fn give(&mut self, at: usize) -> bool {
        let Some(next) = self.waiting[at].front() else { return false };
        let bytes = next.item.wire_bytes();
        let sketched = usize::from(bytes > EXACT_ITEM_BYTES);
        let fits = self.bytes + bytes <= ROOM_BYTES
            && self.sketched + sketched <= SKETCHED_ASKED_MAX
            && self.given.len() < SIGNATURES_MAX;
        if fits && let Some(asked) = self.waiting[at].pop_front() {
            self.bytes += bytes;
            self.sketched += sketched;
            self.given.push(asked);
        }
        fits
    }
}

#[cfg(test)]
mod tests;
