//! Looks up what was reported of one signature, while the log goes on.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tamis_domain::digest::SignatureKind;
use tamis_reputation_protocol::signatures::Saved;

use super::memory::Memory;
use super::record::Key;
use super::segment::Segment;
use super::snapshot::Snapshot;

/// The histories of one service. Cheap to clone; what it was cloned from may go.
#[derive(Clone, Debug)]
pub struct Histories(pub(super) Source);

#[derive(Clone, Debug)]
pub(super) enum Source {
    Disk(Arc<Present>),
    Memory(Arc<Memory>),
}

impl Histories {
    /// What was reported of the signature with this kind and beginning of its value, all acknowledged changes included;
    /// none when it is not listed. Reads the disk: one block of the snapshot and what was written since. A deletion or
    /// retraction that stands before a change in the same commit is not counted in its epoch.
    ///
    /// # Errors
    /// The disk's, or damage.
    pub fn history(
        &self,
        kind: SignatureKind,
        value_prefix: &[u8; 12],
    ) -> io::Result<Option<Saved>> {
        let key = Key::new(kind, value_prefix);
        let present = match &self.0 {
            Source::Memory(memory) => return Ok(memory.history(key)),
            Source::Disk(present) => present.in_force(),
        };
        let mut saved = match &present.snapshot {
            Some(snapshot) => snapshot.find_key(key)?,
            None => None,
        };
        for segment in &present.segments {
            saved = segment.applied_to(saved, key)?;
        }
        Ok(saved)
    }

    /// The last snapshot, if there is one: to send it to another node. It stays readable when the next replaces it.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        match &self.0 {
            Source::Memory(_) => None,
            Source::Disk(present) => present.in_force().snapshot.clone(),
        }
    }
}

/// The files in force: one set is replaced by the next as a whole, and who has one reads on in it.
#[derive(Clone, Debug, Default)]
pub(super) struct InForce {
    pub snapshot: Option<Arc<Snapshot>>,
    pub segments: Vec<Arc<Segment>>,
}

impl InForce {
    pub fn segments_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes()).sum()
    }

    pub fn snapshot_bytes(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes())
    }
}

#[derive(Debug, Default)]
pub(super) struct Present(Mutex<Arc<InForce>>);

impl Present {
    pub fn new(files: InForce) -> Self {
        Self(Mutex::new(Arc::new(files)))
    }

    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn change(&self, change: impl FnOnce(&mut InForce)) {
        let mut present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut present));
    }
}
