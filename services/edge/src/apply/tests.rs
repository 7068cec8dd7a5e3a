use tamis_domain::digest::MailId;
use tamis_domain::plan::Plan;
use tamis_domain::status::Rung;

use super::*;
use crate::scanner_client::Asked;

fn judged(groups: &[(&[u16], Action)]) -> Judged {
    let group = |(recipients, action): &(&[u16], Action)| GroupPlan {
        group: "x".into(),
        recipients: recipients.to_vec(),
        status: Status::Spam,
        action: action.clone(),
        edits: vec![HeaderEdit::Add { name: "X-Mark".into(), value: action.word().into() }],
    };
    Judged {
        id: MailId([7; 16]),
        status: Some(Status::Spam),
        score: 12.0,
        rung: Rung::Full,
        evidence: Vec::new(),
        plan: Plan { groups: groups.iter().map(group).collect() },
        asked: Asked::default(),
    }
}

fn reject() -> Action {
    Action::Reject { text: "no".into() }
}

fn tempfail() -> Action {
    Action::Tempfail { text: "later".into() }
}

fn codes(judged: &Judged, recipients: usize) -> Vec<u16> {
    let (_, fates) = for_each(judged, recipients);
    let code = |fate: &Fate| match fate {
        Fate::Answer(reply) => reply.code(),
        Fate::Variant(number) => *number as u16,
    };
    fates.iter().map(code).collect()
}

#[test]
fn each_recipient_has_its_own_fate_and_one_without_a_plan_stays_where_it_is() {
    let judged = judged(&[
        (&[2], Action::Accept),
        (&[0], reject()),
        (&[1, 3], Action::Discard),
        (&[9], Action::Accept),
    ]);
    assert_eq!(codes(&judged, 5), [550, 250, 0, 250, 451]);
}

#[test]
fn one_answer_for_all_is_a_refusal_only_if_nobody_takes_it() {
    let answer = |groups: &[(&[u16], Action)]| match for_all(&judged(groups)) {
        Whole::Answer(reply) => reply.code(),
        Whole::Deliver { variants, softened } => variants.len() as u16 + 10 * u16::from(softened),
    };
    for (groups, expect) in [
        (vec![(&[0][..], reject()), (&[1][..], reject())], 550),
        (vec![(&[0], reject()), (&[1], tempfail())], 451),
        (vec![(&[0], Action::Discard)], 250),
        (vec![(&[0], Action::Discard), (&[1], reject())], 11),
        (vec![(&[0], Action::Accept), (&[1], reject()), (&[2], tempfail())], 13),
        (vec![(&[0], Action::Accept), (&[1], Action::Discard)], 1),
        (vec![(&[], Action::Accept), (&[0], reject())], 550),
        (vec![], 451),
    ] {
        assert_eq!(answer(&groups), expect, "{groups:?}");
    }
}

#[test]
fn the_refused_get_the_mail_with_their_own_status_and_without_the_plans_edits() {
    let Whole::Deliver { variants, .. } =
        for_all(&judged(&[(&[0], Action::Accept), (&[1], reject())]))
    else {
        panic!("somebody takes it");
    };
    let added: Vec<String> = variants[1]
        .edits
        .iter()
        .filter_map(|edit| match edit {
            HeaderEdit::Add { name, value } => Some(format!("{name}: {value}")),
            _ => None,
        })
        .collect();
    let id = format!("X-Tamis-Id: {}", "07".repeat(16));
    let expect = [
        "X-Tamis-Status: spam",
        "X-Tamis-Score: 12.00",
        "X-Tamis-Rung: full",
        &id,
        "X-Spam-Flag: YES",
    ];
    assert_eq!(added, expect);
    assert_eq!(variants[1].recipients, [1]);
}

#[test]
fn what_all_groups_want_held_is_held_whole_even_where_a_split_is_allowed() {
    use super::milter::{Means, words};
    use tamis_mail_protocols::milter::negotiate::Actions;
    use tamis_mail_protocols::milter::reply::Modification;
    let hold = || Action::Quarantine { reason: "held".into() };
    let mut judged = judged(&[(&[0], hold()), (&[1], hold())]);
    judged.plan.groups[1].edits =
        vec![HeaderEdit::Add { name: "X-Tamis-Score".into(), value: "2".into() }];
    let recipients = [bytes::Bytes::from_static(b"<a@example.org>"), "<b@example.org>".into()];
    let means = Means {
        actions: Actions(0x1ff),
        header: b"Subject: x\r\n",
        recipients: &recipients,
        split: true,
    };
    let words = words(&judged, &means);
    assert!(words.submitted.is_empty(), "a submitted variant would be delivered");
    let is_hold = |change: &Modification| matches!(change, Modification::Quarantine { .. });
    assert!(words.modifications.iter().any(is_hold));
}
