//! The compact table against a plain one that follows the rules word by word, over long random histories; and against
//! itself, loaded from histories.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test")]

mod model;

use std::collections::BTreeSet;

use model::Model;
use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{Authority, Change, ReporterRecord, Rules, Table};

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
