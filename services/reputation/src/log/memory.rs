//! Histories where no directory is set: in memory, and gone with the process. As many as the table lists, and so bounded
//! by its limit; packed as they would be on disk, about 160 bytes a text with one report.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tamis_reputation_protocol::signatures::{Change, Saved};

use super::histories::{Histories, Source};
use super::record::{self, Key};
use super::segment;

/// The log of a service that keeps nothing.
#[derive(Debug, Default)]
pub struct MemoryLog(Arc<Memory>);

#[derive(Debug, Default)]
pub(super) struct Memory(RwLock<HashMap<Key, Box<[u8]>>>);

impl MemoryLog {
    /// Takes changes that follow `epoch_before` and that the table accepted.
    pub fn append(&self, epoch_before: u64, changes: &[Change]) {
        let mut all = self.0.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut epoch = epoch_before;
        for change in changes {
            let key = Key::of(change.signature());
            let before = all.get(&key).and_then(|bytes| unpacked(bytes));
            let after = segment::apply(before.clone(), change, epoch + 1);
            epoch += u64::from(before != after);
            match after {
                Some(after) => all.insert(key, packed(&after)),
                None => all.remove(&key),
            };
        }
    }

    /// The way to look one up.
    #[must_use]
    pub fn histories(&self) -> Histories {
        Histories(Source::Memory(Arc::clone(&self.0)))
    }
}

impl Memory {
    pub fn history(&self, key: Key) -> Option<Saved> {
        unpacked(self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key)?)
    }
}

fn packed(saved: &Saved) -> Box<[u8]> {
    let mut bytes = Vec::new();
    record::push_saved(&mut bytes, saved);
    bytes.into()
}

fn unpacked(bytes: &[u8]) -> Option<Saved> {
    record::read_saved(bytes)?.pop()
}
