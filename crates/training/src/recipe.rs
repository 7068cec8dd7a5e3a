//! How mails become examples and a fitted line a base: everything that was chosen by experiment stands here.

use std::collections::HashMap;

use tamis_classifier::bag::{NAME_BITS, group_of};
use tamis_classifier::base::{self, Base, Head};
use tamis_classifier::group::{GROUPS, Group};
use tamis_classifier::weigh::{Judgement, Sums, value_of};

use crate::corpus::{Corpus, Mail};
use crate::fit::{Example, Line, fit};
use crate::trust::{known, trust};

/// One way to look at the same mail. The base is the mean of two: its weights are added, so it costs nothing to judge.
struct View {
    /// Mails of one cluster that are trained on: the first ones. A campaign says nothing new with its hundredth mail.
    cluster_mails_max: usize,
    /// How much an average example counts against the penalty on weights.
    cost: f32,
    /// 0 would let each mail count alike, 1 each source and label: a large source must not drown a small one, a small
    /// one must not shout.
    evenness: f32,
    /// How much of the mean it is.
    share: f32,
    /// Whether features count as far as sources agree about them, or all alike.
    by_agreement: bool,
}

/// The first believes what sources agree about, and holds on sources that it never saw. The second believes every
/// feature, and is the better judge of mail of a kind that it knows.
const VIEWS: [View; 2] = [
    View {
        cluster_mails_max: 3,
        cost: 5.0,
        evenness: 0.7,
        share: 1.0 - KNOWN_SHARE,
        by_agreement: true,
    },
    View {
        cluster_mails_max: 6,
        cost: 3.0,
        evenness: 0.4,
        share: KNOWN_SHARE,
        by_agreement: false,
    },
];

/// What the second view counts: more improves mail of known kinds further, and is worse on unseen lists.
const KNOWN_SHARE: f32 = 0.5;

/// Buckets of the table, as a power of two. 2^17 hold half a million weights in 1.5 MB, of which about 290,000 are
/// trained.
pub const BITS: u8 = 17;

/// What is added to the squared length of each group's vector, so that two words do not weigh as much as two hundred.
const DAMPING: f32 = 0.0;

/// How loud each group may be. Groups of few, dense features tell sources apart better than spam from ham, and what
/// tells sources apart fails on the next one: they are turned down.
#[must_use]
pub const fn loudness(group: Group) -> f32 {
    match group {
        Group::Words | Group::Pairs | Group::Letters | Group::Subject | Group::SubjectLetters => {
            1.0
        }
        Group::LinkWords => 0.7,
        Group::Links | Group::Structure | Group::Style | Group::Sender | Group::Header => 0.35,
        Group::Relations => 0.2,
    }
}

/// Trains a base on these mails. The same mails in the same order and the same seed give the same bytes.
#[must_use]
pub fn train(corpus: &Corpus, mails: &[&Mail], seed: u64, calibration: Calibration) -> Vec<u8> {
    let mut weights = vec![0.0; corpus.features.len()];
    let mut bias = 0.0;
    for view in &VIEWS {
        let (line, trust) = seen(corpus, mails, view, seed);
        bias += view.share * line.bias;
        for (sum, (weight, trust)) in weights.iter_mut().zip(line.weights.iter().zip(trust)) {
            *sum += view.share * weight * trust;
        }
    }
    encode(corpus, &Line { weights, bias }, calibration)
}

/// What one view makes of the mails: a line over values that were multiplied by the trust in their features, and it.
fn seen(corpus: &Corpus, mails: &[&Mail], view: &View, seed: u64) -> (Line, Vec<f32>) {
    let mails = cut_clusters(mails, view.cluster_mails_max);
    let sizes = cluster_sizes(&mails);
    let size = |mail: &Mail| sizes.get(&(mail.cluster, mail.source)).copied().unwrap_or(1.0);
    let trust = match view.by_agreement {
        true => trust(corpus, &mails, |mail| 1.0 / size(mail)),
        false => known(corpus, &mails),
    };
    let costs = costs(&mails, view, |mail| 1.0 / size(mail).sqrt());
    let examples: Vec<Example> = mails
        .iter()
        .zip(costs)
        .map(|(mail, cost)| Example {
            values: values(corpus, mail, &trust),
            is_spam: mail.is_spam,
            cost,
        })
        .collect();
    (fit(&examples, corpus.features.len(), seed), trust)
}

/// What a base says of a mail, as the scanner would hear it.
#[must_use]
pub fn judge(corpus: &Corpus, mail: &Mail, base: &Base<'_>) -> Judgement {
    let counted = mail.found.iter().map(|(at, count)| (corpus.features[*at as usize], *count));
    Sums::of_counted(counted, base).judge(base)
}

/// From sums to probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// See [`Head::slope`].
    pub slope: f32,
    /// See [`Head::intercept`].
    pub intercept: f32,
    /// See [`Head::threshold`].
    pub threshold: f32,
}

impl Calibration {
    /// The sum as it is.
    pub const NONE: Self = Self { slope: 1.0, intercept: 0.0, threshold: 1.0 };
}

/// The first mails of each cluster and source.
fn cut_clusters<'a>(mails: &[&'a Mail], most: usize) -> Vec<&'a Mail> {
    let mut seen: HashMap<(u32, usize), usize> = HashMap::new();
    let mut is_kept = |mail: &Mail| {
        let count = seen.entry((mail.cluster, mail.source)).or_default();
        *count += 1;
        *count <= most
    };
    mails.iter().copied().filter(|mail| is_kept(mail)).collect()
}

/// The values of the known features, each group's vector of all features divided by its length.
fn values(corpus: &Corpus, mail: &Mail, trust: &[f32]) -> Vec<(u32, f32)> {
    let mut squares = [0.0_f32; GROUPS];
    let group = |at: u32| group_of(corpus.features[at as usize]);
    for (at, count) in &mail.found {
        if let Some(group) = group(*at) {
            squares[usize::from(group.code())] += value_of(*count).powi(2);
        }
    }
    let scaled = |(at, count): &(u32, u32)| {
        let trust = trust[*at as usize];
        let group = group(*at).filter(|_| trust > 0.0)?;
        let length = (squares[usize::from(group.code())] + DAMPING).sqrt();
        Some((*at, trust * loudness(group) * value_of(*count) / length))
    };
    let mut values: Vec<(u32, f32)> = mail.found.iter().filter_map(scaled).collect();
    // What several readings have in common is one value: the fit needs true lengths.
    values.sort_unstable_by_key(|(at, _)| *at);
    values.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0.0 };
        same
    });
    values
}

/// How many mails of each cluster and source are trained on.
fn cluster_sizes(mails: &[&Mail]) -> HashMap<(u32, usize), f32> {
    let mut sizes = HashMap::new();
    for mail in mails {
        *sizes.entry((mail.cluster, mail.source)).or_default() += 1.0;
    }
    sizes
}

/// How much each mail counts: clusters by the root of their size, sources and labels evened out, spam and ham alike.
fn costs(mails: &[&Mail], view: &View, share: impl Fn(&Mail) -> f32) -> Vec<f32> {
    let mut kinds: HashMap<(usize, bool), f32> = HashMap::new();
    for mail in mails {
        *kinds.entry((mail.source, mail.is_spam)).or_default() += share(mail);
    }
    let even = |mail: &Mail| {
        let kind = kinds.get(&(mail.source, mail.is_spam)).copied().unwrap_or(1.0);
        share(mail) * kind.powf(-view.evenness)
    };
    let mut sums = [0.0_f32; 2];
    for mail in mails {
        sums[usize::from(mail.is_spam)] += even(mail);
    }
    let half = view.cost * mails.len() as f32 / 2.0;
    mails
        .iter()
        .map(|mail| even(mail) * half / sums[usize::from(mail.is_spam)].max(f32::MIN_POSITIVE))
        .collect()
}

/// The line as a base.
fn encode(corpus: &Corpus, line: &Line, calibration: Calibration) -> Vec<u8> {
    let weights: Vec<(u64, f32)> = corpus
        .features
        .iter()
        .zip(&line.weights)
        .filter(|(_, weight)| **weight != 0.0)
        .filter_map(|(feature, weight)| Some((*feature, weight * loudness(group_of(*feature)?))))
        .collect();
    let Calibration { slope, intercept, threshold } = calibration;
    let head = Head {
        bias: line.bias,
        slope,
        intercept,
        threshold,
        units: [0.0; GROUPS],
        damping: [DAMPING; GROUPS],
    };
    base::write(&head, BITS, &weights)
}

const _: () = assert!(NAME_BITS == 48, "a feature's lower bits are spread over buckets and checks");
