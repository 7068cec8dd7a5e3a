//! A token bucket per source, in a table of fixed size.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::hashing::Seeded;

/// Sources remembered at once: 64 K buckets of 32 bytes, 2 MiB a table. With more, the source heard least recently
/// in the same set of 8 is forgotten and starts again with a full bucket: a limit fails open, memory never grows.
pub const SOURCES_MAX: usize = 65_536;

/// Time for which a source that has proven itself is known as such. Longer than a cookie and a session last together, so
/// that a client that asks once an hour is known when it needs a new proof.
pub const PROVEN_LIFE: Duration = Duration::from_secs(2 * 3600);

/// Challenges to one source that has proven itself lately, beside what strangers may have. Its processes need one each in ten minutes or an hour; who
/// forges a thousand such addresses spends what all of them together may have.
pub const PROVEN_CHALLENGES: Rate = Rate { per_second: 20, burst: 100 };

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
    challenges_full_at_ns: u64,
}

impl Rates {
    pub(super) fn new(rate: Rate, seed: u64, now: Instant) -> Self {
        let buckets = if rate.per_second == 0 { 0 } else { SOURCES_MAX };
        Self::of(buckets, rate, seed, now)
    }

    fn of(buckets: usize, rate: Rate, seed: u64, now: Instant) -> Self {
        let buckets = vec![Bucket::default(); buckets];
        Self { rate, hash: Seeded::new(seed), origin: now, buckets }
    }

    /// Takes one token of `address`; false: there is none.
    pub(super) fn take(&mut self, address: IpAddr, now: Instant) -> bool {
        if self.buckets.is_empty() {
            return true;
        }
        let now_ns = self.since_origin_ns(now);
        let rate = self.rate;
        let bucket = self.bucket(source(address));
        bucket.heard_at_ns = now_ns;
        rate.take(&mut bucket.full_at_ns, now_ns)
    }

    fn since_origin_ns(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    /// Where the buckets begin in which a source may stand.
    fn set(&self, source: u64) -> usize {
        let sets = self.buckets.len() / WAYS;
        (self.hash.word(source) as usize % sets) * WAYS
    }

    /// The bucket of a source, made from the one heard least recently when it has none.
    fn bucket(&mut self, source: u64) -> &mut Bucket {
        let set = self.set(source);
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

/// The buckets of sources that have proven themselves: nobody stands here because of a datagram with a forged source, so
/// a flood of those neither crowds anybody out nor uses anything up.
#[derive(Debug)]
pub(super) struct Proven(Rates);

impl Proven {
    pub(super) fn new(rate: Rate, seed: u64, now: Instant) -> Self {
        // Without a limit they are remembered all the same.
        Self(Rates::of(SOURCES_MAX, rate, seed, now))
    }

    /// Takes one token of `address`, which has just proven itself; false: there is none.
    pub(super) fn take(&mut self, address: IpAddr, now: Instant) -> bool {
        self.0.take(address, now)
    }

    /// Takes one challenge of `address`; false: it has not proven itself lately, or there is none left. Makes it no
    /// younger: that its address stands in a datagram proves nothing.
    pub(super) fn challenge(&mut self, address: IpAddr, now: Instant) -> bool {
        let (now_ns, source) = (self.0.since_origin_ns(now), source(address));
        let set = self.0.set(source);
        let mut ways = self.0.buckets[set..set + WAYS].iter_mut();
        let Some(bucket) = ways.find(|bucket| bucket.source == source) else { return false };
        let age_ns = u128::from(now_ns.saturating_sub(bucket.heard_at_ns));
        age_ns < PROVEN_LIFE.as_nanos()
            && PROVEN_CHALLENGES.take(&mut bucket.challenges_full_at_ns, now_ns)
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
