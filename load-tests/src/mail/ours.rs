//! Our cluster, each role in its process: edge, scanner, reputation, Redis; before it a Postfix, behind it a sink.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tamis_edge::asker::Asker;
use tamis_edge::config::EdgeConfig;
use tamis_testkit::peers::{
    PEER_WAIT_MAX, Postfix, PostfixConfig, Redis, Sink, SmtpdService, Tamis, wait_for,
};

use super::doors::Way;
use super::load::{Seen, Ways};
use super::model::{Model, NUMBER_FIELD};
use super::scenario::{Door, Scenario};
use super::wires::Wire;
use super::{Bench, Filter, Measured, Role, runtime, watched};
use crate::ending;
use crate::process::on_core;
use crate::times::Times;

/// Connections and mails that the edge takes at once: the scenario's limit is to be met first.
const IN_HAND_MAX: usize = 4_000;
/// Longest wait for mail that was taken to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(60);

/// The programs of a run.
struct Ours {
    edge: Tamis,
    scanner: Tamis,
    reputation: Tamis,
    redis: Redis,
    postfix: Option<Postfix>,
    sink: Sink,
}

impl Ours {
    fn start(bench: &Bench, with_postfix: bool) -> Result<Self> {
        let sink = Sink::smtp().start();
        let (redis, reputation, scanner, edge) =
            on_core(bench.filter_core(), || start_roles(sink.port))?;
        let connected = || (scanner.metric("tamis_scanner_redis_connected") > 0.0).then_some(());
        wait_for("a connection to Redis", PEER_WAIT_MAX, connected, || scanner.log());
        let start_postfix = || {
            let service = SmtpdService::new().milter(edge.milter_port());
            let next = format!("smtp:[127.0.0.1]:{}", sink.port);
            Postfix::start(&PostfixConfig::new([service]).main("virtual_transport", &next))
        };
        let core = bench.cores.map(|(_, generator)| generator);
        let postfix = if with_postfix { Some(on_core(core, start_postfix)?) } else { None };
        Ok(Self { edge, scanner, reputation, redis, postfix, sink })
    }

    fn way(&self, door: Door, runtime: &tokio::runtime::Runtime) -> Result<Way> {
        Ok(match door {
            Door::Postfix => Way::Smtp(self.postfix.as_ref().context("no Postfix")?.port()),
            Door::Milter => Way::Milter(self.edge.milter_port()),
            Door::Lmtp => Way::Lmtp(self.edge.lmtp_port()),
            Door::Smtp => Way::Smtp(self.edge.smtp_port()),
            Door::Grpc => {
                let scanners =
                    vec![format!("http://{}", self.scanner.address("scanner", "listen"))];
                let config =
                    EdgeConfig { scanners, mails_max: IN_HAND_MAX, ..EdgeConfig::default() };
                Way::Grpc(Arc::new(runtime.block_on(Asker::new(config.check()?))))
            }
        })
    }

    fn roles(&self) -> Vec<Role> {
        vec![
            Role { name: "edge", pid: self.edge.pid() },
            Role { name: "scanner", pid: self.scanner.pid() },
            Role { name: "reputation", pid: self.reputation.pid() },
            Role { name: "redis", pid: self.redis.pid() },
        ]
    }

    fn wires(&self) -> Vec<Wire> {
        let tcp = |name, port| Wire { name, protocol: "tcp", port };
        vec![
            tcp("edge-scanner", self.scanner.port("scanner", "listen")),
            Wire {
                name: "scanner-reputation",
                protocol: "udp",
                port: self.reputation.port("reputation", "listen"),
            },
            tcp("scanner-redis", self.redis.port),
        ]
    }

    /// Waits until all that was taken has arrived, and says when each was due and came.
    fn arrivals(&self, seen: &Seen) -> (Times, (u64, u64)) {
        let until = std::time::Instant::now() + ARRIVAL_MAX;
        let is_over = || ending::is_asked() || std::time::Instant::now() >= until;
        while self.sink.count() < seen.due_at.len() && !is_over() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut times = Times::default();
        let mut counts: HashMap<u64, u64> = HashMap::new();
        for mail in self.sink.mails() {
            let Some(number) = number(&mail.content) else { continue };
            let count = counts.entry(number).or_default();
            *count += 1;
            if let Some(due) = seen.due_at.get(&number).filter(|_| *count == 1) {
                times.add(mail.at.saturating_duration_since(*due).as_nanos() as u64);
            }
        }
        let lost = seen.due_at.keys().filter(|number| !counts.contains_key(number)).count() as u64;
        (times, (lost, counts.values().map(|count| count - 1).sum()))
    }

    fn content(&self) -> [f64; 3] {
        ["inline", "supplied", "whole"].map(|kind| {
            self.edge.metric(&format!("tamis_edge_content_bytes_total{{kind=\"{kind}\"}}"))
        })
    }
}

fn start_roles(sink: u16) -> (Redis, Tamis, Tamis, Tamis) {
    let redis = Redis::start();
    // The limit for one client is lifted, since one scanner stands here for many.
    let reputation = Tamis::start(&["reputation"], Some("[reputation]\nanswers_per_second = 0\n"));
    let scanner = Tamis::start(
        &["scanner"],
        Some(&format!(
            "[scanner]\nredis = \"{}\"\nreputation = [\"{}\"]\n",
            redis.url(),
            reputation.address("reputation", "listen")
        )),
    );
    let edge = Tamis::thin_edge(&format!(
        "[edge]\nnext_hop = \"127.0.0.1:{sink}\"\nscanners = [\"http://{}\"]\nmails_max = {IN_HAND_MAX}\n\
         connections_max = {IN_HAND_MAX}\nmemory_bytes_max = 67108864\n",
        scanner.address("scanner", "listen")
    ));
    (redis, reputation, scanner, edge)
}

/// A scenario through our cluster.
///
/// # Errors
/// The system's. Programs of ours that do not start end this one with their logs.
pub fn measure(bench: &Bench, scenario: &Scenario, model: &Arc<Model>) -> Result<Measured> {
    let has = |door: Door| scenario.doors.get(&door).is_some_and(|share| *share > 0.0);
    let ours = Ours::start(bench, has(Door::Postfix))?;
    let runtime = runtime(bench)?;
    let mut ways: Ways = BTreeMap::new();
    for door in Door::ALL.into_iter().filter(|door| has(*door)) {
        ways.insert(door, ours.way(door, &runtime)?);
    }
    let name = format!("Tamis {}", env!("CARGO_PKG_VERSION"));
    let filter = Filter { name, roles: ours.roles(), ports: ours.wires(), ways: &ways };
    let mut measured = watched(bench, &runtime, filter, (scenario, model, scenario.rate))?;
    (measured.arrived, measured.lost_and_doubled) = ours.arrivals(&measured.seen);
    ending::check()?;
    measured.content = Some(ours.content());
    measured.counted = Some(ours.edge.metric("tamis_edge_mails_total"));
    Ok(measured)
}

/// The number that the generator gave a mail.
fn number(content: &[u8]) -> Option<u64> {
    let head = content.split(|byte| *byte == b'\n').take_while(|line| line.len() > 1);
    for line in head {
        let value = line.strip_prefix(NUMBER_FIELD.as_bytes());
        if let Some(value) = value.and_then(|it| it.strip_prefix(b": ")) {
            return std::str::from_utf8(value).ok()?.trim().parse().ok();
        }
    }
    None
}
