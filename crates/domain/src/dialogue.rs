//! The conversation about one mail: Offer, at most one Need, Supply, Verdict. Both ends, without a wire.
//!
//! ```text
//! edge      Offering ──offer──▶ Waiting ──need──▶ Supplying ──last part──▶ Deciding ──verdict──▶ done
//!                                  └────────────────── verdict ───────────────────────────────▶ done
//! scanner   Offered ──need──▶ Awaiting ──all parts──▶ Supplied ──verdict──▶ done
//!              └───────────────────── verdict ────────────────────────────▶ done
//! ```
//!
//! Each state is a type of its own and each step consumes the state before it. So a second Need cannot be
//! said (`Supplied` has no such method) and cannot be heard (`Deciding` takes a verdict only). Two network
//! rounds are the most there can be. Every state carries the deadline that was set when the mail came in.

use std::time::{Duration, Instant};

use crate::digest::MailId;
use crate::envelope::Envelope;
use crate::limits::{PARTS_MAX, SUPPLY_BYTES_MAX};
use crate::outline::Outline;
use crate::verdict::Verdict;

/// What the edge says first: names, and the content that is too small to be worth a second round.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Identity of the mail.
    pub id: MailId,
    /// Who, to whom, from where.
    pub envelope: Envelope,
    /// The tree of parts with their names.
    pub outline: Outline,
    /// Canonical content of some parts, by part number, ascending.
    pub inline: Vec<Content>,
    /// Time left until the mail's deadline when this was said.
    pub remaining: Duration,
}

/// Canonical decoded bytes of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Number of the part in the outline.
    pub part: u16,
    /// Its bytes: what `Part::digest` is the name of.
    pub bytes: Vec<u8>,
}

/// What the scanner lacks: numbers of parts nobody in the cluster knows, ascending, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need(Vec<u16>);

impl Need {
    /// Part numbers, ascending.
    #[must_use]
    pub fn parts(&self) -> &[u16] {
        &self.0
    }
}

/// A piece of one needed part. Pieces of a part come in order; parts come in the order of the Need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    /// Number of the part.
    pub part: u16,
    /// The next bytes of its canonical content.
    pub bytes: Vec<u8>,
    /// Whether the part ends here.
    pub last: bool,
}

/// What the scanner may say.
#[derive(Clone, Debug, PartialEq)]
pub enum ScannerWord {
    /// It lacks content.
    Need(Vec<u16>),
    /// It has judged.
    Verdict(Box<Verdict>),
}

/// The other side broke the dialogue, or we were about to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A part number that the outline does not have, or of a container. The fault of whoever said it; give up this dialogue.
    #[error("part {0} is not one of the offered parts with content")]
    NoSuchPart(u16),
    /// Content for a part that was not needed, out of order, or twice.
    #[error("content of part {0} was not asked for at this point")]
    NotAsked(u16),
    /// More content than the outline said, or than one mail may have.
    #[error("part {part} is longer than the {offered} bytes that were offered")]
    TooLong {
        /// Part number.
        part: u16,
        /// Its size in the outline.
        offered: u64,
    },
    /// A part ended before its offered size.
    #[error("part {part} ended after {got} of {offered} bytes")]
    TooShort {
        /// Part number.
        part: u16,
        /// Bytes received.
        got: u64,
        /// Its size in the outline.
        offered: u64,
    },
    /// A Need that asks for nothing.
    #[error("a Need without parts")]
    EmptyNeed,
    /// A second Need.
    #[error("a second Need for the same mail")]
    NeedTwice,
    /// A verdict about some other mail.
    #[error("verdict about mail {0}, which is not the one offered")]
    WrongMail(MailId),
    /// A plan that leaves a recipient out, names one twice, or names one that does not exist.
    #[error("the plan does not name each recipient exactly once")]
    WrongPlan,
    /// An outline over the limits.
    #[error("an outline with {0} parts")]
    TooManyParts(usize),
    /// Parts that are together longer than the content of any mail (twice its raw limit: uuencode may give back
    /// stripped zero bytes).
    #[error("the offered parts are together longer than any mail")]
    TooMuch,
    /// The inline content contradicts the outline.
    #[error("inline content of part {0} contradicts the outline")]
    WrongInline(u16),
}

/// The edge has offered and listens.
#[derive(Debug)]
pub struct Waiting {
    id: MailId,
    recipients: usize,
    leaves: Vec<bool>,
    deadline: Instant,
}

/// What the edge heard while waiting.
#[derive(Debug)]
pub enum Heard {
    /// The scanner needs content.
    Need(Need, Deciding),
    /// The scanner has judged.
    Verdict(Box<Verdict>),
}

/// The edge supplies what was needed; nothing but a verdict may follow.
#[derive(Debug)]
pub struct Deciding {
    id: MailId,
    recipients: usize,
    deadline: Instant,
}

impl Waiting {
    /// The state right after `offer` was said at `now`.
    #[must_use]
    pub fn after(offer: &Offer, now: Instant) -> Self {
        Self {
            id: offer.id,
            recipients: offer.envelope.recipients.len(),
            leaves: offer.outline.parts.iter().map(|part| part.kind.is_leaf()).collect(),
            deadline: now + offer.remaining,
        }
    }

    /// When the edge gives up and answers by its own policy.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes the scanner's first word.
    ///
    /// # Errors
    /// [`Broken`]: the scanner's fault; give up this dialogue, another scanner may be tried in the time left.
    pub fn hear(self, word: ScannerWord) -> Result<Heard, Broken> {
        match word {
            ScannerWord::Need(parts) => {
                let need = checked_need(parts, |part| {
                    self.leaves.get(usize::from(part)).copied().unwrap_or(false)
                })?;
                let next =
                    Deciding { id: self.id, recipients: self.recipients, deadline: self.deadline };
                Ok(Heard::Need(need, next))
            }
            ScannerWord::Verdict(verdict) => {
                checked_verdict(verdict, self.id, self.recipients).map(Heard::Verdict)
            }
        }
    }
}

impl Deciding {
    /// When the edge gives up and answers by its own policy.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes the scanner's last word.
    ///
    /// # Errors
    /// [`Broken`]: the scanner's fault; a second Need is one.
    pub fn hear(self, word: ScannerWord) -> Result<Box<Verdict>, Broken> {
        match word {
            ScannerWord::Need(_) => Err(Broken::NeedTwice),
            ScannerWord::Verdict(verdict) => checked_verdict(verdict, self.id, self.recipients),
        }
    }
}

/// The scanner holds an offer.
#[derive(Debug)]
pub struct Offered {
    offer: Offer,
    deadline: Instant,
    /// Parts whose content came inline and was moved out.
    came: Vec<u16>,
}

/// The scanner said Need and collects content.
#[derive(Debug)]
pub struct Awaiting {
    offer: Offer,
    deadline: Instant,
    missing: std::collections::VecDeque<u16>,
    got: Vec<Content>,
}

/// The scanner holds all that it needed. There is no way to need more.
#[derive(Debug)]
pub struct Supplied {
    /// What was offered.
    pub offer: Offer,
    /// What was supplied, in the order of the Need.
    pub contents: Vec<Content>,
    deadline: Instant,
}

impl Offered {
    /// Takes an offer that arrived at `now`.
    ///
    /// # Errors
    /// [`Broken`]: the edge's fault (or a lying edge): refuse the dialogue.
    pub fn accept(offer: Offer, now: Instant) -> Result<Self, Broken> {
        let parts = &offer.outline.parts;
        if parts.len() > PARTS_MAX {
            return Err(Broken::TooManyParts(parts.len()));
        }
        for (number, part) in parts.iter().enumerate() {
            if part.parent.is_some_and(|parent| usize::from(parent) >= number) {
                return Err(Broken::NoSuchPart(part.parent.unwrap_or_default()));
            }
        }
        let leaves = parts.iter().filter(|part| part.kind.is_leaf());
        let total = leaves.map(|part| part.size).try_fold(0_u64, u64::checked_add);
        if total.is_none_or(|total| total > 2 * SUPPLY_BYTES_MAX) {
            return Err(Broken::TooMuch);
        }
        let mut next = 0;
        for content in &offer.inline {
            let part = parts
                .get(usize::from(content.part))
                .filter(|part| part.kind.is_leaf() && content.part >= next)
                .ok_or(Broken::WrongInline(content.part))?;
            if part.size != content.bytes.len() as u64 {
                return Err(Broken::WrongInline(content.part));
            }
            next = content.part.saturating_add(1);
        }
        let deadline = now + offer.remaining;
        Ok(Self { offer, deadline, came: Vec::new() })
    }

    /// What was offered.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Moves the inline contents out, for reading. They still count as having come.
    #[must_use]
    pub fn take_inline(&mut self) -> Vec<Content> {
        self.came = self.offer.inline.iter().map(|content| content.part).collect();
        std::mem::take(&mut self.offer.inline)
    }

    /// When the edge stops waiting.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Says Need for these part numbers, once and for all.
    ///
    /// # Errors
    /// [`Broken`] for a number that was not offered, one that came inline, or none at all: our own fault.
    pub fn need(self, parts: Vec<u16>) -> Result<(Need, Awaiting), Broken> {
        let need = checked_need(parts, |number| {
            let leaf = self.offer.outline.parts.get(usize::from(number));
            leaf.is_some_and(|part| part.kind.is_leaf())
                && !self.offer.inline.iter().any(|content| content.part == number)
                && !self.came.contains(&number)
        })?;
        let missing = need.0.iter().copied().collect();
        Ok((
            need,
            Awaiting { offer: self.offer, deadline: self.deadline, missing, got: Vec::new() },
        ))
    }

    /// Goes on with what came inline.
    #[must_use]
    pub fn without_need(self) -> Supplied {
        Supplied { offer: self.offer, contents: Vec::new(), deadline: self.deadline }
    }
}

/// Whether content is still missing.
#[derive(Debug)]
pub enum Collecting {
    /// Some is.
    Missing(Awaiting),
    /// All is here.
    Complete(Supplied),
}

impl Awaiting {
    /// When the edge stops waiting.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What was offered.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Takes the next piece of content.
    ///
    /// # Errors
    /// [`Broken`]: the edge's fault; refuse the dialogue.
    pub fn supply(mut self, supply: Supply) -> Result<Collecting, Broken> {
        let number = supply.part;
        if self.missing.front() != Some(&number) {
            return Err(Broken::NotAsked(number));
        }
        let offered = self.offered_size(number)?;
        if self.got.last().is_none_or(|content| content.part != number) {
            self.got.push(Content { part: number, bytes: Vec::new() });
        }
        let Some(content) = self.got.last_mut() else { return Err(Broken::NotAsked(number)) };
        let got = content.bytes.len() as u64 + supply.bytes.len() as u64;
        if got > offered.min(SUPPLY_BYTES_MAX) {
            return Err(Broken::TooLong { part: number, offered });
        }
        content.bytes.extend_from_slice(&supply.bytes);
        if supply.last {
            if got != offered {
                return Err(Broken::TooShort { part: number, got, offered });
            }
            self.missing.pop_front();
        }
        Ok(if self.missing.is_empty() {
            Collecting::Complete(Supplied {
                offer: self.offer,
                contents: self.got,
                deadline: self.deadline,
            })
        } else {
            Collecting::Missing(self)
        })
    }

    /// Gives up waiting and goes on with the parts that are complete.
    #[must_use]
    pub fn give_up(mut self) -> Supplied {
        let missing = self.missing;
        self.got.retain(|content| !missing.contains(&content.part));
        Supplied { offer: self.offer, contents: self.got, deadline: self.deadline }
    }

    fn offered_size(&self, number: u16) -> Result<u64, Broken> {
        let part = self.offer.outline.parts.get(usize::from(number));
        part.map(|part| part.size).ok_or(Broken::NoSuchPart(number))
    }
}

impl Supplied {
    /// When the edge stops waiting.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// A Need whose numbers are known, ascending, none twice, and at least one.
fn checked_need(mut parts: Vec<u16>, known: impl Fn(u16) -> bool) -> Result<Need, Broken> {
    parts.sort_unstable();
    if parts.is_empty() {
        return Err(Broken::EmptyNeed);
    }
    if let Some(twice) = parts.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Broken::NotAsked(twice[0]));
    }
    match parts.iter().find(|part| !known(**part)) {
        Some(unknown) => Err(Broken::NoSuchPart(*unknown)),
        None => Ok(Need(parts)),
    }
}

/// A verdict about this mail whose plan names every recipient exactly once.
fn checked_verdict(
    verdict: Box<Verdict>,
    id: MailId,
    recipients: usize,
) -> Result<Box<Verdict>, Broken> {
    if verdict.id != id {
        return Err(Broken::WrongMail(verdict.id));
    }
    let mut named = vec![false; recipients];
    for number in verdict.plan.groups.iter().flat_map(|group| &group.recipients) {
        match named.get_mut(usize::from(*number)) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(Broken::WrongPlan),
        }
    }
    if named.iter().all(|seen| *seen) { Ok(verdict) } else { Err(Broken::WrongPlan) }
}

#[cfg(test)]
mod tests;
