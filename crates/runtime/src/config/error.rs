//! What can be wrong with a configuration, said so that the reader finds the place.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::overrides::Override;

/// What is wrong with the configuration. Always the fault of who wrote it; the next step is to correct it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is longer than any sensible one.
    #[error("{path}: longer than {bytes_max} bytes", path = path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit.
        bytes_max: usize,
    },
    /// A file is not UTF-8.
    #[error("{path}: is not UTF-8 text", path = path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The file is no TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// File and line.
        place: Place,
        /// What the reader of TOML said.
        message: String,
    },
    /// A key is unknown, or its value does not fit.
    #[error("{place}: [{section}]{separator}{key}: {message}", separator = if key.is_empty() { "" } else { " " })]
    Value {
        /// File and line, or variable.
        place: Place,
        /// The section.
        section: String,
        /// The key within the section, with dots; empty if the section as a whole is wrong.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// A section that no role knows.
    #[error("{place}: unknown section [{name}]; known are {known}")]
    UnknownSection {
        /// File and line, or variable.
        place: Place,
        /// The section.
        name: String,
        /// The known ones, with commas.
        known: String,
    },
    /// A variable that begins with `TAMIS_` and overrides nothing.
    #[error("{name}: no setting: {why}")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// Why it is none.
        why: &'static str,
    },
    /// Settings that are fine alone and wrong together; made by the rooms that give them their meaning.
    #[error("[{section}] {message}")]
    Meaning {
        /// The section.
        section: String,
        /// What is wrong.
        message: String,
    },
}

impl ConfigError {
    /// Settings of `section` that make no sense, in the words of the room that knows their meaning.
    pub fn meaning(section: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Meaning { section: section.into(), message: message.into() }
    }

    /// What the reader can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "Check the path and that this user may read the file.",
            Self::TooLong { .. } | Self::NotText { .. } => "Check that this is the file you mean.",
            Self::Syntax { .. } => "The file must be TOML 1.0, see https://toml.io.",
            Self::Value { .. } | Self::UnknownSection { .. } | Self::Meaning { .. } => {
                "Correct it; `tamis check-config FILE` shows what is understood."
            }
            Self::UnknownVariable { .. } => {
                "Overrides are written TAMIS_<SECTION>__<KEY>=value, with two underscores."
            }
        }
    }
}

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of the file, counted from one.
    Line(PathBuf, usize),
    /// An environment variable.
    Variable(String),
    /// Not known; the defaults, perhaps.
    Unknown,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Unknown => f.write_str("configuration"),
        }
    }
}

/// Finds the place that a span of the reader means. The file has the spans of its bytes; override *n* has one byte of
/// its own, far behind the longest file.
#[derive(Debug)]
pub(super) struct Sources {
    path: Option<PathBuf>,
    /// Name and key of each override.
    overrides: Vec<(String, Vec<String>)>,
    overrides_start: usize,
}

impl Sources {
    pub(super) fn new(path: Option<PathBuf>, text: &str, overrides: &[Override]) -> Self {
        let overrides = overrides.iter().map(Override::name_and_key).collect();
        // Two past the end: an error at the end of the file has the span text.len()..text.len().
        Self { path, overrides, overrides_start: text.len() + 2 }
    }

    pub(super) fn override_span(&self, number: usize) -> Range<usize> {
        let start = self.overrides_start + number;
        start..start + 1
    }

    fn override_at(&self, start: usize) -> Option<&(String, Vec<String>)> {
        self.overrides.get(start.checked_sub(self.overrides_start)?)
    }

    pub(super) fn place(&self, text: &str, span: Range<usize>) -> Place {
        if let Some((name, _)) = self.override_at(span.start) {
            return Place::Variable(name.clone());
        }
        let Some(path) = &self.path else {
            return Place::Unknown;
        };
        let before = text.as_bytes().get(..span.start).unwrap_or(text.as_bytes());
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Place::Line(path.clone(), line)
    }

    pub(super) fn syntax_error(&self, text: &str, error: &toml::de::Error) -> ConfigError {
        let place = self.place(text, error.span().unwrap_or_default());
        ConfigError::Syntax { place, message: one_line(error.message()) }
    }

    pub(super) fn value_error(
        &self,
        text: &str,
        section: &str,
        value: &Spanned<DeValue<'_>>,
        error: &toml::de::Error,
    ) -> ConfigError {
        let span = error.span().unwrap_or_else(|| value.span());
        let mut key = Vec::new();
        if let Some((_, path)) = self.override_at(span.start) {
            key.extend(path.iter().skip(1).cloned());
        } else if let DeValue::Table(table) = value.get_ref() {
            key_at(table, &span, &mut key);
        }
        ConfigError::Value {
            place: self.place(text, span),
            section: section.to_owned(),
            key: key.join("."),
            message: one_line(error.message()),
        }
    }
}

/// Finds the key whose name or value covers `span`, and writes its path into `found`. The depth is that of the TOML
/// reader, which has its own limit. Tables are searched whatever their span: one opened by a header spans the header.
fn key_at(table: &DeTable<'_>, span: &Range<usize>, found: &mut Vec<String>) -> bool {
    for (key, value) in table {
        let name: &str = key.get_ref();
        found.push(name.to_owned());
        if key.span() == *span || inside(value, span, found) {
            return true;
        }
        found.pop();
    }
    false
}

fn inside(value: &Spanned<DeValue<'_>>, span: &Range<usize>, found: &mut Vec<String>) -> bool {
    let deeper = match value.get_ref() {
        DeValue::Table(inner) => key_at(inner, span, found),
        DeValue::Array(items) => items.iter().any(|item| inside(item, span, found)),
        _ => false,
    };
    deeper || (value.span().start <= span.start && span.end <= value.span().end)
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}
