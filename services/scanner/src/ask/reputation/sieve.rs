//! The compact filter of all that is listed: mail of which it knows nothing needs no datagram.
//!
//! What was listed since it was made is not in it, so it is believed for a bounded time only, by the time that stands in it.
//! It holds what the table's index finds: parts with a sketch are spared as others are, if neither their value nor any band of
//! their sketch is in it.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tamis_bases::filter::file::{FilterFile, Head};
use tamis_reputation_protocol::packet::Item;
use tamis_runtime::clock;

/// The longest file: the largest filter has 1.3 GB.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// How far the clock of who made a filter may be ahead of ours. Beyond it nobody knows how old the filter is.
const AHEAD_MAX_S: u64 = 30;

/// A filter and when its file was written.
#[derive(Debug)]
pub(super) struct Sieve {
    filter: FilterFile,
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
        Ok(Self { filter: FilterFile::from_bytes(&bytes)?, written: about.modified()? })
    }

    /// Whether what it covers and its file are not older than `age_max`, as far as clocks tell.
    pub(super) fn is_young(&self, age_max: Option<Duration>) -> bool {
        let Some(age_max) = age_max else { return true };
        is_young(
            self.filter.head,
            self.written.elapsed().unwrap_or_default(),
            clock::unix_seconds(),
            age_max,
        )
    }

    pub(super) fn may_be_listed(&self, item: &Item) -> bool {
        let kind = item.signature.kind;
        let lanes = item.sketch.as_ref().filter(|_| kind.has_sketch()).map(|sketch| &sketch.0);
        self.filter.may_hold(kind.code(), &item.signature.value, lanes)
    }

    pub(super) fn keys(&self) -> u64 {
        self.filter.keys()
    }
}

impl fmt::Display for Sieve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { covers_unix_s, epoch, base_generation } = self.filter.head;
        let keys = self.keys();
        write!(
            f,
            "{keys} keys, up to {covers_unix_s} (Unix seconds), epoch {epoch}, bases {base_generation}"
        )
    }
}

fn is_young(head: Head, file_age: Duration, now_unix_s: u64, age_max: Duration) -> bool {
    let is_dated = head.covers_unix_s <= now_unix_s + AHEAD_MAX_S;
    let age = Duration::from_secs(now_unix_s.saturating_sub(head.covers_unix_s));
    is_dated && age.max(file_age) <= age_max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_believed_to_its_last_second_by_the_older_of_its_times_and_not_from_the_future() {
        let head = |covers_unix_s| Head { covers_unix_s, ..Head::default() };
        let (s, max) = (Duration::from_secs, Duration::from_secs(180));
        for (covers, file_age, expected) in [
            (1_000, 0, true),
            (820, 0, true),
            (819, 0, false),
            (1_000, 180, true),
            (1_000, 181, false),
            (1_000 + AHEAD_MAX_S, 0, true),
            (1_001 + AHEAD_MAX_S, 0, false),
            (0, 0, false),
        ] {
            assert_eq!(
                is_young(head(covers), s(file_age), 1_000, max),
                expected,
                "{covers} {file_age}"
            );
        }
    }
}
