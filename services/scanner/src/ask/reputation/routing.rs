//! Which pool holds what, and how that is written.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tamis_reputation_protocol::seal::Key;
use tamis_reputation_protocol::sharding::{Shard, ShardFault, ShardMap};
use tamis_runtime::config::{ConfigError, Document};

use super::pool::Pool;

/// The key under which shards are written, in the section `[scanner]` and alone in a file of the bases.
pub(super) const KEY: &str = "reputation_shards";

/// One shard as typed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedShard {
    /// First two bytes of its first value, four hexadecimal digits.
    pub from: String,
    /// Its replicas, `host:port`.
    pub servers: Vec<String>,
}

/// Why a file with a map is not used. Its writer's fault; the map in force stays.
#[derive(Debug, thiserror::Error)]
pub enum BadMap {
    /// It cannot be read, or is no TOML of this shape.
    #[error(transparent)]
    Typed(#[from] ConfigError),
    /// It makes no sense.
    #[error(transparent)]
    Fault(#[from] ShardFault),
}

/// What was typed, as a map.
///
/// # Errors
/// What makes no sense.
pub fn map_of(typed: Vec<TypedShard>) -> Result<ShardMap, ShardFault> {
    let shards: Result<Vec<_>, _> =
        typed.into_iter().map(|shard| Shard::parse(&shard.from, shard.servers)).collect();
    ShardMap::new(shards?)
}

/// Reads a file that says `reputation_shards = [...]` and nothing else.
pub(super) fn read(path: &Path) -> Result<ShardMap, BadMap> {
    let document = Document::load(Some(path), std::iter::empty())?;
    document.refuse_unknown_sections(&[KEY])?;
    Ok(map_of(document.section(KEY)?)?)
}

/// A map and a pool for each of its shards.
#[derive(Debug)]
pub(super) struct Routing {
    map: ShardMap,
    pools: Vec<Arc<Pool>>,
}

impl Routing {
    pub(super) fn start(map: ShardMap, budget: Duration, key: Option<&Key>) -> Self {
        let pool = |shard: &Shard| Pool::start(shard.servers.clone(), budget, key);
        let pools = map.shards().iter().map(pool);
        Self { pools: pools.collect(), map }
    }

    /// The same with another map. Pools whose servers stay the same keep what they learned.
    pub(super) fn with(&self, map: ShardMap, budget: Duration, key: Option<&Key>) -> Self {
        let pool = |shard: &Shard| {
            let same = self.map.shards().iter().position(|it| it.servers == shard.servers);
            match same.and_then(|place| self.pools.get(place)) {
                Some(pool) => Arc::clone(pool),
                None => Pool::start(shard.servers.clone(), budget, key),
            }
        };
        Self { pools: map.shards().iter().map(pool).collect(), map }
    }

    pub(super) const fn map(&self) -> &ShardMap {
        &self.map
    }

    pub(super) fn pools(&self) -> &[Arc<Pool>] {
        &self.pools
    }
}
