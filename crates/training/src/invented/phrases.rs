//! The file of phrases.

use std::collections::BTreeMap;

/// Phrases by name, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Phrases(BTreeMap<String, Vec<String>>);

impl Phrases {
    /// The phrases that the trainer carries.
    #[must_use]
    pub fn built_in() -> Self {
        Self::read(include_str!("../../data/invented.txt"))
    }

    fn read(text: &str) -> Self {
        let mut phrases = BTreeMap::<String, Vec<String>>::new();
        let mut name = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(inside) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                name = inside.to_owned();
            } else if !line.is_empty() && !name.is_empty() {
                phrases.entry(name.clone()).or_default().push(line.to_owned());
            }
        }
        Self(phrases)
    }

    /// Alternatives of a name; none if there is no such name.
    #[must_use]
    pub fn of(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}
