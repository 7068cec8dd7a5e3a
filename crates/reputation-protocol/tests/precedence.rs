//! One order of what may be said of an item: within a table, of a site over its bases, and over shards. All pairs.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::{Class, Listing};
use tamis_reputation_protocol::known::Known;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::sharding::{Shard, ShardMap};
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};

/// Something that is said, by whom, and of what: the item itself (32 lanes) or something so much like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word {
    class: Class,
    is_operator: bool,
    lanes: u8,
}

/// What the rule says, written down a second time: the greater is told.
fn rank(word: Word) -> (u8, u8, bool) {
    let tier = match word.class {
        Class::Suspected => 0,
        Class::Bulk => 1,
        Class::Spam | Class::Phishing | Class::Malware | Class::Allowed => 2,
    };
    let operator_by_name = word.lanes == 32 && word.is_operator && tier == 2;
    (tier, word.lanes, operator_by_name || word.class == Class::Allowed)
}

fn words() -> Vec<Word> {
    let mut all = Vec::new();
    for lanes in [20, 28, 32] {
        for class in Class::ALL {
            // A suspicion is what too few reporters amount to, and reporters alone allow nothing.
            let by_operator = class != Class::Suspected;
            let by_reporters = class != Class::Allowed;
            all.extend(by_operator.then_some(Word { class, is_operator: true, lanes }));
            all.extend(by_reporters.then_some(Word { class, is_operator: false, lanes }));
        }
    }
    all
}

const ASKED: Item = Item {
    signature: Signature { kind: SignatureKind::Text, value: [7; 16] },
    sketch: Some(Sketch([40_000; 32])),
};

/// What a word is said of: different things for different `number`s, but for the item itself.
fn said_of(word: Word, number: u8) -> (Signature, Sketch) {
    let kind = SignatureKind::Text;
    let value = if word.lanes == 32 { [7; 16] } else { [number; 16] };
    let alike = |lane: usize| {
        // Lanes that differ are other ones for another number.
        let place = (lane + 16 * usize::from(number % 2)) % 32;
        let other = 100 * u16::from(number) + lane as u16;
        if place < usize::from(word.lanes) { 40_000 } else { other }
    };
    (Signature { kind, value }, Sketch(std::array::from_fn(alike)))
}

fn table() -> Table {
    Table::new(Rules { reporters_needed: 2, ..Rules::default() })
}

fn say(table: &mut Table, word: Word, number: u8) {
    let (signature, sketch) = said_of(word, number);
    let (class, reporters): (Class, &[&str]) = match (word.class, word.is_operator) {
        (Class::Suspected, _) => (Class::Spam, &["one.example"]),
        (class, true) => (class, &["desk"]),
        (class, false) => (class, &["one.example", "two.example", "three.example"]),
    };
    let authority = if word.is_operator { Authority::Operator } else { Authority::Reporter };
    for reporter in reporters {
        let (sketch, weight, at_unix_s) = (Some(sketch), 50, 0);
        let reporter = (*reporter).to_owned();
        let change =
            Change::Add { signature, sketch, class, weight, reporter, authority, at_unix_s };
        table.apply(&change).unwrap();
    }
}

fn saying(word: Word, number: u8) -> Table {
    let mut table = table();
    say(&mut table, word, number);
    table
}

fn told(listing: Option<Listing>) -> (Class, u8) {
    let listing = listing.unwrap();
    (listing.class, listing.similarity)
}

const fn shown(word: Word) -> (Class, u8) {
    (word.class, word.lanes)
}

#[test]
fn a_site_over_its_bases_tells_what_comes_first_and_of_equals_its_own() {
    for own in words() {
        for other in words() {
            let (table, base) = (saying(own, 2), saying(other, 3));
            let known = Known { table: &table, base: Some(&base), is_stale: false, bulk: None };
            let first = if rank(other) > rank(own) { other } else { own };
            assert_eq!(told(known.ask(&ASKED, 0)), shown(first), "{own:?} over {other:?}");
        }
    }
}

#[test]
fn one_table_agrees_wherever_both_can_be_said_in_it() {
    for one in words() {
        for other in words().into_iter().filter(|other| one.lanes < 32 || other.lanes < 32) {
            let mut table = saying(one, 2);
            say(&mut table, other, 3);
            let answer = told(table.ask(&ASKED, 0));
            if rank(one) == rank(other) {
                assert!(answer == shown(one) || answer == shown(other));
            } else {
                let first = if rank(other) > rank(one) { other } else { one };
                assert_eq!(answer, shown(first), "{one:?} beside {other:?}");
            }
        }
    }
}

#[test]
fn shards_agree_wherever_they_can_both_know() {
    let shard = |from| Shard { from, servers: vec!["reputation.example:7060".to_owned()] };
    let map = ShardMap::new(vec![shard(0), shard(0x8000)]).unwrap();
    let split = map.split(&[ASKED]);
    for owner in words() {
        // The name itself has one owner.
        for other in words().into_iter().filter(|other| other.lanes < 32) {
            let tables = [saying(owner, 2), saying(other, 3)];
            let answers = tables.map(|table| Some(vec![table.ask(&ASKED, 0)]));
            let joined = split.join(&answers);
            let first = if rank(other) > rank(owner) { other } else { owner };
            assert_eq!(told(joined.listings[0]), shown(first), "{owner:?} beside {other:?}");
        }
    }
}

#[test]
fn a_near_accusation_of_the_site_does_not_hide_what_another_site_allows_by_name() {
    let accused = Word { class: Class::Phishing, is_operator: true, lanes: 28 };
    let allowed = Word { class: Class::Allowed, is_operator: true, lanes: 32 };
    let (table, base) = (saying(accused, 2), saying(allowed, 3));
    let known = Known { table: &table, base: Some(&base), is_stale: false, bulk: None };
    assert_eq!(told(known.ask(&ASKED, 0)), (Class::Allowed, 32));
}
