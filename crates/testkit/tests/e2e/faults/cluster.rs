//! Three Postfixes, three edges, three scanners, three reputation nodes and a Redis with Sentinels, with a network between
//! them that can be cut.

use super::relay::Relay;
use crate::mails::mail;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use tamis_testkit::peers::{
    Dialogue, Postfix, PostfixConfig, RedisSentinel, Signal, SmtpdService, Tamis, free_port,
    wait_for,
};

/// Longest wait until all edges judge again after a fault.
const HEAL_WAIT_MAX: Duration = Duration::from_secs(60);
/// Size of the file systems that get full.
const DISK: &str = "size=2m";

/// A small file system of its own; gone when dropped.
pub struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", DISK, "tamis-test"]).arg(directory.path());
        assert!(mount.status().is_ok_and(|status| status.success()), "needs root: ./test");
        Self { directory }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes until there is no room left.
    pub fn fill(&self) {
        let _ = fs::write(self.ballast(), vec![0; 1 << 22]);
    }

    pub fn clear(&self) {
        let _ = fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Everything.
pub struct Cluster {
    pub postfixes: Vec<Postfix>,
    pub edges: Vec<Tamis>,
    pub scanners: Vec<Tamis>,
    pub nodes: Vec<Tamis>,
    pub redis: RedisSentinel,
    /// From the edges to each scanner.
    pub to_scanners: Vec<Relay>,
    /// From the scanners to each reputation node.
    pub to_nodes: Vec<Relay>,
    /// Where the edges spool.
    pub spool: Disk,
    /// The clock of the third scanner and the third node, as the library reads it.
    pub clock: PathBuf,
    _directory: tempfile::TempDir,
}

/// Debian's library that shows a process another time than the machine's.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

impl Cluster {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = directory.path().join("clock");
        fs::write(&clock, "+0").expect("a file");
        let redis = RedisSentinel::start();
        let nodes = start_nodes(&redis.url(), &clock);
        let to_nodes: Vec<_> =
            nodes.iter().map(|node| Relay::udp(node.port("reputation", "listen"))).collect();
        let addresses: Vec<_> =
            to_nodes.iter().map(|relay| format!("\"127.0.0.1:{}\"", relay.port)).collect();
        let config = format!(
            "[scanner]\nredis = \"{}\"\nreputation = [{}]\n",
            redis.url(),
            addresses.join(", ")
        );
        let scanners: Vec<_> = (0..3)
            .map(|place| Tamis::start_with("scanner", &config, &faked(place, &clock)))
            .collect();
        let to_scanners: Vec<_> =
            scanners.iter().map(|it| Relay::tcp(it.port("scanner", "listen"))).collect();
        let spool = Disk::new();
        let urls: Vec<_> = to_scanners
            .iter()
            .map(|relay| format!("\"http://127.0.0.1:{}\"", relay.port))
            .collect();
        let (edges, postfixes) = (0..3).map(|place| pair(place, &urls, spool.path())).unzip();
        Self {
            postfixes,
            edges,
            scanners,
            nodes,
            redis,
            to_scanners,
            to_nodes,
            spool,
            clock,
            _directory: directory,
        }
    }

    /// Sum of a metric of all edges.
    pub fn edges_count(&self, metric: &str) -> f64 {
        self.edges.iter().map(|edge| edge.metric(metric)).sum()
    }

    /// Waits until every edge has got verdicts anew, and says how long that took.
    pub fn healed(&self) -> Duration {
        let judged = |edge: &Tamis| {
            edge.metric("tamis_edge_rungs_total{rung=\"full\"}")
                + edge.metric("tamis_edge_rungs_total{rung=\"cached\"}")
        };
        let began = Instant::now();
        let before: Vec<f64> = self.edges.iter().map(judged).collect();
        let all_judge = || {
            let waiting: Vec<_> = (0..self.edges.len())
                .filter(|place| judged(&self.edges[*place]) < before[*place] + 0.5)
                .collect();
            waiting.iter().for_each(|place| self.probe(*place));
            waiting.is_empty().then_some(())
        };
        let logs = || self.edges.iter().map(Tamis::log).collect();
        wait_for("verdicts at every edge", HEAL_WAIT_MAX, all_judge, logs);
        let took = began.elapsed();
        // What comes next must not meet what was before.
        let connected = |it: &Tamis| it.metric("tamis_scanner_redis_connected") > 0.5;
        let all_connected = || self.scanners.iter().all(connected).then_some(());
        let logs = || self.scanners.iter().map(Tamis::log).collect();
        wait_for("the far memory of every scanner", HEAL_WAIT_MAX, all_connected, logs);
        took
    }

    /// A mail of nobody's count: the load may be over, or rare.
    fn probe(&self, place: usize) {
        let mut client = Dialogue::connect(self.postfixes[place].port());
        let letter = mail("a probe", "Is somebody there?");
        client.send("probe@sender.test", &["erin@example.test"], &letter);
    }

    /// Starts again what has ended.
    pub fn revive(&mut self) -> usize {
        let mut ended = 0;
        for process in self.scanners.iter_mut().chain(&mut self.nodes).chain(&mut self.edges) {
            if process.has_ended() {
                process.restart();
                ended += 1;
            }
        }
        ended
    }
}

/// Freezes a process for a time.
pub fn frozen(process: &Tamis, lasting: Duration) {
    process.signal(Signal::Stop);
    thread::sleep(lasting);
    process.signal(Signal::Continue);
}

/// Sets a limit of a running process.
pub fn limit(process: &Tamis, what: &str) {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &process.pid().to_string(), what]);
    assert!(command.status().is_ok_and(|status| status.success()), "prlimit {what}");
}

/// The third of each kind has a clock that can be set. Without the library it would tell the machine's time, and what is
/// played with it would show nothing.
fn faked(place: usize, clock: &Path) -> Vec<(&'static str, &'static str)> {
    if place != 2 {
        return Vec::new();
    }
    assert!(Path::new(FAKETIME).exists(), "no {FAKETIME}: install faketime, as ./test does");
    // Two strings for the time of the test: the environment of a process lives as long.
    let file: &'static str = Box::leak(clock.display().to_string().into_boxed_str());
    vec![
        ("LD_PRELOAD", FAKETIME),
        ("FAKETIME_TIMESTAMP_FILE", file),
        ("FAKETIME_CACHE_DURATION", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ]
}

fn start_nodes(redis: &str, clock: &Path) -> Vec<Tamis> {
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let config = |node: usize| {
        let peers: Vec<_> = (0..3)
            .filter(|other| *other != node)
            .map(|other| format!("\"127.0.0.1:{}\"", ports[other]))
            .collect();
        format!(
            "[reputation]\nredis = \"{redis}\"\nnode = \"node-{node}\"\ngrpc = \"127.0.0.1:{}\"\npeers = [{}]\n",
            ports[node],
            peers.join(", ")
        )
    };
    // Side by side: a first start waits for its peers.
    thread::scope(|scope| {
        let starts: Vec<_> = (0..3)
            .map(|node| {
                let (config, environment) = (config(node), faked(node, clock));
                scope.spawn(move || Tamis::start_with("reputation", &config, &environment))
            })
            .collect();
        starts.into_iter().map(|start| start.join().expect("a node")).collect()
    })
}

/// One edge and its Postfix: by milter, as an SMTP filter behind the queue, and as an LMTP filter behind the queue. The last
/// lets mail pass unjudged, the others keep it waiting.
fn pair(place: usize, scanners: &[String], spool: &Path) -> (Tamis, Postfix) {
    let back = SmtpdService::reinjection();
    let unscanned = ["tempfail", "tempfail", "accept"][place];
    let edge = Tamis::thin_edge(&format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [{}]\ndeadline_ms = 3000\nunscanned = \"{unscanned}\"\n\
         spool_dir = \"{}\"\nmemory_bytes_per_mail = 16384\n",
        back.port,
        scanners.join(", "),
        spool.display()
    ));
    let front = match place {
        0 => SmtpdService::new().milter(edge.milter_port()),
        1 => SmtpdService::new().content_filter_smtp(edge.smtp_port()),
        _ => SmtpdService::new().content_filter_lmtp(edge.lmtp_port()),
    };
    let postfix = Postfix::start(&PostfixConfig::new([front, back]));
    (edge, postfix)
}
