//! One pass over a mail while it arrives: the outline, with a name for every part.
//!
//! **Why an own splitter and no library.** The name of a part is a public contract of a cluster whose edges and scanners
//! have different versions: if two versions split one mail differently, every name changes and all that was remembered
//! is lost. So the rules stand here, in full, and change only with the domain strings below. A library may change its
//! mind about a stray blank in any patch release. Libraries read header *values*, which no name depends on.
//!
//! # The rules
//! - A line ends at LF, with or without CR before it. A lone CR ends nothing.
//! - A leading mbox line (`From ` or `>From `) and, at the top, leading `X-Envelope-*` fields are not part of the mail.
//!   Nor is one line that is no field right above a trace field (`Return-Path`, `Received`, `Delivered-To`,
//!   `X-Original-To`): some program put it before a mail that it stored. No mail from a server has one.
//! - The header block ends at an empty line. The top header also ends at the first line that is neither a field nor a
//!   continuation, as MTAs end it; any other header only if no field came before, as mail programs end it. That line is
//!   the first of the body. A header block is cut at `HEADER_BLOCK_BYTES_MAX`.
//! - Of repeated fields the first counts.
//! - `multipart/*` with a boundary of 1 to [`BOUNDARY_BYTES_MAX`] bytes is a container. A delimiter line is `--`, the
//!   boundary, perhaps `--`, blanks; nothing else. Innermost boundaries are tried first; a delimiter of an outer
//!   container ends the inner ones. The line end before it belongs to it. A line of more than
//!   [`DELIMITER_LINE_BYTES_MAX`] bytes is no delimiter. Behind the closing delimiter a container takes no more parts.
//! - Text around the parts is dropped; but where no part ever comes, all of it is one `text/plain` child.
//! - A container whose boundary is missing, or that is nested too deep, is a leaf of kind text.
//! - `message/rfc822` and `message/global` hold an enclosed mail: a header block as first child, then its body. In an
//!   encoding it is decoded and taken apart, at most [`WRAPPINGS_MAX`] deep.
//! - In `multipart/digest` a part without Content-Type is `message/rfc822`.
//! - Where programs plausibly read otherwise, the parts that only they see come behind the others, as oddity
//!   `other_reading` counts: `docs/decisions/0016-readings.md`. They change no name of the parts above.
//! - Content is made as [`crate::content`] says, and named by [`part_digest`].

mod blocks;
mod body;
mod book;
mod census;
mod delimiter;
mod entity;
mod habits;
mod head;
mod identity;
mod leaf;
mod signed;
mod walker;

pub use delimiter::{BOUNDARY_BYTES_MAX, DELIMITER_LINE_BYTES_MAX};
pub use habits::READINGS_MAX;
pub use identity::{header_digest, mail_name};
pub use walker::WRAPPINGS_MAX;

use std::ops::Range;
use std::sync::LazyLock;

use tamis_domain::digest::PartDigest;
use tamis_domain::outline::{Outline, Part, PartKind};

use crate::content::Span;
use book::{Begun, Book};
use signed::Bodies;
use walker::Walker;

/// BLAKE3 derive-key context of part names (BLAKE3 paper, section 2.3, `derive_key`).
pub const PART_CONTEXT: &str = "tamis 2026-11 name of a part: decoded canonical content v1";

/// BLAKE3 derive-key context of header names.
pub const HEADER_CONTEXT: &str = "tamis 2026-11 name of a header: canonical identity fields v1";

/// BLAKE3 derive-key context of names of whole mails.
pub const MAIL_CONTEXT: &str = "tamis 2026-11 name of a mail: header and parts v1";

/// BLAKE3 derive-key context of keys under which readings are remembered.
pub const READING_CONTEXT: &str =
    "tamis 2026-11 key of a reading: part, declared type and generation v1";

/// The beginning of every name of a part, made once.
static OF_A_PART: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key(PART_CONTEXT));

/// The beginning of every key of a reading.
static OF_A_READING: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key(READING_CONTEXT));

/// A mail, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dissected {
    /// What the scanner is told.
    pub outline: Outline,
    /// For each part of the outline, where its content stands; `None` for containers.
    pub spans: Vec<Option<Span>>,
    /// Offsets of the top header block in the mail as pushed, without the empty line behind it. Bytes before it are an
    /// mbox line or `X-Envelope-*` fields. Longer than `outline.header` where that was cut.
    pub header: Range<u64>,
}

/// The push parser. Memory: the outline, one header block, a few kilobytes.
#[derive(Debug)]
pub struct Digesting {
    walker: Walker,
    book: Book,
    size: u64,
    /// Hashes of the body, once its header is known.
    bodies: Option<Bodies>,
}

impl Default for Digesting {
    fn default() -> Self {
        Self::new()
    }
}

impl Digesting {
    /// Before the first byte.
    #[must_use]
    pub fn new() -> Self {
        Self { walker: Walker::of_mail(), book: Book::default(), size: 0, bodies: None }
    }

    /// Takes the next bytes of the mail, in pieces of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        let start = self.size;
        self.size += bytes.len() as u64;
        self.walker.push(bytes, &mut self.book);
        self.hash_body(bytes, start);
    }

    /// Says that the mail is over.
    #[must_use]
    pub fn finish(self) -> Dissected {
        let Self { walker, mut book, size, bodies } = self;
        walker.finish(&mut book);
        // Where the mail ends within its header, the body is empty or was its last line.
        let bodies = bodies.unwrap_or_else(|| begun(&mut book));
        let header_digest = Some(header_digest(&book.header));
        let outline = Outline {
            size,
            header_digest,
            header: book.header,
            parts: book.parts,
            oddities: book.oddities.into_iter().collect(),
            body_hashes: bodies.finish(),
        };
        Dissected { outline, spans: book.spans, header: book.header_range }
    }

    /// Hands what belongs to the body of `bytes`, which began at `start`, to the hashes that are wanted.
    fn hash_body(&mut self, bytes: &[u8], start: u64) {
        if let Some(bodies) = &mut self.bodies {
            return bodies.push(bytes);
        }
        let Some(Begun { offset, .. }) = self.book.body else { return };
        let mut bodies = begun(&mut self.book);
        let skipped = usize::try_from(offset.saturating_sub(start)).unwrap_or(usize::MAX);
        bodies.push(bytes.get(skipped..).unwrap_or_default());
        self.bodies = Some(bodies);
    }
}

/// The hashes that the header wants, with the line of the body that its end brought.
fn begun(book: &mut Book) -> Bodies {
    let mut bodies = Bodies::new(&signed::wanted(&book.header));
    if let Some(begun) = book.body.take() {
        bodies.push(&begun.first_line);
    }
    bodies
}

/// Takes a whole mail apart at once.
#[must_use]
pub fn dissect(mail: &[u8]) -> Dissected {
    let mut digesting = Digesting::new();
    digesting.push(mail);
    digesting.finish()
}

/// The name of canonical content: BLAKE3 in derive-key mode, context [`PART_CONTEXT`], input the content, 32 bytes out.
#[must_use]
pub fn part_digest(content: &[u8]) -> PartDigest {
    let mut hasher = OF_A_PART.clone();
    hasher.update(content);
    PartDigest(*hasher.finalize().as_bytes())
}

/// The key under which what was read in a part is remembered.
///
/// The same bytes declared as another type are read otherwise, so the key covers the declarations: else whoever sends
/// his HTML as `application/octet-stream` first decides what is remembered about it. BLAKE3 in derive-key mode, context
/// [`READING_CONTEXT`], input: 32 bytes of the part's digest (zeros if it has none), one byte for the kind (1 container,
/// 2 message, 3 header block, 4 text, 5 HTML, 6 image, 7 report, 8 other), the media type, one zero byte, the charset
/// (empty if none), one zero byte, `generation` as four big-endian bytes.
#[must_use]
pub fn reading_key(part: &Part, generation: u32) -> [u8; 32] {
    let kind: u8 = match part.kind {
        PartKind::Container => 1,
        PartKind::Message => 2,
        PartKind::HeaderBlock => 3,
        PartKind::Text => 4,
        PartKind::Html => 5,
        PartKind::Image => 6,
        PartKind::Report => 7,
        PartKind::Other => 8,
    };
    let mut hasher = OF_A_READING.clone();
    hasher.update(&part.digest.map_or([0; 32], |digest| digest.0));
    hasher.update(&[kind]);
    hasher.update(part.media_type.as_bytes());
    hasher.update(&[0]);
    hasher.update(part.charset.as_deref().unwrap_or_default().as_bytes());
    hasher.update(&[0]);
    hasher.update(&generation.to_be_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests;
