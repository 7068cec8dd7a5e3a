//! Times of answers in buckets that grow with the time: right within 1.6 %, however long the run.

/// Times in buckets 1.6 % wide: memory does not grow with the run.
#[derive(Clone, Debug, Default)]
pub struct Times {
    buckets: Vec<u64>,
    count: u64,
}

const STEPS_BITS: u32 = 6;

impl Times {
    /// Adds one.
    pub fn add(&mut self, ns: u64) {
        let power = u64::BITS - (ns | 1 << STEPS_BITS).leading_zeros() - 1 - STEPS_BITS;
        let place = ((u64::from(power) << STEPS_BITS) + (ns >> power)) as usize;
        if self.buckets.len() <= place {
            self.buckets.resize(place + 1, 0);
        }
        self.buckets[place] += 1;
        self.count += 1;
    }

    /// Adds all of `other`.
    pub fn join(&mut self, other: &Self) {
        self.buckets.resize(self.buckets.len().max(other.buckets.len()), 0);
        for (here, there) in self.buckets.iter_mut().zip(&other.buckets) {
            *here += there;
        }
        self.count += other.count;
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The time that `share` of the answers did not exceed, in microseconds.
    #[must_use]
    pub fn quantile_us(&self, share: f64) -> f64 {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut passed = 0;
        for (place, count) in self.buckets.iter().enumerate() {
            passed += count;
            if passed >= wanted && *count > 0 {
                let power = (place >> STEPS_BITS).saturating_sub(1) as u32;
                let step = place as u64 - (u64::from(power) << STEPS_BITS);
                return (step << power) as f64 / 1000.0;
            }
        }
        f64::NAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_two_percent_since_buckets_are_that_wide() {
        let mut times = Times::default();
        (1..=100_000).for_each(|ns| times.add(ns * 100));
        for (share, us) in [(0.5, 5_000.0), (0.99, 9_900.0), (1.0, 10_000.0)] {
            let found = times.quantile_us(share);
            assert!((found / us - 1.0_f64).abs() < 0.02, "{share}: {found} for {us}");
        }
        assert!(Times::default().quantile_us(0.5).is_nan());
    }

    #[test]
    fn two_runs_joined_are_one() {
        let (mut first, mut second, mut both) =
            (Times::default(), Times::default(), Times::default());
        for ns in 1..2_000_u64 {
            if ns % 3 == 0 { &mut first } else { &mut second }.add(ns * ns);
            both.add(ns * ns);
        }
        first.join(&second);
        assert_eq!(first.count(), both.count());
        for share in [0.01, 0.5, 0.999] {
            assert!((first.quantile_us(share) - both.quantile_us(share)).abs() < f64::EPSILON);
        }
    }
}
