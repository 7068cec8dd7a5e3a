//! Sightings: how often content is asked for, by how many clients, in the last minutes. So a campaign shows as bulk
//! before anybody reports it.
//!
//! A set-associative memory of fixed size. A newcomer takes the place of whatever in its set was seen least, so that a
//! flood of names that are asked once pushes out its own like, never a campaign (the idea of Space-Saving: Metwally,
//! Agrawal, El Abbadi 2005). For good a place belongs only to what was seen often and by several clients: else one client
//! that repeats itself could take them all, and no campaign would be counted any more. Content with a sketch is counted under the first similar content that is remembered, its
//! *leader*: so the copies of a personalised campaign add up. Distinct clients are counted by linear counting in 64 bits
//! (Whang, Vander-Zanden, Taylor 1990): exact enough to tell 1 from 3 from 100, which is all that is asked of it.
//!
//! Nodes tell each other what they saw ([`Sightings::news`], [`Sightings::merge`]): increments, each told once.

mod bulk;
mod news;

use std::time::{Duration, Instant};

use tamis_domain::digest::{Signature, Sketch};

use crate::hashing::Seeded;
use crate::packet::Item;
pub use bulk::{BULK_MAX, Bulk};
pub use news::{NEWS_BYTES_MAX, NEWS_MAX, News, decode_news, encode_news};

/// Pieces of the window: what is older than the window is forgotten a piece at a time.
pub const SLOTS: usize = 8;

/// Places of one set. Eight entries are looked at for each name, neighbours in memory.
const WAYS: usize = 8;

/// Distinct clients without which no place is kept against newcomers, whatever [`Settings::bulk_clients`] says.
const KEPT_CLIENTS_MIN: u8 = 2;

/// Bands of a sketch by which a leader is found: pairs of lanes.
const BANDS: usize = Sketch::LANES / 2;

/// Entries at most: 256 MB.
pub const TRACKED_MAX: usize = 1 << 20;

/// What may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How far back is counted.
    pub window: Duration,
    /// Names remembered, rounded up to a power of two, 64 to [`TRACKED_MAX`]; about 250 bytes each.
    pub tracked_max: usize,
    /// Copies within the window that make content bulk.
    pub bulk_copies: u32,
    /// Distinct clients that must have seen it, too. 1 where one scanner serves a site.
    pub bulk_clients: u8,
    /// Lanes of 32 that make content similar.
    pub agreement_min: u8,
    /// Secret of the places.
    pub seed: u64,
}

impl Default for Settings {
    /// A hundred copies in ten minutes: a mailing list of a firm stays below, a campaign passes it in seconds.
    fn default() -> Self {
        Self {
            window: Duration::from_secs(600),
            tracked_max: 65_536,
            bulk_copies: 100,
            bulk_clients: 1,
            agreement_min: 17,
            seed: 0,
        }
    }
}

/// One signature of one counted question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What was asked for.
    pub item: Item,
    /// Who asked, as [`client_bit`] gives it.
    pub client: u8,
}

/// What is known of one name within the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Questions that had it, or something similar.
    pub copies: u32,
    /// Distinct clients, estimated; 255 for more than the estimate can tell.
    pub clients: u8,
}

/// The bit, 0 to 63, of a client's address (16 bytes, IPv4 mapped): the same on every node, and far too little to tell
/// who it was.
#[must_use]
pub fn client_bit(address: &[u8; 16]) -> u8 {
    blake3::hash(address).as_bytes()[0] & 63
}

/// The memory of sightings of one node, its own and what others told.
#[derive(Debug)]
pub struct Sightings {
    settings: Settings,
    hash: Seeded,
    entries: Vec<Option<Entry>>,
    /// For each band key the place of the entry that claimed it last, counted from 1. Never cleaned: what is found
    /// there is compared whole.
    leaders: Vec<u32>,
    /// The slot that counts now, and when it began.
    slot: usize,
    slot_began: Instant,
    crowded_out: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    signature: Signature,
    sketch: Option<Sketch>,
    copies: [u32; SLOTS],
    clients: [u64; SLOTS],
    /// Seen here and not yet told to other nodes.
    untold: u32,
    untold_clients: u64,
}

impl Sightings {
    /// An empty memory.
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Self {
        let places = settings.tracked_max.clamp(64, TRACKED_MAX).next_power_of_two();
        Self {
            settings,
            hash: Seeded::new(settings.seed),
            entries: vec![None; places],
            leaders: vec![0; places * BANDS / 2],
            slot: 0,
            slot_began: now,
            crowded_out: 0,
        }
    }

    /// Counts one signature of one question that was answered at `now`.
    pub fn see(&mut self, sighting: &Sighting, now: Instant) {
        self.advance(now);
        let slot = self.slot;
        let bit = 1 << (sighting.client & 63);
        if let Some(entry) = self.entry_mut(&sighting.item) {
            entry.count(slot, 1, bit);
            entry.untold = entry.untold.saturating_add(1);
            entry.untold_clients |= bit;
        }
    }

    /// Adds what another node saw.
    pub fn merge(&mut self, news: &News, now: Instant) {
        self.advance(now);
        let slot = self.slot;
        if let Some(entry) = self.entry_mut(&news.item) {
            entry.count(slot, news.copies, news.clients);
        }
    }

    /// What was seen here since the last call and is worth telling others, most copies first, at most [`NEWS_MAX`]. What
    /// was seen once is nobody else's concern.
    pub fn news(&mut self) -> Vec<News> {
        let mut worth: Vec<&mut Entry> =
            self.entries.iter_mut().flatten().filter(|entry| entry.untold > 1).collect();
        worth.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.untold));
        worth.truncate(NEWS_MAX);
        let told = worth.into_iter().map(|entry| News {
            item: Item { signature: entry.signature, sketch: entry.sketch },
            copies: std::mem::take(&mut entry.untold),
            clients: std::mem::take(&mut entry.untold_clients),
        });
        told.collect()
    }

    /// What is bulk at `now`, for answering.
    pub fn bulk(&mut self, now: Instant) -> Bulk {
        self.advance(now);
        let Settings { bulk_copies, bulk_clients, agreement_min, .. } = self.settings;
        let bulk = self.entries.iter().flatten().filter_map(|entry| {
            let seen = entry.seen();
            let is_bulk = seen.copies >= bulk_copies && seen.clients >= bulk_clients;
            is_bulk.then_some((entry.signature, entry.sketch, seen))
        });
        Bulk::of(bulk.collect(), agreement_min)
    }

    /// How often this, or something similar, was seen.
    #[must_use]
    pub fn seen(&self, item: &Item) -> Option<Seen> {
        let place =
            self.place(&item.signature).or_else(|| self.leader(item.sketch.as_ref()?, item))?;
        self.entries[place].as_ref().map(Entry::seen)
    }

    /// Names that found all places of their set taken by what is seen more often.
    #[must_use]
    pub const fn crowded_out(&self) -> u64 {
        self.crowded_out
    }

    /// Memory in bytes, from the capacities.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Option<Entry>>() + self.leaders.capacity() * 4
    }

    /// Forgets the slots that fell out of the window since the last call.
    fn advance(&mut self, now: Instant) {
        let each = self.settings.window / SLOTS as u32;
        let mut passed = 0;
        while passed < SLOTS && now.saturating_duration_since(self.slot_began) >= each {
            self.slot = (self.slot + 1) % SLOTS;
            self.slot_began += each;
            passed += 1;
            for place in &mut self.entries {
                let Some(entry) = place else { continue };
                entry.copies[self.slot] = 0;
                entry.clients[self.slot] = 0;
                if entry.copies == [0; SLOTS] {
                    *place = None;
                }
            }
        }
        if passed == SLOTS {
            self.slot_began = now;
        }
    }

    /// The entry that counts this item: its own, its leader's, or a new one; none when its set is taken by others.
    fn entry_mut(&mut self, item: &Item) -> Option<&mut Entry> {
        let known = self.place(&item.signature);
        let known = known.or_else(|| self.leader(item.sketch.as_ref()?, item));
        let place = match known {
            Some(place) => place,
            None => self.make_place(item)?,
        };
        self.entries[place].as_mut()
    }

    fn place(&self, signature: &Signature) -> Option<usize> {
        let set = self.set(signature);
        (set..set + WAYS).find(|place| {
            self.entries[*place].as_ref().is_some_and(|entry| entry.signature == *signature)
        })
    }

    /// The place of the remembered content that agrees best, if any agrees enough.
    fn leader(&self, sketch: &Sketch, item: &Item) -> Option<usize> {
        let candidates = (0..BANDS).filter_map(|band| {
            let place = (self.leaders[self.band(sketch, item, band)] as usize).checked_sub(1)?;
            let entry = self.entries[place].as_ref()?;
            let is_same_kind = entry.signature.kind == item.signature.kind;
            let agreement = entry.sketch.filter(|_| is_same_kind)?.agreement(sketch);
            (agreement >= self.settings.agreement_min).then_some((agreement, place))
        });
        candidates.max().map(|(_, place)| place)
    }

    /// A place for a newcomer: a free one, or that of the entry seen least, if it was not seen often and by several.
    fn make_place(&mut self, item: &Item) -> Option<usize> {
        let set = self.set(&item.signature);
        let worth = |place: &usize| {
            let entry = self.entries[*place].as_ref();
            entry.map_or((false, 0), |entry| (self.is_kept(entry), entry.copies()))
        };
        let place = (set..set + WAYS).min_by_key(worth).unwrap_or(set);
        if worth(&place).0 {
            self.crowded_out += 1;
            return None;
        }
        self.entries[place] = Some(Entry {
            signature: item.signature,
            sketch: item.sketch,
            copies: [0; SLOTS],
            clients: [0; SLOTS],
            untold: 0,
            untold_clients: 0,
        });
        if let Some(sketch) = &item.sketch {
            for band in 0..BANDS {
                let key = self.band(sketch, item, band);
                self.leaders[key] = u32::try_from(place + 1).unwrap_or(0);
            }
        }
        Some(place)
    }

    /// Whether this gives way to no newcomer: it is half way to bulk, and more than one client says so.
    fn is_kept(&self, entry: &Entry) -> bool {
        let Settings { bulk_copies, bulk_clients, .. } = self.settings;
        let seen = entry.seen();
        seen.copies >= bulk_copies.max(2) / 2 && seen.clients >= bulk_clients.max(KEPT_CLIENTS_MIN)
    }

    fn set(&self, signature: &Signature) -> usize {
        let [a, b, c, d, e, f, g, h, ..] = signature.value;
        let word = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let hash = self.hash.word(word ^ u64::from(signature.kind.code()));
        (hash as usize) % (self.entries.len() / WAYS) * WAYS
    }

    fn band(&self, sketch: &Sketch, item: &Item, band: usize) -> usize {
        let (first, second) = (sketch.0[2 * band], sketch.0[2 * band + 1]);
        let kind_and_band = u64::from(item.signature.kind.code()) << 8 | band as u64;
        let word = kind_and_band << 32 | u64::from(first) << 16 | u64::from(second);
        (self.hash.word(word) as usize) % self.leaders.len()
    }
}

impl Entry {
    fn count(&mut self, slot: usize, copies: u32, clients: u64) {
        self.copies[slot] = self.copies[slot].saturating_add(copies);
        self.clients[slot] |= clients;
    }

    fn copies(&self) -> u32 {
        self.copies.iter().fold(0, |sum, copies| sum.saturating_add(*copies))
    }

    fn seen(&self) -> Seen {
        let bits = self.clients.iter().fold(0, |all, clients| all | clients);
        Seen { copies: self.copies(), clients: estimated(bits) }
    }
}

/// How many clients set these bits, by linear counting: `-64 ln(free / 64)`.
fn estimated(bits: u64) -> u8 {
    let free = bits.count_zeros();
    if free == 0 {
        return u8::MAX;
    }
    let estimate = -64.0 * (f64::from(free) / 64.0).ln();
    estimate.round().clamp(0.0, 254.0) as u8
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the first instant has to come from somewhere")]
mod tests;
