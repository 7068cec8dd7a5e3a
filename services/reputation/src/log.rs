//! The order of writes: segments and snapshots in a directory of this machine, see [`local`]; where several nodes share
//! one order, it is a Redis stream, see [`streams`], and the directory keeps a copy of it.

pub mod frame;
pub mod local;
pub mod record;
pub mod snapshot;
pub mod streams;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

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
}
