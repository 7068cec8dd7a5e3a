//! What is to be done with a mail, for each group of recipients.

use serde::{Deserialize, Serialize};

use crate::status::Status;

/// What the edge carries out. Every recipient of the envelope is in exactly one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// One entry for each group of recipients that is treated alike.
    pub groups: Vec<GroupPlan>,
}

/// What to do for some of the recipients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupPlan {
    /// Name of the policy group; `default` where no group claims the recipient.
    pub group: String,
    /// Indexes into `Envelope::recipients`, ascending.
    pub recipients: Vec<u16>,
    /// Status for this group.
    pub status: Status,
    /// What happens to the mail.
    pub action: Action,
    /// Changes of the header, applied in order, if the mail goes on.
    pub edits: Vec<HeaderEdit>,
}

/// What happens to a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// It goes on to its recipients.
    Accept,
    /// It goes on, to these addresses instead of its recipients.
    Redirect {
        /// Where it goes.
        to: Vec<String>,
    },
    /// It goes on to its recipients and to these addresses too.
    Copy {
        /// Who else gets it.
        to: Vec<String>,
    },
    /// It is refused for good. The text ends with the mail's id, so that it can be found in the log.
    Reject {
        /// Text after `550 5.7.1 `.
        text: String,
    },
    /// It is refused for now.
    Tempfail {
        /// Text after `451 4.7.1 `.
        text: String,
    },
    /// It is taken and goes nowhere, silently.
    Discard,
    /// The MTA is asked to hold it (milter); other doors let it go on, tagged.
    Quarantine {
        /// Why, for the MTA's log.
        reason: String,
    },
}

impl Action {
    /// Whether the mail goes on to somebody.
    #[must_use]
    pub const fn goes_on(&self) -> bool {
        matches!(
            self,
            Self::Accept | Self::Redirect { .. } | Self::Copy { .. } | Self::Quarantine { .. }
        )
    }

    /// The word used in logs and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Redirect { .. } => "redirect",
            Self::Copy { .. } => "copy",
            Self::Reject { .. } => "reject",
            Self::Tempfail { .. } => "tempfail",
            Self::Discard => "discard",
            Self::Quarantine { .. } => "quarantine",
        }
    }
}

/// One change of the top-level header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "edit")]
pub enum HeaderEdit {
    /// Every field of this name goes, in any case.
    RemoveAll {
        /// Field name.
        name: String,
    },
    /// A field is added on top.
    Add {
        /// Field name.
        name: String,
        /// Value without CR; lines of a folded value are joined by LF and a space.
        value: String,
    },
    /// The subject gets this in front, unless it is there already; a missing subject is made.
    PrefixSubject {
        /// Text, ASCII; followed by one space.
        tag: String,
    },
}
