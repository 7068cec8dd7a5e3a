//! Secrets come from files, never from the configuration itself or the environment, where others can read them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;

/// The longest secret, in bytes: passwords and keys are far shorter.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

/// The value of a key `…_file`: where a secret is kept. In TOML a string; empty means none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret {
    path: PathBuf,
}

impl Secret {
    /// The secret kept in the file at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Reads the secret now, so that a changed file counts at the next use; one line end at the end is not part of it.
    /// `None` where no file is named.
    ///
    /// # Errors
    /// A file that cannot be read, is no UTF-8 or is longer than [`SECRET_BYTES_MAX`]. The error never shows content.
    pub fn read(&self) -> Result<Option<String>, ConfigError> {
        if self.path.as_os_str().is_empty() {
            return Ok(None);
        }
        let path = || self.path.clone();
        let bytes = read_bounded(&self.path, SECRET_BYTES_MAX)
            .map_err(|source| ConfigError::Unreadable { path: path(), source })?
            .ok_or_else(|| ConfigError::TooLong { path: path(), bytes_max: SECRET_BYTES_MAX })?;
        let text = String::from_utf8(bytes).map_err(|_| ConfigError::NotText { path: path() })?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Some(text.strip_suffix('\r').unwrap_or(text).to_owned()))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

/// Reads a file of at most `bytes_max` bytes; `None` if it is longer, after reading one byte too many and no more.
pub(crate) fn read_bounded(path: &Path, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let take = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(take).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= bytes_max).then_some(bytes))
}
