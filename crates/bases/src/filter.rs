//! A compact filter of everything that is listed: it says "certainly not" or "perhaps". About 9.5 bits a key; of keys that
//! are not in it, 1 in 256 is "perhaps" (Graf and Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor Filters", 2022).
//!
//! A listed signature has one key of its exact value ([`exact_key`]) and, where it has a sketch, 16 of the bands by which
//! the table finds its like ([`band_key`]): if none of a question's keys is in the filter, the table would find nothing. Keys
//! are made of what the table itself compares, no more, so that what it takes for equal is equal here.
//!
//! A filter cannot be changed, only built anew. It is built in shards of about 64 KiB, by the hash of the key, so that a
//! few keys more change a few chunks of the file, and building needs working memory for one shard at a time.
//!
//! Layout, big-endian: `"TBF" 1 | shard bits u8 | keys u64 | shards x (keys u32 | seed u64 | segment bits u8 |
//! segments u32 | (segments + 2) << segment bits fingerprints)`; a shard without keys ends after its count.

pub mod file;

use xorf::{BinaryFuse8, Descriptor, Filter as _};

use crate::wire::Reader;

/// Keys of a filter: 63 million texts with all their bands, 1.3 GB.
pub const KEYS_MAX: usize = 1 << 30;

/// Keys of one shard in the mean, at most: then it has about as many bytes as a chunk.
pub const SHARD_KEYS_MEAN_MAX: usize = 1 << 16;

/// Bits of a shard's number: [`KEYS_MAX`] keys in shards of [`SHARD_KEYS_MEAN_MAX`].
const SHARD_BITS_MAX: u8 = 14;

/// Bits of a segment's length: the library makes none longer.
const SEGMENT_BITS_MAX: u8 = 18;

/// Bands of a sketch: 16 of two lanes, as in the table's index.
pub const BANDS: usize = 16;

const MAGIC: [u8; 4] = *b"TBF\x01";

/// Why there is no filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The caller's fault: too many keys for one node; give each shard of the service a filter of its own.
    #[error("more than {KEYS_MAX} keys")]
    TooMany,
    /// Nobody's: no arrangement of the keys was found in a thousand tries. Build with a key more or less, or do without.
    #[error("no filter of these keys was found")]
    Unlucky,
    /// The publisher's: not the format. Do without, and wait for the next release.
    #[error("not a filter of format 1: {0}")]
    Malformed(&'static str),
}

/// The filter.
#[derive(Clone, Debug)]
pub struct Filter {
    shard_bits: u8,
    keys: u64,
    shards: Vec<Option<Shard>>,
}

#[derive(Clone, Debug)]
struct Shard {
    keys: u32,
    filter: BinaryFuse8,
}

/// The key of an exact value of the kind with this code in reputation packets. The table knows a value by its first 12 bytes.
#[must_use]
pub fn exact_key(kind_code: u8, value: &[u8; 16]) -> u64 {
    let value = u128::from_be_bytes(*value) >> 32;
    // Values are digests already; mixing keeps kinds apart and makes the low half count.
    mix((value >> 32) as u64 ^ mix(value as u64 & 0xffff_ffff ^ mix(kind_code.into())))
}

/// The key of one band of a sketch: lanes `2 * band` and `2 * band + 1`. The table's index finds a band by twelve bits of both
/// lanes and by six that it makes of the other eight.
#[must_use]
pub fn band_key(kind_code: u8, band: u8, lane_a: u16, lane_b: u16) -> u64 {
    let kept = [lane_a, lane_b].map(|lane| u64::from(lane & 0xfff));
    let lost = u64::from(lane_a >> 12) << 4 | u64::from(lane_b >> 12);
    let tag = (lost ^ lost >> 5) & 0x3f;
    let [a, b] = kept;
    mix(1 << 63 | u64::from(kind_code) << 40 | u64::from(band) << 32 | tag << 24 | a << 12 | b)
}

/// The keys of all bands of a sketch.
#[must_use]
pub fn band_keys(kind_code: u8, lanes: &[u16; 2 * BANDS]) -> [u64; BANDS] {
    std::array::from_fn(|band| {
        band_key(kind_code, band as u8, lanes[2 * band], lanes[2 * band + 1])
    })
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every bit of the input reaches every bit out.
pub(crate) const fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Builds the filter of these keys; one key twice counts once. The same keys make the same bytes.
///
/// # Errors
/// [`FilterError::TooMany`], [`FilterError::Unlucky`].
pub fn build(mut keys: Vec<u64>) -> Result<Filter, FilterError> {
    if keys.len() > KEYS_MAX {
        return Err(FilterError::TooMany);
    }
    keys.sort_unstable_by_key(|key| mix(*key));
    keys.dedup();
    let shard_bits = shard_bits(keys.len());
    let mut shards = Vec::with_capacity(1 << shard_bits);
    let mut rest = keys.as_slice();
    for number in 0..1 << shard_bits {
        let (shard, behind) =
            rest.split_at(rest.partition_point(|key| shard_of(*key, shard_bits) <= number));
        shards.push(Shard::build(shard)?);
        rest = behind;
    }
    Ok(Filter { shard_bits, keys: keys.len() as u64, shards })
}

fn shard_bits(keys: usize) -> u8 {
    let shards = keys.div_ceil(SHARD_KEYS_MEAN_MAX).max(1).next_power_of_two();
    shards.trailing_zeros() as u8
}

fn shard_of(key: u64, shard_bits: u8) -> usize {
    // Shifting by all 64 bits is none of Rust's operations.
    mix(key).checked_shr(64 - u32::from(shard_bits)).unwrap_or(0) as usize
}

impl Shard {
    fn build(keys: &[u64]) -> Result<Option<Self>, FilterError> {
        if keys.is_empty() {
            return Ok(None);
        }
        let count = u32::try_from(keys.len()).map_err(|_| FilterError::TooMany)?;
        let filter = BinaryFuse8::try_from(keys).map_err(|_| FilterError::Unlucky)?;
        Ok(Some(Self { keys: count, filter }))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let Descriptor { seed, segment_length, segment_count_length, .. } = self.filter.descriptor;
        let bits = segment_length.trailing_zeros() as u8;
        out.extend_from_slice(&self.keys.to_be_bytes());
        out.extend_from_slice(&seed.to_be_bytes());
        out.push(bits);
        out.extend_from_slice(&(segment_count_length >> bits).to_be_bytes());
        out.extend_from_slice(&self.filter.fingerprints);
    }

    /// The outer `None`: malformed. What is checked here is what the library's look-up relies on.
    fn decode(reader: &mut Reader<'_>) -> Option<Option<Self>> {
        let keys = reader.u32()?;
        if keys == 0 {
            return Some(None);
        }
        let (seed, bits, segments) = (reader.u64()?, reader.byte()?, reader.u32()?);
        if bits > SEGMENT_BITS_MAX || segments == 0 {
            return None;
        }
        let fingerprints = usize::try_from((u64::from(segments) + 2) << bits).ok()?;
        let segment_length = 1 << bits;
        let segment_count_length = u32::try_from(u64::from(segments) << bits).ok()?;
        // The look-up adds two segments to a place in 32 bits.
        segment_count_length.checked_add(2 * segment_length)?;
        let descriptor = Descriptor {
            seed,
            segment_length,
            segment_length_mask: segment_length - 1,
            segment_count_length,
        };
        let fingerprints = reader.take(fingerprints)?.into();
        Some(Some(Self { keys, filter: BinaryFuse8 { descriptor, fingerprints } }))
    }
}

impl Filter {
    /// Whether this key is perhaps in it.
    #[must_use]
    pub fn contains(&self, key: u64) -> bool {
        let shard = self.shards.get(shard_of(key, self.shard_bits));
        shard.and_then(Option::as_ref).is_some_and(|shard| shard.filter.contains(&key))
    }

    /// Whether the table would perhaps find this value of a kind, or its like.
    #[must_use]
    pub fn may_hold(
        &self,
        kind_code: u8,
        value: &[u8; 16],
        lanes: Option<&[u16; 2 * BANDS]>,
    ) -> bool {
        self.contains(exact_key(kind_code, value))
            || lanes.is_some_and(|lanes| {
                band_keys(kind_code, lanes).into_iter().any(|key| self.contains(key))
            })
    }

    /// Keys in it.
    #[must_use]
    pub const fn keys(&self) -> u64 {
        self.keys
    }

    /// Bytes of memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let fingerprints = self.shards.iter().flatten().map(|shard| shard.filter.len());
        self.shards.capacity() * size_of::<Option<Shard>>() + fingerprints.sum::<usize>()
    }

    /// The bytes of its file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(self.shard_bits);
        out.extend_from_slice(&self.keys.to_be_bytes());
        for shard in &self.shards {
            match shard {
                Some(shard) => shard.encode(&mut out),
                None => out.extend_from_slice(&0_u32.to_be_bytes()),
            }
        }
        out
    }

    /// Reads what [`Filter::to_bytes`] wrote, in memory no larger than the bytes and the places of the shards.
    ///
    /// # Errors
    /// [`FilterError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FilterError> {
        let bad = FilterError::Malformed;
        let mut reader = Reader::new(bytes);
        if reader.array() != Some(MAGIC) {
            return Err(bad("another format"));
        }
        let shard_bits = reader.byte().filter(|bits| *bits <= SHARD_BITS_MAX);
        let shard_bits = shard_bits.ok_or(bad("too many shards"))?;
        let keys = reader.u64().ok_or(bad("cut short"))?;
        let mut shards = Vec::with_capacity(1 << shard_bits);
        for _ in 0..1_u32 << shard_bits {
            shards.push(Shard::decode(&mut reader).ok_or(bad("a shard"))?);
        }
        if !reader.is_empty() {
            return Err(bad("bytes after its end"));
        }
        let counted: u64 = shards.iter().flatten().map(|shard| u64::from(shard.keys)).sum();
        if counted != keys || keys > KEYS_MAX as u64 {
            return Err(bad("the number of keys"));
        }
        Ok(Self { shard_bits, keys, shards })
    }
}
