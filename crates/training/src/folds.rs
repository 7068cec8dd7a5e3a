//! Parts of the corpus that are kept apart: whole sources, and later months.

use anyhow::{Context as _, Result};
use tamis_classifier::base::Base;

use crate::corpus::{Corpus, INVENTED, Mail};
use crate::fit::{Example, fit};
use crate::measure::{Scored, threshold};
use crate::recipe::{self, Calibration};
use crate::verdicts::shares;

/// Threads that train folds. The result does not depend on them.
const THREADS: usize = 2;

/// Sources whose file names are in the order of arrival; the last third is tested.
const NUMBERED: &str = "trec07p-half";

/// Sources that are parted by the year of the Date, and the first year that is tested.
const DATED: (&str, u16) = ("vger-leak", 2021);

/// Sources of which the half of all clusters is tested, the other half trained on: what the shipped base, which has
/// seen the kind of mail but not the mail, can be expected to do.
const HALVED: [&str; 2] = ["enron-ham", "foff"];

/// A part of the corpus that is kept apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// What the table calls it.
    pub name: String,
    /// Whether a whole source is kept apart.
    pub is_source: bool,
    /// For each mail, whether it is tested.
    pub tested: Vec<bool>,
}

/// All folds of a corpus: each source, then later months.
#[must_use]
pub fn folds(corpus: &Corpus) -> Vec<Fold> {
    let fold = |name: String, is_source, is_tested: &dyn Fn(&Mail) -> bool| Fold {
        name,
        is_source,
        tested: corpus.mails.iter().map(is_tested).collect(),
    };
    // What was invented is trained on and never tested: it would flatter.
    let sources = corpus.sources.iter().enumerate().filter(|(_, name)| *name != INVENTED);
    let mut folds: Vec<Fold> = sources
        .map(|(number, name)| fold(format!("without {name}"), true, &|mail| mail.source == number))
        .collect();
    let number = |name: &str| corpus.sources.iter().position(|source| source == name);
    if let Some(source) = number(NUMBERED) {
        let mut files: Vec<&str> =
            corpus.mails.iter().filter(|mail| mail.source == source).map(arrival).collect();
        files.sort_unstable();
        let first = files.get(files.len() * 2 / 3).copied().unwrap_or_default();
        let is_late = |mail: &Mail| mail.source == source && arrival(mail) >= first;
        folds.push(fold(format!("later {NUMBERED}"), false, &is_late));
    }
    if let Some(source) = number(DATED.0) {
        let is_late = |mail: &Mail| mail.source == source && mail.year >= DATED.1;
        folds.push(fold(format!("later {}", DATED.0), false, &is_late));
    }
    for name in HALVED {
        let Some(source) = number(name) else { continue };
        let is_half = |mail: &Mail| mail.source == source && mail.cluster.is_multiple_of(2);
        folds.push(fold(format!("half of {name}"), false, &is_half));
    }
    folds.retain(|fold| fold.tested.contains(&true) && fold.tested.contains(&false));
    folds
}

/// The file name without its folder: what the numbers of arrival stand in.
fn arrival(mail: &Mail) -> &str {
    mail.file.rsplit('/').next().unwrap_or_default()
}

/// A fold, and what a base that never saw it says of its mails.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What was kept apart.
    pub fold: Fold,
    /// Its mails, in the order of the corpus.
    pub scored: Vec<Scored>,
    /// The base that never saw them, without calibration.
    pub base: Vec<u8>,
}

/// Trains without each fold and scores it.
///
/// # Errors
/// When a base that was just written cannot be read.
pub fn try_all(corpus: &Corpus, seed: u64) -> Result<Vec<Tried>> {
    let folds = folds(corpus);
    let mut tried = Vec::new();
    for few in folds.chunks(THREADS) {
        let done: Vec<Result<Tried>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                few.iter().map(|fold| scope.spawn(move || try_one(corpus, fold, seed))).collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread ended early")))
                })
                .collect()
        });
        for one in done {
            tried.push(one?);
        }
    }
    Ok(tried)
}

fn try_one(corpus: &Corpus, fold: &Fold, seed: u64) -> Result<Tried> {
    let part = |tested: bool| -> Vec<&Mail> {
        let mails = corpus.mails.iter().zip(&fold.tested);
        mails.filter(|(_, is)| **is == tested).map(|(mail, _)| mail).collect()
    };
    let bytes = recipe::train(corpus, &part(false), seed, Calibration::NONE);
    let base = Base::read(&bytes).context("a base of our own")?;
    let tested = part(true);
    let shares = shares(&tested);
    let score = |mail: &&Mail| Scored {
        score: recipe::judge(corpus, mail, &base).logit,
        is_spam: mail.is_spam,
        share: shares.get(&mail.cluster).copied().unwrap_or(1.0),
    };
    let scored = tested.iter().map(score).collect();
    Ok(Tried { fold: fold.clone(), scored, base: bytes })
}

/// Fits the calibration on what bases said of sources that they never saw, every source and label counting alike
/// (Platt, "Probabilistic outputs for support vector machines", 1999).
#[must_use]
pub fn calibrate(tried: &[Tried], seed: u64) -> Calibration {
    let mut examples = Vec::new();
    for one in tried.iter().filter(|one| one.fold.is_source) {
        for is_spam in [true, false] {
            let of_kind: Vec<&Scored> =
                one.scored.iter().filter(|mail| mail.is_spam == is_spam).collect();
            let cost = 1000.0 / of_kind.len().max(1) as f32;
            examples.extend(of_kind.into_iter().map(|mail| Example {
                values: vec![(0, mail.score)],
                is_spam,
                cost,
            }));
        }
    }
    let line = fit(&examples, 1, seed);
    match line.weights.first() {
        Some(slope) if *slope > 0.0 => {
            Calibration { slope: *slope, intercept: line.bias, threshold: common_threshold(tried) }
        }
        _ => Calibration::NONE,
    }
}

/// The score above which 0.1 % of the honest mail stands that came from sources kept apart. Only sources that hold both
/// kinds are asked, each large enough that one mail does not move the threshold.
#[must_use]
pub fn common_threshold(tried: &[Tried]) -> f32 {
    /// Mails of either kind below which a source does not count.
    const MAILS_MIN: usize = 1000;
    let count =
        |one: &Tried, is_spam| one.scored.iter().filter(|mail| mail.is_spam == is_spam).count();
    let is_large = |one: &&Tried| count(one, true).min(count(one, false)) >= MAILS_MIN;
    let asked = tried.iter().filter(|one| one.fold.is_source).filter(is_large);
    let pool: Vec<Scored> = asked.flat_map(|one| one.scored.iter().copied()).collect();
    Some(threshold(&pool, 0.001)).filter(|found| found.is_finite() && *found > 0.0).unwrap_or(1.0)
}
