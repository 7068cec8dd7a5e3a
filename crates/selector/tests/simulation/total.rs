//! What came of many worlds together.

use std::collections::BTreeMap;

use super::catalogue::kind;
use super::rivals::Policy;
use super::world::{Nanos, Outcome, Scene, percentile_us};

/// Sums over worlds.
#[derive(Default)]
pub struct Total {
    pub times: Vec<Nanos>,
    /// Probes and hedges under the cap.
    pub extra: u64,
    /// Probes of servers just discovered, which have no cap but their number.
    pub cold: u64,
    pub lost: usize,
    pub stale: usize,
    /// First choices by the kind of server that got them, and what would have been each kind's fair part.
    pub chosen: BTreeMap<&'static str, (f64, f64)>,
}

impl Total {
    pub fn add(&mut self, scene: &Scene, outcome: &Outcome) {
        for &(_, server) in &outcome.choices {
            self.chosen.entry(kind(scene.servers[server])).or_default().0 += 1.0;
        }
        let fair = outcome.choices.len() as f64 / scene.servers.len() as f64;
        for server in &scene.servers {
            self.chosen.entry(kind(*server)).or_default().1 += fair;
        }
        self.times.extend(&outcome.times);
        self.extra += outcome.extra - outcome.cold_probes;
        self.cold += outcome.cold_probes;
        self.lost += outcome.lost;
        self.stale += outcome.stale_answers;
    }

    pub fn percentiles_us(&mut self) -> [u64; 3] {
        [500, 990, 999].map(|at| percentile_us(&mut self.times, at))
    }

    /// Per cent of the questions.
    pub fn part(&self, count: usize) -> f64 {
        100.0 * count as f64 / self.times.len().max(1) as f64
    }

    /// What one server of each kind got, as a multiple of an equal share.
    pub fn shares(&self) -> String {
        let share = |(kind, (got, fair)): (&&str, &(f64, f64))| {
            format!("{kind} {:.2}", got / fair.max(f64::MIN_POSITIVE))
        };
        self.chosen.iter().map(share).collect::<Vec<_>>().join(", ")
    }

    pub fn show<P: Policy>(&mut self) {
        let [p50, p99, p999] = self.percentiles_us();
        let (extra, cold) = (self.part(self.extra as usize), self.part(self.cold as usize));
        let (lost, stale) = (self.part(self.lost), self.part(self.stale));
        println!(
            "{:18} p50 {p50:6} p99 {p99:6} p999 {p999:6} us  extra {extra:3.1} + {cold:3.1} % (cold)  lost {lost:5.2} %  stale {stale:4.1} %",
            P::NAME
        );
        println!("    share of one server, equal share = 1: {}", self.shares());
    }
}
