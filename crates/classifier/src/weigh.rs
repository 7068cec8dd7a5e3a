//! From features to a probability, with what each group added to it.

use crate::bag::{Bag, group_of};
use crate::base::Base;
use crate::group::{GROUPS, Group};

/// What a base says of some features: enough to add readings up in any order, small enough to remember with a part.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// For each group, the weights of its features, each times its value.
    weights: [f32; GROUPS],
    /// For each group, the squares of the values of all its features, known to the base or not.
    squares: [f32; GROUPS],
    /// How much there was to read: the squares of words in all texts.
    read: f32,
}

impl Sums {
    /// Weighs features. `base` gives one that it does not know no weight, yet it makes the vector longer: a text of
    /// which little is known says little.
    #[must_use]
    pub fn of(mut bag: Bag, base: &Base<'_>) -> Self {
        Self::of_counted(bag.sorted(), base)
    }

    /// Weighs features that were counted before.
    #[must_use]
    pub fn of_counted(counted: impl IntoIterator<Item = (u64, u32)>, base: &Base<'_>) -> Self {
        let mut sums = Self::default();
        let (mut some, mut gathered) = ([(0, 0); TOGETHER], 0);
        for one in counted {
            some[gathered] = one;
            gathered += 1;
            if gathered == TOGETHER {
                sums.add(&some, base);
                gathered = 0;
            }
        }
        sums.add(&some[..gathered], base);
        sums.read = words_in(&sums.squares);
        sums
    }

    /// Adds features, at most [`TOGETHER`]: first all are looked up.
    fn add(&mut self, counted: &[(u64, u32)], base: &Base<'_>) {
        let mut found = [0.0; TOGETHER];
        for (weight, (feature, _)) in found.iter_mut().zip(counted) {
            *weight = group_of(*feature).map_or(0.0, |group| base.weight(group, *feature));
        }
        for (weight, (feature, count)) in found.iter().zip(counted) {
            let Some(group) = group_of(*feature) else { continue };
            let at = usize::from(group.code());
            let value = value_of(*count);
            self.squares[at] += value * value;
            self.weights[at] += value * weight;
        }
    }

    /// The same, read back from what was remembered. `None` if a number is none, or squares are negative.
    #[must_use]
    pub fn from_parts(weights: [f32; GROUPS], squares: [f32; GROUPS]) -> Option<Self> {
        let sound = weights.iter().all(|weight| weight.is_finite())
            && squares.iter().all(|square| square.is_finite() && *square >= 0.0);
        sound.then(|| Self { weights, squares, read: words_in(&squares) })
    }

    /// The same from slices, as a cache gives them. `None` also if they are not one for each group.
    #[must_use]
    pub fn from_slices(weights: &[f32], squares: &[f32]) -> Option<Self> {
        Self::from_parts(weights.try_into().ok()?, squares.try_into().ok()?)
    }

    /// For each group the weights, then the squares: what may be remembered. Worthless under another base.
    #[must_use]
    pub fn parts(&self) -> ([f32; GROUPS], [f32; GROUPS]) {
        (self.weights, self.squares)
    }

    /// Adds another text of the same mail. What is told of two texts is no surer than what each tells: what they have in
    /// common is not known here, so lengths are added, and of equal texts any number says what one of them says.
    #[must_use]
    pub fn beside(mut self, other: &Self) -> Self {
        for at in 0..GROUPS {
            self.weights[at] += other.weights[at];
            let (a, b) = (self.squares[at], other.squares[at]);
            self.squares[at] = a + b + 2.0 * (a * b).sqrt();
        }
        self.read += other.read;
        self
    }

    /// Adds what was found in another reading of the same mail, of another kind.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for at in 0..GROUPS {
            self.weights[at] += other.weights[at];
            self.squares[at] += other.squares[at];
        }
        self.read += other.read;
        self
    }

    /// Judges what was added up.
    #[must_use]
    pub fn judge(&self, base: &Base<'_>) -> Judgement {
        let mut added = [0.0; GROUPS];
        for (at, group) in Group::ALL.into_iter().enumerate() {
            let length = (self.squares[at] + base.damping(group)).sqrt();
            if length > 0.0 {
                added[at] = self.weights[at] / length;
            }
        }
        let logit = base.bias() + added.iter().sum::<f32>();
        let Self { read, .. } = *self;
        Judgement { logit, probability: base.calibrated(logit), added, read }
    }
}

fn words_in(squares: &[f32; GROUPS]) -> f32 {
    WORDS.iter().map(|group| squares[usize::from(group.code())]).sum()
}

/// Features that are looked up together: none waits for the memory of the one before.
const TOGETHER: usize = 32;

/// Groups whose features are words: how many there are says how much there was to read.
const WORDS: [Group; 3] = [Group::Words, Group::Subject, Group::LinkWords];

/// The value of a feature that was seen `count` times: the tenth repetition of a word says less than the first.
#[must_use]
pub fn value_of(count: u32) -> f32 {
    // Most features are seen once, and ln 1 is 0.
    if count <= 1 { 1.0 } else { 1.0 + (count as f32).ln() }
}

/// What the model says of one mail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// The sum, before calibration; above 0 speaks for spam.
    pub logit: f32,
    /// Calibrated probability of spam, 0 to 1, where spam and ham are equally frequent.
    pub probability: f32,
    /// What each group added to `logit`, in the order of [`Group::ALL`].
    pub added: [f32; GROUPS],
    /// How much there was to read: the squares of the values of all words, so about as many as there are different ones.
    pub read: f32,
}

impl Judgement {
    /// The groups that speak for the verdict, heaviest first, with what they added; at most `count`.
    #[must_use]
    pub fn reasons(&self, count: usize) -> Vec<(Group, f32)> {
        let sign = if self.logit >= 0.0 { 1.0 } else { -1.0 };
        let mut reasons: Vec<(Group, f32)> = Group::ALL
            .into_iter()
            .zip(self.added)
            .filter(|(_, added)| added * sign > 0.0)
            .collect();
        reasons.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        reasons.truncate(count);
        reasons
    }

    /// The reasons in words, such as `words of the text +2.1, form of the links +0.4`.
    #[must_use]
    pub fn explanation(&self, count: usize) -> String {
        let reason = |(group, added): (Group, f32)| format!("{} {added:+.1}", group.words());
        self.reasons(count).into_iter().map(reason).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Head, write};

    fn bag(words: &[&str]) -> Bag {
        let mut bag = Bag::new();
        for word in words {
            bag.add(Group::Words, &[word]);
        }
        bag
    }

    fn feature(word: &str) -> u64 {
        bag(&[word]).counted()[0].0
    }

    fn base() -> Vec<u8> {
        let head = Head {
            bias: -1.0,
            slope: 2.0,
            intercept: 0.0,
            threshold: 2.0,
            units: [0.0; GROUPS],
            damping: [0.0; GROUPS],
        };
        write(&head, 4, &[(feature("lottery"), 4.0), (feature("meeting"), -4.0)])
    }

    #[test]
    fn a_mail_without_features_scores_the_bias() {
        let bytes = base();
        let base = Base::read(&bytes).expect("a base");
        let judgement = Sums::default().judge(&base);
        assert_eq!(judgement.logit, -1.0);
        assert!((judgement.probability - 0.119_2).abs() < 1e-3, "{judgement:?}");
        assert_eq!(judgement.explanation(3), "");
    }

    #[test]
    fn words_speak_and_strangers_quieten() {
        let bytes = base();
        let base = Base::read(&bytes).expect("a base");
        let logit = |words: &[&str]| Sums::of(bag(words), &base).judge(&base).logit;
        assert_eq!(logit(&["lottery"]), 3.0);
        assert_eq!(logit(&["meeting"]), -5.0);
        assert_eq!(logit(&["lottery", "x", "y", "z"]), 1.0, "4 over the root of 4 words");
        assert_eq!(logit(&["lottery", "meeting"]), -1.0);
    }

    #[test]
    fn of_equal_texts_any_number_says_what_one_says_and_of_two_the_longer_says_more() {
        let bytes = base();
        let base = Base::read(&bytes).expect("a base");
        let text = |words: &[&str]| Sums::of(bag(words), &base);
        let one = text(&["lottery", "x", "y"]);
        assert_eq!(Sums::default().beside(&one), one);
        let alone = one.judge(&base);
        for count in [2, 10, 300] {
            let many = (1..count).fold(one, |all, _| all.beside(&one)).judge(&base);
            assert!((many.logit - alone.logit).abs() < 1e-3, "{count}: {many:?}");
            assert!((many.read - count as f32 * alone.read).abs() < 0.1, "all of it is read");
        }
        let (ham, spam) = (text(&["meeting", "a", "b", "c"]), text(&["lottery"]));
        let (both, long) = (ham.beside(&spam).judge(&base).logit, ham.judge(&base).logit);
        assert!(long < both && both < spam.judge(&base).logit, "{long} {both}");
    }

    #[test]
    fn readings_add_up_in_any_order_so_that_parts_can_be_remembered() {
        let bytes = base();
        let base = Base::read(&bytes).expect("a base");
        let (a, b) = (Sums::of(bag(&["lottery", "x"]), &base), Sums::of(bag(&["meeting"]), &base));
        assert_eq!(a.plus(&b), b.plus(&a));
        let (weights, squares) = a.parts();
        assert_eq!(Sums::from_parts(weights, squares), Some(a));
        assert_eq!(Sums::from_parts([f32::NAN; GROUPS], squares), None);
        assert_eq!(Sums::from_parts(weights, [-1.0; GROUPS]), None);
    }

    #[test]
    fn an_explanation_names_the_groups_that_agree_with_the_verdict() {
        let bytes = base();
        let base = Base::read(&bytes).expect("a base");
        let judgement = Sums::of(bag(&["lottery"]), &base).judge(&base);
        assert_eq!(judgement.explanation(3), "words of the text +4.0");
        let judgement = Sums::of(bag(&["meeting"]), &base).judge(&base);
        assert_eq!(judgement.explanation(3), "words of the text -4.0");
    }
}
