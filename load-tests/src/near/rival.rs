//! The rule by which rspamd's fuzzy storage finds near copies of a text, as published, written anew for comparison.
//!
//! Words of the visible text in lower case (NFKC), invisible characters removed, links one mask, English endings cut;
//! 3-word windows; 32 independent keyed 64-bit minima; a text under 64 words is known exactly only. The storage keeps for
//! each slot and minimum the text that was written there last; a question's text is the one that most of its 32 minima
//! lead to, if more than 16 do. Its stemmer is Snowball, ours here cuts common endings: both only join inflected forms.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;

/// Minima of a text.
const SLOTS: usize = 32;

/// Words below which a text is known exactly only.
const WORDS_MIN: usize = 64;

/// Votes from which on a text is found: more than 16.
pub const VOTES_MIN: u8 = 17;

/// The storage.
#[derive(Debug, Default)]
pub struct Rival {
    owners: HashMap<(usize, u64), u32>,
    exact: HashMap<u64, u32>,
    texts: u32,
}

/// What is asked about one text.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint {
    exact: u64,
    minima: Option<[u64; SLOTS]>,
}

impl Rival {
    /// Reports a text.
    pub fn learn(&mut self, text: &Fingerprint) {
        self.texts += 1;
        self.exact.insert(text.exact, self.texts);
        for (slot, minimum) in text.minima.iter().flatten().enumerate() {
            self.owners.insert((slot, *minimum), self.texts);
        }
    }

    /// Votes for the best text; 32 for an exact one.
    #[must_use]
    pub fn ask(&self, text: &Fingerprint) -> u8 {
        if self.exact.contains_key(&text.exact) {
            return SLOTS as u8;
        }
        let mut votes: HashMap<u32, u8> = HashMap::new();
        for (slot, minimum) in text.minima.iter().flatten().enumerate() {
            if let Some(owner) = self.owners.get(&(slot, *minimum)) {
                *votes.entry(*owner).or_default() += 1;
            }
        }
        votes.into_values().max().unwrap_or(0)
    }
}

/// Names a visible text. None for one without words.
#[must_use]
pub fn fingerprint(visible: &str) -> Option<Fingerprint> {
    let words: Vec<u64> = words(visible).map(|word| hash(word.as_bytes())).collect();
    let exact = hash(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>());
    let mut minima = None;
    if words.len() >= WORDS_MIN {
        let mut least = [u64::MAX; SLOTS];
        for window in words.windows(3) {
            let bytes: Vec<u8> = window.iter().flat_map(|word| word.to_le_bytes()).collect();
            let window = hash(&bytes);
            for (slot, least) in least.iter_mut().enumerate() {
                let key = (slot as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                *least = (*least).min(mix(window.wrapping_add(key)));
            }
        }
        minima = Some(least);
    }
    (!words.is_empty()).then_some(Fingerprint { exact, minima })
}

fn words(visible: &str) -> impl Iterator<Item = String> + '_ {
    visible.split_whitespace().flat_map(|piece| {
        if piece.contains("://") || piece.starts_with("www.") {
            return vec!["!!EX!!".to_owned()];
        }
        let seen: String = piece
            .nfkc()
            .flat_map(char::to_lowercase)
            .filter(|c| !tamis_message::reading::is_invisible(*c))
            .collect();
        let runs = seen.split(|c: char| !(c.is_alphanumeric() || c == '\''));
        runs.filter(|run| !run.is_empty()).map(|run| stem(run).to_owned()).collect()
    })
}

fn stem(word: &str) -> &str {
    let endings = ["'s", "ingly", "edly", "ing", "ies", "ed", "es", "ly", "s"];
    let cut = endings
        .iter()
        .find_map(|ending| word.strip_suffix(ending).filter(|stem| stem.chars().nth(2).is_some()));
    cut.unwrap_or(word)
}

fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(14_695_981_039_346_656_037_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211)
    });
    mix(fnv)
}

const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
