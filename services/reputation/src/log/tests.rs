//! What stays of a log, whatever happens to it.

mod compaction;
mod copies;
mod cuts;
mod full;
mod histories;
mod snapshots;
mod speed;

use std::fs;
use std::path::{Path, PathBuf};

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};

use super::local::{COMPACT_BYTES, LocalLog, Opened};
use super::{Durability, OpenError, Position};

fn name(number: u8) -> Signature {
    let kind = if number.is_multiple_of(2) { SignatureKind::Text } else { SignatureKind::Link };
    Signature { kind, value: [number; 16] }
}

fn prefix(signature: &Signature) -> [u8; 12] {
    *signature.value.first_chunk().unwrap()
}

fn add_by(number: u8, reporter: &str) -> Change {
    let text = name(number).kind == SignatureKind::Text;
    Change::Add {
        signature: name(number),
        sketch: text.then(|| Sketch([u16::from(number); 32])),
        class: Class::Phishing,
        weight: 33,
        reporter: reporter.to_owned(),
        authority: Authority::Operator,
        at_unix_s: 1_800_000_000,
    }
}

fn add(number: u8) -> Change {
    add_by(number, "desk")
}

fn retract(number: u8, reporter: &str) -> Change {
    let reporter = reporter.to_owned();
    Change::Retract { signature: name(number), reporter, at_unix_s: 1_800_000_001 }
}

fn delete(number: u8) -> Change {
    Change::Delete {
        signature: name(number),
        reporter: "desk".to_owned(),
        at_unix_s: 1_800_000_002,
    }
}

const fn at(ms: u64) -> Position {
    Position { ms, seq: 1 }
}

fn open(dir: &Path) -> Result<(Opened, Table), OpenError> {
    open_compacting(dir, COMPACT_BYTES)
}

fn open_compacting(dir: &Path, bytes: u64) -> Result<(Opened, Table), OpenError> {
    let mut table = Table::new(Rules::default());
    let opened = LocalLog::open(dir, &mut table, bytes)?;
    Ok((opened, table))
}

fn commit(log: &mut LocalLog, table: &mut Table, changes: &[Change]) {
    log.append(table.epoch(), None, changes, Durability::Synced).unwrap();
    replay(table, changes);
}

fn commit_copy(log: &mut LocalLog, table: &mut Table, ms: u64, changes: &[Change]) {
    log.append(table.epoch(), Some(at(ms)), changes, Durability::Buffered).unwrap();
    replay(table, changes);
}

fn replay(table: &mut Table, changes: &[Change]) {
    for change in changes {
        table.replay(change).unwrap();
    }
}

fn compact(log: &mut LocalLog, table: &Table) {
    log.begin_compaction(table.epoch(), table.reporters().collect()).unwrap();
    log.wait_for_compaction().unwrap().unwrap();
}

/// A directory with a snapshot of some blocks.
pub(super) fn many(dir: &Path) {
    let (mut opened, mut table) = open(dir).unwrap();
    for number in 0..=u8::MAX {
        let reporters = (0..100).map(|reporter| add_by(number, &format!("organisation{reporter}")));
        let changes: Vec<_> = reporters.collect();
        opened.log.append(table.epoch(), None, &changes, Durability::Buffered).unwrap();
        replay(&mut table, &changes);
    }
    compact(&mut opened.log, &table);
}

/// Everything that table and histories tell.
fn told(log: &LocalLog, table: &Table) -> Vec<String> {
    let histories = log.histories();
    let mut all = vec![format!("epoch {}, {} signatures", table.epoch(), table.len())];
    for number in 0..=u8::MAX {
        let name = name(number);
        let listing = table.ask(&Item::exact(name), 1_800_000_010);
        let history = histories.history(name.kind, &prefix(&name)).unwrap();
        assert_eq!(listing.is_some(), history.is_some(), "{number}");
        if let Some(history) = history {
            all.push(format!("{listing:?} {history:?}"));
        }
    }
    let mut reporters: Vec<_> = table.reporters().map(|record| format!("{record:?}")).collect();
    reporters.sort();
    all.extend(reporters);
    all
}

fn told_by(dir: &Path) -> Vec<String> {
    let (opened, table) = open(dir).unwrap();
    told(&opened.log, &table)
}

fn named(dir: &Path, beginning: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_named = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning))
    };
    let mut named: Vec<_> = files.filter(is_named).collect();
    named.sort();
    named
}

fn only(dir: &Path, beginning: &str) -> PathBuf {
    let named = named(dir, beginning);
    assert_eq!(named.len(), 1, "{named:?}");
    named[0].clone()
}
