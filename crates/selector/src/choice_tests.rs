//! Each rule of the choice, alone.
#![allow(clippy::disallowed_methods)] // an `Instant` has no other constructor

use super::*;
use crate::server::COLD_PROBES;

const A: u32 = 0;
const B: u32 = 1;
const C: u32 = 2;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn us(count: u64) -> Duration {
    Duration::from_micros(count)
}

/// A selector whose servers `0..times_us.len()` were each heard four times with the given time.
fn heard(times_us: &[u64]) -> (Selector<u32>, Instant) {
    let mut selector = Selector::new(Settings::datagrams());
    let mut now = Instant::now();
    let keys: Vec<u32> = (0..times_us.len() as u32).collect();
    selector.update(&keys, now);
    for _ in 0..4 {
        for (key, &time) in keys.iter().zip(times_us) {
            answer(&mut selector, *key, us(time), now);
        }
        now += ms(50);
    }
    (selector, now)
}

fn answer(selector: &mut Selector<u32>, key: u32, time: Duration, now: Instant) {
    let flight = selector.sent(&key, now).expect("known");
    selector.answered(flight, now + time);
}

fn fail(selector: &mut Selector<u32>, key: u32, failure: Failure, now: Instant) {
    let flight = selector.sent(&key, now).expect("known");
    selector.failed(flight, failure, now);
}

/// How often each of `servers` is chosen in 300 choices at one moment.
fn shares(selector: &mut Selector<u32>, servers: usize, now: Instant) -> Vec<u32> {
    let mut counts = vec![0; servers];
    for seed in 0..300 {
        counts[selector.choose(now, seed).expect("some").server as usize] += 1;
    }
    counts
}

#[test]
fn whoever_did_not_answer_is_not_chosen_again_until_nobody_is_left() {
    let (mut selector, now) = heard(&[200, 5000, 9000]);
    fail(&mut selector, B, Failure::Refused, now);
    fail(&mut selector, B, Failure::Refused, now);
    assert_eq!(selector.choose_another(&[A], now, 1), Some(C), "better slow than out");
    assert_eq!(selector.choose_another(&[A, C], now, 1), Some(B), "better out than nobody");
    assert_eq!(selector.choose_another(&[A, B, C], now, 1), None);
}

#[test]
fn the_fastest_gets_everything_and_equals_share() {
    let (mut selector, now) = heard(&[5000, 200, 5000]);
    assert_eq!(shares(&mut selector, 3, now), [0, 300, 0]);
    let (mut selector, now) = heard(&[200, 210, 5000]);
    let counts = shares(&mut selector, 3, now);
    assert!(counts[0] > 100 && counts[1] > 100 && counts[2] == 0, "{counts:?}");
}

#[test]
fn equals_are_equal_at_any_distance_and_no_better_than_a_fifth_apart() {
    let (mut selector, now) = heard(&[40_000, 44_000, 52_000]);
    let counts = shares(&mut selector, 3, now);
    assert!(counts[0] > 100 && counts[1] > 100 && counts[2] == 0, "{counts:?}");
}

#[test]
fn a_server_that_is_out_gets_no_question_even_where_all_others_are_slower_than_a_failure() {
    let (mut selector, now) = heard(&[200, 60_000]);
    fail(&mut selector, A, Failure::Refused, now);
    assert_eq!(shares(&mut selector, 2, now + Duration::from_secs(60)), [0, 300]);
}

#[test]
fn a_server_whose_rest_is_over_is_tried_as_soon_as_the_last_sound_one_fails() {
    let (mut selector, now) = heard(&[200, 200]);
    fail(&mut selector, A, Failure::Refused, now);
    let later = now + Duration::from_secs(60);
    fail(&mut selector, B, Failure::Timeout, later);
    assert_eq!(selector.choose(later, 1).expect("some").server, A);
}

#[test]
fn a_server_that_is_out_is_not_probed_before_its_rest_is_over() {
    let (mut selector, mut now) = heard(&[200, 200]);
    for _ in 0..4 {
        fail(&mut selector, A, Failure::Refused, now);
        now += Duration::from_secs(4);
    }
    fail(&mut selector, A, Failure::Refused, now);
    let rest = Settings::datagrams().retry_max;
    let mut probes_during = |from: Duration, until: Duration| {
        let millis = from.as_millis() as u64..until.as_millis() as u64;
        let choices = millis.map(|at| selector.choose(now + ms(at), at).expect("some"));
        choices.filter(|choice| choice.probe == Some(A)).count()
    };
    assert_eq!(probes_during(Duration::ZERO, rest), 0);
    assert_eq!(probes_during(rest, rest + ms(100)), 1);
}

#[test]
fn all_are_scored_so_half_of_the_pool_may_be_slow() {
    let (mut selector, now) = heard(&[5000, 5000, 5000, 5000, 200, 5000, 5000, 5000]);
    assert_eq!(shares(&mut selector, 8, now)[4], 300);
}

#[test]
fn load_counts_so_the_fastest_is_not_buried() {
    let (mut selector, now) = heard(&[200, 900]);
    let _flights: Vec<_> = (0..12).map(|_| selector.sent(&A, now)).collect();
    assert_eq!(selector.choose(now, 1).expect("some").server, B);
}

#[test]
fn many_in_flight_over_a_long_way_are_distance_and_not_load() {
    let (mut selector, mut now) = heard(&[2000, 20_000]);
    // Ten are always on their way to the near one.
    let mut flying = std::collections::VecDeque::new();
    for seed in 0..200 {
        now += us(200);
        assert_eq!(selector.choose(now, seed).expect("some").server, A, "at {seed}");
        flying.extend(selector.sent(&A, now));
        if flying.len() > 10 {
            selector.answered(flying.pop_front().expect("eleven"), now);
        }
    }
}

#[test]
fn a_server_that_loses_or_flaps_ranks_behind_one_that_does_not() {
    let (mut selector, mut now) = heard(&[200, 200]);
    for answered in 0..40 {
        now += ms(10);
        if answered % 10 == 0 {
            fail(&mut selector, B, Failure::Timeout, now);
        }
        answer(&mut selector, B, us(200), now);
    }
    now += ms(3000); // the slow samples are forgotten, the losses are not
    answer(&mut selector, B, us(200), now);
    answer(&mut selector, A, us(200), now);
    assert_eq!(shares(&mut selector, 2, now + ms(500)), [300, 0]);

    let (mut selector, mut now) = heard(&[200, 200]);
    for _ in 0..3 {
        fail(&mut selector, B, Failure::Refused, now);
        now += ms(4500);
        answer(&mut selector, B, us(200), now);
        now += ms(500);
    }
    answer(&mut selector, A, us(200), now);
    assert_eq!(shares(&mut selector, 2, now), [300, 0], "it will fall out again");
    now += Settings::datagrams().retry_max * 5;
    answer(&mut selector, B, us(200), now);
    answer(&mut selector, A, us(200), now);
    assert!(shares(&mut selector, 2, now)[1] > 100, "until it has been in for long enough");
}

#[test]
fn silence_speaks_before_the_timeout() {
    let (mut selector, now) = heard(&[200, 900]);
    let _flight = selector.sent(&A, now);
    assert_eq!(selector.choose(now + us(100), 1).expect("some").server, A);
    assert_eq!(selector.choose(now + ms(2), 1).expect("some").server, B);
}

#[test]
fn a_lost_flight_is_forgotten_so_the_server_is_asked_again() {
    let (mut selector, now) = heard(&[200, 900]);
    for _ in 0..50 {
        let _lost = selector.sent(&A, now);
    }
    assert_eq!(selector.choose(now + ms(50), 1).expect("some").server, B);
    assert_eq!(selector.choose(now + ms(150), 1).expect("some").server, A);
}

#[test]
fn one_failure_costs_but_three_put_out() {
    let (mut selector, now) = heard(&[200, 900]);
    fail(&mut selector, A, Failure::Timeout, now);
    assert_eq!(selector.choose(now, 1).expect("some").server, B);
    assert!(!selector.snapshot(now)[0].out);
    fail(&mut selector, A, Failure::Error, now);
    fail(&mut selector, A, Failure::Timeout, now);
    assert!(selector.snapshot(now)[0].out);
}

#[test]
fn a_refusal_is_certain_so_one_puts_out() {
    let (mut selector, now) = heard(&[200, 900]);
    fail(&mut selector, A, Failure::Refused, now);
    assert!(selector.snapshot(now)[0].out);
    assert_eq!(shares(&mut selector, 2, now), [0, 300]);
}

#[test]
fn an_answer_ends_the_outage_and_the_server_is_measured_anew() {
    let (mut selector, now) = heard(&[200, 900]);
    fail(&mut selector, A, Failure::Refused, now);
    answer(&mut selector, A, us(200), now + ms(500));
    let now = now + ms(501);
    assert!(!selector.snapshot(now)[0].out);
    assert_eq!(shares(&mut selector, 2, now), [300, 0]);
}

#[test]
fn rests_double_to_a_bound_so_a_recovered_server_is_noticed() {
    let (mut selector, mut now) = heard(&[200, 200]);
    let settings = Settings::datagrams();
    let mut rests = Vec::new();
    for _ in 0..40 {
        fail(&mut selector, A, Failure::Refused, now);
        let mut rest = Duration::ZERO;
        while selector.servers[0].standing(now + rest) == Standing::Resting {
            rest += ms(10);
        }
        rests.push(rest);
        now += rest;
    }
    assert_eq!(rests[..3], [ms(250), ms(500), ms(1000)]);
    assert_eq!(rests.last(), Some(&settings.retry_max));
}

#[test]
fn the_echo_of_one_outage_does_not_lengthen_the_rest() {
    let (mut selector, now) = heard(&[200, 200]);
    let flights: Vec<_> = (0..20).filter_map(|_| selector.sent(&A, now)).collect();
    for flight in flights {
        selector.failed(flight, Failure::Timeout, now + ms(25));
    }
    assert_eq!(selector.servers[0].standing(now + ms(25 + 249)), Standing::Resting);
    assert_eq!(selector.servers[0].standing(now + ms(25 + 250)), Standing::Rested);
}

#[test]
fn when_all_are_out_somebody_is_asked_all_the_same() {
    let (mut selector, now) = heard(&[200, 200]);
    fail(&mut selector, A, Failure::Refused, now);
    fail(&mut selector, B, Failure::Refused, now);
    let counts = shares(&mut selector, 2, now);
    assert!(counts.iter().all(|&count| count > 50), "{counts:?}");
}

#[test]
fn a_stale_server_ranks_down_and_a_little_lag_is_free() {
    let (mut selector, now) = heard(&[200, 900]);
    selector.staleness(&A, ms(1000));
    assert_eq!(selector.choose(now, 1).expect("some").server, A);
    selector.staleness(&A, ms(1100));
    assert_eq!(selector.choose(now, 1).expect("some").server, B);
}

#[test]
fn a_stale_server_is_better_than_none() {
    let (mut selector, now) = heard(&[200, 900]);
    selector.staleness(&A, Duration::MAX);
    fail(&mut selector, B, Failure::Refused, now);
    assert_eq!(selector.choose(now, 1).expect("some").server, A);
}

#[test]
fn an_unknown_server_is_probed_at_once_by_a_duplicate_and_not_by_sacrifice() {
    let (mut selector, now) = heard(&[200, 200]);
    selector.update(&[A, B, C], now);
    let choice = selector.choose(now, 1).expect("some");
    assert_eq!(choice.probe, Some(C));
    assert_eq!(shares(&mut selector, 3, now)[2], 0);
}

#[test]
fn cold_probes_are_limited_whatever_the_server_does() {
    let (mut selector, mut now) = heard(&[200]);
    selector.update(&[A, B], now);
    for i in 0..50 {
        let choice = selector.choose(now, i).expect("some");
        if choice.probe == Some(B) {
            fail(&mut selector, B, Failure::Timeout, now);
        }
        answer(&mut selector, A, us(200), now);
        now += Duration::from_secs(5);
    }
    // 50 questions have earned half a probe: all that were sent came with the discovery.
    assert_eq!(selector.accounting().cold_probes, u64::from(COLD_PROBES));
    assert_eq!(selector.accounting().probes, u64::from(COLD_PROBES));
}

#[test]
fn an_idle_server_is_probed_within_the_budget() {
    let (mut selector, mut now) = heard(&[200, 5000]);
    for i in 0..10_000_u64 {
        let choice = selector.choose(now, i).expect("some");
        assert_eq!(choice.server, A);
        answer(&mut selector, A, us(200), now);
        if choice.probe == Some(B) {
            answer(&mut selector, B, us(5000), now);
        }
        now += ms(1);
    }
    let probes = selector.accounting().probes;
    assert!((7..=12).contains(&probes), "about one a second for ten seconds: {probes}");
}

#[test]
fn without_duplicates_the_question_itself_is_the_probe() {
    let mut selector = Selector::new(Settings { extra_per_mille: 0, ..Settings::datagrams() });
    let now = Instant::now();
    selector.update(&[A], now);
    answer(&mut selector, A, us(200), now);
    selector.update(&[A, B], now);
    let choice = selector.choose(now + ms(1), 1).expect("some");
    assert_eq!(choice, Choice { server: B, probe: None, hedge_after: None });
    assert_eq!(selector.choose(now + ms(2), 1).expect("some").server, A);
    assert_eq!(selector.accounting().extra(), 0);
}

#[test]
fn hedges_go_to_the_second_best_after_the_tail_and_stop_at_the_cap() {
    let (mut selector, now) = heard(&[200, 900, 5000]);
    let mut hedges = 0;
    for i in 1..=2000_u64 {
        let choice = selector.choose(now, i).expect("some");
        assert!(choice.hedge_after.expect("others exist") >= us(500));
        if let Some(second) = selector.hedge(&choice.server, now, i) {
            assert_eq!(second, B);
            hedges += 1;
        }
        let hedges_max = i * 20 / 1000 + u64::from(HEDGES_AT_START);
        assert!(selector.accounting().hedges <= hedges_max);
    }
    assert_eq!(
        hedges,
        40 + HEDGES_AT_START,
        "two per cent, those in hand, and not one more, though every answer was late"
    );
}

#[test]
fn there_is_no_hedge_to_the_same_server_nor_to_one_that_is_out() {
    let (mut selector, now) = heard(&[200]);
    assert_eq!(selector.choose(now, 1).expect("some").hedge_after, None);
    let (mut selector, now) = heard(&[200, 200]);
    fail(&mut selector, B, Failure::Refused, now);
    for i in 0..200 {
        selector.choose(now, i);
    }
    assert_eq!(selector.hedge(&A, now, 1), None);
}

#[test]
fn abandoning_early_says_nothing_and_abandoning_late_thrice_puts_out() {
    let (mut selector, now) = heard(&[200, 900]);
    let flight = selector.sent(&A, now).expect("known");
    selector.abandoned(flight, now + us(50));
    assert_eq!(selector.choose(now + us(60), 1).expect("some").server, A);
    for i in 0..3 {
        let flight = selector.sent(&A, now + ms(20 * i)).expect("known");
        selector.abandoned(flight, now + ms(20 * i + 15));
    }
    assert!(
        selector.snapshot(now)[0].out,
        "a server that never answers is out, though no one waited"
    );
}

#[test]
fn discovery_keeps_what_is_known_and_forgets_who_left() {
    let (mut selector, now) = heard(&[200, 900]);
    let old = selector.sent(&B, now).expect("known");
    let discovery = selector.update(&[C, A, C], now);
    assert_eq!(discovery, Discovery { added: 1, removed: 1, ignored: 0 });
    assert!(selector.snapshot(now)[0].expected.is_some(), "A stayed");
    selector.update(&[A, B], now);
    selector.answered(old, now);
    let report = &selector.snapshot(now)[1];
    assert_eq!((report.answered, report.expected), (0, None), "B is a new B");
    assert_eq!(selector.sent(&C, now), None);
}

#[test]
fn servers_up_to_the_limit_are_kept_and_one_more_is_ignored() {
    let now = Instant::now();
    let mut selector = Selector::new(Settings::datagrams());
    let keys: Vec<u32> = (0..=SERVERS_MAX as u32).collect();
    assert_eq!(selector.update(&keys[..SERVERS_MAX], now).ignored, 0);
    assert_eq!(selector.update(&keys, now), Discovery { ignored: 1, ..Discovery::default() });
    assert_eq!(selector.snapshot(now).len(), SERVERS_MAX);
}

#[test]
fn no_servers_no_choice() {
    let mut selector: Selector<u32> = Selector::new(Settings::streams());
    assert_eq!(selector.choose(Instant::now(), 1), None);
    assert_eq!(selector.accounting().questions, 0);
}

#[test]
fn the_own_part_of_a_dialogue_is_not_counted() {
    let (mut selector, now) = heard(&[900, 900]);
    let flight = selector.sent(&A, now).expect("known");
    selector.answered_in(flight, us(100), now + ms(50));
    assert!(selector.snapshot(now + ms(50))[0].smoothed < Some(us(900)));
}

#[test]
fn the_same_history_and_seed_give_the_same_choice() {
    let run = || {
        let (mut selector, now) = heard(&[200, 210, 220]);
        (0..100).map(|seed| selector.choose(now, seed).expect("some").server).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn the_snapshot_counts_shares() {
    let (mut selector, now) = heard(&[200, 5000]);
    for seed in 0..10 {
        selector.choose(now, seed);
    }
    let snapshot = selector.snapshot(now);
    assert_eq!((snapshot[0].chosen, snapshot[0].answered), (10, 4));
    assert!((snapshot[0].share - 1.0).abs() < 1e-9);
}
