//! The text of the metrics, judged by us and by `promtool`.

use std::io::Write;
use std::process::{Command, Stdio};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tamis_runtime::metrics::{Durations, Metrics};

type Labels = Vec<(String, String)>;

fn metrics() -> Metrics {
    let metrics = Metrics::new();
    metrics.register("edge", |registry| {
        let done = Family::<Labels, Counter>::default();
        let label = |door: &str| vec![("door".to_owned(), door.to_owned())];
        done.get_or_create(&label("odd \" \\ \n # {x}")).inc();
        done.get_or_create(&label("lmtp")).inc_by(3);
        registry.register("connections", "Connections accepted", done);
        let taken = Family::<Labels, Durations>::new_with_constructor(Durations::new);
        taken.get_or_create(&label("lmtp")).observe(0.002);
        registry.register("answer_seconds", "Time to an answer", taken);
    });
    metrics.register("", |registry| {
        registry.register("in_hand", "Units of work in hand", Gauge::<i64>::default());
    });
    metrics
}

#[test]
fn each_metric_has_its_prefix_help_and_type() {
    let text = metrics().text().unwrap();
    for line in [
        "# HELP tamis_edge_connections_total Connections accepted.",
        "# TYPE tamis_edge_connections_total counter",
        "tamis_edge_connections_total{door=\"lmtp\"} 3",
        "# TYPE tamis_edge_answer_seconds histogram",
        "tamis_edge_answer_seconds_bucket{le=\"0.003\",door=\"lmtp\"} 1",
        "tamis_edge_answer_seconds_bucket{le=\"0.001\",door=\"lmtp\"} 0",
        "tamis_in_hand 0",
        "# TYPE tamis_build_info gauge",
        "# TYPE process_cpu_seconds_total counter",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
}

#[test]
fn the_process_shows_memory_descriptors_and_start() {
    let text = metrics().text().unwrap();
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.and_then(|line| line.rsplit(' ').next()).unwrap().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_open_fds") >= 3.0);
    assert!(value("process_max_fds") > value("process_open_fds"));
    assert!(value("process_start_time_seconds") > 1.7e9);
}

#[test]
#[ignore = "needs promtool of Debian's package prometheus"]
fn promtool_finds_nothing_to_complain_about() {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = metrics().text().unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && words.trim().is_empty(), "{words}\n{text}");
}
