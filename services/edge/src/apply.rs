//! The plan, in what each door can do.
//!
//! | what groups want | LMTP | SMTP | milter |
//! |---|---|---|---|
//! | all the same | each its own reply | one reply | one verdict |
//! | different headers | one transaction each | one transaction each | with `milter_split` one submission each, else the mildest for all |
//! | some redirect, copy, discard | as wished | as wished | as wished, by adding and removing recipients |
//! | some reject, others accept | each its own reply | the refused get it, marked | the refused get it, marked |
//! | quarantine | goes on, marked | goes on, marked | the MTA holds it, if all groups want that; else marked |
//!
//! Where one answer stands for all recipients, a refusal for some would refuse it for all, and acceptance would lose it for
//! the refused: so they get it, marked as what it is.

pub mod header;
pub mod milter;

use tamis_domain::decide::HEADERS;
use tamis_domain::plan::{Action, GroupPlan, HeaderEdit};
use tamis_domain::status::Status;
use tamis_mail_protocols::smtp::reply::Reply;

use crate::edge::Judged;

/// The mail as some recipients shall get it: one transaction at the next hop.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Recipients of the envelope whom it stands for, by number.
    pub recipients: Vec<usize>,
    /// Whether they themselves get it; with redirection only the others do.
    pub to_them: bool,
    /// Who else gets it.
    pub others: Vec<String>,
    /// Changes of the header.
    pub edits: Vec<HeaderEdit>,
    /// How mild the treatment is; the mildest is the smallest.
    pub severity: (u8, Status),
}

/// What becomes of the mail for one recipient who is answered alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// Part of this variant.
    Variant(usize),
    /// Answered without delivery.
    Answer(Reply),
}

/// What becomes of the mail where one answer stands for all.
#[derive(Clone, Debug, PartialEq)]
pub enum Whole {
    /// Answered without delivery.
    Answer(Reply),
    /// These variants; recipients in none of them are discarded. Never empty.
    Deliver {
        /// The variants.
        variants: Vec<Variant>,
        /// Whether some recipients would have been refused and get it marked.
        softened: bool,
    },
}

/// For doors that answer each recipient.
#[must_use]
pub fn for_each(judged: &Judged, recipients: usize) -> (Vec<Variant>, Vec<Fate>) {
    let missing = Reply::new(451, "4.3.0 no answer for this recipient, try again later");
    let mut fates = vec![Fate::Answer(missing); recipients];
    let mut variants = Vec::new();
    for group in &judged.plan.groups {
        let fate = match answer(&group.action) {
            Some(reply) => Fate::Answer(reply),
            None => {
                variants.push(variant(group));
                Fate::Variant(variants.len() - 1)
            }
        };
        for number in &group.recipients {
            if let Some(place) = fates.get_mut(usize::from(*number)) {
                *place = fate.clone();
            }
        }
    }
    (variants, fates)
}

/// For doors that answer once.
#[must_use]
pub fn for_all(judged: &Judged) -> Whole {
    let groups: Vec<&GroupPlan> =
        judged.plan.groups.iter().filter(|group| !group.recipients.is_empty()).collect();
    let anybody =
        groups.iter().any(|group| group.action.goes_on() || group.action == Action::Discard);
    if !anybody {
        // All are refused; for now wins, since what may be tried again may yet be taken.
        let mildest = groups.iter().min_by_key(|group| severity(&group.action));
        let reply = mildest.and_then(|group| answer(&group.action));
        return Whole::Answer(reply.unwrap_or_else(nobody));
    }
    let mut variants = Vec::new();
    let mut softened = false;
    for group in groups {
        match &group.action {
            Action::Discard => {}
            Action::Reject { .. } | Action::Tempfail { .. } => {
                softened = true;
                variants.push(marked(judged, group));
            }
            _ => variants.push(variant(group)),
        }
    }
    if variants.is_empty() {
        return Whole::Answer(Reply::new(250, "2.0.0 ok"));
    }
    Whole::Deliver { variants, softened }
}

/// The answer of an action that delivers nothing.
fn answer(action: &Action) -> Option<Reply> {
    match action {
        Action::Reject { text } => Some(Reply::new(550, &format!("5.7.1 {text}"))),
        Action::Tempfail { text } => Some(Reply::new(451, &format!("4.7.1 {text}"))),
        // The same words as of any other mail: nobody shall tell the difference.
        Action::Discard => Some(Reply::new(250, "2.0.0 ok")),
        _ => None,
    }
}

/// A plan for nobody cannot come: the dialogue checks it. Should it, the mail stays where it is.
fn nobody() -> Reply {
    Reply::new(451, "4.3.0 no decision, try again later")
}

fn variant(group: &GroupPlan) -> Variant {
    let (to_them, others) = match &group.action {
        Action::Redirect { to } => (false, to.clone()),
        Action::Copy { to } => (true, to.clone()),
        _ => (true, Vec::new()),
    };
    Variant {
        recipients: group.recipients.iter().map(|number| usize::from(*number)).collect(),
        to_them,
        others,
        edits: group.edits.clone(),
        severity: (severity(&group.action), group.status),
    }
}

/// The mail for recipients who would have been refused, where others take it.
fn marked(judged: &Judged, group: &GroupPlan) -> Variant {
    let add = |name: &str, value: String| HeaderEdit::Add { name: name.to_owned(), value };
    let mut edits: Vec<HeaderEdit> =
        HEADERS.iter().map(|name| HeaderEdit::RemoveAll { name: (*name).to_owned() }).collect();
    edits.push(add("X-Tamis-Status", group.status.word().to_owned()));
    edits.push(add("X-Tamis-Score", format!("{:.2}", judged.score)));
    edits.push(add("X-Tamis-Rung", judged.rung.word().to_owned()));
    edits.push(add("X-Tamis-Id", judged.id.to_string()));
    if group.status.is_spam_flag() {
        edits.push(add("X-Spam-Flag", "YES".to_owned()));
    }
    Variant { edits, ..variant(group) }
}

/// From mild to severe.
fn severity(action: &Action) -> u8 {
    match action {
        Action::Accept => 0,
        Action::Copy { .. } => 1,
        Action::Redirect { .. } => 2,
        Action::Quarantine { .. } => 3,
        Action::Tempfail { .. } => 4,
        Action::Reject { .. } => 5,
        Action::Discard => 6,
    }
}

#[cfg(test)]
mod tests;
