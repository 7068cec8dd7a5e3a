//! A record: all that one verdict followed from, so that it can be given again, explained, and compared with another.
//!
//! It holds the findings with their weights, the rules of the groups concerned, what their lists said, what the outside
//! answered, and the verdict as it was said. It holds no word of the mail, but its envelope and the names of its files:
//! whoever may read the mail may read its record.

use serde::{Deserialize, Serialize};

use crate::decide::{Share, judge, plan};
use crate::envelope::Envelope;
use crate::evidence::Evidence;
use crate::limits::{EVIDENCE_MAX, GROUPS_MAX, PARTS_MAX, RECIPIENTS_MAX};
use crate::policy::Rules;
use crate::policy::lists::Lists;
use crate::reputation::Answered;
use crate::verdict::Verdict;

/// Number of the format. A record with another number is refused: what it means may differ.
pub const RECORD_FORMAT: u32 = 1;

/// Findings in one group's lists: one for each kind of list, and room for kinds to come.
pub const LISTED_MAX: usize = 16;

/// All that one verdict followed from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`RECORD_FORMAT`].
    pub tamis_record: u32,
    /// When the mail was judged, in seconds since 1970: the dates of the mail were compared with it.
    pub now_s: i64,
    /// Who, to whom, from where.
    pub envelope: Envelope,
    /// Findings that are the same for everybody, with the weights that the checks gave, at most `EVIDENCE_MAX`.
    pub evidence: Vec<Evidence>,
    /// The global rules: the verdict's status and score are theirs.
    pub global: RecordedShare,
    /// The groups of the recipients.
    pub groups: Vec<RecordedShare>,
    /// What the reputation service knew of the mail's signatures; what it did not know is left out.
    pub answers: Vec<Answered>,
    /// Parts that findings name, and those that nobody read.
    pub parts: Vec<PartNote>,
    /// What was not looked at.
    pub unseen: Unseen,
    /// What was said.
    pub verdict: Verdict,
}

/// One group's share of the mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedShare {
    /// Name of the group.
    pub group: String,
    /// Its rules; of the weights only those that concern what was found.
    pub rules: Rules,
    /// Numbers of its recipients in the envelope.
    pub recipients: Vec<u16>,
    /// What was found in its lists.
    pub listed: Vec<Evidence>,
}

/// What a person wants to know of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartNote {
    /// Its number.
    pub number: u16,
    /// Declared media type.
    pub media_type: String,
    /// Its file name, if it has one.
    pub file_name: Option<String>,
}

/// What was not looked at, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unseen {
    /// Numbers of the parts whose content nobody read.
    pub parts: Vec<u16>,
    /// The reputation service.
    pub reputation: Asked,
    /// DNS: who authenticated the sender, and lists over DNS.
    pub dns: Asked,
    /// Whether lists decided before anything else was looked at.
    pub is_certain: bool,
}

/// What became of a question to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// None was asked.
    #[default]
    NotAsked,
    /// None had to be asked: nothing of the mail is known to them.
    Spared,
    /// No answer came in time.
    Silent,
    /// Only some answered, or not all was asked.
    Partly,
    /// All answered.
    Answered,
}

/// A record that cannot be what we wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// Another format.
    #[error("format {0}, this program reads {RECORD_FORMAT}")]
    Format(u32),
    /// More entries than any record has.
    #[error("{what}: {count} entries, at most {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A recipient that the envelope does not have.
    #[error("recipient {0} is not in the envelope")]
    NoSuchRecipient(u16),
}

impl Record {
    /// Whether it can be what we wrote: format, counts, recipients.
    ///
    /// # Errors
    /// [`Unsound`]: whoever made it is at fault; it is not replayed.
    pub fn check(&self) -> Result<(), Unsound> {
        if self.tamis_record != RECORD_FORMAT {
            return Err(Unsound::Format(self.tamis_record));
        }
        let shares = || self.groups.iter().chain([&self.global]);
        let most = |of: fn(&RecordedShare) -> usize| shares().map(of).max().unwrap_or(0);
        for (what, count, max) in [
            ("evidence", self.evidence.len(), EVIDENCE_MAX),
            ("evidence of the verdict", self.verdict.evidence.len(), EVIDENCE_MAX),
            ("groups", self.groups.len(), GROUPS_MAX),
            ("parts", self.parts.len(), PARTS_MAX),
            ("unread parts", self.unseen.parts.len(), PARTS_MAX),
            ("recipients", self.envelope.recipients.len(), RECIPIENTS_MAX),
            ("recipients of a group", most(|share| share.recipients.len()), RECIPIENTS_MAX),
            ("findings in lists", most(|share| share.listed.len()), LISTED_MAX),
        ] {
            if count > max {
                return Err(Unsound::TooMany { what, count, max });
            }
        }
        let known = self.envelope.recipients.len();
        let strange = |number: &&u16| usize::from(**number) >= known;
        match shares().flat_map(|share| &share.recipients).find(strange) {
            Some(number) => Err(Unsound::NoSuchRecipient(*number)),
            None => Ok(()),
        }
    }

    /// The verdict that follows from the record: the same bit for bit as what was said, as long as weighing and
    /// deciding are what they were. The time it took is copied.
    #[must_use]
    pub fn replay(&self) -> Verdict {
        let said = &self.verdict;
        let shares: Vec<Share<'_>> = self.groups.iter().map(RecordedShare::share).collect();
        let judged = judge(&self.evidence, &self.global.listed, &self.global.rules);
        Verdict {
            id: said.id,
            status: judged.weighed.status,
            score: judged.weighed.score,
            evidence: judged.evidence,
            rung: said.rung,
            plan: plan(said.id, said.rung, &self.evidence, &shares),
            generation: said.generation,
            timings: said.timings,
        }
    }
}

impl RecordedShare {
    /// What is kept of a share. Of its weights only those of `found` and of what its lists found.
    #[must_use]
    pub fn of(share: &Share<'_>, found: &[Evidence]) -> Self {
        let rules = share.rules;
        let named = |name: &&String| {
            found.iter().chain(&share.listed).any(|found| found.name.as_ref() == name.as_str())
        };
        let weights = rules.weights.iter().filter(|(name, _)| named(name));
        Self {
            group: share.group.to_owned(),
            rules: Rules {
                detection: rules.detection,
                level: rules.level,
                thresholds: rules.thresholds,
                methods_off: rules.methods_off.clone(),
                lists: Lists::default(),
                actions: rules.actions.clone(),
                subject_tags: rules.subject_tags.clone(),
                reject_text: rules.reject_text.clone(),
                weights: weights.map(|(name, weight)| (name.clone(), *weight)).collect(),
            },
            recipients: share.recipients.clone(),
            listed: share.listed.clone(),
        }
    }

    /// The share to decide by.
    #[must_use]
    pub fn share(&self) -> Share<'_> {
        Share {
            group: &self.group,
            rules: &self.rules,
            recipients: self.recipients.clone(),
            listed: self.listed.clone(),
        }
    }
}

/// How one finding differs between two verdicts about the same mail.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Only the later verdict has it.
    Appeared(Evidence),
    /// Only the earlier verdict has it.
    Vanished(Evidence),
    /// Both have it, with another weight, mark or detail.
    Differs {
        /// In the earlier verdict.
        before: Evidence,
        /// In the later one.
        after: Evidence,
    },
}

/// How the findings of two verdicts about the same mail differ, in the order of the later and then of the earlier one.
/// Two findings are the same one if name, source and part are; of several such, the heaviest stand against each other.
#[must_use]
pub fn changes(before: &[Evidence], after: &[Evidence]) -> Vec<Change> {
    let mut gone: Vec<Option<&Evidence>> = before.iter().map(Some).collect();
    let mut changes = Vec::new();
    for found in after {
        let same = |known: &&mut Option<&Evidence>| {
            known.is_some_and(|known| {
                known.name == found.name && known.source == found.source && known.part == found.part
            })
        };
        match gone.iter_mut().find(same).and_then(Option::take) {
            None => changes.push(Change::Appeared(found.clone())),
            Some(known) if is_alike(known, found) => {}
            Some(known) => {
                changes.push(Change::Differs { before: known.clone(), after: found.clone() });
            }
        }
    }
    changes.extend(gone.into_iter().flatten().cloned().map(Change::Vanished));
    changes
}

fn is_alike(a: &Evidence, b: &Evidence) -> bool {
    a.weight.to_bits() == b.weight.to_bits() && a.mark == b.mark && a.detail == b.detail
}

#[cfg(test)]
mod tests;
