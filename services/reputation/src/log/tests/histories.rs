//! What was reported of one signature, found wherever it stands.

use std::collections::HashMap;

use tamis_reputation_protocol::signatures::Saved;
use tempfile::tempdir;

use super::*;
use crate::log::memory::MemoryLog;

/// Histories as they must be, kept in the plainest way.
#[derive(Default)]
struct Model {
    all: HashMap<Signature, Saved>,
    epoch: u64,
}

impl Model {
    fn take(&mut self, change: &Change) {
        let name = *change.signature();
        let before = self.all.remove(&name);
        let after = match before.clone() {
            None => Saved::begun(change, self.epoch + 1),
            Some(mut saved) => saved.apply(change, self.epoch + 1).then_some(saved),
        };
        self.epoch += u64::from(before != after);
        after.map(|after| self.all.insert(name, after));
    }
}

/// A generator of numbers (Marsaglia's xorshift), so that the same seed tries the same.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn change(&mut self) -> Change {
        let number = self.below(40) as u8;
        let reporter = ["desk", "edge/1", "edge/2", "a-much-longer-name/of-a-host.example.org"]
            [self.below(4) as usize];
        match self.below(10) {
            0 => delete(number),
            1 | 2 => retract(number, reporter),
            _ => add_by(number, reporter),
        }
    }
}

#[test]
fn disk_and_memory_tell_what_a_plain_model_tells_through_compactions_and_starts() {
    let dir = tempdir().unwrap();
    let mut numbers = Seeded(0x7a31_5eed);
    let (memory, mut model) = (MemoryLog::default(), Model::default());
    let (mut opened, mut table) = open_compacting(dir.path(), 3_000).unwrap();
    for round in 0..600 {
        let change = numbers.change();
        memory.append(table.epoch(), std::slice::from_ref(&change));
        model.take(&change);
        commit(&mut opened.log, &mut table, &[change]);
        assert_eq!(table.epoch(), model.epoch, "{round}");
        let _ = opened.log.compacted();
        if opened.log.wants_compaction() {
            opened.log.begin_compaction(table.epoch(), table.reporters().collect()).unwrap();
        }
        if round % 50 == 49 {
            drop(opened);
            (opened, table) = open_compacting(dir.path(), 3_000).unwrap();
        }
        if round % 10 == 9 {
            for handle in [opened.log.histories(), memory.histories()] {
                for number in 0..40 {
                    let name = name(number);
                    let history = handle.history(name.kind, &prefix(&name)).unwrap();
                    assert_eq!(history.as_ref(), model.all.get(&name), "{round} {number}");
                }
            }
        }
    }
    assert!(opened.log.snapshot().is_some());
}

#[test]
fn the_epoch_of_a_change_is_at_most_short_by_the_deletions_before_it_in_its_commit() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    commit(&mut opened.log, &mut table, &[add(1), add(2)]);
    commit(&mut opened.log, &mut table, &[delete(1), add(3), delete(9), add(4)]);
    let epoch = |log: &LocalLog, number| {
        let name = name(number);
        log.histories().history(name.kind, &prefix(&name)).unwrap().map(|it| it.changed_epoch)
    };
    assert_eq!(table.epoch(), 5);
    let told: Vec<_> = (1..=4).map(|number| epoch(&opened.log, number)).collect();
    assert_eq!(told, [None, Some(2), Some(3), Some(4)]);
    compact(&mut opened.log, &table);
    let again: Vec<_> = (1..=4).map(|number| epoch(&opened.log, number)).collect();
    assert_eq!(again, told);
}

#[test]
fn a_handle_reads_on_while_another_thread_writes_and_compacts() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open_compacting(dir.path(), 400).unwrap();
    commit(&mut opened.log, &mut table, &[add(7)]);
    let histories = opened.log.histories();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = 0;
            while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                let found = histories.history(name(7).kind, &prefix(&name(7))).unwrap();
                assert_eq!(found.unwrap().changed_epoch, 1);
                looks += 1;
            }
            looks
        });
        for round in 0..300_u16 {
            commit(&mut opened.log, &mut table, &[add(100 + (round % 100) as u8)]);
            let _ = opened.log.compacted();
            if opened.log.wants_compaction() {
                opened.log.begin_compaction(table.epoch(), Vec::new()).unwrap();
            }
        }
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(looks > 0);
    assert!(opened.log.snapshot().is_some());
}

#[test]
fn a_change_that_was_damaged_on_disk_is_an_error_and_never_a_history() {
    let dir = tempdir().unwrap();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    commit(&mut opened.log, &mut table, &[add(1)]);
    let path = only(dir.path(), "log-");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = opened.log.histories().history(name(1).kind, &prefix(&name(1))).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}
