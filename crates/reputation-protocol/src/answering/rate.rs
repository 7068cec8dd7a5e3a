//! A token bucket per source, in a table of fixed size.

use std::net::IpAddr;
use std::time::Instant;

use crate::hashing::Seeded;

/// Sources remembered at once: 64 K buckets of 24 bytes, 1.5 MiB a table. With more, the source heard least recently
/// in the same set of 8 is forgotten and starts again with a full bucket: a limit fails open, memory never grows.
pub const SOURCES_MAX: usize = 65_536;

/// Buckets that a source may stand in.
const WAYS: usize = 8;

/// How fast one source may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Datagrams a second in the long run; 0: no limit.
    pub per_second: u32,
    /// Datagrams at once after a pause, at least 1.
    pub burst: u32,
}

impl Rate {
    /// Takes one token of a bucket that is full again at `full_at_ns`; false: there is none. Time is kept as that one
    /// moment: level and age at once (the generic cell rate algorithm, ITU-T I.371, virtual scheduling).
    pub(crate) fn take(self, full_at_ns: &mut u64, now_ns: u64) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let cost_ns = 1_000_000_000 / u64::from(self.per_second);
        let depth_ns = cost_ns.saturating_mul(u64::from(self.burst.max(1)));
        let then_full_at_ns = (*full_at_ns).max(now_ns).saturating_add(cost_ns);
        if then_full_at_ns - now_ns > depth_ns {
            return false;
        }
        *full_at_ns = then_full_at_ns;
        true
    }
}

/// The buckets of many sources.
#[derive(Debug)]
pub(super) struct Rates {
    rate: Rate,
    hash: Seeded,
    origin: Instant,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    source: u64,
    full_at_ns: u64,
    heard_at_ns: u64,
}

impl Rates {
    pub(super) fn new(rate: Rate, seed: u64, now: Instant) -> Self {
        let buckets = if rate.per_second == 0 { 0 } else { SOURCES_MAX };
        Self {
            rate,
            hash: Seeded::new(seed),
            origin: now,
            buckets: vec![Bucket::default(); buckets],
        }
    }

    /// Takes one token of `address`; false: there is none.
    pub(super) fn take(&mut self, address: IpAddr, now: Instant) -> bool {
        if self.rate.per_second == 0 {
            return true;
        }
        let now_ns = now.saturating_duration_since(self.origin).as_nanos();
        let now_ns = u64::try_from(now_ns).unwrap_or(u64::MAX);
        let rate = self.rate;
        let bucket = self.bucket(source(address));
        bucket.heard_at_ns = now_ns;
        rate.take(&mut bucket.full_at_ns, now_ns)
    }

    /// The bucket of a source, made from the one heard least recently when it has none.
    fn bucket(&mut self, source: u64) -> &mut Bucket {
        let sets = self.buckets.len() / WAYS;
        let set = (self.hash.word(source) as usize % sets) * WAYS;
        let ways = &self.buckets[set..set + WAYS];
        let place = ways.iter().position(|bucket| bucket.source == source).unwrap_or_else(|| {
            let oldest = ways.iter().enumerate().min_by_key(|(_, bucket)| bucket.heard_at_ns);
            oldest.map_or(0, |(place, _)| place)
        });
        let bucket = &mut self.buckets[set + place];
        if bucket.source != source {
            *bucket = Bucket { source, ..Bucket::default() };
        }
        bucket
    }
}

/// IPv4: the address. IPv6: its /64, since one machine owns all of that (RFC 6177). Never 0, which is "nobody".
fn source(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => u64::from(v4.to_bits()) | 1 << 63,
        // No address in use begins with 8000::/32, so the two families do not meet.
        IpAddr::V6(v6) => ((v6.to_bits() >> 64) as u64).max(1),
    }
}

#[cfg(test)]
mod tests;
