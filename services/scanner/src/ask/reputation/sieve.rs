//! The compact filter of all that is listed: mail of which it knows nothing needs no datagram.
//!
//! It is as old as the bases it came with. What was listed since is not in it, so it is believed for a bounded time only.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tamis_bases::filter::Filter;
use tamis_reputation_protocol::packet::Item;

/// The longest file: the largest filter has 1.3 GB.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// A filter and when its file was written.
#[derive(Debug)]
pub(super) struct Sieve {
    filter: Filter,
    written: SystemTime,
}

impl Sieve {
    /// Reads a file. Takes as long as reading and copying it does: not for an async thread.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::open(path)?;
        let about = file.metadata()?;
        anyhow::ensure!(about.len() <= FILE_BYTES_MAX, "{} bytes are too many", about.len());
        let mut bytes = Vec::with_capacity(usize::try_from(about.len())?);
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(Self { filter: Filter::from_bytes(&bytes)?, written: about.modified()? })
    }

    /// Whether it is not older than `age_max`. A file from the future is young: clocks differ by seconds.
    pub(super) fn is_young(&self, age_max: Option<Duration>) -> bool {
        let age = self.written.elapsed().unwrap_or_default();
        age_max.is_none_or(|age_max| age <= age_max)
    }

    pub(super) fn may_be_listed(&self, item: &Item) -> bool {
        let kind = item.signature.kind;
        let lanes = item.sketch.as_ref().filter(|_| kind.has_sketch()).map(|sketch| &sketch.0);
        self.filter.may_hold(kind.code(), &item.signature.value, lanes)
    }

    pub(super) const fn keys(&self) -> u64 {
        self.filter.keys()
    }
}
