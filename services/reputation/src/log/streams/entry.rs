//! Entries of the stream, to and from what Redis says.

use redis::Value;
use tamis_reputation_protocol::signatures::Change;

use super::ID_BYTES;
use crate::log::{Position, record};

/// One entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub position: Position,
    /// What it says.
    pub content: Content,
}

/// What an entry says.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// Changes that were written together.
    Commit {
        /// Random name by which the writer knows it again.
        id: [u8; ID_BYTES],
        /// The changes, made at the time of the entry. Those that no table would take are left out.
        changes: Vec<Change>,
    },
    /// The stream begins.
    Begin(Begin),
    /// Nothing that this version wrote; skipped by all nodes alike.
    Unreadable,
}

/// The stream begins with the table of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Epoch of its table.
    pub epoch: u64,
    /// Its position before.
    pub from: Option<Position>,
    /// Its name.
    pub node: String,
    /// The random name of its last entry, where it knows it.
    pub mark: Option<Mark>,
}

impl Begin {
    /// Whether it goes on from the table of this node. The number of changes alone does not say so: two histories may be
    /// of one length. They are one where they end in the same entry; where there is none yet, only nothing is the same as
    /// nothing, and what a node began itself.
    #[must_use]
    pub fn continues(&self, own: &Place<'_>) -> bool {
        let is_same_end = match (self.from, own.position) {
            (Some(from), Some(position)) => from == position && !differ(self.mark, own.mark),
            (None, None) => self.epoch == 0 || self.node == own.node,
            _ => false,
        };
        is_same_end && self.epoch == own.epoch
    }
}

/// The random name of an entry.
pub type Mark = [u8; ID_BYTES];

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Changes that it has.
    pub epoch: u64,
    /// The last entry that it applied.
    pub position: Option<Position>,
    /// The random name of that entry, where it knows it.
    pub mark: Option<Mark>,
    /// Its name.
    pub node: &'a str,
}

/// Whether both are known and not the same.
const fn differ(one: Option<Mark>, other: Option<Mark>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => u128::from_be_bytes(one) != u128::from_be_bytes(other),
        _ => false,
    }
}

impl Entry {
    /// Its random name, if it has one.
    #[must_use]
    pub const fn mark(&self) -> Option<Mark> {
        match &self.content {
            Content::Commit { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Whether it is another entry than the one that was applied at this place: a Redis that lost its last writes may give
    /// a place twice.
    #[must_use]
    pub fn is_foreign(&self, own: &Place<'_>) -> bool {
        own.position == Some(self.position) && own.mark.is_some() && own.mark != self.mark()
    }
}

/// A position as Redis writes it: milliseconds-sequence.
#[must_use]
pub fn text(position: Position) -> String {
    format!("{}-{}", position.ms, position.seq)
}

/// Reads a position.
#[must_use]
pub fn position(text: &str) -> Option<Position> {
    let (ms, seq) = text.split_once('-')?;
    Some(Position { ms: ms.parse().ok()?, seq: seq.parse().ok()? })
}

/// Seconds since 1970 of a place in the order: the time of its changes.
#[must_use]
pub fn unix_s(position: Position) -> u32 {
    u32::try_from(position.ms / 1000).unwrap_or(u32::MAX)
}

/// The bytes of field `c`. Each node counts epochs for itself, so none is in there.
#[must_use]
pub fn payload(changes: &[Change]) -> Vec<u8> {
    record::commit(0, None, changes)
}

/// The entries in the answer to `XRANGE`. None: Redis said something else.
#[must_use]
pub fn of_range(value: Value) -> Option<Vec<Entry>> {
    match value {
        Value::Nil => Some(Vec::new()),
        Value::Array(entries) => entries.into_iter().map(entry).collect(),
        _ => None,
    }
}

/// The entries in the answer to `XREAD` of one stream; empty when its time ran out.
#[must_use]
pub fn of_read(value: Value) -> Option<Vec<Entry>> {
    let streams = match value {
        Value::Nil => return Some(Vec::new()),
        Value::Array(streams) => streams,
        _ => return None,
    };
    let [Value::Array(stream)] = <[Value; 1]>::try_from(streams).ok()? else { return None };
    let [_, entries] = <[Value; 2]>::try_from(stream).ok()?;
    of_range(entries)
}

fn entry(value: Value) -> Option<Entry> {
    let Value::Array(both) = value else { return None };
    let [id, fields] = <[Value; 2]>::try_from(both).ok()?;
    let place = position(std::str::from_utf8(&bytes(id)?).ok()?)?;
    let content = match fields {
        Value::Array(fields) => content(fields, place),
        _ => None,
    };
    Some(Entry { position: place, content: content.unwrap_or(Content::Unreadable) })
}

fn content(fields: Vec<Value>, place: Position) -> Option<Content> {
    let (mut id, mut commit, mut begin) = (None, None, None);
    let (mut from, mut node, mut mark) = (None, None, None);
    let mut fields = fields.into_iter();
    while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
        let slot = match bytes(key)?.as_slice() {
            b"i" => &mut id,
            b"c" => &mut commit,
            b"b" => &mut begin,
            b"f" => &mut from,
            b"n" => &mut node,
            b"m" => &mut mark,
            _ => continue,
        };
        *slot = bytes(value);
    }
    let string = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
    if let Some(epoch) = begin {
        return Some(Content::Begin(Begin {
            epoch: string(epoch)?.parse().ok()?,
            from: from.and_then(string).and_then(|from| position(&from)),
            node: node.and_then(string).unwrap_or_default(),
            mark: mark.and_then(|mark| mark.try_into().ok()),
        }));
    }
    let commit = record::read_commit(&commit?)?;
    let mut changes = commit.changes;
    let now_unix_s = unix_s(place);
    changes.iter_mut().for_each(|change| set_time(change, now_unix_s));
    // The number of changes is what the writer's callers are told by: his own are all sound.
    changes.retain(|change| change.check().is_ok());
    Some(Content::Commit { id: id?.try_into().ok()?, changes })
}

fn set_time(change: &mut Change, now_unix_s: u32) {
    let (Change::Add { at_unix_s, .. }
    | Change::Retract { at_unix_s, .. }
    | Change::Delete { at_unix_s, .. }) = change;
    *at_unix_s = now_unix_s;
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tamis_reputation_protocol::naming;

    fn string(text: &[u8]) -> Value {
        Value::BulkString(text.to_vec())
    }

    fn answer(id: &str, fields: &[(&str, &[u8])]) -> Value {
        let fields = fields.iter().flat_map(|(key, value)| [string(key.as_bytes()), string(value)]);
        Value::Array(vec![string(id.as_bytes()), Value::Array(fields.collect())])
    }

    fn deletion(reporter: &str, at_unix_s: u32) -> Change {
        let signature = naming::link("a.example");
        Change::Delete { signature, reporter: reporter.to_owned(), at_unix_s }
    }

    #[test]
    fn a_commit_comes_back_with_the_time_of_its_entry_and_without_what_no_table_takes() {
        let sent = payload(&[deletion("desk", 5), deletion("", 5)]);
        let value = Value::Array(vec![answer("1800000000123-7", &[("i", &[9; 16]), ("c", &sent)])]);
        let position = Position { ms: 1_800_000_000_123, seq: 7 };
        let changes = vec![deletion("desk", 1_800_000_000)];
        let content = Content::Commit { id: [9; 16], changes };
        assert_eq!(of_range(value.clone()), Some(vec![Entry { position, content }]));
        let read = Value::Array(vec![Value::Array(vec![string(b"key"), value])]);
        assert_eq!(of_read(read).map(|entries| entries.len()), Some(1));
        assert_eq!(of_read(Value::Nil), Some(Vec::new()), "the time ran out");
    }

    #[test]
    fn a_beginning_says_from_where_or_that_there_was_nothing() {
        for (from, expected) in [("12-3", Some(Position { ms: 12, seq: 3 })), ("", None)] {
            let fields: &[(&str, &[u8])] =
                &[("b", b"77"), ("f", from.as_bytes()), ("n", b"one"), ("m", &[4; 16])];
            let entries = of_range(Value::Array(vec![answer("13-0", fields)])).unwrap();
            let begin =
                Begin { epoch: 77, from: expected, node: "one".to_owned(), mark: Some([4; 16]) };
            assert_eq!(entries[0].content, Content::Begin(begin));
        }
    }

    #[test]
    fn two_histories_of_one_length_are_not_taken_for_one() {
        let at = |ms| Some(Position { ms, seq: 0 });
        let (one, other) = (Some([1; 16]), Some([2; 16]));
        let begun = |epoch, from, mark| Begin { epoch, from, node: "a".to_owned(), mark };
        let own = |epoch, position, mark, node| Place { epoch, position, mark, node };
        for (what, begun, own, expected) in [
            ("the same entry", begun(7, at(5), one), own(7, at(5), one, "b"), true),
            ("after a start", begun(7, at(5), one), own(7, at(5), None, "b"), true),
            ("begun by an older node", begun(7, at(5), None), own(7, at(5), one, "b"), true),
            ("fewer changes", begun(7, at(5), one), own(6, at(5), one, "b"), false),
            ("another entry", begun(7, at(5), one), own(7, at(6), one, "b"), false),
            ("a place given twice", begun(7, at(5), one), own(7, at(5), other, "b"), false),
            ("both empty", begun(0, None, None), own(0, None, None, "b"), true),
            ("two logs of one length", begun(7, None, None), own(7, None, None, "b"), false),
            ("its own log", begun(7, None, None), own(7, None, None, "a"), true),
            ("none and some", begun(7, None, None), own(7, at(5), None, "a"), false),
        ] {
            assert_eq!(begun.continues(&own), expected, "{what}");
        }
    }

    #[test]
    fn foreign_entries_keep_their_place_and_say_nothing() {
        let whole = payload(&[deletion("desk", 5)]);
        let fields: [&[(&str, &[u8])]; 5] = [
            &[],
            &[("hello", b"world")],
            &[("i", &[9; 15]), ("c", &whole)],
            &[("i", &[9; 16]), ("c", &whole[1..])],
            &[("b", b"-1")],
        ];
        for fields in fields {
            let entries = of_range(Value::Array(vec![answer("1-1", fields)])).unwrap();
            assert_eq!(entries[0].content, Content::Unreadable, "{fields:?}");
        }
        assert_eq!(of_range(Value::Array(vec![answer("one", &[])])), None, "no position");
        assert_eq!(of_range(Value::Int(1)), None);
    }
}
