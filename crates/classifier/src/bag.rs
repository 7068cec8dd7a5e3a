//! A set of hashed features.

use crate::group::Group;

/// Features of one reading, repetitions included. A text is cut long before; this bounds the rest (200 links of
/// 2,048 bytes each).
pub const FEATURES_MAX: usize = 32 * 1024;

/// Characters of one run, see [`Bag::add_letters`].
pub(crate) const RUN: usize = 4;

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

    /// Adds each run of [`RUN`] characters as one feature.
    pub(crate) fn add_letters(&mut self, group: Group, letters: &[char]) {
        let start = Hash::of(group);
        let number = |c: char| u64::from(u32::from(c));
        let feature = |run: &[char]| match run {
            [a, b, c, d] => {
                let mut hash = start;
                hash.word(number(*a) << 32 | (number(*b) + 1));
                hash.word(number(*c) << 32 | (number(*d) + 1));
                hash.feature()
            }
            _ => start.feature(),
        };
        let room = FEATURES_MAX - self.features.len();
        self.features.extend(letters.windows(RUN).take(room).map(feature));
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
        sort(&mut self.features);
        // There are at most `FEATURES_MAX`.
        self.features.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u32))
    }

    /// How many different features there are so far.
    pub(crate) fn different(&mut self) -> usize {
        sort(&mut self.features);
        self.features.chunk_by(|a, b| a == b).count()
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

/// Features from which on it pays to part them by their first bits before they are sorted.
const PARTED_MIN: usize = 96;

/// Sorts features. Those of a text come group after group, and names within a group are hashes: spread evenly.
fn sort(features: &mut [u64]) {
    if features.len() < PARTED_MIN || !features.is_sorted_by_key(|it| it >> NAME_BITS) {
        features.sort_unstable();
        return;
    }
    let mut room = Vec::new();
    for group in features.chunk_by_mut(|a, b| a >> NAME_BITS == b >> NAME_BITS) {
        sort_names(group, &mut room);
    }
}

/// Sorts features of one group: into as many parts as there are features by their first bits, then each part by itself,
/// which has one or two, or as many as somebody took pains to put there.
fn sort_names(names: &mut [u64], room: &mut Vec<u64>) {
    if names.len() < PARTED_MIN || names.is_sorted() {
        names.sort_unstable();
        return;
    }
    let bits = names.len().ilog2();
    let part = |name: &u64| (name >> (NAME_BITS - bits)) as usize & ((1 << bits) - 1);
    let mut ends = vec![0_usize; 1 << bits];
    names.iter().for_each(|name| ends[part(name)] += 1);
    let mut before = 0;
    for end in &mut ends {
        before += std::mem::replace(end, before);
    }
    room.clear();
    room.extend_from_slice(names);
    for name in room.iter() {
        // What was the start of the part becomes its end.
        let end = &mut ends[part(name)];
        names[*end] = *name;
        *end += 1;
    }
    let mut start = 0;
    for end in ends {
        if end - start > 1 {
            names[start..end].sort_unstable();
        }
        start = end;
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
        let (eights, rest) = text.as_bytes().as_chunks::<8>();
        eights.iter().for_each(|eight| self.word(u64::from_le_bytes(*eight)));
        if !rest.is_empty() {
            self.word(few(rest));
        }
        // The length parts `("ab", "c")` from `("a", "bc")`.
        self.word(text.len() as u64 | 1 << 63);
    }

    fn feature(mut self) -> u64 {
        self.word(1);
        u64::from(self.group.code()) << NAME_BITS | self.state >> (64 - NAME_BITS)
    }
}

/// One to seven bytes as the lowest of a number. Those in the middle may come twice, to the same place.
fn few(bytes: &[u8]) -> u64 {
    let last_at = 8 * (bytes.len() - 1);
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>(), bytes) {
        (Some(first), Some(last), _) => {
            let [first, last] = [first, last].map(|it| u64::from(u32::from_le_bytes(*it)));
            first | last << (last_at - 24)
        }
        (_, _, [first, second, .., last]) => {
            u64::from(*first) | u64::from(*second) << 8 | u64::from(*last) << last_at
        }
        (_, _, [first, .., last]) => u64::from(*first) | u64::from(*last) << last_at,
        (_, _, [only]) => u64::from(*only),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_are_the_lowest_of_a_number() {
        for length in 1..8 {
            let mut bytes = [0; 8];
            bytes[..length].copy_from_slice(&b"\x81\x02\x83\x04\x85\x06\x87"[..length]);
            assert_eq!(few(&bytes[..length]), u64::from_le_bytes(bytes), "{length} bytes");
        }
    }

    #[test]
    fn features_are_sorted_whatever_their_order_and_however_alike_they_are() {
        let mut state = 7_u64;
        for length in [0, 1, 95, 96, 97, 400, 5000] {
            for alike in [1, 3, 1 << 20, u64::MAX] {
                let mut name = || {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    ((state >> 16) % alike) & ((1 << NAME_BITS) - 1)
                };
                let features: Vec<u64> = (0..length)
                    .map(|at| name() | ((3 * at / length.max(1)) as u64) << NAME_BITS)
                    .collect();
                let turned: Vec<u64> = features.iter().rev().copied().collect();
                for features in [features, turned] {
                    let (mut sorted, mut expected) = (features.clone(), features);
                    sort(&mut sorted);
                    expected.sort_unstable();
                    assert_eq!(sorted, expected, "{length} of {alike}");
                }
            }
        }
    }

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
