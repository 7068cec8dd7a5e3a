//! One property, one scene.

use tamis_selector::HEDGES_AT_START;

use super::rivals::{BestOfTwo, LeastOutstanding, Ours, Policy, RoundRobin};
use super::world::{Behaviour, MS, Nanos, Nature, Outcome, SECOND, Scene, US, run};

const SEEDS: u64 = 8;
const FOREVER: Nanos = Nanos::MAX;

/// Four clients that ask 250 questions a second each, of servers that need 50 us for one.
fn scene(servers: &[Behaviour], questions: usize) -> Scene {
    Scene {
        nature: Nature::Datagrams,
        seed: 1,
        servers: servers.to_vec(),
        clients: 4,
        questions_per_second: 250,
        questions,
        service: 50 * US,
    }
}

/// The outcome of several seeds together, so that a percentile rests on enough questions.
fn over_seeds<P: Policy>(scene: &Scene) -> Outcome {
    let mut all = Outcome::default();
    for seed in 0..SEEDS {
        all.merge(run::<P>(&Scene { seed, ..scene.clone() }));
    }
    all
}

fn show<P: Policy>(outcome: &Outcome, shares: &[f64]) {
    let [p50, p99, p999] = [500, 990, 999].map(|at| outcome.percentile_us(at));
    let extra = 100.0 * outcome.extra as f64 / outcome.times.len() as f64;
    let shares: Vec<String> = shares.iter().map(|share| format!("{:.1}", share * 100.0)).collect();
    let shares = shares.join(" ");
    let name = P::NAME;
    println!(
        "{name:18} p50 {p50:6} p99 {p99:6} p999 {p999:6} us  extra {extra:4.1} %  shares {shares}"
    );
}

fn shares(outcome: &Outcome, servers: usize) -> Vec<f64> {
    (0..servers).map(|server| outcome.share(server, 0, FOREVER)).collect()
}

fn compare(title: &str, scene: &Scene) -> Outcome {
    fn one<P: Policy>(scene: &Scene) -> Outcome {
        let outcome = over_seeds::<P>(scene);
        show::<P>(&outcome, &shares(&run::<P>(scene), scene.servers.len()));
        outcome
    }
    println!("{title}");
    one::<RoundRobin>(scene);
    one::<BestOfTwo>(scene);
    one::<LeastOutstanding>(scene);
    one::<Ours>(scene)
}

fn assert_cap(outcome: &Outcome) {
    let at_start = outcome.clients * u64::from(HEDGES_AT_START);
    let earned = outcome.times.len() as u64 * 30 / 1000 + at_start;
    let extra = outcome.extra - outcome.cold_probes;
    assert!(extra <= earned, "{extra} extra questions, {earned} earned");
}

#[test]
fn with_half_of_four_servers_slow_the_tail_is_that_of_the_best_server_alone() {
    let slow = Behaviour::Slow(5 * MS);
    let half = scene(&[slow, Behaviour::Healthy, slow, Behaviour::Healthy], 2500);
    let ours = compare("half of four servers 5 ms slower", &half);
    // The best server alone, with the load it would have if all four were as good: the strict reading.
    let alone =
        Scene { questions_per_second: 250 / 4, questions: 2500, ..scene(&[Behaviour::Healthy], 0) };
    let alone = over_seeds::<RoundRobin>(&alone);
    show::<RoundRobin>(&alone, &[1.0]);
    let (ours_us, alone_us) = (ours.percentile_us(990), alone.percentile_us(990));
    assert!(ours_us * 10 <= alone_us * 13, "p99 {ours_us} us, alone {alone_us} us");
    assert!(ours.extra * 1000 <= ours.times.len() as u64 * 30, "{} extra", ours.extra);
    assert_cap(&ours);
}

#[test]
fn a_dead_server_gets_under_one_per_cent() {
    for behaviour in [Behaviour::Dead, Behaviour::Refusing] {
        let three = scene(&[Behaviour::Healthy, behaviour, Behaviour::Healthy], 4000);
        let outcome = run::<Ours>(&three);
        let share = outcome.share(1, 0, FOREVER);
        println!("{behaviour:?}: share {:.2} %, lost {}", share * 100.0, outcome.lost);
        assert!(share < 0.01, "{behaviour:?} got {share}");
        assert!(outcome.lost <= 4, "{} lost", outcome.lost);
        assert_cap(&outcome);
    }
}

/// Seconds after `since` by which the server has had half of its fair part of the choices for a fifth of a second.
fn seconds_to_return(outcome: &Outcome, server: usize, fair: f64, since: Nanos) -> f64 {
    let window = 200 * MS;
    let returned = (0..50_u64).find(|&windows| {
        let from = since + windows * window;
        outcome.share(server, from, from + window) >= fair / 2.0
    });
    returned.map_or(f64::INFINITY, |windows| (windows + 1) as f64 / 5.0)
}

/// A silent server is found again by probes alone: each is paid for, has its own deadline, and none waits for another.
/// Also by clients that asked it too little, while it was silent, to put it out.
#[test]
fn a_server_that_was_out_is_asked_again_within_its_longest_rest_and_a_second_over_64_seeds() {
    let mut slowest: f64 = 0.0;
    for seed in 0..64 {
        let back = 5 * SECOND / 2 + seed * 37 * MS;
        let servers =
            [Behaviour::DeadBetween(SECOND / 2, back), Behaviour::Healthy, Behaviour::Healthy];
        let outcome = run::<Ours>(&Scene { seed, ..scene(&servers, 10_000) });
        let seconds = seconds_to_return(&outcome, 0, 1.0 / 3.0, back);
        // `retry_max` of datagrams, and a second to be paid for, answered, and chosen again.
        assert!(seconds <= 5.0, "seed {seed}: back after {seconds} s");
        slowest = slowest.max(seconds);
        assert_cap(&outcome);
    }
    println!("the slowest of 64 returns: {slowest} s");
}

#[test]
fn a_server_back_from_the_dead_has_its_traffic_again_within_two_seconds() {
    let back = 3 * SECOND;
    let servers =
        [Behaviour::DeadBetween(SECOND / 2, back), Behaviour::Healthy, Behaviour::Healthy];
    let outcome = run::<Ours>(&scene(&servers, 11_000));
    let seconds = seconds_to_return(&outcome, 0, 1.0 / 3.0, back);
    println!("back from the dead: {seconds} s");
    assert!(outcome.share(0, SECOND, back) < 0.01, "while it was dead");
    assert!(seconds <= 2.0, "{seconds} s");
    assert_cap(&outcome);
}

#[test]
fn a_server_no_longer_slow_has_its_traffic_again_within_five_seconds() {
    let servers =
        [Behaviour::SlowUntil(5 * MS, 2 * SECOND), Behaviour::Healthy, Behaviour::Healthy];
    let outcome = run::<Ours>(&scene(&servers, 11_000));
    let seconds = seconds_to_return(&outcome, 0, 1.0 / 3.0, 2 * SECOND);
    println!("no longer slow: {seconds} s");
    assert!(outcome.share(0, SECOND, 2 * SECOND) < 0.02, "while it was slow");
    assert!(seconds <= 5.0, "{seconds} s");
    assert_cap(&outcome);
}

#[test]
fn a_cold_server_warms_up_on_duplicates_and_then_takes_part() {
    let outcome = run::<Ours>(&scene(&[Behaviour::Healthy, Behaviour::Cold(SECOND)], 16_000));
    let early = outcome.share(1, SECOND, 2 * SECOND);
    let late = outcome.share(1, 15 * SECOND, FOREVER);
    println!("cold server: {:.1} % at first, {:.1} % warm", early * 100.0, late * 100.0);
    assert!(early < 0.02 && late > 0.25, "{early} then {late}");
    assert_cap(&outcome);
}

#[test]
fn equals_share_so_nobody_starves_and_many_clients_do_not_herd() {
    // Thirty-two clients; together they keep four servers 40 % busy, so a herd would swamp one.
    let servers = [Behaviour::Healthy; 4];
    let crowd = Scene {
        clients: 32,
        questions_per_second: 250,
        service: 200 * US,
        ..scene(&servers, 6000)
    };
    let ours = compare("four equal servers, 32 clients, 40 % busy", &crowd);
    for (server, share) in shares(&run::<Ours>(&crowd), 4).into_iter().enumerate() {
        assert!((0.18..0.32).contains(&share), "server {server} got {share}");
    }
    let robin = over_seeds::<RoundRobin>(&crowd);
    assert!(
        ours.percentile_us(990) * 10 <= robin.percentile_us(990) * 11,
        "a herd swamps one after another"
    );
    assert_cap(&ours);
}

#[test]
fn a_stale_server_ranks_down_but_serves_when_it_is_alone() {
    let two = [Behaviour::Stale, Behaviour::Healthy, Behaviour::Healthy];
    let outcome = run::<Ours>(&scene(&two, 6000));
    let late = outcome.share(0, 2 * SECOND, FOREVER);
    println!("stale server: {:.2} % once its lag shows", late * 100.0);
    assert!(late < 0.02, "{late}");
    let alone = run::<Ours>(&scene(&[Behaviour::Stale, Behaviour::Dead], 3000));
    assert!(alone.share(0, SECOND, FOREVER) > 0.99);
}

#[test]
fn a_flapping_server_loses_next_to_nothing_since_its_rests_grow_and_hedges_pay_the_rest() {
    let servers = [Behaviour::Flapping(SECOND), Behaviour::Healthy, Behaviour::Healthy];
    let outcome = run::<Ours>(&scene(&servers, 8000));
    let share = outcome.share(0, 0, FOREVER) * 100.0;
    println!("flapping server: {share:.1} % of the questions, {} of 8000 lost", outcome.lost);
    assert!(outcome.lost <= 8 && share < 10.0, "{} lost", outcome.lost);
    assert_cap(&outcome);
}

#[test]
fn loss_is_avoided_where_another_server_has_none() {
    let outcome = run::<Ours>(&scene(&[Behaviour::Lossy(0.1), Behaviour::Healthy], 6000));
    let robin = run::<RoundRobin>(&scene(&[Behaviour::Lossy(0.1), Behaviour::Healthy], 6000));
    println!("10 % loss on one of two: {} lost, round robin {}", outcome.lost, robin.lost);
    assert!(outcome.lost * 20 <= robin.lost, "{} and {}", outcome.lost, robin.lost);
}

/// Over a way of milliseconds, where the price of a loss is no longer many times that of an answer: what is lost is asked
/// again when an answer would be late, not when the question is given up.
#[test]
fn a_near_server_that_loses_a_tenth_leaves_the_tail_to_the_other_near_one() {
    let near = Behaviour::Slow(2 * MS);
    let far = Behaviour::Slow(20 * MS);
    let load = |servers: &[Behaviour]| Scene {
        clients: 1,
        questions_per_second: 1_000,
        ..scene(servers, 10_000)
    };
    let ours = over_seeds::<Ours>(&load(&[near, Behaviour::LossyAndFar(0.1, 2 * MS), far, far]));
    let alone = over_seeds::<Ours>(&load(&[near]));
    show::<Ours>(&ours, &[]);
    show::<Ours>(&alone, &[]);
    let (ours_us, alone_us) = (ours.percentile_us(990), alone.percentile_us(990));
    assert!(ours_us * 10 <= alone_us * 13, "p99 {ours_us} us, alone {alone_us} us");
    // Hedged when a question is given up, it was 26.6 ms.
    let given_up_us = Nature::Datagrams.timeout() / US;
    assert!(ours.percentile_us(999) * 2 <= given_up_us, "p99.9 {} us", ours.percentile_us(999));
    assert!(ours.lost * 1_000 <= ours.times.len(), "{} lost", ours.lost);
    assert_cap(&ours);
}

#[test]
fn loss_everywhere_is_hedged_as_far_as_the_cap_goes() {
    let servers = [Behaviour::Lossy(0.01); 3];
    let outcome = run::<Ours>(&scene(&servers, 6000));
    let robin = run::<RoundRobin>(&scene(&servers, 6000));
    println!("1 % loss everywhere: {} lost, round robin {}", outcome.lost, robin.lost);
    assert!(outcome.lost * 3 <= robin.lost, "{} and {}", outcome.lost, robin.lost);
    assert_cap(&outcome);
}

/// Four clients that send 40 mails a second each, to scanners that need 2 ms for a known one, 40 ms for a new one.
fn mails(servers: &[Behaviour], questions: usize) -> Scene {
    Scene {
        nature: Nature::Streams,
        questions_per_second: 40,
        service: 2 * MS,
        ..scene(servers, questions)
    }
}

#[test]
fn with_half_of_four_scanners_slow_mails_take_as_long_as_at_the_best_one_alone() {
    let slow = Behaviour::Slow(500 * MS);
    let half = mails(&[slow, Behaviour::Healthy, slow, Behaviour::Healthy], 1500);
    let ours = compare("half of four scanners 500 ms slower", &half);
    let alone = Scene { questions_per_second: 10, ..mails(&[Behaviour::Healthy], 1500) };
    let alone = over_seeds::<RoundRobin>(&alone);
    show::<RoundRobin>(&alone, &[1.0]);
    let (ours_us, alone_us) = (ours.percentile_us(990), alone.percentile_us(990));
    assert!(ours_us * 10 <= alone_us * 13, "p99 {ours_us} us, alone {alone_us} us");
    assert_cap(&ours);
}

#[test]
fn a_dead_scanner_loses_no_more_than_a_first_mail_and_is_found_again() {
    let back = 20 * SECOND;
    let servers =
        [Behaviour::DeadBetween(5 * SECOND, back), Behaviour::Healthy, Behaviour::Healthy];
    let outcome = run::<Ours>(&mails(&servers, 6000));
    let seconds = seconds_to_return(&outcome, 0, 1.0 / 3.0, back);
    println!("dead scanner: {} lost, back after {seconds} s", outcome.lost);
    assert!(outcome.lost <= 8, "{} lost", outcome.lost);
    assert!(outcome.share(0, 6 * SECOND, back) < 0.01);
    assert!(seconds <= 10.0, "{seconds} s");
}
