//! The `[scanner.learning]` section. Off unless it says where to keep what is learned.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use tamis_learning::knowledge::MAILS_MAX;
use tamis_runtime::redis_address::Address;

use super::path;
use crate::learning::{Place, Settings, Token};
use crate::memory::FarSettings;

/// Bytes of a file with a token: those that one makes have fewer than 100.
const TOKEN_FILE_BYTES_MAX: usize = 4096;

/// The section as typed; every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TypedLearning {
    /// State directory: this scanner learns alone.
    pub directory: PathBuf,
    /// Redis that keeps what is learned for all scanners. It must not drop keys by itself.
    pub redis: String,
    /// PEM file of the authority that signed its certificate; empty trusts the system's.
    pub redis_authority: PathBuf,
    /// Milliseconds a mail waits for it at most.
    pub redis_budget_ms: u64,
    /// File with the token of who may teach. Empty: whoever is on the scanner's machine.
    pub token_file: PathBuf,
    /// Mails remembered of all users, and of each domain; the oldest are forgotten.
    pub mails_max: usize,
}

impl Default for TypedLearning {
    fn default() -> Self {
        Self {
            directory: PathBuf::new(),
            redis: String::new(),
            redis_authority: PathBuf::new(),
            redis_budget_ms: 50,
            token_file: PathBuf::new(),
            mails_max: 20_000,
        }
    }
}

impl TypedLearning {
    /// Says what the section means; `None`: nothing is learned.
    ///
    /// # Errors
    /// The key whose value makes no sense, and what would.
    pub(super) fn check(self) -> Result<Option<Settings>, String> {
        if !(1..=MAILS_MAX).contains(&self.mails_max) {
            return Err(format!("learning.mails_max = {}: write 1 to {MAILS_MAX}", self.mails_max));
        }
        if !(1..=10_000).contains(&self.redis_budget_ms) {
            let value = self.redis_budget_ms;
            return Err(format!(
                "learning.redis_budget_ms = {value}: write 1 to 10000 milliseconds"
            ));
        }
        let place = match (path(self.directory.clone()), self.redis.is_empty()) {
            (None, true) => return Ok(None),
            (Some(_), false) => {
                return Err("learning: name a directory or a redis, not both".to_owned());
            }
            (Some(directory), true) => Place::Directory(directory),
            (None, false) => Place::Redis(self.far()?),
        };
        let token = path(self.token_file).map(token).transpose()?;
        Ok(Some(Settings { place, token, mails_max: self.mails_max }))
    }

    fn far(&self) -> Result<FarSettings, String> {
        let authority = path(self.redis_authority.clone()).map(|file| {
            std::fs::read(&file)
                .map_err(|error| format!("learning.redis_authority {}: {error}", file.display()))
        });
        Ok(FarSettings {
            address: Address::parse(&self.redis)
                .map_err(|error| format!("learning.redis: {error}"))?,
            authority: authority.transpose()?,
            budget: Duration::from_millis(self.redis_budget_ms),
            keep: Duration::MAX,
        })
    }
}

/// The token: the first line that is no comment.
fn token(file: PathBuf) -> Result<Token, String> {
    let named =
        |what: &dyn std::fmt::Display| format!("learning.token_file {}: {what}", file.display());
    let text = std::fs::read_to_string(&file).map_err(|error| named(&error))?;
    if text.len() > TOKEN_FILE_BYTES_MAX {
        return Err(named(&"too long"));
    }
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    line.filter(|line| line.len() >= 16)
        .map(Token::new)
        .ok_or_else(|| named(&"holds no token of 16 characters or more"))
}
