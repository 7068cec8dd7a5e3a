//! The table of listed signatures: exact names in a map, texts also in an index by similarity.
//!
//! Nothing but [`Table::apply`] changes it, one numbered change after the other; the same changes in the same order
//! give the same table and the same epoch on every node. Reading takes `&self` only, so that many may ask at once.
//!
//! Rules of judgement:
//! - one report of [`Class::Allowed`] wins over every other report of the same signature;
//! - fewer than [`Rules::reporters_needed`] independent reporters make it [`Class::Suspected`], whatever they say;
//! - else the class that most reporters name; of equals the graver (malware, phishing, spam, bulk);
//! - a text that is not listed itself is answered by a similar one: an allowed neighbour first, then the nearest.

mod change;

mod near;
mod record;
mod saved;

use std::collections::HashMap;

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::{Class, Listing};

use crate::hashing::Seeded;
use crate::packet::Item;
pub use change::{
    Applied, Authority, Change, Found, REPORTER_CHARS_MAX, Refused, ReportTold, ReporterRecord,
    Saved,
};
use near::Near;
pub use near::{BUCKET_OWNERS_MAX, EVICTED_MEANING};
pub use record::REPORTERS_KEPT_MAX;
use record::Record;

/// Different reporters that one table knows by name. Each costs its name and an entry; a site has dozens.
pub const REPORTER_NAMES_MAX: usize = 65_536;

/// Maps that share the exact names. A map that grows moves all its entries at once: the pause is 64 times shorter.
const SHARDS: usize = 64;

/// What may be set about a table. Every node of one service needs the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Independent reporters before a class other than suspected is answered, 1 to [`REPORTERS_KEPT_MAX`]. 1 where one
    /// operator alone reports (the embedded set-up); 2 or more where reporters are many and unknown.
    pub reporters_needed: u8,
    /// Lanes of 32 that must agree before a text counts as similar, 17 to 32; see [`AGREEMENT_MIN`].
    pub agreement_min: u8,
    /// Share of the organisations active in the last 7 days that must agree before a class is answered, in thousandths.
    pub quorum_permille: u16,
    /// Signatures held at most; a report of one more is refused.
    pub signatures_max: usize,
    /// Secret of the hash tables, so that nobody can choose signatures that collide.
    pub seed: u64,
}

/// Lanes of 32 that must agree by default.
///
/// For a text that shares the portion J of its 3-word windows with a listed one, the probability of at least 17 equal
/// lanes is 1.3e-9 at J = 0.1, 3.3e-5 at 0.2, 0.5 % at 0.3, 43 % at 0.5, 84 % at 0.6 and 98.6 % at 0.7; for unrelated
/// texts (lanes meet by chance once in 65,536) it is below 1e-72. With 16 bands of two lanes, 17 equal lanes always
/// fill one band, so that the index misses nothing by construction at this threshold or above.
pub const AGREEMENT_MIN: u8 = 17;

/// Share of the active organisations that must agree, by default: twice the share of hostile ones that is withstood.
pub const QUORUM_PERMILLE: u16 = 20;

impl Default for Rules {
    fn default() -> Self {
        Self {
            reporters_needed: 1,
            agreement_min: AGREEMENT_MIN,
            quorum_permille: QUORUM_PERMILLE,
            // About 6 GB if all are texts; see `Table::memory_bytes`.
            signatures_max: 10_000_000,
            seed: 0,
        }
    }
}

/// Everything that is listed.
#[derive(Debug)]
pub struct Table {
    rules: Rules,
    epoch: u64,
    shards: Vec<HashMap<Signature, Record, Seeded>>,
    near: Near,
    names: Vec<String>,
    name_ids: HashMap<String, u32>,
    counts: [u64; SignatureKind::ALL.len()],
}

impl Table {
    /// An empty table at epoch 0.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let shard = || HashMap::with_hasher(Seeded::new(rules.seed));
        Self {
            rules,
            epoch: 0,
            shards: (0..SHARDS).map(|_| shard()).collect(),
            near: Near::new(rules.seed),
            names: Vec::new(),
            name_ids: HashMap::new(),
            counts: [0; SignatureKind::ALL.len()],
        }
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
    pub fn len(&self) -> usize {
        self.shards.iter().map(HashMap::len).sum()
    }

    /// Whether nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(HashMap::is_empty)
    }

    /// Listed signatures of one kind.
    #[must_use]
    pub fn count(&self, kind: SignatureKind) -> u64 {
        self.counts[slot(kind)]
    }

    /// Places in the similarity index that were given up for newer texts, see [`EVICTED_MEANING`].
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.near.evicted()
    }

    /// Memory in bytes, from the capacities of everything it holds.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        // One byte of control beside each place of a map, and maps stay at most 7/8 full.
        let place = size_of::<(Signature, Record)>() + 1;
        let maps = self.shards.iter().map(|shard| shard.capacity() * 8 / 7 * place).sum::<usize>();
        let names = self.names.iter().map(|name| 2 * name.len() + 64).sum::<usize>();
        maps + self.near.memory_bytes() + names
    }

    /// What is known of an item at `now_unix_s`: its own listing, else that of the best similar text.
    #[must_use]
    pub fn ask(&self, item: &Item, now_unix_s: u32) -> Option<Listing> {
        let (_, record, similarity) = self.search(item)?;
        Some(record.listing(similarity, now_unix_s))
    }

    /// Which listed signature answers for an item at `now_unix_s`, and with what: the item's own, else the best similar
    /// one. Its history is kept where memory does not matter, and is looked up by kind and prefix.
    #[must_use]
    pub fn find(&self, item: &Item, now_unix_s: u32) -> Option<Found> {
        let (signature, record, similarity) = self.search(item)?;
        let value_prefix = prefix(&signature.value);
        let listing = record.listing(similarity, now_unix_s);
        Some(Found { kind: signature.kind, value_prefix, listing })
    }

    /// Whether all of `changes` could be applied one after the other: asked before they are written to a log.
    ///
    /// # Errors
    /// [`Refused`], with the reason of the first that could not.
    pub fn check(&self, changes: &[Change]) -> Result<(), Refused> {
        let mut added = 0;
        let mut names = Vec::new();
        for change in changes {
            change.check()?;
            let Change::Add { signature, reporter, .. } = change else { continue };
            added += usize::from(self.record(signature).is_none());
            let known = self.name_ids.contains_key(reporter) || names.contains(&reporter);
            if !known {
                names.push(reporter);
            }
        }
        self.room_for(added, names.len())
    }

    /// Makes one change. The epoch grows by one when something changed: a deletion of what was not listed changes
    /// nothing.
    ///
    /// # Errors
    /// [`Refused`]: the table is as before.
    pub fn apply(&mut self, change: &Change) -> Result<Applied, Refused> {
        self.check(std::slice::from_ref(change))?;
        self.replay(change)
    }

    /// Makes a change that was accepted before: as [`Table::apply`], but a limit that was lowered since loses nothing.
    ///
    /// # Errors
    /// [`Refused`] when no table would have accepted it.
    pub fn replay(&mut self, change: &Change) -> Result<Applied, Refused> {
        change.check()?;
        match change {
            Change::Delete { signature, .. } => Ok(self.delete(signature)),
            Change::Retract { signature, reporter, .. } => Ok(self.retract(signature, reporter)),
            Change::Add { signature, sketch, class, weight, reporter, authority, at_unix_s } => {
                let listed = self.record(signature).is_some();
                let reporter = self.name_id(reporter);
                let report = record::Report::new(reporter, *class, *weight, *authority, *at_unix_s);
                self.epoch += 1;
                self.report(*signature, sketch.as_ref(), report);
                Ok(if listed { Applied::Confirmed } else { Applied::Added })
            }
        }
    }

    /// Makes room ahead of a load: for `exact` signatures without a sketch and `sketched` ones with. A hint.
    pub fn reserve(&mut self, exact: usize, sketched: usize) {
        let _ = (exact, sketched);
    }

    /// What is known of every reporter, so that trust survives a restart; in the order of their first reports.
    pub fn reporters(&self) -> impl Iterator<Item = ReporterRecord> + '_ {
        self.names.iter().map(|name| ReporterRecord { name: name.clone(), ..Default::default() })
    }

    /// Puts back what [`Table::reporters`] gave. Records and signatures may be loaded in any order.
    ///
    /// # Errors
    /// [`Refused`] when no table gives such a record.
    pub fn load_reporter(&mut self, record: &ReporterRecord) -> Result<(), Refused> {
        change::check_name(&record.name)?;
        self.name_id(&record.name);
        Ok(())
    }

    /// Puts one signature into a table that is being built from histories; then [`Table::at_epoch`].
    ///
    /// # Errors
    /// [`Refused`] when it is not one that changes can make.
    pub fn load(&mut self, saved: &Saved) -> Result<(), Refused> {
        for told in &saved.reports {
            change::check_report(told.class, told.weight, &told.reporter)?;
            let report = record::Report::restored(self.name_id(&told.reporter), told);
            self.report(saved.signature, saved.sketch.as_ref(), report);
        }
        if let Some(record) = self.shard_mut(&saved.signature).get_mut(&saved.signature) {
            record.changed_epoch = saved.changed_epoch;
        }
        Ok(())
    }

    /// The table as of this epoch: ends a restoration.
    pub const fn at_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    fn report(&mut self, signature: Signature, sketch: Option<&Sketch>, report: record::Report) {
        let (epoch, needed) = (self.epoch, self.rules.reporters_needed);
        let known = self.shards[shard_of(&signature)].get(&signature).map(|record| record.text);
        let text = match (known.flatten(), sketch) {
            (Some(text), _) => Some(text),
            (None, Some(sketch)) => self.near.insert(sketch, signature.value),
            (None, None) => None,
        };
        if known.is_none() {
            self.counts[slot(signature.kind)] += 1;
        }
        let shard = self.shard_mut(&signature);
        let record = shard
            .entry(signature)
            .and_modify(|record| record.report(report))
            .or_insert_with(|| Record::new(report));
        record.text = text;
        record.changed_epoch = epoch;
        record.judge(needed);
    }

    fn delete(&mut self, signature: &Signature) -> Applied {
        let Some(record) = self.shard_mut(signature).remove(signature) else {
            return Applied::Unknown;
        };
        if let Some(text) = record.text {
            self.near.remove(text);
        }
        self.counts[slot(signature.kind)] -= 1;
        self.epoch += 1;
        Applied::Deleted
    }

    fn retract(&mut self, signature: &Signature, reporter: &str) -> Applied {
        let Some(id) = self.name_ids.get(reporter).copied() else { return Applied::Unknown };
        let (epoch, needed) = (self.epoch + 1, self.rules.reporters_needed);
        let Some(record) = self.shard_mut(signature).get_mut(signature) else {
            return Applied::Unknown;
        };
        match record.retract(id) {
            None => Applied::Unknown,
            Some(0) => self.delete(signature),
            Some(_) => {
                record.changed_epoch = epoch;
                record.judge(needed);
                self.epoch = epoch;
                Applied::Retracted
            }
        }
    }

    fn search(&self, item: &Item) -> Option<(Signature, &Record, u8)> {
        if let Some(record) = self.record(&item.signature) {
            return Some((item.signature, record, Sketch::LANES as u8));
        }
        if item.signature.kind != SignatureKind::Text {
            return None;
        }
        let mut best: Option<(Signature, &Record, u8)> = None;
        self.near.visit(item.sketch.as_ref()?, self.rules.agreement_min, |value, similarity| {
            let signature = Signature { kind: SignatureKind::Text, value };
            let Some(record) = self.record(&signature) else { return };
            let rank = |record: &Record, similarity: u8, value: [u8; 16]| {
                (record.class == Class::Allowed, similarity, std::cmp::Reverse(value))
            };
            let better = best.as_ref().is_none_or(|(other, known, lanes)| {
                rank(record, similarity, value) > rank(known, *lanes, other.value)
            });
            if better {
                best = Some((signature, record, similarity));
            }
        });
        best
    }

    fn room_for(&self, signatures: usize, names: usize) -> Result<(), Refused> {
        if signatures > 0 && self.len() + signatures > self.rules.signatures_max {
            return Err(Refused::Full { signatures_max: self.rules.signatures_max });
        }
        if names > 0 && self.names.len() + names > REPORTER_NAMES_MAX {
            return Err(Refused::TooManyReporters);
        }
        Ok(())
    }

    fn record(&self, signature: &Signature) -> Option<&Record> {
        self.shards[shard_of(signature)].get(signature)
    }

    fn shard_mut(&mut self, signature: &Signature) -> &mut HashMap<Signature, Record, Seeded> {
        &mut self.shards[shard_of(signature)]
    }

    /// The number of a reporter's name; room was checked before.
    fn name_id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.name_ids.get(name) {
            return *id;
        }
        let id = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.name_ids.insert(name.to_owned(), id);
        id
    }
}

fn prefix(value: &[u8; 16]) -> [u8; 12] {
    std::array::from_fn(|at| value[at])
}

fn shard_of(signature: &Signature) -> usize {
    usize::from(signature.value[15]) % SHARDS
}

fn slot(kind: SignatureKind) -> usize {
    usize::from(kind.code()) - 1
}

#[cfg(test)]
mod tests;
