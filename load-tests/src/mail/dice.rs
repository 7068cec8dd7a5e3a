//! Chance that is the same for the same seed.

/// Numbers without a pattern (SplitMix64: Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of one thing among those of a seed: the same whatever was drawn for others.
    #[must_use]
    pub fn of(seed: u64, number: u64) -> Self {
        Self(Self(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95)).word())
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number in [0, 1).
    pub fn share(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `count`, 0 where that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.word()) * count as u128) >> 64) as usize
    }

    /// Time until the next of events that come once in a unit of time, without memory.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.share()).ln()
    }
}

/// The law of few and many: number k of `count` comes as often as 1 / (k + 1)^exponent says (Zipf 1949).
#[derive(Clone, Debug)]
pub struct Zipf(Vec<f64>);

impl Zipf {
    /// Over this many things, at least one.
    #[must_use]
    pub fn new(count: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let mut up_to = Vec::with_capacity(count.max(1));
        for rank in 1..=count.max(1) {
            sum += (rank as f64).powf(-exponent);
            up_to.push(sum);
        }
        Self(up_to.into_iter().map(|part| part / sum).collect())
    }

    /// One of them.
    pub fn draw(&self, dice: &mut Dice) -> usize {
        let share = dice.share();
        self.0.partition_point(|up_to| *up_to <= share).min(self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_hundred_comes_about_a_fifth_of_the_time() {
        let (zipf, mut dice) = (Zipf::new(100, 1.0), Dice::new(1));
        let mut counts = vec![0; 100];
        (0..100_000).for_each(|_| counts[zipf.draw(&mut dice)] += 1);
        // 1 / H(100) = 0.1928.
        assert!((18_700..19_900).contains(&counts[0]), "{}", counts[0]);
        let ratio = f64::from(counts[0]) / f64::from(counts[9]);
        assert!((8.5..11.5).contains(&ratio), "{ratio}");
        assert!(counts.iter().all(|count| *count > 0));
    }

    #[test]
    fn waiting_has_mean_one_and_dice_of_one_thing_do_not_depend_on_others() {
        let mut dice = Dice::new(7);
        let sum: f64 = (0..100_000).map(|_| dice.exponential()).sum();
        assert!((0.98..1.02).contains(&(sum / 100_000.0)));
        assert_eq!(Dice::of(7, 3).word(), Dice::of(7, 3).word());
        assert_ne!(Dice::of(7, 3).word(), Dice::of(7, 4).word());
        assert_eq!((Dice::new(1).below(0), Dice::new(1).below(1)), (0, 0));
    }
}
