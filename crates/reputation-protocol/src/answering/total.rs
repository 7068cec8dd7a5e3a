//! A limit on all challenges of a socket together, whatever their sources.

use std::time::{Duration, Instant};

/// Challenges a second and socket to all sources together, and as many at once. A fleet of 20,000 clients has its proofs
/// a second after a restart of the server. Beyond that it is a flood with forged sources: a challenge costs the server
/// twice what ignoring the question does, and nobody reads it.
pub const CHALLENGES_PER_SECOND_MAX: u32 = 20_000;

const COST: Duration = Duration::from_nanos(1_000_000_000 / CHALLENGES_PER_SECOND_MAX as u64);
const DEPTH: Duration = Duration::from_secs(1);

/// The bucket, kept as the moment at which it is full again (as each source's in the rates).
#[derive(Debug)]
pub(super) struct Total {
    full_at: Instant,
}

impl Total {
    pub(super) const fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Whether nothing is left at `now`. Asked first: with nothing left no source needs to be looked up.
    pub(super) fn is_spent(&self, now: Instant) -> bool {
        self.full_at.saturating_duration_since(now) + COST > DEPTH
    }

    /// Takes one.
    pub(super) fn spend(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + COST;
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the first instant has to come from somewhere")]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_not_one_more_and_again_a_second_later() {
        let start = Instant::now();
        let mut total = Total::new(start);
        for now in [start, start + Duration::from_secs(1), start + Duration::from_secs(9)] {
            for number in 0..CHALLENGES_PER_SECOND_MAX {
                assert!(!total.is_spent(now), "{number}");
                total.spend(now);
            }
            assert!(total.is_spent(now));
        }
        assert!(total.is_spent(start + Duration::from_secs(9) + COST / 2));
        assert!(!total.is_spent(start + Duration::from_secs(9) + COST));
    }
}
