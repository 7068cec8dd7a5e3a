//! Copies of a shared order: what they lose is read again from where they end.

use std::fs;

use tempfile::tempdir;

use super::*;
use crate::log::files::{INSTALL, SegmentId};
use crate::log::replay_into;

#[test]
fn a_copy_goes_up_to_its_last_whole_commit_wherever_it_was_hit() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    let mut ends = vec![0];
    for number in 1..=4 {
        commit_copy(&mut opened.log, &mut table, number.into(), &[add(number)]);
        ends.push(opened.log.bytes() as usize);
    }
    drop(opened);
    let path = only(dir.path(), "copy-");
    let whole = fs::read(&path).unwrap();
    for at_byte in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at_byte] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        let (mut opened, mut table) = open(dir.path()).unwrap();
        let kept = ends.iter().rposition(|end| *end <= at_byte).unwrap();
        assert_eq!(table.epoch(), kept as u64, "{at_byte}");
        let position = (kept > 0).then(|| at(kept as u64));
        assert_eq!((opened.position, opened.log.position()), (position, position));
        assert_eq!(opened.warnings.len(), 1);
        // What is missing is read again.
        for number in kept + 1..=4 {
            commit_copy(&mut opened.log, &mut table, number as u64, &[add(number as u8)]);
        }
        drop(opened);
        let (opened, table) = open(dir.path()).unwrap();
        assert_eq!((table.epoch(), opened.position), (4, Some(at(4))), "{at_byte}");
    }
}

#[test]
fn a_copy_that_lost_commits_before_a_later_segment_drops_that_one_too() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    commit_copy(&mut opened.log, &mut table, 1, &[add(1)]);
    commit_copy(&mut opened.log, &mut table, 2, &[add(2)]);
    // Rotated for a compaction that never ended.
    fs::create_dir(dir.path().join("snapshot.new")).unwrap();
    opened.log.begin_compaction(2, Vec::new()).unwrap();
    assert!(opened.log.wait_for_compaction().unwrap().is_err());
    commit_copy(&mut opened.log, &mut table, 3, &[add(3)]);
    drop(opened);
    fs::remove_dir(dir.path().join("snapshot.new")).unwrap();
    let first = named(dir.path(), "copy-")[0].clone();
    let bytes = fs::read(&first).unwrap();
    fs::write(&first, &bytes[..bytes.len() - 1]).unwrap();
    let mut read = Table::new(Rules::default());
    assert_eq!(replay_into(dir.path(), &mut read).unwrap(), Some(at(1)));
    let (opened, table) = open(dir.path()).unwrap();
    assert_eq!((table.epoch(), opened.position), (1, Some(at(1))));
    only(dir.path(), "copy-");
}

#[test]
fn originals_behind_a_damaged_copy_are_never_dropped() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    commit(&mut opened.log, &mut table, &[add(1)]);
    commit_copy(&mut opened.log, &mut table, 7, &[add(2)]);
    commit(&mut opened.log, &mut table, &[add(3)]);
    let before = told(&opened.log, &table);
    drop(opened);
    assert_eq!(told_by(dir.path()), before);
    assert_eq!((named(dir.path(), "log-").len(), named(dir.path(), "copy-").len()), (2, 1));
    let copy = only(dir.path(), "copy-");
    let bytes = fs::read(&copy).unwrap();
    fs::write(&copy, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Damaged { .. })));
    fs::write(&copy, &bytes).unwrap();
    assert_eq!(told_by(dir.path()), before);
}

#[test]
fn the_position_survives_a_compaction_and_a_commit_that_changes_nothing() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    commit_copy(&mut opened.log, &mut table, 4, &[add(1)]);
    commit_copy(&mut opened.log, &mut table, 5, &[delete(9)]);
    compact(&mut opened.log, &table);
    assert_eq!(
        opened.log.snapshot().map(|(epoch, position, _)| (epoch, position)),
        Some((1, Some(at(5))))
    );
    drop(opened);
    let (mut opened, mut table) = open(dir.path()).unwrap();
    assert_eq!(opened.position, Some(at(5)));
    commit_copy(&mut opened.log, &mut table, 6, &[]);
    drop(opened);
    assert_eq!(open(dir.path()).unwrap().0.position, Some(at(6)));
}

/// A node with 5 signatures at position 9, compacted.
fn peer(dir: &Path) -> (Opened, Table, Vec<String>) {
    let (mut opened, mut table) = open(dir).unwrap();
    for number in 11..=15 {
        commit_copy(&mut opened.log, &mut table, 9, &[add(number)]);
    }
    compact(&mut opened.log, &table);
    let told = told(&opened.log, &table);
    (opened, table, told)
}

#[test]
fn a_snapshot_from_a_peer_takes_the_place_of_everything() {
    let (theirs, own) = (tempdir().unwrap(), tempdir().unwrap());
    let (peer, _, expected) = peer(theirs.path());
    // Ahead of the peer, in an order that was lost.
    let (mut opened, mut table) = open(own.path()).unwrap();
    for number in 1..=40 {
        commit_copy(&mut opened.log, &mut table, 100, &[add(number)]);
    }
    compact(&mut opened.log, &table);
    commit_copy(&mut opened.log, &mut table, 101, &[add(50)]);
    let before = told(&opened.log, &table);
    let bytes = fs::read(peer.log.snapshot().unwrap().2).unwrap();
    let fetched = opened.log.fetched_path();
    // A damaged one changes nothing.
    for at_byte in [0, 40, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at_byte] ^= 1;
        fs::write(&fetched, &damaged).unwrap();
        let refused = opened.log.install_snapshot(&fetched, &mut Table::new(Rules::default()));
        assert!(matches!(refused, Err(OpenError::Damaged { .. })), "{at_byte}");
        assert_eq!(told(&opened.log, &table), before);
    }
    fs::write(&fetched, &bytes).unwrap();
    let histories = opened.log.histories();
    let mut table = Table::new(Rules::default());
    let position = opened.log.install_snapshot(&fetched, &mut table).unwrap();
    assert_eq!((position, told(&opened.log, &table)), (Some(at(9)), expected));
    let gone = histories.history(name(50).kind, &prefix(&name(50))).unwrap();
    assert_eq!(gone, None, "handles follow");
    // It goes on from there.
    commit_copy(&mut opened.log, &mut table, 10, &[add(60)]);
    let after = told(&opened.log, &table);
    drop(opened);
    assert_eq!(told_by(own.path()), after);
}

#[test]
fn an_installation_that_was_cut_short_is_finished_by_the_next_start() {
    let (theirs, own) = (tempdir().unwrap(), tempdir().unwrap());
    let (peer, _, expected) = peer(theirs.path());
    let (mut opened, mut table) = open(own.path()).unwrap();
    for number in 1..=40 {
        commit_copy(&mut opened.log, &mut table, 100, &[add(number)]);
    }
    drop(opened);
    fs::copy(peer.log.snapshot().unwrap().2, own.path().join(INSTALL)).unwrap();
    assert_eq!(told_by(own.path()), expected);
    assert_eq!(open(own.path()).unwrap().0.position, Some(at(9)));
    assert!(!own.path().join(INSTALL).exists());
    let old = SegmentId { epoch: 0, number: 1, is_copy: true };
    assert!(!old.path(own.path()).exists());
}
