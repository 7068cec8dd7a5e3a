//! What one check found: a name, a weight, a source and an explanation.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::DETAIL_CHARS_MAX;

/// One finding about a mail or a part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Stable name in snake case, such as `double_extension`; what administrators set weights for.
    pub name: Cow<'static, str>,
    /// How far it speaks for spam; negative speaks against. Points of score, default threshold 10.
    #[serde(deserialize_with = "finite")]
    pub weight: f32,
    /// Which kind of check found it.
    pub source: Source,
    /// What exactly was found, for a person; at most `DETAIL_CHARS_MAX` characters, never an address or text of the mail.
    pub detail: String,
    /// A decision that this finding forces whatever the score, if any.
    pub mark: Option<Mark>,
    /// Number of the part it was found in, if it was found in one.
    pub part: Option<u16>,
}

impl Evidence {
    /// A finding that only adds to the score. `detail` is cut to its limit.
    #[must_use]
    pub fn new(name: &'static str, weight: f32, source: Source, detail: impl Into<String>) -> Self {
        let detail = cut(detail.into());
        Self { name: Cow::Borrowed(name), weight, source, detail, mark: None, part: None }
    }

    /// The same finding, forcing a decision.
    #[must_use]
    pub fn marked(mut self, mark: Mark) -> Self {
        self.mark = Some(mark);
        self
    }

    /// The same finding, in part `number`.
    #[must_use]
    pub fn in_part(mut self, number: u16) -> Self {
        self.part = Some(number);
        self
    }
}

/// Which kind of check found a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Lists of addresses, domains and networks.
    List,
    /// Fields of the header and the envelope.
    Header,
    /// Structure of the mail: MIME tree, oddities.
    Structure,
    /// Words of the text.
    Text,
    /// Links.
    Link,
    /// Names and types of attachments.
    Attachment,
    /// Malware signatures and hash lists.
    Malware,
    /// The reputation service.
    Reputation,
    /// SPF, DKIM, DMARC, ARC, and what else authenticates a sender.
    Authentication,
    /// Lists that are asked over DNS.
    DnsList,
    /// What users taught.
    Learned,
}

impl Source {
    /// Whether such findings come from elsewhere than the mail and the bases, so that the same mail may have others
    /// tomorrow.
    #[must_use]
    pub const fn is_outside(self) -> bool {
        matches!(self, Self::Reputation | Self::Authentication | Self::DnsList | Self::Learned)
    }

    /// The word used in logs and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Header => "header",
            Self::Structure => "structure",
            Self::Text => "text",
            Self::Link => "link",
            Self::Attachment => "attachment",
            Self::Malware => "malware",
            Self::Reputation => "reputation",
            Self::Authentication => "authentication",
            Self::DnsList => "dns_list",
            Self::Learned => "learned",
        }
    }
}

/// A decision that a finding forces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The administrator trusts this sender or relay.
    Trusted,
    /// The administrator blocks this sender or relay.
    Blacklisted,
    /// A known malicious object.
    Infected,
    /// An object that looks malicious, without proof.
    Suspicious,
    /// A bounce, receipt or automatic answer, by structure.
    Formal,
    /// Certain spam whatever else speaks for the mail (GTUBE, a confirmed signature).
    Spam,
}

/// A weight past the range of `f32` reads as infinite, and would be written as nothing.
fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let weight = f32::deserialize(deserializer)?;
    if weight.is_finite() { Ok(weight) } else { Err(D::Error::custom("a weight is finite")) }
}

/// Cuts at the limit on a character boundary.
fn cut(mut detail: String) -> String {
    if let Some((at, _)) = detail.char_indices().nth(DETAIL_CHARS_MAX) {
        detail.truncate(at);
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_cut_at_the_limit_and_not_before() {
        for (chars, kept) in
            [(DETAIL_CHARS_MAX, DETAIL_CHARS_MAX), (DETAIL_CHARS_MAX + 1, DETAIL_CHARS_MAX)]
        {
            let evidence = Evidence::new("x", 1.0, Source::Text, "é".repeat(chars));
            assert_eq!(evidence.detail.chars().count(), kept);
        }
    }
}
