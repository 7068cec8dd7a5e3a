//! Which listed signatures resemble this one: a banded index over sketches (Indyk and Motwani 1998, as in Broder's
//! near-duplicate work), several owners of a key, every candidate confirmed on its whole sketch.
//!
//! A sketch of 32 lanes is cut into 16 bands of two; a signature stands once in the index of each band, under 12
//! bits of both lanes. The other 4 bits of both lanes make the tag of the entry. One index holds all bands, each in a
//! part of its own: the number of the band comes before the hash.

use tamis_domain::digest::Sketch;

use super::ids::{Ids, Owners, TAG_BITS};
use super::slab::{Lanes, Slab};
use crate::hashing::Seeded;

/// Owners of one key of one band, a key being the two lanes. Of a campaign with thousands of variants that share two
/// lanes those are found by this band that most organisations named, and of equals the newest; others still by the
/// bands in which they differ.
pub const OWNERS_MAX: usize = 16;

/// Sketches compared for one question. True owners of 16 keys are at most 256; of others one in 64 that stand in the way
/// is compared, about ten for a question.
pub const CANDIDATES_MAX: usize = 512;

/// What [`super::Table::evicted`] counts, for the reader of a metric.
pub const EVICTED_MEANING: &str = "places in the similarity index that were given up for newer signatures; \
     a signature has 16 places and is missed by similarity only for the bands that it lost";

const BANDS: usize = 1 << BAND_BITS;
const BAND_BITS: u32 = 4;
const _: () = assert!(2 * BANDS == Sketch::LANES);

/// The index.
#[derive(Debug)]
pub(super) struct Near {
    hash: Seeded,
    bands: Ids,
    evicted: u64,
}

impl Near {
    pub(super) fn with_room(hash: Seeded, entries: usize) -> Self {
        Self { hash, bands: Ids::in_parts(BAND_BITS, entries), evicted: 0 }
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bands.memory_bytes()
    }

    /// Puts in the entry `id` of the slab, whose whole sketch this is.
    pub(super) fn insert(&mut self, id: u32, sketch: &Sketch, slab: &Slab, ranks: &mut Ranks<'_>) {
        for (band, hash) in self.hashes(&slab.entry(id).lanes).into_iter().enumerate() {
            let entered = self.enter(id, (band, hash), sketch, slab, ranks);
            self.evicted += u64::from(entered != Entered::Free);
        }
    }

    /// Tries the bands in which the entry does not stand: its rank has grown.
    pub(super) fn stand(&mut self, id: u32, sketch: &Sketch, slab: &Slab, ranks: &mut Ranks<'_>) {
        for (band, hash) in self.hashes(&slab.entry(id).lanes).into_iter().enumerate() {
            if self.bands.tag_at(hash, id).is_none() {
                let entered = self.enter(id, (band, hash), sketch, slab, ranks);
                self.evicted += u64::from(entered == Entered::Displacing);
            }
        }
    }

    /// Whether this is the sketch of the entry `id`, as far as it is kept: of a band in which the entry does not stand,
    /// the tag is not.
    pub(super) fn is_of(&self, id: u32, sketch: &Sketch, slab: &Slab) -> bool {
        let lanes = Lanes::of(sketch);
        let hashes = self.hashes(&lanes);
        let fits = |(band, hash): (usize, u64)| {
            let own = self.bands.tag_at(hash, id);
            own.is_none_or(|own| own == tag(hash, sketch, band))
        };
        slab.entry(id).lanes == lanes && hashes.into_iter().enumerate().all(fits)
    }

    /// Takes the entry `id` out; it stands in the slab still.
    pub(super) fn remove(&mut self, id: u32, slab: &Slab) {
        let hashes = self.hashes(&slab.entry(id).lanes);
        for hash in hashes {
            self.bands.remove(hash, id);
        }
    }

    /// Calls `seen` with number and agreement of every indexed signature of this kind that agrees in `agreement_min`
    /// lanes, each once.
    pub(super) fn visit(
        &self,
        kind: u8,
        sketch: &Sketch,
        agreement_min: u8,
        slab: &Slab,
        mut seen: impl FnMut(u32, u8),
    ) {
        if slab.len() == 0 {
            return;
        }
        let lanes = Lanes::of(sketch);
        let hashes = self.hashes_of(&lanes);
        let tags = std::array::from_fn(|band| tag(hashes[band], sketch, band));
        let mut candidates = [0; CANDIDATES_MAX];
        let mut count = 0;
        self.bands.visit_all(&hashes, &tags, |id| {
            if count < CANDIDATES_MAX && !candidates[..count].contains(&id) {
                candidates[count] = id;
                count += 1;
            }
        });
        let early = candidates[..count].iter().fold(0, |all, id| all ^ slab.touch(*id));
        std::hint::black_box(early);
        for id in &candidates[..count] {
            let entry = slab.entry(*id);
            let agreement = entry.lanes.agreement(&lanes);
            if agreement >= agreement_min && entry.kept.kind_code() == kind {
                seen(*id, agreement);
            }
        }
    }

    /// Puts an entry in one band. Of a key that has all its owners the least ranked goes, the oldest among equals; a
    /// newcomer of lower rank than all does not come in.
    fn enter(
        &mut self,
        id: u32,
        (band, hash): (usize, u64),
        sketch: &Sketch,
        slab: &Slab,
        ranks: &mut Ranks<'_>,
    ) -> Entered {
        let tag = tag(hash, sketch, band);
        let mut tagged = 0;
        self.bands.visit(hash, tag, |_, _| tagged += 1);
        let key = slab.entry(id).lanes.pair(band);
        let mut owners = [(0, 0); OWNERS_MAX];
        let mut count = 0;
        // Entries are looked at only where there may be so many owners: most of them are far away in memory.
        if tagged >= OWNERS_MAX {
            self.bands.visit(hash, tag, |place, other| {
                if count < OWNERS_MAX && slab.entry(other).lanes.pair(band) == key {
                    owners[count] = (place, other);
                    count += 1;
                }
            });
        }
        if count < OWNERS_MAX {
            self.bands.push(hash, tag, id, &BandOf { hash: self.hash, band, slab });
            return Entered::Free;
        }
        // The first of equals is the oldest.
        let ranked = owners.iter().enumerate().map(|(at, (_, other))| (ranks.of(*other), at));
        let (least, at) = ranked.min().unwrap_or_default();
        if ranks.of(id) < least {
            return Entered::Refused;
        }
        let places = owners.map(|(place, _)| place);
        self.bands.displace(hash, &places[at..], id);
        Entered::Displacing
    }

    fn hashes_of(&self, lanes: &Lanes) -> [u64; BANDS] {
        std::array::from_fn(|band| hash_of(self.hash, lanes, band))
    }

    /// The hash of each band. All 16 places are looked at together, so that the machine waits for memory once and not 16
    /// times.
    fn hashes(&self, lanes: &Lanes) -> [u64; BANDS] {
        let hashes = self.hashes_of(lanes);
        self.bands.touch(&hashes);
        hashes
    }
}

/// What became of an entry in one band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entered {
    /// It has a place that nobody had.
    Free,
    /// It has another's place.
    Displacing,
    /// It has none.
    Refused,
}

/// What an entry is worth to the index: whether an operator named its sketch, and how many organisations did. Neither
/// trust nor the order in which a table was loaded makes a difference.
pub(super) type Rank = (bool, usize);

/// Ranks of entries, each looked up once.
pub(super) struct Ranks<'a> {
    look: &'a dyn Fn(u32) -> Rank,
    known: Vec<(u32, Rank)>,
}

impl<'a> Ranks<'a> {
    pub(super) const fn new(look: &'a dyn Fn(u32) -> Rank) -> Self {
        Self { look, known: Vec::new() }
    }

    /// At most the owners of the 16 keys of one sketch are asked for: 257 with its own.
    fn of(&mut self, id: u32) -> Rank {
        if let Some((_, rank)) = self.known.iter().find(|(known, _)| *known == id) {
            return *rank;
        }
        let rank = (self.look)(id);
        self.known.push((id, rank));
        rank
    }
}

/// The owners of the index of one band.
struct BandOf<'a> {
    hash: Seeded,
    band: usize,
    slab: &'a Slab,
}

impl Owners for BandOf<'_> {
    fn hash(&self, id: u32) -> u64 {
        hash_of(self.hash, &self.slab.entry(id).lanes, self.band)
    }

    fn touch(&self, id: u32) -> u8 {
        self.slab.entry(id).lanes.pair(self.band) as u8
    }
}

fn hash_of(seeded: Seeded, lanes: &Lanes, band: usize) -> u64 {
    let hash = seeded.word((band as u64) << 24 | u64::from(lanes.pair(band)));
    (band as u64) << (u64::BITS - BAND_BITS) | hash >> BAND_BITS
}

/// The lost bits of a band, disguised by the hash: owners of one key have equal tags on every node, whatever its seed,
/// and others of the same tag cannot be chosen.
fn tag(hash: u64, sketch: &Sketch, band: usize) -> u32 {
    (hash as u32 ^ lost(sketch, band)) & ((1 << TAG_BITS) - 1)
}

/// Six bits of the eight of a band that the kept lanes lost.
fn lost(sketch: &Sketch, band: usize) -> u32 {
    let lost = u32::from(sketch.0[2 * band] >> 12 << 4 | sketch.0[2 * band + 1] >> 12);
    (lost ^ lost >> 5) & ((1 << TAG_BITS) - 1)
}

/// Whether two sketches are one to the index: equal in all that lanes and tags keep of them. Otherwise the tags of one
/// would keep content that has the other from being found.
pub(super) fn is_same(one: &Sketch, other: &Sketch) -> bool {
    Lanes::of(one) == Lanes::of(other)
        && (0..BANDS).all(|band| lost(one, band) == lost(other, band))
}
