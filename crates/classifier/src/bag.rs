//! A set of hashed features.

use crate::group::Group;

/// Features of one reading, repetitions included. A text is cut long before; this bounds the rest (200 links of
/// 2,048 bytes each).
pub const FEATURES_MAX: usize = 32 * 1024;

/// Features by number, with repetitions while they are gathered.
#[derive(Clone, Debug, Default)]
pub struct Bag {
    features: Vec<u64>,
}

impl Bag {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing yet, with room for so many without growing.
    #[must_use]
    pub fn with_room(features: usize) -> Self {
        Self { features: Vec::with_capacity(features.min(FEATURES_MAX)) }
    }

    /// Adds the feature that these pieces, in this order, name within `group`. Beyond [`FEATURES_MAX`] it is dropped.
    pub fn add(&mut self, group: Group, pieces: &[&str]) {
        let mut hash = Hash::of(group);
        for piece in pieces {
            hash.text(piece);
        }
        self.push(hash);
    }

    /// Adds the feature that this kind and this small number name.
    pub fn add_number(&mut self, group: Group, kind: &str, number: usize) {
        let mut hash = Hash::of(group);
        hash.text(kind);
        hash.word(number as u64);
        self.push(hash);
    }

    /// Adds a run of characters as one feature.
    pub(crate) fn add_letters(&mut self, group: Group, letters: &[char]) {
        let mut hash = Hash::of(group);
        for pair in letters.chunks(2) {
            let second = pair.get(1).map_or(0, |c| u64::from(u32::from(*c)) + 1);
            hash.word(u64::from(u32::from(pair[0])) << 32 | second);
        }
        self.push(hash);
    }

    fn push(&mut self, hash: Hash) {
        if self.features.len() < FEATURES_MAX {
            self.features.push(hash.feature());
        }
    }

    /// Each feature once, in ascending order, with how often it was added.
    #[must_use]
    pub fn counted(mut self) -> Vec<(u64, u32)> {
        self.sorted().collect()
    }

    /// The same one by one.
    pub(crate) fn sorted(&mut self) -> impl Iterator<Item = (u64, u32)> {
        self.features.sort_unstable();
        // There are at most `FEATURES_MAX`.
        self.features.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u32))
    }

    /// Features so far, repetitions included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }
}

/// Bits of a feature that name it within its group; the group stands above them.
pub const NAME_BITS: u32 = 48;

/// The group of a feature, if this version knows it.
#[must_use]
pub fn group_of(feature: u64) -> Option<Group> {
    Group::from_code((feature >> NAME_BITS) as u8)
}

/// A multiply-and-shift hash of 64 bits. It need not resist an enemy: who makes two features collide has changed
/// the words that he wants to hide, which he could do anyway.
#[derive(Clone, Copy)]
struct Hash {
    group: Group,
    state: u64,
}

impl Hash {
    /// The golden ratio in 64 bits (Knuth, The Art of Computer Programming, section 6.4).
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

    fn of(group: Group) -> Self {
        Self { group, state: (u64::from(group.code()) + 1).wrapping_mul(Self::MULTIPLIER) }
    }

    fn word(&mut self, word: u64) {
        let mixed = (self.state ^ word).wrapping_mul(Self::MULTIPLIER);
        self.state = mixed ^ mixed >> 29;
    }

    fn text(&mut self, text: &str) {
        for chunk in text.as_bytes().chunks(8) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(bytes));
        }
        // The length parts `("ab", "c")` from `("a", "bc")`.
        self.word(text.len() as u64 | 1 << 63);
    }

    fn feature(mut self) -> u64 {
        self.word(1);
        u64::from(self.group.code()) << NAME_BITS | self.state >> (64 - NAME_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_keeps_its_number_or_every_trained_base_is_worthless() {
        let mut bag = Bag::new();
        bag.add(Group::Words, &["offer"]);
        bag.add_letters(Group::Letters, &['a', 'b', 'c', 'd']);
        bag.add_number(Group::Structure, "parts", 3);
        let numbers: Vec<u64> = bag.counted().into_iter().map(|(feature, _)| feature).collect();
        assert_eq!(numbers, GOLDEN);
    }

    /// Words, letters and structure, as above.
    const GOLDEN: [u64; 3] = [130_383_164_443_217, 728_801_268_491_356, 2_797_172_830_467_205];

    #[test]
    fn pieces_and_groups_are_kept_apart() {
        let feature = |group, pieces: &[&str]| {
            let mut bag = Bag::new();
            bag.add(group, pieces);
            bag.counted()[0].0
        };
        assert_ne!(feature(Group::Words, &["ab", "c"]), feature(Group::Words, &["a", "bc"]));
        assert_ne!(feature(Group::Words, &["a"]), feature(Group::Subject, &["a"]));
        assert_ne!(feature(Group::Words, &["a"]), feature(Group::Words, &["a\0"]));
        assert_eq!(group_of(feature(Group::Links, &["x"])), Some(Group::Links));
    }

    #[test]
    fn a_bag_is_bounded_at_n_and_n_plus_1() {
        let mut bag = Bag::new();
        for number in 0..FEATURES_MAX {
            bag.add_number(Group::Links, "n", number);
        }
        assert_eq!(bag.len(), FEATURES_MAX);
        bag.add(Group::Links, &["one more"]);
        assert_eq!(bag.len(), FEATURES_MAX);
    }
}
