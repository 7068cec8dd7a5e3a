//! Snapshots: whole or not believed, and found in by one block.

use std::fs;

use tamis_reputation_protocol::signatures::{Named, ReportTold, ReporterRecord, Saved};
use tempfile::tempdir;

use super::*;
use crate::log::frame;
use crate::log::snapshot::{self, BLOCK_BYTES, Foot, Snapshot, Writer};

#[test]
fn a_snapshot_is_whole_or_not_believed() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    for number in 1..=5 {
        commit(&mut opened.log, &mut table, &[add_by(number, &format!("org{number}"))]);
    }
    compact(&mut opened.log, &table);
    let before = told(&opened.log, &table);
    drop(opened);
    let path = only(dir.path(), "snapshot-");
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(matches!(open(dir.path()), Err(OpenError::Damaged { .. })), "cut at {cut}");
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x04;
        fs::write(&path, &damaged).unwrap();
        assert!(matches!(open(dir.path()), Err(OpenError::Damaged { .. })), "damaged at {at}");
    }
    fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Damaged { .. })), "longer");
    fs::write(&path, &whole).unwrap();
    assert_eq!(told_by(dir.path()), before);
}

#[test]
fn a_missing_snapshot_is_noticed_by_the_gap_in_the_epochs() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    commit(&mut opened.log, &mut table, &[add(1)]);
    compact(&mut opened.log, &table);
    commit(&mut opened.log, &mut table, &[add(2)]);
    drop(opened);
    fs::remove_file(only(dir.path(), "snapshot-")).unwrap();
    let error = open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("changes after epoch 1 follow epoch 0"), "{error}");
}

/// Text `number` of many, with a sketch and one report.
pub(super) fn saved(number: u64) -> Saved {
    let mut value = [0; 16];
    // Big-endian first, so that they come in order.
    value[..8].copy_from_slice(&(number.wrapping_mul(0x0001_0000_0000)).to_be_bytes());
    value[8..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let lane = |lane: u64| ((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ lane) >> 40) as u16;
    let lanes = std::array::from_fn(|at| lane(at as u64 * 0x1000_0001));
    Saved {
        signature: Signature { kind: SignatureKind::Text, value },
        sketch: Some(Sketch(lanes)),
        reports: vec![ReportTold {
            reporter: "desk".to_owned(),
            class: Class::Spam,
            weight: 50,
            first_unix_s: 1_800_000_000,
            last_unix_s: 1_800_000_000,
            times: 1,
            authority: Authority::Operator,
            named: [Named::Nothing, Named::Stored, Named::Other][number as usize % 3],
            is_contradicted: number % 2 == 1,
        }],
        changed_epoch: number + 1,
    }
}

pub(super) fn write(dir: &Path, count: u64) -> Snapshot {
    let mut writer = Writer::begin(dir, count, Some(at(8))).unwrap();
    for number in 0..count {
        writer.push(&saved(number)).unwrap();
    }
    let reporter =
        ReporterRecord { name: "desk".to_owned(), last_day: 20_833, ..Default::default() };
    writer.finish(&[reporter]).unwrap()
}

#[test]
fn every_signature_is_found_in_its_block_and_none_between_them() {
    const COUNT: u64 = 2_000;
    let dir = tempdir().unwrap();
    let snapshot = write(dir.path(), COUNT);
    assert!(snapshot.blocks() > 5 && snapshot.bytes() > 5 * BLOCK_BYTES as u64);
    assert_eq!((snapshot.epoch(), snapshot.position()), (COUNT, Some(at(8))));
    for number in 0..COUNT {
        let saved = saved(number);
        let mut key = prefix(&saved.signature);
        assert_eq!(snapshot.find(SignatureKind::Text, &key).unwrap(), Some(saved), "{number}");
        assert_eq!(snapshot.find(SignatureKind::Link, &key).unwrap(), None, "{number}");
        key[11] ^= 1;
        assert_eq!(snapshot.find(SignatureKind::Text, &key).unwrap(), None, "{number}");
    }
    assert_eq!(snapshot.find(SignatureKind::Text, &[0xff; 12]).unwrap(), None);
    let mut table = Table::new(Rules::default());
    assert_eq!(snapshot::read(snapshot.path(), &mut table).unwrap(), Some(at(8)));
    assert_eq!((table.len() as u64, table.epoch()), (COUNT, COUNT));
}

#[test]
fn a_snapshot_of_the_former_format_is_told_by_name_and_not_as_damage() {
    let dir = tempdir().unwrap();
    let snapshot = write(dir.path(), 3);
    let mut bytes = fs::read(snapshot.path()).unwrap();
    let mut head = Vec::new();
    frame::push(&mut head, &[&[2][..], &3_u64.to_be_bytes()].concat());
    bytes[..head.len()].copy_from_slice(&head);
    fs::write(snapshot.path(), &bytes).unwrap();
    let refused = Snapshot::open(snapshot.path()).unwrap_err();
    assert!(matches!(refused, OpenError::Format { format: 2, .. }), "{refused}");
    assert!(open(dir.path()).unwrap_err().to_string().contains("format 2"));
}

#[test]
fn an_empty_snapshot_is_one_too() {
    let dir = tempdir().unwrap();
    let snapshot = Writer::begin(dir.path(), 3, None).unwrap().finish(&[]).unwrap();
    let mut table = Table::new(Rules::default());
    assert_eq!(snapshot::read(snapshot.path(), &mut table).unwrap(), None);
    assert_eq!((table.len(), table.epoch(), snapshot.blocks()), (0, 3, 0));
    assert_eq!(snapshot.find(SignatureKind::Text, &[0; 12]).unwrap(), None);
}

#[test]
fn signatures_out_of_order_are_not_written() {
    let dir = tempdir().unwrap();
    let mut writer = Writer::begin(dir.path(), 3, None).unwrap();
    writer.push(&saved(2)).unwrap();
    assert!(writer.push(&saved(2)).is_err());
    assert!(writer.push(&saved(1)).is_err());
    writer.push(&saved(3)).unwrap();
}

#[test]
fn a_foot_that_promises_more_than_its_file_holds_is_refused_before_memory_is_taken() {
    let dir = tempdir().unwrap();
    let snapshot = write(dir.path(), 100);
    let count = snapshot.counts()[0];
    assert_eq!((count.signatures, count.sketched), (100, 100));
    let foot = |signatures, sketched| Foot {
        epoch: 1,
        position: None,
        segment: 0,
        reporters_at: 91 * 100,
        index_at: 91 * 100,
        reporters: 0,
        counts: vec![snapshot::Count { kind: SignatureKind::Text, signatures, sketched }],
    };
    let read = |foot: Foot| Foot::read(&foot.to_bytes(), 91 * 100);
    assert!(read(foot(100, 100)).is_some());
    assert!(read(foot(101, 100)).is_none());
    assert!(read(foot(100, 101)).is_none());
    assert!(read(foot(u64::MAX, 0)).is_none());
    assert!(read(foot(u64::MAX / 27, u64::MAX / 64)).is_none());
}

#[test]
fn many_reporters_come_back_in_their_order() {
    let dir = tempdir().unwrap();
    let reporter = |number: u32| ReporterRecord {
        name: format!("organisation-{number}.example.org/a-host-with-a-name"),
        confirmed: number,
        contradicted: number / 3,
        last_day: number as u16,
    };
    let reporters: Vec<_> = (0..5_000).map(reporter).collect();
    let snapshot = Writer::begin(dir.path(), 3, None).unwrap().finish(&reporters).unwrap();
    assert_eq!(snapshot.reporters().unwrap(), reporters);
}
