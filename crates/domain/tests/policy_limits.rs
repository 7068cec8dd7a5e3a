//! Every limit of the policy, at the limit and one past it.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by stopping

use std::collections::BTreeMap;

use tamis_domain::decide::{EVIDENCE_SHOWN_MAX, Input, decide};
use tamis_domain::digest::MailId;
use tamis_domain::envelope::Envelope;
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::limits::GROUPS_MAX;
use tamis_domain::plan::HeaderEdit;
use tamis_domain::policy::{
    GROUP_NAME_CHARS_MAX, GROUP_RECIPIENTS_MAX, LIST_ENTRIES_MAX, Policy, REJECT_TEXT_CHARS_MAX,
    SUBJECT_TAG_CHARS_MAX, TREATMENT_ADDRESSES_MAX, Treatment, Typed, TypedGroup, WEIGHT_MAX,
    WEIGHTS_MAX,
};
use tamis_domain::status::Rung;

/// Says whether each policy is taken at `max` and refused one past it.
fn check(what: &str, max: usize, make: impl Fn(usize) -> Typed) {
    assert!(Policy::try_from(make(max)).is_ok(), "{what} at the limit");
    assert!(Policy::try_from(make(max + 1)).is_err(), "{what} one past the limit");
}

fn group(name: String) -> TypedGroup {
    TypedGroup { name, recipients: vec!["*".to_owned()], ..TypedGroup::default() }
}

#[test]
fn counts_are_limited() {
    check("groups", GROUPS_MAX, |n| Typed {
        group: (0..n).map(|i| group(format!("g{i}"))).collect(),
        ..Typed::default()
    });
    check("recipients of a group", GROUP_RECIPIENTS_MAX, |n| Typed {
        group: vec![TypedGroup { recipients: vec!["*".to_owned(); n], ..group("g".to_owned()) }],
        ..Typed::default()
    });
    check("list entries", LIST_ENTRIES_MAX, |n| {
        let mut typed = Typed::default();
        typed.lists.trusted = vec!["192.0.2.1".to_owned(); n];
        typed
    });
    check("weights", WEIGHTS_MAX, |n| Typed {
        weights: (0..n).map(|i| (format!("w{i}"), 1.0)).collect::<BTreeMap<_, _>>(),
        ..Typed::default()
    });
    check("addresses of a redirect", TREATMENT_ADDRESSES_MAX, |n| {
        let mut typed = Typed::default();
        typed.actions.spam = Some(Treatment::Redirect(vec!["a@example.org".to_owned(); n]));
        typed
    });
}

#[test]
fn lengths_are_limited() {
    check("name of a group", GROUP_NAME_CHARS_MAX, |n| Typed {
        group: vec![group("g".repeat(n))],
        ..Typed::default()
    });
    check("reject text", REJECT_TEXT_CHARS_MAX, |n| Typed {
        reject_text: Some("x".repeat(n)),
        ..Typed::default()
    });
    check("subject tag", SUBJECT_TAG_CHARS_MAX, |n| {
        let mut typed = Typed::default();
        typed.subject_tag.spam = Some("x".repeat(n));
        typed
    });
}

#[test]
fn weights_and_thresholds_are_limited() {
    for (value, fine) in [(WEIGHT_MAX, true), (WEIGHT_MAX + 1.0, false)] {
        let mut typed = Typed::default();
        typed.weights.insert("x".to_owned(), -value);
        assert_eq!(Policy::try_from(typed).is_ok(), fine, "weight {value}");
        let mut typed = Typed::default();
        typed.thresholds.spam = Some(value);
        assert_eq!(Policy::try_from(typed).is_ok(), fine, "threshold {value}");
    }
}

#[test]
fn names_in_headers_are_limited() {
    for (found, shown) in
        [(EVIDENCE_SHOWN_MAX, EVIDENCE_SHOWN_MAX), (EVIDENCE_SHOWN_MAX + 1, EVIDENCE_SHOWN_MAX)]
    {
        let name = |i: usize| Evidence {
            name: format!("n{i}").into(),
            ..Evidence::new("", 1.0, Source::Text, "")
        };
        let evidence: Vec<Evidence> = (0..found).map(name).collect();
        let plan = decide(&Input {
            id: MailId([0; 16]),
            envelope: &Envelope::default(),
            policy: &Policy::default(),
            evidence: &evidence,
            listed: &|_| Vec::new(),
            rung: Rung::Full,
        });
        let value = plan.groups[0].edits.iter().find_map(|edit| match edit {
            HeaderEdit::Add { name, value } if name == "X-Tamis-Evidence" => Some(value),
            _ => None,
        });
        assert_eq!(value.unwrap().matches('=').count(), shown);
    }
}

#[test]
fn an_empty_section_is_the_default_policy() {
    let empty = Policy::try_from(Typed::default()).unwrap();
    assert_eq!(empty.global().rules().actions, Policy::default().global().rules().actions);
    assert_eq!(empty.global().rules().thresholds, Policy::default().global().rules().thresholds);
}
