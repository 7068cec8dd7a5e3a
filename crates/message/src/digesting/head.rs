//! One header block while its lines come.

use std::borrow::Cow;
use std::ops::Range;

use tamis_domain::limits::HEADER_BLOCK_BYTES_MAX;
use tamis_domain::outline::Oddity;

use super::book::Book;
use super::delimiter::{DELIMITER_LINE_BYTES_MAX, Delimiter, View, find};
use crate::fields::{split_name, without_line_end};

/// Bytes kept of the fields that say how to read the body, where they stand behind `HEADER_BLOCK_BYTES_MAX`.
const LATE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of lines that are no fields at the top of a part's header, held until a field says that it is one.
const HELD_BYTES_MAX: usize = 4096;

/// Whose header it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The mail's.
    Top,
    /// An enclosed message's: number of the message's part, depth of its children.
    Enclosed { message: u16, depth: u8 },
    /// A part's in a container.
    Part { container: u16, depth: u8, in_digest: bool },
}

/// What a piece of header led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More header is to come.
    More,
    /// The block is over; these bytes, already taken, are the first of the body.
    Ended(Vec<u8>),
    /// A delimiter line ended the part within its header.
    Delimited(Delimiter),
    /// A line that is no field: programs differ in whether the header ends there. See [`Head::resolve`].
    Doubt(Vec<u8>),
}

/// Header lines under way.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) owner: Owner,
    /// Lines kept, as received, at most `HEADER_BLOCK_BYTES_MAX`.
    pub(super) block: Vec<u8>,
    /// Offset of the first kept line.
    start: u64,
    /// Offset behind the last line of the block, kept or cut.
    end: u64,
    /// Beginning of the present line.
    line: Vec<u8>,
    /// The present line is decided upon, and what still comes of it is kept (or dropped).
    streaming: Option<Fate>,
    /// Whether lines were dropped so far.
    dropped: bool,
    /// First lines that are no fields, until the next one says whether they belong to the mail, or to a header at all.
    held: Option<Vec<u8>>,
    /// Fields behind what is kept that say how to read the body.
    late: Vec<u8>,
    /// Whether the present field is one of these.
    is_late: bool,
    fields: u32,
    lines: u32,
    eight_bit_line: bool,
    eight_bit_lines: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    /// Not part of the mail: mbox line, `X-Envelope-*`, a line that some program put before the mail.
    Dropped,
}

impl Head {
    pub(super) const fn new(owner: Owner, start: u64) -> Self {
        Self {
            owner,
            block: Vec::new(),
            start,
            end: start,
            line: Vec::new(),
            streaming: None,
            dropped: false,
            held: None,
            late: Vec::new(),
            is_late: false,
            fields: 0,
            lines: 0,
            eight_bit_line: false,
            eight_bit_lines: 0,
        }
    }

    /// Offsets of the block.
    pub(super) const fn range(&self) -> Range<u64> {
        self.start..self.end
    }

    /// Takes bytes up to and including the next line end; says how many and what follows from them.
    pub(super) fn push(&mut self, bytes: &[u8], view: View<'_>, book: &mut Book) -> (usize, Step) {
        let room = if self.streaming.is_some() {
            bytes.len()
        } else {
            (DELIMITER_LINE_BYTES_MAX - self.line.len()).min(bytes.len())
        };
        let found = memchr::memchr(b'\n', &bytes[..room]);
        let used = found.map_or(room, |at| at + 1);
        let piece = &bytes[..used];
        self.eight_bit_line |= !piece.is_ascii();
        let step = if let Some(fate) = self.streaming {
            self.keep(fate, piece);
            Step::More
        } else {
            self.line.extend_from_slice(piece);
            if found.is_some() || self.line.len() == DELIMITER_LINE_BYTES_MAX {
                self.decide(found.is_some(), view, book)
            } else {
                Step::More
            }
        };
        if found.is_some() {
            self.streaming = None;
            self.eight_bit_lines += u32::from(std::mem::take(&mut self.eight_bit_line));
        }
        (used, step)
    }

    /// The text ends within the header.
    pub(super) fn finish(&mut self, view: View<'_>, book: &mut Book) -> Step {
        let step = if self.streaming.is_none() && !self.line.is_empty() {
            self.decide(true, view, book)
        } else {
            Step::More
        };
        let step = self.held.take().map_or(step, Step::Ended);
        self.eight_bit_lines += u32::from(std::mem::take(&mut self.eight_bit_line));
        step
    }

    /// What `self.line` is; `whole` unless it goes on.
    fn decide(&mut self, whole: bool, view: View<'_>, book: &mut Book) -> Step {
        let line = std::mem::take(&mut self.line);
        let text = without_line_end(&line);
        if self.owner != Owner::Top
            && let Some(held) = self.held.take()
        {
            return self.decide_held(held, &line, whole, view, book);
        }
        if let Some(mut held) = self.held.take() {
            if !is_trace(text) {
                held.extend_from_slice(&line);
                return Step::Ended(held);
            }
            self.keep(Fate::Dropped, &held);
            self.eight_bit_lines = 0;
        }
        if whole && let Some(delimiter) = find(text, view.frames) {
            return Step::Delimited(delimiter);
        }
        if whole && text.is_empty() {
            return Step::Ended(Vec::new());
        }
        let fate = self.fate(text);
        if fate == Fate::Kept && !self.is_header_line(&line) {
            if self.fields == 0 {
                let is_part = self.owner != Owner::Top && !line.starts_with(b"--");
                if whole && (is_part || self.owner == Owner::Top && !self.dropped) {
                    self.held = Some(line);
                    return Step::More;
                }
                return Step::Ended(line);
            }
            book.note(Oddity::BrokenHeader);
            if view.doubts && !line.starts_with(b"--") {
                return Step::Doubt(line);
            }
            return self.resolve(line, view.loose);
        }
        self.take(fate, line)
    }

    /// What lines are at the top of a part's header of which the first is no field. Some programs pass over that one, so
    /// where one that says how to read the body comes before an empty line, both are examined.
    fn decide_held(
        &mut self,
        mut held: Vec<u8>,
        line: &[u8],
        whole: bool,
        view: View<'_>,
        book: &mut Book,
    ) -> Step {
        held.extend_from_slice(line);
        let text = without_line_end(line);
        if is_mime(text) {
            book.note(Oddity::BrokenHeader);
            return if view.doubts { Step::Doubt(held) } else { self.resolve(held, view.loose) };
        }
        if !whole || text.is_empty() || text.starts_with(b"--") || held.len() > HELD_BYTES_MAX {
            return Step::Ended(held);
        }
        self.held = Some(held);
        Step::More
    }

    /// What becomes of a line that is no field, behind some fields: it ends the header of a mail, as MTAs end it, and is
    /// passed over in others, as mail programs do, but for the first; loose ones do it the other way round.
    pub(super) fn resolve(&mut self, line: Vec<u8>, loose: bool) -> Step {
        // What looks like a delimiter ends the header of a mail to all.
        let loose = loose && !line.starts_with(b"--");
        if (self.owner == Owner::Top || self.fields == 0) != loose {
            return Step::Ended(line);
        }
        self.fields = self.fields.max(1);
        self.take(Fate::Kept, line)
    }

    /// The line is part of the block, or dropped.
    fn take(&mut self, fate: Fate, line: Vec<u8>) -> Step {
        self.streaming = (!line.ends_with(b"\n")).then_some(fate);
        self.lines = self.lines.saturating_add(u32::from(fate == Fate::Kept));
        if self.block.len() + line.len() > HEADER_BLOCK_BYTES_MAX {
            let continues = matches!(line.first(), Some(b' ' | b'\t'));
            self.is_late = is_mime(&line) || continues && self.is_late;
        }
        self.keep(fate, &line);
        self.line = line;
        self.line.clear();
        Step::More
    }

    /// Whether the line belongs to the mail at all.
    fn fate(&self, text: &[u8]) -> Fate {
        if self.lines > 0 || matches!(self.owner, Owner::Part { .. }) {
            return Fate::Kept;
        }
        let mbox = text.strip_prefix(b">").unwrap_or(text).strip_prefix(b"From ");
        let is_mbox = mbox.is_some_and(|rest| !rest.trim_ascii_start().starts_with(b":"));
        let named = |name: &[u8]| {
            split_name(text).is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
        };
        let is_envelope = named(b"x-envelope-from") || named(b"x-envelope-to");
        let folds = matches!(text.first(), Some(b' ' | b'\t')) && self.dropped;
        if (is_mbox && !self.dropped) || (self.owner == Owner::Top && (is_envelope || folds)) {
            Fate::Dropped
        } else {
            Fate::Kept
        }
    }

    /// Whether the line is field or continuation.
    fn is_header_line(&mut self, line: &[u8]) -> bool {
        let continues = matches!(line.first(), Some(b' ' | b'\t')) && self.fields > 0;
        if continues {
            return true;
        }
        if split_name(line).is_some() {
            self.fields = self.fields.saturating_add(1);
            return true;
        }
        false
    }

    fn keep(&mut self, fate: Fate, piece: &[u8]) {
        self.end += piece.len() as u64;
        if fate == Fate::Dropped {
            (self.start, self.dropped) = (self.end, true);
            return;
        }
        let room = HEADER_BLOCK_BYTES_MAX.saturating_sub(self.block.len()).min(piece.len());
        self.block.extend_from_slice(&piece[..room]);
        if self.is_late {
            let room = LATE_BYTES_MAX.saturating_sub(self.late.len()).min(piece.len());
            self.late.extend_from_slice(&piece[..room]);
        }
    }

    /// The block as far as it says how to read the body: a block that was cut does not hide that.
    pub(super) fn declarations(&self) -> Cow<'_, [u8]> {
        if self.late.is_empty() {
            return Cow::Borrowed(&self.block);
        }
        let lines = memchr::memrchr(b'\n', &self.block).map_or(0, |at| at + 1);
        Cow::Owned([&self.block[..lines], &self.late].concat())
    }

    /// Writes down what was odd, once the block is over.
    pub(super) fn note(&self, book: &mut Book) {
        book.note_times(Oddity::EightBitHeader, self.eight_bit_lines);
        if self.end - self.start > self.block.len() as u64 {
            book.note(Oddity::HeaderTooLong);
        }
        if self.fields == 0 && !matches!(self.owner, Owner::Part { .. }) {
            book.note(Oddity::NoHeader);
        }
    }
}

/// Whether a line is a field that says how to read a body.
fn is_mime(text: &[u8]) -> bool {
    split_name(text).is_some_and(|(name, _)| {
        name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
            || name.eq_ignore_ascii_case(b"mime-version")
    })
}

/// Whether a line is a field that only mail servers write, above all others: what stands before it is no mail.
fn is_trace(text: &[u8]) -> bool {
    const TRACE: [&[u8]; 4] = [b"return-path", b"received", b"delivered-to", b"x-original-to"];
    let is = |name: &[u8]| TRACE.iter().any(|trace| name.eq_ignore_ascii_case(trace));
    split_name(text).is_some_and(|(name, _)| is(name))
}
