use tamis_domain::digest::Sketch;
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::packet::{Question, Trace};

use super::*;

/// A name of its own for each number, with a sketch where its kind has one.
fn one(kind: SignatureKind, number: u16) -> Asked {
    let mut value = [kind.code(); 16];
    value[..2].copy_from_slice(&number.to_be_bytes());
    let sketch = kind.has_sketch().then_some(Sketch([number; 32]));
    Asked { item: Item { signature: Signature { kind, value }, sketch }, part: Some(number) }
}

fn many(kind: SignatureKind, count: u16) -> Vec<Asked> {
    (0..count).map(|number| one(kind, number)).collect()
}

fn all_of(asked: Vec<Asked>) -> Chosen {
    choose(Names { asked, unnamed: 0 }, |_| true)
}

fn count(chosen: &Chosen, kind: SignatureKind) -> usize {
    let whole = |it: &&Asked| {
        it.item.signature.kind == kind && it.item.sketch.is_some() == kind.has_sketch()
    };
    chosen.asked.iter().filter(whole).count()
}

#[test]
fn no_kind_starves_another_however_many_there_are() {
    for (flood, _) in SHARES {
        for (wanted, share) in SHARES.into_iter().filter(|(kind, _)| *kind != flood) {
            let mut names = many(flood, 900);
            names.extend(many(wanted, 900));
            let chosen = all_of(names);
            assert!(count(&chosen, wanted) >= share, "{flood:?} before {wanted:?}");
            assert!(count(&chosen, flood) > 0);
            // Names asked without their sketch are left out in part.
            assert!(chosen.left_out >= 1800 - SIGNATURES_MAX && chosen.left_out < 1800);
        }
        let crowd = SHARES.iter().flat_map(|(kind, _)| many(*kind, 50)).collect();
        let chosen = all_of(crowd);
        for (kind, share) in SHARES {
            assert!(count(&chosen, kind) >= share, "{kind:?} in a crowd");
        }
    }
}

#[test]
fn what_is_chosen_fits_one_datagram_sealed_and_traced() {
    for names in [
        many(SignatureKind::Text, 300),
        many(SignatureKind::Link, 300),
        SHARES.iter().flat_map(|(kind, _)| many(*kind, 50)).collect(),
    ] {
        let chosen = all_of(names);
        let items: Vec<Item> = chosen.asked.iter().map(|asked| asked.item).collect();
        let sketched = items.iter().filter(|item| item.sketch.is_some()).count();
        assert!(items.len() <= SIGNATURES_MAX && sketched <= SKETCHED_ASKED_MAX);
        let trace = Some(Trace { trace_id: [1; 16], parent_span_id: [2; 8] });
        let question = Question { id: 1, cookie: 0, trace, is_sighting: false, items };
        assert!(question.wire_bytes() + SEAL_BYTES <= DATAGRAM_BYTES_MAX);
    }
}

#[test]
fn names_have_room_up_to_n_and_the_next_is_left_out() {
    let exact = (ROOM_BYTES / EXACT_ITEM_BYTES).min(SIGNATURES_MAX) as u16;
    let sketched = (ROOM_BYTES / SKETCHED_ITEM_BYTES).min(SKETCHED_ASKED_MAX) as u16;
    for (kind, most) in [(SignatureKind::Link, exact), (SignatureKind::Text, sketched)] {
        for (names, left_out) in [(most, 0), (most + 1, 1)] {
            let chosen = all_of(many(kind, names));
            assert_eq!(count(&chosen, kind), usize::from(most));
            assert_eq!(chosen.left_out, left_out);
        }
    }
    let chosen = all_of(many(SignatureKind::Text, sketched + 1));
    let last = chosen.asked.last().unwrap();
    assert_eq!((last.part, last.item.sketch), (Some(sketched), None), "at least exactly");
}

#[test]
fn what_a_filter_denies_takes_no_room_and_is_not_left_out() {
    let names = Names { asked: many(SignatureKind::Link, 500), unnamed: 0 };
    let listed = one(SignatureKind::Link, 499).item;
    let chosen = choose(names, |item| *item == listed);
    assert_eq!((chosen.asked.len(), chosen.left_out), (500, 0));
    let names = Names { asked: many(SignatureKind::Link, 3), unnamed: 7 };
    assert_eq!(choose(names, |_| false).left_out, 7, "nobody could look these up");
}

#[test]
fn a_name_of_several_parts_is_asked_once_and_answered_for_all() {
    let first = one(SignatureKind::Link, 1);
    let second = Asked { part: Some(9), ..first };
    let chosen = all_of(vec![first, second]);
    assert_eq!((chosen.asked.len(), chosen.twins.len(), chosen.left_out), (1, 1, 0));
    let (signature, class) = (first.item.signature, Class::Spam);
    let listing = Listing { class, weight: 50, reporters: 3, age_hours: 0, similarity: 32 };
    let told = Answered { signature, part: first.part, listing: Some(listing) };
    let all = with_twins(vec![told], &chosen.twins);
    assert_eq!(all, [told, Answered { part: Some(9), ..told }]);
}
