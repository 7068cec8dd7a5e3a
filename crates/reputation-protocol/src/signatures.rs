//! The table of listed signatures: conclusions in memory, exact names and an index by similarity.
//!
//! Nothing but [`Table::apply`] changes it, one numbered change after the other; the same changes in the same order
//! give the same answers, the same epoch and the same trust on every node, whatever its seed. Reading takes `&self`
//! only, so that many may ask at once. Histories (who first, how often) are kept where memory does not matter, as
//! [`Saved`]; a table that loads them and the records of the reporters goes on as the one that took the changes.
//!
//! Rules of judgement:
//! - a reporter's voice weighs (confirmed + 2) / (confirmed + 2 + 8 contradicted), of the confirmed reports at most
//!   [`CONFIRMED_COUNTED_MAX`]; reporters of one organisation, the part of the name before `/`, are one voice, with the
//!   weightiest;
//! - S is the sum of voices that name spam, phishing or malware, H of ordinary ones that name allowed;
//! - it is listed, as the class that most weight names (of equals the graver), when S reaches
//!   [`Rules::reporters_needed`] and the quorum of the organisations active in [`ACTIVE_DAYS`] days, and S >= 2 H; the
//!   last word of a reporter counts: who accused and allows now takes his voice from S to H;
//! - an operator's accusation lists at once; an operator's `allowed` wins over everything;
//! - else enough voices for `bulk` make it bulk; else any report but `allowed` makes it [`Class::Suspected`], and
//!   ordinary `allowed` alone nothing at all;
//! - what resembles it is judged by the reports alone that named the sketch which is stored: the one that a majority of
//!   the organisations names, see `words`, or an operator;
//! - of what the item itself and similar signatures say, an accusation or `allowed` of its own comes first, then the
//!   nearest neighbour that accuses or is allowed (of equally near ones the allowed), then bulk, then suspicion. So nobody
//!   hides a listing behind a suspicion that he made himself, nor behind a faint likeness to something allowed.
//!
//! The conclusion is drawn when it is asked for, from the votes that stand and the trust of today: a reporter who turns
//! out to be a liar loses his part in all that he said, and a table loaded from histories concludes as any other.
//! Merit changes only with a change of a signature: while it is listed and accused by two organisations those are
//! confirmed whose accusations made the listing, and when an operator allows or deletes it its accusers are
//! contradicted, each once for one report.

mod activity;
mod change;
mod directory;
mod exact;
mod ids;
mod judge;
mod kept;
mod limits;
mod near;
mod pages;
mod resident;
mod saved;
mod slab;
mod trust;
mod votes;
mod words;

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::{Class, Listing};

use crate::hashing::Seeded;
use crate::packet::Item;
pub use activity::{ACTIVE_DAYS, CLOCKS_PER_WRONG_ONE};
pub use change::{
    Applied, Authority, Change, Found, REPORTER_CHARS_MAX, Refused, ReportTold, ReporterRecord,
    Saved,
};
use judge::{Judged, judge, judge_near};
use kept::{Kept, Name, Said};
pub use limits::{
    AGREEMENT_LEAST, AGREEMENT_MIN, QUORUM_PERMILLE, REPORTERS_KEPT_MAX, Rules, SIGNATURES_MAX,
    SKETCHED_MAX,
};
pub use near::{CANDIDATES_MAX, EVICTED_MEANING, OWNERS_MAX};
use resident::{Resident, Spot};
use trust::Trust;
pub use trust::{CONFIRMED_COUNTED_MAX, QUORUM_MAX, REPORTER_NAMES_MAX};
use votes::Vote;
pub use words::Named;
use words::{Given, Word};

/// Everything that is listed.
#[derive(Debug)]
pub struct Table {
    rules: Rules,
    epoch: u64,
    resident: Resident,
    trust: Trust,
    counts: [u64; SignatureKind::ALL.len()],
}

impl Table {
    /// An empty table at epoch 0.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            epoch: 0,
            resident: Resident::with_room(Seeded::new(rules.seed), 0, 0),
            trust: Trust::new(rules.reporters_needed, rules.quorum_permille, rules.seed),
            counts: [0; SignatureKind::ALL.len()],
        }
    }

    /// Makes room ahead of a load, so that nothing is moved while it runs: for `exact` signatures without a sketch and
    /// `sketched` ones with. Only an empty table does.
    pub fn reserve(&mut self, exact: usize, sketched: usize) {
        if !self.is_empty() {
            return;
        }
        let (exact, sketched) = (exact.min(SIGNATURES_MAX), sketched.min(SKETCHED_MAX));
        self.resident = Resident::with_room(Seeded::new(self.rules.seed), exact, sketched);
    }

    /// Number of the last change.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The rules it was made with.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Listed signatures of all kinds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.resident.bare_len() + self.resident.sketched_len()
    }

    /// Whether nothing is listed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Listed signatures of one kind.
    #[must_use]
    pub fn count(&self, kind: SignatureKind) -> u64 {
        self.counts[slot(kind)]
    }

    /// Places in the similarity index that were given up for newer signatures, see [`EVICTED_MEANING`]. The one thing in
    /// which a table loaded from histories may differ: it gave up others.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.resident.evicted()
    }

    /// Memory in bytes, from the capacities of everything it holds.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.resident.memory_bytes() + self.trust.memory_bytes()
    }

    /// What is known of an item at `now_unix_s`: its own listing, or that of the best similar signature.
    #[must_use]
    pub fn ask(&self, item: &Item, now_unix_s: u32) -> Option<Listing> {
        Some(self.find(item, now_unix_s)?.listing)
    }

    /// Which listed signature answers for an item at `now_unix_s`, and with what. Its history is kept elsewhere, to be
    /// looked up by kind and prefix.
    #[must_use]
    pub fn find(&self, item: &Item, now_unix_s: u32) -> Option<Found> {
        let name = Name::of(&item.signature);
        let mut best = self
            .resident
            .spot(&name)
            .and_then(|spot| self.candidate(name, self.resident.kept(spot), 32));
        if best.as_ref().is_none_or(|own| !own.class.is_verdict())
            && let Some(sketch) = &item.sketch
            && item.signature.kind.has_sketch()
        {
            let least = self.rules.agreement_min;
            self.resident.visit_near(name.kind, sketch, least, |other, kept, similarity| {
                if other == name {
                    // All votes said already what is to be said of it.
                    return;
                }
                // Equal sketches are not equal bytes: only the value says that.
                let other = self.candidate(other, kept, similarity.min(NEAR_MAX));
                let order = |candidate: &Candidate| candidate.order();
                if other.as_ref().map(order) > best.as_ref().map(order) {
                    best = other;
                }
            });
        }
        Some(best?.found(now_unix_s))
    }

    /// Whether all of `changes` could be applied one after the other: asked before they are written to a log.
    ///
    /// # Errors
    /// [`Refused`], with the reason of the first that could not.
    pub fn check(&self, changes: &[Change]) -> Result<(), Refused> {
        let (mut bare, mut sketched, mut moved) = (0, 0, 0);
        let mut names = Vec::new();
        for change in changes {
            change.check()?;
            let Change::Add { signature, sketch, reporter, .. } = change else { continue };
            if self.trust.id(reporter).is_none() && !names.contains(&reporter) {
                names.push(reporter);
            }
            if !self.rules.holds(signature) {
                continue;
            }
            match (self.resident.spot(&Name::of(signature)), sketch) {
                (Some(Spot::Sketched(_)), _) | (Some(Spot::Exact(_)), None) => {}
                (Some(Spot::Exact(_)), Some(_)) => moved += 1,
                (None, Some(_)) => sketched += 1,
                (None, None) => bare += 1,
            }
        }
        let held = limits::Held {
            bare: (self.resident.bare_len() + bare).saturating_sub(moved),
            sketched: self.resident.sketched_len() + sketched + moved,
            names: self.trust.len() + names.len(),
        };
        held.check((bare + sketched > 0).then_some(self.rules.signatures_max))
    }

    /// Makes one change. The epoch grows by one when something changed: a deletion of what was not listed changes
    /// nothing. One of several shards counts every change, see [`Rules::shard`].
    ///
    /// # Errors
    /// [`Refused`]: the table is as before.
    pub fn apply(&mut self, change: &Change) -> Result<Applied, Refused> {
        self.check(std::slice::from_ref(change))?;
        self.replay(change)
    }

    /// Makes a change that was accepted before: as [`Table::apply`], but a configured limit that was lowered since loses
    /// nothing.
    ///
    /// # Errors
    /// [`Refused`] when no table would have accepted it. Where that is a limit which no table goes beyond, the change counts
    /// in the epoch all the same: a log has it, and who reads that log comes to the same epoch.
    pub fn replay(&mut self, change: &Change) -> Result<Applied, Refused> {
        change.check()?;
        let epoch = self.epoch;
        let applied = self.changed(change);
        let has_no_room = applied.as_ref().is_err_and(Refused::is_limit);
        if self.rules.shard.is_some() || has_no_room {
            self.epoch = epoch + 1;
        }
        applied
    }

    fn changed(&mut self, change: &Change) -> Result<Applied, Refused> {
        let is_held = self.rules.holds(change.signature());
        match change {
            Change::Delete { .. } | Change::Retract { .. } if !is_held => Ok(Applied::Elsewhere),
            Change::Delete { signature, .. } => Ok(self.delete(signature)),
            Change::Retract { signature, reporter, .. } => Ok(self.retract(signature, reporter)),
            Change::Add { signature, sketch, class, weight, reporter, authority, at_unix_s } => {
                if is_held {
                    self.has_room(&Name::of(signature), sketch.is_some())?;
                }
                let reporter = self.trust.enter(reporter)?;
                self.trust.seen(reporter, *at_unix_s);
                if !is_held {
                    return Ok(Applied::Elsewhere);
                }
                let vote = Vote::new(reporter, *class, *weight, *authority, *at_unix_s);
                self.epoch += 1;
                Ok(self.report(signature, sketch.as_ref(), vote))
            }
        }
    }

    /// What is known of every reporter, so that trust survives a restart; in the order of their first reports.
    pub fn reporters(&self) -> impl Iterator<Item = ReporterRecord> + '_ {
        self.trust.records().cloned()
    }

    /// Puts back what [`Table::reporters`] gave. Records and signatures may be loaded in any order.
    ///
    /// # Errors
    /// [`Refused`] when no table gives such a record.
    pub fn load_reporter(&mut self, record: &ReporterRecord) -> Result<(), Refused> {
        change::check_name(&record.name)?;
        self.trust.load(record)
    }

    /// Puts one signature into a table that is being built from histories; then [`Table::at_epoch`]. It changes nobody's
    /// merit. Of one that another shard keeps, the reporters' names alone.
    ///
    /// # Errors
    /// [`Refused`] when it is not one that changes can make.
    pub fn load(&mut self, saved: &Saved) -> Result<(), Refused> {
        if saved.sketch.is_some() && !saved.signature.kind.has_sketch() {
            return Err(Refused::Sketch(saved.signature.kind));
        }
        for told in &saved.reports {
            change::check_report(told.class, told.weight, &told.reporter)?;
        }
        if !self.rules.holds(&saved.signature) {
            return saved
                .reports
                .iter()
                .try_for_each(|told| self.trust.enter(&told.reporter).map(drop));
        }
        let name = Name::of(&saved.signature);
        self.has_room(&name, saved.sketch.is_some())?;
        let mut votes = Vec::with_capacity(saved.reports.len());
        for told in &saved.reports {
            let reporter = self.trust.enter(&told.reporter)?;
            let (class, weight) = (told.class, told.weight);
            let vote = Vote::new(reporter, class, weight, told.authority, told.last_unix_s);
            let named = if saved.sketch.is_some() { told.named } else { Named::Nothing };
            let is_known = votes.iter().any(|own: &Vote| own.reporter() == reporter);
            if !is_known && votes.len() < REPORTERS_KEPT_MAX {
                votes.push(vote.with(named, told.is_contradicted));
            }
        }
        if let Some(spot) = self.resident.spot(&name) {
            self.resident.take_out(&name, spot);
            self.counts[slot(name.kind())] -= 1;
        }
        if !votes.is_empty() {
            self.counts[slot(name.kind())] += 1;
            self.resident.put(&name, saved.sketch.as_ref(), &votes, &self.trust);
        }
        Ok(())
    }

    /// The table as of this epoch: ends a load.
    pub const fn at_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    fn report(&mut self, signature: &Signature, sketch: Option<&Sketch>, vote: Vote) -> Applied {
        let name = Name::of(signature);
        let Some(spot) = self.resident.spot(&name) else {
            self.counts[slot(name.kind())] += 1;
            let named = if sketch.is_some() { Named::Stored } else { Named::Nothing };
            self.resident.put(&name, sketch, &[vote.with(named, false)], &self.trust);
            return Applied::Added;
        };
        let before = self.resident.votes_at(spot);
        let mut after = before.clone();
        let given = self.resident.given(spot, sketch);
        let count = |votes: &[Vote], named| self.trust.organisations(votes, named);
        let is_stored = words::hear(&mut after, vote, given, count);
        let mut contradicted = Vec::new();
        if vote.overrules() {
            words::contradict(&mut after, |vote| contradicted.push(vote.reporter()));
        }
        self.resident.set(&name, spot, &after);
        let has_grown = || self.trust.rank(&before) < self.trust.rank(&after);
        match sketch {
            Some(sketch) if is_stored => self.resident.sketch(&name, spot, sketch, &self.trust),
            Some(sketch) if given == Given::Stored && has_grown() => {
                self.resident.stand(spot, sketch, &self.trust);
            }
            _ => {}
        }
        self.learn(&before, &after, &contradicted);
        Applied::Confirmed
    }

    fn delete(&mut self, signature: &Signature) -> Applied {
        let name = Name::of(signature);
        let Some(spot) = self.resident.spot(&name) else { return Applied::Unknown };
        let before = self.resident.votes_at(spot);
        let mut contradicted = Vec::new();
        words::contradict(&mut before.clone(), |vote| contradicted.push(vote.reporter()));
        self.counts[slot(name.kind())] -= 1;
        self.resident.take_out(&name, spot);
        self.learn(&before, &[], &contradicted);
        self.epoch += 1;
        Applied::Deleted
    }

    fn retract(&mut self, signature: &Signature, reporter: &str) -> Applied {
        let name = Name::of(signature);
        let (Some(spot), Some(id)) = (self.resident.spot(&name), self.trust.id(reporter)) else {
            return Applied::Unknown;
        };
        let before = self.resident.votes_at(spot);
        let mut after = before.clone();
        after.retain(|vote| vote.reporter() != id);
        if after.len() == before.len() {
            return Applied::Unknown;
        }
        self.epoch += 1;
        if after.is_empty() {
            self.counts[slot(name.kind())] -= 1;
            self.resident.take_out(&name, spot);
            return Applied::Deleted;
        }
        self.resident.set(&name, spot, &after);
        self.learn(&before, &after, &[]);
        Applied::Retracted
    }

    /// What a change of one signature's votes says about those who cast them; these were contradicted by it.
    fn learn(&mut self, before: &[Vote], after: &[Vote], contradicted: &[u16]) {
        let was = judge::confirmed(before, &self.trust);
        let is = judge::confirmed(after, &self.trust);
        is.iter().filter(|id| !was.contains(id)).for_each(|id| self.trust.confirm(*id));
        was.iter().filter(|id| !is.contains(id)).for_each(|id| self.trust.unconfirm(*id));
        contradicted.iter().for_each(|reporter| self.trust.contradict(*reporter));
    }

    fn candidate(&self, name: Name, kept: Kept, similarity: u8) -> Option<Candidate> {
        let judge = if similarity > NEAR_MAX { judge } else { judge_near };
        let judged = match kept.said() {
            Said::One(vote) => judge(&[vote], &self.trust),
            Said::Many(list) => judge(self.resident.votes().list(list), &self.trust),
        };
        Some(Candidate { name, class: judged.class?, judged, similarity })
    }

    /// Whether a signature may be put in, whatever is configured.
    fn has_room(&self, name: &Name, has_sketch: bool) -> Result<(), Refused> {
        if self.len() < SIGNATURES_MAX && self.resident.sketched_len() < SKETCHED_MAX {
            return Ok(());
        }
        let (is_new, is_sketched) =
            (self.resident.spot(name).is_none(), self.resident.sketched(name).is_some());
        let held = limits::Held {
            bare: self.resident.bare_len() + usize::from(is_new && !has_sketch),
            sketched: self.resident.sketched_len() + usize::from(has_sketch && !is_sketched),
            names: 0,
        };
        held.check(None)
    }
}

/// Lanes that are told to agree at most where the value does not.
pub(crate) const NEAR_MAX: u8 = Sketch::LANES as u8 - 1;

/// One signature that may answer.
struct Candidate {
    name: Name,
    class: Class,
    judged: Judged,
    similarity: u8,
}

impl Candidate {
    /// The greatest answers; the name decides among equals, so that all nodes choose alike.
    fn order(&self) -> ((u8, u8, bool), std::cmp::Reverse<Name>) {
        (self.class.precedence(self.similarity), std::cmp::Reverse(self.name))
    }

    fn found(&self, now_unix_s: u32) -> Found {
        let age_hours = votes::hour_of(now_unix_s).saturating_sub(self.judged.hour);
        Found {
            kind: self.name.kind(),
            value_prefix: self.name.value,
            is_operator: self.judged.is_operator,
            listing: Listing {
                class: self.class,
                weight: self.judged.weight,
                reporters: self.judged.reporters,
                age_hours: u16::try_from(age_hours).unwrap_or(u16::MAX),
                similarity: self.similarity,
            },
        }
    }
}

fn slot(kind: SignatureKind) -> usize {
    usize::from(kind.code()) - 1
}

#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod sketch_tests;
#[cfg(test)]
mod tests;
