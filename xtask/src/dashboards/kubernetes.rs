//! Dashboards and alerts as objects of Kubernetes, made of the files that stand alone.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::metadata::root;

/// The alerts as Prometheus reads them.
const RULES: &str = "deploy/prometheus/rules.yaml";

/// In front of the groups in an object of the Prometheus Operator.
const RULE_HEAD: &str = "\
# Written by `cargo xtask dashboards` from rules.yaml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: tamis
  namespace: tamis
  labels:
    app.kubernetes.io/name: tamis
    app.kubernetes.io/part-of: tamis
spec:
";

/// In front of the dashboards in what makes a ConfigMap of each.
const BOARDS_HEAD: &str = "\
# Written by `cargo xtask dashboards`: each dashboard in a ConfigMap, labelled as Grafana's sidecar looks for them.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
generatorOptions:
  # Grafana takes a change in place; a name by content would leave the old one beside it.
  disableNameSuffixHash: true
  labels:
    grafana_dashboard: \"1\"
    app.kubernetes.io/name: tamis
    app.kubernetes.io/part-of: tamis
configMapGenerator:
";

/// File and content of both, for these dashboards.
pub(super) fn wrappings<'a>(
    boards: impl Iterator<Item = &'a PathBuf>,
) -> Result<Vec<(PathBuf, String)>> {
    let rules = fs::read_to_string(root().join(RULES)).context(RULES)?;
    let names = boards.filter_map(|path| path.file_stem()).map(|stem| stem.to_string_lossy());
    let maps = names.map(|name| {
        format!("  - {{name: tamis-dashboard-{name}, namespace: tamis, files: [dashboards/{name}.json]}}\n")
    });
    let boards = BOARDS_HEAD.to_owned() + &maps.collect::<String>();
    Ok(vec![
        (root().join("deploy/prometheus/prometheus-rule.yaml"), rule(&rules)?),
        (root().join("deploy/grafana/kustomization.yaml"), boards),
    ])
}

/// The groups under `spec`, which is two blanks deeper.
fn rule(rules: &str) -> Result<String> {
    let begin = rules.find("groups:\n").context("no groups")?;
    let is_at_line_start = begin == 0 || rules[..begin].ends_with('\n');
    ensure!(is_at_line_start, "groups is not the topmost key");
    let deeper = rules[begin..]
        .lines()
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") });
    Ok(RULE_HEAD.to_owned() + &deeper.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_two_blanks_deeper_and_what_stands_before_them_is_left_out() {
        let made = rule("# words\ngroups:\n  - name: a\n\n    rules: []\n").unwrap();
        assert_eq!(
            made.strip_prefix(RULE_HEAD),
            Some("  groups:\n    - name: a\n\n      rules: []\n")
        );
        assert!(rule("x: {groups:\n}").is_err() && rule("").is_err());
    }
}
