//! How far a feature is trusted before the fit: as far as it speaks for the same side in every source.
//!
//! A word that is frequent in the spam of one server and in the honest mail of another tells servers apart. The L2
//! penalty makes a feature of small values expensive, so what is trusted less gets less weight, and the fit makes up for
//! it with what is trusted more.

use crate::corpus::{Corpus, Mail};

/// Mails in which a feature must occur. Rarer ones are names and codes.
pub const FEATURE_MAILS_MIN: u32 = 3;

/// Sources in which a feature must occur: what one source alone knows is its habit.
pub const FEATURE_SOURCES_MIN: usize = 2;

/// Agreement that is doubted: with less evidence than this a feature is trusted little.
const DOUBT: f32 = 0.7;

/// Mails of a kind from which on a source is compared with itself, and not with that kind of all sources.
const KIND_MAILS_MIN: f32 = 15.0;

/// Mails of a source in which a feature must occur to say something.
const SEEN_MIN: f32 = 1.5;

/// Largest logarithm of a ratio that counts: beyond it there is nothing to learn.
const RATIO_MAX: f32 = 3.0;

/// Mails with a feature, of all mails: honest and spam, source after source.
struct Counts {
    sources: usize,
    of: Vec<f32>,
    all: Vec<f32>,
}

impl Counts {
    fn at(&self, feature: usize, source: usize, is_spam: bool) -> f32 {
        self.of[(feature * self.sources + source) * 2 + usize::from(is_spam)]
    }

    fn all(&self, source: usize, is_spam: bool) -> f32 {
        self.all[source * 2 + usize::from(is_spam)]
    }

    fn sum(&self, is_spam: bool, at: impl Fn(usize, bool) -> f32) -> f32 {
        (0..self.sources).map(|source| at(source, is_spam)).sum()
    }
}

/// For each feature of the corpus a factor from 0 (not known, or sources contradict each other) to below 1. `share`
/// says how much a mail counts: near-duplicates share one.
#[must_use]
pub fn trust(corpus: &Corpus, mails: &[&Mail], share: impl Fn(&Mail) -> f32) -> Vec<f32> {
    let sources = corpus.sources.len();
    let features = corpus.features.len();
    let mut counts =
        Counts { sources, of: vec![0.0; features * sources * 2], all: vec![0.0; sources * 2] };
    let mut seen = vec![0_u32; features];
    let mut last = vec![usize::MAX; features];
    for (number, mail) in mails.iter().enumerate() {
        let (share, kind) = (share(mail), usize::from(mail.is_spam));
        counts.all[mail.source * 2 + kind] += share;
        for (at, _) in &mail.found {
            let at = *at as usize;
            // Several readings of one mail may have the same feature.
            if last[at] != number {
                last[at] = number;
                seen[at] += 1;
                counts.of[(at * sources + mail.source) * 2 + kind] += share;
            }
        }
    }
    let trust = |feature: usize| match seen[feature] >= FEATURE_MAILS_MIN {
        true => agreement(&counts, feature),
        false => 0.0,
    };
    (0..features).map(trust).collect()
}

/// For each feature of the corpus 1 if it occurs in [`FEATURE_MAILS_MIN`] mails, whatever sources say, else 0.
#[must_use]
pub fn known(corpus: &Corpus, mails: &[&Mail]) -> Vec<f32> {
    let mut seen = vec![0_u32; corpus.features.len()];
    let mut last = vec![usize::MAX; corpus.features.len()];
    for (number, mail) in mails.iter().enumerate() {
        for (at, _) in &mail.found {
            let at = *at as usize;
            if last[at] != number {
                last[at] = number;
                seen[at] += 1;
            }
        }
    }
    seen.into_iter().map(|mails| f32::from(u8::from(mails >= FEATURE_MAILS_MIN))).collect()
}

/// The net of what all sources say, of all that they say.
fn agreement(counts: &Counts, feature: usize) -> f32 {
    let here = |source, is_spam| counts.at(feature, source, is_spam);
    let found = |source| here(source, true) + here(source, false);
    if (0..counts.sources).filter(|source| found(*source) > 0.0).count() < FEATURE_SOURCES_MIN {
        return 0.0;
    }
    let (mut net, mut all) = (0.0, DOUBT);
    for source in (0..counts.sources).filter(|source| found(*source) >= SEEN_MIN) {
        // Sources of one kind alone are held against the other kind of all sources.
        let share = |is_spam| match counts.all(source, is_spam) {
            of if of >= KIND_MAILS_MIN => (here(source, is_spam) + 0.5) / (of + 1.0),
            _ => {
                let of = counts.sum(is_spam, |source, kind| counts.all(source, kind));
                (counts.sum(is_spam, here) + 0.5) / (of + 1.0)
            }
        };
        let ratio = (share(true) / share(false)).ln().clamp(-RATIO_MAX, RATIO_MAX);
        let said = ratio * found(source) / (found(source) + 3.0);
        net += said;
        all += said.abs();
    }
    net.abs() / all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(mails: &[(usize, bool, &[u32])]) -> Corpus {
        let mail = |(number, (source, is_spam, found)): (usize, &(usize, bool, &[u32]))| Mail {
            source: *source,
            is_spam: *is_spam,
            cluster: number as u32,
            file: String::new(),
            year: 0,
            found: found.iter().map(|at| (*at, 1)).collect(),
        };
        let mut corpus = Corpus::default();
        corpus.sources = vec!["a".to_owned(), "b".to_owned()];
        corpus.features = vec![0, 1, 2];
        corpus.mails = mails.iter().enumerate().map(mail).collect();
        corpus
    }

    #[test]
    fn a_feature_is_known_from_three_mails_on_and_repetitions_do_not_make_it_so() {
        let corpus = corpus(&[(0, true, &[0, 1, 2, 2, 2]), (0, false, &[0, 1]), (1, true, &[0])]);
        let mails: Vec<&Mail> = corpus.mails.iter().collect();
        assert_eq!(known(&corpus, &mails), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn what_sources_agree_on_is_trusted_and_what_they_contradict_is_not() {
        let mut all: Vec<(usize, bool, &[u32])> = Vec::new();
        for _ in 0..20 {
            // 0 is in all spam; 1 in the spam of one source and the ham of the other; 2 in one source alone.
            all.extend([
                (0, true, &[0, 1, 2][..]),
                (0, false, &[][..]),
                (1, true, &[0][..]),
                (1, false, &[1][..]),
            ]);
        }
        let corpus = corpus(&all);
        let mails: Vec<&Mail> = corpus.mails.iter().collect();
        let trust = trust(&corpus, &mails, |_| 1.0);
        assert!(trust[0] > 0.8 && trust[1] < 0.05 && trust[2] == 0.0, "{trust:?}");
    }
}
