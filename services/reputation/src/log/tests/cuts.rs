//! What a crash may leave, byte by byte.

use std::fs;

use tempfile::tempdir;

use super::*;
use crate::log::{AppendError, frame, record};

#[test]
fn records_read_back_what_was_written_and_refuse_every_cut() {
    let changes = vec![add(1), add(2), delete(1)];
    for position in [None, Some(at(5))] {
        let bytes = record::commit(7, position, &changes);
        assert!(record::may_be_commit(&bytes));
        let read = record::Commit { epoch_before: 7, position, changes: changes.clone() };
        assert_eq!(record::read_commit(&bytes), Some(read));
        for length in 0..bytes.len() {
            assert_eq!(record::read_commit(&bytes[..length]), None, "{length}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(record::read_commit(&longer), None);
    }
}

#[test]
fn after_a_cut_at_any_byte_every_acknowledged_commit_is_there() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    // What the table told, and how long the log was, after each acknowledged commit.
    let mut acknowledged = vec![(0, told(&opened.log, &table))];
    let groups: [&[Change]; 5] =
        [&[add(1), add(2)], &[add(3)], &[delete(2), add(4)], &[delete(9)], &[add(6)]];
    for group in groups {
        commit(&mut opened.log, &mut table, group);
        acknowledged.push((opened.log.bytes(), told(&opened.log, &table)));
    }
    drop(opened);
    let whole = fs::read(only(dir.path(), "log-")).unwrap();
    assert_eq!(whole.len() as u64, acknowledged.last().unwrap().0);
    // Most of the time goes by in synchronisations, so some cuts wait for theirs at the same time.
    std::thread::scope(|scope| {
        for first in 0..AT_ONCE {
            let (whole, acknowledged) = (&whole, &acknowledged);
            scope.spawn(move || {
                (first..=whole.len())
                    .step_by(AT_ONCE)
                    .for_each(|cut| starts_from_a_cut(whole, cut, acknowledged));
            });
        }
    });
}

/// Cuts that are tried at the same time.
const AT_ONCE: usize = 4;

/// What is told after a start from the first `cut` bytes, and after going on from there.
fn starts_from_a_cut(whole: &[u8], cut: usize, acknowledged: &[(u64, Vec<String>)]) {
    let copy = tempdir().unwrap();
    fs::write(copy.path().join(format!("log-{:020}", 0)), &whole[..cut]).unwrap();
    let (mut opened, mut table) = open(copy.path()).unwrap();
    let (length, expected) = acknowledged.iter().rfind(|(at, _)| *at <= cut as u64).unwrap();
    assert_eq!(told(&opened.log, &table), *expected, "cut at {cut}");
    assert_eq!(opened.warnings.len(), usize::from(*length != cut as u64), "cut at {cut}");
    commit(&mut opened.log, &mut table, &[add(8)]);
    let before = told(&opened.log, &table);
    drop(opened);
    assert_eq!(told_by(copy.path()), before, "cut at {cut}");
}

#[test]
fn a_damaged_last_commit_is_cut_off_and_damage_before_it_stops_the_start() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    let mut ends = Vec::new();
    for number in 1..=3 {
        commit(&mut opened.log, &mut table, &[add(number)]);
        ends.push(opened.log.bytes() as usize);
    }
    drop(opened);
    let whole = fs::read(only(dir.path(), "log-")).unwrap();
    for at in 0..whole.len() {
        let copy = tempdir().unwrap();
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(copy.path().join(format!("log-{:020}", 0)), &damaged).unwrap();
        let opened = open(copy.path());
        if at >= ends[1] {
            assert_eq!(opened.unwrap().1.epoch(), 2, "{at}");
        } else {
            let start = if at < ends[0] { 0 } else { ends[0] as u64 };
            assert!(
                matches!(opened, Err(OpenError::Damaged { at: told, .. }) if told == start),
                "{at}"
            );
        }
    }
}

/// Opens a copy of a segment, which must be refused and left as it is.
fn refused_untouched(segment: &[u8]) -> u64 {
    let copy = tempdir().unwrap();
    let path = copy.path().join(format!("log-{:020}", 0));
    fs::write(&path, segment).unwrap();
    let refused = open(copy.path()).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), segment);
    let OpenError::Damaged { path: told, at, .. } = refused else { panic!("{refused}") };
    assert_eq!(told, path);
    at
}

#[test]
fn a_lost_block_or_a_wild_length_never_costs_the_commits_behind_it() {
    const BLOCK: usize = 4096;
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    let mut starts = Vec::new();
    for number in 0..200 {
        starts.push(opened.log.bytes() as usize);
        commit(&mut opened.log, &mut table, &[add(number)]);
    }
    drop(opened);
    let whole = fs::read(only(dir.path(), "log-")).unwrap();
    assert!(whole.len() > 3 * BLOCK);
    let mut zeroed = whole.clone();
    zeroed[BLOCK..2 * BLOCK].fill(0);
    let first_hit = starts.iter().rfind(|start| **start <= BLOCK).unwrap();
    assert_eq!(refused_untouched(&zeroed), *first_hit as u64);
    // None, one more than allowed, and one that is allowed but goes past the end of the file.
    let most = frame::PAYLOAD_BYTES_MAX as u32;
    for length in [0, most + 1, u32::MAX, most] {
        let mut damaged = whole.clone();
        damaged[starts[7]..starts[7] + 4].copy_from_slice(&length.to_be_bytes());
        assert_eq!(refused_untouched(&damaged), starts[7] as u64, "{length}");
    }
}

#[test]
fn a_bad_tail_of_a_frame_is_cut_and_a_longer_one_is_no_torn_write() {
    let longest = frame::HEAD_BYTES + frame::PAYLOAD_BYTES_MAX;
    let dir = tempdir().unwrap();
    fs::write(dir.path().join(format!("log-{:020}", 0)), vec![0; longest]).unwrap();
    assert_eq!(open(dir.path()).unwrap().0.warnings.len(), 1);
    assert_eq!(refused_untouched(&vec![0; longest + 1]), 0);
}

#[test]
fn a_file_shorter_than_what_was_acknowledged_is_never_extended() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    commit(&mut opened.log, &mut table, &[add(1)]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    opened.log.write_keeping_length(full);
    let refused =
        opened.log.append(table.epoch(), None, &[add(2)], Durability::Synced).unwrap_err();
    // Found before anything was tried.
    assert!(matches!(refused, AppendError::Broken(_)), "{refused:?}");
    assert!(refused.to_string().contains("the segment has 0 bytes instead of"), "{refused}");
}

#[test]
fn a_full_disk_refuses_the_write_and_the_next_one_tries_again() {
    let dir = tempdir().unwrap();
    let (mut opened, table) = open(dir.path()).unwrap();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    opened.log.write_to(full);
    for _ in 0..2 {
        let refused = opened.log.append(table.epoch(), None, &[add(1)], Durability::Synced);
        assert!(matches!(refused, Err(AppendError::Full(_))), "{refused:?}");
    }
    let whole = fs::OpenOptions::new().append(true).open(only(dir.path(), "log-")).unwrap();
    opened.log.write_to(whole);
    assert_eq!(opened.log.append(table.epoch(), None, &[add(1)], Durability::Synced), Ok(()));
}

#[test]
fn a_payload_of_n_bytes_is_read_and_one_more_is_not() {
    let longest = vec![1; frame::PAYLOAD_BYTES_MAX];
    let mut bytes = Vec::new();
    frame::push(&mut bytes, &longest);
    let next = frame::Reader::new(bytes.as_slice(), 0).frame().unwrap();
    assert_eq!(next, frame::Next::Payload(longest.clone()));
    bytes.clear();
    frame::push(&mut bytes, &[longest, vec![1]].concat());
    let next = frame::Reader::new(bytes.as_slice(), 0).frame().unwrap();
    assert_eq!(next, frame::Next::Bad);
}
