//! One TOML file for all roles, and overrides from the environment.
//!
//! Two steps, as ripgrep does it: what was typed is read here into the caller's own struct (unknown keys refused by its
//! `deny_unknown_fields`), and the caller turns that struct into what it means. An override is a variable
//! `TAMIS_<SECTION>__<KEY>[__<KEY>]=value`: its value is read as a TOML value (`7`, `true`, `["a", "b"]`), and taken as
//! a string where it is none (`127.0.0.1:7066`, the empty value). A string of digits needs quotes, as in the file.

mod error;
mod overrides;
mod secret;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, ValueDeserializer};

pub use error::ConfigError;
use error::Sources;
use overrides::Override;
pub(crate) use secret::read_bounded;
pub use secret::{SECRET_BYTES_MAX, Secret};

/// The longest configuration file, in bytes. A list of thousands of addresses fits; a disk image given by mistake is
/// refused before it fills memory.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// What was typed: the file and the overrides, not yet bound to any struct.
#[derive(Debug)]
pub struct Document {
    text: String,
    sources: Sources,
    overrides: Vec<Override>,
}

/// The environment of this process, for [`Document::load`]. A value that is not UTF-8 is read with replacement
/// characters, so that the key it belongs to complains instead of being skipped in silence.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    })
}

impl Document {
    /// Reads the file at `path` (none: defaults alone) and the overrides among `env`, in that order of strength.
    ///
    /// # Errors
    /// A file that cannot be read, is longer than [`FILE_BYTES_MAX`] or is no TOML; a variable that begins with
    /// `TAMIS_` and is no override.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let text = path.map(read_file).transpose()?.unwrap_or_default();
        Self::parse(path.map(Path::to_path_buf), text, env)
    }

    fn parse(
        path: Option<PathBuf>,
        text: String,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let overrides = overrides::among(env)?;
        let sources = Sources::new(path, &text, &overrides);
        let document = Self { text, sources, overrides };
        document.table()?;
        Ok(document)
    }

    /// Reads one section into the caller's struct; its default where neither file nor overrides name the section.
    ///
    /// # Errors
    /// An unknown key (where `T` denies them), a value of a wrong type or out of range: the error names file and line,
    /// or the variable, and section and key.
    pub fn section<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, ConfigError> {
        let Some(value) = self.table()?.remove(name) else {
            return Ok(T::default());
        };
        let shape = value.clone();
        T::deserialize(ValueDeserializer::from(value))
            .map_err(|error| self.sources.value_error(&self.text, name, &shape, &error))
    }

    /// Refuses sections that no role of this program knows, so that a misspelt name is not ignored.
    ///
    /// # Errors
    /// The first section that is not among `known`.
    pub fn refuse_unknown_sections(&self, known: &[&str]) -> Result<(), ConfigError> {
        for (key, _) in &self.table()? {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                return Err(ConfigError::UnknownSection {
                    place: self.sources.place(&self.text, key.span()),
                    name: name.to_owned(),
                    known: known.join(", "),
                });
            }
        }
        Ok(())
    }

    /// The file with the overrides laid over it. Read anew each time, which happens a few times at start only:
    /// the tree borrows from the text.
    fn table(&self) -> Result<DeTable<'_>, ConfigError> {
        let mut table = DeTable::parse(&self.text)
            .map_err(|error| self.sources.syntax_error(&self.text, &error))?
            .into_inner();
        for (number, change) in self.overrides.iter().enumerate() {
            change.apply(&mut table, self.sources.override_span(number))?;
        }
        Ok(table)
    }
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let bytes = read_bounded(path, FILE_BYTES_MAX)
        .map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?
        .ok_or_else(|| ConfigError::TooLong {
            path: path.to_path_buf(),
            bytes_max: FILE_BYTES_MAX,
        })?;
    String::from_utf8(bytes).map_err(|_| ConfigError::NotText { path: path.to_path_buf() })
}
