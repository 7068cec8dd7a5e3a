//! The verdict, from and to the wire.

use std::borrow::Cow;

use tamis_domain::evidence::Evidence;
use tamis_domain::limits::{ADDRESS_BYTES_MAX, DETAIL_CHARS_MAX, RECIPIENTS_MAX};
use tamis_domain::plan::{Action, GroupPlan, HeaderEdit, Plan};
use tamis_domain::verdict::{Timings, Verdict};

use super::{Unreadable, mail_id, part_number, within, words};
use crate::scan;

/// Header edits of one group: our own fields and a few removals are fewer than 30.
const EDITS_MAX: usize = 100;

/// Bytes of one header value that a plan may add.
const VALUE_BYTES_MAX: usize = 64 * 1024;

pub(super) fn to_wire(verdict: Verdict) -> scan::Verdict {
    let timings = verdict.timings;
    scan::Verdict {
        mail_id: verdict.id.0.to_vec(),
        status: words::status_to_wire(verdict.status).into(),
        score: verdict.score,
        evidence: verdict.evidence.into_iter().map(evidence_to_wire).collect(),
        rung: words::rung_to_wire(verdict.rung).into(),
        plan: verdict.plan.groups.into_iter().map(group_to_wire).collect(),
        generation: verdict.generation,
        timings: Some(scan::Timings {
            free_us: timings.free_us,
            near_us: timings.near_us,
            supply_us: timings.supply_us,
            full_us: timings.full_us,
            total_us: timings.total_us,
        }),
    }
}

pub(super) fn from_wire(wire: scan::Verdict) -> Result<Verdict, Unreadable> {
    within("plan", wire.plan.len(), RECIPIENTS_MAX)?;
    let timings = wire.timings.unwrap_or_default();
    if !wire.score.is_finite() {
        return Err(Unreadable::Meaningless("score"));
    }
    Ok(Verdict {
        id: mail_id(&wire.mail_id)?,
        status: words::status(wire.status)?,
        score: wire.score,
        evidence: wire.evidence.into_iter().map(evidence).collect::<Result<_, _>>()?,
        rung: words::rung(wire.rung)?,
        plan: Plan { groups: wire.plan.into_iter().map(group).collect::<Result<_, _>>()? },
        generation: wire.generation,
        timings: Timings {
            free_us: timings.free_us,
            near_us: timings.near_us,
            supply_us: timings.supply_us,
            full_us: timings.full_us,
            total_us: timings.total_us,
        },
    })
}

fn evidence_to_wire(evidence: Evidence) -> scan::Evidence {
    scan::Evidence {
        name: evidence.name.into_owned(),
        weight: evidence.weight,
        source: words::source_to_wire(evidence.source).into(),
        detail: evidence.detail,
        mark: words::mark_to_wire(evidence.mark).into(),
        part_plus_one: evidence.part.map_or(0, |part| u32::from(part) + 1),
    }
}

fn evidence(wire: scan::Evidence) -> Result<Evidence, Unreadable> {
    within("evidence.name", wire.name.len(), DETAIL_CHARS_MAX)?;
    within("evidence.detail", wire.detail.len(), 4 * DETAIL_CHARS_MAX)?;
    if !wire.weight.is_finite() {
        return Err(Unreadable::Meaningless("evidence.weight"));
    }
    Ok(Evidence {
        name: Cow::Owned(wire.name),
        weight: wire.weight,
        source: words::source(wire.source)?,
        detail: wire.detail,
        mark: words::mark(wire.mark)?,
        part: match wire.part_plus_one.checked_sub(1) {
            Some(part) => Some(part_number(part, "evidence.part")?),
            None => None,
        },
    })
}

fn group_to_wire(group: GroupPlan) -> scan::GroupPlan {
    scan::GroupPlan {
        group: group.group,
        recipients: group.recipients.into_iter().map(u32::from).collect(),
        status: words::status_to_wire(group.status).into(),
        action: Some(scan::Action { kind: Some(action_to_wire(group.action)) }),
        edits: group.edits.into_iter().map(edit_to_wire).collect(),
    }
}

fn group(wire: scan::GroupPlan) -> Result<GroupPlan, Unreadable> {
    within("group.recipients", wire.recipients.len(), RECIPIENTS_MAX)?;
    within("group.edits", wire.edits.len(), EDITS_MAX)?;
    let recipient = |number: u32| {
        u16::try_from(number).map_err(|_| Unreadable::Meaningless("group.recipients"))
    };
    Ok(GroupPlan {
        group: wire.group,
        recipients: wire.recipients.into_iter().map(recipient).collect::<Result<_, _>>()?,
        status: words::status(wire.status)?,
        action: action(wire.action.and_then(|action| action.kind))?,
        edits: wire.edits.into_iter().map(edit).collect::<Result<_, _>>()?,
    })
}

fn action_to_wire(action: Action) -> scan::action::Kind {
    use scan::action::Kind;
    match action {
        Action::Accept => Kind::Accept(scan::Accept {}),
        Action::Redirect { to } => Kind::Redirect(scan::Addresses { to }),
        Action::Copy { to } => Kind::Copy(scan::Addresses { to }),
        Action::Reject { text } => Kind::Reject(text),
        Action::Tempfail { text } => Kind::Tempfail(text),
        Action::Discard => Kind::Discard(scan::Discard {}),
        Action::Quarantine { reason } => Kind::Quarantine(reason),
    }
}

/// An action this version does not know is refused: guessing could lose a mail.
fn action(kind: Option<scan::action::Kind>) -> Result<Action, Unreadable> {
    use scan::action::Kind;
    Ok(match kind.ok_or(Unreadable::Missing("action"))? {
        Kind::Accept(scan::Accept {}) => Action::Accept,
        Kind::Redirect(scan::Addresses { to }) => Action::Redirect { to: addresses(to)? },
        Kind::Copy(scan::Addresses { to }) => Action::Copy { to: addresses(to)? },
        Kind::Reject(text) => Action::Reject { text },
        Kind::Tempfail(text) => Action::Tempfail { text },
        Kind::Discard(scan::Discard {}) => Action::Discard,
        Kind::Quarantine(reason) => Action::Quarantine { reason },
    })
}

fn addresses(to: Vec<String>) -> Result<Vec<String>, Unreadable> {
    if to.is_empty() {
        return Err(Unreadable::Missing("action.to"));
    }
    within("action.to", to.len(), RECIPIENTS_MAX)?;
    for address in &to {
        within("action.to address", address.len(), ADDRESS_BYTES_MAX)?;
    }
    Ok(to)
}

fn edit_to_wire(edit: HeaderEdit) -> scan::HeaderEdit {
    use scan::header_edit::Kind;
    let kind = match edit {
        HeaderEdit::RemoveAll { name } => Kind::RemoveAll(name),
        HeaderEdit::Add { name, value } => Kind::Add(scan::Field { name, value }),
        HeaderEdit::PrefixSubject { tag } => Kind::PrefixSubject(tag),
    };
    scan::HeaderEdit { kind: Some(kind) }
}

fn edit(wire: scan::HeaderEdit) -> Result<HeaderEdit, Unreadable> {
    use scan::header_edit::Kind;
    Ok(match wire.kind.ok_or(Unreadable::Missing("edit"))? {
        Kind::RemoveAll(name) => HeaderEdit::RemoveAll { name: field_name(name)? },
        Kind::Add(scan::Field { name, value }) => {
            within("edit.value", value.len(), VALUE_BYTES_MAX)?;
            HeaderEdit::Add { name: field_name(name)?, value }
        }
        Kind::PrefixSubject(tag) => {
            within("edit.tag", tag.len(), DETAIL_CHARS_MAX)?;
            HeaderEdit::PrefixSubject { tag }
        }
    })
}

/// RFC 5322 section 2.2: printable ASCII without a colon.
fn field_name(name: String) -> Result<String, Unreadable> {
    let good = (1..=76).contains(&name.len())
        && name.bytes().all(|byte| (33..=126).contains(&byte) && byte != b':');
    if good { Ok(name) } else { Err(Unreadable::Meaningless("edit.name")) }
}
