//! The compact table against a plain one that follows the rules word by word, over long random histories; and against
//! itself, loaded from histories.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::{Class, Listing};
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{
    Authority, Change, Named, ReportTold, ReporterRecord, Rules, Saved, Table,
};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

const START: u32 = 1_800_000_000;
const DAY: u32 = 86_400;

fn rules(seed: u64) -> Rules {
    Rules { reporters_needed: 2, quorum_permille: 100, seed, ..Rules::default() }
}

fn signature(number: u64) -> Signature {
    let mut random = Random(number);
    let kind = SignatureKind::ALL[(number % 7) as usize];
    let mut value = [0; 16];
    value[..8].copy_from_slice(&random.next().to_be_bytes());
    value[8..].copy_from_slice(&random.next().to_be_bytes());
    Signature { kind, value }
}

/// Sketches in families of eight that share most of their lanes.
fn sketch(number: u64) -> Sketch {
    let (mut family, mut own) = (Random(1_000_000 + number / 8), Random(2_000_000 + number));
    let changed = own.next() as u32 & own.next() as u32;
    Sketch(std::array::from_fn(|lane| {
        let lanes = (family.next() as u16, own.next() as u16);
        if changed >> lane & 1 == 1 { lanes.1 } else { lanes.0 }
    }))
}

/// The rules, word by word: everything kept, everything computed anew.
#[derive(Default)]
struct Model {
    saved: BTreeMap<(u8, [u8; 16]), Saved>,
    sketched: BTreeMap<(u8, [u8; 16]), Sketched>,
    reporters: BTreeMap<String, ReporterRecord>,
    /// Who was contradicted for what.
    contradicted: BTreeSet<((u8, [u8; 16]), String)>,
    epoch: u64,
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
    fn apply(&mut self, change: &Change) {
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

    fn ask(&self, item: &Item, now: u32) -> Option<Listing> {
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
            let naming = |told: &&ReportTold| told.named == Named::Stored;
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

/// Changes of `signatures` signatures by 60 reporters of 40 organisations, over weeks.
fn history(seed: u64, changes: usize, signatures: u64) -> Vec<Change> {
    let mut random = Random(seed);
    let mut now = START;
    let classes =
        [Class::Spam, Class::Spam, Class::Phishing, Class::Malware, Class::Bulk, Class::Allowed];
    (0..changes)
        .map(|_| {
            now += random.below(1200) as u32;
            let number = random.below(signatures).min(random.below(signatures));
            let signature = signature(number);
            let who = random.below(60);
            let reporter = format!("org{}.test/{who}", who % 40);
            // Clocks of nodes differ a little.
            let at_unix_s = now - random.below(4000) as u32;
            match random.below(100) {
                0..3 => Change::Delete { signature, reporter, at_unix_s },
                3..20 => Change::Retract { signature, reporter, at_unix_s },
                _ => {
                    let given = signature.kind.has_sketch() && random.below(3) > 0;
                    let is_operator = random.below(50) == 0;
                    Change::Add {
                        signature,
                        // Mostly its own, often that of the next, rarely one of nobody.
                        sketch: given.then(|| {
                            sketch(number + [0, 0, 0, 1, 1, 40_000][random.below(6) as usize])
                        }),
                        class: classes[random.below(6) as usize],
                        weight: 1 + random.below(100) as u8,
                        reporter,
                        authority: if is_operator {
                            Authority::Operator
                        } else {
                            Authority::Reporter
                        },
                        at_unix_s,
                    }
                }
            }
        })
        .collect()
}

fn items(signatures: u64) -> impl Iterator<Item = Item> {
    (0..signatures + 50).flat_map(move |number| {
        let signature = signature(number);
        let mut like = sketch(number);
        let mut random = Random(number ^ 77);
        like.0[random.below(32) as usize] ^= 1;
        let unknown = Signature { value: [7; 16], ..signature };
        let with = |signature: Signature| Item {
            signature,
            sketch: signature.kind.has_sketch().then_some(like),
        };
        [Item::exact(signature), with(signature), with(unknown)]
    })
}

fn table_of(history: &[Change], seed: u64) -> Table {
    let mut table = Table::new(rules(seed));
    history.iter().for_each(|change| assert!(table.apply(change).is_ok()));
    table
}

fn sorted(table: &Table) -> Vec<ReporterRecord> {
    let mut all: Vec<_> = table.reporters().collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

#[test]
fn the_compact_table_follows_the_rules_word_by_word() {
    for seed in 1..=3 {
        let (mut table, mut model) = (Table::new(rules(seed)), Model::default());
        let history = history(seed, 4000, 200);
        for (number, change) in history.iter().enumerate() {
            table.apply(change).unwrap();
            model.apply(change);
            assert_eq!(table.epoch(), model.epoch, "seed {seed}, change {number}: {change:?}");
            if number % 2000 != 1999 {
                continue;
            }
            assert_eq!(table.len(), model.saved.len());
            let records: Vec<_> = model.reporters.values().cloned().collect();
            let told = sorted(&table);
            let differing: Vec<_> = told.iter().zip(&records).filter(|(a, b)| a != b).collect();
            assert!(differing.is_empty(), "seed {seed}, change {number}: {differing:?}");
            assert_eq!(told.len(), records.len());
            let now = START + 40 * DAY;
            for item in items(200) {
                let expected = model.ask(&item, now);
                assert_eq!(table.ask(&item, now), expected, "seed {seed}, {number}: {item:?}");
            }
        }
        assert_eq!(table.evicted(), 0, "the plain table gives nothing up");
    }
}

#[test]
fn the_seed_of_a_table_changes_no_answer() {
    let history = history(9, 5000, 500);
    let tables = [1, 2, 3].map(|seed| table_of(&history, seed));
    for item in items(500) {
        let [one, two, three] = tables.each_ref().map(|table| table.find(&item, START));
        assert!(one == two && two == three, "{item:?}: {one:?} {two:?} {three:?}");
    }
    assert!(tables[1].reporters().eq(tables[0].reporters()));
    assert_eq!(tables.each_ref().map(Table::epoch), [tables[0].epoch(); 3]);
}

#[test]
fn a_table_loaded_from_histories_answers_and_goes_on_as_the_one_that_took_the_changes() {
    for seed in 11..=13 {
        let history = history(seed, 6000, 500);
        let (first, later) = history.split_at(4500);
        let mut table = table_of(first, seed);
        let mut model = Model::default();
        first.iter().for_each(|change| model.apply(change));
        let mut loaded = Table::new(rules(seed + 100));
        if seed % 2 == 0 {
            loaded.reserve(300, 300);
        }
        // Trust first or last: it makes no difference.
        if seed % 2 == 0 {
            table.reporters().for_each(|record| loaded.load_reporter(&record).unwrap());
        }
        model.saved.values().for_each(|saved| loaded.load(saved).unwrap());
        if seed % 2 == 1 {
            table.reporters().for_each(|record| loaded.load_reporter(&record).unwrap());
        }
        loaded.at_epoch(table.epoch());
        same(&table, &loaded, seed);
        for change in later {
            assert_eq!(table.apply(change), loaded.apply(change), "seed {seed}: {change:?}");
        }
        same(&table, &loaded, seed);
    }
}

fn same(one: &Table, other: &Table, seed: u64) {
    assert_eq!((one.epoch(), one.len()), (other.epoch(), other.len()));
    assert_eq!(sorted(one), sorted(other), "seed {seed}");
    for kind in SignatureKind::ALL {
        assert_eq!(one.count(kind), other.count(kind));
    }
    for item in items(500) {
        let now = START + 40 * DAY;
        assert_eq!(one.find(&item, now), other.find(&item, now), "seed {seed}: {item:?}");
    }
}

#[test]
fn what_is_put_in_is_found_through_every_growth_and_what_goes_is_gone() {
    let mut random = Random(5);
    let mut table = Table::new(Rules { seed: 6, ..Rules::default() });
    let mut held = BTreeSet::new();
    for step in 0..150_000 {
        let number = if random.below(4) > 0 { step } else { random.below(step + 1) };
        let (signature, reporter) = (signature(number), "desk".to_owned());
        let change = if random.below(5) == 0 {
            held.remove(&number);
            Change::Delete { signature, reporter, at_unix_s: START }
        } else {
            held.insert(number);
            let (class, weight, authority) = (Class::Spam, 9, Authority::Operator);
            let sketch = signature.kind.has_sketch().then(|| sketch(number));
            let at_unix_s = START;
            Change::Add { signature, sketch, class, weight, reporter, authority, at_unix_s }
        };
        table.apply(&change).unwrap();
    }
    assert_eq!(table.len(), held.len());
    for number in 0..150_000 {
        let item = Item::exact(signature(number));
        assert_eq!(table.ask(&item, START).is_some(), held.contains(&number), "{number}");
    }
}

#[test]
fn neighbours_are_found_as_often_as_the_bands_promise() {
    const COUNT: u64 = 3000;
    let unlike = |number| {
        let mut random = Random(9_000_000 + number);
        Sketch(std::array::from_fn(|_| random.next() as u16))
    };
    let mut table = Table::new(Rules { agreement_min: 8, seed: 1, ..Rules::default() });
    let text = |number: u64| Signature { kind: SignatureKind::Text, ..signature(number) };
    for number in 0..COUNT {
        let (signature, reporter) = (text(number), "desk".to_owned());
        let (class, weight, authority) = (Class::Spam, 9, Authority::Operator);
        let (sketch, at_unix_s) = (Some(unlike(number)), START);
        let change =
            Change::Add { signature, sketch, class, weight, reporter, authority, at_unix_s };
        table.apply(&change).unwrap();
    }
    let mut random = Random(4);
    for (lanes, promised) in
        [(7, 0.0), (8, 0.687), (10, 0.873), (12, 0.967), (14, 0.996), (17, 1.0), (25, 1.0)]
    {
        let mut found = 0;
        for number in 0..COUNT {
            let mut like = unlike(number);
            let mut changed: Vec<_> = (0..32).collect();
            (0..32).for_each(|at| changed.swap(at, random.below(32) as usize));
            changed.iter().skip(lanes).for_each(|lane| like.0[*lane] ^= 0x0fff);
            let item = Item { signature: text(COUNT + number), sketch: Some(like) };
            let listing = table.ask(&item, START);
            assert!(listing.is_none_or(|listing| usize::from(listing.similarity) == lanes.min(31)));
            found += u32::from(listing.is_some());
        }
        let share = f64::from(found) / COUNT as f64;
        assert!((share - promised).abs() < 0.03, "{lanes} lanes: {share} of {promised}");
        assert!(lanes < 17 || found == COUNT as u32, "{lanes}: by construction");
    }
}
