//! Growth and searches of the index.

use super::*;

/// Sixteen numbers in a row share a hash.
struct Sixteens;

impl Owners for Sixteens {
    fn hash(&self, id: u32) -> u64 {
        u64::from(id / 16).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    }

    fn touch(&self, _id: u32) -> u8 {
        0
    }
}

fn found(ids: &Ids, id: u32) -> Vec<u32> {
    let mut all = Vec::new();
    let hash = Sixteens.hash(id);
    ids.visit(hash, tag_of(hash), |_, id| all.push(id));
    all.retain(|other| other / 16 == id / 16);
    all
}

#[test]
fn owners_of_a_hash_keep_their_order_while_numbers_outgrow_their_bits_and_segments_split() {
    let mut ids = Ids::with_room(0);
    let last = 3 << ID_BITS_MIN;
    for id in 16..last {
        let hash = Sixteens.hash(id);
        ids.push(hash, tag_of(hash), id, &Sixteens);
        if id % 16 == 7 {
            ids.remove(hash, id - 2);
        }
    }
    for first in (16..last).step_by(16) {
        let expected: Vec<u32> = (first..first + 16).filter(|id| id % 16 != 5).collect();
        assert_eq!(found(&ids, first), expected);
        assert_eq!(ids.tag_at(Sixteens.hash(first), first), Some(tag_of(Sixteens.hash(first))));
        assert_eq!(ids.tag_at(Sixteens.hash(first), first + 5), None);
    }
}

#[test]
fn all_hashes_at_once_find_what_each_finds_alone() {
    let mut ids = Ids::with_room(0);
    let count = 1 << 14;
    for id in 16..count {
        let hash = Sixteens.hash(id);
        ids.push(hash, tag_of(hash), id, &Sixteens);
    }
    for first in (16..count - 64).step_by(64) {
        let asked = [first, first + 16, first + 32, first + (1 << 20)];
        let hashes = asked.map(|id| Sixteens.hash(id));
        let (mut alone, mut together) = (Vec::new(), Vec::new());
        for hash in hashes {
            ids.visit(hash, tag_of(hash), |_, id| alone.push(id));
        }
        ids.visit_all(&hashes, &hashes.map(tag_of), |id| together.push(id));
        alone.sort_unstable();
        together.sort_unstable();
        assert_eq!(alone, together);
        assert!(alone.len() >= 48);
    }
}
