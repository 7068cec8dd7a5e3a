//! A log with more names of reporters than a table takes: several writes were under way at the same time.

use tamis_reputation_protocol::signatures::REPORTER_NAMES_MAX;

use super::*;

fn opened(dir: &Path) -> (Opened, Table) {
    let mut table = Table::new(Rules::default());
    let opened = LocalLog::open(dir, &mut table, COMPACT_BYTES).unwrap();
    (opened, table)
}

/// Signatures that the first names report, 64 names each: of a longer list every report costs more.
const LISTED: usize = REPORTER_NAMES_MAX / 64;

fn add_of(number: usize) -> Change {
    let mut change = add_by(1, &format!("r{number}"));
    if let Change::Add { signature, .. } = &mut change {
        signature.value[..8].copy_from_slice(&((number / 64) as u64).to_be_bytes());
    }
    change
}

#[test]
fn a_change_for_which_there_was_no_name_left_stands_in_the_log_and_the_next_start_reads_on() {
    let dir = tempfile::tempdir().unwrap();
    let (Opened { mut log, .. }, mut table) = opened(dir.path());
    let mut write = |changes: &[Change], table: &mut Table| {
        log.append(table.epoch(), None, changes, Durability::Buffered).unwrap();
        changes.iter().filter(|change| table.replay(change).is_err()).count()
    };
    let names: Vec<Change> = (0..REPORTER_NAMES_MAX).map(add_of).collect();
    for some in names.chunks(4_096) {
        assert_eq!(write(some, &mut table), 0);
    }
    let late = [add_by(3, "one more"), add_by(3, "r7"), add_by(5, "another")];
    assert_eq!(write(&late, &mut table), 2);
    assert_eq!(write(&[add_by(7, "r8")], &mut table), 0);
    assert_eq!(table.epoch(), REPORTER_NAMES_MAX as u64 + 4);
    drop(log);
    let (Opened { mut log, warnings, .. }, read) = opened(dir.path());
    assert!(warnings.join("; ").starts_with("2 reports"), "{warnings:?}");
    assert_eq!((read.epoch(), read.len()), (table.epoch(), LISTED + 2));
    compact(&mut log, &read);
    drop(log);
    let (Opened { warnings, .. }, read) = opened(dir.path());
    assert!(warnings.join("; ").starts_with("2 reports"), "{warnings:?}");
    assert_eq!(
        (read.epoch(), read.len()),
        (table.epoch(), LISTED + 2),
        "of a snapshot as of a segment"
    );
}
