//! 256 seeds of 2 to 12 servers, slow, lossy, stale, flapping, dead and cold in any mixture.

use std::collections::BTreeMap;

use crate::rivals::{BestOfTwo, LeastOutstanding, Ours, Policy, RoundRobin};
use crate::world::{
    Behaviour, MS, Nanos, Nature, Outcome, Random, SECOND, Scene, US, percentile_us, run,
};

/// Seeds of an ordinary run; `SEEDS=n` widens it.
const SEEDS: u64 = 256;
const QUESTIONS: usize = 600;

/// One world by seed. At least one server is healthy: without any there is nothing to choose.
fn scene(seed: u64) -> Scene {
    let mut random = Random(seed ^ 0x0074_616d_6973);
    let count = 2 + random.below(11) as usize;
    let mut servers: Vec<Behaviour> = (0..count).map(|_| behaviour(&mut random)).collect();
    servers[random.below(count as u64) as usize] = Behaviour::Healthy;
    // One more that is there from the start, so that those who choose by lot have two.
    if servers.iter().filter(|one| !matches!(one, Behaviour::Cold(_))).count() < 2 {
        servers.push(Behaviour::Slow(5 * MS));
    }
    let clients = 1 + random.below(4) as usize;
    Scene {
        nature: Nature::Datagrams,
        seed,
        servers,
        clients,
        questions_per_second: 50 + random.below(200),
        questions: QUESTIONS,
        service: 50 * US,
    }
}

fn behaviour(random: &mut Random) -> Behaviour {
    match random.below(10) {
        0 | 1 => Behaviour::Slow(MS + random.below(9 * MS)),
        2 => Behaviour::Lossy(0.02 + random.unit() * 0.4),
        3 => Behaviour::Stale,
        4 => Behaviour::Flapping(SECOND / 2 + random.below(SECOND)),
        5 => Behaviour::Dead,
        6 => Behaviour::Refusing,
        7 => Behaviour::Cold(random.below(SECOND / 2)),
        8 => Behaviour::DeadBetween(SECOND / 4, SECOND),
        _ => Behaviour::Healthy,
    }
}

fn kind(behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::Healthy => "healthy",
        Behaviour::Slow(_) | Behaviour::SlowUntil(..) => "slow",
        Behaviour::Lossy(_) => "lossy",
        Behaviour::Stale => "stale",
        Behaviour::Flapping(_) => "flapping",
        Behaviour::Dead | Behaviour::Refusing => "dead",
        Behaviour::DeadBetween(..) => "dead for a time",
        Behaviour::Cold(_) => "cold",
    }
}

/// What each seed must show, whatever its mixture.
fn check(scene: &Scene, outcome: &Outcome) {
    let seed = scene.seed;
    let earned = QUESTIONS as u64 * 30 / 1000;
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

#[derive(Default)]
struct Total {
    times: Vec<Nanos>,
    extra: u64,
    cold: u64,
    lost: usize,
    stale: usize,
    /// First choices by the kind of server that got them.
    chosen: BTreeMap<&'static str, usize>,
}

impl Total {
    fn add(&mut self, scene: &Scene, outcome: &Outcome) {
        for &(_, server) in &outcome.choices {
            *self.chosen.entry(kind(scene.servers[server])).or_default() += 1;
        }
        self.times.extend(&outcome.times);
        self.extra += outcome.extra - outcome.cold_probes;
        self.cold += outcome.cold_probes;
        self.lost += outcome.lost;
        self.stale += outcome.stale_answers;
    }

    fn show<P: Policy>(&mut self) {
        let questions = self.times.len();
        let [p50, p99, p999] = [500, 990, 999].map(|at| percentile_us(&mut self.times, at));
        let part = |count: usize| 100.0 * count as f64 / questions.max(1) as f64;
        let (extra, cold) = (part(self.extra as usize), part(self.cold as usize));
        let (lost, stale) = (part(self.lost), part(self.stale));
        println!(
            "{:18} p50 {p50:6} p99 {p99:6} p999 {p999:6} us  extra {extra:3.1} + {cold:3.1} % (cold)  lost {lost:5.2} %  stale {stale:4.1} %",
            P::NAME
        );
        let shares = self.chosen.iter();
        let shares: Vec<String> =
            shares.map(|(kind, count)| format!("{kind} {:.1}", part(*count))).collect();
        println!("    % of first choices: {}", shares.join(", "));
    }
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
