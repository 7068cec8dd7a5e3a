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

/// What is to be known of a stream to find a place in it.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// The last position that it ever gave; none when there is no stream.
    pub last: Option<Position>,
    /// Its first entry.
    first: Option<Entry>,
    /// The entry at our position and the one behind it, or the next two.
    after: Vec<Entry>,
}

/// Looks at the stream around our position.
pub(super) async fn look(
    link: &Link,
    connection: &mut MultiplexedConnection,
) -> Result<Sight, Broken> {
    let last = last(link, connection).await?;
    if last.is_none() {
        return Ok(Sight::default());
    }
    let first = range(link, connection, "-", 1).await?.into_iter().next();
    let after = match link.position() {
        None => Vec::new(),
        Some(position) => range(link, connection, &entry::text(position), 2).await?,
    };
    Ok(Sight { last, first, after })
}

/// Where we stand in it.
pub(super) fn locate(sight: &Sight, own: &entry::Place<'_>) -> Place {
    let Some(last) = sight.last else { return Place::Missing };
    let begins_so =
        |entry: &Entry| matches!(&entry.content, Content::Begin(begin) if begin.continues(own));
    let Some(position) = own.position else {
        let reached = sight.first.as_ref().map_or(last, |entry| entry.position);
        let is_ours = sight.first.as_ref().is_some_and(begins_so);
        return if is_ours { Place::Here } else { Place::Behind(reached) };
    };
    let next = sight.after.first();
    if next.is_some_and(|entry| entry.is_foreign(own)) {
        return Place::Aside(Some(last));
    }
    let is_held = next.is_some_and(|entry| entry.position == position);
    if is_held || position == last || next.is_some_and(begins_so) {
        return Place::Here;
    }
    match &sight.first {
        Some(first) if first.position > position => Place::Behind(first.position),
        None if last > position => Place::Behind(last),
        _ => Place::Aside(Some(last).filter(|last| *last > position)),
    }
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

#[cfg(test)]
mod tests {
    use super::super::entry::Begin;
    use super::*;

    const fn at(ms: u64) -> Position {
        Position { ms, seq: 0 }
    }

    fn commit(ms: u64, id: u8) -> Entry {
        Entry { position: at(ms), content: Content::Commit { id: [id; 16], changes: Vec::new() } }
    }

    fn begin(ms: u64, epoch: u64, from: Option<u64>) -> Entry {
        let begin = Begin { epoch, from: from.map(at), node: "a".to_owned(), mark: None };
        Entry { position: at(ms), content: Content::Begin(begin) }
    }

    #[test]
    fn a_node_finds_its_place_in_whatever_stream_there_is() {
        let own = |position: Option<u64>, mark: Option<u8>| entry::Place {
            epoch: 7,
            position: position.map(at),
            mark: mark.map(|mark| [mark; 16]),
            node: "b",
        };
        let stream = |last, first, after| Sight { last: Some(at(last)), first, after };
        let some = |first: fn() -> Entry| Some(first());
        let old = || begin(1, 0, None);
        let table = [
            ("no stream", Sight::default(), own(Some(5), None), Place::Missing),
            ("new, no stream", Sight::default(), own(None, None), Place::Missing),
            (
                "new, another table",
                stream(9, Some(begin(3, 7, None)), vec![]),
                own(None, None),
                Place::Behind(at(3)),
            ),
            (
                "its entry is there",
                stream(9, some(old), vec![commit(5, 1), commit(6, 1)]),
                own(Some(5), Some(1)),
                Place::Here,
            ),
            (
                "its place holds another entry",
                stream(9, some(old), vec![commit(5, 2)]),
                own(Some(5), Some(1)),
                Place::Aside(Some(at(9))),
            ),
            (
                "all is trimmed up to it",
                stream(5, None, vec![]),
                own(Some(5), Some(1)),
                Place::Here,
            ),
            (
                "it was begun anew from there",
                stream(9, Some(begin(6, 7, Some(5))), vec![begin(6, 7, Some(5))]),
                own(Some(5), None),
                Place::Here,
            ),
            (
                "it was begun anew from elsewhere",
                stream(9, Some(begin(6, 7, Some(4))), vec![begin(6, 7, Some(4))]),
                own(Some(5), None),
                Place::Behind(at(6)),
            ),
            (
                "trimmed too far",
                stream(9, Some(commit(8, 1)), vec![commit(8, 1)]),
                own(Some(5), None),
                Place::Behind(at(8)),
            ),
            (
                "it lost its end",
                stream(4, some(old), vec![]),
                own(Some(5), None),
                Place::Aside(None),
            ),
            (
                "it lost its end and went on",
                stream(9, some(old), vec![commit(8, 1)]),
                own(Some(5), None),
                Place::Aside(Some(at(9))),
            ),
        ];
        for (what, sight, own, expected) in table {
            assert_eq!(locate(&sight, &own), expected, "{what}");
        }
    }
}
