//! What a node does at its place, from what all nodes told: no I/O, so that every case stands in a table.

use std::time::Duration;

use super::locating::Place;
use super::told::Told;
use crate::log::Position;

/// How long nodes that are named in `peers` and not heard of hold up a beginning. Then a majority is enough: a machine
/// that died together with Redis must not refuse writes for ever. Longer than a service takes to start and say that it
/// loads.
pub const ABSENT_WAIT: Duration = Duration::from_secs(15);

/// How long a node that lives and reads its directory holds up a beginning: the largest table takes minutes.
pub const LOADING_WAIT: Duration = Duration::from_secs(600);

/// Another node that lives.
#[derive(Clone, Debug)]
pub(super) struct Other<'a> {
    pub name: &'a str,
    pub told: &'a Told,
    /// Whether it told this after we connected: what stood there before may be older than what it has.
    pub is_fresh: bool,
}

/// All that a decision is made from, beside the place.
#[derive(Clone, Debug)]
pub(super) struct Heard<'a> {
    pub node: &'a str,
    pub own: &'a Told,
    /// Those that live.
    pub others: Vec<Other<'a>>,
    /// How many others there are, as configured.
    pub peers: usize,
    /// Since when a beginning is wanted.
    pub waited: Duration,
}

/// What is right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The stream goes on where we are, and nobody has more than it.
    ReadOn,
    /// A table that reaches this is needed.
    Take(Position),
    /// Look again soon.
    Wait(Why),
    /// Of all, this node has come furthest: it begins the stream anew.
    Begin,
}

impl Step {
    /// One that knows that its table differs does not read on with it, nor seem to follow while it looks again: it takes
    /// another. A beginning goes first, since all tables are compared with it.
    pub const fn unless_differs(self, differs: Option<Position>) -> Self {
        match (self, differs) {
            (Self::ReadOn | Self::Wait(Why::News), Some(at_least)) => Self::Take(at_least),
            _ => self,
        }
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Others have not told anything since we connected.
    News,
    /// Another node follows and has not noticed yet what is wrong.
    Follower,
    /// Nodes that are named in `peers`: so many nodes are heard of, this one included, of so many.
    Absent(usize, usize),
    /// A node that reads its directory.
    Loading,
    /// Another node has come further: it begins.
    Furthest,
}

/// What to do at this place of a stream whose last entry is `last`. What nodes told must have been read before the stream:
/// then nobody who only read on can seem to have more than it.
pub(super) fn step(place: &Place, last: Option<Position>, heard: &Heard<'_>) -> Step {
    let has_lost = lost_writes(last, heard.others.iter().map(|other| other.told));
    let somebody_follows = heard.others.iter().any(|other| other.told.follows());
    match *place {
        Place::Here if has_lost => election(heard),
        Place::Here if heard.others.iter().any(|other| !other.is_fresh) => Step::Wait(Why::News),
        Place::Here => Step::ReadOn,
        Place::Behind(at_least) => Step::Take(at_least),
        Place::Aside(Some(at_least)) if somebody_follows => Step::Take(at_least),
        Place::Aside(_) | Place::Missing => election(heard),
    }
}

/// Whether some node applied an entry behind the last one of the stream: acknowledged writes are lost there.
pub(super) fn lost_writes<'a>(
    last: Option<Position>,
    mut others: impl Iterator<Item = &'a Told>,
) -> bool {
    others.any(|told| told.position > last)
}

/// Who begins the stream: the one that has come furthest of all, once all that are named were heard of.
fn election(heard: &Heard<'_>) -> Step {
    let others = &heard.others;
    if others.iter().any(|other| other.told.follows()) {
        return Step::Wait(Why::Follower);
    }
    let members = heard.peers + 1;
    let is_majority = |nodes: usize| nodes * 2 > members;
    let alive = others.len() + 1;
    if alive < members && (heard.waited < ABSENT_WAIT || !is_majority(alive)) {
        return Step::Wait(Why::Absent(alive, members));
    }
    let loading = others.iter().filter(|other| other.told.loads()).count();
    if loading > 0 && (heard.waited < LOADING_WAIT || !is_majority(alive - loading)) {
        return Step::Wait(Why::Loading);
    }
    let known = others.iter().filter(|other| !other.told.loads());
    let best = known.map(|other| (other.told.epoch, other.told.position, other.name)).max();
    if Some((heard.own.epoch, heard.own.position, heard.node)) > best {
        Step::Begin
    } else {
        Step::Wait(Why::Furthest)
    }
}

#[cfg(test)]
mod tests;
