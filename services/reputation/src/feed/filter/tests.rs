//! Keys beyond what is held in memory, and a filter beside the table that it stands for.

use tamis_bases::filter::file::{FilterFile, Head, begin};
use tamis_bases::filter::{band_keys, exact_key};
use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};

use super::Filtering;
use super::keys::Keys;
use crate::log::local::{COMPACT_BYTES, LocalLog};
use crate::metrics::Metrics;
use crate::shared::Shared;

/// SplitMix64.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn value(&mut self) -> [u8; 16] {
        (u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes()
    }

    fn sketch(&mut self) -> Sketch {
        Sketch(std::array::from_fn(|_| self.next() as u16))
    }
}

fn file(keys: Keys) -> FilterFile {
    let mut bytes = begin(&Head::default(), 1);
    keys.write(&mut bytes).unwrap();
    let checksum = tamis_bases::chunks::Name::of(&bytes);
    bytes.extend_from_slice(&checksum.0);
    FilterFile::from_bytes(&bytes).unwrap()
}

#[test]
fn keys_beyond_what_is_held_go_by_files_and_none_is_lost() {
    let (mut noise, dir) = (Noise(1), tempfile::tempdir().unwrap());
    let values: Vec<[u8; 16]> = (0..20_000).map(|_| noise.value()).collect();
    let mut counts = Vec::new();
    // Held at once; one more than is held; many times what is held.
    for held_max in [20_000, 19_999, 1_000] {
        let mut keys = Keys::holding(held_max, dir.path());
        values.iter().for_each(|value| keys.push(exact_key(1, value)).unwrap());
        let filter = file(keys);
        assert!(values.iter().all(|value| filter.may_hold(1, value, None)), "{held_max}");
        counts.push(filter.keys());
    }
    assert_eq!(counts, [20_000; 3]);
}

#[test]
fn whatever_the_table_finds_the_filter_holds_also_by_bits_that_the_table_does_not_keep() {
    let (mut noise, dir) = (Noise(2), tempfile::tempdir().unwrap());
    let (mut table, mut keys) = (Table::new(Rules::default()), Keys::holding(100, dir.path()));
    let mut listed = Vec::new();
    for _ in 0..400 {
        let signature = Signature { kind: SignatureKind::Text, value: noise.value() };
        let sketch = noise.sketch();
        let change = Change::Add {
            signature,
            sketch: Some(sketch),
            class: Class::Spam,
            weight: 50,
            reporter: "desk".to_owned(),
            authority: Authority::Operator,
            at_unix_s: 1,
        };
        table.apply(&change).unwrap();
        super::making::push_change(&mut keys, &change).unwrap();
        listed.push((signature, sketch));
    }
    let filter = file(keys);
    let (mut found, mut spared) = (0, 0);
    for round in 0..20_000 {
        let (mut signature, mut sketch) = listed[round % listed.len()];
        match round % 3 {
            // Of the value, only what the table does not keep is other.
            0 => signature.value[12..].copy_from_slice(&(noise.next() as u32).to_be_bytes()),
            _ => signature.value = noise.value(),
        }
        // Some lanes are other altogether, some in the upper bits alone.
        for lane in 0..32 {
            match noise.next() % 8 {
                0..=3 => sketch.0[lane] = noise.next() as u16,
                4 => sketch.0[lane] ^= (noise.next() as u16) << 12,
                _ => {}
            }
        }
        let item = Item { signature, sketch: Some(sketch) };
        let may = filter.may_hold(signature.kind.code(), &signature.value, Some(&sketch.0));
        let is_found = table.ask(&item, 1).is_some();
        assert!(may || !is_found, "round {round}: the table finds what the filter hides");
        found += usize::from(is_found);
        spared += usize::from(!may);
    }
    println!("{found} of 20,000 found, {spared} spared");
    assert!(found > 5_000);
    let strangers = (0..2_000).filter(|_| {
        let (value, sketch) = (noise.value(), noise.sketch());
        filter.may_hold(2, &value, Some(&sketch.0))
    });
    assert!(strangers.count() < 400);
    assert_eq!(band_keys(2, &listed[0].1.0).len(), 16);
}

#[test]
fn no_filter_is_written_while_the_table_has_what_is_not_on_disk() {
    let (dir, registry) = (tempfile::tempdir().unwrap(), tamis_runtime::metrics::Metrics::new());
    let mut table = Table::new(Rules::default());
    let log = LocalLog::open(&dir.path().join("log"), &mut table, COMPACT_BYTES).unwrap().log;
    let shared = std::sync::Arc::new(Shared::new(table, Metrics::new(&registry)));
    let histories = log.histories();
    let path = dir.path().join(super::FILE);
    let work = dir.path().join("work");
    let mut filtering = Filtering::new(path.clone(), work, &shared, histories, &registry);
    shared.set_copies_wait(true);
    assert!(filtering.made().unwrap_err().contains("wait for room"));
    assert!(!path.exists());
    shared.set_copies_wait(false);
    filtering.made().unwrap();
    assert!(path.exists());
}
