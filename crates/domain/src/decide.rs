//! Status and policy to plan: what happens to the mail, for whom, and what the recipient sees of it.
//!
//! One scan, one plan for each group of recipients: the evidence is the same for all, but each group has its own
//! lists, weights and thresholds, so it is weighed for each. Groups that come out alike are one [`GroupPlan`].
//!
//! Where groups disagree (one rejects, another accepts) the plan says so truthfully; which answer the previous hop
//! gets is the door's affair, because only the door knows whether it can answer for each recipient (LMTP, SMTP
//! before the queue with one recipient) or for the mail alone (milter, SMTP with several).

use serde::{Deserialize, Serialize};

use crate::digest::MailId;
use crate::envelope::Envelope;
use crate::evidence::Evidence;
use crate::plan::{Action, GroupPlan, HeaderEdit, Plan};
use crate::policy::lists::Lists;
use crate::policy::{
    DEFAULT_GROUP, Group, Policy, Rules, Thresholds, Treatment, WEIGHT_MAX, is_evidence_name,
};
use crate::status::{Rung, Status};
use crate::weigh::{Weighed, heaviest, weigh};

/// Header fields that are ours to say: inbound copies are removed before ours are added.
pub const HEADERS: [&str; 7] = [
    "X-Tamis-Status",
    "X-Tamis-Score",
    "X-Tamis-Evidence",
    "X-Tamis-Rung",
    "X-Tamis-Id",
    "X-Spam-Flag",
    "X-Spam-Status",
];

/// Names of evidence shown in headers, heaviest first: more tell a person nothing and make the header grow.
pub const EVIDENCE_SHOWN_MAX: usize = 40;

/// Column after which a header line is folded (RFC 5322 section 2.1.1 wants at most 78).
const FOLD_COLUMN: usize = 76;

/// All that a decision depends on.
pub struct Input<'a> {
    /// Which mail.
    pub id: MailId,
    /// For whom.
    pub envelope: &'a Envelope,
    /// What the administrator wants.
    pub policy: &'a Policy,
    /// What was found, except in lists.
    pub evidence: &'a [Evidence],
    /// What is found in the lists of one group: `tamis_checks::lists::judge` for this mail.
    pub listed: &'a dyn Fn(&Lists) -> Vec<Evidence>,
    /// How much of the judgement was possible.
    pub rung: Rung,
}

/// The mail as one group sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// All findings of methods that are on, with the weights of the group, heaviest first, at most `EVIDENCE_MAX`.
    pub evidence: Vec<Evidence>,
    /// What they amount to.
    pub weighed: Weighed,
}

/// Rules for some of the recipients, and what their lists say of the mail.
#[derive(Clone, Debug, PartialEq)]
pub struct Share<'a> {
    /// Name of the group.
    pub group: &'a str,
    /// How its mail is treated.
    pub rules: &'a Rules,
    /// Numbers of its recipients in the envelope.
    pub recipients: Vec<u16>,
    /// What was found in its lists.
    pub listed: Vec<Evidence>,
}

/// What the edge answers when nobody judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unscanned {
    /// The previous hop keeps the mail and tries again.
    #[default]
    Tempfail,
    /// It goes on, marked as not scanned.
    Accept,
    /// It is refused for good.
    Reject,
}

/// The mail under these rules. With the rules of [`Policy::global`] this is what the verdict says for logs.
#[must_use]
pub fn judged(input: &Input<'_>, rules: &Rules) -> Judged {
    judge(input.evidence, &(input.listed)(&rules.lists), rules)
}

/// The same for findings that are the same for everybody, and those in the lists of these rules.
#[must_use]
pub fn judge(evidence: &[Evidence], listed: &[Evidence], rules: &Rules) -> Judged {
    let all = evidence.iter().chain(listed);
    let mut evidence: Vec<Evidence> =
        all.filter(|found| rules.is_on(found.source)).cloned().collect();
    for found in &mut evidence {
        if let Some(weight) = rules.weights.get(found.name.as_ref()) {
            found.weight = *weight;
        }
    }
    let mut weighed = weigh(&evidence, &rules.thresholds);
    if !rules.detection && !matches!(weighed.status, Status::Infected | Status::Suspicious) {
        weighed.status = Status::Trusted;
    }
    Judged { evidence: heaviest(&evidence), weighed }
}

/// What to do with the mail, for each group of recipients. Every recipient is in exactly one group; a mail without
/// recipients (a file) gets one group that names nobody, so that its treatment can still be shown.
#[must_use]
pub fn decide(input: &Input<'_>) -> Plan {
    plan(input.id, input.rung, input.evidence, &shares(input))
}

/// The same for shares that were taken before.
#[must_use]
pub fn plan(id: MailId, rung: Rung, evidence: &[Evidence], shares: &[Share<'_>]) -> Plan {
    let mut groups: Vec<GroupPlan> = Vec::new();
    // A hostile mail can have thousands of findings and a thousand groups to be weighed for.
    let kept = heaviest(evidence);
    for share in shares {
        let plan = group_plan(id, rung, &kept, share);
        match groups.iter_mut().find(|known| is_alike(known, &plan)) {
            Some(known) => {
                known.recipients.extend(plan.recipients);
                known.recipients.sort_unstable();
            }
            None => groups.push(plan),
        }
    }
    Plan { groups }
}

/// The recipients by the rules that hold for them, with what the lists of each say.
#[must_use]
pub fn shares<'a>(input: &Input<'a>) -> Vec<Share<'a>> {
    let share = |(group, recipients): (&'a Group, Vec<u16>)| Share {
        group: group.name(),
        rules: group.rules(),
        recipients,
        listed: (input.listed)(&group.rules().lists),
    };
    groups(input).into_iter().map(share).collect()
}

/// Whether no further finding can change what happens: every group rejects or discards mail of its blacklisted
/// senders, this is such a mail, and malware, which outranks the list, would be treated the same. Where malware is
/// quarantined but blacklisted mail discarded, the mail is looked at further, as anything else is.
#[must_use]
pub fn is_certain(input: &Input<'_>) -> bool {
    can_be_certain(input.envelope, input.policy)
        && groups(input)
            .into_iter()
            .all(|(group, _)| judged(input, group.rules()).weighed.status == Status::Blacklisted)
}

/// Whether [`is_certain`] depends on what was found at all: some policies look at all mail.
#[must_use]
pub fn can_be_certain(envelope: &Envelope, policy: &Policy) -> bool {
    let mut recipients = envelope.recipients.iter();
    recipients.len() > 0
        && recipients.all(|recipient| {
            let rules = policy.group_for(recipient).rules();
            let listed = rules.treatment(Status::Blacklisted);
            let refused =
                matches!(listed, Treatment::Reject | Treatment::Tempfail | Treatment::Discard);
            let treated_alike = |status| rules.treatment(status) == listed;
            refused && [Status::Infected, Status::Suspicious].into_iter().all(treated_alike)
        })
}

/// The plan of an edge that found nobody to judge in time.
#[must_use]
pub fn unscanned(envelope: &Envelope, id: MailId, answer: Unscanned) -> Plan {
    let action = match answer {
        Unscanned::Accept => Action::Accept,
        Unscanned::Tempfail => Action::Tempfail {
            text: with_id("message could not be scanned now, try again later", id),
        },
        Unscanned::Reject => Action::Reject { text: with_id("message could not be scanned", id) },
    };
    let mut edits = Vec::new();
    if action.goes_on() {
        edits.extend(removals());
        edits.push(add("X-Tamis-Status", Rung::NotScanned.word()));
        edits.push(add("X-Tamis-Rung", Rung::NotScanned.word()));
        edits.push(add("X-Tamis-Id", &id.to_string()));
    }
    let group = DEFAULT_GROUP.to_owned();
    let recipients = (0..).zip(&envelope.recipients).map(|(number, _)| number).collect();
    Plan {
        groups: vec![GroupPlan { group, recipients, status: Status::NotDetected, action, edits }],
    }
}

/// Recipients by policy group, in the order in which the groups first appear.
fn groups<'a>(input: &Input<'a>) -> Vec<(&'a Group, Vec<u16>)> {
    let policy = input.policy;
    if input.envelope.recipients.is_empty() {
        return vec![(policy.global(), Vec::new())];
    }
    let mut shares: Vec<(&Group, Vec<u16>)> = Vec::new();
    for (number, recipient) in (0..).zip(&input.envelope.recipients) {
        let group = policy.group_for(recipient);
        match shares.iter_mut().find(|(known, _)| std::ptr::eq(*known, group)) {
            Some((_, numbers)) => numbers.push(number),
            None => shares.push((group, vec![number])),
        }
    }
    shares
}

fn group_plan(id: MailId, rung: Rung, evidence: &[Evidence], share: &Share<'_>) -> GroupPlan {
    let rules = share.rules;
    let judged = judge(evidence, &share.listed, rules);
    let status = judged.weighed.status;
    let action = action(rules, status, id);
    let edits = if action.goes_on() { edits(id, rung, rules, &judged) } else { Vec::new() };
    let (group, recipients) = (share.group.to_owned(), share.recipients.clone());
    GroupPlan { group, recipients, status, action, edits }
}

/// Alike is what the edge would carry out alike; the name of the group that came first stands for both.
fn is_alike(a: &GroupPlan, b: &GroupPlan) -> bool {
    a.status == b.status && a.action == b.action && a.edits == b.edits
}

fn action(rules: &Rules, status: Status, id: MailId) -> Action {
    match rules.treatment(status) {
        Treatment::Accept => Action::Accept,
        Treatment::Reject => Action::Reject { text: with_id(&rules.reject_text, id) },
        Treatment::Tempfail => {
            Action::Tempfail { text: with_id("message held back by local policy", id) }
        }
        Treatment::Discard => Action::Discard,
        Treatment::Quarantine => {
            Action::Quarantine { reason: with_id(&format!("tamis: {}", status.word()), id) }
        }
        Treatment::Redirect(to) => Action::Redirect { to: to.clone() },
        Treatment::Copy(to) => Action::Copy { to: to.clone() },
    }
}

/// The id lets an administrator find the log line of the mail that somebody complains about.
fn with_id(text: &str, id: MailId) -> String {
    format!("{text} (id {id})")
}

fn edits(id: MailId, rung: Rung, rules: &Rules, judged: &Judged) -> Vec<HeaderEdit> {
    let Weighed { score, status } = judged.weighed;
    let shown = shown(&judged.evidence);
    let mut edits: Vec<HeaderEdit> = removals().collect();
    edits.push(add("X-Tamis-Status", status.word()));
    edits.push(add("X-Tamis-Score", &format!("{score:.2}")));
    if !shown.is_empty() {
        let words = shown.iter().map(|(name, weight)| format!("{name}={weight:.2}"));
        edits.push(add("X-Tamis-Evidence", &folded("X-Tamis-Evidence", "", words, ", ")));
    }
    edits.push(add("X-Tamis-Rung", rung.word()));
    edits.push(add("X-Tamis-Id", &id.to_string()));
    if status.is_spam_flag() {
        edits.push(add("X-Spam-Flag", "YES"));
    }
    edits.push(add("X-Spam-Status", &spam_status(status, score, &rules.thresholds, &shown)));
    let tag = rules.subject_tag(status);
    if !tag.is_empty() {
        edits.push(HeaderEdit::PrefixSubject { tag: tag.to_owned() });
    }
    edits
}

fn removals() -> impl Iterator<Item = HeaderEdit> {
    HEADERS.into_iter().map(|name| HeaderEdit::RemoveAll { name: name.to_owned() })
}

fn add(name: &str, value: &str) -> HeaderEdit {
    HeaderEdit::Add { name: name.to_owned(), value: value.to_owned() }
}

/// The form that existing sorting rules and mail readers know from SpamAssassin.
fn spam_status(
    status: Status,
    score: f32,
    thresholds: &Thresholds,
    shown: &[(&str, f32)],
) -> String {
    let yes = if status.is_spam_flag() { "Yes" } else { "No" };
    let head = format!("{yes}, score={score:.2} required={:.2}", thresholds.spam);
    let tests = if shown.is_empty() {
        vec!["tests=none".to_owned()]
    } else {
        let mut names: Vec<String> = shown.iter().map(|(name, _)| (*name).to_owned()).collect();
        names[0].insert_str(0, "tests=");
        names
    };
    folded("X-Spam-Status", &format!("{head} "), tests.into_iter(), ",")
}

/// Names to show, heaviest first, each once. A name that no header may carry is left out: facts come from a cache
/// that others can write.
fn shown(evidence: &[Evidence]) -> Vec<(&str, f32)> {
    let mut shown: Vec<(&str, f32)> = Vec::new();
    for found in evidence {
        let name = found.name.as_ref();
        if shown.len() == EVIDENCE_SHOWN_MAX {
            break;
        }
        if is_evidence_name(name) && !shown.iter().any(|(known, _)| *known == name) {
            shown.push((name, finite(found.weight)));
        }
    }
    shown
}

fn finite(weight: f32) -> f32 {
    if weight.is_nan() { 0.0 } else { weight.clamp(-WEIGHT_MAX, WEIGHT_MAX) }
}

/// `head` and the words after it, joined by `mark`, folded after a mark with LF and a space.
fn folded(name: &str, head: &str, words: impl Iterator<Item = String>, mark: &str) -> String {
    let mut out = head.to_owned();
    let mut column = name.len() + 2 + head.len();
    for (place, word) in words.enumerate() {
        let between = if place == 0 { "" } else { mark };
        if column + between.len() + word.len() > FOLD_COLUMN && !out.is_empty() {
            out.truncate(out.trim_end().len());
            out.push_str(between.trim_end());
            out.push_str("\n ");
            column = 1;
        } else {
            out.push_str(between);
            column += between.len();
        }
        out.push_str(&word);
        column += word.len();
    }
    out
}
