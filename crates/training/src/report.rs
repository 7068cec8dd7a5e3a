//! What is printed and written of a trial: false positives first.

use tamis_classifier::mail::points_at;
use tamis_domain::status::Status;

use crate::folds::Tried;
use crate::measure::{Scored, above, clusters_above, missed_area, threshold};
use crate::recipe::Calibration;
use crate::verdicts::{BEYOND, Told};

/// False positives at which recall is told, as shares of ham.
const FALSE_POSITIVES: [f64; 3] = [0.0005, 0.001, 0.005];

/// Scores at which a status begins by default: `probable_spam`, `spam`.
const THRESHOLDS: [f32; 2] = [5.0, 10.0];

/// Bounds of probability between which mails are counted.
const BINS: [f32; 7] = [0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0];

/// All tables, as Markdown.
#[must_use]
pub fn report(tried: &[Tried], calibration: Calibration) -> String {
    let mut text = String::from(
        "| kept apart | spam | ham | FP % at 5 | clusters | FP % at 10 | clusters | recall % at 5 | at 10 \
         | recall at 0.05 % FP | at 0.1 % | at 0.5 % | 1-AUC % | clusters |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for one in tried {
        text.push_str(&line(&one.fold.name, &one.scored, calibration));
    }
    let sources = || tried.iter().filter(|one| one.fold.is_source);
    let all: Vec<Scored> = sources().flat_map(|one| one.scored.iter().copied()).collect();
    text.push_str(&line("all sources, each kept apart", &all, calibration));
    text.push_str(&format!(
        "\nPoints are those of the content model alone. Its threshold (5 points) is a sum of {:.3}: 0.1 % of the honest \
         mail of the large sources that hold both kinds, each kept apart, stands above it.\n\n",
        calibration.threshold
    ));
    text.push_str(&calibrated(&all, calibration));
    text
}

fn line(name: &str, scored: &[Scored], calibration: Calibration) -> String {
    let count = |is_spam| scored.iter().filter(|mail| mail.is_spam == is_spam).count();
    let mut cells = vec![name.to_owned(), count(true).to_string(), count(false).to_string()];
    let sums = THRESHOLDS.map(|points| sum_of(points, calibration.threshold));
    for sum in sums {
        cells.push(percent(above(scored, false, sum), 2));
        cells.push(percent(clusters_above(scored, false, sum), 2));
    }
    for sum in sums {
        cells.push(percent(above(scored, true, sum), 1));
    }
    for false_positives in FALSE_POSITIVES {
        let recall = above(scored, true, threshold(scored, false_positives));
        cells.push(percent(recall.filter(|_| count(false) > 0), 1));
    }
    cells.push(percent(missed_area(scored, false), 3));
    cells.push(percent(missed_area(scored, true), 3));
    format!("| {} |\n", cells.join(" | "))
}

/// The sum that stands for so many points; points rise with sums.
fn sum_of(points: f32, threshold: f32) -> f32 {
    let (mut low, mut high) = (-100.0_f32, 100.0_f32);
    for _ in 0..60 {
        let middle = f32::midpoint(low, high);
        if points_at(middle, threshold, false) < points {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// How often mails of each probability are spam, spam and ham of a source counting alike.
fn calibrated(scored: &[Scored], calibration: Calibration) -> String {
    let probability = |mail: &Scored| {
        let x = calibration.slope * mail.score + calibration.intercept;
        1.0 / (1.0 + (-x).exp())
    };
    let mut text = String::from("| said | ham | spam |\n|---|---|---|\n");
    for bounds in BINS.windows(2) {
        let is_within = |mail: &&Scored| {
            let said = probability(mail);
            said >= bounds[0] && (said < bounds[1] || bounds[1] == 1.0)
        };
        let of = |is_spam| {
            let here = scored.iter().filter(|mail| mail.is_spam == is_spam).filter(is_within);
            let all = scored.iter().filter(|mail| mail.is_spam == is_spam).count().max(1);
            100.0 * here.count() as f64 / all as f64
        };
        let (low, high) = (bounds[0] * 100.0, bounds[1] * 100.0);
        text.push_str(&format!(
            "| {low:.0} to {high:.0} % | {:.2} % | {:.2} % |\n",
            of(false),
            of(true)
        ));
    }
    text
}

fn percent(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}

/// Whole verdicts, as Markdown: statuses under the default thresholds, false positives first.
#[must_use]
pub fn verdicts(judged: &[(String, Vec<Told>)]) -> String {
    let mut text = String::from(
        "| kept apart | spam | ham | ham as `spam`, % | clusters | as `probable_spam` or `spam` | clusters \
         | spam as `spam`, % | as either | clusters | recall at 0.05 % FP | at 0.1 % | at 0.5 % | 1-AUC % | clusters \
         | by score alone |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (name, told) in judged {
        text.push_str(&verdict_line(name, told));
    }
    text
}

fn verdict_line(name: &str, told: &[Told]) -> String {
    let scored: Vec<Scored> = told.iter().map(|told| told.scored).collect();
    let count = |is_spam| scored.iter().filter(|mail| mail.is_spam == is_spam).count();
    let mut cells = vec![name.to_owned(), count(true).to_string(), count(false).to_string()];
    for from in [Status::Spam, Status::ProbableSpam] {
        cells.push(percent(with_status(told, false, from, false), 2));
        cells.push(percent(with_status(told, false, from, true), 2));
    }
    cells.push(percent(with_status(told, true, Status::Spam, false), 1));
    cells.push(percent(with_status(told, true, Status::ProbableSpam, false), 1));
    cells.push(percent(with_status(told, true, Status::ProbableSpam, true), 1));
    for false_positives in FALSE_POSITIVES {
        let recall = above(&scored, true, threshold(&scored, false_positives));
        cells.push(percent(recall.filter(|_| count(false) > 0), 1));
    }
    cells.push(percent(missed_area(&scored, false), 3));
    cells.push(percent(missed_area(&scored, true), 3));
    let by_score: Vec<Scored> = told.iter().map(by_score).collect();
    cells.push(percent(missed_area(&by_score, false), 3));
    format!("| {} |\n", cells.join(" | "))
}

/// A mail's place as if no mark excused it: what a formal mail would be held for by its score.
fn by_score(told: &Told) -> Scored {
    let beyond = if told.scored.score < -BEYOND / 2.0 { BEYOND } else { 0.0 };
    Scored { score: told.scored.score + beyond, ..told.scored }
}

/// Percent of spam, or of ham, with this status or a heavier one; by message or by cluster.
fn with_status(told: &[Told], is_spam: bool, from: Status, by_cluster: bool) -> Option<f64> {
    let counts = |told: &&Told| if by_cluster { told.scored.share } else { 1.0 };
    let of_kind = || told.iter().filter(|told| told.scored.is_spam == is_spam);
    let all: f64 = of_kind().map(|told| counts(&told)).sum();
    let reached: f64 = of_kind().filter(|told| told.status >= from).map(|told| counts(&told)).sum();
    // The sum of nothing is -0.
    (all > 0.0).then(|| 100.0 * reached / all + 0.0)
}

/// Bounds of score between which mails are counted.
const SCORES: [f32; 8] = [-2.0, 0.0, 2.0, 4.0, 5.0, 7.0, 10.0, 14.0];

/// How many honest mails and how much spam end with which score: each source and kind counts alike.
#[must_use]
pub fn scores(judged: &[(String, Vec<Told>)]) -> String {
    let mut text =
        String::from("| score | ham, % | spam, % | spam of all, % |\n|---|---|---|---|\n");
    let share = |is_spam: bool, low: f32, high: f32| {
        let of_one = |told: &Vec<Told>| {
            let of_kind = || told.iter().filter(|told| told.scored.is_spam == is_spam);
            let all = of_kind().count();
            let here = of_kind().filter(|told| (low..high).contains(&told.scored.score)).count();
            (all > 0).then(|| 100.0 * here as f64 / all as f64)
        };
        let shares: Vec<f64> = judged.iter().filter_map(|(_, told)| of_one(told)).collect();
        shares.iter().sum::<f64>() / shares.len().max(1) as f64
    };
    for at in 0..=SCORES.len() {
        let low = at.checked_sub(1).map_or(f32::NEG_INFINITY, |before| SCORES[before]);
        let high = SCORES.get(at).copied().unwrap_or(f32::INFINITY);
        let words = match (low.is_finite(), high.is_finite()) {
            (false, _) => format!("below {high}"),
            (_, false) => format!("{low} and more"),
            _ => format!("{low} to {high}"),
        };
        let (ham, spam) = (share(false, low, high), share(true, low, high));
        let of_all = 100.0 * spam / (ham + spam).max(f64::MIN_POSITIVE);
        text.push_str(&format!("| {words} | {ham:.2} | {spam:.2} | {of_all:.1} |\n"));
    }
    text
}

/// The page of whole verdicts.
#[must_use]
pub fn verdicts_page(table: &str, scores: &str, time: &str) -> String {
    format!(
        "# Whole verdicts on mail kept apart\n\n\
         Written by `cargo xtask evaluate`; see [detection](../detection.md) for what it means. All signs and the content \
         model, by the rings of the scanner as shipped: offline, without reputation, DNS and learning. Thresholds are \
         the defaults.\n\n{table}\n\
         Scores of all sources, each kept apart and counted alike:\n\n{scores}\n\
         From bytes to verdict (by the clock, two at a time): {time}.\n\n\
         ![recall over false positives](verdicts-roc.svg)\n"
    )
}

/// The page of the content model alone.
#[must_use]
pub fn content_page(table: &str, time: &str) -> String {
    format!(
        "# The content model on mail kept apart\n\n\
         Written by `cargo xtask evaluate`; see [detection](../detection.md) for what it means.\n\n{table}\n\
         Features and weights of one mail, once it is read: {time}.\n\n\
         ![recall over false positives](content-roc.svg)\n"
    )
}

/// The page of fitted weights.
#[must_use]
pub fn weights_page(table: &str) -> String {
    format!(
        "# Weights of all signs, fitted together\n\n\
         Written by `cargo xtask evaluate`; see [detection](../detection.md) for what it means. A factor multiplies the \
         weight of a sign and is never below 0.\n\n{table}"
    )
}
