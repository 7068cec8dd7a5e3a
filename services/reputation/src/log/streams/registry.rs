//! The nodes of a service tell each other how far they are, in a hash of Redis; and what no node needs is trimmed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Value, from_redis_value};
use tamis_runtime::clock;
use tokio::time::timeout;

use super::entry;
use super::locating::{Broken, ask};
use super::{ANSWER_WITHIN, Link};
use crate::log::Position;

/// How often a node tells where it is, and looks whether the stream is still there.
pub const BEAT_EVERY: Duration = Duration::from_millis(500);

/// A node that said nothing for as long is not waited for.
pub const ALIVE_WITHIN: Duration = Duration::from_secs(3);

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

/// What one node told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    epoch: u64,
    position: Option<Position>,
    snapshot: Option<Position>,
    follows: bool,
    at_ms: u64,
}

impl super::State {
    fn told(&self, at_ms: u64) -> Told {
        let Self { epoch, position, snapshot, follows, .. } = *self;
        Told { epoch, position, snapshot, follows, at_ms }
    }
}

impl Told {
    fn text(&self) -> String {
        let place = |place: Option<Position>| place.map_or_else(|| "-".to_owned(), entry::text);
        let (position, snapshot) = (place(self.position), place(self.snapshot));
        format!("{} {position} {snapshot} {} {}", self.epoch, u8::from(self.follows), self.at_ms)
    }

    fn read(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split(' ').collect();
        let [epoch, position, snapshot, follows, at_ms] = *fields.as_slice() else { return None };
        Some(Self {
            epoch: epoch.parse().ok()?,
            position: entry::position(position),
            snapshot: entry::position(snapshot),
            follows: follows == "1",
            at_ms: at_ms.parse().ok()?,
        })
    }

    /// Whether another node came further with the same changes: then this one lacks some that the order has lost. Of two
    /// that differ, the one with fewer changes takes the table of the other.
    fn differs(&self, other: &Self) -> bool {
        let both_follow = self.follows && other.follows;
        both_follow && self.position == other.position && self.epoch < other.epoch
    }

    fn is_alive(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.at_ms) <= ALIVE_WITHIN.as_millis() as u64
    }
}

/// Tells and looks, until dropped.
pub(super) async fn beat(link: Arc<Link>) {
    let mut beats = 0_u32;
    loop {
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
    let (nodes, now_ms) = tell(link, connection).await?;
    // Taken before the stream is looked at: it may only be ahead of us then.
    let follows = link.state().follows;
    let position = link.position();
    let last = super::locating::last(link, connection).await?;
    let alive: Vec<&Told> = nodes.values().filter(|told| told.is_alive(now_ms)).collect();
    let seen = Seen {
        nodes: u32::try_from(alive.len()).unwrap_or(u32::MAX),
        epoch_max: alive.iter().map(|told| told.epoch).max().unwrap_or_default(),
        last,
    };
    {
        let mut state = link.state();
        state.seen = seen;
        state.answered = Some(clock::now());
    }
    let own = nodes.get(&link.node);
    if own.is_some_and(|own| others(link, &nodes, now_ms).any(|(_, other)| own.differs(other))) {
        link.state().differs = position;
        link.disturbed.notify_one();
    } else if follows && (last.is_none() || last < position) {
        link.disturbed.notify_one();
    } else if beats.is_multiple_of(BEATS_PER_TRIM) {
        trim(link, connection, &nodes, now_ms).await?;
    }
    Ok(())
}

/// Tells where this node is; what all told, and the time of Redis in milliseconds.
async fn tell(
    link: &Link,
    connection: &mut MultiplexedConnection,
) -> Result<(HashMap<String, Told>, u64), Broken> {
    let time: (u64, u64) = ask(connection, &redis::cmd("TIME")).await?;
    let now_ms = time.0 * 1000 + time.1 / 1000;
    let own = link.state().told(now_ms);
    let mut set = redis::cmd("HSET");
    set.arg(&link.keys.nodes).arg(&link.node).arg(own.text());
    let _: Value = ask(connection, &set).await?;
    let all: Value = ask(connection, redis::cmd("HGETALL").arg(&link.keys.nodes)).await?;
    let all: Vec<(String, String)> = from_redis_value(all).map_err(|e| Broken(e.to_string()))?;
    let mut nodes = HashMap::new();
    for (name, text) in all.into_iter().take(NODES_MAX) {
        if let Some(told) = Told::read(&text) {
            nodes.insert(name, told);
        }
    }
    nodes.insert(link.node.clone(), own);
    Ok((nodes, now_ms))
}

/// How this node stands among those alive when the stream has to begin.
pub(super) struct Election {
    pub somebody_follows: bool,
    pub is_first: bool,
}

/// Whether any other node alive follows the stream.
pub(super) async fn does_anybody_follow(
    link: &Link,
    connection: &mut MultiplexedConnection,
) -> Result<bool, Broken> {
    let (nodes, now_ms) = tell(link, connection).await?;
    Ok(others(link, &nodes, now_ms).any(|(_, told)| told.follows))
}

fn others<'a>(
    link: &'a Link,
    nodes: &'a HashMap<String, Told>,
    now_ms: u64,
) -> impl Iterator<Item = (&'a String, &'a Told)> {
    nodes.iter().filter(move |(name, told)| **name != link.node && told.is_alive(now_ms))
}

pub(super) async fn election(
    link: &Link,
    connection: &mut MultiplexedConnection,
) -> Result<Election, Broken> {
    let (nodes, now_ms) = tell(link, connection).await?;
    let own = nodes.get(&link.node).map(|told| (told.epoch, told.position, &link.node));
    let other = others(link, &nodes, now_ms);
    let best = other.map(|(name, told)| (told.epoch, told.position, name)).max();
    let alive = 1 + others(link, &nodes, now_ms).count();
    // A node that has nothing could begin with nothing what others, just starting, have whole.
    let is_empty = own.is_some_and(|(epoch, position, _)| epoch == 0 && position.is_none());
    let waits_for_peers = is_empty && alive < link.settings.peers.len();
    Ok(Election {
        somebody_follows: others(link, &nodes, now_ms).any(|(_, told)| told.follows),
        is_first: own > best && !waits_for_peers,
    })
}

/// Takes away what every node has in a snapshot, save the last hour.
async fn trim(
    link: &Link,
    connection: &mut MultiplexedConnection,
    nodes: &HashMap<String, Told>,
    now_ms: u64,
) -> Result<(), Broken> {
    let kept_ms = KEPT_FOR.as_millis() as u64;
    let is_kept = |told: &Told| now_ms.saturating_sub(told.at_ms) <= kept_ms;
    for (name, _) in nodes.iter().filter(|(_, told)| !is_kept(told)) {
        let mut forget = redis::cmd("HDEL");
        forget.arg(&link.keys.nodes).arg(name);
        let _: Value = ask(connection, &forget).await?;
    }
    let Some(until) = trimmed_before(nodes.values().filter(|told| is_kept(told)), now_ms) else {
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
        Told { epoch: 7, position: at(9_000_000), snapshot, follows: true, at_ms: 10_000_000 }
    }

    #[test]
    fn what_a_node_tells_is_read_as_it_was_told_and_other_text_is_not() {
        for told in [told(at(5)), told(None), Told { follows: false, position: None, ..told(None) }]
        {
            assert_eq!(Told::read(&told.text()), Some(told));
        }
        for text in ["", "1 2-3 4-5 1", "x 2-3 4-5 1 9", "1 2-3 4-5 1 9 9"] {
            assert_eq!(Told::read(text), None, "{text}");
        }
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

    #[test]
    fn a_node_that_has_fewer_changes_at_the_same_place_knows_that_it_differs() {
        let (low, high) = (told(None), Told { epoch: 8, ..told(None) });
        assert!(low.differs(&high));
        assert!(!high.differs(&low) && !low.differs(&low));
        assert!(!low.differs(&Told { position: at(9_000_001), ..high.clone() }), "it is ahead");
        assert!(!low.differs(&Told { follows: false, ..high }), "it may be wrong itself");
    }

    #[test]
    fn a_node_is_alive_for_n_milliseconds_and_not_for_one_more() {
        let limit = 10_000_000 + ALIVE_WITHIN.as_millis() as u64;
        assert!(told(None).is_alive(limit) && !told(None).is_alive(limit + 1));
    }
}
