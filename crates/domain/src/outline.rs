//! A mail as a tree of parts: kind, size, digest. No content.

use serde::{Deserialize, Serialize};

use crate::digest::PartDigest;

/// What the edge tells about a mail before anything travels. About 100 bytes a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Size in bytes of the whole mail as received.
    pub size: u64,
    /// The raw top-level header block, at most `HEADER_BLOCK_BYTES_MAX`, without the empty line after it.
    pub header: Vec<u8>,
    /// Name of the canonical identity headers (From, To, Subject, Date...): the same through every door.
    pub header_digest: Option<PartDigest>,
    /// Parts in the order they appear; a part's number is its index here. Parents come before children.
    pub parts: Vec<Part>,
    /// Oddities of the structure, each with how often it was seen.
    pub oddities: Vec<(Oddity, u32)>,
    /// Hashes of the whole body that signatures in the header ask for, each form once.
    pub body_hashes: Vec<BodyHash>,
}

/// What a signature in the header may say about the body, computed where the bytes are (RFC 6376 section 3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyHash {
    /// The form that was hashed.
    pub form: BodyForm,
    /// SHA-256 of it.
    pub sha256: [u8; 32],
}

/// A canonical form of the body (RFC 6376 section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyForm {
    /// All as it is, but for empty lines at the end (3.4.3).
    Simple,
    /// Runs of blanks are one blank, blanks at line ends are none (3.4.4).
    Relaxed,
}

impl BodyForm {
    /// Both of them: what a header can ask for at most.
    pub const ALL: [Self; 2] = [Self::Simple, Self::Relaxed];
}

/// One node of the tree of parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Index of the enclosing part; `None` for the root.
    pub parent: Option<u16>,
    /// Distance from the root, which is 0.
    pub depth: u8,
    /// What it is, for choosing how to read it.
    pub kind: PartKind,
    /// Declared media type in lower case, such as `text/html`; `text/plain` where nothing was declared.
    pub media_type: String,
    /// Declared charset in lower case, if any.
    pub charset: Option<String>,
    /// Declared transfer encoding.
    pub encoding: TransferEncoding,
    /// Whether it asks to be shown or saved.
    pub disposition: Disposition,
    /// File name, decoded (RFC 2231, RFC 2047), at most `FILE_NAME_CHARS_MAX` characters.
    pub file_name: Option<String>,
    /// Size in bytes of the canonical decoded content; 0 for containers.
    pub size: u64,
    /// Name of the canonical decoded content; `None` for containers, whose children say it all.
    pub digest: Option<PartDigest>,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// `multipart/*`: has children, no content of its own.
    Container,
    /// `message/rfc822` and kin: its children are a [`PartKind::HeaderBlock`] and the body's parts.
    Message,
    /// The header block of an enclosed message, as a part with content.
    HeaderBlock,
    /// Text that is not HTML.
    Text,
    /// `text/html` or `application/xhtml+xml`.
    Html,
    /// `image/*`.
    Image,
    /// `message/delivery-status`, `message/disposition-notification`, `message/feedback-report`, `text/rfc822-headers`.
    Report,
    /// Everything else.
    Other,
}

impl PartKind {
    /// Whether the part has content of its own, and so a digest.
    #[must_use]
    pub const fn is_leaf(self) -> bool {
        !matches!(self, Self::Container | Self::Message)
    }

    /// Whether line ends are canonicalised before naming.
    #[must_use]
    pub const fn is_textual(self) -> bool {
        matches!(self, Self::Text | Self::Html | Self::HeaderBlock | Self::Report)
    }
}

/// Content-Transfer-Encoding (RFC 2045 section 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferEncoding {
    /// 7bit, 8bit, binary, or not declared.
    #[default]
    Identity,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
    /// x-uuencode and its other names.
    Uuencode,
    /// Declared, but not a word that RFC 2045 or common practice knows; read as identity.
    Unknown,
}

/// Content-Disposition (RFC 2183).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Not declared.
    #[default]
    None,
    /// inline.
    Inline,
    /// attachment, or any other word (RFC 2183 section 2.8).
    Attachment,
}

/// Something in the structure that well-made mail does not have. Ambiguity itself is a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oddity {
    /// A carriage return without a line feed after it.
    BareCr,
    /// A line feed without a carriage return before it, in a mail that also has CRLF.
    MixedLineEnds,
    /// A NUL byte.
    NulByte,
    /// Bytes above 127 in a header.
    EightBitHeader,
    /// A header line that is neither a field nor a continuation.
    BrokenHeader,
    /// The header block had to be cut at its limit.
    HeaderTooLong,
    /// A line longer than 998 bytes (RFC 5322 section 2.1.1).
    LongLine,
    /// A field that may stand once stands more often (From, Subject, Date, MIME fields).
    DuplicateField,
    /// multipart without a boundary parameter.
    MissingBoundary,
    /// The closing delimiter of a multipart never came.
    UnclosedMultipart,
    /// A multipart with no part in it.
    EmptyMultipart,
    /// Nested deeper than `PART_DEPTH_MAX`; what is below was not taken apart.
    TooDeep,
    /// More parts than `PARTS_MAX`; the rest was not taken apart.
    TooManyParts,
    /// Content-Type that cannot be read.
    BrokenContentType,
    /// Base64 or quoted-printable that breaks its own rules.
    BrokenEncoding,
    /// Transfer encoding of an unknown name.
    UnknownEncoding,
    /// A transfer encoding on a multipart or message, which RFC 2045 section 6.4 forbids.
    EncodedContainer,
    /// No header block at all.
    NoHeader,
    /// A part that only some programs see, since they read an ambiguous place otherwise.
    OtherReading,
}

impl Oddity {
    /// Whether something of the mail was not taken apart, so that nobody read it.
    #[must_use]
    pub const fn leaves_unread(self) -> bool {
        matches!(self, Self::TooManyParts | Self::TooDeep | Self::HeaderTooLong)
    }

    /// Every oddity, in wire order.
    pub const ALL: [Self; 19] = [
        Self::BareCr,
        Self::MixedLineEnds,
        Self::NulByte,
        Self::EightBitHeader,
        Self::BrokenHeader,
        Self::HeaderTooLong,
        Self::LongLine,
        Self::DuplicateField,
        Self::MissingBoundary,
        Self::UnclosedMultipart,
        Self::EmptyMultipart,
        Self::TooDeep,
        Self::TooManyParts,
        Self::BrokenContentType,
        Self::BrokenEncoding,
        Self::UnknownEncoding,
        Self::EncodedContainer,
        Self::NoHeader,
        Self::OtherReading,
    ];

    /// The number of this oddity on the wire, from 1.
    #[must_use]
    pub fn code(self) -> u32 {
        // The position in ALL; every oddity stands there (tested).
        Self::ALL.iter().position(|oddity| *oddity == self).map_or(0, |at| at as u32 + 1)
    }

    /// The oddity with this number, if this version knows it.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.get(code.checked_sub(1)? as usize).copied()
    }

    /// The word used as name of evidence, in logs and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::BareCr => "bare_cr",
            Self::MixedLineEnds => "mixed_line_ends",
            Self::NulByte => "nul_byte",
            Self::EightBitHeader => "eight_bit_header",
            Self::BrokenHeader => "broken_header",
            Self::HeaderTooLong => "header_too_long",
            Self::LongLine => "long_line",
            Self::DuplicateField => "duplicate_field",
            Self::MissingBoundary => "missing_boundary",
            Self::UnclosedMultipart => "unclosed_multipart",
            Self::EmptyMultipart => "empty_multipart",
            Self::TooDeep => "too_deep",
            Self::TooManyParts => "too_many_parts",
            Self::BrokenContentType => "broken_content_type",
            Self::BrokenEncoding => "broken_encoding",
            Self::UnknownEncoding => "unknown_encoding",
            Self::EncodedContainer => "encoded_container",
            Self::NoHeader => "no_header",
            Self::OtherReading => "other_reading",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oddities_keep_their_numbers() {
        for (at, oddity) in Oddity::ALL.into_iter().enumerate() {
            assert_eq!(oddity.code() as usize, at + 1);
            assert_eq!(Oddity::from_code(oddity.code()), Some(oddity));
        }
        assert_eq!(Oddity::from_code(0), None);
        assert_eq!(Oddity::from_code(Oddity::ALL.len() as u32 + 1), None);
        assert_eq!(Oddity::OtherReading.code(), 19, "the last one: a new oddity goes to the end");
    }
}
