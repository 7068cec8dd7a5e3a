//! What is wrong with a dashboard, after the rules of grafana/dashboard-linter and a few of our own.

use std::collections::BTreeSet;

use serde_json::Value;

/// Units that panels may have, by Grafana's names.
const UNITS: [&str; 7] = ["reqps", "s", "short", "percentunit", "bytes", "Bps", "none"];

/// The faults of one dashboard, each a sentence.
pub(super) fn faults(board: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for key in ["uid", "title", "description"] {
        if word(board, key).is_empty() {
            faults.push(format!("the dashboard has no {key}"));
        }
    }
    if board["editable"] != false {
        faults.push("the dashboard can be edited in place".into());
    }
    if !board["schemaVersion"].is_i64() {
        faults.push("no schemaVersion".into());
    }
    variables(board, &mut faults);
    let panels = board["panels"].as_array().map(Vec::as_slice).unwrap_or_default();
    places(panels, &mut faults);
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let found = panel_faults(panel);
        let title = word(panel, "title");
        faults.extend(found.into_iter().map(|fault| format!("panel {title:?}: {fault}")));
    }
    faults
}

fn word<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_default()
}

fn variables(board: &Value, faults: &mut Vec<String>) {
    let list = board["templating"]["list"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |name: &str| list.iter().find(|variable| variable["name"] == name);
    if named("datasource").is_none_or(|it| it["type"] != "datasource") {
        faults.push("the data source is no variable".into());
    }
    for name in ["job", "instance"] {
        let good = named(name).is_some_and(|it| it["multi"] == true && it["refresh"] == 2);
        if !good {
            faults.push(format!("variable {name} is missing, single, or not read again"));
        }
    }
}

fn places(panels: &[Value], faults: &mut Vec<String>) {
    let mut numbers = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels {
        let place = |key: &str| panel["gridPos"][key].as_i64().unwrap_or(-1);
        let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
        if !numbers.insert(panel["id"].as_i64()) {
            faults.push(format!("two panels have the number {}", panel["id"]));
        }
        if x < 0 || y < 0 || w < 1 || h < 1 || x + w > super::GRID_WIDTH {
            faults.push(format!("panel {} stands outside the grid", panel["id"]));
        }
        let cells = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y)));
        let mut is_overlapping = false;
        for cell in cells {
            is_overlapping |= !taken.insert(cell);
        }
        if is_overlapping {
            faults.push(format!("panel {} lies over another", panel["id"]));
        }
    }
}

fn panel_faults(panel: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for key in ["title", "description"] {
        if word(panel, key).is_empty() {
            faults.push(format!("no {key}"));
        }
    }
    let unit = word(&panel["fieldConfig"]["defaults"], "unit");
    if !UNITS.contains(&unit) {
        faults.push(format!("unit {unit:?}"));
    }
    if panel["datasource"]["uid"] != "${datasource}" {
        faults.push("a fixed data source".into());
    }
    let targets = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
    if targets.is_empty() {
        faults.push("no query".into());
    }
    for target in targets {
        faults.extend(query_faults(word(target, "expr")));
        if word(target, "legendFormat").is_empty() {
            faults.push("a query without a legend".into());
        }
    }
    faults
}

fn query_faults(query: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let metrics = metrics_of(query);
    if metrics.is_empty() {
        faults.push(format!("no metric of ours in {query}"));
    }
    for (name, rest) in metrics {
        if !rest.starts_with("{job=~\"$job\",instance=~\"$instance\"") {
            faults.push(format!("{name} is asked of all jobs and instances"));
        }
        let is_counted =
            ["_total", "_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end));
        let place = query.len() - rest.len() - name.len();
        let before = &query[..place];
        let is_rate = before.ends_with("rate(") || before.ends_with("increase(");
        if is_counted && !is_rate {
            faults.push(format!("counter {name} without a rate"));
        }
        if !is_counted && is_rate {
            faults.push(format!("rate of {name}, which is no counter"));
        }
    }
    if query.contains("rate(")
        && !["[$__rate_interval]", "[5m]", "[1h]", "[6h]"].iter().any(|it| query.contains(it))
    {
        faults.push(format!("a rate over a fixed interval in {query}"));
    }
    faults
}

/// Names of metrics in a query, each with what follows it.
fn metrics_of(query: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for start in ["tamis_", "process_"] {
        for (place, _) in query.match_indices(start) {
            let rest = &query[place..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
            let is_whole =
                !query[..place].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            if is_whole {
                found.push((name, behind));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn board() -> Value {
        let table = "uid='u'\ntitle='t'\ntext='x'\n[[rows]]\ntitle='r'\npanels=[\
            {title='a', unit='s', width=12, text='x', queries=[['l', 'sum(rate(tamis_a_total{@}[$__rate_interval]))']]},\
            {title='b', unit='s', width=12, text='x', queries=[['l', 'max(tamis_b{@,c=\"d\"})']]}]";
        super::super::dashboard(&table.parse().unwrap()).unwrap()
    }

    #[test]
    fn each_planted_fault_is_found_and_a_good_dashboard_has_none() {
        assert_eq!(faults(&board()), Vec::<String>::new());
        let faulty: [(&str, Value, &str); 13] = [
            ("/uid", json!(""), "no uid"),
            ("/editable", json!(true), "edited"),
            ("/templating/list/0/type", json!("query"), "data source"),
            ("/templating/list/1/multi", json!(false), "job"),
            ("/panels/2/id", json!(2), "number"),
            ("/panels/2/gridPos/x", json!(3), "over another"),
            ("/panels/2/gridPos/w", json!(13), "outside"),
            ("/panels/1/description", json!(""), "no description"),
            ("/panels/1/fieldConfig/defaults/unit", json!("furlongs"), "furlongs"),
            ("/panels/1/datasource/uid", json!("P1"), "fixed data source"),
            ("/panels/1/targets", json!([]), "no query"),
            ("/panels/1/targets/0/expr", json!("sum(tamis_a_total)"), "all jobs"),
            ("/panels/2/targets/0/legendFormat", json!(""), "legend"),
        ];
        for (place, value, said) in faulty {
            let mut board = board();
            *board.pointer_mut(place).unwrap() = value;
            let found = faults(&board);
            assert!(found.iter().any(|fault| fault.contains(said)), "{place}: {found:?}");
        }
    }

    #[test]
    fn counters_are_shown_as_rates_and_gauges_are_not() {
        let selected = "{job=~\"$job\",instance=~\"$instance\"}";
        for (query, said) in [
            (format!("sum(tamis_a_total{selected})"), "without a rate"),
            (format!("rate(tamis_b{selected}[$__rate_interval])"), "no counter"),
            (format!("rate(tamis_a_total{selected}[7m])"), "fixed interval"),
            ("vector(1)".into(), "no metric"),
        ] {
            let found = query_faults(&query);
            assert!(found.iter().any(|fault| fault.contains(said)), "{query}: {found:?}");
        }
    }
}
