//! What the checks know beyond their code: plain data, built once from the configuration and swapped whole.

use std::collections::BTreeMap;

use tamis_domain::digest::{PartDigest, unhex};

/// Everything that facts about parts depend on besides the parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bases {
    /// Changes whenever the data or the code of the part checks change; a fact of another generation is not used.
    pub generation: u32,
    /// Objects known to be malicious.
    pub hashes: HashList,
}

/// Objects known to be malicious, by digest, each with a name for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashList {
    sha256: BTreeMap<[u8; 32], String>,
    parts: BTreeMap<PartDigest, String>,
}

/// A hash list that cannot be read: the administrator's fault; the list is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashListError {
    /// A line that is neither empty, nor a comment, nor a digest and a name.
    BadLine {
        /// Line number, from 1.
        line: usize,
    },
    /// More entries than `HASHES_MAX`.
    TooMany,
}

impl std::fmt::Display for HashListError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadLine { line } => write!(
                f,
                "line {line}: expected 64 hexadecimal digits (SHA-256) or `part:` and 64 digits, then a name"
            ),
            Self::TooMany => write!(f, "more than {HASHES_MAX} entries"),
        }
    }
}

impl std::error::Error for HashListError {}

/// Entries of a hash list: at about 100 bytes each they take 200 MB. Longer lists belong in the reputation service.
pub const HASHES_MAX: usize = 2_000_000;

/// Characters of an entry's name that are kept.
const NAME_CHARS_MAX: usize = 80;

/// Code generation of the part checks, the low bits of every [`Bases::generation`]: raised by hand when a check of
/// [`crate::part`] changes what it finds.
pub const CODE_GENERATION: u32 = 7;

impl HashList {
    /// Reads a list: a line is 64 hexadecimal digits of a SHA-256 as `sha256sum` prints them, or `part:` and the 64
    /// digits of a part's digest, then white space and a name. Empty lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    /// [`HashListError`] for the first line that is none of these, or one line too many.
    pub fn read(list: &str) -> Result<Self, HashListError> {
        Self::read_at_most(list, HASHES_MAX)
    }

    fn read_at_most(list: &str, max: usize) -> Result<Self, HashListError> {
        let mut hashes = Self::default();
        for (at, line) in list.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            hashes.add(line).ok_or(HashListError::BadLine { line: at + 1 })?;
            if hashes.len() > max {
                return Err(HashListError::TooMany);
            }
        }
        Ok(hashes)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sha256.len() + self.parts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of the object with one of these digests.
    #[must_use]
    pub fn find(&self, sha256: &str, part: Option<&PartDigest>) -> Option<&str> {
        let by_part = part.and_then(|part| self.parts.get(part));
        let by_sha256 = || self.sha256.get(&unhex::<32>(sha256).ok()?);
        by_part.or_else(by_sha256).map(String::as_str)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let (digest, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let name: String =
            name.trim().chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
        let name = if name.is_empty() { "unnamed".to_owned() } else { name };
        match digest.strip_prefix("part:") {
            Some(part) => self.parts.insert(PartDigest(unhex(part).ok()?), name),
            None => self.sha256.insert(unhex(digest).ok()?, name),
        };
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_both_kinds_are_read_and_found() {
        let (a, b) = ("aa".repeat(32), "bb".repeat(32));
        let list = format!("# comment\n\n{a}  Some.Worm\npart:{b}\n");
        let hashes = HashList::read(&list).unwrap();
        assert_eq!(hashes.len(), 2);
        assert_eq!(hashes.find(&a, None), Some("Some.Worm"));
        assert_eq!(hashes.find(&b, None), None, "another kind of digest");
        assert_eq!(hashes.find("", Some(&PartDigest([0xbb; 32]))), Some("unnamed"));
        assert_eq!(hashes.find("zz", None), None);
    }

    #[test]
    fn lists_and_names_are_read_up_to_their_limits() {
        let list = |entries: u8| -> String {
            (0..entries).map(|i| format!("{} x\n", format!("{i:02x}").repeat(32))).collect()
        };
        assert!(HashList::read_at_most(&list(4), 4).is_ok());
        assert_eq!(HashList::read_at_most(&list(5), 4), Err(HashListError::TooMany));
        let digest = "aa".repeat(32);
        for (chars, kept) in
            [(NAME_CHARS_MAX, NAME_CHARS_MAX), (NAME_CHARS_MAX + 1, NAME_CHARS_MAX)]
        {
            let hashes = HashList::read(&format!("{digest} {}", "é".repeat(chars))).unwrap();
            assert_eq!(hashes.find(&digest, None).map(|name| name.chars().count()), Some(kept));
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        for (list, line) in [("x", 1), ("#\n\naa bb", 3)] {
            assert_eq!(HashList::read(list), Err(HashListError::BadLine { line }), "{list}");
        }
    }
}
