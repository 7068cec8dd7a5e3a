//! Panels as SVG: frames, titles, lines, numbers. No script, no font of its own, nothing from elsewhere.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::{Panel, Series};

/// Pixels of one unit of the grid.
const UNIT_X: i64 = 44;
const UNIT_Y: i64 = 20;
const WIDTH: i64 = 24 * UNIT_X;
/// Above the panels, for the title.
const HEAD: i64 = 34;
/// Between panels.
const GAP: i64 = 3;
/// Characters of a name in a legend.
const NAME_CHARS_MAX: usize = 18;

/// Told apart by people who do not tell red from green, too (M. Okabe, K. Ito, 2008).
const COLOURS: [&str; 8] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#666666"];

/// The whole dashboard.
pub(super) fn board(title: &str, panels: &[Panel], seconds: u64) -> Result<String> {
    let lowest = panels.iter().map(|panel| panel.place[1] + panel.place[3]).max().unwrap_or(0);
    let height = HEAD + lowest * UNIT_Y + GAP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#f4f5f5\"/>\n"
    );
    label(&mut svg, 10, 22, "font-size=\"16\" font-weight=\"bold\"", title);
    label(
        &mut svg,
        WIDTH - 10,
        22,
        "text-anchor=\"end\" fill=\"#555\"",
        &format!("the last {seconds} s"),
    );
    for panel in panels {
        draw(&mut svg, panel)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// Text that means itself.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn label(svg: &mut String, x: i64, y: i64, style: &str, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" {style}>{}</text>", escaped(text));
}

fn draw(svg: &mut String, panel: &Panel) -> Result<()> {
    let [x, y, w, h] = panel.place;
    let (left, top) = (x * UNIT_X + GAP, HEAD + y * UNIT_Y + GAP);
    let (width, height) = (w * UNIT_X - 2 * GAP, h * UNIT_Y - 2 * GAP);
    if panel.kind == "row" {
        label(svg, left + 4, top + 11, "font-weight=\"bold\" fill=\"#333\"", &panel.title);
        return Ok(());
    }
    let _ = writeln!(svg, "<g transform=\"translate({left} {top})\">");
    let _ = writeln!(
        svg,
        "<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\" stroke=\"#d5d7d9\"/>"
    );
    label(svg, 8, 15, "fill=\"#222\"", &panel.title);
    match panel.kind.as_str() {
        "stat" => number(svg, panel, width, height),
        "timeseries" => lines(svg, panel, width, height),
        other => bail!("a panel of kind {other} is not drawn"),
    }
    svg.push_str("</g>\n");
    Ok(())
}

fn finite(value: &Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

fn last(series: &Series) -> Option<f64> {
    series.values.iter().rev().find_map(finite)
}

/// The newest value, large.
fn number(svg: &mut String, panel: &Panel, width: i64, height: i64) {
    let shown = panel.series.first().and_then(last);
    let shown = shown.map_or_else(|| "-".to_owned(), |value| with_unit(value, &panel.unit));
    let style = "text-anchor=\"middle\" font-size=\"24\" fill=\"#0072b2\"";
    label(svg, width / 2, height / 2 + 18, style, &shown);
}

/// Lines over time, or areas upon each other, with a legend below.
fn lines(svg: &mut String, panel: &Panel, width: i64, height: i64) {
    let steps = panel.series.iter().map(|it| it.values.len()).max().unwrap_or(0);
    let mut base = vec![0.0; steps];
    let mut upper: Vec<Vec<Option<f64>>> = Vec::new();
    for series in &panel.series {
        let own = (0..steps).map(|step| series.values.get(step).and_then(finite));
        upper.push(if panel.is_stacked {
            let sums: Vec<f64> =
                own.zip(&base).map(|(own, base)| base + own.unwrap_or(0.0)).collect();
            base = sums;
            base.iter().copied().map(Some).collect()
        } else {
            own.collect()
        });
    }
    let highest = upper.iter().flatten().flatten().copied().fold(0.0_f64, f64::max);
    let highest = if highest > 0.0 { highest } else { 1.0 };
    let frame = Frame { left: 52, top: 26, right: width - 10, bottom: height - 36, highest, steps };
    frame.axes(svg, &panel.unit);
    // The topmost area first, so that those below lie over it.
    let order: Vec<usize> = if panel.is_stacked {
        (0..upper.len()).rev().collect()
    } else {
        (0..upper.len()).collect()
    };
    for place in order {
        let (line, colour) = (&upper[place], COLOURS[place % COLOURS.len()]);
        if panel.is_stacked { frame.area(svg, line, colour) } else { frame.line(svg, line, colour) }
    }
    legend(svg, panel, width, height);
}

/// Where the lines of a panel go.
struct Frame {
    left: i64,
    top: i64,
    right: i64,
    bottom: i64,
    highest: f64,
    steps: usize,
}

impl Frame {
    fn axes(&self, svg: &mut String, unit: &str) {
        for part in [0.0, 0.5, 1.0] {
            let y = self.y(self.highest * part);
            let (left, right) = (self.left, self.right);
            let _ = writeln!(svg, "<path d=\"M{left} {y}H{right}\" stroke=\"#e4e6e8\"/>");
            let shown = with_unit(self.highest * part, unit);
            label(
                svg,
                left - 4,
                y + 4,
                "text-anchor=\"end\" font-size=\"9\" fill=\"#555\"",
                &shown,
            );
        }
    }

    fn x(&self, step: usize) -> i64 {
        let part = step as f64 / self.steps.saturating_sub(1).max(1) as f64;
        self.left + ((self.right - self.left) as f64 * part).round() as i64
    }

    fn y(&self, value: f64) -> i64 {
        let part = (value / self.highest).clamp(0.0, 1.0);
        self.bottom - ((self.bottom - self.top) as f64 * part).round() as i64
    }

    fn points(&self, values: &[Option<f64>]) -> String {
        let known = values.iter().enumerate().filter_map(|(step, value)| Some((step, (*value)?)));
        let points = known.map(|(step, value)| format!("{},{}", self.x(step), self.y(value)));
        points.collect::<Vec<_>>().join(" ")
    }

    fn line(&self, svg: &mut String, values: &[Option<f64>], colour: &str) {
        let points = self.points(values);
        let _ = writeln!(
            svg,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        );
    }

    fn area(&self, svg: &mut String, values: &[Option<f64>], colour: &str) {
        let (points, bottom) = (self.points(values), self.bottom);
        let (left, right) = (self.left, self.right);
        let _ = writeln!(
            svg,
            "<polygon points=\"{left},{bottom} {points} {right},{bottom}\" fill=\"{colour}\"/>"
        );
    }
}

/// Names in their colours with their newest values, two lines at most.
fn legend(svg: &mut String, panel: &Panel, width: i64, height: i64) {
    let (mut x, mut y) = (8, height - 20);
    for (place, series) in panel.series.iter().enumerate() {
        let name: String = series.name.chars().take(NAME_CHARS_MAX).collect();
        let value =
            last(series).map_or_else(|| "-".to_owned(), |value| with_unit(value, &panel.unit));
        let text = format!("{name} {value}");
        let long = text.chars().count() as i64 * 6 + 18;
        if x + long > width - 4 {
            (x, y) = (8, y + 13);
        }
        if y > height {
            return;
        }
        let colour = COLOURS[place % COLOURS.len()];
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{}\" width=\"8\" height=\"8\" fill=\"{colour}\"/>",
            y - 8
        );
        label(svg, x + 11, y, "font-size=\"10\" fill=\"#333\"", &text);
        x += long;
    }
}

/// A number as Grafana shows it.
fn with_unit(value: f64, unit: &str) -> String {
    let short = |value: f64| {
        let decimals = match value.abs() {
            value if value >= 100.0 || value == 0.0 => 0,
            value if value >= 10.0 => 1,
            _ => 2,
        };
        format!("{value:.decimals$}")
    };
    let scaled = |steps: &[(f64, &str)]| {
        let step = steps.iter().find(|(from, _)| value.abs() >= *from).or(steps.last());
        step.map_or_else(|| short(value), |(from, word)| format!("{} {word}", short(value / from)))
    };
    match unit {
        "s" if value == 0.0 => "0 s".to_owned(),
        "s" => scaled(&[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs")]),
        "percentunit" => format!("{} %", short(value * 100.0)),
        "reqps" => format!("{}/s", short(value)),
        "bytes" => scaled(&[(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")]),
        "Bps" => scaled(&[(1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s")]),
        _ => short(value),
    }
}

#[cfg(test)]
mod tests {
    use super::with_unit;

    #[test]
    fn numbers_are_shown_with_their_units() {
        for (value, unit, shown) in [
            (0.00234, "s", "2.34 ms"),
            (0.0, "s", "0 s"),
            (12.0, "s", "12.0 s"),
            (0.5, "percentunit", "50.0 %"),
            (1234.0, "reqps", "1234/s"),
            (2_500_000.0, "bytes", "2.50 MB"),
            (0.0, "bytes", "0 B"),
            (7.0, "none", "7.00"),
        ] {
            assert_eq!(with_unit(value, unit), shown);
        }
    }
}
