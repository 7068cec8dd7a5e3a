//! `cargo xtask dashboards`: Grafana dashboards from their short descriptions.
//!
//! A description (`deploy/grafana/source/*.toml`) says what a panel shows and why; what Grafana wants besides (places,
//! numbers, variables, the data source) follows from it, equally for all. The JSON is committed, since users take it
//! without our tools; a test compares. Kubernetes takes the same dashboards and alerts in wrappings of its own, which are
//! written here, too (`deploy/k8s/components/monitoring`).

mod kubernetes;
mod lint;
mod picture;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use toml::Table;

use crate::metadata::root;

/// Where the descriptions stand.
const SOURCE: &str = "deploy/grafana/source";
/// Where Grafana's own files stand.
const DASHBOARDS: &str = "deploy/grafana/dashboards";
/// Width of Grafana's grid.
const GRID_WIDTH: i64 = 24;
/// Height of every panel in units of the grid, and of one with a single number.
const HEIGHT: i64 = 8;
const HEIGHT_STAT: i64 = 4;
/// Stands in a query for the choice of jobs and instances.
const SELECTED: &str = "@";
const SELECTORS: &str = "job=~\"$job\",instance=~\"$instance\"";
/// Version of the format of dashboards that is written: Grafana 10 and later take it, and raise it by themselves.
const SCHEMA_VERSION: i64 = 39;

/// Draws a dashboard as it stands at a Prometheus.
pub(crate) fn picture(words: &[&str]) -> Result<()> {
    picture::run(words)
}

/// Writes all dashboards, or says which differ from their descriptions.
pub(crate) fn run(only_check: bool) -> Result<()> {
    let mut made = all()?;
    made.extend(kubernetes::wrappings(made.keys())?);
    for (path, text) in &made {
        if only_check {
            let found = fs::read_to_string(path).unwrap_or_default();
            ensure!(found == *text, "{}: run `cargo xtask dashboards`", path.display());
        } else {
            fs::write(path, text).with_context(|| path.display().to_string())?;
        }
    }
    println!("{} files of dashboards and alerts in order", made.len());
    Ok(())
}

/// File and content of every dashboard, without faults.
fn all() -> Result<BTreeMap<PathBuf, String>> {
    let mut made = BTreeMap::new();
    let mut faults = Vec::new();
    for entry in fs::read_dir(root().join(SOURCE)).context(SOURCE)? {
        let path = entry?.path();
        let said = path.display().to_string();
        let table: Table = fs::read_to_string(&path)?.parse().with_context(|| said.clone())?;
        let board = dashboard(&table).with_context(|| said.clone())?;
        faults.extend(lint::faults(&board).into_iter().map(|fault| format!("{said}: {fault}")));
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = serde_json::to_string_pretty(&board)? + "\n";
        made.insert(root().join(DASHBOARDS).join(name + ".json"), text);
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(made)
}

fn dashboard(from: &Table) -> Result<Value> {
    let mut panels = Vec::new();
    let mut y = 0;
    for row in array(from, "rows")? {
        let row = row.as_table().context("a row is no table")?;
        panels.push(json!({
            "id": panels.len() + 1, "type": "row", "title": text(row, "title")?, "collapsed": false, "panels": [],
            "gridPos": {"x": 0, "y": y, "w": GRID_WIDTH, "h": 1},
        }));
        y += 1;
        y = place(array(row, "panels")?, y, &mut panels)?;
    }
    Ok(json!({
        "uid": text(from, "uid")?,
        "title": text(from, "title")?,
        "description": text(from, "text")?,
        "tags": ["tamis", "mail"],
        "editable": false,
        "graphTooltip": 1,
        "refresh": "30s",
        "schemaVersion": SCHEMA_VERSION,
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "label": "Data source", "query": "prometheus", "refresh": 1},
            variable("job", "label_values(tamis_build_info, job)"),
            variable("instance", "label_values(tamis_build_info{job=~\"$job\"}, instance)"),
        ]},
        "links": [{
            "title": "Tamis", "type": "dashboards", "tags": ["tamis"], "asDropdown": true, "includeVars": true,
            "keepTime": true,
        }],
        "panels": panels,
    }))
}

/// A choice of several values, read again when the time range changes.
fn variable(name: &str, query: &str) -> Value {
    json!({
        "name": name, "label": name, "type": "query", "query": {"query": query, "refId": name}, "definition": query,
        "datasource": source(), "multi": true, "includeAll": true, "allValue": ".+", "refresh": 2, "sort": 1,
        "current": {"text": ["All"], "value": ["$__all"]},
    })
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// Panels side by side until a line is full; gives the first free line.
fn place(from: &[toml::Value], top: i64, panels: &mut Vec<Value>) -> Result<i64> {
    let (mut x, mut y, mut height) = (0, top, 0);
    for panel in from {
        let panel = panel.as_table().context("a panel is no table")?;
        let width = panel.get("width").and_then(toml::Value::as_integer).context("width")?;
        if x + width > GRID_WIDTH {
            (x, y, height) = (0, y + height, 0);
        }
        let own = if kind(panel) == "stat" && width < 6 { HEIGHT_STAT } else { HEIGHT };
        let mut made = graph(panel).with_context(|| {
            text(panel, "title").unwrap_or("a panel without a title").to_owned()
        })?;
        made["id"] = json!(panels.len() + 1);
        made["gridPos"] = json!({"x": x, "y": y, "w": width, "h": own});
        panels.push(made);
        x += width;
        height = height.max(own);
    }
    Ok(y + height)
}

fn kind(panel: &Table) -> &str {
    panel.get("kind").and_then(toml::Value::as_str).unwrap_or("timeseries")
}

fn graph(panel: &Table) -> Result<Value> {
    let kind = kind(panel);
    let options = match kind {
        "timeseries" => json!({
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
        "stat" | "bargauge" => json!({"reduceOptions": {"calcs": ["lastNotNull"]}}),
        "heatmap" => json!({"calculate": false, "yAxis": {"unit": text(panel, "unit")?}}),
        other => bail!("no kind of panel is called {other}"),
    };
    let is_stacked = panel.get("stack").and_then(toml::Value::as_bool).unwrap_or(false);
    let mut defaults = json!({"unit": text(panel, "unit")?, "min": 0});
    if kind == "timeseries" {
        let mode = if is_stacked { "normal" } else { "none" };
        let fill = if is_stacked { 40 } else { 5 };
        defaults["custom"] =
            json!({"fillOpacity": fill, "showPoints": "never", "stacking": {"mode": mode}});
    }
    let mut about = text(panel, "text")?.to_owned();
    if let Some(what) = panel.get("optional").and_then(toml::Value::as_str) {
        about = format!("{about} Needs {what}.");
    }
    Ok(json!({
        "type": kind, "title": text(panel, "title")?, "description": about, "datasource": source(),
        "options": options, "fieldConfig": {"defaults": defaults, "overrides": []}, "targets": targets(panel, kind)?,
    }))
}

fn targets(panel: &Table, kind: &str) -> Result<Vec<Value>> {
    let is_instant = kind == "bargauge";
    let mut made = Vec::new();
    for (query, letter) in array(panel, "queries")?.iter().zip('A'..='Z') {
        let pair = query.as_array().map(Vec::as_slice).unwrap_or_default();
        let [toml::Value::String(legend), toml::Value::String(expression)] = pair else {
            bail!("a query is a legend and an expression");
        };
        let expression = expression
            .replace("{@,", &format!("{{{SELECTORS},"))
            .replace(&format!("{{{SELECTED}}}"), &format!("{{{SELECTORS}}}"));
        let mut target = json!({
            "refId": letter.to_string(), "expr": expression, "legendFormat": legend, "datasource": source(),
            "instant": is_instant, "range": !is_instant,
        });
        if kind == "heatmap" {
            target["format"] = json!("heatmap");
        }
        made.push(target);
    }
    Ok(made)
}

fn text<'a>(from: &'a Table, key: &str) -> Result<&'a str> {
    from.get(key).and_then(toml::Value::as_str).with_context(|| format!("{key} is missing"))
}

fn array<'a>(from: &'a Table, key: &str) -> Result<&'a [toml::Value]> {
    let found = from.get(key).and_then(toml::Value::as_array).map(Vec::as_slice);
    found.with_context(|| format!("{key} is missing"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_committed_is_what_the_descriptions_say() {
        super::run(true).unwrap();
    }
}
