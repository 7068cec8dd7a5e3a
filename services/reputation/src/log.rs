//! The home of histories: who reported what, when first, how often. The table keeps conclusions only, see
//! `tamis_reputation_protocol::signatures`; all of it is here, on disk in [`local`] or, where no directory is set, in
//! [`memory`]. [`histories`] looks one up.

mod files;
pub mod frame;
pub mod histories;
pub mod local;
pub mod memory;
mod merge;
pub mod record;
mod segment;
pub mod snapshot;
pub mod streams;
pub(crate) mod tail;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

pub use segment::replay_into;

/// A place in the shared order of a cluster. A directory whose commits carry one is a copy: what it lost is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Milliseconds since 1970, by the clock of who keeps the order.
    pub ms: u64,
    /// Number within the millisecond.
    pub seq: u64,
}

/// When a commit counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it is on the disk: it survives the machine's loss of power.
    Synced,
    /// When the system has it: it survives the process. Enough for a copy of what is kept elsewhere.
    Buffered,
}

/// Why a log cannot be opened. Somebody has to look: starting without it would lose acknowledged writes.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The machine's: no directory, no permission, a disk that fails.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{0}: another process uses this state directory")]
    Locked(PathBuf),
    /// Another version's.
    #[error(
        "{path}: it is of format {format}, from before reports told which sketch they name, and cannot be read any more"
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u8,
    },
    /// What was written is no longer what is read.
    #[error(
        "{path}: damaged at byte {at}: {what}; restore this directory from another replica or a copy"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: u64,
        /// What is wrong there.
        what: String,
    },
}

/// Why a change was not written. The table is not changed either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// No room on the disk. Later writes try again.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The log can no longer be trusted; only a start reads what is really there.
    #[error("the log cannot be written: {0}")]
    Broken(String),
}

impl OpenError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn damaged(path: impl Into<PathBuf>, at: u64, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), at, what: what.into() }
    }
}

/// A file that was damaged since it was opened, for those who only know `io::Error`.
impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io { path, source } => {
                Self::new(source.kind(), format!("{}: {source}", path.display()))
            }
            other => Self::new(io::ErrorKind::InvalidData, other.to_string()),
        }
    }
}
