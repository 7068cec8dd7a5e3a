//! The file of a filter: what it covers, its filters in groups, and a checksum. A damaged filter would say "certainly not"
//! of what is listed, so one wrong bit refuses all of it.
//!
//! Layout, big-endian: `"TBW" 1 | covers u64 | epoch u64 | base generation u64 | groups u8 | groups x (part bits u8 |
//! (1 << part bits) x (length u64 | filter, see [`super`])) | BLAKE3 of all bytes before it, 32`. A key is perhaps listed if
//! any group holds it; of a group, the part of its number ([`part_of`]) is asked. So a maker builds anew the group that
//! changed, and needs the keys of one part in memory at a time.

use crate::chunks::Name;
use crate::filter::{BANDS, Filter, FilterError, band_keys, exact_key, mix};
use crate::wire::Reader;

/// Groups of a file: what was reported here and what came by bases, of each the snapshot and what came since.
pub const GROUPS_MAX: usize = 8;

/// Bits of a part's number: 256 parts of 4 million keys are as many as a filter may have.
pub const PART_BITS_MAX: u8 = 8;

const MAGIC: [u8; 4] = *b"TBW\x01";
const CHECKSUM_BYTES: usize = 32;

/// What a filter covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Everything that was answered at this time, Unix seconds, is in it, unless it was deleted since.
    pub covers_unix_s: u64,
    /// Number of the last change of the service's own table that is in it for certain.
    pub epoch: u64,
    /// Generation of the bases that are in it; 0: none.
    pub base_generation: u64,
}

/// A filter as it stands in its file.
#[derive(Clone, Debug)]
pub struct FilterFile {
    /// What it covers.
    pub head: Head,
    groups: Vec<Vec<Filter>>,
}

/// Which of `1 << part_bits` parts holds a key. The bits that choose a shard inside the part are others.
#[must_use]
pub const fn part_of(key: u64, part_bits: u8) -> usize {
    (mix(key) & ((1 << part_bits) - 1)) as usize
}

/// The beginning of a file of so many groups, which follow; then the BLAKE3 of all.
#[must_use]
pub fn begin(head: &Head, groups: u8) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for number in [head.covers_unix_s, head.epoch, head.base_generation] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.push(groups);
    out
}

/// One part of a group; a group is `part bits u8` and so many parts.
#[must_use]
pub fn part(filter: &Filter) -> Vec<u8> {
    let bytes = filter.to_bytes();
    let mut out = (bytes.len() as u64).to_be_bytes().to_vec();
    out.extend_from_slice(&bytes);
    out
}

impl FilterFile {
    /// One group of one part.
    #[must_use]
    pub fn of(head: Head, filter: Filter) -> Self {
        Self { head, groups: vec![vec![filter]] }
    }

    /// The bytes of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = begin(&self.head, u8::try_from(self.groups.len()).unwrap_or(u8::MAX));
        for parts in &self.groups {
            out.push(parts.len().trailing_zeros() as u8);
            parts.iter().for_each(|filter| out.extend_from_slice(&part(filter)));
        }
        let checksum = Name::of(&out);
        out.extend_from_slice(&checksum.0);
        out
    }

    /// Reads a file, in memory no larger than its bytes and the places of the shards.
    ///
    /// # Errors
    /// [`FilterError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FilterError> {
        let bad = FilterError::Malformed;
        let signed = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(bad("cut short"))?;
        let (told, checksum) = bytes.split_at(signed);
        let mut reader = Reader::new(told);
        if reader.array() != Some(MAGIC) {
            return Err(bad("another format"));
        }
        if Name::of(told).0 != checksum {
            return Err(bad("the checksum does not fit"));
        }
        let mut number = || reader.u64().ok_or(bad("cut short"));
        let head = Head { covers_unix_s: number()?, epoch: number()?, base_generation: number()? };
        let count = reader.byte().map(usize::from).filter(|count| *count <= GROUPS_MAX);
        let mut groups = Vec::new();
        for _ in 0..count.ok_or(bad("too many groups"))? {
            groups.push(group(&mut reader)?);
        }
        if !reader.is_empty() {
            return Err(bad("bytes after its end"));
        }
        Ok(Self { head, groups })
    }

    /// Whether the service would perhaps find this value of a kind, or its like.
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

    fn contains(&self, key: u64) -> bool {
        self.groups.iter().any(|parts| {
            let part = parts.get(part_of(key, parts.len().trailing_zeros() as u8));
            part.is_some_and(|part| part.contains(key))
        })
    }

    /// Keys in it; one in several groups counts as often.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.groups.iter().flatten().map(Filter::keys).sum()
    }
}

fn group(reader: &mut Reader<'_>) -> Result<Vec<Filter>, FilterError> {
    let bad = FilterError::Malformed;
    let bits = reader.byte().filter(|bits| *bits <= PART_BITS_MAX).ok_or(bad("too many parts"))?;
    let mut parts = Vec::with_capacity(1 << bits);
    for _ in 0..1_u32 << bits {
        let length = reader.u64().and_then(|length| usize::try_from(length).ok());
        let bytes = length.and_then(|length| reader.take(length)).ok_or(bad("cut short"))?;
        parts.push(Filter::from_bytes(bytes)?);
    }
    Ok(parts)
}
