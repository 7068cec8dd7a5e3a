use super::*;
use crate::digest::MailId;
use crate::evidence::{Mark, Source};
use crate::plan::Plan;
use crate::status::{Rung, Status};
use crate::verdict::Timings;

fn found(name: &'static str, weight: f32) -> Evidence {
    Evidence::new(name, weight, Source::Text, "")
}

fn share(recipients: Vec<u16>) -> RecordedShare {
    let rules = Rules::default();
    RecordedShare { group: "g".to_owned(), rules, recipients, listed: Vec::new() }
}

fn record() -> Record {
    let verdict = Verdict {
        id: MailId([7; 16]),
        status: Status::NotDetected,
        score: 0.0,
        evidence: Vec::new(),
        rung: Rung::Cached,
        plan: Plan::default(),
        generation: 9,
        timings: Timings::default(),
    };
    let envelope = Envelope { recipients: vec!["a@example.org".to_owned()], ..Envelope::default() };
    Record {
        tamis_record: RECORD_FORMAT,
        now_s: 0,
        envelope,
        evidence: Vec::new(),
        global: share(vec![]),
        groups: vec![share(vec![0])],
        answers: Vec::new(),
        parts: Vec::new(),
        unseen: Unseen::default(),
        verdict,
    }
}

#[test]
fn a_replay_follows_from_findings_and_rules_and_not_from_what_was_said() {
    let mut record = record();
    record.evidence = vec![found("one", 6.0), found("two", 5.0)];
    record.groups[0].rules.thresholds.spam = 20.0;
    record.groups[0].listed = vec![found("list", 4.0)];
    let verdict = record.replay();
    assert_eq!((verdict.status, verdict.score.to_bits()), (Status::Spam, 11_f32.to_bits()));
    assert_eq!((verdict.id, verdict.rung, verdict.generation), (MailId([7; 16]), Rung::Cached, 9));
    let [group] = verdict.plan.groups.as_slice() else { panic!("one group") };
    assert_eq!((group.status, &group.recipients), (Status::ProbableSpam, &vec![0]));
}

#[test]
fn counts_are_limited_because_records_come_from_anybody() {
    type Fill = fn(&mut Record, usize);
    let note = |number| PartNote { number, media_type: String::new(), file_name: None };
    let cases: [(&str, usize, Fill); 6] = [
        ("evidence", EVIDENCE_MAX, |r, n| r.evidence = vec![found("x", 1.0); n]),
        ("evidence of the verdict", EVIDENCE_MAX, |r, n| {
            r.verdict.evidence = vec![found("x", 1.0); n];
        }),
        ("groups", GROUPS_MAX, |r, n| r.groups = vec![share(vec![]); n]),
        ("recipients", RECIPIENTS_MAX, |r, n| r.envelope.recipients = vec![String::new(); n]),
        ("unread parts", PARTS_MAX, |r, n| r.unseen.parts = vec![0; n]),
        ("findings in lists", LISTED_MAX, |r, n| r.groups[0].listed = vec![found("x", 1.0); n]),
    ];
    for (what, max, fill) in cases {
        for (count, fine) in [(max, true), (max + 1, false)] {
            let mut record = record();
            fill(&mut record, count);
            assert_eq!(record.check().is_ok(), fine, "{what}: {count}");
        }
    }
    for (count, fine) in [(PARTS_MAX, true), (PARTS_MAX + 1, false)] {
        let mut record = record();
        record.parts = vec![note(1); count];
        assert_eq!(record.check().is_ok(), fine, "parts: {count}");
    }
}

#[test]
fn a_record_of_another_format_or_with_strange_recipients_is_refused() {
    let mut other = record();
    other.tamis_record = RECORD_FORMAT + 1;
    assert_eq!(other.check(), Err(Unsound::Format(RECORD_FORMAT + 1)));
    let mut strange = record();
    strange.groups[0].recipients = vec![0, 1];
    assert_eq!(strange.check(), Err(Unsound::NoSuchRecipient(1)));
    assert_eq!(record().check(), Ok(()));
}

#[test]
fn of_the_weights_those_are_kept_that_concern_the_mail() {
    let weights = [("one", 1.0), ("list", 2.0), ("other", 3.0)];
    let weights = weights.into_iter().map(|(name, weight)| (name.to_owned(), weight)).collect();
    let rules = Rules { weights, ..Rules::default() };
    let listed = vec![found("list", 4.0)];
    let share = Share { group: "g", rules: &rules, recipients: vec![], listed };
    let kept = RecordedShare::of(&share, &[found("one", 1.0)]);
    assert_eq!(kept.rules.weights.keys().collect::<Vec<_>>(), ["list", "one"]);
}

#[test]
fn changes_are_told_by_name_source_and_part() {
    let before =
        [found("same", 1.0), found("gone", 2.0), found("heavier", 3.0), found("part", 1.0)];
    let after = [
        found("same", 1.0),
        found("new", 9.0),
        found("heavier", 4.0),
        found("part", 1.0).in_part(2),
    ];
    assert_eq!(
        changes(&before, &after),
        [
            Change::Appeared(after[1].clone()),
            Change::Differs { before: before[2].clone(), after: after[2].clone() },
            Change::Appeared(after[3].clone()),
            Change::Vanished(before[1].clone()),
            Change::Vanished(before[3].clone()),
        ]
    );
    assert!(changes(&before, &before).is_empty());
}

#[test]
fn a_mark_or_another_detail_is_a_change_and_repeated_findings_are_paired() {
    let twice = [found("x", 2.0), found("x", 1.0)];
    assert!(changes(&twice, &twice).is_empty());
    assert_eq!(changes(&twice, &twice[..1]), [Change::Vanished(twice[1].clone())]);
    let marked = [found("x", 2.0).marked(Mark::Spam)];
    assert_eq!(changes(&twice[..1], &marked).len(), 1);
    let other = [Evidence::new("x", 2.0, Source::Text, "other")];
    assert_eq!(changes(&twice[..1], &other).len(), 1);
}
