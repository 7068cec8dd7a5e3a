use super::*;

const HOUR: u32 = 3600;
const NOW: u32 = 1_800_000_000;

fn signature(kind: SignatureKind, number: u64) -> Signature {
    let mut value = [0; 16];
    value[8..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    value[..8].copy_from_slice(&number.to_be_bytes());
    Signature { kind, value }
}

fn add(signature: Signature, class: Class, reporter: &str) -> Change {
    let reporter = reporter.to_owned();
    Change::Add {
        signature,
        sketch: None,
        class,
        weight: 80,
        reporter,
        authority: Authority::Operator,
        at_unix_s: NOW,
    }
}

fn ordinary(signature: Signature, class: Class, reporter: &str) -> Change {
    let (reporter, authority) = (reporter.to_owned(), Authority::Reporter);
    Change::Add { signature, sketch: None, class, weight: 50, reporter, authority, at_unix_s: NOW }
}

fn add_text(number: u64, sketch: Sketch, class: Class) -> Change {
    Change::Add {
        signature: signature(SignatureKind::Text, number),
        sketch: Some(sketch),
        class,
        weight: 80,
        reporter: "desk".to_owned(),
        authority: Authority::Operator,
        at_unix_s: NOW,
    }
}

fn delete(signature: Signature) -> Change {
    Change::Delete { signature, reporter: "desk".to_owned(), at_unix_s: NOW }
}

fn table(reporters_needed: u8) -> Table {
    Table::new(Rules { reporters_needed, seed: 7, ..Rules::default() })
}

/// Lanes that no other number shares.
fn sketch(number: u16) -> Sketch {
    Sketch(std::array::from_fn(|lane| {
        number.wrapping_mul(31).wrapping_add(lane as u16 * 2039).rotate_left(lane as u32 % 16)
    }))
}

/// `lanes` equal lanes, spread so that as few bands as possible are whole.
fn resembling(of: &Sketch, lanes: usize) -> Sketch {
    let order = (0..32).step_by(2).chain((1..32).step_by(2));
    let mut other = Sketch(of.0.map(|lane| lane ^ 0x5555));
    for lane in order.take(lanes) {
        other.0[lane] = of.0[lane];
    }
    other
}

fn asked(number: u64, sketch: Sketch) -> Item {
    Item { signature: signature(SignatureKind::Text, number), sketch: Some(sketch) }
}

#[test]
fn an_exact_name_is_answered_with_class_weight_reporters_and_age() {
    let mut table = table(1);
    let name = signature(SignatureKind::Part, 1);
    assert_eq!(table.ask(&Item::exact(name), NOW), None);
    assert_eq!(table.apply(&add(name, Class::Spam, "desk")), Ok(Applied::Added));
    let listing =
        Listing { class: Class::Spam, weight: 80, reporters: 1, age_hours: 2, similarity: 32 };
    assert_eq!(table.ask(&Item::exact(name), NOW + 2 * HOUR + 1), Some(listing));
    let other_kind = Signature { kind: SignatureKind::Link, ..name };
    assert_eq!(
        table.ask(&Item::exact(other_kind), NOW),
        None,
        "kinds do not answer for each other"
    );
}

#[test]
fn ages_saturate_and_never_run_backwards() {
    let mut table = table(1);
    let name = signature(SignatureKind::Part, 1);
    table.apply(&add(name, Class::Spam, "desk")).unwrap();
    let age = |now| table.ask(&Item::exact(name), now).unwrap().age_hours;
    assert_eq!(age(NOW - 100 * HOUR), 0);
    assert_eq!(age(NOW + 65_535 * HOUR), 65_535);
    assert_eq!(age(NOW + 65_536 * HOUR), 65_535);
}

#[test]
fn a_class_needs_k_independent_reporters_and_repeating_oneself_does_not_count() {
    let mut table = table(2);
    let name = signature(SignatureKind::Link, 1);
    let class =
        |table: &Table| table.ask(&Item::exact(name), NOW).map(|it| (it.class, it.reporters));
    table.apply(&ordinary(name, Class::Phishing, "desk")).unwrap();
    assert_eq!(class(&table), Some((Class::Suspected, 1)));
    assert_eq!(table.apply(&ordinary(name, Class::Phishing, "desk")), Ok(Applied::Confirmed));
    assert_eq!(class(&table), Some((Class::Suspected, 1)));
    table.apply(&ordinary(name, Class::Phishing, "trap")).unwrap();
    assert_eq!(class(&table), Some((Class::Phishing, 2)));
}

#[test]
fn an_operators_allowed_wins_and_most_reporters_decide_the_rest() {
    for (reports, expected) in [
        (vec![Class::Spam, Class::Spam, Class::Malware], Class::Spam),
        (vec![Class::Spam, Class::Malware], Class::Malware),
        (vec![Class::Bulk, Class::Bulk, Class::Spam], Class::Spam),
        (vec![Class::Bulk], Class::Bulk),
        (vec![Class::Malware, Class::Malware, Class::Allowed], Class::Allowed),
    ] {
        let mut table = table(1);
        let name = signature(SignatureKind::Part, 1);
        for (number, class) in reports.iter().enumerate() {
            table.apply(&add(name, *class, &format!("reporter {number}"))).unwrap();
        }
        assert_eq!(table.ask(&Item::exact(name), NOW).unwrap().class, expected, "{reports:?}");
    }
}

#[test]
fn so_many_reporters_are_kept_and_one_more_counts_only_if_it_is_an_operator() {
    let mut table = table(1);
    let name = signature(SignatureKind::Part, 1);
    let reporters = |table: &Table| table.ask(&Item::exact(name), NOW).unwrap().reporters;
    for number in 0..REPORTERS_KEPT_MAX {
        assert_eq!(usize::from(if number == 0 { 0 } else { reporters(&table) }), number);
        table.apply(&ordinary(name, Class::Spam, &format!("reporter {number}"))).unwrap();
    }
    assert_eq!(usize::from(reporters(&table)), REPORTERS_KEPT_MAX);
    table.apply(&ordinary(name, Class::Spam, "one more")).unwrap();
    assert_eq!(usize::from(reporters(&table)), REPORTERS_KEPT_MAX);
    let retracted =
        Change::Retract { signature: name, reporter: "one more".to_owned(), at_unix_s: NOW };
    assert_eq!(table.apply(&retracted), Ok(Applied::Unknown), "it was not kept");
    table.apply(&add(name, Class::Allowed, "the operator")).unwrap();
    assert_eq!(table.ask(&Item::exact(name), NOW).unwrap().class, Class::Allowed);
    assert_eq!(usize::from(reporters(&table)), REPORTERS_KEPT_MAX);
}

#[test]
fn a_text_is_found_by_17_equal_lanes_and_not_by_16() {
    let mut table = table(1);
    let listed = sketch(1);
    table.apply(&add_text(1, listed, Class::Spam)).unwrap();
    let similarity =
        |lanes| table.ask(&asked(2, resembling(&listed, lanes)), NOW).map(|it| it.similarity);
    assert_eq!(similarity(16), None);
    for lanes in 17..=32 {
        // The worst arrangement of lanes: the index finds it by the pigeonhole principle, not by luck.
        // All 32 are told as 31: equal sketches are not equal bytes.
        assert_eq!(similarity(lanes), Some(lanes.min(31) as u8));
    }
}

#[test]
fn the_exact_listing_comes_before_a_neighbour_and_of_neighbours_with_a_verdict_the_nearest() {
    let mut table = table(1);
    let (middle, near, far) = (sketch(1), resembling(&sketch(1), 30), resembling(&sketch(1), 20));
    table.apply(&add_text(1, near, Class::Spam)).unwrap();
    assert_eq!(table.ask(&asked(9, middle), NOW).unwrap().class, Class::Spam);
    table.apply(&add_text(2, far, Class::Allowed)).unwrap();
    let neighbour = table.ask(&asked(9, middle), NOW).unwrap();
    assert_eq!(
        (neighbour.class, neighbour.similarity),
        (Class::Spam, 30),
        "a clone of the allowed"
    );
    table.apply(&add_text(3, near, Class::Allowed)).unwrap();
    let neighbour = table.ask(&asked(9, middle), NOW).unwrap();
    assert_eq!((neighbour.class, neighbour.similarity), (Class::Allowed, 30), "equally near");
    table.apply(&delete(signature(SignatureKind::Text, 3))).unwrap();
    table.apply(&add_text(9, middle, Class::Phishing)).unwrap();
    assert_eq!(table.ask(&asked(9, middle), NOW).unwrap().class, Class::Phishing);
    table.apply(&delete(signature(SignatureKind::Text, 9))).unwrap();
    table.apply(&delete(signature(SignatureKind::Text, 2))).unwrap();
    assert_eq!(table.ask(&asked(9, middle), NOW).unwrap().class, Class::Spam);
}

#[test]
fn several_texts_own_one_key_and_one_too_many_displaces_the_oldest() {
    let mut table = table(1);
    // All share the first band only, and nothing else.
    let sharing = |number: u16| {
        let mut one = sketch(number);
        one.0[..2].fill(1);
        one
    };
    let of_first_band = |number: u16| {
        let mut one = Sketch(sharing(number).0.map(|lane| !lane));
        one.0[..2].fill(1);
        // Sixteen more lanes agree, none of them with its neighbour.
        (2..32).step_by(2).for_each(|lane| one.0[lane] = sharing(number).0[lane]);
        one
    };
    let owners = u16::try_from(OWNERS_MAX).unwrap();
    for number in 0..owners {
        table.apply(&add_text(number.into(), sharing(number), Class::Spam)).unwrap();
    }
    assert_eq!(table.evicted(), 0);
    let is_found =
        |table: &Table, number| table.ask(&asked(1000, of_first_band(number)), NOW).is_some();
    assert!((0..owners).all(|number| is_found(&table, number)));
    table.apply(&add_text(owners.into(), sharing(owners), Class::Spam)).unwrap();
    assert_eq!(table.evicted(), 1);
    assert!(!is_found(&table, 0), "the oldest lost its place");
    assert!((1..=owners).all(|number| is_found(&table, number)));
    let mut by_others = sharing(0);
    by_others.0[0] = 2;
    assert!(table.ask(&asked(1000, by_others), NOW).is_some(), "its other bands find it still");
}

#[test]
fn a_full_table_refuses_one_more_but_takes_reports_of_what_it_has() {
    let mut table = Table::new(Rules { signatures_max: 3, ..Rules::default() });
    let name = |number| signature(SignatureKind::Part, number);
    for number in 0..3 {
        table.apply(&add(name(number), Class::Spam, "desk")).unwrap();
    }
    let refused = Err(Refused::Full { signatures_max: 3 });
    assert_eq!(table.apply(&add(name(3), Class::Spam, "desk")), refused);
    assert_eq!(table.epoch(), 3, "a refusal changes nothing");
    assert_eq!(table.apply(&add(name(0), Class::Spam, "trap")), Ok(Applied::Confirmed));
    table.apply(&delete(name(1))).unwrap();
    assert_eq!(table.apply(&add(name(3), Class::Spam, "desk")), Ok(Applied::Added));
    assert_eq!(table.check(&[add(name(4), Class::Spam, "desk")]), refused.map(|_| ()));
    assert!(
        table.replay(&add(name(4), Class::Spam, "desk")).is_ok(),
        "what was accepted once stays"
    );
}

#[test]
fn changes_that_make_no_sense_are_refused_by_name() {
    let mut table = table(1);
    let name = signature(SignatureKind::Part, 1);
    let of = |weight, reporter: &str, sketch| Change::Add {
        signature: name,
        sketch,
        class: Class::Spam,
        weight,
        reporter: reporter.to_owned(),
        authority: Authority::Operator,
        at_unix_s: NOW,
    };
    assert_eq!(table.apply(&of(0, "desk", None)), Err(Refused::Weight(0)));
    assert_eq!(table.apply(&of(101, "desk", None)), Err(Refused::Weight(101)));
    assert!(table.apply(&of(100, "desk", None)).is_ok());
    assert_eq!(table.apply(&of(1, "", None)), Err(Refused::Reporter));
    assert_eq!(table.apply(&of(1, "d\u{e9}sk", None)), Err(Refused::Reporter));
    assert!(table.apply(&of(1, &"d".repeat(REPORTER_CHARS_MAX), None)).is_ok());
    assert_eq!(
        table.apply(&of(1, &"d".repeat(REPORTER_CHARS_MAX + 1), None)),
        Err(Refused::Reporter)
    );
    let with_sketch = of(1, "desk", Some(sketch(1)));
    assert_eq!(table.apply(&with_sketch), Err(Refused::Sketch(SignatureKind::Part)));
    let suspected = add(name, Class::Suspected, "desk");
    assert_eq!(table.apply(&suspected), Err(Refused::Class(Class::Suspected)));
}

#[test]
fn deleted_texts_give_their_places_back() {
    let mut table = table(1);
    for number in 0..200 {
        table.apply(&add_text(number, sketch(number as u16), Class::Spam)).unwrap();
    }
    let memory = table.memory_bytes();
    for round in 1..20 {
        for number in 0..200 {
            table
                .apply(&delete(signature(SignatureKind::Text, 1000 * (round - 1) + number)))
                .unwrap();
            let text = sketch((1000 * round + number) as u16);
            table.apply(&add_text(1000 * round + number, text, Class::Spam)).unwrap();
        }
    }
    assert!(table.memory_bytes() < memory * 2, "{} after {memory}", table.memory_bytes());
    assert_eq!(table.count(SignatureKind::Text), 200);
}

#[test]
fn so_many_reporters_are_known_by_name_and_one_more_is_refused() {
    let mut table = table(1);
    let name = |number: usize| signature(SignatureKind::Part, number as u64);
    for number in 0..REPORTER_NAMES_MAX {
        table.apply(&add(name(number), Class::Spam, &format!("reporter {number}"))).unwrap();
    }
    assert_eq!(table.apply(&add(name(1), Class::Spam, "one more")), Err(Refused::TooManyReporters));
    assert_eq!(table.epoch(), REPORTER_NAMES_MAX as u64, "it was never in a log");
    assert_eq!(
        table.replay(&add(name(1), Class::Spam, "one more")),
        Err(Refused::TooManyReporters)
    );
    assert_eq!(table.epoch(), REPORTER_NAMES_MAX as u64 + 1, "it stands in a log");
    assert!(table.apply(&add(name(1), Class::Spam, "reporter 5")).is_ok(), "a known one goes on");
    assert_eq!(table.apply(&delete(name(2))), Ok(Applied::Deleted), "deleting needs no name");
}

#[test]
fn no_table_holds_more_than_its_numbers_can_name() {
    let held = |bare, sketched, names| limits::Held { bare, sketched, names };
    let full = |signatures_max| Err(Refused::Full { signatures_max });
    assert_eq!(held(SIGNATURES_MAX, 0, 0).check(None), Ok(()));
    assert_eq!(held(SIGNATURES_MAX + 1, 0, 0).check(None), full(SIGNATURES_MAX));
    assert_eq!(held(SIGNATURES_MAX + 1, 0, 0).check(Some(usize::MAX)), full(SIGNATURES_MAX));
    assert_eq!(held(9, SKETCHED_MAX, 0).check(None), Ok(()));
    assert_eq!(held(9, SKETCHED_MAX + 1, 0).check(None), full(SKETCHED_MAX));
    assert_eq!(held(0, 0, REPORTER_NAMES_MAX).check(None), Ok(()));
    assert_eq!(held(0, 0, REPORTER_NAMES_MAX + 1).check(None), Err(Refused::TooManyReporters));
}

/// The same order of changes for a whole table of a service with shards and for its two halves.
fn whole_and_halves(changes: &[Change]) -> [Table; 3] {
    ["0000-ffff", "0000-7fff", "8000-ffff"].map(|range| {
        let shard = Some(range.parse().unwrap());
        let mut table =
            Table::new(Rules { reporters_needed: 2, seed: 7, shard, ..Rules::default() });
        for change in changes {
            let _ = table.apply(change).unwrap();
        }
        table
    })
}

/// Reports, deletions and retractions by many, also of what is not listed, all over the range.
fn mixed_changes(count: u64) -> Vec<Change> {
    let of = |number: u64| {
        let mut named = signature(SignatureKind::ALL[(number % 7) as usize], number % 97);
        named.value[..2].copy_from_slice(&((number % 97 * 677) as u16).to_be_bytes());
        let reporter = format!("org-{}/host", number * 31 % 23);
        match number * 13 % 11 {
            0 => delete(named),
            1 => Change::Retract { signature: named, reporter, at_unix_s: NOW },
            _ => ordinary(named, Class::Spam, &reporter),
        }
    };
    (0..count).map(of).collect()
}

#[test]
fn shards_of_one_order_tell_the_same_epoch_and_together_hold_what_a_whole_table_does() {
    let changes = mixed_changes(2_000);
    for upto in [1, 7, 500, changes.len()] {
        let [whole, low, high] = whole_and_halves(&changes[..upto]);
        assert_eq!(whole.epoch(), upto as u64, "every change is a step");
        assert_eq!((low.epoch(), high.epoch()), (whole.epoch(), whole.epoch()));
        assert_eq!(low.len() + high.len(), whole.len());
        for kind in SignatureKind::ALL {
            assert_eq!(low.count(kind) + high.count(kind), whole.count(kind));
        }
        let names = |table: &Table| -> Vec<(String, u16)> {
            table.reporters().map(|record| (record.name, record.last_day)).collect()
        };
        assert_eq!((names(&low), names(&high)), (names(&whole), names(&whole)), "who is active");
    }
    let [_, low, high] = whole_and_halves(&changes);
    assert!(low.len() > 20 && high.len() > 20, "{} and {}", low.len(), high.len());
    for change in &changes {
        let item = Item::exact(*change.signature());
        let (held, other) =
            if item.signature.value[0] < 0x80 { (&low, &high) } else { (&high, &low) };
        assert_eq!(other.ask(&item, NOW), None);
        assert!(held.rules().holds(&item.signature) && !other.rules().holds(&item.signature));
    }
}

#[test]
fn merit_is_learned_by_a_shard_from_its_own_part_and_replicas_agree() {
    let changes = mixed_changes(2_000);
    let [whole, low, high] = whole_and_halves(&changes);
    let [_, replica, _] = whole_and_halves(&changes);
    assert!(low.reporters().eq(replica.reporters()));
    let confirmed = |table: &Table| -> u32 { table.reporters().map(|it| it.confirmed).sum() };
    assert!(confirmed(&low) > 0 && confirmed(&high) > 0);
    assert!(confirmed(&low) < confirmed(&whole) && confirmed(&high) < confirmed(&whole));
}

#[test]
fn what_another_shard_keeps_needs_no_room_here() {
    let shard = Some("0000-7fff".parse().unwrap());
    let mut table = Table::new(Rules { signatures_max: 1, shard, ..Rules::default() });
    let at = |first: u8| {
        let mut named = signature(SignatureKind::Link, 5);
        named.value[0] = first;
        add(named, Class::Spam, "desk")
    };
    assert_eq!(table.apply(&at(1)), Ok(Applied::Added), "n");
    assert_eq!(table.apply(&at(2)), Err(Refused::Full { signatures_max: 1 }), "n + 1");
    for first in 0x80..=0xff {
        assert_eq!(table.apply(&at(first)), Ok(Applied::Elsewhere));
    }
    assert_eq!((table.len(), table.epoch()), (1, 129));
}
