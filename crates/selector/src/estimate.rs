//! What response time to expect of one server. Reading never changes it, so it can be read at any time.

use std::time::{Duration, Instant};

use crate::settings::Settings;

/// Smoothed time, recent peak and tail of one server, from its samples.
#[derive(Debug, Clone, Default)]
pub(crate) struct Estimate {
    known: Option<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    mean_s: f64,
    /// The mean of the answers alone, without what lost questions cost. None: no answer yet.
    answers_s: Option<f64>,
    /// How far the last slow answer was above the mean, at `at`.
    excess_s: f64,
    tail_s: f64,
    at: Instant,
}

impl Estimate {
    /// Learns one response time. A slow one is believed at once; a fast one is believed by and by.
    pub(crate) fn observe(&mut self, time: Duration, now: Instant, settings: &Settings) {
        let (time_s, kept) = self.learn(time, now, settings);
        if let Some(known) = &mut self.known {
            known.learn_tail(time_s, kept, settings);
        }
    }

    /// Learns what a question without an answer costs. It says nothing of when answers come: a hedge that waited for the
    /// time in which questions are given up would rescue none of them.
    pub(crate) fn observe_failure(&mut self, cost: Duration, now: Instant, settings: &Settings) {
        let is_first = self.known.is_none();
        self.learn(cost, now, settings);
        if let Some(known) = self.known.as_mut().filter(|_| is_first) {
            known.tail_s = settings.first_guess.as_secs_f64();
        }
    }

    /// All but the tail; the time in seconds, and how much of the past was kept.
    fn learn(&mut self, time: Duration, now: Instant, settings: &Settings) -> (f64, f64) {
        let time_s = time.min(settings.patience).as_secs_f64();
        let Some(known) = &mut self.known else {
            self.known = Some(Known::first(time_s, now));
            return (time_s, 0.0);
        };
        let elapsed = now.saturating_duration_since(known.at);
        let expected_s = known.expected_s(now, settings);
        // Many samples: each has its least weight. Few: what is old is forgotten by time.
        let kept = decay(elapsed, settings.memory).min(1.0 - SAMPLE_WEIGHT_MIN);
        known.mean_s = known.mean_s * kept + time_s * (1.0 - kept);
        let excess_s = (expected_s - known.mean_s).max(0.0) / 2.0;
        known.excess_s = if time_s > expected_s { time_s - known.mean_s } else { excess_s };
        known.at = known.at.max(now);
        (time_s, kept)
    }

    /// Learns that an answer took *at least* this long: news only when it is longer than expected.
    pub(crate) fn observe_at_least(&mut self, time: Duration, now: Instant, settings: &Settings) {
        if self.expected_s(now, settings).is_none_or(|expected_s| time.as_secs_f64() > expected_s) {
            self.observe(time, now, settings);
        }
    }

    /// Forgets all. A server that returns from an outage is measured anew.
    pub(crate) fn forget(&mut self) {
        self.known = None;
    }

    /// Seconds to expect at `now`: the mean plus what is left of the peak. None: never heard.
    pub(crate) fn expected_s(&self, now: Instant, settings: &Settings) -> Option<f64> {
        self.known.as_ref().map(|known| known.expected_s(now, settings))
    }

    /// Smoothed time without the peak, in seconds.
    pub(crate) fn mean_s(&self) -> Option<f64> {
        self.known.as_ref().map(|known| known.mean_s)
    }

    /// Time that all but the hedged share of answers stay under, in seconds.
    pub(crate) fn tail_s(&self) -> Option<f64> {
        self.known.as_ref().map(|known| known.tail_s)
    }
}

impl Known {
    fn first(time_s: f64, now: Instant) -> Self {
        let tail_s = time_s * FIRST_TAIL;
        Self { mean_s: time_s, answers_s: None, excess_s: 0.0, tail_s, at: now }
    }

    fn expected_s(&self, now: Instant, settings: &Settings) -> f64 {
        let elapsed = now.saturating_duration_since(self.at);
        self.mean_s + self.excess_s * decay(elapsed, settings.peak_memory)
    }

    /// Follows a quantile without keeping samples: up by much when exceeded, down by little when not, in the ratio that
    /// balances at the share of answers that may be hedged.
    fn learn_tail(&mut self, time_s: f64, kept: f64, settings: &Settings) {
        let Some(before_s) = self.answers_s else {
            self.answers_s = Some(time_s);
            self.tail_s = time_s * FIRST_TAIL;
            return;
        };
        let answers_s = before_s * kept + time_s * (1.0 - kept);
        self.answers_s = Some(answers_s);
        let above = f64::from(hedge_per_mille(settings).max(1)) / 1000.0;
        let step = if time_s > self.tail_s { 1.0 - above } else { -above };
        self.tail_s *= 1.0 + TAIL_RATE * step;
        self.tail_s = self.tail_s.clamp(answers_s, answers_s * TAIL_MAX);
    }
}

/// The part of the extra questions that hedges may use: two thirds.
pub(crate) fn hedge_per_mille(settings: &Settings) -> u32 {
    settings.extra_per_mille - probe_per_mille(settings)
}

/// The part of the extra questions that probes may use: a third.
pub(crate) fn probe_per_mille(settings: &Settings) -> u32 {
    settings.extra_per_mille / 3
}

fn decay(elapsed: Duration, memory: Duration) -> f64 {
    (-elapsed.as_secs_f64() / memory.as_secs_f64().max(f64::MIN_POSITIVE)).exp()
}

/// Least weight of a sample: the last sixteen make up most of the mean of a busy server.
const SAMPLE_WEIGHT_MIN: f64 = 1.0 / 16.0;
/// Tail supposed after one sample: late rather than early, since an early hedge wastes a question.
const FIRST_TAIL: f64 = 3.0;
/// Step of the tail: a quarter up when exceeded, so that some twenty late answers move it a hundredfold.
const TAIL_RATE: f64 = 0.25;
/// The tail is never further from the mean than this, so that a server that became fast is soon hedged as fast.
const TAIL_MAX: f64 = 16.0;

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // an `Instant` has no other constructor
mod tests {
    use super::*;

    fn us(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    /// Feeds samples 1 ms apart; returns the estimate and the time of the last.
    fn fed(samples_us: &[u64]) -> (Estimate, Instant) {
        let mut estimate = Estimate::default();
        let mut now = Instant::now();
        for &sample in samples_us {
            now += us(1000);
            estimate.observe(us(sample), now, &Settings::datagrams());
        }
        (estimate, now)
    }

    fn expected_us(estimate: &Estimate, now: Instant) -> f64 {
        estimate.expected_s(now, &Settings::datagrams()).map_or(-1.0, |s| s * 1e6)
    }

    #[test]
    fn unknown_until_heard_then_the_first_sample_is_all_there_is() {
        let (estimate, now) = fed(&[]);
        assert_eq!(expected_us(&estimate, now), -1.0);
        let (estimate, now) = fed(&[300]);
        assert!((expected_us(&estimate, now) - 300.0).abs() < 0.1);
    }

    #[test]
    fn a_slow_sample_is_believed_at_once_and_a_fast_one_slowly() {
        let (estimate, now) = fed(&[200, 200, 200, 5000]);
        assert!((expected_us(&estimate, now) - 5000.0).abs() < 0.1);
        let (estimate, now) = fed(&[5000, 5000, 5000, 200]);
        assert!(expected_us(&estimate, now) > 4500.0);
    }

    #[test]
    fn the_peak_decays_with_time_to_the_mean_and_reading_changes_nothing() {
        let (estimate, now) = fed(&[200, 200, 200, 5000]);
        let soon = expected_us(&estimate, now + Duration::from_millis(20));
        let late = expected_us(&estimate, now + Duration::from_secs(1));
        assert!(soon < 2200.0 && soon > 2100.0, "{soon}");
        assert!((late - 500.0).abs() < 1.0, "one sample in sixteen stays in the mean: {late}");
        assert!((expected_us(&estimate, now) - 5000.0).abs() < 0.1, "read again at the same time");
    }

    #[test]
    fn a_lasting_slowness_stays_believed_without_new_samples() {
        let (estimate, now) = fed(&[5000; 20]);
        assert!(expected_us(&estimate, now + Duration::from_secs(3600)) > 4900.0);
    }

    #[test]
    fn after_idleness_one_sample_outweighs_the_past() {
        let (mut estimate, now) = fed(&[5000; 20]);
        let later = now + Duration::from_secs(3);
        estimate.observe(us(200), later, &Settings::datagrams());
        let mean_us = estimate.mean_s().map_or(-1.0, |s| s * 1e6);
        assert!(mean_us < 500.0, "{mean_us}");
    }

    #[test]
    fn a_lower_bound_teaches_only_when_it_is_above_the_estimate() {
        let (mut estimate, now) = fed(&[1000; 4]);
        estimate.observe_at_least(us(10), now, &Settings::datagrams());
        assert!((expected_us(&estimate, now) - 1000.0).abs() < 1.0);
        estimate.observe_at_least(us(9000), now, &Settings::datagrams());
        assert!((expected_us(&estimate, now) - 9000.0).abs() < 1.0);
    }

    #[test]
    fn the_tail_finds_the_quantile_that_hedges_may_use() {
        // 1 answer in 25 (4 %) takes 4 ms, the others 200 us: the 98th percentile lies at 4 ms.
        let samples: Vec<u64> = (0..20_000).map(|i| if i % 25 == 0 { 4000 } else { 200 }).collect();
        let (estimate, _) = fed(&samples);
        let tail_us = estimate.tail_s().map_or(-1.0, |s| s * 1e6);
        assert!(tail_us > 2500.0 && tail_us < 6000.0, "{tail_us}");
        // 1 in 200 is too rare to wait for: the tail falls to the others.
        let samples: Vec<u64> =
            (0..20_000).map(|i| if i % 200 == 0 { 4000 } else { 200 }).collect();
        let (estimate, _) = fed(&samples);
        let tail_us = estimate.tail_s().map_or(-1.0, |s| s * 1e6);
        assert!(tail_us < 600.0, "{tail_us}");
    }

    #[test]
    fn lost_questions_do_not_teach_to_wait_for_answers_until_questions_are_given_up() {
        let settings = Settings::datagrams();
        // Busy and nearly idle: a mean of few samples is made anew by each of them.
        for pause in [us(1_000), Duration::from_secs(1)] {
            let (mut estimate, mut now) = (Estimate::default(), Instant::now());
            estimate.observe_failure(settings.failure_cost, now, &settings);
            for question in 0..2_000 {
                now += pause;
                if question % 10 == 9 {
                    estimate.observe_failure(settings.failure_cost, now, &settings);
                    assert!(expected_us(&estimate, now) > 20_000.0, "it costs");
                } else {
                    estimate.observe(us(2_000), now, &settings);
                }
                let tail_us = estimate.tail_s().map_or(-1.0, |s| s * 1e6);
                assert!((1_999.0..6_001.0).contains(&tail_us), "{question}: {tail_us}");
            }
        }
    }

    #[test]
    fn absurd_samples_are_capped_at_patience_and_stay_finite() {
        let (estimate, now) = fed(&[u64::MAX, 0, u64::MAX, 0, 0]);
        let expected = expected_us(&estimate, now);
        assert!(expected.is_finite() && expected <= 100_000.0, "{expected}");
    }
}
