//! The plan as milter modifications and a final reply. One verdict stands for all recipients, but recipients can be added
//! and removed; see the table in [`super`].

use tamis_domain::plan::{Action, HeaderEdit};
use tamis_mail_protocols::milter::negotiate::Actions;
use tamis_mail_protocols::milter::reply::{FinalReply, Modification, ReplyText};
use tamis_mail_protocols::smtp::reply::Reply;
use tamis_message::edit::{LineEnd, occurrences, prefixed_subject};
use tamis_message::fields::{RawField, fields};

use super::{Variant, Whole, for_all};
use crate::edge::Judged;

/// What the MTA is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    /// Changes, in the order in which the MTA shall carry them out.
    pub modifications: Vec<Modification>,
    /// The last word.
    pub reply: FinalReply,
    /// Variants to submit to the next hop before the MTA is answered.
    pub submitted: Vec<Variant>,
    /// What could not be done as planned; empty if all could.
    pub note: &'static str,
}

/// What the MTA let us change, and what it sent.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// Agreed modifications.
    pub actions: Actions,
    /// The header as the MTA holds it.
    pub header: &'a [u8],
    /// The recipients' exact forms, in order.
    pub recipients: &'a [bytes::Bytes],
    /// Whether other variants can be submitted to a next hop.
    pub split: bool,
}

/// The plan in the MTA's words.
#[must_use]
pub fn words(judged: &Judged, means: &Means<'_>) -> Words {
    let (mut variants, softened) = match for_all(judged) {
        Whole::Answer(reply) => return answer_only(&reply),
        Whole::Deliver { variants, softened } => (variants, softened),
    };
    variants.sort_by_key(|variant| variant.severity);
    let kept = variants.remove(0);
    let mut note =
        if softened { "refusals for some recipients only: they get it marked" } else { "" };
    let removal = means.actions.contains(Actions::REMOVE_RECIPIENTS);
    // What all groups want held is held whole, whatever their headers: a split would deliver the other variants.
    let hold = quarantine(judged).filter(|hold| means.actions.contains(hold.action()));
    let may_split = means.split && removal && hold.is_none();
    let submitted = if may_split { std::mem::take(&mut variants) } else { Vec::new() };
    if variants.iter().any(|variant| variant.edits != kept.edits) {
        note = "groups differ and this door has one header: the mildest for all";
    }
    let mut wanted = header_changes(&kept.edits, means.header);
    let staying: Vec<&Variant> = std::iter::once(&kept).chain(&variants).collect();
    let (changes, impossible) = recipient_changes(&staying, means);
    if impossible {
        note = "the MTA does not let recipients be changed: all get it";
    }
    wanted.extend(changes);
    wanted.extend(quarantine(judged));
    let before = wanted.len();
    wanted.retain(|change| means.actions.contains(change.action()));
    if wanted.len() < before {
        note = "the MTA does not let everything be changed that should be";
    }
    Words { modifications: wanted, reply: FinalReply::Continue, submitted, note }
}

/// The same refusal for all, in our words where the MTA takes them.
#[must_use]
pub fn refusal(reply: &Reply) -> FinalReply {
    let lines: Vec<&str> = reply.lines().iter().map(String::as_str).collect();
    let text = lines.join("\n");
    let default = if reply.is_permanent() { "5.7.1" } else { "4.7.1" };
    let (enhanced, text) = match text.split_once(' ') {
        Some((first, rest)) if reply.enhanced().is_some() => (first, rest),
        _ => (default, text.as_str()),
    };
    match ReplyText::new(reply.code(), enhanced, text) {
        Ok(text) => FinalReply::Text(text),
        Err(_) if reply.is_permanent() => FinalReply::Reject,
        Err(_) => FinalReply::Tempfail,
    }
}

fn answer_only(reply: &Reply) -> Words {
    let reply = if reply.is_positive() { FinalReply::Discard } else { refusal(reply) };
    Words { modifications: Vec::new(), reply, submitted: Vec::new(), note: "" }
}

/// The whole mail is held only if every group wants it: a hold for some would hold it for all.
fn quarantine(judged: &Judged) -> Option<Modification> {
    let mut reasons = judged.plan.groups.iter().map(|group| match &group.action {
        Action::Quarantine { reason } => Some(reason),
        _ => None,
    });
    let first = reasons.next()??.clone();
    reasons.all(|reason| reason.is_some()).then_some(Modification::Quarantine { reason: first })
}

/// Bytes of a subject that is tagged: a milter frame towards the MTA has 65,535, and more is no subject.
const SUBJECT_BYTES_MAX: usize = 32 * 1024;

/// Who is added and who is removed; and whether the MTA forbids what is needed. Where it forbids, nobody is removed: a copy too many
/// is better than a mail lost.
fn recipient_changes(staying: &[&Variant], means: &Means<'_>) -> (Vec<Modification>, bool) {
    let mut keep = vec![false; means.recipients.len()];
    let mut added: Vec<&String> = Vec::new();
    for variant in staying {
        for number in &variant.recipients {
            if let Some(kept) = keep.get_mut(*number) {
                *kept = variant.to_them;
            }
        }
        added.extend(&variant.others);
    }
    added.sort_unstable();
    added.dedup();
    // The MTA adds and removes by address: to add and remove the same one leaves nobody.
    for (exact, kept) in means.recipients.iter().zip(&mut keep) {
        *kept |= added.iter().any(|to| is_same(exact, to));
    }
    added.retain(|to| !means.recipients.iter().any(|exact| is_same(exact, to)));
    let add = added.into_iter().map(|to| Modification::AddRecipient(to.clone()));
    let remove = means.recipients.iter().zip(&keep).filter(|(_, kept)| !**kept);
    let remove = remove.map(|(exact, _)| Modification::RemoveRecipient(exact.clone()));
    let changes: Vec<Modification> = add.chain(remove).collect();
    let impossible = changes.iter().any(|change| !means.actions.contains(change.action()));
    if impossible { (Vec::new(), true) } else { (changes, false) }
}

/// Whether a recipient as the MTA wrote it and an address of the policy are the same mailbox.
fn is_same(exact: &[u8], address: &str) -> bool {
    let exact = exact.trim_ascii();
    let bare = exact.strip_prefix(b"<").and_then(|inner| inner.strip_suffix(b">")).unwrap_or(exact);
    bare.eq_ignore_ascii_case(address.as_bytes())
}

/// Header edits as changes by index. Removals count from the last, so that no index moves under the next; what is added goes
/// above the MTA's own Received.
fn header_changes(edits: &[HeaderEdit], header: &[u8]) -> Vec<Modification> {
    let mut changes = Vec::new();
    let mut added = Vec::new();
    for edit in edits {
        match edit {
            HeaderEdit::RemoveAll { name } => {
                let last = u32::try_from(occurrences(header, name)).unwrap_or(u32::MAX);
                changes.extend(
                    (1..=last)
                        .rev()
                        .map(|index| Modification::DeleteHeader { index, name: name.clone() }),
                );
            }
            HeaderEdit::Add { name, value } => {
                let (name, value) = (name.clone(), value.clone());
                added.push(Modification::InsertHeader { index: 0, name, value });
            }
            HeaderEdit::PrefixSubject { tag } => changes.extend(subjects(tag, header)),
        }
    }
    // Each lands at the top, as in the edits of the other doors: the last one is the first one seen.
    changes.extend(added);
    changes
}

/// The tag in front of each subject, unless it is there already; a missing subject is made.
fn subjects(tag: &str, header: &[u8]) -> Vec<Modification> {
    let name = || "Subject".to_owned();
    let found: Vec<_> = fields(header).filter(|field| field.is("Subject")).collect();
    if found.is_empty() {
        return vec![Modification::AddHeader { name: name(), value: tag.to_owned() }];
    }
    let tagged = |(index, field): (u32, &RawField<'_>)| {
        let value = prefixed_subject(field.value, tag, LineEnd::Lf)?;
        // A subject in bytes of some old charset, or longer than a frame, is left as it is: better untagged than ruined.
        let fits = value.len() <= SUBJECT_BYTES_MAX;
        let value = String::from_utf8(value).ok().filter(|_| fits)?.replace("\r\n", "\n");
        // The blank behind the colon is the encoder's to say.
        let value = value.strip_prefix(' ').unwrap_or(&value).to_owned();
        Some(Modification::ChangeHeader { index, name: name(), value })
    };
    (1..).zip(&found).filter_map(tagged).collect()
}
