//! Bytes without pattern, and releases in memory.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use tamis_bases::chunks::{Name, cut};
use tamis_bases::keys::{PublicKey, SigningKey};
use tamis_bases::lists::Lister;
use tamis_bases::manifest::{Endorsed, FileEntry, Manifest, Signed};

/// SplitMix64.
pub struct Prng(pub u64);

impl Prng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.next().to_be_bytes());
        words.take(count.div_ceil(8)).flatten().take(count).collect()
    }
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

/// Pieces of a file, in order.
pub fn pieces(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(cut(bytes));
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    pieces
}

/// Chunks by name.
pub type Store = BTreeMap<Name, Vec<u8>>;

/// Puts a file's chunks into the store.
pub fn file(store: &mut Store, name: &str, bytes: &[u8]) -> FileEntry {
    let mut lister = Lister::default();
    for piece in pieces(bytes) {
        lister.push(Name::of(&piece), piece.len()).unwrap();
        store.insert(Name::of(&piece), piece);
    }
    let lists = lister.finish().unwrap();
    let list = Name::of(lists.last().unwrap());
    store.extend(lists.into_iter().map(|list| (Name::of(&list), list)));
    FileEntry {
        name: name.parse().unwrap(),
        bytes: bytes.len() as u64,
        whole: Name::of(bytes),
        list,
    }
}

/// A manifest of channel `main`, created at second 1,000 and good until 2,000.
pub fn manifest(generation: u64, keys: Vec<Endorsed>) -> Manifest {
    Manifest {
        channel: "main".parse().unwrap(),
        generation,
        previous: generation - 1,
        created_unix_s: 1_000,
        not_after_unix_s: 2_000,
        keys,
        retired: Vec::new(),
        files: Vec::new(),
    }
}

pub fn endorsed(by: &SigningKey, key: PublicKey) -> Endorsed {
    Endorsed::by(by, &"main".parse().unwrap(), key)
}

/// Signed by a key that endorses itself.
pub fn signed(generation: u64, by: &SigningKey) -> Signed {
    manifest(generation, vec![endorsed(by, by.public())]).sign(by).unwrap()
}
