#![allow(clippy::disallowed_methods, reason = "a test needs some moment to start from")]

use super::*;
use crate::outline::{Disposition, Part, PartKind, TransferEncoding};
use crate::plan::{Action, GroupPlan, Plan};

fn leaf(size: u64) -> Part {
    Part {
        parent: Some(0),
        depth: 1,
        kind: PartKind::Text,
        media_type: "text/plain".into(),
        charset: None,
        encoding: TransferEncoding::Identity,
        disposition: Disposition::None,
        file_name: None,
        size,
        digest: None,
    }
}

/// A container with leaves of 3, 4 and 5 bytes, the first inline.
fn offer() -> Offer {
    let root = Part { parent: None, depth: 0, kind: PartKind::Container, size: 0, ..leaf(0) };
    let parts = vec![root, leaf(3), leaf(4), leaf(5)];
    Offer {
        id: MailId([1; 16]),
        envelope: Envelope {
            recipients: vec!["a@example.org".into(), "b@example.org".into()],
            ..Envelope::default()
        },
        outline: Outline { parts, ..Outline::default() },
        inline: vec![Content { part: 1, bytes: b"abc".to_vec() }],
        remaining: Duration::from_secs(5),
    }
}

fn verdict(recipients: &[u16]) -> ScannerWord {
    ScannerWord::Verdict(Box::new(Verdict {
        id: MailId([1; 16]),
        status: crate::status::Status::NotDetected,
        score: 0.0,
        evidence: Vec::new(),
        rung: crate::status::Rung::Full,
        plan: Plan {
            groups: vec![GroupPlan {
                group: "default".into(),
                recipients: recipients.to_vec(),
                status: crate::status::Status::NotDetected,
                action: Action::Accept,
                edits: Vec::new(),
            }],
        },
        generation: 1,
        timings: crate::verdict::Timings::default(),
    }))
}

fn piece(part: u16, bytes: &[u8], last: bool) -> Supply {
    Supply { part, bytes: bytes.to_vec(), last }
}

#[test]
fn known_mail_takes_one_round() {
    let now = Instant::now();
    let offer = offer();
    let edge = Waiting::after(&offer, now);
    let scanner = Offered::accept(offer, now).unwrap().without_need();
    assert_eq!(scanner.deadline(), edge.deadline());
    assert!(matches!(edge.hear(verdict(&[0, 1])), Ok(Heard::Verdict(_))));
}

#[test]
fn unknown_parts_take_a_second_round_and_never_a_third() {
    let now = Instant::now();
    let edge = Waiting::after(&offer(), now);
    let scanner = Offered::accept(offer(), now).unwrap();
    let (need, awaiting) = scanner.need(vec![3, 2]).unwrap();
    assert_eq!(need.parts(), [2, 3]);
    let Ok(Heard::Need(heard, deciding)) = edge.hear(ScannerWord::Need(need.0.clone())) else {
        panic!("the edge must hear the Need")
    };
    assert_eq!(heard, need);
    let Ok(Collecting::Missing(awaiting)) = awaiting.supply(piece(2, b"12", false)) else {
        panic!()
    };
    let Ok(Collecting::Missing(awaiting)) = awaiting.supply(piece(2, b"34", true)) else {
        panic!()
    };
    let Ok(Collecting::Complete(supplied)) = awaiting.supply(piece(3, b"12345", true)) else {
        panic!()
    };
    assert_eq!(supplied.contents[0].bytes, b"1234");
    assert_eq!(supplied.contents[1].bytes, b"12345");
    assert_eq!(deciding.hear(ScannerWord::Need(vec![2])).unwrap_err(), Broken::NeedTwice);
}

#[test]
fn a_scanner_that_asks_nonsense_is_refused() {
    for (parts, why) in [
        (vec![], Broken::EmptyNeed),
        (vec![0], Broken::NoSuchPart(0)),
        (vec![4], Broken::NoSuchPart(4)),
        (vec![2, 2], Broken::NotAsked(2)),
    ] {
        let edge = Waiting::after(&offer(), Instant::now());
        assert_eq!(edge.hear(ScannerWord::Need(parts)).unwrap_err(), why);
    }
    let scanner = Offered::accept(offer(), Instant::now()).unwrap();
    assert_eq!(scanner.need(vec![1]).unwrap_err(), Broken::NoSuchPart(1), "it came inline");
    let mut scanner = Offered::accept(offer(), Instant::now()).unwrap();
    assert_eq!(scanner.take_inline().len(), 1);
    assert_eq!(
        scanner.need(vec![1]).unwrap_err(),
        Broken::NoSuchPart(1),
        "moved out, it still came"
    );
}

#[test]
fn an_edge_that_supplies_nonsense_is_refused() {
    for (supply, why) in [
        (piece(3, b"12345", true), Broken::NotAsked(3)),
        (piece(1, b"abc", true), Broken::NotAsked(1)),
        (piece(2, b"12345", true), Broken::TooLong { part: 2, offered: 4 }),
        (piece(2, b"123", true), Broken::TooShort { part: 2, got: 3, offered: 4 }),
    ] {
        let (_, awaiting) =
            Offered::accept(offer(), Instant::now()).unwrap().need(vec![2, 3]).unwrap();
        assert_eq!(awaiting.supply(supply).unwrap_err(), why);
    }
}

#[test]
fn giving_up_keeps_whole_parts_only() {
    let (_, awaiting) = Offered::accept(offer(), Instant::now()).unwrap().need(vec![2, 3]).unwrap();
    let Ok(Collecting::Missing(awaiting)) = awaiting.supply(piece(2, b"1234", true)) else {
        panic!()
    };
    let Ok(Collecting::Missing(awaiting)) = awaiting.supply(piece(3, b"12", false)) else {
        panic!()
    };
    let supplied = awaiting.give_up();
    assert_eq!(supplied.contents, [Content { part: 2, bytes: b"1234".to_vec() }]);
}

#[test]
fn offers_that_contradict_themselves_are_refused() {
    let now = Instant::now();
    let mut forward = offer();
    forward.outline.parts[1].parent = Some(2);
    assert_eq!(Offered::accept(forward, now).unwrap_err(), Broken::NoSuchPart(2));
    let mut short = offer();
    short.inline[0].bytes.pop();
    assert_eq!(Offered::accept(short, now).unwrap_err(), Broken::WrongInline(1));
    let mut twice = offer();
    twice.inline.push(twice.inline[0].clone());
    assert_eq!(Offered::accept(twice, now).unwrap_err(), Broken::WrongInline(1));
    let mut container = offer();
    container.inline = vec![Content { part: 0, bytes: Vec::new() }];
    assert_eq!(Offered::accept(container, now).unwrap_err(), Broken::WrongInline(0));
    let mut large = offer();
    large.outline.parts[3].size = 2 * SUPPLY_BYTES_MAX - 7;
    assert!(Offered::accept(large.clone(), now).is_ok(), "the limit itself is allowed");
    large.outline.parts[3].size += 1;
    assert_eq!(Offered::accept(large.clone(), now).unwrap_err(), Broken::TooMuch);
    large.outline.parts[3].size = u64::MAX;
    assert_eq!(Offered::accept(large, now).unwrap_err(), Broken::TooMuch, "no sum that wraps");
    let mut many = offer();
    many.inline.clear();
    many.outline.parts = vec![leaf(0); PARTS_MAX];
    many.outline.parts[0].parent = None;
    assert!(Offered::accept(many.clone(), now).is_ok(), "the limit itself is allowed");
    many.outline.parts.push(leaf(0));
    assert_eq!(Offered::accept(many, now).unwrap_err(), Broken::TooManyParts(PARTS_MAX + 1));
}

#[test]
fn a_plan_must_name_every_recipient_exactly_once() {
    for (recipients, good) in
        [(&[0, 1][..], true), (&[0], false), (&[0, 0, 1], false), (&[0, 1, 2], false)]
    {
        let edge = Waiting::after(&offer(), Instant::now());
        assert_eq!(edge.hear(verdict(recipients)).is_ok(), good, "{recipients:?}");
    }
}

#[test]
fn a_verdict_about_another_mail_is_refused() {
    let mut other = offer();
    other.id = MailId([2; 16]);
    let edge = Waiting::after(&other, Instant::now());
    assert_eq!(edge.hear(verdict(&[0, 1])).unwrap_err(), Broken::WrongMail(MailId([1; 16])));
}
