//! How far a replica is behind, in time. Epochs are counts of writes and writes come in bursts, so a difference of
//! counts says little; the moment at which the newest replica passed a count says it exactly.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Remembers when the newest epoch seen anywhere passed which count.
#[derive(Debug, Default)]
pub struct Freshness {
    /// Rising in time and in epoch; the last is the newest.
    marks: VecDeque<Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    epoch: u64,
    at: Instant,
}

impl Freshness {
    /// Notes an epoch carried by an answer and tells how long ago a newer one was already known: what to give to
    /// [`crate::Selector::staleness`]. Zero for the newest. Feed it only answers whose origin is proven: one that
    /// lies about its epoch makes all others look old.
    pub fn lag(&mut self, epoch: u64, now: Instant) -> Duration {
        self.note(epoch, now);
        let passed = self.marks.iter().find(|mark| mark.epoch > epoch);
        passed.map_or(Duration::ZERO, |mark| now.saturating_duration_since(mark.at))
    }

    fn note(&mut self, epoch: u64, now: Instant) {
        if let Some(newest) = self.marks.back_mut() {
            if epoch <= newest.epoch {
                return;
            }
            // Replaced, not appended: the mark keeps its time, so that a lag is told at most one spacing too long.
            if now.saturating_duration_since(newest.at) < MARK_SPACING {
                newest.epoch = epoch;
                return;
            }
        }
        if self.marks.len() == EPOCHS_KEPT_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back(Mark { epoch, at: now });
    }
}

/// The lag of a server that says itself that it is cut off from the order of writes: as long as can be, since nobody
/// knows how much it missed. It then ranks behind every server that is not, by [`crate::Settings::stale_cost_max`].
pub const CUT_OFF: Duration = Duration::MAX;

/// Marks kept: lags are told up to 16 spacings (or, when writes are rare, 16 writes) back, beyond every sensible
/// [`crate::Settings::lag_allowed`] plus [`crate::Settings::stale_cost_max`].
pub const EPOCHS_KEPT_MAX: usize = 16;

/// Finer is not needed: lags under a second are allowed.
const MARK_SPACING: Duration = Duration::from_millis(250);

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // an `Instant` has no other constructor
mod tests {
    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn the_newest_has_no_lag_and_an_older_one_lags_since_it_was_passed() {
        let start = Instant::now();
        let mut freshness = Freshness::default();
        assert_eq!(freshness.lag(10, start), Duration::ZERO);
        assert_eq!(freshness.lag(11, start + ms(1000)), Duration::ZERO);
        assert_eq!(freshness.lag(10, start + ms(1600)), ms(600));
        assert_eq!(freshness.lag(11, start + ms(9000)), Duration::ZERO, "no write since: not old");
    }

    #[test]
    fn under_ten_thousand_writes_a_second_a_replica_just_behind_is_not_stale() {
        let start = Instant::now();
        let mut freshness = Freshness::default();
        for i in 0..5000 {
            let now = start + ms(i);
            freshness.lag(i * 10, now);
            let lag = freshness.lag((i * 10).saturating_sub(30), now);
            assert!(lag <= MARK_SPACING + ms(4), "{lag:?} at {i} ms");
        }
    }

    #[test]
    fn a_replica_that_stands_still_is_seen_to_age() {
        let start = Instant::now();
        let mut freshness = Freshness::default();
        for i in 0..=3000 {
            freshness.lag(i, start + ms(i));
        }
        let lag = freshness.lag(1000, start + ms(3000));
        assert!(lag >= ms(1900) && lag <= ms(2300), "{lag:?}");
    }

    #[test]
    fn remembers_the_limit_of_marks_and_not_one_more() {
        let start = Instant::now();
        let mut freshness = Freshness::default();
        for i in 0..EPOCHS_KEPT_MAX as u64 {
            freshness.lag(i, start + ms(1000 * i));
        }
        assert_eq!(freshness.marks.len(), EPOCHS_KEPT_MAX);
        freshness.lag(99, start + ms(99_000));
        assert_eq!(freshness.marks.len(), EPOCHS_KEPT_MAX);
        assert_eq!(freshness.lag(0, start + ms(99_000)), ms(98_000), "the oldest mark left");
    }
}
