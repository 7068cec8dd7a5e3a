use tamis_domain::envelope::Door;
use tamis_domain::evidence::{Evidence, Mark, Source};
use tamis_domain::outline::{BodyForm, BodyHash, Disposition, PartKind, TransferEncoding};
use tamis_domain::plan::{Action, GroupPlan, HeaderEdit, Plan};
use tamis_domain::status::{Rung, Status};
use tamis_domain::verdict::Timings;

use super::*;

fn full_offer() -> Offer {
    let root = Part {
        parent: None,
        depth: 0,
        kind: PartKind::Container,
        media_type: "multipart/mixed".into(),
        charset: None,
        encoding: TransferEncoding::Identity,
        disposition: Disposition::None,
        file_name: None,
        size: 0,
        digest: None,
    };
    let leaf = Part {
        parent: Some(0),
        depth: 1,
        kind: PartKind::Html,
        media_type: "text/html".into(),
        charset: Some("utf-8".into()),
        encoding: TransferEncoding::Base64,
        disposition: Disposition::Attachment,
        file_name: Some("a.html".into()),
        size: 3,
        digest: Some(PartDigest([9; 32])),
    };
    Offer {
        id: MailId([3; 16]),
        envelope: Envelope {
            client: Some(Client {
                address: "2001:db8::1".parse().expect("address"),
                name: Some("mx.example.org".into()),
            }),
            helo: Some("mx.example.org".into()),
            sender: "a@example.org".into(),
            recipients: vec!["b@example.com".into()],
            queue_id: Some("4XyZ".into()),
            authenticated: Some("a".into()),
            door: Door::Lmtp,
            verified: true,
        },
        outline: Outline {
            size: 1000,
            header: b"From: a@example.org\r\n".to_vec(),
            header_digest: Some(PartDigest([8; 32])),
            parts: vec![root, leaf],
            oddities: vec![(Oddity::LongLine, 2), (Oddity::NoHeader, 1)],
            body_hashes: vec![BodyHash { form: BodyForm::Relaxed, sha256: [7; 32] }],
        },
        inline: vec![Content { part: 1, bytes: b"<p>".to_vec() }],
        remaining: Duration::from_millis(1234),
    }
}

fn full_verdict() -> Verdict {
    let actions = [
        Action::Accept,
        Action::Redirect { to: vec!["x@example.org".into()] },
        Action::Copy { to: vec!["y@example.org".into()] },
        Action::Reject { text: "no".into() },
        Action::Tempfail { text: "later".into() },
        Action::Discard,
        Action::Quarantine { reason: "eicar".into() },
    ];
    let group = |(number, action): (usize, Action)| GroupPlan {
        group: format!("g{number}"),
        recipients: vec![number as u16],
        status: Status::ALL[number],
        action,
        edits: vec![
            HeaderEdit::RemoveAll { name: "X-Tamis-Status".into() },
            HeaderEdit::Add { name: "X-Tamis-Status".into(), value: "spam".into() },
            HeaderEdit::PrefixSubject { tag: "[SPAM]".into() },
        ],
    };
    Verdict {
        id: MailId([3; 16]),
        status: Status::Spam,
        score: 12.5,
        evidence: vec![
            Evidence::new("gtube", 1000.0, Source::Text, "test").marked(Mark::Spam).in_part(0),
            Evidence::new("allowed", -3.0, Source::Reputation, ""),
        ],
        rung: Rung::Cached,
        plan: Plan { groups: actions.into_iter().enumerate().map(group).collect() },
        generation: 7,
        timings: Timings { free_us: 1, near_us: 2, supply_us: 3, full_us: 4, total_us: 5 },
    }
}

#[test]
fn every_word_means_the_same_after_the_wire() {
    let Ok(EdgeWord::Offer(read)) = edge_word(offer_to_wire(full_offer())) else {
        panic!("an offer must read as an offer")
    };
    assert_eq!(*read, full_offer());
    let supply = Supply { part: 999, bytes: vec![1, 2], last: true };
    assert_eq!(edge_word(supply_to_wire(supply.clone())), Ok(EdgeWord::Supply(supply)));
    let word = scanner_word(verdict_to_wire(full_verdict()));
    assert_eq!(word, Ok(ScannerWord::Verdict(Box::new(full_verdict()))));
}

/// Changes one thing in a good offer and says what must be refused.
fn refused(change: impl Fn(&mut scan::Offer), expect: Unreadable) {
    let Some(scan::scan_request::Word::Offer(mut wire)) = offer_to_wire(full_offer()).word else {
        panic!()
    };
    change(&mut wire);
    let request = scan::ScanRequest { word: Some(scan::scan_request::Word::Offer(wire)) };
    assert_eq!(edge_word(request), Err(expect));
}

#[test]
fn offers_without_meaning_are_refused_by_field() {
    use Unreadable::{Meaningless, Missing, OverLimit};
    refused(|offer| offer.mail_id.truncate(15), Meaningless("mail_id"));
    refused(|offer| offer.envelope = None, Missing("envelope"));
    refused(|offer| offer.outline = None, Missing("outline"));
    refused(|offer| offer.inline[0].part = 1000, over("inline.part", 1000, PARTS_MAX - 1));
    let envelope = |change: fn(&mut scan::Envelope)| {
        move |offer: &mut scan::Offer| offer.envelope.as_mut().map_or((), change)
    };
    refused(envelope(|e| e.client_address = "mx".into()), Meaningless("client_address"));
    refused(envelope(|e| e.door = 0), Meaningless("door"));
    refused(
        envelope(|e| e.recipients = vec!["a@b".into(); RECIPIENTS_MAX + 1]),
        over("recipients", RECIPIENTS_MAX + 1, RECIPIENTS_MAX),
    );
    refused(
        envelope(|e| e.sender = "a".repeat(ADDRESS_BYTES_MAX + 1)),
        over("address", ADDRESS_BYTES_MAX + 1, ADDRESS_BYTES_MAX),
    );
    let part = |change: fn(&mut scan::Part)| {
        move |offer: &mut scan::Offer| {
            offer.outline.as_mut().map_or((), |outline| change(&mut outline.parts[1]))
        }
    };
    refused(part(|p| p.digest.clear()), Meaningless("digest"));
    refused(part(|p| p.digest.truncate(31)), Meaningless("digest"));
    refused(part(|p| p.kind = 77), Meaningless("kind"));
    refused(part(|p| p.depth = 33), Meaningless("depth"));
    fn over(field: &'static str, found: usize, max: usize) -> Unreadable {
        OverLimit { field, found, max }
    }
}

#[test]
fn the_limits_themselves_are_allowed() {
    let mut offer = full_offer();
    offer.envelope.recipients = vec!["a@b".into(); RECIPIENTS_MAX];
    offer.envelope.sender = "a".repeat(ADDRESS_BYTES_MAX);
    offer.outline.header = vec![b'x'; HEADER_BLOCK_BYTES_MAX];
    offer.outline.parts[1].depth = PART_DEPTH_MAX;
    assert!(edge_word(offer_to_wire(offer.clone())).is_ok());
    offer.outline.header.push(b'x');
    assert!(edge_word(offer_to_wire(offer)).is_err());
}

#[test]
fn a_deadline_from_a_peer_is_capped_not_believed() {
    let mut offer = full_offer();
    offer.remaining = Duration::from_secs(1_000_000);
    let Ok(EdgeWord::Offer(read)) = edge_word(offer_to_wire(offer)) else { panic!() };
    assert_eq!(read.remaining, REMAINING_MAX);
}

#[test]
fn verdicts_without_meaning_are_refused_because_guessing_could_lose_a_mail() {
    let change = |change: fn(&mut scan::Verdict)| {
        let Some(scan::scan_response::Word::Verdict(mut wire)) =
            verdict_to_wire(full_verdict()).word
        else {
            panic!()
        };
        change(&mut wire);
        scanner_word(scan::ScanResponse { word: Some(scan::scan_response::Word::Verdict(wire)) })
    };
    use Unreadable::{Meaningless, Missing};
    assert_eq!(change(|v| v.score = f32::NAN), Err(Meaningless("score")));
    assert_eq!(change(|v| v.plan[0].action = None), Err(Missing("action")));
    assert_eq!(change(|v| v.plan[0].status = 99), Err(Meaningless("status")));
    assert_eq!(
        change(|v| v.evidence[0].weight = f32::INFINITY),
        Err(Meaningless("evidence.weight"))
    );
    let inject = |v: &mut scan::Verdict| {
        v.plan[0].edits[0].kind = Some(scan::header_edit::Kind::RemoveAll("A:\r\nB".into()));
    };
    assert_eq!(change(inject), Err(Meaningless("edit.name")));
    assert_eq!(scanner_word(scan::ScanResponse { word: None }), Err(Missing("word")));
}
