//! Logistic regression with an L2 penalty, by dual coordinate descent.
//!
//! Yu, Huang, Lin: "Dual coordinate descent methods for logistic regression and maximum entropy models", Machine
//! Learning 85, 2011, algorithm 5. It needs no learning rate, and the order of examples comes from a seed.

/// Sweeps over all examples at most.
const SWEEPS_MAX: usize = 60;

/// Sweeps end when no example moved by more than this share of its range.
const MOVED_MIN: f32 = 0.01;

/// Newton steps for one example at most; two or three are usual.
const STEPS_MAX: usize = 8;

/// How near a dual variable may come to the ends of its range, as a share of it.
const EDGE: f32 = 1e-6;

/// An example: positions and values, whether it is spam, how much it counts (above 0).
#[derive(Clone, Debug)]
pub struct Example {
    /// Positions of features, each once or more, and their values.
    pub values: Vec<(u32, f32)>,
    /// Whether it is spam.
    pub is_spam: bool,
    /// Weight of the example: the penalty's C for it.
    pub cost: f32,
}

/// A linear function.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// One weight for each position.
    pub weights: Vec<f32>,
    /// What an empty example scores.
    pub bias: f32,
}

impl Line {
    /// What these values score.
    #[must_use]
    pub fn score(&self, values: &[(u32, f32)]) -> f32 {
        let sum: f32 = values.iter().map(|(at, value)| self.weights[*at as usize] * value).sum();
        self.bias + sum
    }

    fn add(&mut self, example: &Example, step: f32) {
        for (at, value) in &example.values {
            self.weights[*at as usize] += step * value;
        }
        self.bias += step;
    }
}

/// Fits a line of `positions` weights.
#[must_use]
pub fn fit(examples: &[Example], positions: usize, seed: u64) -> Line {
    let mut line = Line { weights: vec![0.0; positions], bias: 0.0 };
    let squares: Vec<f32> = examples
        .iter()
        .map(|example| 1.0 + example.values.iter().map(|(_, value)| value * value).sum::<f32>())
        .collect();
    let mut duals: Vec<f32> = examples.iter().map(|example| example.cost * EDGE).collect();
    for (example, dual) in examples.iter().zip(&duals) {
        line.add(example, sign(example) * dual);
    }
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let mut random = Random::new(seed);
    for _ in 0..SWEEPS_MAX {
        random.shuffle(&mut order);
        let mut moved = 0.0_f32;
        for &at in &order {
            let example = &examples[at];
            let margin = sign(example) * line.score(&example.values);
            let dual = best(duals[at], example.cost, squares[at], margin);
            let step = dual - duals[at];
            moved = moved.max(step.abs() / example.cost);
            duals[at] = dual;
            line.add(example, step * sign(example));
        }
        if moved < MOVED_MIN {
            break;
        }
    }
    line
}

fn sign(example: &Example) -> f32 {
    if example.is_spam { 1.0 } else { -1.0 }
}

/// Where `square / 2 * (a - dual)^2 + margin * (a - dual) + a ln a + (cost - a) ln (cost - a)` is least.
fn best(dual: f32, cost: f32, square: f32, margin: f32) -> f32 {
    let (least, most) = (cost * EDGE, cost * (1.0 - EDGE));
    let mut a = dual.clamp(least, most);
    for _ in 0..STEPS_MAX {
        let slope = square * (a - dual) + margin + (a / (cost - a)).ln();
        let curvature = square + cost / (a * (cost - a));
        let next = a - slope / curvature;
        let next = match next {
            next if next <= least => (a * 0.1).max(least),
            next if next >= most => (cost - (cost - a) * 0.1).min(most),
            next => next,
        };
        let done = (next - a).abs() <= 1e-4 * a.min(cost - a);
        a = next;
        if done {
            break;
        }
    }
    a
}

/// Numbers from a seed (splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// Puts the items in another order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, (self.draw() % (at as u64 + 1)) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(values: &[(u32, f32)], is_spam: bool) -> Example {
        Example { values: values.to_vec(), is_spam, cost: 1.0 }
    }

    #[test]
    fn a_word_of_spam_gets_a_positive_weight_and_a_word_of_both_gets_little() {
        let examples: Vec<Example> = (0..40)
            .map(|n| {
                if n % 2 == 0 {
                    example(&[(0, 1.0), (2, 1.0)], true)
                } else {
                    example(&[(1, 1.0), (2, 1.0)], false)
                }
            })
            .collect();
        let line = fit(&examples, 3, 1);
        assert!(line.weights[0] > 0.5 && line.weights[1] < -0.5, "{line:?}");
        assert!(line.weights[2].abs() < 0.1, "{line:?}");
    }

    #[test]
    fn the_fit_is_where_the_gradient_vanishes() {
        // Minimum of |w|^2/2 + sum of logistic losses: w = sum of cost * p(wrong) * y * x.
        let examples = [
            example(&[(0, 1.0)], true),
            example(&[(0, 0.5), (1, 1.0)], false),
            example(&[(1, 2.0)], true),
        ];
        let line = fit(&examples, 2, 7);
        let mut gradient = line.clone();
        for example in &examples {
            let wrong = 1.0 / (1.0 + (sign(example) * line.score(&example.values)).exp());
            gradient.add(example, -wrong * sign(example));
        }
        assert!(gradient.bias.abs() < 0.02, "{gradient:?}");
        assert!(gradient.weights.iter().all(|weight| weight.abs() < 0.02), "{gradient:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_bits() {
        let examples: Vec<Example> =
            (0..30).map(|n| example(&[(n % 7, 1.0), (7 + n % 3, 0.3)], n % 4 == 0)).collect();
        assert_eq!(fit(&examples, 10, 5), fit(&examples, 10, 5));
    }
}
