//! Mail under load: the generator, its doors, the cluster and other makers' filters behind them, and what it cost.

pub mod arrivals;
pub mod dice;
pub mod doors;
pub mod drawing;
pub mod letters;
pub mod load;
pub mod model;
pub mod ours;
pub mod peers;
pub mod report;
pub mod scenario;
pub mod wires;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::process::{cpu_seconds_of_family, memory_of_family, on_core};
use crate::times::Times;
use load::{Seen, Ways};
use model::Model;
use scenario::Scenario;
use wires::{Crossed, Wires};

/// Where and how a run takes place.
#[derive(Clone, Debug)]
pub struct Bench {
    /// For files of the programs.
    pub folder: PathBuf,
    /// Core of the filters, and core of the generator, Postfix and sink. `None`: anywhere.
    pub cores: Option<(usize, usize)>,
    /// Whether other makers' filters run too.
    pub with_peers: bool,
    /// Whether this process has a network of its own, so that what crosses a port can be counted.
    pub own_network: bool,
}

impl Bench {
    fn filter_core(&self) -> Option<usize> {
        self.cores.map(|(filter, _)| filter)
    }
}

/// A process of a filter, and those it started.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its name in results.
    pub name: &'static str,
    /// Its number.
    pub pid: u32,
}

/// What a role cost.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Which role.
    pub name: &'static str,
    /// User and system time during the load, in seconds.
    pub cpu_s: f64,
    /// Memory: see [`memory_of_family`].
    pub memory_bytes: u64,
}

/// What came of a scenario through one filter.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Whose filter, with its version.
    pub filter: String,
    /// Mails a second that it was offered.
    pub rate: f64,
    /// What the generator saw.
    pub seen: Seen,
    /// What each process cost.
    pub costs: Vec<Cost>,
    /// Bytes that crossed each wire, as far as they could be counted.
    pub crossed: Vec<Crossed>,
    /// Bytes of content by our edges' own count, inline, supplied and whole.
    pub content: Option<[f64; 3]>,
    /// From when mails were due to their arrival at the sink.
    pub arrived: Times,
    /// Mails that a delivering door took and that did not arrive, and those that arrived twice.
    pub lost_and_doubled: (u64, u64),
    /// Mails that our edges counted as answered.
    pub counted: Option<f64>,
}

impl Measured {
    /// Processor time of all its roles for one answered mail, in milliseconds.
    #[must_use]
    pub fn cpu_ms_each(&self) -> f64 {
        let all: f64 = self.costs.iter().map(|cost| cost.cpu_s).sum();
        1_000.0 * all / self.seen.answered() as f64
    }

    /// Whether each mail that was taken arrived, once.
    ///
    /// # Errors
    /// One was lost or doubled: what was measured besides is worth nothing then.
    pub fn none_is_lost(&self) -> Result<()> {
        let (lost, doubled) = self.lost_and_doubled;
        ensure!(
            lost + doubled == 0,
            "{}: {lost} mails were lost and {doubled} doubled",
            self.filter
        );
        Ok(())
    }
}

/// Runs a scenario through our cluster, and through the others where that is wanted.
///
/// # Errors
/// A program that is not installed or does not start, or the system's.
pub fn run(bench: &Bench, scenario: &Scenario, model: &Arc<Model>) -> Result<Vec<Measured>> {
    let mut all = vec![ours::measure(bench, scenario, model)?];
    let peers = scenario.peers;
    if bench.with_peers && peers.rspamd_rate > 0.0 {
        all.push(peers::rspamd(bench, scenario, model, peers.rspamd_rate)?);
    }
    if bench.with_peers && peers.spamassassin_rate > 0.0 {
        all.push(peers::spamassassin(bench, scenario, model, peers.spamassassin_rate)?);
    }
    Ok(all)
}

/// A filter that runs, as a load sees it.
struct Filter<'a> {
    name: String,
    roles: Vec<Role>,
    ports: Vec<wires::Wire>,
    ways: &'a Ways,
}

/// Offers the load and counts what it cost.
fn watched(
    bench: &Bench,
    runtime: &tokio::runtime::Runtime,
    filter: Filter<'_>,
    (scenario, model, rate): (&Scenario, &Arc<Model>, f64),
) -> Result<Measured> {
    let wires = if bench.own_network { Wires::count(&filter.ports)? } else { Wires::default() };
    let cpu = |role: &Role| cpu_seconds_of_family(role.pid);
    let before = filter.roles.iter().map(cpu).collect::<Result<Vec<_>>>()?;
    let seen = load::run(runtime, scenario, model, filter.ways, rate)?;
    let mut costs = Vec::new();
    for (role, before) in filter.roles.iter().zip(before) {
        let (cpu_s, memory_bytes) = (cpu(role)? - before, memory_of_family(role.pid)?);
        costs.push(Cost { name: role.name, cpu_s, memory_bytes });
    }
    let crossed = wires.crossed()?;
    Ok(Measured {
        filter: filter.name,
        rate,
        seen,
        costs,
        crossed,
        content: None,
        arrived: Times::default(),
        lost_and_doubled: (0, 0),
        counted: None,
    })
}

/// A runtime for the generator's connections, on the generator's core.
fn runtime(bench: &Bench) -> Result<tokio::runtime::Runtime> {
    let core = bench.cores.map(|(_, generator)| generator);
    let build =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    Ok(on_core(core, build)??)
}
