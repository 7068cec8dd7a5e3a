//! Weights of all signs fitted together, beside the content model, under sign constraints.
//!
//! Every weight keeps its side: what accuses is multiplied by a factor of 0 or more, never below. A factor is drawn to
//! 1, the weight that was chosen by hand, as strongly as little data speaks for another one, so that a weight that
//! nothing supports stays as it is. The examples are verdicts about mail of sources that the content model never saw.

use std::collections::{BTreeMap, BTreeSet};

use crate::measure::{Scored, above, missed_area, threshold};
use crate::verdicts::Told;

/// How strongly factors are drawn to 1: as if this many doubtful mails with a sign of one unit said so.
const PULL: f64 = 30.0;

/// Factors at most.
const FACTOR_MAX: f64 = 3.0;

/// Rounds over all factors.
const ROUNDS: usize = 60;

/// Factors by the name of a sign, and the line from points to the logarithm of odds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Factors {
    /// For each sign that was seen.
    pub of: BTreeMap<String, f64>,
    /// Logarithm of the odds for each point.
    pub slope: f64,
    /// Logarithm of the odds at 0 points.
    pub bias: f64,
}

/// One mail of the fit.
struct Row {
    found: Vec<(usize, f64)>,
    is_spam: bool,
    cost: f64,
    margin: f64,
}

/// Fits factors on these verdicts. Sources and labels count alike, near-duplicates count once.
#[must_use]
pub fn fit(told: &[&Told]) -> Factors {
    let names: BTreeSet<&str> =
        told.iter().flat_map(|told| &told.found).map(|(name, _)| name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let mut rows = rows(told, &names);
    let (slope, bias) = line(&rows);
    let mut factors = vec![1.0; names.len()];
    let mut bias_now = bias;
    for row in &mut rows {
        row.margin = bias + slope * row.found.iter().map(|(_, points)| points).sum::<f64>();
    }
    let mut rows_of: Vec<Vec<(usize, f64)>> = vec![Vec::new(); names.len()];
    for (number, row) in rows.iter().enumerate() {
        for (name, points) in &row.found {
            rows_of[*name].push((number, *points));
        }
    }
    for _ in 0..ROUNDS {
        for (name, found) in rows_of.iter().enumerate() {
            let (mut gradient, mut curvature) = (PULL * (factors[name] - 1.0), PULL);
            for (number, points) in found {
                let row = &rows[*number];
                let p = logistic(row.margin);
                gradient += row.cost * (p - f64::from(row.is_spam)) * slope * points;
                curvature += row.cost * p * (1.0 - p) * (slope * points).powi(2);
            }
            let next = (factors[name] - gradient / curvature).clamp(0.0, FACTOR_MAX);
            let step = (next - factors[name]) * slope;
            factors[name] = next;
            for (number, points) in found {
                rows[*number].margin += step * points;
            }
        }
        let (mut gradient, mut curvature) = (0.0, 1e-9);
        for row in &rows {
            let p = logistic(row.margin);
            gradient += row.cost * (p - f64::from(row.is_spam));
            curvature += row.cost * p * (1.0 - p);
        }
        let step = -gradient / curvature;
        bias_now += step;
        rows.iter_mut().for_each(|row| row.margin += step);
    }
    let of = names.iter().zip(factors).map(|(name, factor)| ((*name).to_owned(), factor)).collect();
    Factors { of, slope, bias: bias_now }
}

fn rows(told: &[&Told], names: &[&str]) -> Vec<Row> {
    let mut kinds: BTreeMap<(usize, bool), f64> = BTreeMap::new();
    for one in told {
        *kinds.entry((one.source, one.scored.is_spam)).or_default() += one.scored.share;
    }
    let count = kinds.len().max(1) as f64;
    let all = told.len() as f64;
    let row = |one: &&Told| {
        let kind = kinds.get(&(one.source, one.scored.is_spam)).copied().unwrap_or(1.0);
        let place = |(name, points): &(String, f32)| {
            Some((names.binary_search(&name.as_str()).ok()?, f64::from(*points)))
        };
        Row {
            found: one
                .found
                .iter()
                .filter_map(place)
                .filter(|(_, points)| *points != 0.0)
                .collect(),
            is_spam: one.scored.is_spam,
            cost: one.scored.share / kind / count * all,
            margin: 0.0,
        }
    };
    told.iter().map(row).collect()
}

/// Slope and bias of the logarithm of odds over points, by Newton's method.
fn line(rows: &[Row]) -> (f64, f64) {
    let points: Vec<f64> =
        rows.iter().map(|row| row.found.iter().map(|(_, points)| points).sum()).collect();
    let (mut slope, mut bias) = (0.5, -1.0);
    for _ in 0..40 {
        let (mut g, mut h) = ([0.0; 2], [1e-6, 0.0, 1e-6]);
        for (row, x) in rows.iter().zip(&points) {
            let p = logistic(slope * x + bias);
            let (off, curve) = (row.cost * (p - f64::from(row.is_spam)), row.cost * p * (1.0 - p));
            g = [g[0] + off * x, g[1] + off];
            h = [h[0] + curve * x * x, h[1] + curve * x, h[2] + curve];
        }
        let det = h[0] * h[2] - h[1] * h[1];
        if det.abs() < 1e-12 {
            break;
        }
        slope = (slope - (h[2] * g[0] - h[1] * g[1]) / det).clamp(0.05, 5.0);
        bias = (bias - (h[0] * g[1] - h[1] * g[0]) / det).clamp(-20.0, 20.0);
    }
    (slope, bias)
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// A verdict's place under other weights; marks decide as before.
fn scored(told: &Told, factors: &Factors) -> Scored {
    let changed: f64 = told
        .found
        .iter()
        .map(|(name, points)| {
            f64::from(*points) * (factors.of.get(name).copied().unwrap_or(1.0) - 1.0)
        })
        .sum();
    Scored { score: told.scored.score + changed as f32, ..told.scored }
}

/// What the fit says, as Markdown: for each source kept apart, its order under the weights by hand and under weights
/// that were fitted without it; then the factors that all sources together ask for.
#[must_use]
pub fn report(apart: &[(String, Vec<Told>)]) -> String {
    let mut text = String::from(
        "| kept apart from fit and model | weights | recall at 0.1 % FP | at 0.5 % | 1-AUC % |\n|---|---|---|---|---|\n",
    );
    for (number, (name, told)) in apart.iter().enumerate() {
        let others: Vec<&Told> = apart
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != number)
            .flat_map(|(_, (_, told))| told)
            .collect();
        let factors = fit(&others);
        let by_hand: Vec<Scored> = told.iter().map(|told| told.scored).collect();
        let fitted: Vec<Scored> = told.iter().map(|told| scored(told, &factors)).collect();
        for (kind, scored) in [("by hand", by_hand), ("fitted", fitted)] {
            let Some(area) = missed_area(&scored, false) else { continue };
            let recall = |share| above(&scored, true, threshold(&scored, share)).unwrap_or(0.0);
            text.push_str(&format!(
                "| {name} | {kind} | {:.1} | {:.1} | {area:.3} |\n",
                recall(0.001),
                recall(0.005)
            ));
        }
    }
    let all: Vec<&Told> = apart.iter().flat_map(|(_, told)| told).collect();
    text + "\n" + &table(&all)
}

/// Factors that all verdicts ask for, with how many honest mails and how much spam carry each sign.
fn table(all: &[&Told]) -> String {
    let factors = fit(all);
    let mut text = String::from("| sign | ham | spam | factor asked for |\n|---|---|---|---|\n");
    for (name, factor) in &factors.of {
        let with = |is_spam: bool| {
            let carries = |told: &&&Told| {
                told.scored.is_spam == is_spam
                    && told.found.iter().any(|(found, points)| found == name && *points != 0.0)
            };
            all.iter().filter(carries).count()
        };
        let (ham, spam) = (with(false), with(true));
        if ham + spam > 0 {
            text.push_str(&format!("| `{name}` | {ham} | {spam} | {factor:.2} |\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tamis_domain::status::Status;

    fn told(is_spam: bool, source: usize, found: &[(&str, f32)]) -> Told {
        let score = found.iter().map(|(_, points)| points).sum();
        Told {
            scored: Scored { score, is_spam, share: 1.0 },
            status: Status::NotDetected,
            found: found.iter().map(|(name, points)| ((*name).to_owned(), *points)).collect(),
            source,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_sign_of_spam_is_raised_one_of_ham_falls_to_nothing_and_a_rare_one_stays() {
        let mut all = Vec::new();
        for n in 0..400 {
            let source = n % 2;
            all.push(told(
                true,
                source,
                &[("true", 1.0), ("model", if n % 3 == 0 { -1.0 } else { 2.0 })],
            ));
            all.push(told(
                false,
                source,
                &[("false", 1.0), ("model", if n % 5 == 0 { 1.0 } else { -2.0 })],
            ));
        }
        all.push(told(false, 0, &[("rare", 1.0)]));
        let all: Vec<&Told> = all.iter().collect();
        let factors = fit(&all);
        assert!(factors.of["true"] > 1.5, "{factors:?}");
        assert!(factors.of["false"] < 0.2 && factors.of["false"] >= 0.0, "{factors:?}");
        assert!((factors.of["rare"] - 1.0).abs() < 0.1, "{factors:?}");
    }
}
