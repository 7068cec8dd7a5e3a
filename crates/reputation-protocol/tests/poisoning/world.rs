//! A thousand reporters, and a table that listens to them.

use std::collections::BTreeMap;

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Saved, Table};

pub const REPORTERS: usize = 1000;
pub const START: u32 = 1_800_000_000;

pub struct World {
    pub table: Table,
    /// Who is hostile: the first of an order that the seed made.
    order: Vec<usize>,
    pub now: u32,
    /// What is kept on disk, so that a table can be loaded anew.
    saved: BTreeMap<Vec<u8>, Saved>,
    state: u64,
}

impl World {
    /// Days in which all reporters, hostile ones too, report true campaigns: sleepers have the best of records.
    pub fn new(seed: u64) -> Self {
        let table = Table::new(Rules { reporters_needed: 2, seed, ..Rules::default() });
        let mut world = Self {
            table,
            order: (0..REPORTERS).collect(),
            now: START,
            saved: BTreeMap::new(),
            state: seed,
        };
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

    pub fn below(&mut self, bound: usize) -> usize {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) as usize % bound
    }

    pub fn hostile(&self, permille: usize) -> Vec<usize> {
        self.order[..REPORTERS * permille / 1000].to_vec()
    }

    pub fn honest(&self, permille: usize, count: usize) -> Vec<usize> {
        self.order[REPORTERS * permille / 1000..][..count].to_vec()
    }

    pub fn says(&mut self, number: u64, class: Class, reporter: usize) {
        let (signature, reporter) = (signature(number), name(reporter));
        let (sketch, weight, authority, at_unix_s) = (None, 80, Authority::Reporter, self.now);
        self.apply(&Change::Add {
            signature,
            sketch,
            class,
            weight,
            reporter,
            authority,
            at_unix_s,
        });
    }

    /// The same of a text with this sketch, by an ordinary reporter or an operator.
    pub fn names(
        &mut self,
        number: u64,
        sketch: impl Into<Option<Sketch>>,
        class: Class,
        reporter: Who,
    ) {
        let (signature, sketch, at_unix_s) = (text(number), sketch.into(), self.now);
        let (reporter, authority) = match reporter {
            Who::Reporter(reporter) => (name(reporter), Authority::Reporter),
            Who::Operator => ("desk".to_owned(), Authority::Operator),
        };
        self.apply(&Change::Add {
            signature,
            sketch,
            class,
            weight: 80,
            reporter,
            authority,
            at_unix_s,
        });
    }

    pub fn all_name(&mut self, number: u64, sketch: Sketch, class: Class, reporters: &[usize]) {
        reporters.iter().for_each(|it| self.names(number, sketch, class, Who::Reporter(*it)));
    }

    pub fn apply(&mut self, change: &Change) {
        self.table.apply(change).unwrap();
        let signature = change.signature();
        let key = [&[signature.kind.code()], signature.value.as_slice()].concat();
        let epoch = self.table.epoch();
        let stays = match self.saved.get_mut(&key) {
            Some(saved) => saved.apply(change, epoch),
            None => {
                let begun = Saved::begun(change, epoch);
                begun.map(|saved| self.saved.insert(key.clone(), saved));
                true
            }
        };
        if !stays {
            self.saved.remove(&key);
        }
    }

    /// The table that a node has after its start: histories in one order or the other, then the reporters.
    pub fn reloaded(&self, backwards: bool) -> Table {
        let mut table = Table::new(*self.table.rules());
        if backwards {
            self.saved.values().rev().for_each(|saved| table.load(saved).unwrap());
        } else {
            self.saved.values().for_each(|saved| table.load(saved).unwrap());
        }
        self.table.reporters().for_each(|record| table.load_reporter(&record).unwrap());
        table.at_epoch(self.table.epoch());
        table
    }

    /// What is answered for a text that nobody listed, with this sketch.
    pub fn near(&self, sketch: &Sketch) -> Option<Class> {
        near(&self.table, sketch, self.now)
    }

    pub fn all_say(&mut self, number: u64, class: Class, reporters: &[usize]) {
        reporters.iter().for_each(|reporter| self.says(number, class, *reporter));
    }

    pub fn retract(&mut self, number: u64, reporter: usize) {
        let (signature, reporter, at_unix_s) = (signature(number), name(reporter), self.now);
        self.apply(&Change::Retract { signature, reporter, at_unix_s });
    }

    pub fn allow(&mut self, number: u64) {
        let (signature, reporter) = (signature(number), "desk".to_owned());
        let (sketch, weight, authority, at_unix_s) = (None, 80, Authority::Operator, self.now);
        let class = Class::Allowed;
        self.apply(&Change::Add {
            signature,
            sketch,
            class,
            weight,
            reporter,
            authority,
            at_unix_s,
        });
    }

    pub fn class(&self, number: u64) -> Option<Class> {
        self.table.ask(&Item::exact(signature(number)), self.now).map(|listing| listing.class)
    }
}

pub fn signature(number: u64) -> Signature {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&number.to_be_bytes());
    Signature { kind: SignatureKind::Part, value }
}

pub fn name(reporter: usize) -> String {
    format!("org{reporter}.test/mx")
}

/// A text; no number of one is that of another kind.
pub fn text(number: u64) -> Signature {
    Signature { kind: SignatureKind::Text, ..signature(number) }
}

#[derive(Clone, Copy)]
pub enum Who {
    Reporter(usize),
    Operator,
}

/// What a table answers for a text that nobody listed, with this sketch.
pub fn near(table: &Table, sketch: &Sketch, now: u32) -> Option<Class> {
    let item = Item { signature: text(u64::MAX), sketch: Some(*sketch) };
    table.ask(&item, now).map(|listing| listing.class)
}

/// Sketches that have nothing in common.
pub fn sketch(number: u64) -> Sketch {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed;
    Sketch(std::array::from_fn(|_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u16
    }))
}

/// A near copy: `lanes` of 32 differ.
pub fn copy(of: &Sketch, lanes: usize) -> Sketch {
    let mut copy = *of;
    copy.0[32 - lanes..].iter_mut().for_each(|lane| *lane ^= 0x0777);
    copy
}
