//! A compaction changes nothing, wherever it ends.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::tempdir;

use super::*;
use crate::log::files::{Files, NEW, SegmentId, snapshot_path};
use crate::log::{Position, replay_into};

fn segment(dir: &Path, epoch: u64, number: u32) -> PathBuf {
    SegmentId { epoch, number, is_copy: false }.path(dir)
}

/// Changes of all kinds, some without effect, some of signatures that a snapshot has.
fn change(round: u8) -> Change {
    match round % 7 {
        3 => delete(round - 2),
        4 => retract(round - 4, "desk"),
        5 => add_by(round / 2, "edge/1"),
        6 => delete(200),
        _ => add(round),
    }
}

#[test]
fn compactions_change_nothing_and_leave_one_snapshot_and_one_segment() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open_compacting(dir.path(), 2_000).unwrap();
    let (mut whole, mut whole_table) = open(tempdir().unwrap().path()).unwrap();
    let mut compactions = 0;
    for round in 0..200 {
        commit(&mut opened.log, &mut table, &[change(round)]);
        commit(&mut whole.log, &mut whole_table, &[change(round)]);
        if opened.log.wants_compaction() {
            compact(&mut opened.log, &table);
            assert_eq!(told(&opened.log, &table), told(&whole.log, &whole_table), "{round}");
            compactions += 1;
        }
    }
    assert!(compactions >= 5, "{compactions}");
    let before = told(&opened.log, &table);
    assert_eq!(before, told(&whole.log, &whole_table));
    drop(opened);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "lock, snapshot, segment");
    assert_eq!(told_by(dir.path()), before);
}

#[test]
fn writes_during_a_merge_go_behind_it_and_are_found_at_every_moment() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open_compacting(dir.path(), 500).unwrap();
    let (mut whole, mut whole_table) = open(tempdir().unwrap().path()).unwrap();
    let mut ended = 0;
    for round in 0..=u8::MAX {
        commit(&mut opened.log, &mut table, &[change(round)]);
        commit(&mut whole.log, &mut whole_table, &[change(round)]);
        // Picked up whenever it happens to be ready, as the writer does.
        ended += opened.log.compacted().map_or(0, |ended| ended.map(|()| 1).unwrap());
        if opened.log.wants_compaction() {
            let reporters = table.reporters().collect();
            opened.log.begin_compaction(table.epoch(), reporters).unwrap();
        }
        if round % 8 == 0 {
            assert_eq!(told(&opened.log, &table), told(&whole.log, &whole_table), "{round}");
        }
    }
    ended += opened.log.wait_for_compaction().map_or(0, |ended| ended.map(|()| 1).unwrap());
    assert!(ended >= 3, "{ended}");
    let before = told(&opened.log, &table);
    drop(opened);
    assert_eq!(told_by(dir.path()), before);
}

#[test]
fn a_crash_between_the_steps_of_a_compaction_opens_to_the_same_table() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    for number in 1..=10 {
        commit(&mut opened.log, &mut table, &[add(number)]);
    }
    compact(&mut opened.log, &table);
    for number in 11..=20 {
        commit(&mut opened.log, &mut table, &[add(number)]);
    }
    let (old_snapshot, old_segment) = (snapshot_path(dir.path(), 10), segment(dir.path(), 10, 0));
    let old = [&old_snapshot, &old_segment].map(|path| fs::read(path).unwrap());
    compact(&mut opened.log, &table);
    commit(&mut opened.log, &mut table, &[add(21)]);
    let before = told(&opened.log, &table);
    drop(opened);
    let new_snapshot = fs::read(snapshot_path(dir.path(), 20)).unwrap();
    // Nothing was removed yet; then part of it was.
    fs::write(&old_segment, &old[1]).unwrap();
    fs::write(&old_snapshot, &old[0]).unwrap();
    assert_eq!(told_by(dir.path()), before);
    assert_eq!(Files::of(dir.path()).unwrap().snapshots.len(), 1, "tidied");
    fs::write(&old_snapshot, &old[0]).unwrap();
    assert_eq!(told_by(dir.path()), before);
    // The new snapshot was being written: the old files count, and the new segment behind them.
    fs::remove_file(snapshot_path(dir.path(), 20)).unwrap();
    fs::write(&old_snapshot, &old[0]).unwrap();
    fs::write(&old_segment, &old[1]).unwrap();
    for length in [0, 10, new_snapshot.len() / 2, new_snapshot.len()] {
        fs::write(dir.path().join(NEW), &new_snapshot[..length]).unwrap();
        assert_eq!(told_by(dir.path()), before);
        assert!(!dir.path().join(NEW).exists(), "tidied");
    }
    // The new segment was made and not written to, and the old one ends in a torn write.
    fs::write(segment(dir.path(), 20, 0), b"").unwrap();
    fs::write(&old_segment, [&old[1][..], &[0, 0, 1]].concat()).unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    assert_eq!((table.epoch(), opened.warnings.len()), (20, 1));
    commit(&mut opened.log, &mut table, &[add(21)]);
    assert_eq!(told(&opened.log, &table), before);
    drop(opened);
    assert_eq!(told_by(dir.path()), before);
}

#[test]
fn a_disk_that_is_full_in_the_merge_costs_nothing_and_the_next_one_comes_later() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open_compacting(dir.path(), 1_000).unwrap();
    let mut number = 0;
    while !opened.log.wants_compaction() {
        number += 1;
        commit(&mut opened.log, &mut table, &[add(number)]);
    }
    symlink("/dev/full", dir.path().join(NEW)).unwrap();
    let failed_at = opened.log.bytes();
    opened.log.begin_compaction(table.epoch(), table.reporters().collect()).unwrap();
    let failed = opened.log.wait_for_compaction().unwrap().unwrap_err();
    assert_eq!(failed.kind(), std::io::ErrorKind::StorageFull);
    while !opened.log.wants_compaction() {
        number += 1;
        commit(&mut opened.log, &mut table, &[add(number)]);
    }
    assert!(opened.log.bytes() > 2 * failed_at);
    let before = told(&opened.log, &table);
    drop(opened);
    assert_eq!(named(dir.path(), "log-").len(), 2);
    assert_eq!(told_by(dir.path()), before);
    // The disk has room again.
    let (mut opened, table) = open_compacting(dir.path(), 1_000).unwrap();
    compact(&mut opened.log, &table);
    assert_eq!(told(&opened.log, &table), before);
    only(dir.path(), "log-");
}

#[test]
fn a_snapshot_that_cannot_take_its_name_costs_nothing() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    commit(&mut opened.log, &mut table, &[add(1), add(2)]);
    let in_the_way = snapshot_path(dir.path(), 2);
    fs::create_dir(&in_the_way).unwrap();
    opened.log.begin_compaction(2, Vec::new()).unwrap();
    assert!(opened.log.wait_for_compaction().unwrap().is_err());
    commit(&mut opened.log, &mut table, &[add(3), delete(1)]);
    let before = told(&opened.log, &table);
    fs::remove_dir(&in_the_way).unwrap();
    compact(&mut opened.log, &table);
    assert_eq!(told(&opened.log, &table), before);
    drop(opened);
    assert_eq!(told_by(dir.path()), before);
}

#[test]
fn a_segment_that_cannot_be_begun_leaves_the_log_as_it_was() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    commit(&mut opened.log, &mut table, &[add(1)]);
    let in_the_way = segment(dir.path(), 1, 0);
    fs::create_dir(&in_the_way).unwrap();
    assert!(opened.log.begin_compaction(1, Vec::new()).is_err());
    assert!(opened.log.wait_for_compaction().is_none());
    commit(&mut opened.log, &mut table, &[add(2)]);
    let before = told(&opened.log, &table);
    drop(opened);
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(told_by(dir.path()), before);
}

#[test]
fn a_log_that_changes_nothing_is_compacted_all_the_same() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    commit(&mut opened.log, &mut table, &[add(1)]);
    for _ in 0..3 {
        for _ in 0..10 {
            commit(&mut opened.log, &mut table, &[delete(9)]);
        }
        compact(&mut opened.log, &table);
    }
    commit(&mut opened.log, &mut table, &[delete(9)]);
    let before = told(&opened.log, &table);
    drop(opened);
    only(dir.path(), "log-");
    only(dir.path(), "snapshot-");
    assert_eq!(told_by(dir.path()), before);
}

#[test]
fn a_log_that_is_let_go_ends_its_merge_before_it_gives_the_directory_back() {
    let dir = tempdir().unwrap();
    for round in 0..20 {
        let (mut opened, mut table) = open(dir.path()).unwrap();
        commit(&mut opened.log, &mut table, &[add(round)]);
        opened.log.begin_compaction(table.epoch(), table.reporters().collect()).unwrap();
        let before = told(&opened.log, &table);
        drop(opened);
        assert_eq!(told_by(dir.path()), before);
        assert!(Files::of(dir.path()).unwrap().snapshots.len() <= 1);
    }
}

#[test]
fn a_reader_beside_the_writer_sees_a_whole_table_while_files_come_and_go() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open_compacting(dir.path(), 500).unwrap();
    for round in 0..100 {
        commit(&mut opened.log, &mut table, &[add(round)]);
        if opened.log.wants_compaction() {
            opened.log.begin_compaction(table.epoch(), table.reporters().collect()).unwrap();
        }
        let mut read = Table::new(Rules::default());
        let position: Option<Position> = replay_into(dir.path(), &mut read).unwrap();
        assert_eq!((read.epoch(), read.len(), position), (table.epoch(), table.len(), None));
        let _ = opened.log.compacted();
    }
}

#[test]
fn two_processes_never_share_a_directory() {
    let dir = tempdir().unwrap();
    let opened = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Locked(_))));
    drop(opened);
    assert!(open(dir.path()).is_ok());
}
