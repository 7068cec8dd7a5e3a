//! Where a node stands in the stream that Redis has now.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Value};
use tokio::time::timeout;

use super::entry::{self, Content, Entry};
use super::{ANSWER_WITHIN, Link};
use crate::log::Position;

/// The connection cannot be used any more, and why.
#[derive(Debug)]
pub(super) struct Broken(pub String);

/// One question to Redis, answered in time.
pub(super) async fn ask<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
) -> Result<T, Broken> {
    match timeout(ANSWER_WITHIN, command.query_async(connection)).await {
        Ok(answered) => answered.map_err(|error| Broken(error.to_string())),
        Err(_) => Err(Broken("Redis does not answer in time".to_owned())),
    }
}

/// What the stream is to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It goes on where we are.
    Here,
    /// There is none.
    Missing,
    /// What comes after our position is not there any more, or we have none: a table that reaches this is needed.
    Behind(Position),
    /// We applied what it does not hold. It went on without: a table that reaches this is needed. Or it did not (nothing).
    Aside(Option<Position>),
}

/// Looks for our position.
pub(super) async fn locate(
    link: &Link,
    connection: &mut MultiplexedConnection,
) -> Result<Place, Broken> {
    let Some(last) = last(link, connection).await? else { return Ok(Place::Missing) };
    let own = link.position();
    let first = range(link, connection, "-", 1).await?;
    let Some(position) = own else {
        let begins_so = first.first().is_some_and(|entry| is_ours(link, entry));
        let reached = first.first().map_or(last, |entry| entry.position);
        return Ok(if begins_so { Place::Here } else { Place::Behind(reached) });
    };
    let after = range(link, connection, &entry::text(position), 2).await?;
    let is_held = after.first().is_some_and(|entry| entry.position == position);
    if is_held || position == last || after.first().is_some_and(|entry| is_ours(link, entry)) {
        return Ok(Place::Here);
    }
    Ok(match first.first() {
        Some(first) if first.position > position => Place::Behind(first.position),
        None if last > position => Place::Behind(last),
        _ => Place::Aside(Some(last).filter(|last| *last > position)),
    })
}

/// Whether a stream that begins with this entry begins with our table.
fn is_ours(link: &Link, entry: &Entry) -> bool {
    matches!(&entry.content, Content::Begin(begin)
        if begin.epoch == link.epoch() && begin.from == link.position())
}

/// Up to `count` entries from `from` on.
pub(super) async fn range(
    link: &Link,
    connection: &mut MultiplexedConnection,
    from: &str,
    count: usize,
) -> Result<Vec<Entry>, Broken> {
    let mut command = redis::cmd("XRANGE");
    command.arg(&link.keys.log).arg(from).arg("+").arg("COUNT").arg(count);
    let value: Value = ask(connection, &command).await?;
    entry::of_range(value).ok_or_else(|| Broken("XRANGE answered something else".to_owned()))
}

/// The last position that the stream ever gave; none when there is no stream.
pub(super) async fn last(
    link: &Link,
    connection: &mut MultiplexedConnection,
) -> Result<Option<Position>, Broken> {
    let exists: bool = ask(connection, redis::cmd("EXISTS").arg(&link.keys.log)).await?;
    if !exists {
        return Ok(None);
    }
    let mut info = redis::cmd("XINFO");
    info.arg("STREAM").arg(&link.keys.log);
    let info: Vec<Value> = ask(connection, &info).await?;
    let mut info = info.into_iter();
    while let (Some(key), Some(value)) = (info.next(), info.next()) {
        if let (Value::BulkString(key), Value::BulkString(value)) = (key, value)
            && key == b"last-generated-id"
            && let Ok(text) = std::str::from_utf8(&value)
        {
            return Ok(Some(entry::position(text).unwrap_or(Position { ms: 0, seq: 0 })));
        }
    }
    Err(Broken("XINFO STREAM says no last-generated-id".to_owned()))
}
