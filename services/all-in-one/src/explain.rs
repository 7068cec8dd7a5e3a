//! A verdict in sentences, for users and postmasters: status, score, findings, what was not seen, what would change it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tamis_domain::decide::{Judged, judge};
use tamis_domain::evidence::{Evidence, Mark};
use tamis_domain::plan::{Action, GroupPlan, HeaderEdit};
use tamis_domain::policy::{DEFAULT_GROUP, Thresholds};
use tamis_domain::record::{Asked, Record, RecordedShare};
use tamis_domain::status::{Rung, Status};

/// Recipients named of one group: the rest is counted.
const RECIPIENTS_SHOWN_MAX: usize = 5;

/// Characters of a file name shown: longer ones are made to be misread.
const NAME_CHARS_SHOWN_MAX: usize = 80;

/// All about one mail, several lines without a line end after the last.
pub fn explain(name: &str, record: &Record) -> String {
    let mut out = String::new();
    let status = |group: &GroupPlan| spoken(group.status);
    let mut all: Vec<&str> = record.verdict.plan.groups.iter().map(status).collect();
    all.dedup();
    line(&mut out, 0, &format!("{name}: {}", all.join(", ")));
    let mut shown: Option<Vec<Evidence>> = None;
    for share in &record.groups {
        let judged = judge(&record.evidence, &share.listed, &share.rules);
        group(&mut out, record, share, &judged);
        if shown.as_ref() == Some(&judged.evidence) {
            line(&mut out, 1, "The findings are the same.");
        } else {
            findings(&mut out, record, share, &judged);
        }
        line(&mut out, 1, "What would change it:");
        would_change(&mut out, record, share, &judged);
        shown = Some(judged.evidence);
    }
    line(&mut out, 1, "What was seen:");
    seen(&mut out, record);
    out.truncate(out.trim_end().len());
    out
}

/// For whom, by which rules, and what happens.
fn group(out: &mut String, record: &Record, share: &RecordedShare, judged: &Judged) {
    let rules = &share.rules;
    let whose = match share.group.as_str() {
        DEFAULT_GROUP => "the global rules".to_owned(),
        name => format!("the rules of group {:?}", clean(name)),
    };
    line(out, 1, &format!("For {}: {whose}.", recipients(record, share)));
    let Thresholds { probable_spam, spam } = rules.thresholds;
    let own = if rules.thresholds == rules.level.thresholds() { "" } else { ", own thresholds" };
    line(
        out,
        1,
        &format!(
            "Status {}. Score {:.2}; probable spam begins at {probable_spam:.2}, spam at {spam:.2} (level {}{own}).",
            spoken(judged.weighed.status),
            judged.weighed.score,
            rules.level.word()
        ),
    );
    let of_share = |plan: &&GroupPlan| {
        plan.group == share.group
            || share.recipients.iter().any(|number| plan.recipients.contains(number))
    };
    if let Some(plan) = record.verdict.plan.groups.iter().find(of_share) {
        line(out, 1, &done(plan));
    }
}

fn recipients(record: &Record, share: &RecordedShare) -> String {
    let all = &record.envelope.recipients;
    let named: Vec<String> = share
        .recipients
        .iter()
        .take(RECIPIENTS_SHOWN_MAX)
        .filter_map(|number| all.get(usize::from(*number)))
        .map(|address| clean(address))
        .collect();
    match share.recipients.len().saturating_sub(named.len()) {
        _ if named.is_empty() => "everybody, since no recipient was named".to_owned(),
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn done(plan: &GroupPlan) -> String {
    let what = match &plan.action {
        Action::Accept => "The mail goes on".to_owned(),
        Action::Redirect { to } => format!("The mail goes to {} instead", clean(&to.join(", "))),
        Action::Copy { to } => format!("The mail goes on, and a copy to {}", clean(&to.join(", "))),
        Action::Reject { .. } => "The mail is refused".to_owned(),
        Action::Tempfail { .. } => "The mail is refused for now".to_owned(),
        Action::Discard => "The mail is thrown away".to_owned(),
        Action::Quarantine { .. } => "The mail is held in quarantine".to_owned(),
    };
    let tag = plan.edits.iter().find_map(|edit| match edit {
        HeaderEdit::PrefixSubject { tag } => Some(clean(tag)),
        _ => None,
    });
    match tag {
        Some(tag) => format!("{what}, with {tag} before its subject."),
        None => format!("{what}."),
    }
}

/// Each finding with weight, sentence, name, source and place.
fn findings(out: &mut String, record: &Record, share: &RecordedShare, judged: &Judged) {
    if judged.evidence.is_empty() {
        line(out, 1, "Nothing was found.");
    } else {
        line(out, 1, "What was found, the heaviest first:");
    }
    let mut counted = BTreeSet::new();
    for found in &judged.evidence {
        let sentence = match found.detail.as_str() {
            "" => found.name.replace('_', " "),
            detail => detail.to_owned(),
        };
        line(out, 2, &format!("{:+7.2}  {}", found.weight + 0.0, clean(&sentence)));
        let mut notes = vec![format!("{}, source {}", clean(&found.name), found.source.word())];
        notes.extend(found.part.map(|number| place(record, number)));
        notes.extend(found.mark.map(|mark| format!("forces {}", spoken_mark(mark))));
        if !counted.insert(found.name.as_ref()) {
            notes.push("not counted again: a name counts once".to_owned());
        }
        line(out, 2, &format!("         {}", notes.join(", ")));
    }
    let all = record.evidence.iter().chain(&share.listed);
    let off = all.filter(|found| !share.rules.is_on(found.source)).count();
    if off > 0 {
        let sources = share.rules.methods_off.iter().map(|source| source.word());
        let sources = sources.collect::<Vec<_>>().join(", ");
        line(out, 2, &format!("{off} not counted: methods that are off here ({sources})"));
    }
}

/// Which part: number, type and file name.
fn place(record: &Record, number: u16) -> String {
    let Some(part) = record.parts.iter().find(|part| part.number == number) else {
        return format!("part {number}");
    };
    let media = clean(&part.media_type);
    match &part.file_name {
        None => format!("part {number} ({media})"),
        Some(name) => {
            let name: String = name.chars().take(NAME_CHARS_SHOWN_MAX).collect();
            format!("part {number} ({media}, \"{}\")", clean(&name))
        }
    }
}

/// How far the thresholds are, and which findings alone make the difference.
fn would_change(out: &mut String, record: &Record, share: &RecordedShare, judged: &Judged) {
    let status = judged.weighed.status;
    if !share.rules.detection && status == Status::Trusted {
        line(out, 2, "Detection is off for these recipients: nothing but malware would.");
        return;
    }
    let forced = judged.evidence.iter().any(|found| found.mark.is_some());
    if forced {
        line(out, 2, "A finding forces the status; the score decides nothing.");
    } else {
        distance(out, judged.weighed.score, &share.rules.thresholds);
    }
    let mut without: Vec<(&str, Status)> = Vec::new();
    for found in &judged.evidence {
        let name = found.name.as_ref();
        if without.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let others = |all: &[Evidence]| -> Vec<Evidence> {
            all.iter().filter(|other| other.name != name).cloned().collect()
        };
        let rest = judge(&others(&record.evidence), &others(&share.listed), &share.rules);
        without.push((name, rest.weighed.status));
    }
    for (name, other) in without.into_iter().filter(|(_, other)| *other != status) {
        line(out, 2, &format!("Without {} it would be {}.", clean(name), spoken(other)));
    }
}

fn distance(out: &mut String, score: f32, thresholds: &Thresholds) {
    let mut said = BTreeSet::new();
    for (begins, name) in [(thresholds.spam, "spam"), (thresholds.probable_spam, "probable spam")] {
        let words = match score < begins {
            true => format!("{:.2} points more make it {name}.", begins - score),
            false => format!("More than {:.2} points less, and it is no {name}.", score - begins),
        };
        if said.insert(begins.to_bits()) {
            line(out, 2, &words);
        }
    }
}

/// The rung, and each thing that was not looked at.
fn seen(out: &mut String, record: &Record) {
    let rung = match record.verdict.rung {
        Rung::Full => "all that this scanner is set up to look at",
        Rung::Cached => "not all: some contents or answers did not come in time or had no room",
        Rung::Local => "the mail alone: nobody outside could be asked",
        Rung::NotScanned => "nothing: nobody judged the mail",
    };
    line(out, 2, &format!("Rung {}: {rung}.", record.verdict.rung.word()));
    let unseen = &record.unseen;
    if unseen.is_certain {
        line(out, 2, "Lists decided before anything else was looked at.");
        return;
    }
    for (who, asked) in [("The reputation service", unseen.reputation), ("DNS", unseen.dns)] {
        let became = match asked {
            Asked::NotAsked => "was not asked",
            Asked::Spared => "did not have to be asked: it knows nothing of this mail",
            Asked::Silent => "did not answer in time",
            Asked::Partly => "answered in part",
            Asked::Answered => "answered",
        };
        line(out, 2, &format!("{who} {became}."));
    }
    for number in &unseen.parts {
        line(out, 2, &format!("Not read: {}.", place(record, *number)));
    }
    if !record.envelope.verified {
        line(out, 2, "Sender and client are what the mail says itself: nobody vouches for them.");
    }
}

const fn spoken(status: Status) -> &'static str {
    match status {
        Status::NotDetected => "not detected as spam",
        Status::Trusted => "trusted",
        Status::Formal => "formal",
        Status::ProbableSpam => "probable spam",
        Status::Spam => "spam",
        Status::Blacklisted => "blacklisted",
        Status::Suspicious => "suspicious",
        Status::Infected => "infected",
    }
}

const fn spoken_mark(mark: Mark) -> &'static str {
    match mark {
        Mark::Trusted => "trusted",
        Mark::Blacklisted => "blacklisted",
        Mark::Infected => "infected",
        Mark::Suspicious => "suspicious",
        Mark::Formal => "formal",
        Mark::Spam => "spam",
    }
}

fn line(out: &mut String, depth: usize, text: &str) {
    let _ = writeln!(out, "{}{}", "  ".repeat(depth), text.trim_end());
}

/// Text that no terminal obeys and that reads in the order in which it stands: control characters, and those that turn
/// the direction of writing, are escaped.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c.is_control() || turns {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}
