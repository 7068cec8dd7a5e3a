//! Formula and simulation as figures, side by side.

use anyhow::Result;

use super::costs::Costs;
use super::plan::{KNOWN_SHARE, Part, Plan, ZONES, wire_bytes};
use super::queues::{World, play};
use crate::report::Figure;

/// Mails a second that are planned for.
pub const RATES: [u32; 2] = [1_000, 100_000];

/// Mails of one simulation.
pub const MAILS: usize = 60_000;

/// A constant, so that everybody gets the same figures.
pub const SEED: u64 = 0x7a6d_6973;

/// Load beyond what the first part can do, when it is asked which part gives way.
const OVERLOAD: f64 = 1.1;

/// Texts of which a table is planned.
const TEXTS: [u32; 2] = [10_000_000, 50_000_000];

/// Seconds of new mail whose facts Redis shall hold: an hour, within which most copies of a campaign come.
const FACTS_SECONDS: f64 = 3600.0;

/// Bytes of one fact in Redis beside its own: key, entry and allocation.
const FACT_OVERHEAD_BYTES: f64 = 150.0;

/// One rate by both ways.
pub struct Compared {
    /// By the formula.
    pub plan: Plan,
    /// By the simulation of the plan.
    pub world: World,
}

/// Plans and plays one rate.
///
/// # Errors
/// A cost that was not measured.
pub fn compared(costs: &Costs, rate: u32) -> Result<Compared> {
    let plan = Plan::of(costs, f64::from(rate))?;
    let world = play(costs, &plan, plan.rate, MAILS, SEED);
    Ok(Compared { plan, world })
}

/// The part whose mails wait longest when more comes than the first part can do, by the simulation.
///
/// # Errors
/// A cost that was not measured.
pub fn gives_way(costs: &Costs, plan: &Plan) -> Result<Part> {
    let rate = plan.first_to_saturate().saturates_at * OVERLOAD;
    let world = play(costs, plan, rate, MAILS, SEED);
    let waits = plan.parts.iter().zip(&world.stations);
    let longest = waits.max_by(|one, other| one.1.wait_us.total_cmp(&other.1.wait_us));
    longest.map(|(part, _)| *part).ok_or_else(|| anyhow::anyhow!("a plan without parts"))
}

/// All figures.
///
/// # Errors
/// A cost that was not measured.
pub fn figures(costs: &Costs) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for rate in RATES {
        let Compared { plan, world } = compared(costs, rate)?;
        let mut add = |name: String, value: f64, unit: &'static str, beside: String| {
            figures.push(Figure::plain(format!("scale.{rate}.{name}"), value, unit).beside(beside));
        };
        for (part, seen) in plan.parts.iter().zip(&world.stations) {
            let word = part.role.word();
            add(format!("{word}.cpu"), part.work.mean_us, "us/mail", String::new());
            add(format!("{word}.pods"), f64::from(part.pods), "pods", String::new());
            add(format!("{word}.busy"), part.busy, "share", simulated(seen.busy, ""));
            add(format!("{word}.wait"), part.wait_us, "us", simulated(seen.wait_us, " us"));
            add(format!("{word}.saturates"), part.saturates_at, "mails/s", String::new());
        }
        let first = plan.first_to_saturate();
        let said = format!(
            "first: {}; simulated: {}",
            first.role.word(),
            gives_way(costs, &plan)?.role.word()
        );
        add("saturates".to_owned(), first.saturates_at, "mails/s", said);
        for (word, us) in ["p50", "p99", "p999"].into_iter().zip(world.within_us) {
            add(word.to_owned(), us / 1e3, "ms", "simulated, without networks".to_owned());
        }
        let crossing = wire_bytes(costs)? * (ZONES - 1.0) / ZONES * plan.rate / 1e6;
        add("across_zones".to_owned(), crossing, "MB/s", String::new());
        let fact = costs.of("new", "scanner_redis")? - costs.of("known", "scanner_redis")?;
        let facts = (fact + FACT_OVERHEAD_BYTES) * plan.rate * (1.0 - KNOWN_SHARE) * FACTS_SECONDS;
        add("redis.memory".to_owned(), facts / 1e9, "GB", "an hour of new mail".to_owned());
    }
    for texts in TEXTS {
        let bytes = costs.text_bytes * f64::from(texts);
        let name = format!("scale.reputation.{texts}_texts");
        figures.push(Figure::plain(name, bytes / f64::from(1 << 30), "GiB"));
    }
    Ok(figures)
}

fn simulated(value: f64, unit: &str) -> String {
    format!("simulated {value:.3}{unit}")
}
