//! Counts to one piece of evidence: a naive Bayes sum whose terms are drawn towards nothing where little was seen.
//!
//! Each token says `ln(f / (1 - f))`, where f is its share of spam by frequency in either class, drawn towards one half as
//! Robinson (2003) does: f = (s/2 + n f') / (s + n) with n = how often it was seen, s = [`PRIOR_STRENGTH`]. A domain's own
//! share is drawn in the same way towards that of all. The sum is divided by the root of the number of terms, since
//! neighbouring words are far from independent.

use tamis_domain::evidence::{Evidence, Source};

use crate::knowledge::Counts;

/// Name of the evidence.
pub const NAME: &str = "learned";

/// Name of the evidence, without weight, that nobody could be asked what was learned.
pub const SILENT: &str = "learned_unknown";

/// Mails of each class that a scope must have learned before it says anything.
pub const MAILS_OF_EACH_MIN: u16 = 20;

/// Mails of each class at which it may say all it knows; below, its weight has a lower bound.
pub const MAILS_OF_EACH_FULL: u16 = 200;

/// Most points for spam: below the threshold of `spam` at every level, so that no teaching alone makes a mail spam.
pub const WEIGHT_MAX: f64 = 5.9;

/// Most points against: what is spam by all else at the standard level stays `probable_spam`, whatever was taught.
pub const WEIGHT_MIN: f64 = -5.0;

/// Most points either way right after [`MAILS_OF_EACH_MIN`] mails: below the threshold of `probable_spam` at every level.
pub const WEIGHT_EARLY: f64 = 2.9;

/// Sightings in a domain's own mails that count as much as all that everybody taught of a token: a domain's word goes
/// before that of others wherever it has one.
const GLOBAL_STRENGTH: f64 = 1.0;

/// Sightings that a token's share must have to count half.
const PRIOR_STRENGTH: f64 = 0.5;

/// Points for one unit of the score. On TREC 2007 one ham in a thousand has a score of 6.6 or more, half of the spam one
/// of 28 or more (`load-tests/results/learning.md`).
const POINTS: f64 = 0.25;

/// Score below which the evidence is not worth a line.
const SCORE_SAID_MIN: f64 = 1.0;

/// What one scope knows about the tokens of a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Mails learned.
    pub totals: Counts,
    /// For each token of the mail, in the same order.
    pub counts: Vec<Counts>,
}

impl Seen {
    /// Whether enough of both classes was learned.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.least() >= MAILS_OF_EACH_MIN
    }

    /// Mails of the rarer class.
    const fn least(&self) -> u16 {
        if self.totals.spam < self.totals.ham { self.totals.spam } else { self.totals.ham }
    }
}

/// A score and how many tokens it stands on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Above 0 is like spam.
    pub value: f64,
    /// Tokens that speak for spam.
    pub for_spam: u32,
    /// Tokens that speak against.
    pub for_ham: u32,
}

/// The score of a mail by what all and, perhaps, its domain taught.
///
/// What all taught of a token is where the domain's own sightings start from: the more of these, the less it counts.
#[must_use]
pub fn score(global: &Seen, domain: Option<&Seen>) -> Score {
    let (mut score, mut sum) = (Score::default(), 0.0);
    for (at, all) in global.counts.iter().enumerate() {
        let own = domain.map(|it| (it.counts.get(at).copied().unwrap_or_default(), it.totals));
        if all.is_none() && own.is_none_or(|(counts, _)| counts.is_none()) {
            continue;
        }
        let mut share = drawn(0.5, PRIOR_STRENGTH, *all, global.totals);
        if let Some((counts, totals)) = own {
            share = drawn(share, GLOBAL_STRENGTH, counts, totals);
        }
        sum += (share / (1.0 - share)).ln();
        if share > 0.5 {
            score.for_spam += 1;
        } else {
            score.for_ham += 1;
        }
    }
    score.value = sum / f64::from(score.for_spam + score.for_ham).max(1.0).sqrt();
    score
}

/// A token's share of spam by frequency, drawn towards `prior` as if that had been seen `strength` times.
fn drawn(prior: f64, strength: f64, counts: Counts, totals: Counts) -> f64 {
    if counts.is_none() {
        return prior;
    }
    let p = f64::from(counts.spam) / f64::from(totals.spam.max(1));
    let q = f64::from(counts.ham) / f64::from(totals.ham.max(1));
    let seen = f64::from(counts.spam) + f64::from(counts.ham);
    (strength * prior + seen * (p / (p + q))) / (strength + seen)
}

/// The evidence, if enough was learned and it says anything.
///
/// `domain` has a word once it learned enough by itself; then it needs nobody else.
#[must_use]
pub fn judge(global: &Seen, domain: Option<&Seen>) -> Option<Evidence> {
    let domain = domain.filter(|seen| seen.is_enough());
    if !global.is_enough() && domain.is_none() {
        return None;
    }
    let score = score(global, domain);
    if score.value.abs() < SCORE_SAID_MIN {
        return None;
    }
    let most = bound(global.least().max(domain.map_or(0, Seen::least)));
    let points = (score.value * POINTS).clamp(WEIGHT_MIN.max(-most), WEIGHT_MAX.min(most));
    #[allow(clippy::cast_possible_truncation, reason = "between WEIGHT_MIN and WEIGHT_MAX")]
    let weight = ((points * 100.0).round() / 100.0) as f32;
    Some(Evidence::new(NAME, weight, Source::Learned, words(score, global, domain)))
}

/// The evidence that nobody could be asked.
#[must_use]
pub fn silent() -> Evidence {
    Evidence::new(SILENT, 0.0, Source::Learned, "what users taught could not be asked in time")
}

/// How much may be said after so many mails of the rarer class.
fn bound(mails: u16) -> f64 {
    let way = f64::from(mails.saturating_sub(MAILS_OF_EACH_MIN))
        / f64::from(MAILS_OF_EACH_FULL - MAILS_OF_EACH_MIN);
    WEIGHT_EARLY + (WEIGHT_MAX - WEIGHT_EARLY) * way.min(1.0)
}

fn words(score: Score, global: &Seen, domain: Option<&Seen>) -> String {
    let (kind, whose) = match (score.value > 0.0, domain.is_some()) {
        (true, true) => ("spam", "users of this domain and others reported"),
        (true, false) => ("spam", "users reported"),
        (false, true) => ("mail", "users of this domain and others wanted"),
        (false, false) => ("mail", "users wanted"),
    };
    let totals = global.totals;
    format!(
        "like {kind} that {whose}: of its features {} were seen more in spam, {} more in honest mail (of {} spam and {} honest mails learned)",
        score.for_spam, score.for_ham, totals.spam, totals.ham
    )
}

#[cfg(test)]
mod tests;
