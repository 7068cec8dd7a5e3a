//! The one status a mail has for one recipient group.

use serde::{Deserialize, Serialize};

/// Exactly one for each recipient group.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing speaks against it.
    #[default]
    NotDetected,
    /// The administrator trusts the sender, or detection is off for the group.
    Trusted,
    /// Bounce, receipt, automatic answer: by structure.
    Formal,
    /// Some evidence, not enough to be sure.
    ProbableSpam,
    /// Enough evidence.
    Spam,
    /// The administrator blocks the sender.
    Blacklisted,
    /// An object that looks malicious.
    Suspicious,
    /// A known malicious object.
    Infected,
}

impl Status {
    /// Every status, mildest first.
    pub const ALL: [Self; 8] = [
        Self::NotDetected,
        Self::Trusted,
        Self::Formal,
        Self::ProbableSpam,
        Self::Spam,
        Self::Blacklisted,
        Self::Suspicious,
        Self::Infected,
    ];

    /// The word in headers, logs, metrics and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotDetected => "not_detected",
            Self::Trusted => "trusted",
            Self::Formal => "formal",
            Self::ProbableSpam => "probable_spam",
            Self::Spam => "spam",
            Self::Blacklisted => "blacklisted",
            Self::Suspicious => "suspicious",
            Self::Infected => "infected",
        }
    }

    /// Whether `X-Spam-Flag: YES` is written, which users' existing sorting rules look for.
    #[must_use]
    pub const fn is_spam_flag(self) -> bool {
        matches!(self, Self::Spam | Self::Blacklisted | Self::Infected)
    }
}

/// How much of the judgement was possible: the ladder of degradation, best first. Stated in every verdict.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Everything was looked at.
    #[default]
    Full,
    /// Content that was not at hand was judged by cached facts and reputation alone.
    Cached,
    /// Neither cache nor reputation could be asked in time: local rules only.
    Local,
    /// Nobody judged; the edge answered by policy.
    NotScanned,
}

impl Rung {
    /// Every rung, best first.
    pub const ALL: [Self; 4] = [Self::Full, Self::Cached, Self::Local, Self::NotScanned];

    /// The word in headers, logs, metrics and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Cached => "cached",
            Self::Local => "local",
            Self::NotScanned => "not_scanned",
        }
    }
}
