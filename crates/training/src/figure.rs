//! Curves of recall over false positives as a figure.

use crate::measure::{Scored, curve};

/// Left, top, width and height of the field of a figure, in pixels.
const FIELD: (f64, f64, f64, f64) = (60.0, 20.0, 560.0, 400.0);

/// Colours of curves that people with any sight tell apart (Okabe and Ito, 2008).
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// Curves of recall over false positives, these from 0.01 % to 100 % on a logarithmic scale.
#[must_use]
pub fn figure(tried: &[(String, Vec<Scored>)]) -> String {
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
    let curves = tried.iter().map(|(name, scored)| (name, curve(scored)));
    for (number, (name, points)) in curves.filter(|(_, points)| !points.is_empty()).enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points = points.into_iter().map(|(wrong, found)| (x(wrong), y(found)));
        let path = path((x(0.0), y(0.0)), points);
        let label = 40 + 18 * number;
        svg.push_str(&format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n\
             <text x=\"635\" y=\"{label}\" fill=\"{colour}\">{name}</text>\n"
        ));
    }
    svg + "</svg>\n"
}

/// Pixels that a curve must move before it gets another point: nobody sees less, and a figure stays small.
const STEP: f64 = 5.0;

/// A path through the points, in whole pixels.
fn path(start: (f64, f64), points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = format!("M{:.0} {:.0}", start.0, start.1);
    let (mut drawn, mut last) = (start, start);
    for point in points {
        last = point;
        if (point.0 - drawn.0).abs() >= STEP || (point.1 - drawn.1).abs() >= STEP {
            path.push_str(&format!("L{:.0} {:.0}", point.0, point.1));
            drawn = point;
        }
    }
    if last != drawn {
        path.push_str(&format!("L{:.0} {:.0}", last.0, last.1));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_of_many_points_stays_small() {
        let scored = |at: u32| Scored {
            score: (at.wrapping_mul(2_654_435_761) >> 8) as f32
                + if at.is_multiple_of(3) { 9e6 } else { 0.0 },
            is_spam: at.is_multiple_of(3),
            share: 1.0,
        };
        let one = ("one".to_owned(), (0..6_000).map(scored).collect::<Vec<_>>());
        let all: Vec<_> = (0..11).map(|_| one.clone()).collect();
        let figure = figure(&all);
        assert!(figure.len() < 20_000, "{} bytes", figure.len());
        assert!(figure.ends_with("</svg>\n"));
    }
}
