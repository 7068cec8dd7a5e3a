//! What no rollback undoes: the highest generation that was taken back, and every key that was ever retired.
//!
//! Two small files, each replaced whole by one rename. Only where there is no such file is nothing remembered: a file that
//! cannot be read, or does not say what such files say, refuses, since forgetting it would trust a retired key again or
//! take a release back that somebody went back from.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use tamis_bases::keys::PublicKey;
use tamis_bases::manifest::{RETIRED_MAX, Signed};

use super::directory::Directory;
use super::error::BasesError;

/// The highest generation that was taken back: its number and a line feed.
const TAKEN_BACK: &str = "taken-back";

/// The retired keys: one on each line, then `end` and their number.
const RETIRED: &str = "retired-keys";

/// Bytes that are read of either file at most. No such file is longer.
const BYTES_MAX: usize = 64 * 1024;

impl Directory {
    /// The highest generation that was taken back; 0: none.
    ///
    /// # Errors
    /// [`BasesError::Damaged`], the disk's.
    pub fn taken_back(&self) -> Result<u64, BasesError> {
        let path = self.root().join(TAKEN_BACK);
        let Some(text) = text(&path)? else { return Ok(0) };
        let number = text.strip_suffix('\n').filter(|text| text.bytes().all(is_digit));
        number.and_then(|number| number.parse().ok()).ok_or_else(|| BasesError::Damaged {
            path,
            what: "it does not say up to which generation releases were taken back".to_owned(),
        })
    }

    pub(super) fn remember_taken_back(&self, generation: u64) -> Result<(), BasesError> {
        let highest = generation.max(self.taken_back()?);
        self.write_whole(TAKEN_BACK, format!("{highest}\n").as_bytes())
    }

    /// Refuses while the release in force is one that somebody went back to: a service that published its table now would
    /// undo that. Any newer release, by hand or by [`Directory::resume`], ends it.
    ///
    /// # Errors
    /// [`BasesError::Held`], [`BasesError::Damaged`], the disk's.
    pub fn not_held(&self) -> Result<(), BasesError> {
        let (in_force, taken_back) = (self.generation()?, self.taken_back()?);
        if in_force > 0 && in_force <= taken_back {
            return Err(BasesError::Held { in_force, taken_back });
        }
        Ok(())
    }

    /// Every key that some release in force here retired.
    ///
    /// # Errors
    /// [`BasesError::Damaged`], the disk's.
    pub fn retired(&self) -> Result<Vec<PublicKey>, BasesError> {
        let path = self.root().join(RETIRED);
        match text(&path)? {
            Some(text) => keys(&text).ok_or_else(|| BasesError::Damaged {
                path,
                what: "it is no whole list of retired keys".to_owned(),
            }),
            // Bases of an earlier version, or none yet.
            None => self.retired_on_disk(),
        }
    }

    /// Adds what a release retires; durable when this returns, before that release comes into force.
    pub(super) fn remember_retired(&self, signed: &Signed) -> Result<(), BasesError> {
        let known: BTreeSet<PublicKey> = self.retired()?.into_iter().collect();
        let mut all = known.clone();
        all.extend(&signed.manifest.retired);
        if all != known || !self.root().join(RETIRED).exists() {
            self.write_whole(RETIRED, written(&all).as_bytes())?;
        }
        Ok(())
    }

    fn retired_on_disk(&self) -> Result<Vec<PublicKey>, BasesError> {
        let mut all = BTreeSet::new();
        for (_, dir) in self.releases()? {
            match self.release(&dir) {
                Ok(release) => all.extend(release.signed.manifest.retired),
                // Half made or half removed, and so never in force or no more: it is not the one that matters.
                Err(error) => tracing::warn!(%error, "a release tells nothing of retired keys"),
            }
        }
        all.extend(
            self.in_force()?.into_iter().flat_map(|release| release.signed.manifest.retired),
        );
        Ok(all.into_iter().collect())
    }
}

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// A file as text; none where there is none. One that is too long or no text is empty, which neither kind of file is.
fn text(path: &Path) -> Result<Option<String>, BasesError> {
    match fs::read(path) {
        Ok(bytes) if bytes.len() > BYTES_MAX => Ok(Some(String::new())),
        Ok(bytes) => Ok(Some(String::from_utf8(bytes).unwrap_or_default())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BasesError::io(path)(error)),
    }
}

fn written(keys: &BTreeSet<PublicKey>) -> String {
    let mut text: String = keys.iter().map(|key| format!("{key}\n")).collect();
    text.push_str(&format!("end {}\n", keys.len()));
    text
}

fn keys(text: &str) -> Option<Vec<PublicKey>> {
    let mut lines: Vec<&str> = text.strip_suffix('\n')?.split('\n').collect();
    let count: usize = lines.pop()?.strip_prefix("end ")?.parse().ok()?;
    let keys: Option<Vec<PublicKey>> = lines.iter().map(|line| line.parse().ok()).collect();
    // A manifest names all that were retired before it, so there are never more than it holds.
    keys.filter(|keys| keys.len() == count && count <= RETIRED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(count: usize) -> BTreeSet<PublicKey> {
        (0..count)
            .map(|at| {
                let mut key = [7; 32];
                key[..8].copy_from_slice(&(at as u64).to_be_bytes());
                PublicKey(key)
            })
            .collect()
    }

    #[test]
    fn a_list_of_retired_keys_cut_at_any_byte_is_none() {
        let text = written(&set(3));
        assert_eq!(keys(&text).map(|keys| keys.len()), Some(3));
        for end in 0..text.len() {
            assert_eq!(keys(&text[..end]), None, "{end}");
        }
    }

    #[test]
    fn as_many_keys_as_a_manifest_may_retire_are_remembered_and_not_one_more() {
        assert_eq!(keys(&written(&set(RETIRED_MAX))).map(|keys| keys.len()), Some(RETIRED_MAX));
        assert_eq!(keys(&written(&set(RETIRED_MAX + 1))), None);
    }
}
