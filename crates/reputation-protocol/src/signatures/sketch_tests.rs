//! Which sketch stays with a signature, who speaks for what resembles it, and who stands in the index.

use super::*;

const NOW: u32 = 1_800_000_000;

fn text(number: u16) -> Signature {
    let mut value = [0; 16];
    value[..2].copy_from_slice(&number.to_be_bytes());
    Signature { kind: SignatureKind::Text, value }
}

/// Lanes that no other number shares.
fn sketch(number: u16) -> Sketch {
    Sketch(std::array::from_fn(|lane| number.wrapping_mul(31).wrapping_add(lane as u16 * 2039)))
}

/// A table and the histories beside it, which must say the same.
struct Both {
    table: Table,
    saved: Vec<Saved>,
}

impl Both {
    fn new(reporters_needed: u8) -> Self {
        let table = Table::new(Rules { reporters_needed, ..Rules::default() });
        Self { table, saved: Vec::new() }
    }

    fn apply(&mut self, change: &Change) {
        self.table.apply(change).unwrap();
        let epoch = self.table.epoch();
        let at = self.saved.iter().position(|saved| saved.signature == *change.signature());
        match at {
            None => self.saved.extend(Saved::begun(change, epoch)),
            Some(at) => {
                if !self.saved[at].apply(change, epoch) {
                    self.saved.remove(at);
                }
            }
        }
        let mut loaded = Table::new(*self.table.rules());
        self.saved.iter().for_each(|saved| loaded.load(saved).unwrap());
        self.table.reporters().for_each(|record| loaded.load_reporter(&record).unwrap());
        for number in [1, 2, 3] {
            let asked = Item { signature: text(9_000), sketch: Some(sketch(number)) };
            let [one, other] = [&self.table, &loaded].map(|table| table.find(&asked, NOW));
            assert_eq!(one, other, "{change:?}");
        }
    }

    fn hear(&mut self, number: u16, given: Option<u16>, class: Class, reporter: &str) {
        let is_operator = reporter.starts_with("desk");
        self.apply(&Change::Add {
            signature: text(number),
            sketch: given.map(sketch),
            class,
            weight: 50,
            reporter: reporter.to_owned(),
            authority: if is_operator { Authority::Operator } else { Authority::Reporter },
            at_unix_s: NOW,
        });
    }

    fn retract(&mut self, number: u16, reporter: &str) {
        let (signature, reporter) = (text(number), reporter.to_owned());
        self.apply(&Change::Retract { signature, reporter, at_unix_s: NOW });
    }

    /// What is answered for a text that nobody listed, with this sketch.
    fn near(&self, number: u16) -> Option<Class> {
        let asked = Item { signature: text(9_000), sketch: Some(sketch(number)) };
        self.table.ask(&asked, NOW).map(|listing| listing.class)
    }
}

#[test]
fn more_organisations_that_oppose_than_name_replace_a_sketch_and_those_of_one_are_one() {
    let mut both = Both::new(2);
    both.hear(1, Some(1), Class::Spam, "a.test/x");
    both.hear(1, Some(1), Class::Spam, "b.test/x");
    assert_eq!(both.near(1), Some(Class::Spam));
    for reporter in ["c.test/1", "c.test/2", "c.test/3", "d.test/1"] {
        both.hear(1, Some(2), Class::Spam, reporter);
        assert_eq!((both.near(1), both.near(2)), (Some(Class::Spam), None), "{reporter}");
    }
    both.hear(1, Some(2), Class::Spam, "e.test");
    assert_eq!((both.near(1), both.near(2)), (None, Some(Class::Suspected)), "one names it now");
    // A word without a sketch leaves what was said; renewals repair it.
    both.hear(1, None, Class::Spam, "d.test/1");
    assert_eq!(both.near(2), Some(Class::Suspected));
    both.hear(1, Some(2), Class::Spam, "d.test/1");
    both.hear(1, None, Class::Spam, "d.test/1");
    assert_eq!(both.near(2), Some(Class::Spam));
}

#[test]
fn a_sketch_that_an_operator_named_yields_to_an_operator_alone() {
    let mut both = Both::new(1);
    both.hear(1, Some(1), Class::Spam, "a.test");
    both.hear(1, Some(1), Class::Spam, "b.test");
    both.hear(1, Some(2), Class::Spam, "desk");
    assert_eq!((both.near(1), both.near(2)), (None, Some(Class::Spam)), "at once");
    for reporter in ["a.test", "b.test", "c.test"] {
        both.hear(1, Some(1), Class::Spam, reporter);
        assert_eq!((both.near(1), both.near(2)), (None, Some(Class::Spam)), "{reporter}");
    }
    both.hear(1, Some(3), Class::Allowed, "desk/other");
    assert_eq!((both.near(2), both.near(3)), (None, Some(Class::Allowed)));
    both.retract(1, "desk/other");
    assert_eq!(both.near(3), None, "nobody names it");
    both.hear(1, Some(1), Class::Spam, "a.test");
    // One who was contradicted is less than a whole voice.
    assert_eq!((both.near(1), both.near(3)), (Some(Class::Suspected), None));
}

#[test]
fn what_an_operator_allows_by_its_name_alone_accuses_nothing_else_and_allows_nothing_else() {
    let mut both = Both::new(1);
    both.hear(1, Some(1), Class::Spam, "a.test");
    assert_eq!(both.near(1), Some(Class::Spam));
    both.hear(1, None, Class::Allowed, "desk");
    assert_eq!(both.near(1), None);
    both.hear(1, Some(1), Class::Allowed, "desk");
    assert_eq!(both.near(1), Some(Class::Allowed));
}

#[test]
fn a_sketch_on_a_name_that_was_listed_without_one_speaks_for_who_gave_it() {
    let mut both = Both::new(2);
    for reporter in ["a.test", "b.test", "c.test"] {
        both.hear(1, None, Class::Spam, reporter);
    }
    both.hear(1, Some(1), Class::Spam, "hostile.test");
    assert_eq!(both.near(1), Some(Class::Suspected), "not for those before him");
    let exact = Item { signature: text(1), sketch: Some(sketch(1)) };
    assert_eq!(both.table.ask(&exact, NOW).unwrap().class, Class::Spam);
}

#[test]
fn a_sketch_by_one_reporter_more_than_are_kept_is_not_heard() {
    let mut both = Both::new(1);
    for number in 0..REPORTERS_KEPT_MAX {
        both.hear(1, None, Class::Spam, &format!("org{number}.test"));
    }
    both.hear(1, Some(1), Class::Spam, "one-more.test");
    assert_eq!((both.near(1), both.saved[0].sketch), (None, None));
    both.hear(1, Some(1), Class::Spam, "org7.test");
    // Of 256 organisations a quorum is six.
    assert_eq!((both.near(1), both.saved[0].sketch), (Some(Class::Suspected), Some(sketch(1))));
}

#[test]
fn a_full_key_gives_up_its_least_ranked_owner_and_a_lower_newcomer_does_not_enter() {
    let mut both = Both::new(1);
    let owners = u16::try_from(OWNERS_MAX).unwrap();
    // All have one sketch: two organisations name each, and three the fifth.
    for number in 1..=owners {
        both.hear(number, Some(1), Class::Spam, "a.test");
        both.hear(number, Some(1), Class::Spam, "b.test");
    }
    both.hear(5, Some(1), Class::Spam, "c.test");
    let answering = |both: &Both, number: u16| {
        let spot = both.table.resident.spot(&Name::of(&text(number))).unwrap();
        let Spot::Sketched(_) = spot else { panic!("{number}") };
        let mut seen = false;
        let of = |name: Name, _, _| seen |= name == Name::of(&text(number));
        both.table.resident.visit_near(SignatureKind::Text.code(), &sketch(1), 17, of);
        seen
    };
    assert!((1..=owners).all(|number| answering(&both, number)));
    both.hear(100, Some(1), Class::Bulk, "hostile.test");
    assert!(!answering(&both, 100), "of lower rank than all");
    assert_eq!(both.table.evicted(), 16);
    both.hear(100, Some(1), Class::Bulk, "b.test");
    assert!(answering(&both, 100) && !answering(&both, 1), "of equals the oldest goes");
    both.hear(1, Some(1), Class::Spam, "c.test");
    assert!(answering(&both, 1) && !answering(&both, 2), "who grew comes back");
    for number in 200..230 {
        both.hear(number, Some(1), Class::Bulk, "hostile.test");
        both.hear(number, Some(1), Class::Bulk, "hostile2.test");
    }
    assert!(answering(&both, 1) && answering(&both, 5), "three named them");
    both.hear(300, Some(1), Class::Bulk, "desk");
    both.hear(2, Some(1), Class::Spam, "c.test");
    assert!(answering(&both, 300), "an operator's word is more than any number");
    assert_eq!(both.near(1), Some(Class::Spam));
}

#[test]
fn what_is_said_of_sketches_and_contradiction_costs_no_byte() {
    use super::slab::Entry;
    assert_eq!([size_of::<Kept>(), size_of::<Vote>(), size_of::<Entry>()], [8, 8, 68]);
    let latest = Vote::new(u16::MAX, Class::Allowed, 100, Authority::Operator, u32::MAX);
    let vote = latest.with(Named::Other, true);
    let Said::One(kept) = Kept::one(SignatureKind::Image.code(), vote).said() else { panic!() };
    assert_eq!(kept.bits(), vote.bits());
    let told = (kept.named(), kept.is_contradicted(), kept.reporter(), kept.weight());
    assert_eq!(told, (Named::Other, true, u16::MAX, 100));
    assert_eq!(kept.hour(), votes::hour_of(u32::MAX), "time is beside them");
}
