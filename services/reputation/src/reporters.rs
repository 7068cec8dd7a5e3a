//! Who may report: names, roles and the hashes of their tokens, from a file that is read again when it changes.
//!
//! ```toml
//! [[reporter]]
//! name = "example.org/mx1"
//! role = "reporter"
//! token_blake3 = "64 hexadecimal digits"
//! ```
//!
//! A token is looked up by its hash, so that neither the file nor the time of a comparison tells anything about it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tamis_reputation_protocol::signatures::{Authority, REPORTER_CHARS_MAX};
use tamis_runtime::config::{ConfigError, Document};

use crate::alarm::Alarm;

/// Reporters in one file. The file may have a megabyte, which is about as many.
pub const REPORTERS_MAX: usize = 4_096;

/// Characters of a token at most: those made here have 64.
pub const TOKEN_CHARS_MAX: usize = 256;

/// How often the file is looked at. A token that was struck out is refused after as long.
pub const RELOAD_EVERY: Duration = Duration::from_secs(2);

/// The only section of the file.
const SECTION: &str = "reporter";

/// Somebody who may report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporter {
    /// `organisation/host` or `organisation`.
    pub name: String,
    /// What the word is worth.
    pub authority: Authority,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    name: String,
    role: Role,
    token_blake3: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Reporter,
    Operator,
}

type Known = HashMap<[u8; 32], Reporter>;

/// What tells one state of a file from another.
type Mark = (Option<SystemTime>, u64);

/// The reporters of one file.
#[derive(Debug)]
pub struct Reporters {
    path: PathBuf,
    known: RwLock<(Mark, Arc<Known>)>,
}

impl Reporters {
    /// Reads the file.
    ///
    /// # Errors
    /// The file's: always the fault of who wrote it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        // The mark comes first: a change in between is seen as one.
        let mark = mark(path);
        let known = read(path)?;
        Ok(Self { path: path.to_path_buf(), known: RwLock::new((mark, Arc::new(known))) })
    }

    /// Who shows this token, if anybody.
    #[must_use]
    pub fn by_token(&self, token: &str) -> Option<Reporter> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let known = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner).1);
        known.get(blake3::hash(token.as_bytes()).as_bytes()).cloned()
    }

    /// Reads the file again if it changed; whether it did. A file that cannot be read leaves the reporters as they are.
    ///
    /// # Errors
    /// The file's, once for each change of it.
    pub fn refresh(&self) -> Result<bool, ConfigError> {
        let mark = mark(&self.path);
        if self.known.read().unwrap_or_else(PoisonError::into_inner).0 == mark {
            return Ok(false);
        }
        let read = read(&self.path);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.0 = mark;
        known.1 = Arc::new(read?);
        Ok(true)
    }

    /// Looks at the file again and again, until dropped.
    pub async fn watch(self: Arc<Self>, alarm: Alarm) {
        let _alarm = alarm;
        loop {
            tokio::time::sleep(RELOAD_EVERY).await;
            let own = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || own.refresh()).await {
                Ok(Ok(true)) => tracing::info!("the file of reporters was read again"),
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "the file of reporters is wrong; the former reporters stay");
                }
            }
        }
    }
}

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// A new token, and the entry for the file that knows it by its hash alone.
///
/// # Errors
/// The system's, when it has no random numbers.
pub fn new_token(reporter: &Reporter) -> std::io::Result<(String, String)> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let role = match reporter.authority {
        Authority::Reporter => "reporter",
        Authority::Operator => "operator",
    };
    let hash = blake3::hash(token.as_bytes()).to_hex();
    let entry = format!(
        "[[{SECTION}]]\nname = {:?}\nrole = \"{role}\"\ntoken_blake3 = \"{hash}\"\n",
        reporter.name
    );
    Ok((token, entry))
}

fn mark(path: &Path) -> Mark {
    std::fs::metadata(path).map_or((None, 0), |meta| (meta.modified().ok(), meta.len()))
}

fn read(path: &Path) -> Result<Known, ConfigError> {
    let document = Document::load(Some(path), std::iter::empty())?;
    document.refuse_unknown_sections(&[SECTION])?;
    let typed: Vec<Typed> = document.section(SECTION)?;
    let wrong = |what: String| ConfigError::meaning(SECTION, format!("{}: {what}", path.display()));
    if typed.len() > REPORTERS_MAX {
        return Err(wrong(format!("more than {REPORTERS_MAX} reporters")));
    }
    let mut known = Known::new();
    for Typed { name, role, token_blake3 } in typed {
        if !is_name(&name) {
            return Err(wrong(format!("name = {name:?}: {NAME_RULE}")));
        }
        let hash = blake3::Hash::from_hex(&token_blake3)
            .map_err(|_| wrong(format!("{name}: token_blake3 is not 64 hexadecimal digits")))?;
        let authority = match role {
            Role::Reporter => Authority::Reporter,
            Role::Operator => Authority::Operator,
        };
        let reporter = Reporter { name: name.clone(), authority };
        if known.insert(*hash.as_bytes(), reporter).is_some() {
            return Err(wrong(format!("{name}: another reporter has the same token")));
        }
    }
    Ok(known)
}

/// What a name must look like.
pub const NAME_RULE: &str =
    "write organisation or organisation/host, 1 to 64 printable ASCII characters without spaces";

/// Whether a name follows [`NAME_RULE`].
#[must_use]
pub fn is_name(name: &str) -> bool {
    let (organisation, host) = name.split_once('/').unwrap_or((name, "-"));
    name.len() <= REPORTER_CHARS_MAX
        && name.bytes().all(|byte| byte.is_ascii_graphic())
        && !organisation.is_empty()
        && !host.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, role: &str, token: &str) -> String {
        let hash = blake3::hash(token.as_bytes()).to_hex();
        format!("[[reporter]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken_blake3 = \"{hash}\"\n")
    }

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reporters.toml");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_token_names_its_reporter_and_any_other_text_nobody() {
        let text = entry("a.example/mx1", "reporter", "one") + &entry("desk", "operator", "two");
        let (_dir, path) = file(&text);
        let reporters = Reporters::load(&path).unwrap();
        let one = Reporter { name: "a.example/mx1".to_owned(), authority: Authority::Reporter };
        assert_eq!(reporters.by_token("one"), Some(one));
        assert_eq!(reporters.by_token("two").unwrap().authority, Authority::Operator);
        for wrong in ["", "One", "one ", &blake3::hash(b"one").to_hex(), &"x".repeat(257)] {
            assert_eq!(reporters.by_token(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_token_made_here_is_known_by_the_entry_made_with_it() {
        let reporter = Reporter { name: "a.example".to_owned(), authority: Authority::Operator };
        let (token, entry) = new_token(&reporter).unwrap();
        let (_dir, path) = file(&entry);
        assert_eq!(token.len(), 2 * TOKEN_BYTES);
        assert!(!entry.contains(&token));
        assert_eq!(Reporters::load(&path).unwrap().by_token(&token), Some(reporter));
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_leaves_the_former_reporters() {
        let (_dir, path) = file(&entry("a.example", "reporter", "one"));
        let reporters = Reporters::load(&path).unwrap();
        assert!(!reporters.refresh().unwrap(), "it did not change");
        std::fs::write(&path, entry("a.example", "reporter", "one") + "colour = 1\n").unwrap();
        assert!(reporters.refresh().is_err());
        assert!(reporters.by_token("one").is_some());
        std::fs::write(&path, entry("a.example/longer", "reporter", "other")).unwrap();
        assert!(reporters.refresh().unwrap());
        assert!(reporters.by_token("one").is_none() && reporters.by_token("other").is_some());
    }

    #[test]
    fn files_that_could_mean_something_else_are_refused_by_name() {
        let good = entry("a.example", "reporter", "one");
        for (text, what) in [
            (format!("{good}colour = \"red\"\n"), "colour"),
            (format!("{good}[[reporters]]\n"), "reporters"),
            (good.replace("\"reporter\"", "\"admin\""), "admin"),
            (good.clone() + &entry("b.example", "operator", "one"), "same token"),
            (entry("", "reporter", "one"), "name"),
            (entry("a.example/", "reporter", "one"), "name"),
            (entry("two words", "reporter", "one"), "name"),
            (entry(&"n".repeat(65), "reporter", "one"), "name"),
            (good.replace("token_blake3 = \"", "token_blake3 = \"g"), "hexadecimal"),
        ] {
            let (_dir, path) = file(&text);
            let error = Reporters::load(&path).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        let (_dir, path) = file(&entry(&"n".repeat(64), "reporter", "one"));
        assert!(Reporters::load(&path).is_ok());
    }

    #[test]
    fn a_file_holds_n_reporters_and_not_one_more() {
        let entries = |count: usize| {
            (0..count)
                .map(|n| entry(&format!("{n}"), "reporter", &n.to_string()))
                .collect::<String>()
        };
        let (_dir, path) = file(&entries(REPORTERS_MAX));
        assert!(Reporters::load(&path).is_ok());
        let (_dir, path) = file(&entries(REPORTERS_MAX + 1));
        assert!(Reporters::load(&path).unwrap_err().to_string().contains("4096"));
    }
}
