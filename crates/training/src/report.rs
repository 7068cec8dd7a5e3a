//! What is printed and written of a trial: false positives first.

use tamis_classifier::mail::points_at;

use crate::folds::Tried;
use crate::measure::{Scored, above, clusters_above, curve, missed_area, threshold};
use crate::recipe::Calibration;

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

/// Left, top, width and height of the field of a figure, in pixels.
const FIELD: (f64, f64, f64, f64) = (60.0, 20.0, 560.0, 400.0);

/// Colours of curves that people with any sight tell apart (Okabe and Ito, 2008).
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// Curves of recall over false positives, these from 0.01 % to 100 % on a logarithmic scale.
#[must_use]
pub fn figure(tried: &[Tried]) -> String {
    let (left, top, width, height) = FIELD;
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 470\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"860\" height=\"470\" fill=\"#fff\"/>\n",
    );
    let x = |share: f64| left + width * ((share.max(1e-4).log10() + 4.0) / 4.0);
    let y = |share: f64| top + height * (1.0 - share);
    for (share, name) in
        [(1e-4, "0.01 %"), (1e-3, "0.1 %"), (1e-2, "1 %"), (0.1, "10 %"), (1.0, "100 %")]
    {
        let at = x(share);
        let (from, to) = (y(1.0), y(0.0));
        svg.push_str(&format!(
            "<path d=\"M{at:.1} {from:.1}V{to:.1}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"440\" \
             text-anchor=\"middle\">{name}</text>\n"
        ));
    }
    for percent in [0, 25, 50, 75, 100] {
        let at = y(f64::from(percent) / 100.0);
        svg.push_str(&format!(
            "<path d=\"M{left} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"54\" y=\"{:.1}\" \
             text-anchor=\"end\">{percent} %</text>\n",
            left + width,
            at + 4.0
        ));
    }
    svg.push_str("<text x=\"340\" y=\"460\" text-anchor=\"middle\">false positives</text>\n");
    let curves = tried.iter().map(|one| (&one.fold.name, curve(&one.scored)));
    for (number, (name, points)) in curves.filter(|(_, points)| !points.is_empty()).enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let mut path = format!("M{:.1} {:.1}", x(0.0), y(0.0));
        for (wrong, found) in points {
            path.push_str(&format!("L{:.1} {:.1}", x(wrong), y(found)));
        }
        let label = 40 + 18 * number;
        svg.push_str(&format!(
            "<path d=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n\
             <text x=\"635\" y=\"{label}\" fill=\"{colour}\">{name}</text>\n",
            thinned(&path)
        ));
    }
    svg + "</svg>\n"
}

/// The same path without points that fall on the one before.
fn thinned(path: &str) -> String {
    let mut kept: Vec<&str> = path.split('L').collect();
    kept.dedup();
    // Of three points on one vertical line the middle one shows nothing.
    let mut thin: Vec<&str> = Vec::new();
    for (at, point) in kept.iter().copied().enumerate() {
        let before = thin.last().copied().map(column);
        let after = kept.get(at + 1).copied().map(column);
        if before != Some(column(point)) || before != after {
            thin.push(point);
        }
    }
    thin.join("L")
}

/// The place of a point of a path on the line of false positives.
fn column(point: &str) -> &str {
    point.trim_start_matches('M').split(' ').next().unwrap_or_default()
}
