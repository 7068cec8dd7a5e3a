//! Dashboards and alerts of `deploy/` against a real Prometheus that scrapes a cluster at work: every panel answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tamis_testkit::peers::{Dialogue, Process, Redis, Sink, Tamis, free_port, get};

use crate::dns::nsd;
use crate::local_cluster::{Local, Over};
use crate::mails::mail;
use crate::reputation_nodes::{Nodes, Writers};

/// How long a panel may stay empty: Prometheus scrapes once a second and a rate wants several points.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);
/// Senders and their pause: some tens of mails a second, which a debug build bears beside everything else.
const SENDERS: usize = 2;
const PAUSE: Duration = Duration::from_millis(50);

/// One query of one panel.
struct Query {
    place: String,
    expression: String,
    legend: String,
    is_optional: bool,
}

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

/// All queries of all dashboards, with what Grafana would put for its variables.
fn queries() -> Vec<Query> {
    let mut found = Vec::new();
    for entry in fs::read_dir(deploy("grafana/dashboards")).unwrap() {
        let board: Value =
            serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let expression = target["expr"].as_str().unwrap();
                found.push(Query {
                    place: format!("{}: {}", board["title"], panel["title"]),
                    expression: expression
                        .replace("$__rate_interval", "10s")
                        .replace("$job", ".+")
                        .replace("$instance", ".+"),
                    legend: target["legendFormat"].as_str().unwrap().to_owned(),
                    is_optional: panel["description"]
                        .as_str()
                        .unwrap()
                        .ends_with("a day of history."),
                });
            }
        }
    }
    assert!(found.len() > 80, "{}", found.len());
    found
}

fn promtool(arguments: &[&str], file: &Path) -> String {
    let output = Command::new("promtool").args(arguments).arg(file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said.into_owned()
}

#[test]
#[ignore = "needs promtool"]
fn promtool_reads_every_query_and_every_alert_fires_when_it_should() {
    let said = promtool(&["test", "rules"], &deploy("prometheus/rules.test.yaml"));
    assert!(said.contains("SUCCESS"), "{said}");
    let mut rules = "groups:\n- name: panels\n  rules:\n".to_owned();
    for (number, query) in queries().iter().enumerate() {
        let quoted = serde_json::to_string(&query.expression).unwrap();
        writeln!(rules, "  - record: panel:number:{number}\n    expr: {quoted}").unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("panels.yaml");
    fs::write(&file, rules).unwrap();
    promtool(&["check", "rules"], &file);
}

#[test]
#[ignore = "needs promtool"]
fn every_alert_has_its_test_and_its_runbook() {
    let read = |path: &str| fs::read_to_string(deploy(path)).unwrap();
    let (rules, tests) = (read("prometheus/rules.yaml"), read("prometheus/rules.test.yaml"));
    let alerts: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 13);
    let list = read("../docs/runbooks/README.md");
    for alert in alerts {
        let book = deploy("../docs/runbooks").join(format!("{alert}.md"));
        let text = fs::read_to_string(&book).unwrap_or_default();
        for part in ["**What happens to mail.**", "## Where to look", "## What to do"] {
            assert!(text.contains(part), "{}: {part}", book.display());
        }
        assert!(rules.contains(&format!("/docs/runbooks/{alert}.md")), "{alert}");
        assert!(list.contains(&format!("- [{alert}]({alert}.md): ")), "{alert} is not in the list");
        let fires = format!("alertname: {alert}\n");
        assert!(tests.contains(&fires), "no test in which {alert} fires");
    }
}

/// A cluster in which every part that has a panel is at work.
pub struct Cluster {
    _sink: Sink,
    _redis: Redis,
    _nsd: Process,
    _directory: tempfile::TempDir,
    nodes: Nodes,
    scanner: Tamis,
    edge: Tamis,
}

impl Cluster {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (redis, sink, port) = (Redis::start(), Sink::smtp().start(), free_port());
        let nsd = nsd(directory.path(), port);
        let nodes = Nodes::start_each(&redis.url(), 2, 2, &[&bases(directory.path()), ""]);
        let servers: Vec<String> =
            nodes.running.iter().map(|it| it.address("reputation", "listen")).collect();
        let scanner = Tamis::start(
            &["scanner"],
            Some(&format!(
                "[scanner]\nredis = \"{}\"\nreputation = {servers:?}\n[scanner.dns]\nenabled = true\n\
                 servers = ['127.0.0.1:{port}']\n[[scanner.dns.lists]]\nname = 'links'\n\
                 zone = 'links.list.example'\nabout = 'link'\nrating = 1.5\n",
                redis.url(),
            )),
        );
        let edge = Tamis::thin_edge(&format!(
            "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [\"http://{}\"]\ndeadline_ms = 5000\n",
            sink.port,
            scanner.address("scanner", "listen")
        ));
        let (_sink, _redis, _nsd, _directory) = (sink, redis, nsd, directory);
        Self { _sink, _redis, _nsd, _directory, nodes, scanner, edge }
    }

    /// What its processes expose, once a mail with a link was judged and a signature reported.
    pub fn expositions(&self) -> Vec<String> {
        let server = format!("http://{}", self.nodes.running[0].address("reputation", "grpc"));
        let added = Tamis::run(&["signature", "--server", &server, "add", "sender:example.com"]);
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let mut client = Dialogue::connect(self.edge.smtp_port());
        let letter = mail("linked", "See http://bad.example/1 on Sunday.");
        let reply = client.send("ann@example.org", &["bob@example.test"], &letter);
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
        let all = self.nodes.running.iter().chain([&self.scanner, &self.edge]);
        all.map(|process| process.get("/metrics").1).collect()
    }

    /// What Prometheus scrapes: name of the job and address.
    fn targets(&self) -> Vec<(&'static str, String)> {
        let address = Tamis::admin;
        let mut targets = vec![("scanner", address(&self.scanner)), ("edge", address(&self.edge))];
        targets.extend(self.nodes.running.iter().map(|node| ("reputation", address(node))));
        targets
    }
}

/// The configuration of a node that publishes bases.
fn bases(directory: &Path) -> String {
    let place = directory.join("bases-of-test");
    fs::create_dir_all(&place).unwrap();
    let key = place.join("signing.key");
    let output = Tamis::run(&["bases", "keygen", key.to_str().unwrap()]);
    let public = String::from_utf8(output.stdout).unwrap();
    format!(
        "[bases]\npublish_signatures = true\ndir = {:?}\nchannel = \"main\"\ntrusted_keys = [{:?}]\nsigning_key_file = {key:?}\n",
        place.join("bases"),
        public.trim()
    )
}

/// A Prometheus that scrapes once a second and keeps exemplars, and its address.
pub fn prometheus(directory: &Path, targets: &[(&str, String)]) -> (Process, String) {
    let mut text = "global:\n  scrape_interval: 1s\nscrape_configs:\n".to_owned();
    for (number, (job, address)) in targets.iter().enumerate() {
        writeln!(
            text,
            "- job_name: {job}-{number}\n  static_configs:\n  - targets: ['{address}']\n    labels: {{job: {job}}}"
        )
        .unwrap();
    }
    let (file, port) = (directory.join("prometheus.yaml"), free_port());
    fs::write(&file, text).unwrap();
    promtool(&["check", "config"], &file);
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
        .arg("--enable-feature=exemplar-storage")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let mut process = Process::spawn("prometheus", &mut command, &directory.join("log"));
    let address = format!("127.0.0.1:{port}");
    process.wait_ready(|| matches!(get(&address, "/-/ready"), Some((200, _))));
    (process, address)
}

/// The series that a query gives now: their labels, and whether the value is a number.
fn ask(prometheus: &str, expression: &str) -> Vec<(BTreeMap<String, String>, bool)> {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let path = format!("/api/v1/query?query={encoded}");
    let (_, body) = get(prometheus, &path).unwrap_or_default();
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    assert_ne!(body["status"], "error", "{expression}: {body}");
    let series = body["data"]["result"].as_array().cloned().unwrap_or_default();
    series
        .iter()
        .map(|one| {
            let labels = serde_json::from_value(one["metric"].clone()).unwrap_or_default();
            let value = one["value"][1].as_str().and_then(|value| value.parse::<f64>().ok());
            (labels, value.is_some_and(f64::is_finite))
        })
        .collect()
}

/// Names between double braces.
fn labels_of(legend: &str) -> BTreeSet<&str> {
    legend
        .split("{{")
        .skip(1)
        .filter_map(|rest| rest.split_once("}}"))
        .map(|(name, _)| name)
        .collect()
}

/// Why a panel's query shows nothing, or not what its legend says; none if it does.
fn fault(prometheus: &str, query: &Query) -> Option<String> {
    let series = ask(prometheus, &query.expression);
    let missing = labels_of(&query.legend)
        .into_iter()
        .find(|label| !series.iter().all(|(labels, _)| labels.contains_key(*label)));
    if series.is_empty() {
        Some("no series".into())
    } else if let Some(label) = missing {
        Some(format!("no label {label}"))
    } else if series.iter().any(|(_, is_number)| *is_number) {
        None
    } else {
        Some("no number".into())
    }
}

/// Sends mails until told to stop: some known, some new, some with much in them.
fn send(door: SocketAddr, sender: usize, is_over: &AtomicBool) {
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut client = Dialogue::connect_to(door);
        let line = format!(
            "Line {} of sender {sender}. http://bad.example/{}",
            number / 2,
            number / 2 % 7
        );
        let body = line.repeat(1 + (number / 2 % 5) * 300);
        let reply = client.send(
            "ann@example.org",
            &["bob@example.test"],
            &mail(&format!("m-{sender}-{number}"), &body),
        );
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
        number += 1;
        std::thread::sleep(PAUSE);
    }
}

/// Lets the cluster work on for as long as `TAMIS_TEST_HOLD_S` says, for `cargo xtask dashboards picture`.
fn hold(prometheus: &str) {
    let seconds = std::env::var("TAMIS_TEST_HOLD_S").ok().and_then(|text| text.parse().ok());
    if let Some(seconds) = seconds {
        eprintln!("Prometheus is at {prometheus} for {seconds} s more");
        std::thread::sleep(Duration::from_secs(seconds));
    }
}

/// Waits until every panel answers while mail goes through these doors; those that do not in time, with the reason.
fn unanswered(prometheus: &str, doors: &[SocketAddr]) -> Vec<String> {
    let is_over = AtomicBool::new(false);
    let open = std::thread::scope(|scope| {
        for sender in 0..SENDERS.max(doors.len()) {
            let (is_over, door) = (&is_over, doors[sender % doors.len()]);
            scope.spawn(move || send(door, sender, is_over));
        }
        let _over = Over(&is_over);
        let end = Instant::now() + ANSWER_WAIT_MAX;
        let mut open: Vec<Query> = queries().into_iter().filter(|it| !it.is_optional).collect();
        while !open.is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_secs(1));
            open.retain(|query| fault(prometheus, query).is_some());
        }
        hold(prometheus);
        open
    });
    open.iter()
        .map(|query| format!("{} {:?} {}", query.place, fault(prometheus, query), query.expression))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus, Redis and NSD"]
async fn every_panel_answers_while_a_cluster_is_at_work() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start();
    let (_prometheus, address) = prometheus(directory.path(), &cluster.targets());
    let door = SocketAddr::from((Ipv4Addr::LOCALHOST, cluster.edge.smtp_port()));
    let load = Writers::start(&cluster.nodes, 1, Duration::from_millis(200));
    let faults = unanswered(&address, &[door]);
    load.end().await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn every_panel_answers_while_the_cluster_on_one_machine_is_at_work() {
    let local = Local::new();
    let up = local.cluster("up");
    assert!(up.status.success(), "{up:?}");
    let is_over = AtomicBool::new(false);
    let server = format!("http://{}", local.address(2, 1, 7063));
    let faults = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                let signature = format!("sender:s{number}.example.com");
                let added = Tamis::run(&["signature", "add", "--server", &server, &signature]);
                assert!(added.status.success(), "{added:?}");
                number += 1;
            }
        });
        let _over = Over(&is_over);
        let doors = [1, 2, 3].map(|edge| local.address(4, edge, 7067));
        unanswered(&local.address(7, 1, 9090).to_string(), &doors)
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
