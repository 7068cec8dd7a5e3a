//! What the administrator wants: global rules, and groups of recipients that override them.
//!
//! [`Typed`] is what was written in the `[policy]` section of the configuration; [`Policy`] is what it means,
//! checked once, with no text left to parse. One `Policy` stays with a mail for its whole life.
//!
//! ```toml
//! [policy]
//! level = "standard"
//! thresholds = { spam = 12.0 }
//! methods = { link = true }
//! lists = { trusted = ["partner@example.org", "192.0.2.0/24"], blacklisted = ["@spam.example", ".spam.example"] }
//! actions = { spam = "accept", infected = "quarantine" }
//! subject_tag = { spam = "[SPAM]" }
//!
//! [[policy.group]]
//! name = "sales"
//! recipients = ["sales@example.org", "@shop.example.org"]
//! actions = { spam = { redirect = ["quarantine@example.org"] } }
//! ```
//!
//! The first group that names a recipient wins, so special groups stand before general ones. What a group does
//! not say, it takes from the global rules, key by key. Lists are the exception: a group's own lists are looked
//! at first and the global ones after them, see [`lists`].
//!
//! Thresholds come from the nearest word that was said: a level stands for both, a threshold beside it for itself. A
//! method that is off counts nothing for its group, neither weight nor mark; what it found is found for all others.
//!
//! Defaults tag, they do not destroy: everything is accepted with headers and, for spam, a tag in the subject.
//! Only a *known* malicious object (`infected`) is quarantined, which the administrator can undo.

mod check;
mod level;
pub mod lists;
pub mod pattern;
mod typed;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use self::lists::Lists;
use self::pattern::Names;
use crate::evidence::Source;
use crate::status::Status;

pub use self::check::{
    GROUP_NAME_CHARS_MAX, GROUP_RECIPIENTS_MAX, LIST_ENTRIES_MAX, PolicyError,
    REJECT_TEXT_CHARS_MAX, SUBJECT_TAG_CHARS_MAX, TREATMENT_ADDRESSES_MAX, WEIGHT_MAX, WEIGHTS_MAX,
    is_evidence_name,
};
pub use self::level::DetectionLevel;
pub use self::typed::{
    Actions, SubjectTags, Typed, TypedActions, TypedGroup, TypedLists, TypedSubjectTags,
    TypedThresholds,
};

/// Name of the group of everybody whom no other group claims.
pub const DEFAULT_GROUP: &str = "default";

/// The whole policy, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    groups: Vec<Group>,
    default: Group,
}

/// Recipients that are treated alike, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    name: String,
    recipients: Names,
    rules: Rules,
}

/// Rules for one group, complete: what the group did not say was taken from the global rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Whether spam is looked for. Where it is not, mail is `trusted`; malware is still malware.
    pub detection: bool,
    /// How few signs suffice; thresholds typed beside it stand in `thresholds` alone.
    pub level: DetectionLevel,
    /// Where `probable_spam` and `spam` begin.
    pub thresholds: Thresholds,
    /// Methods that are off, by the source of their evidence.
    pub methods_off: BTreeSet<Source>,
    /// Lists of senders and networks, the group's own first. They are not written down with the rules: what they said of
    /// a mail is.
    #[serde(skip)]
    pub lists: Lists,
    /// What happens to mail of each status.
    pub actions: Actions,
    /// What is put in front of the subject for each status.
    pub subject_tags: SubjectTags,
    /// Text of a rejection, before the mail's id.
    pub reject_text: String,
    /// Weights that replace the built-in ones, by name of the evidence.
    pub weights: BTreeMap<String, f32>,
}

/// Scores at which a status begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// From here on `probable_spam`.
    pub probable_spam: f32,
    /// From here on `spam`.
    pub spam: f32,
}

impl Default for Thresholds {
    /// 5 and 10: no single ordinary sign reaches the first, no two ordinary signs the second.
    fn default() -> Self {
        DetectionLevel::Standard.thresholds()
    }
}

/// What the administrator wants done with mail of one status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// It goes on, with headers.
    #[default]
    Accept,
    /// It is refused for good.
    Reject,
    /// It is refused for now.
    Tempfail,
    /// It is taken and thrown away, silently. Never a default.
    Discard,
    /// The MTA is asked to hold it; a door that cannot lets it go on, with headers.
    Quarantine,
    /// It goes to these addresses instead of its recipients.
    Redirect(Vec<String>),
    /// It goes to its recipients and to these addresses too.
    Copy(Vec<String>),
}

impl Policy {
    /// The group of a recipient: the first that names it, or the default group.
    #[must_use]
    pub fn group_for(&self, recipient: &str) -> &Group {
        let known = self.groups.iter().find(|group| group.recipients.matches(recipient));
        known.unwrap_or(&self.default)
    }

    /// The group of everybody whom no other group claims: the global rules.
    #[must_use]
    pub fn global(&self) -> &Group {
        &self.default
    }

    /// All groups in order, the default group last.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().chain(std::iter::once(&self.default))
    }

    /// Names of evidence whose weight is set somewhere, for comparing with the names that exist.
    pub fn weighted_names(&self) -> impl Iterator<Item = &str> {
        self.groups().flat_map(|group| group.rules.weights.keys().map(String::as_str))
    }
}

impl Default for Policy {
    /// What an empty `[policy]` section means.
    fn default() -> Self {
        Self { groups: Vec::new(), default: Group::default_with(Rules::default()) }
    }
}

impl Group {
    /// Name, as in plans, logs and metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its mail is treated.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    fn default_with(rules: Rules) -> Self {
        Self { name: DEFAULT_GROUP.to_owned(), recipients: Names::everyone(), rules }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            detection: true,
            level: DetectionLevel::default(),
            thresholds: Thresholds::default(),
            methods_off: BTreeSet::new(),
            lists: Lists::default(),
            actions: Actions::default(),
            subject_tags: SubjectTags::default(),
            reject_text: typed::REJECT_TEXT.to_owned(),
            weights: BTreeMap::new(),
        }
    }
}

impl Rules {
    /// Whether findings of this kind of check count for the group.
    #[must_use]
    pub fn is_on(&self, source: Source) -> bool {
        !self.methods_off.contains(&source)
    }

    /// What happens to mail of this status. Mail that nothing speaks against, and trusted mail, is always accepted.
    #[must_use]
    pub fn treatment(&self, status: Status) -> &Treatment {
        match status {
            Status::NotDetected | Status::Trusted => &Treatment::Accept,
            Status::Formal => &self.actions.formal,
            Status::ProbableSpam => &self.actions.probable_spam,
            Status::Spam => &self.actions.spam,
            Status::Blacklisted => &self.actions.blacklisted,
            Status::Suspicious => &self.actions.suspicious,
            Status::Infected => &self.actions.infected,
        }
    }

    /// What is put in front of the subject of mail of this status; empty for nothing.
    #[must_use]
    pub fn subject_tag(&self, status: Status) -> &str {
        match status {
            Status::NotDetected | Status::Trusted => "",
            Status::Formal => &self.subject_tags.formal,
            Status::ProbableSpam => &self.subject_tags.probable_spam,
            Status::Spam => &self.subject_tags.spam,
            Status::Blacklisted => &self.subject_tags.blacklisted,
            Status::Suspicious => &self.subject_tags.suspicious,
            Status::Infected => &self.subject_tags.infected,
        }
    }
}
