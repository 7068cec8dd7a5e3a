//! The file of an embedded store: a head with the site's key, then one record for each lesson, in order.
//!
//! Head: [`MAGIC`], 16 bytes of key. Record: payload length (u32), SipHash-2-4 of the payload under the key of zeros (u64),
//! payload; all numbers little-endian. Payload: one byte (1 spam, 2 ham, 3 unlearned, 17 and 18: for the domain alone), 16 bytes name of the mail, one
//! byte and so many bytes of the domain (none: all), two bytes number of tokens, four bytes each, ascending. A record is
//! written by one call and synchronised before it is acknowledged: one that is damaged at the very end was never promised.

use std::sync::Arc;

use crate::hashing::SiteKey;
use crate::knowledge::{Class, Knowledge, MailName, Outcome};
use crate::limits::MAIL_TOKENS_MAX;
use crate::tokens::Token;

/// First bytes of the file, with the version of its form.
pub const MAGIC: [u8; 8] = *b"tamisL1\n";

/// Bytes of the head.
pub const HEAD_BYTES: usize = MAGIC.len() + 16;

/// Bytes of a domain (RFC 1035 section 2.3.4).
pub const DOMAIN_BYTES_MAX: usize = 253;

/// In the first byte of a payload: for the domain alone.
const APART: u8 = 0x10;

/// Bytes before a payload.
const FRAME_HEAD_BYTES: usize = 4 + 8;

/// Bytes of a payload.
pub const PAYLOAD_BYTES_MAX: usize = 1 + 16 + 1 + DOMAIN_BYTES_MAX + 2 + 4 * MAIL_TOKENS_MAX;

/// One lesson.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// What the mail is; none: it is unlearned.
    pub class: Option<Class>,
    /// Whose name.
    pub name: MailName,
    /// Whose knowledge beside that of all; empty: nobody's.
    pub domain: String,
    /// Whether all others are not concerned: how a rewritten file says what a domain remembers.
    pub is_apart: bool,
    /// Its tokens, ascending, none twice; none when it is unlearned.
    pub tokens: Arc<[Token]>,
}

/// All of `knowledge` as lessons: doing them makes it again.
pub fn lessons(knowledge: &Knowledge, mut take: impl FnMut(&Lesson)) {
    let lesson = |name: &MailName, class, tokens: &Arc<[Token]>, domain: &str| Lesson {
        class: Some(class),
        name: *name,
        domain: domain.to_owned(),
        is_apart: !domain.is_empty(),
        tokens: Arc::clone(tokens),
    };
    for (name, class, tokens) in knowledge.global.mails() {
        take(&lesson(name, class, tokens, ""));
    }
    for (domain, scope) in knowledge.domains() {
        for (name, class, tokens) in scope.mails() {
            take(&lesson(name, class, tokens, domain));
        }
    }
}

impl Lesson {
    /// Does it.
    pub fn apply(&self, knowledge: &mut Knowledge) -> Outcome {
        match self.class {
            Some(class) if self.is_apart => {
                knowledge.learn_apart(self.name, class, &self.tokens, &self.domain)
            }
            Some(class) => knowledge.learn(self.name, class, &self.tokens, &self.domain),
            None => knowledge.unlearn(&self.name, &self.domain),
        }
    }

    /// Adds its record to `out`. A domain or tokens beyond their limits are left out: see [`Lesson::is_sound`].
    pub fn push(&self, out: &mut Vec<u8>) {
        let start = out.len() + FRAME_HEAD_BYTES;
        out.resize(start, 0);
        let kind = match self.class {
            Some(Class::Spam) => 1,
            Some(Class::Ham) => 2,
            None => 3,
        };
        out.push(if self.is_apart { kind | APART } else { kind });
        out.extend_from_slice(&self.name);
        let domain = if self.domain.len() > DOMAIN_BYTES_MAX { "" } else { &self.domain };
        out.push(u8::try_from(domain.len()).unwrap_or(0));
        out.extend_from_slice(domain.as_bytes());
        let tokens = &self.tokens[..self.tokens.len().min(MAIL_TOKENS_MAX)];
        out.extend_from_slice(&u16::try_from(tokens.len()).unwrap_or(0).to_le_bytes());
        tokens.iter().for_each(|token| out.extend_from_slice(&token.to_le_bytes()));
        let length = u32::try_from(out.len() - start).unwrap_or(0).to_le_bytes();
        let sum = sum(&out[start..]).to_le_bytes();
        let head = start - FRAME_HEAD_BYTES;
        out[head..head + 4].copy_from_slice(&length);
        out[head + 4..start].copy_from_slice(&sum);
    }

    /// Whether it has one form on disk: what [`Lesson::push`] writes of it is read as it is.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.domain.len() <= DOMAIN_BYTES_MAX
            && self.tokens.len() <= MAIL_TOKENS_MAX
            && self.tokens.is_sorted_by(|a, b| a < b)
            && (self.class.is_some() || (self.tokens.is_empty() && !self.is_apart))
            && !(self.is_apart && self.domain.is_empty())
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let (kind, rest) = payload.split_first()?;
        let class = match kind & !APART {
            1 => Some(Class::Spam),
            2 => Some(Class::Ham),
            3 => None,
            _ => return None,
        };
        let (name, rest) = rest.split_first_chunk::<16>()?;
        let (length, rest) = rest.split_first()?;
        let (domain, rest) = rest.split_at_checked(usize::from(*length))?;
        let (count, rest) = rest.split_first_chunk::<2>()?;
        let count = usize::from(u16::from_le_bytes(*count));
        if rest.len() != 4 * count {
            return None;
        }
        let (chunks, _) = rest.as_chunks::<4>();
        let lesson = Self {
            class,
            is_apart: kind & APART != 0,
            name: *name,
            domain: String::from_utf8(domain.to_vec()).ok()?,
            tokens: chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect(),
        };
        lesson.is_sound().then_some(lesson)
    }
}

/// What is wrong with a file of a store. What stands before counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It is no such file, or one of another version: ours to tell the administrator, who moves it away.
    #[error("it is not a file of learned mail of this version")]
    NotOurs,
    /// A write was torn off at the end, before it was acknowledged: cut it there and go on.
    #[error("the last record is torn, from byte {0} on")]
    Torn(usize),
    /// Something within was damaged: keep the file aside and go on with what stands before.
    #[error("a record is damaged, at byte {0}")]
    Damaged(usize),
}

/// The head of a file.
#[must_use]
pub fn head(key: &SiteKey) -> Vec<u8> {
    [&MAGIC[..], &key.0].concat()
}

/// Reads the head.
///
/// # Errors
/// [`Damage::NotOurs`].
pub fn read_head(file: &[u8]) -> Result<SiteKey, Damage> {
    let rest = file.strip_prefix(&MAGIC).ok_or(Damage::NotOurs)?;
    rest.first_chunk::<16>().map(|key| SiteKey(*key)).ok_or(Damage::NotOurs)
}

/// Reads lessons from `bytes`, which begin at a record; `take` gets each. `Ok`: all of it was read.
///
/// # Errors
/// [`Damage::Torn`] or [`Damage::Damaged`], with the offset in `bytes` behind the last good record.
pub fn read(bytes: &[u8], mut take: impl FnMut(Lesson)) -> Result<(), Damage> {
    let mut at = 0;
    while at < bytes.len() {
        let Some((length, end)) = frame_end(&bytes[at..]) else { return Err(damage(bytes, at)) };
        let payload = &bytes[at + FRAME_HEAD_BYTES..at + end];
        let expected = &bytes[at + 4..at + FRAME_HEAD_BYTES];
        let lesson =
            (sum(payload).to_le_bytes() == *expected).then(|| Lesson::read(payload)).flatten();
        let Some(lesson) = lesson.filter(|_| length == payload.len()) else {
            return Err(damage(bytes, at));
        };
        take(lesson);
        at += end;
    }
    Ok(())
}

/// Payload length and end of the frame at the start of `bytes`, if it is all there.
fn frame_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let length = u32::from_le_bytes(*bytes.first_chunk::<4>()?) as usize;
    let end = FRAME_HEAD_BYTES + length;
    (length <= PAYLOAD_BYTES_MAX && end <= bytes.len()).then_some((length, end))
}

/// A bad record with less than one whole record's room behind it is a torn write: one lesson is written at a time.
fn damage(bytes: &[u8], at: usize) -> Damage {
    if bytes.len() - at <= FRAME_HEAD_BYTES + PAYLOAD_BYTES_MAX {
        Damage::Torn(at)
    } else {
        Damage::Damaged(at)
    }
}

fn sum(payload: &[u8]) -> u64 {
    SiteKey([0; 16]).hash(payload)
}

#[cfg(test)]
mod tests;
