//! What a crash may leave, byte by byte.

use std::fs;
use std::path::Path;

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};
use tempfile::tempdir;

use super::local::{COMPACT_BYTES, LocalLog, Opened};
use super::{AppendError, Durability, OpenError, frame, record};

fn name(number: u8) -> Signature {
    let kind = if number.is_multiple_of(2) { SignatureKind::Text } else { SignatureKind::Link };
    Signature { kind, value: [number; 16] }
}

fn add(number: u8) -> Change {
    let text = name(number).kind == SignatureKind::Text;
    Change::Add {
        signature: name(number),
        sketch: text.then(|| Sketch([u16::from(number); 32])),
        class: Class::Phishing,
        weight: 33,
        reporter: "desk".to_owned(),
        authority: Authority::Operator,
        at_unix_s: 1_800_000_000,
    }
}

fn delete(number: u8) -> Change {
    Change::Delete { signature: name(number), reporter: "desk".to_owned(), at_unix_s: 5 }
}

fn open(dir: &Path) -> Result<(Opened, Table), OpenError> {
    let mut table = Table::new(Rules::default());
    let opened = LocalLog::open(dir, &mut table, COMPACT_BYTES)?;
    Ok((opened, table))
}

fn commit(log: &mut LocalLog, table: &mut Table, changes: &[Change]) {
    log.append(table.epoch(), None, changes, Durability::Synced).unwrap();
    for change in changes {
        table.replay(change).unwrap();
    }
}

/// Everything that a table would tell.
fn told(table: &Table) -> Vec<String> {
    let mut all: Vec<_> = table.export().map(|saved| format!("{saved:?}")).collect();
    all.sort();
    all.push(format!("epoch {}", table.epoch()));
    all
}

fn only_segment(dir: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let named =
        |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("log-");
    let segments: Vec<_> = files.filter(named).collect();
    assert_eq!(segments.len(), 1);
    segments[0].clone()
}

#[test]
fn records_read_back_what_was_written_and_refuse_every_cut() {
    let changes = vec![add(1), add(2), delete(1)];
    let bytes = record::commit(7, None, &changes);
    assert_eq!(record::read_commit(&bytes), Some(record::Commit { epoch_before: 7, position: None, changes }));
    for length in 0..bytes.len() {
        assert_eq!(record::read_commit(&bytes[..length]), None, "{length}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert_eq!(record::read_commit(&longer), None);
}

#[test]
fn after_a_cut_at_any_byte_every_acknowledged_commit_is_there() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    // What the table told, and how long the log was, after each acknowledged commit.
    let mut acknowledged = vec![(0, told(&table))];
    let groups: [&[Change]; 5] =
        [&[add(1), add(2)], &[add(3)], &[delete(2), add(4)], &[delete(9)], &[add(6)]];
    for group in groups {
        commit(&mut opened.log, &mut table, group);
        acknowledged.push((opened.log.bytes(), told(&table)));
    }
    drop(opened);
    let whole = fs::read(only_segment(dir.path())).unwrap();
    assert_eq!(whole.len() as u64, acknowledged.last().unwrap().0);
    for cut in 0..=whole.len() {
        let copy = tempdir().unwrap();
        fs::write(copy.path().join(format!("log-{:020}", 0)), &whole[..cut]).unwrap();
        let (opened, table) = open(copy.path()).unwrap();
        let (length, expected) = acknowledged.iter().rfind(|(at, _)| *at <= cut as u64).unwrap();
        assert_eq!(told(&table), *expected, "cut at {cut}");
        assert_eq!(opened.warnings.len(), usize::from(*length != cut as u64), "cut at {cut}");
        // And it goes on from there.
        let (mut opened, mut table) = (opened, table);
        commit(&mut opened.log, &mut table, &[add(8)]);
        let before = told(&table);
        drop(opened);
        assert_eq!(told(&open(copy.path()).unwrap().1), before, "cut at {cut}");
    }
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
    let whole = fs::read(only_segment(dir.path())).unwrap();
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
    let whole = fs::read(only_segment(dir.path())).unwrap();
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
    let refused = opened.log.append(table.epoch(), None, &[add(2)], Durability::Synced).unwrap_err();
    // Found before anything was tried.
    assert!(matches!(refused, AppendError::Broken(_)), "{refused:?}");
    assert!(refused.to_string().contains("the segment has 0 bytes instead of"), "{refused}");
}

#[test]
fn compaction_changes_nothing_and_leaves_one_snapshot_and_one_segment() {
    let dir = tempdir().unwrap();
    let mut table = Table::new(Rules::default());
    let mut opened = LocalLog::open(dir.path(), &mut table, 2_000).unwrap();
    let mut compactions = 0;
    for round in 0..200_u8 {
        let change = if round % 3 == 2 { delete(round - 1) } else { add(round) };
        commit(&mut opened.log, &mut table, &[change]);
        if opened.log.wants_compaction() {
            opened.log.compact(&table).unwrap();
            compactions += 1;
        }
    }
    assert!(compactions >= 2, "{compactions}");
    let before = told(&table);
    drop(opened);
    let files = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, 3, "lock, snapshot, segment");
    let (_opened, table) = open(dir.path()).unwrap();
    assert_eq!(told(&table), before);
    for number in 0..200 {
        let item = Item::exact(name(number));
        assert_eq!(
            table.ask(&item, 0).is_some(),
            before.iter().any(|line| line.contains(&name(number).to_string()))
        );
    }
}

#[test]
fn a_crash_between_the_steps_of_a_compaction_opens_to_the_same_table() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    for number in 1..=20 {
        commit(&mut opened.log, &mut table, &[add(number)]);
    }
    let segment = only_segment(dir.path());
    let old = fs::read(&segment).unwrap();
    opened.log.compact(&table).unwrap();
    let before = told(&table);
    drop(opened);
    // The old segment was not removed yet.
    fs::write(&segment, &old).unwrap();
    assert_eq!(told(&open(dir.path()).unwrap().1), before);
    // The new segment was not made yet.
    fs::remove_file(dir.path().join(format!("log-{:020}", 20))).unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    assert_eq!(told(&table), before);
    commit(&mut opened.log, &mut table, &[add(21)]);
    drop(opened);
    assert_eq!(told(&open(dir.path()).unwrap().1), told(&table));
    // A snapshot was being written.
    fs::write(dir.path().join("snapshot.new"), b"half").unwrap();
    assert_eq!(told(&open(dir.path()).unwrap().1), told(&table));
}

#[test]
fn a_snapshot_is_whole_or_not_believed() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    for number in 1..=5 {
        commit(&mut opened.log, &mut table, &[add(number)]);
    }
    opened.log.compact(&table).unwrap();
    drop(opened);
    let path = dir.path().join(format!("snapshot-{:020}", 5));
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(matches!(open(dir.path()), Err(OpenError::Damaged { .. })), "cut at {cut}");
    }
    fs::write(&path, &whole).unwrap();
    assert!(open(dir.path()).is_ok());
}

#[test]
fn a_missing_snapshot_is_noticed_by_the_gap_in_the_epochs() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    commit(&mut opened.log, &mut table, &[add(1)]);
    opened.log.compact(&table).unwrap();
    commit(&mut opened.log, &mut table, &[add(2)]);
    drop(opened);
    fs::remove_file(dir.path().join(format!("snapshot-{:020}", 1))).unwrap();
    let error = open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("changes after epoch 1 follow epoch 0"), "{error}");
}

#[test]
fn two_processes_never_share_a_directory() {
    let dir = tempdir().unwrap();
    let opened = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Locked(_))));
    drop(opened);
    assert!(open(dir.path()).is_ok());
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
    let whole = fs::OpenOptions::new().append(true).open(only_segment(dir.path())).unwrap();
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
