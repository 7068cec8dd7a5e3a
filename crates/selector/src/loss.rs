//! How often a server loses questions between answers. Its time forgets a loss within seconds; that one in twenty gets
//! lost is a property of the way to it, remembered longer and priced apart.

use std::time::{Duration, Instant};

use crate::settings::Settings;

/// Part of the questions lost, smoothed over the last [`SAMPLES`] and over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss {
    rate: f64,
    samples: u32,
    at: Instant,
}

impl Loss {
    pub(crate) fn new(now: Instant) -> Self {
        Self { rate: 0.0, samples: SAMPLES_FIRST, at: now }
    }

    /// An answer came after `lost` failures in a row.
    pub(crate) fn answered(&mut self, lost: u32, now: Instant, settings: &Settings) {
        self.rate = self.rate(now, settings);
        self.at = self.at.max(now);
        for _ in 0..lost.min(SAMPLES) {
            self.learn(1.0);
        }
        self.learn(0.0);
    }

    /// What losses make of a question to it: the part that is lost, times what the asker loses.
    pub(crate) fn cost_s(&self, now: Instant, settings: &Settings) -> f64 {
        self.rate(now, settings) * settings.failure_cost.as_secs_f64()
    }

    fn learn(&mut self, lost: f64) {
        self.samples = (self.samples + 1).min(SAMPLES);
        self.rate += (lost - self.rate) / f64::from(self.samples);
    }

    /// Forgotten with time too, so that a server which is no longer asked gets another chance.
    fn rate(&self, now: Instant, settings: &Settings) -> f64 {
        let elapsed: Duration = now.saturating_duration_since(self.at);
        let memory_s = settings.memory.as_secs_f64() * MEMORIES;
        self.rate * (-elapsed.as_secs_f64() / memory_s.max(f64::MIN_POSITIVE)).exp()
    }
}

/// Samples that make up the rate of a busy server.
const SAMPLES: u32 = 64;
/// Samples supposed good before the first: one unlucky first question is one in nine.
const SAMPLES_FIRST: u32 = 8;
/// Losses are remembered this many times as long as response times.
const MEMORIES: f64 = 8.0;

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // an `Instant` has no other constructor
mod tests {
    use super::*;

    #[test]
    fn one_in_twenty_lost_costs_a_twentieth_of_a_failure() {
        let (mut now, settings) = (Instant::now(), Settings::datagrams());
        let mut loss = Loss::new(now);
        for answer in 0..10_000 {
            now += Duration::from_millis(1);
            loss.answered(u32::from(answer % 19 == 0), now, &settings);
        }
        let part = loss.cost_s(now, &settings) / settings.failure_cost.as_secs_f64();
        assert!((0.03..0.08).contains(&part), "{part}");
    }

    #[test]
    fn it_is_forgotten_by_good_answers_and_by_time() {
        let (now, settings) = (Instant::now(), Settings::datagrams());
        let mut loss = Loss::new(now);
        loss.answered(2, now, &settings);
        let fresh = loss.cost_s(now, &settings);
        assert!(fresh > 0.001 && loss.cost_s(now + settings.memory * 60, &settings) < 1e-5);
        for _ in 0..640 {
            loss.answered(0, now, &settings);
        }
        assert!(loss.cost_s(now, &settings) < fresh / 100.0);
    }

    #[test]
    fn a_flood_of_failures_is_no_more_than_certainty() {
        let (now, settings) = (Instant::now(), Settings::datagrams());
        let mut loss = Loss::new(now);
        loss.answered(u32::MAX, now, &settings);
        assert!(loss.cost_s(now, &settings) <= settings.failure_cost.as_secs_f64());
    }
}
