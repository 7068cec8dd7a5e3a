//! A mail as it is learned: a set of tokens, each the keyed hash of one feature.
//!
//! A part's tokens depend on its content and on what its memory key covers alone, so that they can be remembered by
//! digest with the other facts about it; those of the header, the envelope and the structure are made for each mail.

mod header;
mod text;

use tamis_domain::envelope::Envelope;
use tamis_domain::outline::{Outline, Part};
use tamis_domain::reading::{HeaderReading, PartReading};

use crate::hashing::{SiteKey, fold, pair};
use crate::limits::{HEADER_TOKENS_MAX, MAIL_TOKENS_MAX, PART_TOKENS_MAX, PARTS_MAX};

/// A token: 32 bits of a keyed hash.
pub type Token = u32;

/// Words of a window within which pairs are made (orthogonal sparse bigrams: Siefkes, Assis, Chhabra, Yerazunis 2004).
const WINDOW: usize = 5;

/// Tokens being collected, each once, in the order in which they were found, up to a limit.
#[derive(Debug)]
pub(crate) struct Collector<'a> {
    key: &'a SiteKey,
    found: Vec<Token>,
    most: usize,
    buffer: Vec<u8>,
    window: [u64; WINDOW - 1],
    filled: usize,
}

impl<'a> Collector<'a> {
    fn new(key: &'a SiteKey, most: usize) -> Self {
        Self {
            key,
            found: Vec::with_capacity(most.min(256)),
            most,
            buffer: Vec::with_capacity(64),
            window: [0; WINDOW - 1],
            filled: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.most
    }

    /// A feature: its kind and what it says.
    fn add(&mut self, kind: &str, said: &str) -> u64 {
        self.buffer.clear();
        self.buffer.extend_from_slice(kind.as_bytes());
        self.buffer.push(b'\n');
        self.buffer.extend_from_slice(said.as_bytes());
        let hash = self.key.hash(&self.buffer);
        self.put(hash);
        hash
    }

    fn put(&mut self, hash: u64) {
        if !self.is_full() {
            self.found.push(fold(hash));
        }
    }

    /// A word of a text: itself, and paired with each of the four before it.
    fn word(&mut self, kind: &str, word: &str) {
        let hash = self.add(kind, word);
        for distance in 1..=self.filled {
            let before = self.window[self.filled - distance];
            self.put(pair(before, hash, distance as u64));
        }
        if self.filled == self.window.len() {
            self.window.rotate_left(1);
            self.filled -= 1;
        }
        self.window[self.filled] = hash;
        self.filled += 1;
    }

    /// What comes next stands in no window with what came before.
    fn pause(&mut self) {
        self.filled = 0;
    }

    /// What was found, ascending and without repetition.
    fn finish(mut self) -> Vec<Token> {
        self.found.sort_unstable();
        self.found.dedup();
        self.found
    }
}

/// Tokens of one part's content, ascending, at most [`PART_TOKENS_MAX`].
#[must_use]
pub fn of_part(key: &SiteKey, part: &Part, reading: &PartReading) -> Vec<Token> {
    if reading.text.is_none() && reading.links.is_empty() {
        return Vec::new();
    }
    let mut collector = Collector::new(key, PART_TOKENS_MAX);
    text::links(&mut collector, &reading.links);
    if let Some(text) = &reading.text {
        text::signs(&mut collector, part, text);
        text::words(&mut collector, &text.folded);
    }
    collector.finish()
}

/// Tokens of a whole mail, ascending, each once, at most [`MAIL_TOKENS_MAX`]: those of the header first, then of the parts
/// in their order as far as there is room.
#[must_use]
pub fn of_mail<'p>(
    key: &SiteKey,
    envelope: &Envelope,
    header: &HeaderReading,
    outline: &Outline,
    parts: impl Iterator<Item = &'p [Token]>,
) -> Vec<Token> {
    let mut collector = Collector::new(key, HEADER_TOKENS_MAX);
    header::structure(&mut collector, outline);
    header::fields(&mut collector, envelope, header);
    let mut all = collector.finish();
    for tokens in parts.filter(|tokens| !tokens.is_empty()).take(PARTS_MAX) {
        let room = MAIL_TOKENS_MAX.saturating_sub(all.len());
        if room == 0 {
            break;
        }
        let new = tokens.iter().take(PART_TOKENS_MAX);
        let fresh = new.filter(|token| all.binary_search(token).is_err()).copied();
        let fresh: Vec<Token> = fresh.take(room).collect();
        all.extend(fresh);
        all.sort_unstable();
        all.dedup();
    }
    all
}

/// What is learned of a mail's identity: the same mail through another door, or with another trace on top, is the same.
#[must_use]
pub fn identity(key: &SiteKey, outline: &Outline) -> [u8; 16] {
    let mut bytes = Vec::with_capacity(33 * (outline.parts.len() + 1));
    let digests = outline.parts.iter().map(|part| part.digest);
    for digest in std::iter::once(outline.header_digest).chain(digests).flatten() {
        bytes.extend_from_slice(&digest.0);
    }
    let mut id = [0; 16];
    id[..8].copy_from_slice(&key.hash(&bytes).to_le_bytes());
    bytes.push(1);
    id[8..].copy_from_slice(&key.hash(&bytes).to_le_bytes());
    id
}

#[cfg(test)]
mod tests;
