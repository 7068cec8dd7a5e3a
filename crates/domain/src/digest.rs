//! Names of content: exact digest, text sketch, signature. Three newtypes that cannot be confused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Exact name of one part: BLAKE3 (derive-key mode, see `tamis-message`) of its decoded, canonical bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PartDigest(pub [u8; 32]);

/// Identity of one mail in one pass through the cluster: 16 random bytes drawn at the edge.
///
/// It joins the logs of edge and scanner and is what the recipient sees in `X-Tamis-Id`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MailId(pub [u8; 16]);

/// Similarity name of content of any [`SignatureKind`] that has one: 32 minima over a set of features, 16 bits each.
///
/// The share of equal lanes estimates the Jaccard similarity of the two sets (Broder 1997; b-bit minima: Li and König
/// 2010). Which features are shown to which lanes differs by kind, texts having words in most lanes and pairs of words in
/// the others: `docs/reputation-sketches.md`, and the code in `tamis-message`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sketch(pub [u16; Sketch::LANES]);

impl Sketch {
    /// Number of minima kept. 32 lanes of 16 bits are 64 bytes on the wire.
    pub const LANES: usize = 32;

    /// Number of lanes, 0 to 32, in which both sketches agree.
    #[must_use]
    pub fn agreement(&self, other: &Self) -> u8 {
        self.0.iter().zip(&other.0).map(|(a, b)| u8::from(a == b)).sum()
    }

    /// Big-endian bytes of all lanes, in order: the form on the wire and on disk.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut out = [0; 64];
        for (pair, lane) in out.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&lane.to_be_bytes());
        }
        out
    }

    /// Reads what [`Sketch::to_bytes`] wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 64]) -> Self {
        let mut lanes = [0; Self::LANES];
        for (lane, pair) in lanes.iter_mut().zip(bytes.chunks_exact(2)) {
            *lane = u16::from_be_bytes([pair[0], pair[1]]);
        }
        Self(lanes)
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sketch({})", hex(&self.to_bytes()))
    }
}

/// What a signature is a signature of. All kinds share one 128-bit space, kept apart by domain separation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureKind {
    /// Exact bytes of any part.
    Part,
    /// Text, with a [`Sketch`] beside the exact value.
    Text,
    /// Skeleton of an HTML part.
    Html,
    /// Host and path of a link.
    Link,
    /// Content of an attachment.
    Attachment,
    /// Perceptual name of an image.
    Image,
    /// A sender.
    Sender,
}

impl SignatureKind {
    /// Every kind, in wire order.
    pub const ALL: [Self; 7] = [
        Self::Part,
        Self::Text,
        Self::Html,
        Self::Link,
        Self::Attachment,
        Self::Image,
        Self::Sender,
    ];

    /// The number of this kind in a reputation packet, 1 to 7.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Part => 1,
            Self::Text => 2,
            Self::Html => 3,
            Self::Link => 4,
            Self::Attachment => 5,
            Self::Image => 6,
            Self::Sender => 7,
        }
    }

    /// The kind with this number, if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether content of this kind may have a [`Sketch`] beside its exact value.
    #[must_use]
    pub const fn has_sketch(self) -> bool {
        matches!(self, Self::Text | Self::Html | Self::Attachment | Self::Image)
    }

    /// The word used on the command line, in logs and in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Part => "part",
            Self::Text => "text",
            Self::Html => "html",
            Self::Link => "link",
            Self::Attachment => "attachment",
            Self::Image => "image",
            Self::Sender => "sender",
        }
    }
}

/// A truncated keyed digest: the only name of content that leaves the site.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature {
    /// What it names.
    pub kind: SignatureKind,
    /// 128 bits of a keyed BLAKE3, computed by `tamis-reputation-protocol::naming`.
    pub value: [u8; 16],
}

/// Text that is not the expected number of hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits, found {found:?}")]
pub struct BadHex {
    /// Digits expected.
    pub expected: usize,
    /// What was found, cut to 80 characters.
    pub found: String,
}

impl fmt::Display for PartDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for PartDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartDigest({self})")
    }
}

impl FromStr for PartDigest {
    type Err = BadHex;
    fn from_str(text: &str) -> Result<Self, BadHex> {
        unhex(text).map(Self)
    }
}

impl From<PartDigest> for String {
    fn from(digest: PartDigest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for PartDigest {
    type Error = BadHex;
    fn try_from(text: String) -> Result<Self, BadHex> {
        text.parse()
    }
}

impl fmt::Display for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailId({self})")
    }
}

impl FromStr for MailId {
    type Err = BadHex;
    fn from_str(text: &str) -> Result<Self, BadHex> {
        unhex(text).map(Self)
    }
}

impl From<MailId> for String {
    fn from(id: MailId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for MailId {
    type Error = BadHex;
    fn try_from(text: String) -> Result<Self, BadHex> {
        text.parse()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.word(), hex(&self.value))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = BadHex;
    fn from_str(text: &str) -> Result<Self, BadHex> {
        let bad = || BadHex { expected: 32, found: text.chars().take(80).collect() };
        let (word, digits) = text.split_once(':').ok_or_else(bad)?;
        let kind =
            SignatureKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(bad)?;
        Ok(Self { kind, value: unhex(digits)? })
    }
}

/// Lower-case hexadecimal digits of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// Reads exactly `N` bytes from `2 * N` hexadecimal digits of either case.
///
/// # Errors
/// [`BadHex`] when the length or a digit is wrong: the fault of whoever wrote the text.
pub fn unhex<const N: usize>(text: &str) -> Result<[u8; N], BadHex> {
    let bad = || BadHex { expected: 2 * N, found: text.chars().take(80).collect() };
    if text.len() != 2 * N || !text.is_ascii() {
        return Err(bad());
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16).ok_or_else(bad);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).map_err(|_| bad())?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_what_it_prints() {
        let digest = PartDigest([0xa5; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        let id = MailId([7; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for kind in SignatureKind::ALL {
            let signature = Signature { kind, value: [0x3c; 16] };
            assert_eq!(signature.to_string().parse(), Ok(signature));
            assert_eq!(SignatureKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(SignatureKind::from_code(0), None);
        assert_eq!(SignatureKind::from_code(8), None);
    }

    #[test]
    fn wrong_digits_are_refused_not_guessed() {
        for text in ["", "0", "zz", "a5a5a5", "é5a5"] {
            assert!(text.parse::<PartDigest>().is_err(), "{text}");
        }
        assert!("part:00".parse::<Signature>().is_err());
        assert!("parts:00112233445566778899aabbccddeeff".parse::<Signature>().is_err());
    }

    #[test]
    fn sketches_count_equal_lanes() {
        let mut a = Sketch([1; 32]);
        let b = Sketch([1; 32]);
        assert_eq!(a.agreement(&b), 32);
        a.0[5] = 9;
        assert_eq!(a.agreement(&b), 31);
        assert_eq!(Sketch::from_bytes(&a.to_bytes()), a);
    }
}
