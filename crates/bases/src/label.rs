//! Names of channels and files: what is safe as a file name on every system and as a word in a log line.

use std::fmt;
use std::str::FromStr;

/// Characters of a label: well below the 255 bytes of a file name.
pub const LABEL_CHARS_MAX: usize = 64;

/// A name of 1 to [`LABEL_CHARS_MAX`] characters out of `a-z 0-9 . _ -`, with no dot in front: it cannot leave its
/// directory and is not hidden in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

/// Text that is no label: the fault of who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name: 1 to {LABEL_CHARS_MAX} of a-z 0-9 . _ -, no dot in front")]
pub struct BadLabel(pub String);

impl Label {
    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = BadLabel;

    fn from_str(text: &str) -> Result<Self, BadLabel> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        let is_sound = (1..=LABEL_CHARS_MAX).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('.');
        // What is shown of a wrong name is bounded, since a peer may have written it.
        is_sound
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| BadLabel(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_leave_its_directory_and_ends_at_64_characters() {
        for good in ["a", "signatures.snapshot", "0_-..", &"x".repeat(LABEL_CHARS_MAX)] {
            assert_eq!(good.parse::<Label>().unwrap().as_str(), good);
        }
        let long = "x".repeat(LABEL_CHARS_MAX + 1);
        for bad in ["", ".", "..", ".hidden", "a/b", "A", "ä", "a b", "a\0", "a\n", &long] {
            assert!(bad.parse::<Label>().is_err(), "{bad:?}");
        }
    }
}
