//! The log as one growing stream of bytes: all commits since a snapshot, whatever segments they stand in.

use std::io::{self, Write};
use std::sync::Arc;

use super::files::SegmentId;
use super::histories::{Histories, Source};
use super::snapshot::Snapshot;

/// A place in the stream behind one snapshot.
#[derive(Debug)]
pub(crate) struct Tail {
    snapshot: Option<Arc<Snapshot>>,
    segment: Option<SegmentId>,
    at: u64,
}

impl Tail {
    /// The beginning of the stream behind the present snapshot; none where histories are in memory only.
    pub fn begin(histories: &Histories) -> Option<Self> {
        let Source::Disk(present) = &histories.0 else { return None };
        Some(Self { snapshot: present.in_force().snapshot.clone(), segment: None, at: 0 })
    }

    /// The snapshot that it begins behind.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// Writes what came since the last call to `out`, whole commits that are acknowledged; how many bytes. None: another
    /// snapshot is in force, and with it another stream.
    ///
    /// # Errors
    /// Those of the disk and of `out`; the place is not known then.
    pub fn copy(&mut self, histories: &Histories, out: &mut impl Write) -> io::Result<Option<u64>> {
        let Source::Disk(present) = &histories.0 else { return Ok(None) };
        let present = present.in_force();
        let is_same = match (&self.snapshot, &present.snapshot) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            return Ok(None);
        }
        let mut copied = 0;
        let reached = self.segment;
        for segment in present.segments.iter().filter(|it| Some(it.id) >= reached) {
            let from = if Some(segment.id) == reached { self.at } else { 0 };
            let to = segment.bytes();
            segment.copy_to(from, to, out)?;
            (self.segment, self.at) = (Some(segment.id), to);
            copied += to.saturating_sub(from);
        }
        Ok(Some(copied))
    }
}
