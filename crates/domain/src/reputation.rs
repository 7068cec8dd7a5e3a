//! What the reputation service says about a signature.

use serde::{Deserialize, Serialize};

use crate::digest::Signature;

/// Class of a listed signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Reported, but not yet by enough independent reporters.
    Suspected,
    /// Spam.
    Spam,
    /// Phishing.
    Phishing,
    /// Malware.
    Malware,
    /// Seen in bulk, no judgement.
    Bulk,
    /// Known good: wins over every other class.
    Allowed,
}

impl Class {
    /// Every class, in wire order.
    pub const ALL: [Self; 6] =
        [Self::Suspected, Self::Spam, Self::Phishing, Self::Malware, Self::Bulk, Self::Allowed];

    /// The number in a reputation packet, 1 to 6; 0 there means "unknown".
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Suspected => 1,
            Self::Spam => 2,
            Self::Phishing => 3,
            Self::Malware => 4,
            Self::Bulk => 5,
            Self::Allowed => 6,
        }
    }

    /// The class with this number, if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }

    /// Whether it says good or bad: allowed, spam, phishing or malware; neither a suspicion nor bulk does.
    #[must_use]
    pub const fn is_verdict(self) -> bool {
        matches!(self, Self::Allowed | Self::Spam | Self::Phishing | Self::Malware)
    }

    /// Which of several listings answers: the one with the greatest. A verdict before bulk before a suspicion; of equals
    /// the most similar, since a faint likeness to something allowed must not hide a close one to something bad, nor the
    /// other way round; of equally similar ones the allowed.
    #[must_use]
    pub const fn precedence(self, similarity: u8) -> (u8, u8, bool) {
        let tier = match self {
            class if class.is_verdict() => 2,
            Self::Bulk => 1,
            _ => 0,
        };
        (tier, similarity, matches!(self, Self::Allowed))
    }

    /// The word on the command line, in logs and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Spam => "spam",
            Self::Phishing => "phishing",
            Self::Malware => "malware",
            Self::Bulk => "bulk",
            Self::Allowed => "allowed",
        }
    }
}

/// The answer about one signature that is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Its class.
    pub class: Class,
    /// Strength of the listing, 1 to 100.
    pub weight: u8,
    /// Independent reporters, saturating at 255.
    pub reporters: u8,
    /// Hours since it was last reported, saturating.
    pub age_hours: u16,
    /// Lanes of the sketch that agree, 0 to 31; 32 for an exact hit and nothing else.
    pub similarity: u8,
}

impl Listing {
    /// Which of several listings answers: the one with the greatest, see [`Class::precedence`].
    #[must_use]
    pub const fn precedence(&self) -> (u8, u8, bool) {
        self.class.precedence(self.similarity)
    }
}

/// A signature of the mail and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Which signature was asked for.
    pub signature: Signature,
    /// Part of the mail that it names.
    pub part: Option<u16>,
    /// What is known; `None` is "never heard of it".
    pub listing: Option<Listing>,
}
