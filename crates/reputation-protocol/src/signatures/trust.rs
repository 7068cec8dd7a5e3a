//! Who reports, and what a reporter's word is worth. All of it follows from the changes alone.

use std::collections::HashMap;

use super::REPORTERS_KEPT_MAX;
use super::change::{Refused, ReporterRecord};
use crate::hashing::Seeded;

/// Different reporters that one table knows by name, as many as 16 bits can number. A site has dozens.
pub const REPORTER_NAMES_MAX: usize = 65_536;

/// Days within which an organisation that reported counts as active.
pub const ACTIVE_DAYS: usize = 7;

/// Organisations that are asked for at most, however many are active: half of the votes that are kept, so that hostile
/// ones cannot fill the list before. The share of the quorum holds up to 6,350 active organisations.
pub const QUORUM_MAX: usize = REPORTERS_KEPT_MAX / 2;

/// The weight of one whole voice. Weights are whole numbers so that every node counts alike.
pub(super) const WHOLE: u64 = 1 << 16;

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
    /// The latest day of any report: time as the changes tell it.
    today: u16,
    /// Organisations whose last report was on a day of the last seven, by day.
    active: [u32; ACTIVE_DAYS],
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
            today: 0,
            active: [0; ACTIVE_DAYS],
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

    /// Independence is by the part before the first `/`.
    fn organisation(&mut self, name: &str) -> Result<u16, Refused> {
        let organisation = name.split_once('/').map_or(name, |(organisation, _)| organisation);
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

    /// A report was made. Time never goes back: one with an earlier time counts as made today.
    pub(super) fn seen(&mut self, reporter: u16, unix_s: u32) {
        let day = u16::try_from(unix_s / SECONDS_OF_DAY).unwrap_or(u16::MAX);
        self.seen_on(reporter, day.max(self.today));
    }

    fn seen_on(&mut self, reporter: u16, day: u16) {
        self.advance(day);
        let own = &mut self.records[usize::from(reporter)];
        own.last_day = own.last_day.max(day);
        let organisation = usize::from(self.voices[usize::from(reporter)].organisation);
        let before = self.organisation_days[organisation];
        if day <= before {
            return;
        }
        self.organisation_days[organisation] = day;
        let is_recent = |day: u16| day > 0 && usize::from(self.today - day) < ACTIVE_DAYS;
        if is_recent(before) {
            self.active[usize::from(before) % ACTIVE_DAYS] -= 1;
        }
        if is_recent(day) {
            self.active[usize::from(day) % ACTIVE_DAYS] += 1;
        }
    }

    fn advance(&mut self, day: u16) {
        let passed = usize::from(day.saturating_sub(self.today)).min(ACTIVE_DAYS);
        for gone in 0..passed {
            self.active[(usize::from(day) - gone) % ACTIVE_DAYS] = 0;
        }
        self.today = self.today.max(day);
    }

    /// Independent voices that a verdict needs today.
    pub(super) fn needed(&self) -> u64 {
        let active = self.active.iter().map(|count| u64::from(*count)).sum::<u64>();
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
        let merit = u64::from(own.confirmed) + CONFIRMED_AT_FIRST;
        let whole = merit + CONTRADICTED_COSTS * u64::from(own.contradicted);
        // At most WHOLE, since merit is at most the whole.
        self.voices[usize::from(reporter)].weight = (merit * WHOLE / whole) as u32;
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let names = self.records.iter().map(|record| 3 * record.name.len()).sum::<usize>();
        let entry =
            size_of::<ReporterRecord>() + size_of::<Voice>() + 2 * size_of::<(Box<str>, u16)>();
        names + self.records.capacity() * entry
    }
}
