//! Bounds of this room, each with its reason.

/// Tokens kept of one part: the first words tell most (measured: `load-tests/results/learning.md`).
pub const PART_TOKENS_MAX: usize = 512;

/// Tokens kept of the header, the envelope and the structure.
pub const HEADER_TOKENS_MAX: usize = 512;

/// Tokens kept of one mail: what is looked up in one round trip, and stored when it is learned.
pub const MAIL_TOKENS_MAX: usize = 1024;

/// Bytes of folded text looked at for tokens: words enough for [`PART_TOKENS_MAX`] many times over.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Characters of a word; longer ones count by their length alone.
pub const WORD_CHARS_MAX: usize = 32;

/// Header fields looked at, topmost first. Real mail has 10 to 60.
pub const FIELDS_MAX: usize = 128;

/// Words looked at in the value of one header field.
pub const FIELD_WORDS_MAX: usize = 24;

/// Parts with features that are looked at. Real mail has fewer than ten; a thousand of them cost time alone.
pub const PARTS_MAX: usize = 64;

/// Links looked at in one part.
pub const LINKS_MAX: usize = 32;
