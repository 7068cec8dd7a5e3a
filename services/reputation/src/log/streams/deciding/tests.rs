//! Every case of a decision.

use super::super::told::Does;
use super::*;

const fn at(ms: u64) -> Option<Position> {
    Some(Position { ms, seq: 0 })
}

const fn told(epoch: u64, position: Option<Position>, does: Does) -> Told {
    Told { epoch, position, snapshot: None, does, at_ms: 0 }
}

const fn looks(epoch: u64) -> Told {
    told(epoch, at(epoch), Does::Looks)
}

const fn follows(epoch: u64) -> Told {
    told(epoch, at(epoch), Does::Follows)
}

const LOADS: Told = told(99, None, Does::Loads);
const EMPTY: Told = told(0, None, Does::Looks);

struct Case<'a> {
    own: Told,
    others: &'a [Told],
    peers: usize,
    waited: Duration,
}

fn at_once(own: Told, others: &[Told], peers: usize) -> Case<'_> {
    Case { own, others, peers, waited: Duration::ZERO }
}

impl Case<'_> {
    fn step(&self, place: &Place, last: Option<Position>, is_fresh: bool) -> Step {
        let names = ["a", "c", "d", "e"];
        let others = self.others.iter().zip(names);
        let others = others.map(|(told, name)| Other { name, told, is_fresh }).collect();
        let (peers, waited) = (self.peers, self.waited);
        step(place, last, &Heard { node: "b", own: &self.own, others, peers, waited })
    }
}

#[test]
fn nobody_begins_before_every_peer_was_heard_of_or_a_majority_after_the_time_limit() {
    let (no, long) = (Duration::ZERO, ABSENT_WAIT);
    let just_before = ABSENT_WAIT - Duration::from_millis(1);
    let (loads, just_loads) = (LOADING_WAIT, LOADING_WAIT - Duration::from_millis(1));
    let absent = |alive, members| Step::Wait(Why::Absent(alive, members));
    type Row<'a> = (&'a str, Told, &'a [Told], usize, Duration, Step);
    let table: &[Row<'_>] = &[
        ("a node without peers is all there is", looks(5), &[], 0, no, Step::Begin),
        ("an empty one, too", EMPTY, &[], 0, no, Step::Begin),
        ("one that has something waits as well", looks(5), &[looks(4)], 2, no, absent(2, 3)),
        ("an empty one waits for the last one", EMPTY, &[EMPTY], 2, no, absent(2, 3)),
        ("all are there", looks(5), &[looks(4), looks(3)], 2, no, Step::Begin),
        ("more than are named", looks(5), &[looks(4), looks(3)], 1, no, Step::Begin),
        ("until the time limit", looks(5), &[looks(4)], 2, just_before, absent(2, 3)),
        ("a majority after it", looks(5), &[looks(4)], 2, long, Step::Begin),
        ("never a minority", looks(5), &[], 2, loads, absent(1, 3)),
        ("half is no majority", looks(5), &[], 1, loads, absent(1, 2)),
        ("nor of four", looks(5), &[looks(4)], 3, loads, absent(2, 4)),
        ("who loads is there", looks(5), &[LOADS, looks(4)], 2, no, Step::Wait(Why::Loading)),
        ("and waited for", looks(5), &[LOADS, EMPTY], 2, just_loads, Step::Wait(Why::Loading)),
        ("not without end", looks(5), &[LOADS, EMPTY], 2, loads, Step::Begin),
        ("no majority loaded", looks(5), &[LOADS, LOADS], 2, loads, Step::Wait(Why::Loading)),
        ("another has more", looks(5), &[looks(6), looks(1)], 2, no, Step::Wait(Why::Furthest)),
        ("of equals one", looks(5), &[looks(5)], 1, no, Step::Begin),
        ("not both", looks(5), &[EMPTY, looks(5)], 2, no, Step::Wait(Why::Furthest)),
        ("somebody follows", looks(5), &[follows(1)], 1, no, Step::Wait(Why::Follower)),
    ];
    for (what, own, others, peers, waited, expected) in table {
        let case = Case { own: own.clone(), others, peers: *peers, waited: *waited };
        for (place, last) in [(Place::Missing, None), (Place::Aside(None), at(99))] {
            assert_eq!(case.step(&place, last, true), *expected, "{what}: {place:?}");
        }
    }
}

#[test]
fn a_stream_that_ends_before_what_another_node_has_is_not_read_on() {
    let table: &[(&str, &[Told], Option<Position>, Step)] = &[
        ("nobody has more", &[follows(20), follows(20)], at(20), Step::ReadOn),
        ("one has more", &[looks(21), looks(20)], at(20), Step::Wait(Why::Furthest)),
        ("it follows still", &[follows(21)], at(20), Step::Wait(Why::Follower)),
        ("it is not all", &[looks(21)], at(20), Step::Wait(Why::Absent(2, 3))),
        ("who loads says no position", &[LOADS, LOADS], at(20), Step::ReadOn),
    ];
    for (what, others, last, expected) in table {
        let step = at_once(looks(15), others, 2).step(&Place::Here, *last, true);
        assert_eq!(step, *expected, "{what}");
    }
    // A later place in another history: who has most decides, even if the stream goes on where it is.
    let other_history = [told(3, at(21), Does::Looks), looks(14)];
    let step = at_once(looks(15), &other_history, 2).step(&Place::Here, at(20), true);
    assert_eq!(step, Step::Begin);
}

#[test]
fn what_was_told_before_we_connected_is_not_enough_to_read_on() {
    let case = Case { own: looks(15), others: &[looks(15)], peers: 1, waited: Duration::ZERO };
    assert_eq!(case.step(&Place::Here, at(20), false), Step::Wait(Why::News));
    assert_eq!(case.step(&Place::Here, at(20), true), Step::ReadOn);
    let alone = Case { others: &[], ..case };
    assert_eq!(alone.step(&Place::Here, at(20), false), Step::ReadOn, "nobody lives");
}

#[test]
fn who_cannot_read_on_takes_the_table_of_one_that_follows() {
    let needed = Position { ms: 18, seq: 0 };
    let table: &[(Place, &[Told], Step)] = &[
        (Place::Behind(needed), &[], Step::Take(needed)),
        (Place::Behind(needed), &[follows(20)], Step::Take(needed)),
        (Place::Aside(Some(needed)), &[follows(20)], Step::Take(needed)),
        (Place::Aside(Some(needed)), &[looks(14)], Step::Begin),
        (Place::Aside(None), &[follows(14)], Step::Wait(Why::Follower)),
        (Place::Missing, &[follows(14)], Step::Wait(Why::Follower)),
    ];
    for (place, others, expected) in table {
        assert_eq!(at_once(looks(15), others, 1).step(place, at(20), true), *expected, "{place:?}");
    }
}

#[test]
fn a_node_that_knows_that_its_table_differs_takes_another_and_never_follows_before() {
    let (differs, later) = (Position { ms: 15, seq: 0 }, Position { ms: 18, seq: 0 });
    let table = [
        (Step::ReadOn, Step::Take(differs)),
        (Step::Wait(Why::News), Step::Take(differs)),
        (Step::Take(later), Step::Take(later)),
        (Step::Wait(Why::Furthest), Step::Wait(Why::Furthest)),
        (Step::Begin, Step::Begin),
    ];
    for (step, expected) in table {
        assert_eq!(step.unless_differs(Some(differs)), expected, "{step:?}");
        assert_eq!(step.unless_differs(None), step);
    }
}
