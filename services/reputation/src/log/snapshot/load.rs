//! A snapshot into a table: one thread reads, verifies and decodes blocks while the other fills the table.

use std::collections::HashSet;
use std::sync::mpsc::{self, SyncSender};

use tamis_domain::digest::SignatureKind;
use tamis_reputation_protocol::signatures::{Refused, Saved, Table};

use super::Snapshot;
use crate::log::OpenError;
use crate::log::record::{self, Key};

/// Decoded blocks between the two threads: enough that neither waits for each single one, 0.2 MB each.
const BLOCKS_AHEAD: usize = 8;

/// The signatures of a block, and where it stands.
type Block = Result<(u64, Vec<Saved>), OpenError>;

pub(super) fn load(snapshot: &Snapshot, table: &mut Table) -> Result<u64, OpenError> {
    reserve(snapshot, table);
    for reporter in snapshot.reporters()? {
        let loaded = table.load_reporter(&reporter);
        let reporters_at = snapshot.foot.reporters_at;
        loaded.map_err(|refused| snapshot.damaged(reporters_at, &refused.to_string()))?;
    }
    let mut crowded = Crowded::default();
    let mut found = [0_u64; SignatureKind::ALL.len()];
    std::thread::scope(|scope| {
        let (blocks, decoded) = mpsc::sync_channel(BLOCKS_AHEAD);
        scope.spawn(move || decode(snapshot, &blocks));
        for block in decoded {
            let (at, block) = block?;
            for saved in &block {
                let loaded = crowded.load(table, saved);
                loaded.map_err(|refused| snapshot.damaged(at, &refused.to_string()))?;
                // Not those of the table: it leaves out what another shard keeps.
                let kinds = SignatureKind::ALL.iter();
                let kind = kinds.zip(&mut found).find(|(kind, _)| **kind == saved.signature.kind);
                kind.into_iter().for_each(|(_, count)| *count += 1);
            }
        }
        Ok(())
    })?;
    for (kind, found) in SignatureKind::ALL.into_iter().zip(found) {
        let count = snapshot.counts().iter().find(|count| count.kind == kind);
        let written = count.map_or(0, |count| count.signatures);
        if written != found {
            let what = format!("{found} signatures of kind {} instead of {written}", kind.word());
            return Err(snapshot.damaged(snapshot.foot.index_at, &what));
        }
    }
    table.at_epoch(snapshot.epoch());
    Ok(crowded.skipped)
}

/// What a full table has no room for: it stands in the log, since others were under way and took the last room.
#[derive(Default)]
struct Crowded {
    skipped: u64,
    /// All names, once there is no room for another.
    names: Option<HashSet<String>>,
}

impl Crowded {
    fn load(&mut self, table: &mut Table, saved: &Saved) -> Result<(), Refused> {
        match table.load(saved) {
            Err(Refused::TooManyReporters) => self.known_alone(table, saved),
            Err(refused) if refused.is_limit() => {
                self.skipped += saved.reports.len() as u64;
                Ok(())
            }
            other => other,
        }
    }

    /// The reports of those whose names are known, as the table has it that took the changes.
    fn known_alone(&mut self, table: &mut Table, saved: &Saved) -> Result<(), Refused> {
        let names = self.names.get_or_insert_with(|| table.reporters().map(|it| it.name).collect());
        let mut known = saved.clone();
        known.reports.retain(|told| names.contains(&told.reporter));
        self.skipped += (saved.reports.len() - known.reports.len()) as u64;
        if known.reports.is_empty() { Ok(()) } else { table.load(&known) }
    }
}

fn reserve(snapshot: &Snapshot, table: &mut Table) {
    let range = table.rules().shard.unwrap_or_default();
    let sum = |count: fn(&super::Count) -> u64| {
        let all = usize::try_from(snapshot.counts().iter().map(count).sum::<u64>()).unwrap_or(0);
        range.share_of(all)
    };
    table.reserve(sum(|count| count.signatures - count.sketched), sum(|count| count.sketched));
}

/// Sends the blocks in order until the end, the first error, or nobody listens.
fn decode(snapshot: &Snapshot, blocks: &SyncSender<Block>) {
    let mut last = None;
    for number in 0..snapshot.blocks() {
        let block = decode_block(snapshot, number, &mut last);
        let is_bad = block.is_err();
        if blocks.send(block).is_err() || is_bad {
            return;
        }
    }
}

fn decode_block(snapshot: &Snapshot, number: usize, last: &mut Option<Key>) -> Block {
    let at = snapshot.index.get(number).map_or(0, |entry| entry.at);
    let payload = snapshot.block(number)?;
    let saved = record::read_saved(&payload);
    let saved = saved.ok_or_else(|| snapshot.damaged(at, "no such record"))?;
    for one in &saved {
        let key = Some(Key::of(&one.signature));
        if *last >= key {
            return Err(snapshot.damaged(at, "signatures out of order"));
        }
        *last = key;
    }
    Ok((at, saved))
}
