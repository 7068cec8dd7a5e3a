//! The filter of what is listed: never a miss, few false "perhaps", bounded bytes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;

use support::{Prng, pieces};
use tamis_bases::filter::file::{
    FilterFile, GROUPS_MAX, Head, PART_BITS_MAX, begin, part, part_of,
};
use tamis_bases::filter::{
    BANDS, Filter, FilterError, SHARD_KEYS_MEAN_MAX, band_key, band_keys, build, exact_key,
};

fn keys(seed: u64, count: usize) -> Vec<u64> {
    let mut prng = Prng(seed);
    (0..count).map(|_| prng.next()).collect()
}

#[test]
fn every_key_is_found_and_few_others_are_at_any_size() {
    for count in [0, 1, 2, 3, 4, 5, 6, 7, 100, 5_000, SHARD_KEYS_MEAN_MAX, 300_000] {
        let keys = keys(1, count);
        let filter = build(keys.clone()).unwrap();
        assert_eq!(filter.keys(), count as u64);
        let read = Filter::from_bytes(&filter.to_bytes()).unwrap();
        for filter in [&filter, &read] {
            assert!(keys.iter().all(|key| filter.contains(*key)), "{count}");
        }
        assert_eq!(read.to_bytes(), filter.to_bytes());
        let mut strangers = Prng(2);
        let wrong = (0..100_000).filter(|_| read.contains(strangers.next())).count();
        let bits = filter.to_bytes().len() as f64 * 8.0 / count.max(1) as f64;
        println!("{count} keys: {bits:.2} bits a key, {wrong} of 100,000 strangers");
        assert!(wrong < 600, "{wrong} of 100,000 strangers at {count} keys");
        assert!(count < 50_000 || bits < 10.0, "{bits} bits a key");
    }
}

#[test]
fn an_empty_filter_holds_nothing() {
    let filter = build(Vec::new()).unwrap();
    assert!(keys(3, 1_000).iter().all(|key| !filter.contains(*key)));
}

#[test]
fn repeated_keys_count_once_and_their_order_does_not_matter() {
    let once = keys(4, 1_000);
    let mut twice = [once.clone(), once.clone()].concat();
    twice.reverse();
    assert_eq!(build(twice).unwrap().to_bytes(), build(once).unwrap().to_bytes());
}

#[test]
fn a_full_shard_splits_and_one_key_more_changes_a_few_chunks() {
    let shards = |count| build(keys(5, count)).unwrap().to_bytes()[4];
    assert_eq!(shards(SHARD_KEYS_MEAN_MAX), 0);
    assert_eq!(shards(SHARD_KEYS_MEAN_MAX + 1), 1);
    let before = keys(6, 600_000);
    let after = [&before[..], &[42]].concat();
    let chunks = |keys: Vec<u64>| -> BTreeSet<Vec<u8>> {
        pieces(&build(keys).unwrap().to_bytes()).into_iter().collect()
    };
    let (before, after) = (chunks(before), chunks(after));
    let new = after.difference(&before).count();
    println!("{new} of {} chunks are new after one key more", after.len());
    assert!(new <= 4, "{new} of {}", after.len());
}

#[test]
fn keys_of_kinds_bands_and_lanes_are_kept_apart() {
    let value = [7; 16];
    let mut seen = BTreeSet::new();
    for kind in 1..=7 {
        assert!(seen.insert(exact_key(kind, &value)));
        for at in 0..12 {
            let mut other = value;
            other[at] ^= 1;
            assert!(seen.insert(exact_key(kind, &other)), "byte {at} does not count");
        }
        let mut same = value;
        same[12..].fill(0);
        assert_eq!(exact_key(kind, &same), exact_key(kind, &value), "the table knows 12 bytes");
        for band in 0..BANDS as u8 {
            for lanes in [(0, 0), (0, 1), (1, 0), (u16::MAX, 0), (0, u16::MAX)] {
                assert!(seen.insert(band_key(kind, band, lanes.0, lanes.1)));
            }
        }
    }
    let lanes: [u16; 32] = std::array::from_fn(|lane| lane as u16);
    assert_eq!(band_keys(2, &lanes)[3], band_key(2, 3, 6, 7));
}

#[test]
fn what_the_table_would_find_may_be_held_and_what_shares_no_band_is_not() {
    let mut prng = Prng(8);
    let mut lanes = || -> [u16; 32] { std::array::from_fn(|_| prng.next() as u16) };
    let (listed, stranger) = (lanes(), lanes());
    let mut keys = band_keys(2, &listed).to_vec();
    keys.push(exact_key(2, &[1; 16]));
    let filter = build(keys).unwrap();
    assert!(filter.may_hold(2, &[1; 16], None));
    let mut like = stranger;
    like[8..10].copy_from_slice(&listed[8..10]);
    assert!(filter.may_hold(2, &[2; 16], Some(&like)), "one band in common");
    assert!(!filter.may_hold(2, &[2; 16], Some(&stranger)));
    assert!(!filter.may_hold(2, &[2; 16], None));
}

#[test]
fn a_filter_cut_at_any_byte_or_lengthened_is_refused() {
    let bytes = build(keys(9, 50)).unwrap().to_bytes();
    for end in 0..bytes.len() {
        assert!(Filter::from_bytes(&bytes[..end]).is_err(), "{end}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(Filter::from_bytes(&longer), Err(FilterError::Malformed(_))));
}

#[test]
fn no_head_of_a_filter_makes_its_look_up_leave_the_bytes() {
    let bytes = build(keys(10, 50)).unwrap().to_bytes();
    let mut prng = Prng(11);
    for at in 0..bytes.len().min(34) {
        for value in 0..=255 {
            let mut changed = bytes.clone();
            changed[at] = value;
            if let Ok(filter) = Filter::from_bytes(&changed) {
                (0..64).for_each(|_| _ = filter.contains(prng.next()));
            }
        }
    }
}

/// A file of groups with so many part bits each.
fn file(head: Head, groups: &[(u8, Vec<u64>)]) -> Vec<u8> {
    let mut out = begin(&head, groups.len() as u8);
    for (bits, keys) in groups {
        out.push(*bits);
        for number in 0..1 << bits {
            let keys = keys.iter().copied().filter(|key| part_of(*key, *bits) == number);
            out.extend_from_slice(&part(&build(keys.collect()).unwrap()));
        }
    }
    let checksum = tamis_bases::chunks::Name::of(&out);
    out.extend_from_slice(&checksum.0);
    out
}

#[test]
fn a_key_of_any_group_and_part_is_found_and_what_is_covered_is_told() {
    let head = Head { covers_unix_s: 7, epoch: 8, base_generation: 9 };
    let value = |number: u64| {
        let mut value = [0; 16];
        value[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        value
    };
    let keys = |range: std::ops::Range<u64>| range.map(|at| exact_key(1, &value(at))).collect();
    let bytes = file(head, &[(0, keys(0..500)), (8, keys(500..3_000)), (3, Vec::new())]);
    let read = FilterFile::from_bytes(&bytes).unwrap();
    assert_eq!((read.head, read.keys()), (head, 3_000));
    assert!((0..3_000).all(|at| read.may_hold(1, &value(at), None)));
    let wrong = (3_000..13_000).filter(|at| read.may_hold(1, &value(*at), None)).count();
    assert!(wrong < 200, "{wrong} of 10,000 strangers");
    assert_eq!(read.to_bytes(), bytes);
}

#[test]
fn a_file_with_one_wrong_bit_cut_at_any_byte_or_lengthened_is_refused() {
    let bytes = FilterFile::of(Head::default(), build(keys(9, 50)).unwrap()).to_bytes();
    assert!(FilterFile::from_bytes(&bytes).is_ok());
    for at in 0..bytes.len() {
        assert!(FilterFile::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(FilterFile::from_bytes(&changed).is_err(), "bit {bit} of byte {at}");
        }
    }
    assert!(FilterFile::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn a_file_has_as_many_groups_and_parts_as_it_may_and_not_one_more() {
    let empty = |bits: u8, groups: usize| file(Head::default(), &vec![(bits, Vec::new()); groups]);
    assert!(FilterFile::from_bytes(&empty(0, GROUPS_MAX)).is_ok());
    assert!(FilterFile::from_bytes(&empty(0, GROUPS_MAX + 1)).is_err());
    assert!(FilterFile::from_bytes(&empty(PART_BITS_MAX, 1)).is_ok());
    assert!(FilterFile::from_bytes(&empty(PART_BITS_MAX + 1, 1)).is_err());
}
