//! What may be set about a table, and what no table holds more of.

use tamis_domain::digest::Signature;

use super::change::Refused;
use super::ids::IDS_MAX;
use super::trust::REPORTER_NAMES_MAX;
use crate::sharding::ShardRange;

/// Reporters kept by name for one signature: what one byte counts on disk. Further ones renew its time and are not
/// counted, so that inventing reporters gains nothing beyond this; an operator's report always finds a place.
pub const REPORTERS_KEPT_MAX: usize = 255;

/// Signatures that one table holds at most, whatever is configured: 2^27. At 23 bytes each 3 GB; more are shared out
/// among several nodes.
pub const SIGNATURES_MAX: usize = 1 << 27;

/// Signatures with a sketch that one table holds at most: 67 million, as many as 26 bits can number. At 150 bytes each
/// 10 GB; more are shared out among several nodes.
pub const SKETCHED_MAX: usize = IDS_MAX;

/// Lanes of 32 that must agree by default.
///
/// For content that shares the portion J of its features with listed content, the probability of at least 17 equal
/// lanes is 1.3e-9 at J = 0.1, 3.3e-5 at 0.2, 0.5 % at 0.3, 43 % at 0.5, 84 % at 0.6 and 98.6 % at 0.7; for unrelated
/// content (of lanes 12 bits are kept: they meet by chance once in 4,096) it is below 1e-52.
pub const AGREEMENT_MIN: u8 = 17;

/// The least that may be asked for: eight lanes meet by chance once in 10^22.
///
/// With 16 bands of two lanes, 17 equal lanes always fill one band, so that the index misses nothing by construction
/// at 17 or above. Below, it finds content that agrees in exactly so many lanes with this probability:
///
/// | lanes | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16 |
/// |---|---|---|---|---|---|---|---|---|---|
/// | found, % | 68.7 | 79.1 | 87.3 | 93.1 | 96.7 | 98.7 | 99.6 | 99.9 | 99.99 |
pub const AGREEMENT_LEAST: u8 = 8;

/// Share of the active organisations that must agree, by default: twice the share of hostile ones that is withstood, so
/// that a quorum outweighs those exactly.
pub const QUORUM_PERMILLE: u16 = 20;

/// What may be set about a table. Every node of one service needs the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Independent organisations before a class other than suspected is answered, 1 to [`REPORTERS_KEPT_MAX`]. 1 where
    /// one site alone reports (the embedded set-up); 2 or more where reporters are many and unknown.
    pub reporters_needed: u8,
    /// Share of the organisations active in the last days that must agree before a class is answered, in thousandths;
    /// 0: no quorum.
    pub quorum_permille: u16,
    /// Lanes of 32 that must agree before content counts as similar, [`AGREEMENT_LEAST`] to 32; see [`AGREEMENT_MIN`].
    pub agreement_min: u8,
    /// Signatures held at most, up to [`SIGNATURES_MAX`]; a report of one more is refused.
    pub signatures_max: usize,
    /// The values that this table keeps, where several tables share one order of changes; none: it keeps all and has an
    /// order for itself. With it **every** change is one step of the epoch, also one that changes nothing here, since a
    /// table cannot know what the others hold: so all shards of one order tell the same epoch after the same change. A
    /// table of such a service that keeps everything says [`ShardRange::WHOLE`].
    ///
    /// Reporters are entered, and seen active, by all changes, so that names and quorum are the same everywhere. Their
    /// merit needs the other voices on the signature, which its own shard alone has: each shard learns it from its part.
    pub shard: Option<ShardRange>,
    /// Secret of the hash tables, so that nobody can choose signatures that collide. Each process draws its own.
    pub seed: u64,
}

impl Rules {
    /// Whether a table with these rules keeps what is said of this signature.
    #[must_use]
    pub fn holds(&self, signature: &Signature) -> bool {
        self.shard.is_none_or(|range| range.holds(signature))
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            reporters_needed: 1,
            agreement_min: AGREEMENT_MIN,
            quorum_permille: QUORUM_PERMILLE,
            // 1.5 GB if all have sketches; see `Table::memory_bytes`.
            signatures_max: 10_000_000,
            shard: None,
            seed: 0,
        }
    }
}

/// What a table would hold after a change.
pub(super) struct Held {
    /// Signatures without a sketch.
    pub(super) bare: usize,
    /// Signatures with one.
    pub(super) sketched: usize,
    /// Reporters.
    pub(super) names: usize,
}

impl Held {
    /// Whether a table can hold it, and whether it is configured to.
    pub(super) fn check(&self, configured_max: Option<usize>) -> Result<(), Refused> {
        let most = configured_max.unwrap_or(SIGNATURES_MAX).min(SIGNATURES_MAX);
        if self.bare + self.sketched > most {
            return Err(Refused::Full { signatures_max: most });
        }
        if self.sketched > SKETCHED_MAX {
            return Err(Refused::Full { signatures_max: SKETCHED_MAX });
        }
        if self.names > REPORTER_NAMES_MAX {
            return Err(Refused::TooManyReporters);
        }
        Ok(())
    }
}
