//! From OpenMetrics, which the library writes, to the Prometheus text format 0.0.4.
//!
//! They differ in the family names of counters: OpenMetrics says `# TYPE requests counter` before `requests_total 1`,
//! the older format names the sample itself. A reader of 0.0.4, `promtool` among them, would otherwise see a counter without
//! samples and samples without help. Also, two types and the exemplars exist only there.

/// The same metrics in the older format.
pub(super) fn plain(open_metrics: &str) -> String {
    let mut plain = String::with_capacity(open_metrics.len() + open_metrics.len() / 8);
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // Its final name is known with the type, which comes next.
            help = rest;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.rsplit_once(' ').unwrap_or((rest, "unknown"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            let words = help.strip_prefix(name).unwrap_or("").trim_start();
            plain.push_str(&format!(
                "# HELP {name}{suffix} {words}\n# TYPE {name}{suffix} {kind}\n"
            ));
        } else if !line.starts_with('#') {
            plain.push_str(without_exemplar(line));
            plain.push('\n');
        }
    }
    plain
}

/// A sample without the exemplar behind its value. What looks like one within the value of a label is none.
fn without_exemplar(sample: &str) -> &str {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (place, c) in sample.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '#' if !is_quoted => return sample[..place].trim_end(),
            _ => {}
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_counter_is_named_as_its_samples_are() {
        let table = [
            (
                "# HELP a_b Some words.\n# TYPE a_b counter\na_b_total{x=\"1\"} 2\n# EOF\n",
                "# HELP a_b_total Some words.\n# TYPE a_b_total counter\na_b_total{x=\"1\"} 2\n",
            ),
            (
                "# HELP t_seconds Time.\n# TYPE t_seconds histogram\n# UNIT t_seconds seconds\nt_seconds_sum 1.0\n",
                "# HELP t_seconds Time.\n# TYPE t_seconds histogram\nt_seconds_sum 1.0\n",
            ),
            (
                "# HELP u Who knows.\n# TYPE u unknown\nu 1\n",
                "# HELP u Who knows.\n# TYPE u untyped\nu 1\n",
            ),
            (
                "# HELP v Labels.\n# TYPE v info\nv_info{a=\"b\"} 1\n",
                "# HELP v_info Labels.\n# TYPE v_info gauge\nv_info{a=\"b\"} 1\n",
            ),
            ("a_bucket{le=\"1.0\"} 2 # {trace_id=\"ab\"} 0.5 1.0\n", "a_bucket{le=\"1.0\"} 2\n"),
            ("a{b=\"\\\" # {x}\"} 2\n", "a{b=\"\\\" # {x}\"} 2\n"),
            ("", ""),
        ];
        for (open_metrics, expected) in table {
            assert_eq!(plain(open_metrics), expected);
        }
    }
}
