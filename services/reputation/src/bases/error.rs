//! Why bases do not come, or do not leave. What is in force goes on in every case.

use std::io;
use std::path::PathBuf;

use tamis_bases::chunks::Name;
use tamis_bases::keys::BadKey;
use tamis_bases::label::{BadLabel, Label};
use tamis_bases::lists::TooLong;
use tamis_bases::manifest::Malformed;
use tamis_bases::pull::PullError;
use tamis_bases::standing::{Next, Refusal};
use tamis_runtime::exit::Failure;

/// Whose fault each is stands with it.
#[derive(Debug, thiserror::Error)]
pub enum BasesError {
    /// The machine's: a disk, a permission.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody's: another process works on the directory. Retry.
    #[error("{0}: another process changes these bases")]
    Busy(PathBuf),
    /// The machine's: what was written is no longer what is read.
    #[error("{path}: damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A manifest that is not believed; it says whose fault it is.
    #[error("a manifest is refused: {0}")]
    Refused(#[from] Refusal),
    /// The upstream's or the publisher's; it says which.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// The publisher's: the pieces are right and the file is not.
    #[error("the pieces of {0} do not make the file that the manifest names")]
    Whole(Label),
    /// The upstream's: it announces what it does not have. Retry.
    #[error("the upstream does not have chunk {0}")]
    Absent(Name),
    /// The network's or the upstream's. Retry.
    #[error("upstream: {0}")]
    Upstream(String),
    /// Whose key file it is.
    #[error("{path}: {why}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Who publishes: something that no receiver would take.
    #[error("cannot be published: {0}")]
    Unpublishable(String),
    /// Who typed the command.
    #[error("there is no release before generation {0} to go back to")]
    NothingBefore(u64),
    /// Who typed the command.
    #[error("no bases are in force")]
    NoneInForce,
    /// Nobody's: somebody went back here, and what the service would publish would undo it.
    #[error(
        "publishing is held, since somebody went back to generation {in_force} from {taken_back}; `tamis bases resume` goes on"
    )]
    Held {
        /// The release in force.
        in_force: u64,
        /// The one that was left.
        taken_back: u64,
    },
    /// Who typed the command.
    #[error("nobody went back here: nothing is held")]
    NotHeld,
    /// The publisher's: the files are what was signed, and no list of signatures that may be used here.
    #[error("the signatures of generation {generation} are refused: {why}")]
    Signatures {
        /// The release.
        generation: u64,
        /// What is wrong with it.
        why: String,
    },
}

impl BasesError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// The word for it in metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.word(),
            Self::Pull(PullError::Chunk(_)) => "chunk",
            Self::Pull(_) => "list",
            Self::Whole(_) => "whole",
            Self::Signatures { .. } => "signatures",
            Self::Absent(_) => "absent",
            Self::Upstream(_) => "upstream",
            Self::Io { .. } | Self::Busy(_) | Self::Damaged { .. } => "disk",
            Self::KeyFile { .. }
            | Self::Unpublishable(_)
            | Self::NothingBefore(_)
            | Self::Held { .. }
            | Self::NotHeld
            | Self::NoneInForce => "operator",
        }
    }

    /// Whether a person must look at it now.
    #[must_use]
    pub const fn is_alarm(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal.next(), Next::Alarm),
            Self::Damaged { .. } => true,
            _ => false,
        }
    }
}

impl From<TooLong> for BasesError {
    fn from(error: TooLong) -> Self {
        Self::Unpublishable(error.to_string())
    }
}

impl From<Malformed> for BasesError {
    fn from(error: Malformed) -> Self {
        Self::Unpublishable(error.to_string())
    }
}

impl From<BadLabel> for BasesError {
    fn from(error: BadLabel) -> Self {
        Self::Unpublishable(error.to_string())
    }
}

impl From<(PathBuf, BadKey)> for BasesError {
    fn from((path, error): (PathBuf, BadKey)) -> Self {
        Self::KeyFile { path, why: error.to_string() }
    }
}

impl From<BasesError> for Failure {
    fn from(error: BasesError) -> Self {
        let what = error.to_string();
        match error {
            BasesError::Io { .. } => {
                Self::unavailable(what, "Check that [bases] dir exists and belongs to this user.")
            }
            BasesError::Busy(_) | BasesError::Upstream(_) | BasesError::Absent(_) => {
                Self::temporary(what, "The bases in force stay in force. Try again.")
            }
            BasesError::Damaged { .. } => Self::unavailable(
                what,
                "This machine's fault: restore the file from a copy, or remove the whole directory and pull again.",
            ),
            BasesError::Refused(_)
            | BasesError::Pull(_)
            | BasesError::Whole(_)
            | BasesError::Signatures { .. } => {
                Self::unavailable(what, "The bases in force stay in force.")
            }
            BasesError::KeyFile { .. } => {
                Self::configuration(what, "Make one with `tamis bases keygen FILE`.")
            }
            BasesError::Unpublishable(_)
            | BasesError::NothingBefore(_)
            | BasesError::Held { .. }
            | BasesError::NotHeld
            | BasesError::NoneInForce => Self::usage(what, ""),
        }
    }
}
