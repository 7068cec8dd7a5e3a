//! 256 seeds of 2 to 12 servers, slow, lossy, stale, flapping, dead and cold in any mixture.

use tamis_selector::HEDGES_AT_START;

use super::catalogue::{self, Family};
use super::rivals::{BestOfTwo, LeastOutstanding, Ours, Policy, RoundRobin};
use super::total::Total;
use super::world::{Behaviour, Nanos, Nature, Outcome, Scene, US, percentile_us, run};

/// Seeds of an ordinary run; `SEEDS=n` widens it.
const SEEDS: u64 = 256;
const QUESTIONS: usize = 600;

fn scene(seed: u64) -> Scene {
    catalogue::scene(Family::Mixed, seed, QUESTIONS)
}

/// What each seed must show, whatever its mixture.
fn check(scene: &Scene, outcome: &Outcome) {
    let seed = scene.seed;
    let at_start = scene.clients as u64 * u64::from(HEDGES_AT_START);
    let earned = QUESTIONS as u64 * 30 / 1000 + at_start;
    assert!(outcome.extra - outcome.cold_probes <= earned, "SEED={seed}: {} extra", outcome.extra);
    let cold_max = (scene.clients * scene.servers.len() * 2) as u64;
    assert!(outcome.cold_probes <= cold_max, "SEED={seed}: {} cold probes", outcome.cold_probes);
    for (server, behaviour) in scene.servers.iter().enumerate() {
        // Each client may try it before it knows anybody, and three failures make an outage.
        let tries = (scene.clients * 4) as f64 / QUESTIONS as f64;
        let share = outcome.share(server, 0, Nanos::MAX);
        let dead = matches!(behaviour, Behaviour::Dead | Behaviour::Refusing);
        assert!(!dead || share <= tries, "SEED={seed}: dead server {server} got {share}");
    }
    let lost_max = QUESTIONS / 20;
    assert!(outcome.lost <= lost_max, "SEED={seed}: {} lost of {:?}", outcome.lost, scene.servers);
}

fn replay(seed: u64) {
    let scene = scene(seed);
    println!("{scene:#?}");
    fn one<P: Policy>(scene: &Scene) -> Outcome {
        let outcome = run::<P>(scene);
        let mut total = Total::default();
        total.add(scene, &outcome);
        total.show::<P>();
        let share = |server| format!("{:.1}", outcome.share(server, 0, Nanos::MAX) * 100.0);
        println!("   shares {}", (0..scene.servers.len()).map(share).collect::<Vec<_>>().join(" "));
        outcome
    }
    one::<RoundRobin>(&scene);
    one::<BestOfTwo>(&scene);
    one::<LeastOutstanding>(&scene);
    check(&scene, &one::<Ours>(&scene));
}

#[allow(clippy::disallowed_methods)] // what to replay is told by the environment
fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn two_hundred_and_fifty_six_worlds() {
    if let Some(seed) = number_from_environment("SEED") {
        return replay(seed);
    }
    let [mut robin, mut two, mut least, mut ours] = [(); 4].map(|()| Total::default());
    let seeds = number_from_environment("SEEDS").unwrap_or(SEEDS);
    for seed in 0..seeds {
        let scene = scene(seed);
        robin.add(&scene, &run::<RoundRobin>(&scene));
        two.add(&scene, &run::<BestOfTwo>(&scene));
        least.add(&scene, &run::<LeastOutstanding>(&scene));
        let outcome = run::<Ours>(&scene);
        check(&scene, &outcome);
        ours.add(&scene, &outcome);
    }
    println!("{seeds} seeds, {QUESTIONS} questions each");
    robin.show::<RoundRobin>();
    two.show::<BestOfTwo>();
    least.show::<LeastOutstanding>();
    ours.show::<Ours>();
    let rivals_p99 =
        [&mut robin, &mut two, &mut least].map(|one| percentile_us(&mut one.times, 990));
    let ours_p99 = percentile_us(&mut ours.times, 990);
    assert!(rivals_p99.iter().all(|&rival| ours_p99 * 3 <= rival), "{ours_p99} and {rivals_p99:?}");
    assert!(ours.lost * 5 <= two.lost, "{} lost, best of two {}", ours.lost, two.lost);
    assert!(ours_p99 * US < Nature::Datagrams.timeout());
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in [3, 77] {
        let (one, two) = (run::<Ours>(&scene(seed)), run::<Ours>(&scene(seed)));
        assert_eq!((one.times, one.choices, one.extra), (two.times, two.choices, two.extra));
    }
}

/// Per mille of unanswered questions that a family may have, and how stale its answers may be.
fn bounds(family: Family) -> (f64, f64) {
    match family {
        Family::Equal | Family::HalfOfFourSlow | Family::HalfOfFourFar => (0.0, 0.0),
        Family::Slow | Family::Cold => (0.0, 0.0),
        Family::Stale => (0.0, 250.0),
        Family::CutOff => (0.0, 15.0),
        Family::Lossy | Family::Dead => (1.0, 0.0),
        Family::Flapping => (2.0, 0.0),
        Family::Mixed => (2.0, 100.0),
    }
}

#[test]
fn in_every_family_of_worlds_it_is_at_least_as_good_as_the_best_of_the_usual_ways() {
    let seeds = number_from_environment("SEEDS").unwrap_or(48);
    let mut complaints = Vec::new();
    for family in Family::ALL {
        println!("{}", family.title());
        let [mut robin, mut two, mut least, mut ours] = [(); 4].map(|()| Total::default());
        for seed in 0..seeds {
            let scene = catalogue::scene(family, seed, 1200);
            robin.add(&scene, &run::<RoundRobin>(&scene));
            two.add(&scene, &run::<BestOfTwo>(&scene));
            least.add(&scene, &run::<LeastOutstanding>(&scene));
            ours.add(&scene, &run::<Ours>(&scene));
        }
        robin.show::<RoundRobin>();
        two.show::<BestOfTwo>();
        least.show::<LeastOutstanding>();
        ours.show::<Ours>();
        complaints.extend(complain(family, &mut ours, [&mut robin, &mut two, &mut least]));
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

fn complain(family: Family, ours: &mut Total, rivals: [&mut Total; 3]) -> Vec<String> {
    let mut complaints = Vec::new();
    let [_, p99, p999] = ours.percentiles_us();
    for rival in rivals {
        let [_, rival_p99, rival_p999] = rival.percentiles_us();
        // Where all are equal, chance decides about a tenth.
        if p99 * 10 > rival_p99 * 11 || p999 * 10 > rival_p999 * 12 {
            complaints.push(format!("{family:?}: {p99}, {p999} us; {rival_p99}, {rival_p999} us"));
        }
    }
    let (lost_max, stale_max) = bounds(family);
    let (lost, stale) = (ours.part(ours.lost) * 10.0, ours.part(ours.stale) * 10.0);
    if lost > lost_max || stale > stale_max {
        complaints.push(format!("{family:?}: {lost} per mille lost, {stale} stale"));
    }
    complaints
}
