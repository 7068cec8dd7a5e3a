//! Values of the domain, picked out of bytes, within the limits of the wire.

use std::time::Duration;

use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::digest::{MailId, PartDigest};
use tamis_domain::envelope::{Client, Door, Envelope};
use tamis_domain::evidence::{Evidence, Mark, Source};
use tamis_domain::outline::{
    BodyForm, BodyHash, Disposition, Oddity, Outline, Part, PartKind, TransferEncoding,
};
use tamis_domain::plan::{Action, GroupPlan, HeaderEdit, Plan};
use tamis_domain::status::{Rung, Status};
use tamis_domain::verdict::{Timings, Verdict};

use crate::pick::Pick;

const KINDS: [PartKind; 8] = [
    PartKind::Container,
    PartKind::Message,
    PartKind::HeaderBlock,
    PartKind::Text,
    PartKind::Html,
    PartKind::Image,
    PartKind::Report,
    PartKind::Other,
];

/// An offer whose tree is sound; some contents come inline.
pub(crate) fn offer(pick: &mut Pick<'_>) -> Offer {
    let count = pick.below(6);
    let parts: Vec<Part> = (0..count).map(|number| part(pick, number)).collect();
    let mut inline = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        if part.kind.is_leaf() && pick.flag() {
            let byte = pick.byte();
            inline.push(Content { part: number as u16, bytes: vec![byte; part.size as usize] });
        }
    }
    Offer {
        id: MailId(pick.array()),
        envelope: envelope(pick),
        outline: Outline {
            size: pick.u64(),
            header: pick.bytes(60).to_vec(),
            header_digest: pick.flag().then(|| PartDigest(pick.array())),
            parts,
            oddities: (0..pick.below(4)).map(|_| (pick.one(&Oddity::ALL), pick.u32())).collect(),
            body_hashes: (0..pick.below(3))
                .map(|_| BodyHash { form: pick.one(&BodyForm::ALL), sha256: pick.array() })
                .collect(),
        },
        inline,
        remaining: Duration::from_millis(pick.u16().into()),
    }
}

fn part(pick: &mut Pick<'_>, number: usize) -> Part {
    let kind = pick.one(&KINDS);
    Part {
        parent: (number > 0).then(|| pick.below(number) as u16),
        depth: pick.below(33) as u8,
        kind,
        media_type: pick.text(20),
        charset: pick.flag().then(|| pick.text(10)),
        encoding: pick.one(&[
            TransferEncoding::Identity,
            TransferEncoding::Base64,
            TransferEncoding::QuotedPrintable,
            TransferEncoding::Uuencode,
            TransferEncoding::Unknown,
        ]),
        disposition: pick.one(&[Disposition::None, Disposition::Inline, Disposition::Attachment]),
        file_name: pick.flag().then(|| pick.text(20)),
        size: pick.below(200) as u64,
        digest: kind.is_leaf().then(|| PartDigest(pick.array())),
    }
}

fn envelope(pick: &mut Pick<'_>) -> Envelope {
    let client = pick.flag().then(|| {
        let address = if pick.flag() {
            pick.array::<4>().into()
        } else {
            std::net::IpAddr::from(pick.array::<16>())
        };
        Client { address, name: word(pick) }
    });
    Envelope {
        client,
        helo: word(pick),
        sender: pick.text(30),
        recipients: (0..pick.below(5)).map(|_| pick.text(20)).collect(),
        queue_id: word(pick),
        authenticated: word(pick),
        door: pick.one(&[Door::Milter, Door::Smtp, Door::Lmtp, Door::File]),
        verified: pick.flag(),
    }
}

/// A word that is there has letters: an empty one on the wire is none.
fn word(pick: &mut Pick<'_>) -> Option<String> {
    Some(pick.text(12)).filter(|word| !word.is_empty())
}

/// A verdict about mail `id`; its plan may name any recipients.
pub(crate) fn verdict(pick: &mut Pick<'_>, id: MailId) -> Verdict {
    Verdict {
        id,
        status: pick.one(&Status::ALL),
        score: f32::from(pick.u16()) / 8.0 - 100.0,
        evidence: (0..pick.below(4)).map(|_| evidence(pick)).collect(),
        rung: pick.one(&Rung::ALL),
        plan: Plan { groups: (0..pick.below(4)).map(|_| group(pick)).collect() },
        generation: pick.u32(),
        timings: Timings {
            free_us: pick.u32(),
            near_us: pick.u32(),
            supply_us: pick.u32(),
            full_us: pick.u32(),
            total_us: pick.u32(),
        },
    }
}

/// A finding of any kind.
pub(crate) fn evidence(pick: &mut Pick<'_>) -> Evidence {
    let sources = [
        Source::List,
        Source::Header,
        Source::Structure,
        Source::Text,
        Source::Link,
        Source::Attachment,
        Source::Malware,
        Source::Reputation,
        Source::Authentication,
        Source::DnsList,
        Source::Learned,
    ];
    let marks = [
        None,
        Some(Mark::Trusted),
        Some(Mark::Blacklisted),
        Some(Mark::Infected),
        Some(Mark::Suspicious),
        Some(Mark::Formal),
        Some(Mark::Spam),
    ];
    let weight = f32::from(pick.u16()) / 16.0 - 1000.0;
    let mut evidence = Evidence::new("picked", weight, pick.one(&sources), pick.text(60));
    evidence.mark = pick.one(&marks);
    evidence.part = pick.flag().then(|| u16::from(pick.byte()));
    evidence
}

fn group(pick: &mut Pick<'_>) -> GroupPlan {
    let action = match pick.below(7) {
        0 => Action::Accept,
        1 => Action::Redirect { to: vec![pick.text(20)] },
        2 => Action::Copy { to: vec![pick.text(20), pick.text(20)] },
        3 => Action::Reject { text: pick.text(40) },
        4 => Action::Tempfail { text: pick.text(40) },
        5 => Action::Discard,
        _ => Action::Quarantine { reason: pick.text(40) },
    };
    GroupPlan {
        group: pick.text(10),
        recipients: (0..pick.below(5)).map(|_| u16::from(pick.byte() % 6)).collect(),
        status: pick.one(&Status::ALL),
        action,
        edits: (0..pick.below(4)).map(|_| edit(pick)).collect(),
    }
}

/// An edit with a sound name and any value.
pub(crate) fn edit(pick: &mut Pick<'_>) -> HeaderEdit {
    let name = pick.one(&["X-Tamis-Status", "X-Spam-Flag", "Subject", "x"]).to_owned();
    match pick.below(3) {
        0 => HeaderEdit::RemoveAll { name },
        1 => HeaderEdit::Add { name, value: pick.text(60) },
        _ => HeaderEdit::PrefixSubject { tag: pick.text(20) },
    }
}
