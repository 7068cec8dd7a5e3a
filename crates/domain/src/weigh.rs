//! Evidence to score and status.
//!
//! The same evidence gives the same score bit for bit, in whatever order it was found: it is put into one fixed
//! order first and summed in that order.
//!
//! **Which status.** A mark forces a decision, the strongest one wins: `infected`, `suspicious` (malware before all
//! else, whoever sent it), then `blacklisted` and `trusted` (the administrator's word; a draw between the two is
//! settled before, in [`crate::policy::lists`]), then `spam` (proof), then `formal`. Without a mark the score decides.
//!
//! **Which score.** The sum of the weights, each name counted once with its heaviest finding: a hundred links with
//! the same fault are one sign, not a hundred. The score is rounded to a hundredth before it is compared, so that
//! what a person reads in the header is what was compared.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::evidence::{Evidence, Mark};
use crate::limits::EVIDENCE_MAX;
use crate::policy::{Thresholds, WEIGHT_MAX};
use crate::status::Status;

/// What the evidence amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weighed {
    /// Sum of the weights, finite, rounded to a hundredth.
    pub score: f32,
    /// What it means under the thresholds.
    pub status: Status,
}

/// Weighs all the evidence about one mail.
#[must_use]
pub fn weigh(evidence: &[Evidence], thresholds: &Thresholds) -> Weighed {
    let kept = ranked(evidence);
    let mut counted = BTreeSet::new();
    let sum: f64 = kept
        .iter()
        .filter(|found| counted.insert(found.name.as_ref()))
        .map(|found| f64::from(usable(found.weight)))
        .sum();
    #[allow(clippy::cast_possible_truncation)] // at most EVIDENCE_MAX * WEIGHT_MAX: far inside f32
    let score = ((sum * 100.0).round() / 100.0 + 0.0) as f32; // `+ 0.0` turns -0 into 0
    let status = kept.iter().filter_map(|found| found.mark).max_by_key(|mark| strength(*mark));
    Weighed { score, status: status.map_or_else(|| by_score(score, thresholds), status_of) }
}

/// The evidence that is kept, heaviest first: all of it up to `EVIDENCE_MAX`. Beyond that, findings with a mark come
/// before all others, and the heaviest of each name before further ones of that name, so that what is dropped
/// changes neither score nor status.
#[must_use]
pub fn heaviest(evidence: &[Evidence]) -> Vec<Evidence> {
    ranked(evidence).into_iter().cloned().collect()
}

fn ranked(evidence: &[Evidence]) -> Vec<&Evidence> {
    let mut all: Vec<&Evidence> = evidence.iter().collect();
    all.sort_by(|a, b| heavier_first(a, b));
    if all.len() > EVIDENCE_MAX {
        let mut seen = BTreeSet::new();
        let mut ranked: Vec<(bool, &Evidence)> =
            all.into_iter().map(|found| (!seen.insert(found.name.as_ref()), found)).collect();
        ranked.sort_by(|(again_a, a), (again_b, b)| marked_first(a, b).then(again_a.cmp(again_b)));
        ranked.truncate(EVIDENCE_MAX);
        all = ranked.into_iter().map(|(_, found)| found).collect();
        all.sort_by(|a, b| heavier_first(a, b));
    }
    all
}

fn marked_first(a: &Evidence, b: &Evidence) -> Ordering {
    b.mark.map(strength).cmp(&a.mark.map(strength))
}

/// A total order: equal only for findings that say the same.
fn heavier_first(a: &Evidence, b: &Evidence) -> Ordering {
    let (heavy_a, heavy_b) = (usable(a.weight), usable(b.weight));
    (heavy_b.abs().total_cmp(&heavy_a.abs()))
        .then_with(|| heavy_b.total_cmp(&heavy_a))
        .then_with(|| marked_first(a, b))
        .then_with(|| a.name.cmp(&b.name))
        .then_with(|| a.source.cmp(&b.source))
        .then_with(|| a.part.cmp(&b.part))
        .then_with(|| a.detail.cmp(&b.detail))
}

/// The weight, or 0 for one that is no number; never beyond what a policy could set.
fn usable(weight: f32) -> f32 {
    if weight.is_nan() { 0.0 } else { weight.clamp(-WEIGHT_MAX, WEIGHT_MAX) + 0.0 }
}

/// Which mark wins over which.
const fn strength(mark: Mark) -> u8 {
    match mark {
        Mark::Formal => 1,
        Mark::Spam => 2,
        Mark::Trusted => 3,
        Mark::Blacklisted => 4,
        Mark::Suspicious => 5,
        Mark::Infected => 6,
    }
}

const fn status_of(mark: Mark) -> Status {
    match mark {
        Mark::Formal => Status::Formal,
        Mark::Spam => Status::Spam,
        Mark::Trusted => Status::Trusted,
        Mark::Blacklisted => Status::Blacklisted,
        Mark::Suspicious => Status::Suspicious,
        Mark::Infected => Status::Infected,
    }
}

fn by_score(score: f32, thresholds: &Thresholds) -> Status {
    if score >= thresholds.spam {
        Status::Spam
    } else if score >= thresholds.probable_spam {
        Status::ProbableSpam
    } else {
        Status::NotDetected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Source;

    fn found(name: &'static str, weight: f32) -> Evidence {
        Evidence::new(name, weight, Source::Text, "")
    }

    fn status(evidence: &[Evidence]) -> Status {
        weigh(evidence, &Thresholds::default()).status
    }

    #[test]
    fn thresholds_begin_exactly_where_they_say() {
        for (weight, expect) in [
            (0.0, Status::NotDetected),
            (4.994, Status::NotDetected),
            (4.996, Status::ProbableSpam),
            (5.0, Status::ProbableSpam),
            (9.994, Status::ProbableSpam),
            (10.0, Status::Spam),
            (-10.0, Status::NotDetected),
        ] {
            assert_eq!(status(&[found("x", weight)]), expect, "{weight}");
        }
    }

    #[test]
    fn the_stronger_mark_wins_and_any_mark_wins_over_the_score() {
        let order = [
            (Mark::Formal, Status::Formal),
            (Mark::Spam, Status::Spam),
            (Mark::Trusted, Status::Trusted),
            (Mark::Blacklisted, Status::Blacklisted),
            (Mark::Suspicious, Status::Suspicious),
            (Mark::Infected, Status::Infected),
        ];
        for (place, (strong, expect)) in order.iter().enumerate() {
            for (weak, _) in &order[..=place] {
                let both = [
                    found("w", 50.0).marked(*weak),
                    found("s", 0.0).marked(*strong),
                    found("x", 50.0),
                ];
                assert_eq!(status(&both), *expect, "{strong:?} over {weak:?}");
            }
        }
    }

    #[test]
    fn the_order_of_finding_changes_not_one_bit() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let mut all: Vec<_> =
            (0u8..).zip(names).map(|(i, n)| found(n, 0.1 * f32::from(i) - 0.333)).collect();
        let first = weigh(&all, &Thresholds::default()).score.to_bits();
        for turn in 0..all.len() {
            all.rotate_left(turn);
            all.reverse();
            assert_eq!(weigh(&all, &Thresholds::default()).score.to_bits(), first);
        }
    }

    #[test]
    fn weights_that_are_no_numbers_count_nothing_or_the_limit() {
        for (weight, score) in [
            (f32::NAN, 1.0),
            (f32::INFINITY, WEIGHT_MAX + 1.0),
            (f32::NEG_INFINITY, 1.0 - WEIGHT_MAX),
        ] {
            let all = [found("odd", weight), found("fine", 1.0)];
            assert_eq!(weigh(&all, &Thresholds::default()).score.to_bits(), score.to_bits());
        }
    }

    #[test]
    fn no_evidence_is_zero_and_not_minus_zero_because_people_read_it() {
        for evidence in [vec![], vec![found("x", -0.001)]] {
            let score = weigh(&evidence, &Thresholds::default()).score;
            assert_eq!(score.to_bits(), 0.0_f32.to_bits());
        }
    }

    #[test]
    fn a_name_counts_once_with_its_heaviest_finding() {
        let all = [found("x", 1.0).in_part(1), found("x", 3.0).in_part(2), found("y", 0.5)];
        assert!((weigh(&all, &Thresholds::default()).score - 3.5).abs() < f32::EPSILON);
    }

    #[test]
    fn evidence_is_kept_up_to_the_limit_and_a_mark_always() {
        for (count, kept) in [(EVIDENCE_MAX, EVIDENCE_MAX), (EVIDENCE_MAX + 1, EVIDENCE_MAX)] {
            let mut all = vec![found("x", 1.0); count - 1];
            all.push(found("light", 0.0).marked(Mark::Infected));
            let left = heaviest(&all);
            assert_eq!(left.len(), kept);
            assert_eq!(left.last().map(|e| e.name.as_ref()), Some("light"));
        }
    }

    #[test]
    fn repeated_findings_do_not_crowd_out_another_name() {
        let mut all = vec![found("x", 2.0); EVIDENCE_MAX];
        all.push(found("y", 1.0));
        assert!((weigh(&all, &Thresholds::default()).score - 3.0).abs() < f32::EPSILON);
    }

    #[test]
    fn what_is_kept_weighs_the_same_as_all_so_that_a_verdict_can_be_replayed() {
        let names: Vec<String> = (0..2 * EVIDENCE_MAX).map(|i| format!("n{i}")).collect();
        let all: Vec<_> = (0u16..)
            .zip(names)
            .map(|(i, name)| Evidence { name: name.into(), ..found("", f32::from(i) / 7.0) })
            .collect();
        let thresholds = Thresholds::default();
        assert_eq!(weigh(&heaviest(&all), &thresholds), weigh(&all, &thresholds));
    }
}
