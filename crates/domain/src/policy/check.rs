//! From what was typed to what it means: every text is checked here, and nowhere later.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::lists::{Level, List, Lists};
use super::pattern::{NAME_FORMS, Names};
use super::typed::{
    Typed, TypedActions, TypedGroup, TypedLists, TypedSubjectTags, TypedThresholds,
};
use super::{DEFAULT_GROUP, DetectionLevel, Group, Policy, Rules, Thresholds, Treatment};
use crate::evidence::Source;
use crate::limits::GROUPS_MAX;

/// A policy that cannot be meant: the administrator's fault; the configuration is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A value that its key does not allow.
    #[error("{key}: {value} is not allowed; allowed: {allowed}")]
    NotAllowed {
        /// The key, with the group it stands in.
        key: String,
        /// The value as typed, cut to 80 characters.
        value: String,
        /// What would be allowed.
        allowed: String,
    },
    /// More entries than the limit.
    #[error("{key}: {count} entries, at most {max} are allowed")]
    TooMany {
        /// The key.
        key: String,
        /// Entries found.
        count: usize,
        /// Entries allowed.
        max: usize,
    },
}

/// Entries of one list. Half a million addresses take about 50 MB; longer lists belong in a DNS zone.
pub const LIST_ENTRIES_MAX: usize = 500_000;

/// Recipients named by one group.
pub const GROUP_RECIPIENTS_MAX: usize = 100_000;

/// Addresses of one redirect or copy: more would make a mailing list of us.
pub const TREATMENT_ADDRESSES_MAX: usize = 10;

/// Weights in one place; there are fewer than 100 kinds of evidence.
pub const WEIGHTS_MAX: usize = 256;

/// Largest weight or threshold, either sign: keeps sums exact to a hundredth.
pub const WEIGHT_MAX: f32 = 1000.0;

/// Characters of a group's name.
pub const GROUP_NAME_CHARS_MAX: usize = 64;

/// Characters of a subject tag: subjects are short and shown cut.
pub const SUBJECT_TAG_CHARS_MAX: usize = 40;

/// Characters of a reject text: with code and id it stays under the 512 bytes of an SMTP reply line (RFC 5321 section 4.5.3.1.5).
pub const REJECT_TEXT_CHARS_MAX: usize = 200;

impl TryFrom<Typed> for Policy {
    type Error = PolicyError;

    fn try_from(typed: Typed) -> Result<Self, PolicyError> {
        let base = Rules { lists: Lists::of(Vec::new()), ..Rules::default() };
        let global = Said {
            at: "policy",
            detection: typed.detection,
            reject_text: typed.reject_text.as_ref(),
            level: typed.level,
            thresholds: typed.thresholds,
            methods: &typed.methods,
            lists: &typed.lists,
            actions: &typed.actions,
            subject_tag: &typed.subject_tag,
            weights: &typed.weights,
        }
        .over(&base)?;
        at_most("policy.group", typed.group.len(), GROUPS_MAX)?;
        let mut names = BTreeSet::from([DEFAULT_GROUP]);
        let mut groups = Vec::with_capacity(typed.group.len());
        for group in &typed.group {
            groups.push(checked_group(group, &global, &mut names)?);
        }
        Ok(Self { groups, default: Group::default_with(global) })
    }
}

fn checked_group<'a>(
    group: &'a TypedGroup,
    global: &Rules,
    names: &mut BTreeSet<&'a str>,
) -> Result<Group, PolicyError> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let chars = group.name.chars().count();
    if !(1..=GROUP_NAME_CHARS_MAX).contains(&chars) || !group.name.chars().all(fine) {
        let allowed = format!("1 to {GROUP_NAME_CHARS_MAX} letters, digits, `.`, `_`, `-`");
        return Err(not_allowed("policy.group.name", &group.name, allowed));
    }
    if !names.insert(&group.name) {
        let allowed = "a name that no other group has (`default` is everybody else)";
        return Err(not_allowed("policy.group.name", &group.name, allowed));
    }
    let at = format!("policy.group {:?}", group.name);
    let said = Said {
        at: &at,
        detection: group.detection,
        reject_text: group.reject_text.as_ref(),
        level: group.level,
        thresholds: group.thresholds,
        methods: &group.methods,
        lists: &group.lists,
        actions: &group.actions,
        subject_tag: &group.subject_tag,
        weights: &group.weights,
    };
    let recipients = recipients(&at, &group.recipients)?;
    Ok(Group { name: group.name.clone(), recipients, rules: said.over(global)? })
}

fn recipients(at: &str, typed: &[String]) -> Result<Names, PolicyError> {
    let key = format!("{at}.recipients");
    at_most(&key, typed.len(), GROUP_RECIPIENTS_MAX)?;
    let mut names = Names::default();
    for entry in typed {
        match entry.as_str() {
            "*" => names.add_everyone(),
            entry if names.add(entry) => {}
            entry => return Err(not_allowed(&key, entry, format!("{NAME_FORMS}, or `*`"))),
        }
    }
    if typed.is_empty() {
        return Err(not_allowed(&key, "", format!("at least one of {NAME_FORMS}, or `*`")));
    }
    Ok(names)
}

/// What one place said, global or a group.
struct Said<'a> {
    at: &'a str,
    detection: Option<bool>,
    reject_text: Option<&'a String>,
    level: Option<DetectionLevel>,
    thresholds: TypedThresholds,
    methods: &'a BTreeMap<Source, bool>,
    lists: &'a TypedLists,
    actions: &'a TypedActions,
    subject_tag: &'a TypedSubjectTags,
    weights: &'a BTreeMap<String, f32>,
}

impl Said<'_> {
    /// What was said, and the rest from `base`.
    fn over(&self, base: &Rules) -> Result<Rules, PolicyError> {
        for (status, treatment) in self.actions.said() {
            check_treatment(&format!("{}.actions.{status}", self.at), treatment)?;
        }
        for (status, tag) in self.subject_tag.said() {
            check_text(&format!("{}.subject_tag.{status}", self.at), tag, SUBJECT_TAG_CHARS_MAX)?;
        }
        if let Some(text) = self.reject_text {
            let key = format!("{}.reject_text", self.at);
            check_text(&key, text, REJECT_TEXT_CHARS_MAX)?;
            if text.trim().is_empty() {
                return Err(not_allowed(&key, text, "a text that is not empty"));
            }
        }
        let mut weights = base.weights.clone();
        weights.extend(self.checked_weights()?.clone());
        Ok(Rules {
            detection: self.detection.unwrap_or(base.detection),
            level: self.level.unwrap_or(base.level),
            thresholds: self.checked_thresholds(base.thresholds)?,
            methods_off: self.methods_off(&base.methods_off),
            lists: base.lists.under(self.checked_lists()?),
            actions: self.actions.over(&base.actions),
            subject_tags: self.subject_tag.over(&base.subject_tags),
            reject_text: self.reject_text.unwrap_or(&base.reject_text).clone(),
            weights,
        })
    }

    /// A level said here stands above thresholds said further away.
    fn checked_thresholds(&self, base: Thresholds) -> Result<Thresholds, PolicyError> {
        let Thresholds { probable_spam, spam } =
            self.level.map_or(base, DetectionLevel::thresholds);
        let thresholds = Thresholds {
            probable_spam: self.thresholds.probable_spam.unwrap_or(probable_spam),
            spam: self.thresholds.spam.unwrap_or(spam),
        };
        let Thresholds { probable_spam, spam } = thresholds;
        let fine = |score: f32| score > 0.0 && score <= WEIGHT_MAX;
        if fine(probable_spam) && fine(spam) && probable_spam <= spam {
            return Ok(thresholds);
        }
        let key = format!("{}.thresholds", self.at);
        let value = format!("probable_spam = {probable_spam}, spam = {spam}");
        let allowed = format!("0 < probable_spam <= spam <= {WEIGHT_MAX}");
        Err(PolicyError::NotAllowed { key, value, allowed })
    }

    fn methods_off(&self, base: &BTreeSet<Source>) -> BTreeSet<Source> {
        let mut off = base.clone();
        for (source, is_on) in self.methods {
            if *is_on {
                off.remove(source);
            } else {
                off.insert(*source);
            }
        }
        off
    }

    fn checked_weights(&self) -> Result<&BTreeMap<String, f32>, PolicyError> {
        let key = format!("{}.weights", self.at);
        at_most(&key, self.weights.len(), WEIGHTS_MAX)?;
        for (name, weight) in self.weights {
            if !is_evidence_name(name) {
                return Err(not_allowed(&key, name, "a name of evidence in snake_case"));
            }
            if weight.is_nan() || weight.abs() > WEIGHT_MAX {
                let allowed = format!("-{WEIGHT_MAX} to {WEIGHT_MAX}");
                return Err(not_allowed(&format!("{key}.{name}"), weight, allowed));
            }
        }
        Ok(self.weights)
    }

    fn checked_lists(&self) -> Result<Level, PolicyError> {
        Ok(Level {
            trusted: checked_list(&format!("{}.lists.trusted", self.at), &self.lists.trusted)?,
            blacklisted: checked_list(
                &format!("{}.lists.blacklisted", self.at),
                &self.lists.blacklisted,
            )?,
        })
    }
}

fn checked_list(key: &str, typed: &[String]) -> Result<List, PolicyError> {
    at_most(key, typed.len(), LIST_ENTRIES_MAX)?;
    let mut list = List::default();
    for entry in typed {
        if !list.add(entry) {
            let allowed = format!("{NAME_FORMS}, an IP address, or a network such as 192.0.2.0/24");
            return Err(not_allowed(key, entry, allowed));
        }
    }
    Ok(list)
}

fn check_treatment(key: &str, treatment: &Treatment) -> Result<(), PolicyError> {
    let (Treatment::Redirect(to) | Treatment::Copy(to)) = treatment else { return Ok(()) };
    at_most(key, to.len(), TREATMENT_ADDRESSES_MAX)?;
    let address = |to: &String| !to.starts_with(['@', '.']) && Names::default().add(to);
    match to.iter().find(|to| !address(to)) {
        Some(wrong) => Err(not_allowed(key, wrong, "addresses `user@host`")),
        None if to.is_empty() => Err(not_allowed(key, to, "at least one address `user@host`")),
        None => Ok(()),
    }
}

fn check_text(key: &str, text: &str, chars_max: usize) -> Result<(), PolicyError> {
    if text.chars().all(|c| matches!(c, ' '..='~')) && text.len() <= chars_max {
        return Ok(());
    }
    let allowed = format!("at most {chars_max} printable ASCII characters");
    Err(not_allowed(key, text, allowed))
}

fn at_most(key: &str, count: usize, max: usize) -> Result<(), PolicyError> {
    if count <= max {
        return Ok(());
    }
    Err(PolicyError::TooMany { key: key.to_owned(), count, max })
}

fn not_allowed(key: &str, value: impl Debug, allowed: impl Into<String>) -> PolicyError {
    let shown = format!("{value:?}").chars().take(80).collect();
    PolicyError::NotAllowed { key: key.to_owned(), value: shown, allowed: allowed.into() }
}

/// Whether this can be the name of evidence; such names are safe in headers, logs and metrics.
#[must_use]
pub fn is_evidence_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=64).contains(&name.len()) && name.chars().all(fine)
}
