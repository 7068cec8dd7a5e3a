//! Worlds of 2 to 12 servers by seed: the selector beside round robin, best of two and least outstanding.

use anyhow::Result;
use tamis_load_tests::report::Figure;

use crate::catalogue::{Family, scene};
use crate::rivals::{BestOfTwo, LeastOutstanding, Ours, Policy, RoundRobin};
use crate::total::Total;
use crate::world::{Behaviour, Scene, run as play};

/// Worlds of each family.
pub const SEEDS: u64 = 256;

/// Questions in each world: 2 to 40 seconds of it.
const QUESTIONS: usize = 2000;

/// What the design promises of half of four slow servers: p99 of the best server alone, times 1.3, at 3 % extra.
const P99_PER_CENT_MAX: u64 = 130;
const EXTRA_PER_CENT_MAX: f64 = 3.0;

/// Prints a table for each family, and whether the promise holds.
pub fn run(seeds: u64) -> Result<()> {
    println!(
        "{seeds} worlds of {QUESTIONS} questions in each family. An unanswered question counts 25 ms."
    );
    println!("extra: probes and hedges; cold: probes of servers just discovered (two each).");
    println!("share: of one server of the kind, where an equal share is 1.\n");
    for family in Family::ALL {
        println!("### {}\n", family.title());
        println!(
            "| chooses | p50 us | p99 us | p99.9 us | extra % | cold % | unanswered % | stale % | share |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        row::<RoundRobin>(RoundRobin::NAME, family, seeds, |scene| scene);
        row::<BestOfTwo>(BestOfTwo::NAME, family, seeds, |scene| scene);
        row::<LeastOutstanding>(LeastOutstanding::NAME, family, seeds, |scene| scene);
        let mut ours = row::<Ours>(Ours::NAME, family, seeds, |scene| scene);
        let mut alone = row::<RoundRobin>("a good server alone", family, seeds, alone);
        println!();
        if family == Family::HalfOfFourSlow {
            judge(&mut ours, &mut alone);
        }
    }
    Ok(())
}

fn row<P: Policy>(name: &str, family: Family, seeds: u64, change: fn(Scene) -> Scene) -> Total {
    let mut total = Total::default();
    for seed in 0..seeds {
        let scene = change(scene(family, seed, QUESTIONS));
        total.add(&scene, &play::<P>(&scene));
    }
    let [p50, p99, p999] = total.percentiles_us();
    let (extra, cold) = (total.part(total.extra as usize), total.part(total.cold as usize));
    let (lost, stale, shares) = (total.part(total.lost), total.part(total.stale), total.shares());
    println!(
        "| {name} | {p50} | {p99} | {p999} | {extra:.2} | {cold:.2} | {lost:.3} | {stale:.2} | {shares} |"
    );
    total
}

/// One good server, with the load that it would have if all were as good: the strict reading of "the best server".
fn alone(scene: Scene) -> Scene {
    let share = scene.servers.len() as u64;
    let questions_per_second = (scene.questions_per_second / share).max(1);
    let far = |server: &Behaviour| match server {
        Behaviour::Slow(more) => *more,
        _ => 0,
    };
    let healthy = scene.servers.contains(&Behaviour::Healthy);
    let nearest = scene.servers.iter().map(far).min().filter(|_| !healthy);
    let best = nearest.map_or(Behaviour::Healthy, Behaviour::Slow);
    Scene { servers: vec![best], questions_per_second, ..scene }
}

fn judge(ours: &mut Total, alone: &mut Total) {
    let ([_, ours_us, _], [_, alone_us, _]) = (ours.percentiles_us(), alone.percentiles_us());
    let extra = ours.part((ours.extra + ours.cold) as usize);
    let held = ours_us * 100 <= alone_us * P99_PER_CENT_MAX && extra <= EXTRA_PER_CENT_MAX;
    let times = ours_us as f64 / alone_us as f64;
    let verdict = if held { "held" } else { "MISSED" };
    println!(
        "Goal: p99 at most 1.3 times the best server's, at most 3 % extra, cold ones included."
    );
    println!("{verdict}: {times:.2} times, {extra:.2} %.\n");
    let p99 = Figure::plain("selection.half_slow_p99", times, "times");
    let p99 = p99.at_most(P99_PER_CENT_MAX as f64 / 100.0).beside("the best server alone");
    let extra = Figure::plain("selection.half_slow_extra", extra, "%").at_most(EXTRA_PER_CENT_MAX);
    println!("{}\n{}\n", p99.line(), extra.beside("of the questions").line());
}
