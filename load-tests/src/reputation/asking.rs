//! Questions in the three languages: ours, the echo's, which is anything, and rspamd's. Half of them are about what the
//! server was taught. All of it follows from the number of the question and a seed.

use tamis_domain::digest::Sketch;

/// Longest question made here.
pub const QUESTION_BYTES_MAX: usize = 1232;
/// Lanes of a sketch that a near question changes: 24 of 32 agree, well above any threshold.
const LANES_CHANGED: usize = 8;
/// Bytes of our header, and where things stand in it.
const HEADER_BYTES: usize = 24;
const ID: std::ops::Range<usize> = 4..12;
const COOKIE: std::ops::Range<usize> = 12..20;
/// Bytes of rspamd's command, of its digest, and of one shingle.
const FUZZY_BYTES: usize = 76;
const SHINGLES: usize = 32;

/// What is asked, and in which language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Our packet, so many exact items.
    Exact(usize),
    /// Our packet, one text by its sketch; its exact value is unknown to the server.
    Near,
    /// rspamd's CHECK of a digest, 76 bytes, version 4.
    FuzzyExact,
    /// rspamd's CHECK with 32 shingles, 332 bytes; the digest is unknown to the server.
    FuzzyNear,
    /// rspamd's WRITE of what [`Language::FuzzyExact`] asks for.
    FuzzyTeachExact,
    /// rspamd's WRITE of what [`Language::FuzzyNear`] asks for.
    FuzzyTeachNear,
}

/// Makes questions.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Language.
    pub language: Language,
    /// Signatures that the server was taught.
    pub known: u64,
    /// Seed of the choice of questions.
    pub seed: u64,
    /// Proof of this machine's address, once the server gave one.
    pub cookie: [u8; 8],
}

/// SplitMix64: one well mixed word for each number (Steele, Lea and Flood 2014).
#[must_use]
pub const fn mixed(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The name of a part or text that nobody has.
#[must_use]
pub fn value(number: u64) -> [u8; 16] {
    let (high, low) = (mixed(2 * number), mixed(2 * number + 1));
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

/// The sketch of a text that nobody has.
#[must_use]
pub fn sketch(number: u64) -> Sketch {
    let mut lanes = [0; Sketch::LANES];
    for (place, four) in lanes.chunks_mut(4).enumerate() {
        let word = mixed(!(number * 8 + place as u64));
        for (lane, shift) in four.iter_mut().zip([0, 16, 32, 48]) {
            *lane = (word >> shift) as u16;
        }
    }
    Sketch(lanes)
}

impl Asking {
    /// Questions in `language` to a server that knows the first `known` of everything.
    #[must_use]
    pub const fn new(language: Language, known: u64, seed: u64) -> Self {
        Self { language, known, seed, cookie: [0; 8] }
    }

    /// Writes question `index` and says how long it is.
    pub fn write(&self, index: u64, out: &mut [u8; QUESTION_BYTES_MAX]) -> usize {
        let chance = mixed(self.seed ^ index.wrapping_mul(0x2545_f491_4f6c_dd1d));
        match self.language {
            Language::Exact(items) => {
                let length = HEADER_BYTES + 17 * items;
                self.header(index, items as u8, out);
                for (place, item) in out[HEADER_BYTES..length].chunks_exact_mut(17).enumerate() {
                    item[0] = 1;
                    item[1..].copy_from_slice(&value(self.about(mixed(chance + place as u64))));
                }
                length
            }
            Language::Near => {
                self.header(index, 1, out);
                let mut asked = sketch(self.about(chance));
                for place in 0..LANES_CHANGED {
                    asked.0[place * 4] ^= (chance >> (place * 4)) as u16 | 1;
                }
                out[HEADER_BYTES] = 0x82;
                out[25..41].copy_from_slice(&value(!chance >> 1));
                out[41..105].copy_from_slice(&asked.to_bytes());
                105
            }
            Language::FuzzyExact => fuzzy(0, index, self.about(chance), None, out),
            Language::FuzzyNear => {
                fuzzy(0, index, !chance >> 1, Some((self.about(chance), chance)), out)
            }
            Language::FuzzyTeachExact => fuzzy(1, index, index, None, out),
            Language::FuzzyTeachNear => fuzzy(1, index, index + (1 << 40), Some((index, 0)), out),
        }
    }

    /// A number that the server knows, or as likely one that it does not.
    const fn about(&self, chance: u64) -> u64 {
        let number = (chance >> 1) % self.known;
        if chance & 1 == 0 { number } else { number + (1 << 32) }
    }

    fn header(&self, index: u64, items: u8, out: &mut [u8; QUESTION_BYTES_MAX]) {
        out[..4].copy_from_slice(&[b'T', b'M', 1, 1]);
        out[ID].copy_from_slice(&index.to_be_bytes());
        out[COOKIE].copy_from_slice(&self.cookie);
        out[20..HEADER_BYTES].copy_from_slice(&[0, items, 0, 0]);
    }

    /// Reads an answer: the number of its question, and whether something was found. A demand for proof, which is the
    /// answer to no question, is remembered.
    pub fn read(&mut self, answer: &[u8]) -> Option<(u64, bool)> {
        match self.language {
            Language::Exact(_) | Language::Near => {
                let index = u64::from_be_bytes(answer.get(ID)?.try_into().ok()?);
                let mut listings = answer.get(HEADER_BYTES..)?;
                match answer[3] {
                    2 if answer[20] & 1 == 1 => {
                        self.cookie.copy_from_slice(listings.get(..8)?);
                        listings = &listings[8..];
                    }
                    3 => {
                        self.cookie.copy_from_slice(&answer[COOKIE]);
                        return None;
                    }
                    _ => {}
                }
                Some((index, listings.iter().any(|byte| *byte != 0)))
            }
            _ => {
                let (value, tag) = (answer.get(..4)?, answer.get(8..12)?);
                let number = |bytes: &[u8]| bytes.try_into().map(i32::from_le_bytes).ok();
                Some((u64::from(number(tag)?.cast_unsigned()), number(value)? > 0))
            }
        }
    }
}

/// rspamd's command (`src/libserver/fuzzy_wire.h`): version, command, shingles, flag, value, tag, digest; host order.
fn fuzzy(
    command: u8,
    index: u64,
    exact: u64,
    text: Option<(u64, u64)>,
    out: &mut [u8; QUESTION_BYTES_MAX],
) -> usize {
    let shingles = if text.is_some() { SHINGLES } else { 0 };
    out[..4].copy_from_slice(&[4, command, shingles as u8, 1]);
    out[4..8].copy_from_slice(&i32::from(command).to_le_bytes());
    out[8..12].copy_from_slice(&(index as u32).to_le_bytes());
    for (place, part) in out[12..FUZZY_BYTES].chunks_exact_mut(16).enumerate() {
        part.copy_from_slice(&value(exact + ((place as u64) << 48)));
    }
    let Some((text, chance)) = text else { return FUZZY_BYTES };
    let words = out[FUZZY_BYTES..].chunks_exact_mut(8).take(SHINGLES).enumerate();
    for (place, word) in words {
        let is_changed = chance != 0 && place % 4 == 0;
        let shingle = mixed(text * 32 + place as u64) ^ if is_changed { chance } else { 0 };
        word.copy_from_slice(&shingle.to_le_bytes());
    }
    FUZZY_BYTES + 8 * SHINGLES
}
