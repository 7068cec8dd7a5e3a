//! The rules, word by word: everything kept, everything computed anew.

use std::collections::{BTreeMap, BTreeSet};

use tamis_domain::digest::Sketch;
use tamis_domain::reputation::{Class, Listing};
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{
    Authority, Change, Named, ReportTold, ReporterRecord, Saved,
};

const DAY: u32 = 86_400;

/// A table in the plainest way.
#[derive(Default)]
pub struct Model {
    pub saved: BTreeMap<(u8, [u8; 16]), Saved>,
    sketched: BTreeMap<(u8, [u8; 16]), Sketched>,
    pub reporters: BTreeMap<String, ReporterRecord>,
    /// Who was contradicted for what.
    contradicted: BTreeSet<((u8, [u8; 16]), String)>,
    pub epoch: u64,
}

/// The sketch of one signature: who named which, since when it is stored.
#[derive(Default)]
struct Sketched {
    stored: Option<Sketch>,
    /// By reporter: whether an operator says so, and whether it named the stored one.
    said: BTreeMap<String, (bool, bool)>,
}

impl Sketched {
    fn hear(&mut self, given: Option<&Sketch>, reporter: &str, is_operator: bool) {
        if let Some((was_operator, _)) = self.said.get_mut(reporter) {
            *was_operator = is_operator;
        }
        let Some(given) = given else { return };
        let names = self.stored.as_ref() == Some(given);
        self.said.insert(reporter.to_owned(), (is_operator, names));
        let organisations = |names: bool| -> BTreeSet<_> {
            let such = self.said.iter().filter(|(_, said)| said.1 == names);
            such.map(|(name, _)| organisation(name)).collect()
        };
        let is_outvoted = organisations(false).len() > organisations(true).len();
        let is_fixed = self.said.values().any(|said| *said == (true, true));
        if self.stored.is_none() || !names && (is_operator || is_outvoted && !is_fixed) {
            self.stored = Some(*given);
            self.said.clear();
            self.said.insert(reporter.to_owned(), (is_operator, true));
        }
    }

    fn is_as(&self, saved: &Saved) -> bool {
        let as_told = |told: &ReportTold| {
            let said = self.said.get(&told.reporter).map(|said| said.1);
            match said {
                None => told.named == Named::Nothing,
                Some(true) => told.named == Named::Stored,
                Some(false) => told.named == Named::Other,
            }
        };
        self.stored == saved.sketch && saved.reports.iter().all(as_told)
    }
}

const SPAM_SIDE: [Class; 3] = [Class::Spam, Class::Phishing, Class::Malware];

impl Model {
    pub fn apply(&mut self, change: &Change) {
        let key = (change.signature().kind.code(), change.signature().value);
        let before = self.saved.get(&key).map(|saved| saved.reports.clone()).unwrap_or_default();
        if let Change::Add { reporter, at_unix_s, .. } = change {
            let own = self.reporters.entry(reporter.clone()).or_default();
            own.name.clone_from(reporter);
            own.last_day = own.last_day.max((at_unix_s / DAY) as u16);
        } else if !before.iter().any(|told| change_by(change) == told.reporter || is_delete(change))
        {
            return;
        }
        self.epoch += 1;
        let was = self.confirmed(&before);
        let goes_on = match self.saved.get_mut(&key) {
            Some(saved) => saved.apply(change, self.epoch),
            None => {
                self.saved.insert(key, Saved::begun(change, self.epoch).unwrap());
                true
            }
        };
        let after = if goes_on { self.saved[&key].reports.clone() } else { Vec::new() };
        if !goes_on {
            self.saved.remove(&key);
        }
        self.hear_sketch(key, change, goes_on);
        let is = self.confirmed(&after);
        let mut contradicted = BTreeSet::new();
        if is_delete(change) || is_operators_allowed(change) {
            let standing = if is_delete(change) { &before } else { &after };
            contradicted.extend(standing.iter().filter(|told| counts(told)).map(|it| &it.reporter));
            contradicted.retain(|name| self.contradicted.insert((key, (*name).clone())));
        }
        // Who no longer accuses may be contradicted for his next accusation.
        let accuses = |name: &String| after.iter().any(|it| counts(it) && it.reporter == *name);
        self.contradicted.retain(|(of, name)| *of != key || accuses(name));
        for (name, own) in &mut self.reporters {
            match (was.contains(name), is.contains(name)) {
                (false, true) => own.confirmed += 1,
                (true, false) => own.confirmed = own.confirmed.saturating_sub(1),
                _ => {}
            }
            own.contradicted += u32::from(contradicted.contains(name));
        }
    }

    fn hear_sketch(&mut self, key: (u8, [u8; 16]), change: &Change, goes_on: bool) {
        let own = self.sketched.entry(key).or_default();
        match change {
            Change::Add { sketch, reporter, authority, .. } => {
                own.hear(sketch.as_ref(), reporter, *authority == Authority::Operator);
            }
            Change::Retract { reporter, .. } => {
                own.said.remove(reporter);
            }
            Change::Delete { .. } => {}
        }
        if goes_on {
            assert!(own.is_as(&self.saved[&key]), "{change:?}: {:?}", self.saved[&key]);
        } else {
            self.sketched.remove(&key);
        }
    }

    fn needed(&self) -> u64 {
        let mut days = BTreeMap::new();
        for own in self.reporters.values() {
            let day = days.entry(organisation(&own.name)).or_insert(0);
            *day = own.last_day.max(*day);
        }
        let mut sorted: Vec<_> = days.into_values().collect();
        sorted.sort_by_key(|day| std::cmp::Reverse(*day));
        let today = sorted.get(sorted.len() / 50).copied().unwrap_or_default();
        let active = sorted.iter().filter(|day| **day + 84 > today).count();
        (active as u64 * 100).div_ceil(1000).clamp(2, 127)
    }

    fn weight(&self, told: &ReportTold) -> u64 {
        let own = &self.reporters[&told.reporter];
        let merit = u64::from(own.confirmed.min(30)) + 2;
        merit * 65_536 / (merit + 8 * u64::from(own.contradicted))
    }

    /// Sum of voices that name one of `classes`.
    fn sum(&self, reports: &[ReportTold], classes: &[Class]) -> u64 {
        let mut voices = BTreeMap::new();
        for told in reports.iter().filter(|told| classes.contains(&told.class)) {
            let is_operator = told.authority == Authority::Operator;
            let weight = if is_operator { 65_536 } else { self.weight(told) };
            let best = voices.entry(organisation(&told.reporter)).or_insert(0);
            *best = weight.max(*best);
        }
        voices.values().sum()
    }

    /// The same where an operator is as many as needed.
    fn named(&self, reports: &[ReportTold], class: Class) -> u64 {
        let mut voices = BTreeMap::new();
        for told in reports.iter().filter(|told| told.class == class) {
            let is_operator = told.authority == Authority::Operator;
            let weight = if is_operator { 65_536 * self.needed() } else { self.weight(told) };
            let best = voices.entry(organisation(&told.reporter)).or_insert(0);
            *best = weight.max(*best);
        }
        voices.values().sum()
    }

    fn class(&self, reports: &[ReportTold]) -> Option<Class> {
        if overruled(reports) {
            return Some(Class::Allowed);
        }
        let accusing = self.sum(reports, &SPAM_SIDE);
        let by_operator = |told: &ReportTold| {
            told.authority == Authority::Operator && SPAM_SIDE.contains(&told.class)
        };
        let listed = accusing >= 65_536 * self.needed()
            && accusing >= 2 * self.sum(reports, &[Class::Allowed]);
        if listed || reports.iter().any(by_operator) {
            return SPAM_SIDE.into_iter().max_by_key(|class| self.named(reports, *class));
        }
        if self.named(reports, Class::Bulk) >= 65_536 * 2 {
            return Some(Class::Bulk);
        }
        let is_said = reports.iter().any(|told| told.class != Class::Allowed);
        is_said.then_some(Class::Suspected)
    }

    fn confirmed(&self, reports: &[ReportTold]) -> BTreeSet<String> {
        let accusers = reports.iter().filter(|told| SPAM_SIDE.contains(&told.class));
        let organisations: BTreeSet<_> =
            accusers.map(|told| organisation(&told.reporter)).collect();
        let is_listed =
            |some: &[ReportTold]| self.class(some).is_some_and(|class| SPAM_SIDE.contains(&class));
        if organisations.len() < 2 || !is_listed(reports) {
            return BTreeSet::new();
        }
        let made = (1..=reports.len()).find(|made| is_listed(&reports[..*made])).unwrap();
        let standing = reports[..made].iter().filter(|told| counts(told));
        standing.map(|told| told.reporter.clone()).collect()
    }

    fn listing(&self, reports: &[ReportTold], similarity: u8, now: u32) -> Option<Listing> {
        let class = self.class(reports)?;
        let names = |told: &&ReportTold| match class {
            Class::Suspected => told.class != Class::Allowed,
            class => told.class == class,
        };
        let last = reports.iter().map(|told| told.last_unix_s / 3600).max().unwrap();
        let all: BTreeSet<_> = reports.iter().map(|told| organisation(&told.reporter)).collect();
        Some(Listing {
            class,
            weight: reports.iter().filter(names).map(|told| told.weight).max().unwrap(),
            reporters: all.len() as u8,
            age_hours: (now / 3600).saturating_sub(last) as u16,
            similarity,
        })
    }

    pub fn ask(&self, item: &Item, now: u32) -> Option<Listing> {
        let rank = |class| match class {
            Class::Allowed => 3,
            Class::Bulk => 1,
            Class::Suspected => 0,
            _ => 2,
        };
        // A verdict first, the nearest of verdicts, of equally near ones the allowed.
        let order = |listing: &Listing, value| {
            let rank = rank(listing.class);
            (rank.min(2), listing.similarity, rank, std::cmp::Reverse(value))
        };
        let (kind, value) = (item.signature.kind, item.signature.value);
        let own = self.saved.get(&(kind.code(), value));
        let own = own.and_then(|own| self.listing(&own.reports, 32, now));
        if own.is_some_and(|own| rank(own.class) >= 2) || item.sketch.is_none() {
            return own;
        }
        let own = own.map(|own| (order(&own, value), own));
        let is_other =
            |saved: &&Saved| saved.signature.kind == kind && saved.signature.value != value;
        let of_kind = self.saved.values().filter(is_other);
        let others = of_kind.filter_map(|saved| {
            let agreement = saved.sketch?.agreement(&item.sketch?);
            let allows = |told: &ReportTold| {
                told.class == Class::Allowed && told.authority == Authority::Reporter
            };
            let naming = |told: &&ReportTold| told.named == Named::Stored || allows(told);
            let naming: Vec<_> = saved.reports.iter().filter(naming).cloned().collect();
            if agreement < 17 || overruled(&saved.reports) && !overruled(&naming) {
                return None;
            }
            let listing = self.listing(&naming, agreement.min(31), now)?;
            Some((order(&listing, saved.signature.value), listing))
        });
        others.chain(own).max_by_key(|(order, _)| *order).map(|(_, listing)| listing)
    }
}

fn organisation(name: &str) -> String {
    name.split('/').next().unwrap().to_owned()
}

fn overruled(reports: &[ReportTold]) -> bool {
    let overrules =
        |told: &ReportTold| told.class == Class::Allowed && told.authority == Authority::Operator;
    reports.iter().any(overrules)
}

fn counts(told: &ReportTold) -> bool {
    SPAM_SIDE.contains(&told.class) && told.authority == Authority::Reporter
}

fn is_operators_allowed(change: &Change) -> bool {
    let allowed = (Class::Allowed, Authority::Operator);
    matches!(change, Change::Add { class, authority, .. } if (*class, *authority) == allowed)
}

fn is_delete(change: &Change) -> bool {
    matches!(change, Change::Delete { .. })
}

fn change_by(change: &Change) -> &str {
    match change {
        Change::Add { reporter, .. }
        | Change::Retract { reporter, .. }
        | Change::Delete { reporter, .. } => reporter,
    }
}
