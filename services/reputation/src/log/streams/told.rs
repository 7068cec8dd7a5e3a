//! What a node tells the others of itself, as it stands in the hash of Redis.

use std::time::Duration;

use super::entry;
use crate::log::Position;

/// A node that said nothing for as long is not waited for.
pub const ALIVE_WITHIN: Duration = Duration::from_secs(3);

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// Looks for its place, or waits.
    Looks,
    /// Follows the stream.
    Follows,
    /// Reads its directory: how far it had come is not known yet.
    Loads,
}

/// What one node told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Changes that it has; of a node that loads, those that the names of its files speak of.
    pub epoch: u64,
    /// The entry up to which it applied everything.
    pub position: Option<Position>,
    /// Up to where its last snapshot goes.
    pub snapshot: Option<Position>,
    /// What it does.
    pub does: Does,
    /// When it told, by the clock of Redis.
    pub at_ms: u64,
}

impl Told {
    /// One line: epoch, position, snapshot, what it does, when.
    pub fn text(&self) -> String {
        let place = |place: Option<Position>| place.map_or_else(|| "-".to_owned(), entry::text);
        let (position, snapshot) = (place(self.position), place(self.snapshot));
        let does = match self.does {
            Does::Looks => "0",
            Does::Follows => "1",
            Does::Loads => "2",
        };
        format!("{} {position} {snapshot} {does} {}", self.epoch, self.at_ms)
    }

    /// Reads such a line.
    pub fn read(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split(' ').collect();
        let [epoch, position, snapshot, does, at_ms] = *fields.as_slice() else { return None };
        Some(Self {
            epoch: epoch.parse().ok()?,
            position: entry::position(position),
            snapshot: entry::position(snapshot),
            does: match does {
                "1" => Does::Follows,
                "2" => Does::Loads,
                _ => Does::Looks,
            },
            at_ms: at_ms.parse().ok()?,
        })
    }

    /// Whether it follows the stream.
    pub fn follows(&self) -> bool {
        self.does == Does::Follows
    }

    /// Whether it still reads its directory.
    pub fn loads(&self) -> bool {
        self.does == Does::Loads
    }

    /// Whether another node came further with the same changes: then this one lacks some that the order has lost. Of two
    /// that differ, the one with fewer changes takes the table of the other.
    pub fn differs(&self, other: &Self) -> bool {
        let both_follow = self.follows() && other.follows();
        both_follow && self.position == other.position && self.epoch < other.epoch
    }

    /// Whether it is waited for.
    pub fn is_alive(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.at_ms) <= ALIVE_WITHIN.as_millis() as u64
    }
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
    fn what_a_node_tells_is_read_as_it_was_told_and_other_text_is_not() {
        for told in [
            told(at(5)),
            told(None),
            Told { does: Does::Looks, position: None, ..told(None) },
            Told { does: Does::Loads, position: None, ..told(None) },
        ] {
            assert_eq!(Told::read(&told.text()), Some(told));
        }
        for text in ["", "1 2-3 4-5 1", "x 2-3 4-5 1 9", "1 2-3 4-5 1 9 9"] {
            assert_eq!(Told::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_node_that_has_fewer_changes_at_the_same_place_knows_that_it_differs() {
        let (low, high) = (told(None), Told { epoch: 8, ..told(None) });
        assert!(low.differs(&high));
        assert!(!high.differs(&low) && !low.differs(&low));
        assert!(!low.differs(&Told { position: at(9_000_001), ..high.clone() }), "it is ahead");
        assert!(!low.differs(&Told { does: Does::Looks, ..high }), "it may be wrong itself");
    }

    #[test]
    fn a_node_is_alive_for_n_milliseconds_and_not_for_one_more() {
        let limit = 10_000_000 + ALIVE_WITHIN.as_millis() as u64;
        assert!(told(None).is_alive(limit) && !told(None).is_alive(limit + 1));
    }
}
