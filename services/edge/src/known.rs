//! A hint of bounded size: parts that the cluster lately knew, and which so need not travel with the Offer.
//!
//! When the hint is wrong (another cache, evicted facts) one Need follows; nothing else depends on it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tamis_domain::outline::Part;
use tamis_message::digesting::reading_key;

/// Entries of one generation; two are kept. 2 x 16,384 x 16 bytes and their table are about 1 MiB.
pub const GENERATION_ENTRIES_MAX: usize = 16_384;

/// Half of a reading's key: as the facts of the cluster, it names the bytes and what they were declared as.
type Key = [u8; 16];

/// Names of known parts. The older half of what was not seen again is forgotten at once when a generation is full, which
/// keeps the order of least recent use well enough without a list.
#[derive(Debug, Default)]
pub struct Known {
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<Key>,
    old: HashSet<Key>,
}

impl Known {
    /// Whether the cluster knew this part lately.
    pub fn contains(&self, part: &Part) -> bool {
        let key = key(part);
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.young.contains(&key) {
            return true;
        }
        let found = generations.old.contains(&key);
        if found {
            generations.insert(key);
        }
        found
    }

    /// The cluster judged a mail with this part: now it knows it.
    pub fn insert(&self, part: &Part) {
        let key = key(part);
        self.generations.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    }

    /// The scanner needed it: the hint was wrong.
    pub fn remove(&self, part: &Part) {
        let key = key(part);
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.young.remove(&key);
        generations.old.remove(&key);
    }
}

impl Generations {
    fn insert(&mut self, key: Key) {
        if self.young.len() >= GENERATION_ENTRIES_MAX && !self.young.contains(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key);
    }
}

/// Generation 0: which generation of checks the cluster runs is its own affair.
fn key(part: &Part) -> Key {
    let mut key = [0; 16];
    key.copy_from_slice(&reading_key(part, 0)[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use tamis_domain::digest::PartDigest;
    use tamis_message::digesting::dissect;

    fn part(number: u32) -> Part {
        let mut part = dissect(b"Subject: x\r\n\r\nbody\r\n").outline.parts[0].clone();
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        part.digest = Some(PartDigest(digest));
        part
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let known = Known::default();
        known.insert(&part(0));
        known.insert(&part(1));
        for number in 2..=GENERATION_ENTRIES_MAX as u32 {
            known.insert(&part(number));
        }
        assert!(known.contains(&part(0)), "one past a generation: still in the old one, and used");
        for number in 0..GENERATION_ENTRIES_MAX as u32 {
            known.insert(&part(1_000_000 + number));
        }
        assert!(known.contains(&part(0)) && !known.contains(&part(1)));
        known.remove(&part(0));
        assert!(!known.contains(&part(0)));
    }

    #[test]
    fn the_same_bytes_declared_otherwise_are_not_the_same() {
        let known = Known::default();
        known.insert(&part(7));
        let other = Part { media_type: "text/html".into(), ..part(7) };
        assert!(!known.contains(&other) && known.contains(&part(7)));
    }
}
