//! The format of a trained base, in and out.
//!
//! All numbers little-endian. 4-byte floats are IEEE 754.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic `TAMISCM\0` |
//! | 2 | version, 1: the format and the features that the weights belong to |
//! | 1 | number of groups, [`GROUPS`] |
//! | 1 | `bits`: the table has 2^bits buckets, 0 to [`BITS_MAX`] |
//! | 4 | bias |
//! | 4 + 4 | calibration: slope (above 0) and intercept |
//! | 4 | threshold (above 0): the sum from which on content alone makes a mail suspect |
//! | 4 each | for each group: the weight of 1 in the table, 0 or more |
//! | 4 each | for each group: damping, 0 or more, added to the squared length of its vector |
//! | 12 each | buckets: four checks of 2 bytes, then four weights of 1 byte, signed; weight 0 is an empty place |
//!
//! A feature's bucket is its lowest `bits` bits, its check the 16 bits above [`BITS_MAX`] bits. So of the features that a
//! base does not know, one in 16,000 is taken for another one.

use crate::bag::NAME_BITS;
use crate::group::{GROUPS, Group};

/// First bytes of a base.
pub const MAGIC: [u8; 8] = *b"TAMISCM\0";

/// What this version reads.
pub const VERSION: u16 = 1;

/// Bits of a bucket's number at most: 2^18 buckets are 3 MB.
pub const BITS_MAX: u8 = 18;

/// Places in a bucket.
pub const PLACES: usize = 4;

/// Bytes of a bucket.
const BUCKET_BYTES: usize = PLACES * 3;

/// A 1 for each check of a bucket.
const EACH_CHECK: u64 = 0x0001_0001_0001_0001;

/// Bytes before the table.
const HEAD_BYTES: usize = 8 + 2 + 1 + 1 + 4 + 8 + 4 + GROUPS * 8;

/// Bytes of a base at most: what stands before the largest table, and it.
pub const BASE_BYTES_MAX: usize = HEAD_BYTES + (BUCKET_BYTES << BITS_MAX);

/// Largest magnitude of bias, slope, intercept, weight of 1 and damping: far above what training finds, low enough
/// that no sum of [`crate::bag::FEATURES_MAX`] features is infinite.
pub const NUMBER_MAX: f32 = 1e6;

/// Why bytes are no base. Whose fault: who made the file. What next: keep the base in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The magic is another one, or there are fewer bytes than a head has.
    NoBase,
    /// Made for another version of the features.
    OtherVersion(u16),
    /// Made for another number of groups.
    OtherGroups(u8),
    /// More bits than [`BITS_MAX`].
    TooLarge,
    /// Not as many bytes as the head announces.
    WrongLength,
    /// A number of the head that is not finite, too large, or negative where it must not be.
    BadNumber,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoBase => f.write_str("not a base of a content model"),
            Self::OtherVersion(version) => {
                write!(f, "a base of version {version}, this program reads {VERSION}")
            }
            Self::OtherGroups(groups) => {
                write!(f, "a base of {groups} groups, this program knows {GROUPS}")
            }
            Self::TooLarge => f.write_str("the table is larger than any this program makes"),
            Self::WrongLength => f.write_str("the file is cut short or has bytes behind its end"),
            Self::BadNumber => f.write_str("a number of the head is out of its range"),
        }
    }
}

impl std::error::Error for Refusal {}

/// What stands before the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    /// What a mail without any feature scores.
    pub bias: f32,
    /// Calibration: the probability is the logistic function of `slope * logit + intercept`.
    pub slope: f32,
    /// See `slope`.
    pub intercept: f32,
    /// The sum from which on content alone makes a mail suspect: few honest mails of sources that training never saw
    /// come here.
    pub threshold: f32,
    /// For each group, the weight that 1 in the table stands for.
    pub units: [f32; GROUPS],
    /// For each group, what is added to the squared length of its vector.
    pub damping: [f32; GROUPS],
}

/// A base, read. Borrows the bytes: mapped or in memory.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    head: Head,
    mask: u64,
    table: &'a [u8],
}

impl<'a> Base<'a> {
    /// A base that knows nothing and holds nothing against anybody.
    pub const EMPTY: Self = Self {
        head: Head {
            bias: 0.0,
            slope: 1.0,
            intercept: 0.0,
            threshold: 1.0,
            units: [0.0; GROUPS],
            damping: [0.0; GROUPS],
        },
        mask: 0,
        table: &[],
    };

    /// Reads a base. Nothing of the table is looked at: every table is some table.
    ///
    /// # Errors
    /// The first fault found.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut reader = Reader(bytes);
        if reader.take::<8>() != Some(MAGIC) || bytes.len() < HEAD_BYTES {
            return Err(Refusal::NoBase);
        }
        let version = u16::from_le_bytes(reader.take().ok_or(Refusal::NoBase)?);
        if version != VERSION {
            return Err(Refusal::OtherVersion(version));
        }
        let [groups, bits] = reader.take().ok_or(Refusal::NoBase)?;
        if usize::from(groups) != GROUPS {
            return Err(Refusal::OtherGroups(groups));
        }
        if bits > BITS_MAX {
            return Err(Refusal::TooLarge);
        }
        let head = reader.head().ok_or(Refusal::NoBase)?;
        if !head.is_sound() {
            return Err(Refusal::BadNumber);
        }
        let Reader(table) = reader;
        if table.len() != BUCKET_BYTES << bits {
            return Err(Refusal::WrongLength);
        }
        Ok(Self { head, mask: (1 << bits) - 1, table })
    }

    /// The weight of a feature; 0 if the base does not know it.
    #[must_use]
    pub fn weight(&self, group: Group, feature: u64) -> f32 {
        f32::from(self.quantised(feature)) * self.head.units[usize::from(group.code())]
    }

    /// The weight as the table says it; 0 if the base does not know the feature.
    fn quantised(&self, feature: u64) -> i8 {
        let (bucket, check) = place(feature, self.mask);
        let bucket =
            self.table.get(bucket * BUCKET_BYTES..).and_then(<[u8]>::first_chunk::<BUCKET_BYTES>);
        let Some([a, b, c, d, e, f, g, h, weights @ ..]) = bucket else { return 0 };
        // All four checks at once and without a branch: to guess wrong costs more than all of it.
        let differing = u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h])
            ^ (u64::from(u16::from_le_bytes(check)) * EACH_CHECK);
        let equal = differing.wrapping_sub(EACH_CHECK) & !differing & (EACH_CHECK << 15);
        let weights: &[u8; PLACES] = weights;
        // The lowest that is marked is equal; behind the last place stands 0.
        let at = equal.trailing_zeros() / u16::BITS;
        let weight = (u64::from(u32::from_le_bytes(*weights)) >> (u8::BITS * at)) as u8;
        if weight == 0 && equal & equal.wrapping_sub(1) != 0 {
            // An empty place has a check, too.
            let known =
                (0..PLACES).find(|at| (differing >> (16 * at)) as u16 == 0 && weights[*at] != 0);
            return known.map_or(0, |at| weights[at].cast_signed());
        }
        weight.cast_signed()
    }

    /// What a mail without any feature scores.
    #[must_use]
    pub fn bias(&self) -> f32 {
        self.head.bias
    }

    /// What is added to the squared length of a group's vector.
    #[must_use]
    pub fn damping(&self, group: Group) -> f32 {
        self.head.damping[usize::from(group.code())]
    }

    /// The probability that a sum stands for.
    #[must_use]
    pub fn calibrated(&self, logit: f32) -> f32 {
        let x = self.head.slope.mul_add(logit, self.head.intercept);
        1.0 / (1.0 + (-x).exp())
    }

    /// The sum from which on content alone makes a mail suspect, above 0.
    #[must_use]
    pub fn threshold(&self) -> f32 {
        self.head.threshold
    }

    /// What stands before the table.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }
}

impl Head {
    fn is_sound(&self) -> bool {
        let within = |number: f32| number.is_finite() && number.abs() <= NUMBER_MAX;
        let positive = |number: &f32| within(*number) && *number >= 0.0;
        within(self.bias)
            && within(self.slope)
            && self.slope > 0.0
            && within(self.intercept)
            && within(self.threshold)
            && self.threshold > 0.0
            && self.units.iter().all(positive)
            && self.damping.iter().all(positive)
    }
}

/// Bytes not yet read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<f32> {
        self.take().map(f32::from_le_bytes)
    }

    fn numbers(&mut self) -> Option<[f32; GROUPS]> {
        let mut numbers = [0.0; GROUPS];
        for number in &mut numbers {
            *number = self.number()?;
        }
        Some(numbers)
    }

    fn head(&mut self) -> Option<Head> {
        Some(Head {
            bias: self.number()?,
            slope: self.number()?,
            intercept: self.number()?,
            threshold: self.number()?,
            units: self.numbers()?,
            damping: self.numbers()?,
        })
    }
}

/// Bucket and check of a feature.
fn place(feature: u64, mask: u64) -> (usize, [u8; 2]) {
    let check = (feature >> BITS_MAX) as u16;
    // Groups share the table; the group moves the bucket, so that two groups' features of one name part.
    let bucket = (feature ^ feature >> NAME_BITS) & mask;
    (bucket as usize, check.to_le_bytes())
}

/// Writes a base of 2^`bits` buckets with these weights; `units` of `head` are replaced by what suits the weights.
/// Where a bucket is full the smallest weights stay out. The same input gives the same bytes.
#[must_use]
pub fn write(head: &Head, bits: u8, weights: &[(u64, f32)]) -> Vec<u8> {
    let bits = bits.min(BITS_MAX);
    let head = Head { units: units(weights), ..*head };
    let mut bytes = Vec::with_capacity(HEAD_BYTES + (BUCKET_BYTES << bits));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[GROUPS as u8, bits]);
    let single = [head.bias, head.slope, head.intercept, head.threshold];
    for number in single.iter().chain(&head.units).chain(&head.damping) {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    let mut sorted: Vec<&(u64, f32)> =
        weights.iter().filter(|(_, weight)| weight.is_finite()).collect();
    sorted.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
    let mut table = vec![0; BUCKET_BYTES << bits];
    for (feature, weight) in sorted {
        put(&mut table, (1 << bits) - 1, *feature, *weight, &head.units);
    }
    bytes.extend_from_slice(&table);
    bytes
}

/// The same base with other numbers between sums, probabilities and points: how it parts mails stays as it is.
///
/// # Errors
/// As [`Base::read`], of the new numbers too.
pub fn recalibrated(
    bytes: &[u8],
    slope: f32,
    intercept: f32,
    threshold: f32,
) -> Result<Vec<u8>, Refusal> {
    Base::read(bytes)?;
    let numbers = [slope, intercept, threshold].map(f32::to_le_bytes).concat();
    let mut bytes = bytes.to_vec();
    bytes[CALIBRATION_AT..CALIBRATION_AT + numbers.len()].copy_from_slice(&numbers);
    Base::read(&bytes)?;
    Ok(bytes)
}

/// Where slope, intercept and threshold begin.
const CALIBRATION_AT: usize = 8 + 2 + 1 + 1 + 4;

/// One weight of this many may be cut to the largest that the table can say: a single loud word must not take the
/// precision of all others.
const CUT_ONE_OF: usize = 1000;

/// The weight of 1 for each group.
fn units(weights: &[(u64, f32)]) -> [f32; GROUPS] {
    let mut found: [Vec<f32>; GROUPS] = Default::default();
    for (feature, weight) in weights.iter().filter(|(_, weight)| weight.is_finite()) {
        if let Some(found) = found.get_mut((feature >> NAME_BITS) as usize) {
            found.push(weight.abs());
        }
    }
    found.map(|mut found| {
        found.sort_unstable_by(|a, b| b.total_cmp(a));
        found.get(found.len() / CUT_ONE_OF).copied().unwrap_or_default() / 127.0
    })
}

fn put(table: &mut [u8], mask: u64, feature: u64, weight: f32, units: &[f32; GROUPS]) {
    let unit = units.get((feature >> NAME_BITS) as usize).copied().unwrap_or_default();
    let quantised = if unit > 0.0 { (weight / unit).round().clamp(-127.0, 127.0) as i8 } else { 0 };
    if quantised == 0 {
        return;
    }
    let (bucket, check) = place(feature, mask);
    let bucket = &mut table[bucket * BUCKET_BYTES..(bucket + 1) * BUCKET_BYTES];
    let (checks, weights) = bucket.split_at_mut(PLACES * 2);
    for (at, place) in checks.chunks_exact_mut(2).enumerate() {
        // The heavier feature came first and keeps a check that two share.
        if weights[at] != 0 && place == check {
            return;
        }
        if weights[at] == 0 {
            place.copy_from_slice(&check);
            weights[at] = quantised.cast_unsigned();
            return;
        }
    }
}

#[cfg(test)]
mod tests;
