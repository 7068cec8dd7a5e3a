//! Cutting of files and lists of their pieces.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;

use support::{Prng, Store, file, pieces};
use tamis_bases::chunks::{CHUNK_BYTES_MAX, CHUNK_BYTES_MEAN, CHUNK_BYTES_MIN, Name, Naming, cut};
use tamis_bases::lists::{
    BadList, ENTRIES_MAX, Entry, FILE_BYTES_MAX, GROUP_ENTRIES_MAX, List, Lister, TooLong,
};

fn names(bytes: &[u8]) -> BTreeSet<Name> {
    pieces(bytes).iter().map(|piece| Name::of(piece)).collect()
}

#[test]
fn pieces_keep_to_their_limits_and_have_the_wanted_mean() {
    let bytes = Prng(1).bytes(12 << 20);
    let pieces = pieces(&bytes);
    assert_eq!(pieces.concat(), bytes);
    let (last, others) = pieces.split_last().unwrap();
    assert!(others.iter().all(|piece| piece.len() >= CHUNK_BYTES_MIN));
    assert!(pieces.iter().all(|piece| piece.len() <= CHUNK_BYTES_MAX) && !last.is_empty());
    let mean = bytes.len() / pieces.len();
    println!("{} pieces, mean {mean} bytes", pieces.len());
    assert!((CHUNK_BYTES_MEAN * 3 / 4..CHUNK_BYTES_MEAN * 3 / 2).contains(&mean), "{mean}");
}

#[test]
fn bytes_without_content_to_cut_at_are_cut_at_the_longest_length() {
    assert_eq!(cut(&[]), 0);
    assert_eq!(cut(&[7]), 1);
    assert_eq!(cut(&vec![0; CHUNK_BYTES_MAX]), CHUNK_BYTES_MAX);
    assert_eq!(cut(&vec![0; CHUNK_BYTES_MAX + 1]), CHUNK_BYTES_MAX);
}

#[test]
fn a_cut_does_not_depend_on_how_much_is_read_ahead() {
    let bytes = Prng(2).bytes(CHUNK_BYTES_MAX * 3);
    let first = cut(&bytes);
    assert_eq!(cut(&bytes[..CHUNK_BYTES_MAX]), first);
    assert_eq!(cut(&bytes[..first]), first);
}

#[test]
fn a_byte_put_in_taken_out_or_changed_anywhere_costs_at_most_three_pieces() {
    let before = Prng(3).bytes(1 << 20);
    let known = names(&before);
    let mut prng = Prng(4);
    for _ in 0..12 {
        let at = prng.next() as usize % before.len();
        let (front, back) = before.split_at(at);
        for after in [
            [front, b"!", back].concat(),
            [front, &back[1..]].concat(),
            [front, &[back[0] ^ 1], &back[1..]].concat(),
        ] {
            let new = names(&after).difference(&known).count();
            assert!(new <= 3, "{new} new pieces at {at}");
        }
    }
}

#[test]
fn a_file_that_grows_at_its_end_keeps_all_pieces_but_the_last() {
    let before = Prng(5).bytes(2 << 20);
    let after = [&before[..], &Prng(6).bytes(50_000)].concat();
    let (before, after) = (names(&before), names(&after));
    assert!(before.difference(&after).count() <= 1);
    assert!(after.difference(&before).count() <= 3);
}

#[test]
fn a_whole_file_has_the_name_of_its_pieces_in_order() {
    let bytes = Prng(7).bytes(300_000);
    let mut naming = Naming::default();
    pieces(&bytes).iter().for_each(|piece| naming.update(piece));
    assert_eq!(naming.name(), Name::of(&bytes));
    let text = Name::of(&bytes).to_string();
    assert_eq!(text.parse(), Ok(Name::of(&bytes)));
    for bad in [&text[1..], &text.to_uppercase(), "", &format!("{text}0")] {
        assert!(bad.parse::<Name>().is_err(), "{bad}");
    }
}

fn numbered(number: u64) -> Name {
    Name::of(&number.to_be_bytes())
}

fn lists(pieces: u64) -> Vec<List> {
    let mut lister = Lister::default();
    (0..pieces).for_each(|number| lister.push(numbered(number), CHUNK_BYTES_MEAN).unwrap());
    lister.finish().unwrap().iter().map(|chunk| List::decode(chunk).unwrap()).collect()
}

#[test]
fn a_short_list_stands_alone_and_a_longer_one_becomes_a_list_of_lists() {
    let longest = GROUP_ENTRIES_MAX as u64;
    let alone = lists(longest);
    assert_eq!((alone.len(), alone[0].is_of_lists), (1, false));
    let split = lists(longest + 1);
    let (above, groups) = split.split_last().unwrap();
    assert!(above.is_of_lists && groups.iter().all(|list| !list.is_of_lists));
    assert_eq!(above.entries.len(), groups.len());
    assert_eq!(above.bytes(), (longest + 1) * CHUNK_BYTES_MEAN as u64);
    let joined: Vec<Entry> = groups.iter().flat_map(|list| list.entries.clone()).collect();
    assert!(joined.iter().enumerate().all(|(at, entry)| entry.name == numbered(at as u64)));
}

#[test]
fn a_growing_file_of_gigabytes_changes_one_list_and_the_one_above() {
    let encoded =
        |pieces| -> BTreeSet<Vec<u8>> { lists(pieces).iter().map(List::encode).collect() };
    let (before, after) = (encoded(80_000), encoded(80_001));
    let new: Vec<usize> = after.difference(&before).map(Vec::len).collect();
    println!("{} lists, {new:?} bytes are new after one more piece", after.len());
    assert!(new.len() <= 2 && new.iter().sum::<usize>() < 64 * 1024, "{new:?}");
}

#[test]
fn the_longest_file_is_listed_and_one_byte_more_is_refused() {
    // The worst names: each ends a group, so there are as many groups as can be.
    let mut lister = Lister::default();
    let zero = Name([0; 32]);
    for _ in 0..FILE_BYTES_MAX / CHUNK_BYTES_MAX as u64 {
        lister.push(zero, CHUNK_BYTES_MAX).unwrap();
    }
    assert_eq!(lister.push(zero, 1), Err(TooLong));
    let mut lister = Lister::default();
    for _ in 0..ENTRIES_MAX as u64 * 32 {
        lister.push(zero, CHUNK_BYTES_MIN).unwrap();
    }
    assert_eq!(lister.clone().finish().unwrap().last().unwrap().len(), 7 + ENTRIES_MAX * 40);
    lister.push(zero, CHUNK_BYTES_MIN).unwrap();
    assert_eq!(lister.finish(), Err(TooLong));
}

#[test]
fn a_list_is_refused_cut_lengthened_or_beyond_its_limits() {
    let entry = |bytes| Entry { name: numbered(1), bytes };
    let list = List { is_of_lists: false, entries: vec![entry(1), entry(CHUNK_BYTES_MAX as u64)] };
    let bytes = list.encode();
    assert_eq!(List::decode(&bytes), Ok(list));
    assert!((0..bytes.len()).all(|end| List::decode(&bytes[..end]).is_err()));
    assert_eq!(List::decode(&[&bytes[..], &[0]].concat()), Err(BadList::Length));
    let of = |is_of_lists, entries| List::decode(&List { is_of_lists, entries }.encode());
    assert_eq!(of(false, vec![entry(0)]), Err(BadList::Bytes(0)));
    let long = CHUNK_BYTES_MAX as u64 + 1;
    assert_eq!(of(false, vec![entry(long)]), Err(BadList::Bytes(long)));
    assert!(of(true, vec![entry(long)]).is_ok());
    assert!(of(true, vec![entry(FILE_BYTES_MAX)]).is_ok());
    assert_eq!(of(true, vec![entry(FILE_BYTES_MAX), entry(1)]), Err(BadList::FileTooLong));
    assert!(of(false, vec![entry(1); ENTRIES_MAX]).is_ok());
    assert_eq!(of(false, vec![entry(1); ENTRIES_MAX + 1]), Err(BadList::Entries));
    assert!(
        List::decode(&{
            let mut level = bytes.clone();
            level[4] = 2;
            level
        })
        .is_err()
    );
}

#[test]
fn an_empty_file_has_a_list_without_entries() {
    let mut store = Store::new();
    let entry = file(&mut store, "empty", b"");
    assert_eq!(List::decode(&store[&entry.list]).unwrap().entries, []);
}
