//! The nodes of a service tell each other how far they are, in a hash of Redis; and what no node needs is trimmed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Value, from_redis_value};
use tamis_runtime::clock;
use tokio::time::timeout;

use super::deciding::lost_writes;
use super::entry;
use super::locating::{Broken, ask};
use super::told::{Does, Told};
use super::troubles::Alarm;
use super::{ANSWER_WITHIN, Link};
use crate::log::Position;

/// How often a node tells where it is, and looks whether the stream is still there.
pub const BEAT_EVERY: Duration = Duration::from_millis(500);

/// A node that said nothing for as long is forgotten: what it lacks may be trimmed, and it takes a peer's table.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// The youngest entries are never trimmed, so that a node without a heartbeat yet can still read on.
pub const NEVER_TRIMMED: Duration = Duration::from_secs(3600);

/// Heartbeats between two trims.
const BEATS_PER_TRIM: u32 = 120;

/// Nodes that are read; more in the hash are somebody's mistake.
const NODES_MAX: usize = 1_024;

/// What was last heard of the others and the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Nodes alive, with this one.
    pub nodes: u32,
    /// Highest epoch among them.
    pub epoch_max: u64,
    /// Last entry of the stream.
    pub last: Option<Position>,
}

impl super::State {
    fn told(&self, at_ms: u64) -> Told {
        let Self { epoch, position, snapshot, .. } = *self;
        let does = if self.follows { Does::Follows } else { Does::Looks };
        Told { epoch, position, snapshot, does, at_ms }
    }
}

/// What all nodes told, and when they were asked by the clock of Redis.
#[derive(Debug)]
pub(super) struct Nodes {
    all: HashMap<String, Told>,
    now_ms: u64,
}

impl Nodes {
    /// Those other than `node` that live.
    pub fn others<'a>(&'a self, node: &'a str) -> impl Iterator<Item = (&'a str, &'a Told)> {
        let others = self.all.iter().map(|(name, told)| (name.as_str(), told));
        others.filter(move |(name, told)| *name != node && told.is_alive(self.now_ms))
    }

    /// What this one told.
    pub fn told(&self, node: &str) -> Option<&Told> {
        self.all.get(node)
    }

    /// When each of them told last.
    pub fn times(&self) -> HashMap<String, u64> {
        self.all.iter().map(|(name, told)| (name.clone(), told.at_ms)).collect()
    }
}

/// Tells and looks, until dropped.
pub(super) async fn beat(link: Arc<Link>) {
    let _alarm = Alarm::new(&link, "the heartbeat");
    let mut beats = 0_u32;
    loop {
        // Nobody may wait for what this node will never do.
        if link.is_dead() {
            return;
        }
        if let Some(mut connection) = link.asks() {
            match timeout(ANSWER_WITHIN, look(&link, &mut connection, beats)).await {
                Ok(Ok(())) => beats = beats.wrapping_add(1),
                Ok(Err(Broken(why))) => link.broken(&why),
                Err(_) => link.broken("Redis does not answer in time"),
            }
        }
        link.show();
        tokio::time::sleep(BEAT_EVERY).await;
    }
}

async fn look(
    link: &Link,
    connection: &mut MultiplexedConnection,
    beats: u32,
) -> Result<(), Broken> {
    let nodes = tell(link, connection).await?;
    // Taken before the stream is looked at: it may only be ahead of us, and of all, then.
    let follows = link.state().follows;
    let position = link.position();
    let last = super::locating::last(link, connection).await?;
    let others = || nodes.others(&link.node).map(|(_, told)| told);
    let own = nodes.told(&link.node);
    let seen = Seen {
        nodes: u32::try_from(1 + others().count()).unwrap_or(u32::MAX),
        epoch_max: others().chain(own).map(|told| told.epoch).max().unwrap_or_default(),
        last,
    };
    {
        let mut state = link.state();
        state.seen = seen;
        state.answered = Some(clock::now());
    }
    if own.is_some_and(|own| others().any(|other| own.differs(other))) {
        link.state().differs = position;
        link.disturbed.notify_one();
    } else if follows && (last.is_none() || last < position || lost_writes(last, others())) {
        link.disturbed.notify_one();
    } else if beats.is_multiple_of(BEATS_PER_TRIM) {
        trim(link, connection, &nodes).await?;
    }
    Ok(())
}

/// Tells where this node is; what all told.
pub(super) async fn tell(
    link: &Link,
    connection: &mut MultiplexedConnection,
) -> Result<Nodes, Broken> {
    let now_ms = time_ms(connection).await?;
    let own = link.state().told(now_ms);
    let mut set = redis::cmd("HSET");
    set.arg(&link.keys.nodes).arg(&link.node).arg(own.text());
    let _: Value = ask(connection, &set).await?;
    let all: Value = ask(connection, redis::cmd("HGETALL").arg(&link.keys.nodes)).await?;
    let all: Vec<(String, String)> = from_redis_value(all).map_err(|e| Broken(e.to_string()))?;
    let all = all.into_iter().take(NODES_MAX);
    let mut all: HashMap<String, Told> =
        all.filter_map(|(name, text)| Some((name, Told::read(&text)?))).collect();
    all.insert(link.node.clone(), own);
    Ok(Nodes { all, now_ms })
}

/// Milliseconds since 1970 by the clock of Redis.
pub(super) async fn time_ms(connection: &mut MultiplexedConnection) -> Result<u64, Broken> {
    let time: (u64, u64) = ask(connection, &redis::cmd("TIME")).await?;
    Ok(time.0 * 1000 + time.1 / 1000)
}

/// Takes away what every node has in a snapshot, save the last hour.
async fn trim(
    link: &Link,
    connection: &mut MultiplexedConnection,
    nodes: &Nodes,
) -> Result<(), Broken> {
    let Nodes { all, now_ms } = nodes;
    let kept_ms = KEPT_FOR.as_millis() as u64;
    let is_kept = |told: &Told| now_ms.saturating_sub(told.at_ms) <= kept_ms;
    for (name, _) in all.iter().filter(|(_, told)| !is_kept(told)) {
        let mut forget = redis::cmd("HDEL");
        forget.arg(&link.keys.nodes).arg(name);
        let _: Value = ask(connection, &forget).await?;
    }
    let Some(until) = trimmed_before(all.values().filter(|told| is_kept(told)), *now_ms) else {
        return Ok(());
    };
    let mut trim = redis::cmd("XTRIM");
    trim.arg(&link.keys.log).arg("MINID").arg("~").arg(entry::text(until));
    let _: Value = ask(connection, &trim).await?;
    Ok(())
}

/// The first entry that somebody may still need; none when some node has no snapshot.
fn trimmed_before<'a>(nodes: impl Iterator<Item = &'a Told>, now_ms: u64) -> Option<Position> {
    let young = now_ms.saturating_sub(NEVER_TRIMMED.as_millis() as u64);
    let oldest = nodes.map(|told| told.snapshot).min()??;
    Some(oldest.min(Position { ms: young, seq: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Option<Position> {
        Some(Position { ms, seq: 1 })
    }

    fn told(snapshot: Option<Position>) -> Told {
        let (position, does) = (at(9_000_000), Does::Follows);
        Told { epoch: 7, position, snapshot, does, at_ms: 10_000_000 }
    }

    #[test]
    fn the_stream_is_trimmed_behind_the_oldest_snapshot_and_never_in_the_last_hour() {
        let trimmed = |nodes: &[Told]| trimmed_before(nodes.iter(), 10_000_000);
        assert_eq!(trimmed(&[told(at(5_000)), told(at(4_000))]), at(4_000));
        assert_eq!(
            trimmed(&[told(at(5_000)), told(None)]),
            None,
            "it would read from the beginning"
        );
        assert_eq!(trimmed(&[]), None);
        let hour = Some(Position { ms: 10_000_000 - 3_600_000, seq: 0 });
        assert_eq!(trimmed(&[told(at(9_999_000))]), hour);
    }
}
