//! Near copies: what a first copy that was reported tells about later ones, and about honest mail.
//!
//! Two questions. *Campaigns*: real mails in the order of their arrival; the first spam copy of each cluster is reported,
//! the later ones are asked for, and so is all honest mail. *Mutations*: texts of reported spam, changed by a seeded
//! generator in steps. Both for our names at every threshold, and for the rule of rspamd's fuzzy storage beside them.

pub mod campaigns;
pub mod corpus;
pub mod files;
pub mod mutations;
pub mod report;
pub mod rival;
pub mod shared;

/// Steps of agreement: 0 to 32 lanes.
pub const STEPS: usize = 33;

/// How many of some questions reached which agreement.
#[derive(Clone, Debug)]
pub struct Histogram(pub [usize; STEPS]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; STEPS])
    }
}

impl Histogram {
    /// Counts one question.
    pub fn count(&mut self, agreement: u8) {
        self.0[usize::from(agreement).min(STEPS - 1)] += 1;
    }

    /// Questions in all.
    #[must_use]
    pub fn all(&self) -> usize {
        self.0.iter().sum()
    }

    /// Questions that reached so many lanes.
    #[must_use]
    pub fn reached(&self, agreement: u8) -> usize {
        self.0[usize::from(agreement)..].iter().sum()
    }

    /// Their share; 0 of none.
    #[must_use]
    pub fn share(&self, agreement: u8) -> f64 {
        self.reached(agreement) as f64 / self.all().max(1) as f64
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

/// SplitMix64 as a generator: the same mutations in every run.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.word() % limit.max(1) as u64) as usize
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        ((self.word() >> 11) as f64 / (1_u64 << 53) as f64) < probability
    }

    /// One of these.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// The threshold of a service that is proposed as its default, chosen on two of the sources: see `results/near.md`.
pub const AGREEMENT_MIN: u8 = 17;
