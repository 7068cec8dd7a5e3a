//! Who reports, and what a reporter's word is worth. All of it follows from the changes alone.

use std::collections::HashMap;

use super::REPORTERS_KEPT_MAX;
use super::activity::Activity;
use super::change::{Refused, ReporterRecord};
use super::near::Rank;
use super::votes::Vote;
use super::words::{Named, Word};
use crate::hashing::Seeded;

/// Different reporters that one table knows by name, as many as 16 bits can number. A site has dozens.
pub const REPORTER_NAMES_MAX: usize = 65_536;

/// Organisations that are asked for at most, however many are active: half of the votes that are kept, so that hostile
/// ones cannot fill the list before. The share of the quorum holds up to 6,350 active organisations.
pub const QUORUM_MAX: usize = REPORTERS_KEPT_MAX / 2;

/// The weight of one whole voice. Weights are whole numbers so that every node counts alike.
pub(super) const WHOLE: u64 = 1 << 16;

/// Confirmed reports that count at most: two years of truth weigh no more than a month of it, so that nobody lies for
/// free whatever he said before. One contradicted report leaves 0.8 of a voice then, four leave a half.
pub const CONFIRMED_COUNTED_MAX: u32 = 30;

/// Merit that a reporter begins with.
const CONFIRMED_AT_FIRST: u64 = 2;

/// Confirmed reports that one contradicted report undoes.
const CONTRADICTED_COSTS: u64 = 8;

const SECONDS_OF_DAY: u32 = 86_400;

/// All reporters.
#[derive(Debug)]
pub(super) struct Trust {
    reporters_needed: u8,
    quorum_permille: u16,
    records: Vec<ReporterRecord>,
    ids: HashMap<Box<str>, u16, Seeded>,
    /// What a judgement reads of each reporter.
    voices: Vec<Voice>,
    organisation_ids: HashMap<Box<str>, u16, Seeded>,
    /// Day of the last report of each organisation; 0 for none.
    organisation_days: Vec<u16>,
    activity: Activity,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Voice {
    pub(super) organisation: u16,
    pub(super) weight: u32,
}

impl Trust {
    pub(super) fn new(reporters_needed: u8, quorum_permille: u16, seed: u64) -> Self {
        Self {
            reporters_needed,
            quorum_permille,
            records: Vec::new(),
            ids: HashMap::with_hasher(Seeded::new(seed)),
            voices: Vec::new(),
            organisation_ids: HashMap::with_hasher(Seeded::new(seed)),
            organisation_days: Vec::new(),
            activity: Activity::default(),
        }
    }

    pub(super) fn id(&self, name: &str) -> Option<u16> {
        self.ids.get(name).copied()
    }

    pub(super) const fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &ReporterRecord> {
        self.records.iter()
    }

    pub(super) fn voice(&self, reporter: u16) -> Voice {
        self.voices[usize::from(reporter)]
    }

    /// The number of a name, a new one if it is new.
    pub(super) fn enter(&mut self, name: &str) -> Result<u16, Refused> {
        if let Some(id) = self.id(name) {
            return Ok(id);
        }
        let id = u16::try_from(self.records.len()).map_err(|_| Refused::TooManyReporters)?;
        let organisation = self.organisation(name)?;
        self.records.push(ReporterRecord { name: name.to_owned(), ..ReporterRecord::default() });
        self.voices.push(Voice { organisation, weight: WHOLE as u32 });
        self.ids.insert(name.into(), id);
        Ok(id)
    }

    /// The number of an organisation.
    fn organisation(&mut self, name: &str) -> Result<u16, Refused> {
        let organisation = organisation(name);
        if let Some(id) = self.organisation_ids.get(organisation) {
            return Ok(*id);
        }
        let id =
            u16::try_from(self.organisation_days.len()).map_err(|_| Refused::TooManyReporters)?;
        self.organisation_ids.insert(organisation.into(), id);
        self.organisation_days.push(0);
        Ok(id)
    }

    /// Puts back the record of a reporter.
    pub(super) fn load(&mut self, record: &ReporterRecord) -> Result<(), Refused> {
        let id = self.enter(&record.name)?;
        let own = &mut self.records[usize::from(id)];
        own.confirmed = record.confirmed;
        own.contradicted = record.contradicted;
        self.weigh(id);
        self.seen_on(id, record.last_day);
        Ok(())
    }

    /// A report was made.
    pub(super) fn seen(&mut self, reporter: u16, unix_s: u32) {
        // No day is no report.
        self.seen_on(reporter, u16::try_from(unix_s / SECONDS_OF_DAY).unwrap_or(u16::MAX).max(1));
    }

    /// The last word counts, also about the day: what a clock that was ahead told is mended by the next report. The day
    /// of an organisation is the latest of its reporters, so that it does not depend on the order of a load.
    fn seen_on(&mut self, reporter: u16, day: u16) {
        let goes_back =
            std::mem::replace(&mut self.records[usize::from(reporter)].last_day, day) > day;
        let organisation = self.voices[usize::from(reporter)].organisation;
        let before = self.organisation_days[usize::from(organisation)];
        let latest = if goes_back { self.latest_day(organisation) } else { day.max(before) };
        if latest != before {
            self.organisation_days[usize::from(organisation)] = latest;
            self.activity.moved(before, latest);
        }
    }

    /// Asked where a day goes back, so when a clock was set: it looks at all reporters.
    fn latest_day(&self, organisation: u16) -> u16 {
        let all = self.voices.iter().zip(&self.records);
        let own = all.filter(|(voice, _)| voice.organisation == organisation);
        own.map(|(_, record)| record.last_day).max().unwrap_or_default()
    }

    /// Organisations that named the sketch so.
    pub(super) fn organisations(&self, votes: &[Vote], named: Named) -> usize {
        if let [vote] = votes {
            return usize::from(vote.named() == named);
        }
        let of = |vote: &Vote| self.voice(vote.reporter()).organisation;
        let mut all: Vec<_> = votes.iter().filter(|vote| vote.named() == named).map(of).collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    }

    /// What a signature with these votes is worth to the index by similarity.
    pub(super) fn rank(&self, votes: &[Vote]) -> Rank {
        let is_operators = |vote: &Vote| vote.is_operator() && vote.named() == Named::Stored;
        (votes.iter().any(is_operators), self.organisations(votes, Named::Stored))
    }

    /// Independent voices that a verdict needs today.
    pub(super) fn needed(&self) -> u64 {
        let active = u64::from(self.activity.active());
        let quorum = (active * u64::from(self.quorum_permille)).div_ceil(1000);
        u64::from(self.reporters_needed.max(1)).max(quorum.min(QUORUM_MAX as u64))
    }

    /// Voices that `bulk` needs, which is no accusation.
    pub(super) fn needed_for_bulk(&self) -> u64 {
        self.reporters_needed.max(1).into()
    }

    pub(super) fn confirm(&mut self, reporter: u16) {
        let own = &mut self.records[usize::from(reporter)];
        own.confirmed = own.confirmed.saturating_add(1);
        self.weigh(reporter);
    }

    pub(super) fn unconfirm(&mut self, reporter: u16) {
        let own = &mut self.records[usize::from(reporter)];
        own.confirmed = own.confirmed.saturating_sub(1);
        self.weigh(reporter);
    }

    pub(super) fn contradict(&mut self, reporter: u16) {
        let own = &mut self.records[usize::from(reporter)];
        own.contradicted = own.contradicted.saturating_add(1);
        self.weigh(reporter);
    }

    fn weigh(&mut self, reporter: u16) {
        let own = &self.records[usize::from(reporter)];
        let merit = u64::from(own.confirmed.min(CONFIRMED_COUNTED_MAX)) + CONFIRMED_AT_FIRST;
        let whole = merit + CONTRADICTED_COSTS * u64::from(own.contradicted);
        // At most WHOLE, since merit is at most the whole.
        self.voices[usize::from(reporter)].weight = (merit * WHOLE / whole) as u32;
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let names = self.records.iter().map(|record| 3 * record.name.len()).sum::<usize>();
        let entry =
            size_of::<ReporterRecord>() + size_of::<Voice>() + 2 * size_of::<(Box<str>, u16)>();
        names + self.records.capacity() * entry + self.activity.memory_bytes()
    }
}

/// Independence is by the part of a reporter's name before the first `/`.
pub(super) fn organisation(name: &str) -> &str {
    name.split_once('/').map_or(name, |(organisation, _)| organisation)
}
