//! Every bound that more than one room must keep, named, with its reason.
//!
//! A bound of one room alone stands in that room. Beyond a bound a mail is still judged: the rest is
//! counted as an oddity, never dropped in silence.

/// Parts taken apart in one mail. Real mail has fewer than 100; a bomb has as many as fit.
pub const PARTS_MAX: usize = 1000;

/// Depth of nesting taken apart. Forwarded chains reach 10; RFC 2046 sets no limit.
pub const PART_DEPTH_MAX: u8 = 32;

/// Bytes of one header block kept (top level or enclosed). Postfix cuts at 102,400 a header; we keep more than any MTA passes.
pub const HEADER_BLOCK_BYTES_MAX: usize = 256 * 1024;

/// Characters of a file name kept. File systems stop at 255.
pub const FILE_NAME_CHARS_MAX: usize = 255;

/// Characters of a media type or charset kept. RFC 6838 section 4.2 allows 127 + 127.
pub const MEDIA_TYPE_CHARS_MAX: usize = 255;

/// Recipients of one transaction. RFC 5321 section 4.5.3.1.8 asks for 100 at least; Postfix allows 1000.
pub const RECIPIENTS_MAX: usize = 1000;

/// Bytes of one address. RFC 5321 section 4.5.3.1 allows 64 + 1 + 255.
pub const ADDRESS_BYTES_MAX: usize = 320;

/// Bytes of a whole mail taken in, by default. Beyond it every door answers 552; MTAs stop at less (Postfix at 10 MB).
pub const MAIL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of content that travel inside an Offer, small parts first. A round trip costs more than this many bytes
/// on any network that edges and scanners share; measured by `cargo xtask figures dialogue`.
pub const INLINE_BYTES_MAX: usize = 32 * 1024;

/// Bytes of one Supply frame: small enough that mails take turns on the shared connection.
pub const SUPPLY_CHUNK_BYTES: usize = 64 * 1024;

/// Bytes of content that one mail may supply, all parts together.
pub const SUPPLY_BYTES_MAX: u64 = MAIL_BYTES_MAX;

/// Bytes of one part that are read as text. More text than a novel is no more telling.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Links kept of one part.
pub const LINKS_MAX: usize = 200;

/// Bytes of one link kept.
pub const LINK_BYTES_MAX: usize = 2048;

/// Pieces of evidence kept for one mail, the heaviest first when more were found.
pub const EVIDENCE_MAX: usize = 256;

/// Characters of one evidence's detail.
pub const DETAIL_CHARS_MAX: usize = 200;

/// Signatures asked for one mail: what fits one datagram of 1,232 bytes is fewer; see `tamis-reputation-protocol`.
pub const SIGNATURES_MAX: usize = 64;

/// Groups in one policy.
pub const GROUPS_MAX: usize = 1000;

/// Scanners that one mail may fell. The first may have died of something else; a third would tell nothing new.
pub const SCANNERS_FELLED_MAX: u8 = 2;
