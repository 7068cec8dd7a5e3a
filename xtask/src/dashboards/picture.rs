//! `cargo xtask dashboards picture`: a dashboard as a small SVG, drawn from what a Prometheus at work answers to its queries.

mod ask;
mod draw;

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use self::ask::Source;
use super::DASHBOARDS;
use crate::metadata::root;

/// Bytes of a picture: it is loaded with the first page that anybody reads.
const PICTURE_BYTES_MAX: usize = 60_000;
/// What is drawn unless something else is said.
const SECONDS: u64 = 120;
const BOARD: &str = "overview";

/// A line of a panel: its name, and a value for each step; `None` where there was none.
#[derive(Clone, Debug, PartialEq)]
struct Series {
    name: String,
    values: Vec<Option<f64>>,
}

/// A panel with its data.
#[derive(Clone, Debug)]
struct Panel {
    title: String,
    kind: String,
    unit: String,
    is_stacked: bool,
    /// x, y, width and height on the grid.
    place: [i64; 4],
    series: Vec<Series>,
}

/// `--prometheus HOST:PORT [--seconds N] --out FILE`.
pub(super) fn run(words: &[&str]) -> Result<()> {
    let option = |name: &str| {
        let place = words.iter().position(|word| *word == name)?;
        words.get(place + 1).copied()
    };
    let (Some(prometheus), Some(out)) = (option("--prometheus"), option("--out")) else {
        bail!(
            "usage: cargo xtask dashboards picture --prometheus HOST:PORT [--seconds N] --out FILE"
        );
    };
    let seconds = option("--seconds").map_or(Ok(SECONDS), str::parse)?;
    let source =
        Source::new(prometheus.trim_start_matches("http://").trim_end_matches('/'), seconds)?;
    let path = root().join(DASHBOARDS).join(format!("{BOARD}.json"));
    let board: Value = serde_json::from_slice(&fs::read(&path)?)?;
    let panels = panels(&board, |query, legend| source.range(query, legend))?;
    let svg = draw::board(text(&board, "title"), &panels, seconds)?;
    ensure!(svg.len() <= PICTURE_BYTES_MAX, "{} bytes, {PICTURE_BYTES_MAX} at most", svg.len());
    fs::write(root().join(out), &svg).context(out.to_owned())?;
    println!("{out}: {} panels, {} bytes", panels.len(), svg.len());
    Ok(())
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_default()
}

/// Every panel with what `ask` says to its queries. A panel without any data is a fault: then nothing was at work.
fn panels(board: &Value, ask: impl Fn(&str, &str) -> Result<Vec<Series>>) -> Result<Vec<Panel>> {
    let mut panels = Vec::new();
    for panel in board["panels"].as_array().context("no panels")? {
        let mut series = Vec::new();
        for target in panel["targets"].as_array().into_iter().flatten() {
            series.extend(ask(text(target, "expr"), text(target, "legendFormat"))?);
        }
        let (title, kind) = (text(panel, "title").to_owned(), text(panel, "type").to_owned());
        ensure!(kind == "row" || !series.is_empty(), "nothing to draw for {title:?}");
        let defaults = &panel["fieldConfig"]["defaults"];
        panels.push(Panel {
            unit: text(defaults, "unit").to_owned(),
            is_stacked: defaults["custom"]["stacking"]["mode"] == "normal",
            place: ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_i64().unwrap_or(0)),
            title,
            kind,
            series,
        });
    }
    Ok(panels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn board() -> Value {
        let panel = |id: i64, kind: &str, stack: &str| {
            json!({
                "title": format!("A <b> & \"c\" {id}"), "type": kind, "gridPos": {"x": (id - 1) * 8, "y": 1, "w": 8, "h": 8},
                "fieldConfig": {"defaults": {"unit": "s", "custom": {"stacking": {"mode": stack}}}},
                "targets": [{"expr": "q", "legendFormat": "l"}],
            })
        };
        json!({"title": "T", "panels": [
            {"title": "Row", "type": "row", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}},
            panel(1, "stat", "none"), panel(2, "timeseries", "none"), panel(3, "timeseries", "normal"),
        ]})
    }

    #[test]
    fn what_is_drawn_is_well_formed_whatever_names_and_numbers_come() {
        let odd = [Some(0.002), None, Some(f64::INFINITY), Some(0.0), Some(1e9), Some(0.001)];
        let series = |name: &str| Series { name: name.to_owned(), values: odd.to_vec() };
        let ask = |_: &str, _: &str| Ok(vec![series("</text><script>"), series("b")]);
        let svg = draw::board("T & co", &panels(&board(), ask).unwrap(), 60).unwrap();
        assert!(!svg.contains("<script>") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.contains("A &lt;b&gt; &amp; &quot;c&quot; 2") && svg.contains("T &amp; co"));
        for tag in ["svg", "g", "text"] {
            let opened = svg.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, svg.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert!(svg.matches("<polyline").count() + svg.matches("<polygon").count() >= 4);
    }

    #[test]
    fn a_panel_without_data_is_a_fault() {
        let error = panels(&board(), |_, _| Ok(Vec::new())).unwrap_err().to_string();
        assert!(error.contains("nothing to draw"), "{error}");
    }

    #[test]
    fn the_picture_of_the_readme_has_every_panel_of_the_overview_and_is_small() {
        let svg = fs::read_to_string(root().join("docs/pictures/overview.svg")).unwrap();
        let path = root().join(DASHBOARDS).join(format!("{BOARD}.json"));
        let board: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            let title = draw::escaped(text(panel, "title"));
            assert!(svg.contains(&format!(">{title}<")), "no {title}: draw it again");
        }
        assert!(svg.len() <= PICTURE_BYTES_MAX);
        let readme = fs::read_to_string(root().join("README.md")).unwrap();
        assert!(readme.contains("(docs/pictures/overview.svg)"));
    }
}
