//! Curves over two logarithmic axes, as SVG.

use std::fmt::Write as _;

/// Colours that people with any sight tell apart (Okabe and Ito, 2008).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
/// Left, top, width and height of the field, in pixels.
const FIELD: (f64, f64, f64, f64) = (70.0, 20.0, 480.0, 260.0);

/// A named curve.
pub type Curve = (String, Vec<(f64, f64)>);

/// Marks of the axis across: where, and what stands there.
pub type Marks<'a> = &'a [(f64, &'a str)];

/// Curves in a field whose lower axis has these marks, from the first to the last; the left axis is logarithmic in powers of ten and
/// grows to what the curves need.
#[must_use]
pub fn curves(title: &str, across: Marks<'_>, unit: &str, curves: &[Curve]) -> String {
    let (left, top, width, height) = FIELD;
    let values = || curves.iter().flat_map(|(_, points)| points.iter().map(|point| point.1));
    let positive = || values().filter(|value| *value > 0.0 && value.is_finite());
    let low = positive().fold(f64::INFINITY, f64::min).min(1e6).log10().floor();
    let high = positive().fold(1e-6, f64::max).log10().ceil().max(low + 1.0);
    let ends = (across.first().map_or(0.0, |it| it.0), across.last().map_or(1.0, |it| it.0));
    let x = |at: f64| left + width * (at - ends.0) / (ends.1 - ends.0);
    let y = |value: f64| top + height * (high - value.max(1e-9).log10().max(low)) / (high - low);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 330\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"760\" height=\"330\" fill=\"#fff\"/>\n<text x=\"{left}\" y=\"14\">{title}</text>\n"
    );
    for (at, name) in across {
        let _ = writeln!(
            svg,
            "<path d=\"M{0:.1} {top}V{1}\" stroke=\"#ddd\"/><text x=\"{0:.1}\" y=\"{2}\" text-anchor=\"middle\">{name}</text>",
            x(*at),
            top + height,
            top + height + 18.0
        );
    }
    for power in low as i32..=high as i32 {
        let value = 10_f64.powi(power);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {0:.1}H{1}\" stroke=\"#ddd\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{value} {unit}</text>",
            y(value),
            left + width,
            left - 6.0,
            y(value) + 4.0
        );
    }
    for (number, (name, points)) in curves.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let mut path = String::new();
        for (at, value) in points.iter().filter(|point| point.1.is_finite()) {
            let step = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{step}{:.0} {:.0}", x(*at), y(*value));
        }
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>\n\
             <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            left + width + 8.0,
            top + 14.0 + 18.0 * number as f64
        );
    }
    svg + "</svg>\n"
}
