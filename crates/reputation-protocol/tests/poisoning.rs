//! A thousand reporters, some of them hostile and in league: what they can do, and what not.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use tamis_domain::digest::{Signature, SignatureKind};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};

const REPORTERS: usize = 1000;
const START: u32 = 1_800_000_000;

struct World {
    table: Table,
    /// Who is hostile: the first of an order that the seed made.
    order: Vec<usize>,
    now: u32,
    state: u64,
}

impl World {
    /// Days in which all reporters, hostile ones too, report true campaigns: sleepers have the best of records.
    fn new(seed: u64) -> Self {
        let table = Table::new(Rules { reporters_needed: 2, seed, ..Rules::default() });
        let mut world = Self { table, order: (0..REPORTERS).collect(), now: START, state: seed };
        for at in (1..REPORTERS).rev() {
            let other = world.below(at + 1);
            world.order.swap(at, other);
        }
        for _ in 0..2 {
            for reporter in 0..REPORTERS {
                let campaign = world.below(30) as u64;
                world.says(1000 + campaign, Class::Spam, reporter);
            }
            world.now += 86_400;
        }
        world
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) as usize % bound
    }

    fn hostile(&self, permille: usize) -> Vec<usize> {
        self.order[..REPORTERS * permille / 1000].to_vec()
    }

    fn honest(&self, permille: usize, count: usize) -> Vec<usize> {
        self.order[REPORTERS * permille / 1000..][..count].to_vec()
    }

    fn says(&mut self, number: u64, class: Class, reporter: usize) {
        let (signature, reporter) = (signature(number), name(reporter));
        let (sketch, weight, authority, at_unix_s) = (None, 80, Authority::Reporter, self.now);
        let change =
            Change::Add { signature, sketch, class, weight, reporter, authority, at_unix_s };
        self.table.apply(&change).unwrap();
    }

    fn all_say(&mut self, number: u64, class: Class, reporters: &[usize]) {
        reporters.iter().for_each(|reporter| self.says(number, class, *reporter));
    }

    fn retract(&mut self, number: u64, reporter: usize) {
        let (signature, reporter, at_unix_s) = (signature(number), name(reporter), self.now);
        self.table.apply(&Change::Retract { signature, reporter, at_unix_s }).unwrap();
    }

    fn allow(&mut self, number: u64) {
        let (signature, reporter) = (signature(number), "desk".to_owned());
        let (sketch, weight, authority, at_unix_s) = (None, 80, Authority::Operator, self.now);
        let class = Class::Allowed;
        let change =
            Change::Add { signature, sketch, class, weight, reporter, authority, at_unix_s };
        self.table.apply(&change).unwrap();
    }

    fn class(&self, number: u64) -> Option<Class> {
        self.table.ask(&Item::exact(signature(number)), self.now).map(|listing| listing.class)
    }
}

fn signature(number: u64) -> Signature {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&number.to_be_bytes());
    Signature { kind: SignatureKind::Part, value }
}

fn name(reporter: usize) -> String {
    format!("org{reporter}.test/mx")
}

const NEWSLETTER: u64 = 1;
const CAMPAIGN: u64 = 2;
const OTHER: u64 = 3;

#[test]
fn one_percent_can_neither_list_a_newsletter_nor_delist_a_campaign() {
    for seed in 1..=3 {
        let mut world = World::new(seed);
        let hostile = world.hostile(10);
        // Again and again, under every accusation, for weeks; the hostile alone keep themselves active.
        for day in 0..3 {
            for class in [Class::Spam, Class::Phishing, Class::Malware] {
                world.all_say(NEWSLETTER, class, &hostile);
                assert_eq!(
                    world.class(NEWSLETTER),
                    Some(Class::Suspected),
                    "seed {seed}, day {day}"
                );
                hostile.iter().for_each(|reporter| world.retract(NEWSLETTER, *reporter));
            }
            world.now += 86_400;
        }
        // They are there before the campaign is, then take part in it and leave, and call it good.
        world.all_say(CAMPAIGN, Class::Allowed, &hostile);
        let honest = world.honest(10, 60);
        world.all_say(CAMPAIGN, Class::Spam, &honest);
        assert_eq!(world.class(CAMPAIGN), Some(Class::Spam), "seed {seed}");
        for class in [Class::Spam, Class::Bulk, Class::Allowed] {
            world.all_say(CAMPAIGN, class, &hostile);
            assert_eq!(world.class(CAMPAIGN), Some(Class::Spam), "seed {seed}, {class:?}");
        }
        hostile.iter().for_each(|reporter| world.retract(CAMPAIGN, *reporter));
        assert_eq!(world.class(CAMPAIGN), Some(Class::Spam), "seed {seed}");
        // Sleepers who lie once and are contradicted weigh less than before.
        world.all_say(OTHER, Class::Spam, &hostile);
        world.allow(OTHER);
        let worst = world.table.reporters().find(|record| record.name == name(hostile[0])).unwrap();
        assert_eq!(worst.contradicted, 1, "seed {seed}");
    }
}

#[test]
fn what_three_percent_can_do_is_known() {
    let mut world = World::new(4);
    let hostile = world.hostile(30);
    world.all_say(NEWSLETTER, Class::Spam, &hostile);
    // More than the quorum: they list it, until ten honest ones or the operator disagree.
    assert_eq!(world.class(NEWSLETTER), Some(Class::Spam));
    println!("30 of 1,000 list a newsletter that nobody else knows");
    let mut needed = 0;
    while world.class(NEWSLETTER) == Some(Class::Spam) {
        needed += 1;
        let honest = world.honest(30, needed);
        world.all_say(NEWSLETTER, Class::Allowed, &honest);
    }
    println!("{needed} honest reporters who call it allowed undo it");
    assert_eq!(needed, 10);
    let mut late = 0;
    world.all_say(CAMPAIGN, Class::Allowed, &hostile);
    while world.class(CAMPAIGN) != Some(Class::Spam) {
        late += 1;
        let honest = world.honest(30, late);
        world.all_say(CAMPAIGN, Class::Spam, &honest);
    }
    println!(
        "with their allowed votes a campaign is listed after {late} honest reports instead of 20"
    );
    assert_eq!(late, 91);
    let mut again = 0;
    while world.class(OTHER + again) != Some(Class::Suspected) {
        world.all_say(OTHER + again, Class::Spam, &hostile);
        if world.class(OTHER + again) == Some(Class::Suspected) {
            break;
        }
        world.allow(OTHER + again);
        again += 1;
    }
    println!(
        "each lie that an operator contradicts weakens them: after {again} they list nothing more"
    );
    assert!(again <= 10, "{again}");
}
