//! What votes amount to: trust, organisations, quorum, the operator's word.

use super::*;

const NOW: u32 = 1_800_000_000;
const DAY: u32 = 86_400;

fn name(number: u8) -> Signature {
    Signature { kind: SignatureKind::Link, value: [number; 16] }
}

fn said(number: u8, class: Class, reporter: &str, authority: Authority, at_unix_s: u32) -> Change {
    let (signature, reporter) = (name(number), reporter.to_owned());
    Change::Add { signature, sketch: None, class, weight: 50, reporter, authority, at_unix_s }
}

fn table(reporters_needed: u8) -> Table {
    Table::new(Rules { reporters_needed, ..Rules::default() })
}

fn class(table: &Table, number: u8) -> Option<Class> {
    table.ask(&Item::exact(name(number)), NOW).map(|listing| listing.class)
}

impl Table {
    fn hear(&mut self, number: u8, class: Class, reporters: &[&str]) {
        for reporter in reporters {
            self.apply(&said(number, class, reporter, Authority::Reporter, NOW)).unwrap();
        }
    }

    fn operator(&mut self, number: u8, class: Class) {
        self.apply(&said(number, class, "desk", Authority::Operator, NOW)).unwrap();
    }

    fn delete_by_operator(&mut self, number: u8) {
        let (signature, reporter) = (name(number), "desk".to_owned());
        self.apply(&Change::Delete { signature, reporter, at_unix_s: NOW }).unwrap();
    }

    fn merit(&self, name: &str) -> (u32, u32) {
        let own = self.reporters().find(|record| record.name == name).unwrap();
        (own.confirmed, own.contradicted)
    }
}

#[test]
fn people_of_one_organisation_are_one_voice() {
    let mut table = table(2);
    table.hear(1, Class::Spam, &["a.test/x", "a.test/y", "a.test"]);
    assert_eq!(class(&table, 1), Some(Class::Suspected));
    table.hear(1, Class::Phishing, &["b.test/x"]);
    // Of equals the graver.
    assert_eq!(class(&table, 1), Some(Class::Phishing));
    let listing = table.ask(&Item::exact(name(1)), NOW).unwrap();
    assert_eq!(listing.reporters, 2);
}

#[test]
fn an_operator_lists_at_once_and_allows_against_all() {
    let mut table = table(5);
    table.hear(1, Class::Allowed, &["a.test", "b.test", "c.test", "d.test", "e.test"]);
    table.operator(1, Class::Phishing);
    assert_eq!(class(&table, 1), Some(Class::Phishing), "no number of ordinary voices undoes it");
    table.hear(2, Class::Spam, &["a.test", "b.test", "c.test", "d.test", "e.test"]);
    assert_eq!(class(&table, 2), Some(Class::Spam));
    table.operator(2, Class::Allowed);
    assert_eq!(class(&table, 2), Some(Class::Allowed));
}

#[test]
fn accusations_must_be_twice_the_ordinary_allowed() {
    let mut table = table(2);
    table.hear(1, Class::Allowed, &["good.test"]);
    assert_eq!(class(&table, 1), None, "allowed by ordinary reporters alone is no answer");
    table.hear(1, Class::Spam, &["a.test", "b.test"]);
    assert_eq!(class(&table, 1), Some(Class::Spam), "2 is twice 1");
    table.hear(1, Class::Allowed, &["better.test"]);
    table.hear(1, Class::Spam, &["c.test"]);
    assert_eq!(class(&table, 1), Some(Class::Suspected), "3 is less than twice 2");
    table.hear(1, Class::Spam, &["d.test"]);
    assert_eq!(class(&table, 1), Some(Class::Spam));
}

#[test]
fn who_accused_and_allows_now_is_on_the_other_side_and_nowhere_else() {
    let mut table = table(2);
    table.hear(1, Class::Spam, &["turncoat.test", "a.test", "b.test"]);
    assert_eq!(table.merit("turncoat.test"), (1, 0));
    table.hear(1, Class::Allowed, &["turncoat.test"]);
    assert_eq!(class(&table, 1), Some(Class::Spam), "2 against 1 stand without him");
    assert_eq!(table.merit("turncoat.test"), (0, 0), "what he left confirms him no longer");
    // Accusing again he is the last of the accusers, however early he came first.
    table.hear(1, Class::Spam, &["turncoat.test"]);
    assert_eq!(table.merit("turncoat.test"), (0, 0));
    assert_eq!((table.merit("a.test"), table.merit("b.test")), ((1, 0), (1, 0)));
}

#[test]
fn bulk_takes_no_side() {
    let mut table = table(2);
    table.hear(1, Class::Bulk, &["a.test"]);
    assert_eq!(class(&table, 1), Some(Class::Suspected));
    table.hear(1, Class::Bulk, &["b.test"]);
    assert_eq!(class(&table, 1), Some(Class::Bulk));
    table.hear(1, Class::Spam, &["c.test"]);
    assert_eq!(class(&table, 1), Some(Class::Bulk), "one accuser is not enough");
    table.hear(1, Class::Spam, &["d.test"]);
    assert_eq!(class(&table, 1), Some(Class::Spam));
}

#[test]
fn merit_grows_by_agreement_and_goes_with_it() {
    let mut table = table(2);
    table.hear(1, Class::Spam, &["a.test"]);
    assert_eq!(table.merit("a.test"), (0, 0));
    table.hear(1, Class::Malware, &["b.test"]);
    table.hear(1, Class::Spam, &["late.test"]);
    for (reporter, confirmed) in [("a.test", 1), ("b.test", 1), ("late.test", 0)] {
        assert_eq!(table.merit(reporter), (confirmed, 0), "{reporter}");
    }
    // Taking back and saying again gains nothing; the next one stands where it left.
    for _ in 0..5 {
        let (signature, reporter) = (name(1), "a.test".to_owned());
        table.apply(&Change::Retract { signature, reporter, at_unix_s: NOW }).unwrap();
        table.hear(1, Class::Spam, &["a.test"]);
    }
    assert_eq!((table.merit("a.test"), table.merit("late.test")), ((0, 0), (1, 0)));
    table.delete_by_operator(1);
    assert_eq!((table.merit("a.test"), table.merit("late.test")), ((0, 1), (0, 1)));
}

#[test]
fn agreeing_with_what_is_listed_gains_nothing_and_what_was_gained_counts_up_to_a_limit() {
    let mut table = table(2);
    for number in 0..=CONFIRMED_COUNTED_MAX as u8 {
        table.hear(number, Class::Spam, &["early.test", "a.test", "farmer.test"]);
        // Early with anything but an accusation is not early.
        table.hear(100 + number, Class::Bulk, &["farmer.test"]);
        table.hear(100 + number, Class::Spam, &["a.test", "b.test", "farmer.test"]);
    }
    assert_eq!(table.merit("farmer.test"), (0, 0));
    assert_eq!(table.merit("early.test"), (CONFIRMED_COUNTED_MAX + 1, 0));
    // One lie: 32 of 40 parts of a voice are left, not 33 of 41.
    table.hear(99, Class::Spam, &["early.test"]);
    table.operator(99, Class::Allowed);
    let early = table.trust.id("early.test").unwrap();
    assert_eq!(u64::from(table.trust.voice(early).weight), trust::WHOLE * 32 / 40);
}

#[test]
fn one_report_is_contradicted_once_however_often_an_operator_says_so() {
    let mut table = table(2);
    table.hear(1, Class::Spam, &["liar.test", "other.test"]);
    table.operator(1, Class::Allowed);
    // A renewal is the same report.
    table.hear(1, Class::Phishing, &["liar.test"]);
    table.operator(1, Class::Spam);
    table.operator(1, Class::Allowed);
    assert_eq!(table.merit("liar.test"), (0, 1));
    table.hear(1, Class::Spam, &["late.test"]);
    table.delete_by_operator(1);
    assert_eq!((table.merit("liar.test"), table.merit("late.test")), ((0, 1), (0, 1)));
    // What was given up and said again is another one.
    table.hear(2, Class::Spam, &["liar.test"]);
    table.operator(2, Class::Allowed);
    table.hear(2, Class::Bulk, &["liar.test"]);
    table.hear(2, Class::Spam, &["liar.test"]);
    table.delete_by_operator(2);
    assert_eq!(table.merit("liar.test"), (0, 3));
}

#[test]
fn who_is_contradicted_weighs_less_everywhere_at_once() {
    let mut table = table(2);
    table.hear(1, Class::Spam, &["liar.test", "a.test"]);
    assert_eq!(class(&table, 1), Some(Class::Spam));
    table.hear(2, Class::Spam, &["liar.test"]);
    table.operator(2, Class::Allowed);
    assert_eq!(table.merit("liar.test"), (1, 1));
    // (1 + 2) / (1 + 2 + 8) and 1 are less than 2.
    assert_eq!(class(&table, 1), Some(Class::Suspected));
    table.operator(2, Class::Allowed);
    assert_eq!(table.merit("liar.test"), (1, 1), "the same word twice contradicts once");
    table.hear(1, Class::Spam, &["b.test"]);
    assert_eq!(class(&table, 1), Some(Class::Spam));
}

#[test]
fn a_quorum_of_the_active_organisations_is_needed_and_lapses_after_twelve_weeks() {
    let mut table = table(1);
    for number in 0..151 {
        let reporter = format!("org{number}.test/x");
        table.apply(&said(9, Class::Bulk, &reporter, Authority::Reporter, NOW)).unwrap();
    }
    // 151 and below are active: 2 % of more than 150 are 4.
    table.hear(1, Class::Spam, &["org1.test", "org2.test", "org3.test"]);
    assert_eq!(class(&table, 1), Some(Class::Suspected));
    table.hear(1, Class::Spam, &["org4.test"]);
    assert_eq!(class(&table, 1), Some(Class::Spam));
    table.hear(2, Class::Spam, &["org1.test"]);
    for (days, expected) in [(7, Class::Suspected), (83, Class::Suspected), (84, Class::Spam)] {
        // Four are more than a fiftieth: their clocks tell the day.
        for reporter in ["org5.test", "org6.test", "org7.test", "org8.test"] {
            let at = NOW + days * DAY;
            table.apply(&said(3, Class::Bulk, reporter, Authority::Reporter, at)).unwrap();
        }
        assert_eq!(class(&table, 2), Some(expected), "{days}");
    }
    // The last word tells the day, also one that goes back: the four are ahead no longer.
    table.hear(4, Class::Bulk, &["org5.test", "org6.test", "org7.test", "org8.test"]);
    let own = table.reporters().find(|record| record.name == "org6.test").unwrap();
    assert_eq!(u32::from(own.last_day), NOW / DAY);
    assert_eq!(class(&table, 2), Some(Class::Suspected), "151 are active again");
}

#[test]
fn a_suspicion_hides_no_listing() {
    let mut table = table(2);
    let sketch = Sketch(std::array::from_fn(|lane| lane as u16 * 1031));
    let text = |number| Signature { kind: SignatureKind::Text, value: [number; 16] };
    let mut add = |number, sketch, class, reporter: &str| {
        let (signature, reporter) = (text(number), reporter.to_owned());
        let (sketch, authority, weight) = (Some(sketch), Authority::Reporter, 9);
        let at_unix_s = NOW;
        let change =
            Change::Add { signature, sketch, class, weight, reporter, authority, at_unix_s };
        table.apply(&change).unwrap();
    };
    let mut variant = sketch;
    variant.0[31] = 9;
    for reporter in ["a.test", "b.test"] {
        add(1, variant, Class::Spam, reporter);
    }
    // One hostile reporter names the very text, as spam, bulk or allowed, and one still nearer to it.
    add(2, sketch, Class::Spam, "hostile.test");
    add(3, sketch, Class::Bulk, "hostile.test");
    for number in [2, 3, 4] {
        let item = Item { signature: text(number), sketch: Some(sketch) };
        let found = table.find(&item, NOW).unwrap();
        assert_eq!((found.listing.class, found.value_prefix), (Class::Spam, [1; 12]), "{number}");
        assert_eq!((found.kind, found.listing.similarity), (SignatureKind::Text, 31));
    }
}
