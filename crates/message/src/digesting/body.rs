//! One body while its bytes come: who takes them, and which lines may be delimiters.

use tamis_domain::outline::{Oddity, Part, PartKind, TransferEncoding};

use super::book::Book;
use super::delimiter::{DELIMITER_LINE_BYTES_MAX, Found, View};
use super::entity::Entity;
use super::habits::Habits;
use super::leaf::Leaf;
use super::walker::Walker;
use crate::content::Transfer;

/// Bytes of one body, on their way to whoever takes them.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) taker: Taker,
    /// A line end, or half of one, that may belong to a delimiter.
    held: &'static [u8],
    at: At,
    /// The present line, as long as it may be a delimiter.
    pub(super) candidate: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    Candidate,
    Middle,
}

/// Who takes the bytes of a body.
#[derive(Clone, Debug)]
pub(super) enum Taker {
    Leaf {
        leaf: Leaf,
        index: u16,
    },
    /// Text before the first part: a child, should no part come.
    Preamble {
        leaf: Leaf,
        part: Part,
    },
    Nested(Box<Nested>),
    /// Text behind the last part; parts beyond the limit.
    Nobody,
}

/// An encoded enclosed message.
#[derive(Clone, Debug)]
pub(super) struct Nested {
    transfer: Transfer,
    encoding: TransferEncoding,
    pub(super) walker: Walker,
    /// Whether a lone CR ends a line around the message.
    returns: bool,
    start: u64,
    end: u64,
    first_part: usize,
}

/// Text before the first part, as the child it becomes if none comes.
pub(super) fn preamble(
    encoding: TransferEncoding,
    (container, depth): (u16, u8),
    (start, returns): (u64, bool),
) -> Taker {
    let part = Entity::plain(encoding).part(PartKind::Text, Some(container), depth);
    Taker::Preamble { leaf: Leaf::new(&part, false, start, returns), part }
}

impl Taker {
    fn push(&mut self, raw: &[u8], book: &mut Book) {
        match self {
            Self::Leaf { leaf, .. } | Self::Preamble { leaf, .. } => leaf.push(raw),
            Self::Nested(nested) => nested.push(raw, book),
            Self::Nobody => {}
        }
    }

    /// Goes on with other habits. What came before has no lone CR, or this reading would have begun there: so the place
    /// of all of it can be read with the new habit.
    pub(super) fn adopt(&mut self, habits: Habits) {
        match self {
            Self::Leaf { leaf, .. } | Self::Preamble { leaf, .. } => leaf.adopt(habits),
            Self::Nested(nested) => {
                nested.returns = habits.returns;
                nested.walker.adopt(habits);
            }
            Self::Nobody => {}
        }
    }

    pub(super) fn finish(self, first_part_comes: bool, book: &mut Book) {
        match self {
            Self::Leaf { leaf, index } => leaf.finish(index, book),
            Self::Preamble { leaf, part } => {
                if !first_part_comes
                    && !leaf.is_empty()
                    && let Some(index) = book.open(part)
                {
                    leaf.finish(index, book);
                }
            }
            Self::Nested(nested) => nested.finish(book),
            Self::Nobody => {}
        }
    }
}

impl Nested {
    /// The encoded message whose raw bytes begin at `start`; its parts will be numbered from `first_part`.
    pub(super) fn new(
        encoding: TransferEncoding,
        walker: Walker,
        (start, returns): (u64, bool),
        first_part: usize,
    ) -> Self {
        let transfer = Transfer::new(encoding);
        Self { transfer, encoding, walker, returns, start, end: start, first_part }
    }

    fn push(&mut self, raw: &[u8], book: &mut Book) {
        self.end += raw.len() as u64;
        let Self { transfer, walker, .. } = self;
        transfer.push(raw, &mut |decoded| walker.push(decoded, book));
    }

    fn finish(self, book: &mut Book) {
        let Self { mut transfer, encoding, mut walker, returns, start, end, first_part } = self;
        if transfer.finish(&mut |decoded| walker.push(decoded, book)) {
            book.note(Oddity::BrokenEncoding);
        }
        walker.finish(book);
        book.wrap(first_part, start..end, encoding, returns);
    }
}

impl Body {
    pub(super) const fn new(taker: Taker) -> Self {
        Self { taker, held: b"", at: At::LineStart, candidate: Vec::new() }
    }

    /// Takes bytes until a delimiter line is complete; says how many, and what the line is. The line still stands in
    /// `candidate`; one in doubt is content once it is [rejected](Self::reject).
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        view: View<'_>,
        book: &mut Book,
    ) -> (usize, Option<Found>) {
        if view.frames.is_empty() {
            self.taker.push(bytes, book);
            return (bytes.len(), None);
        }
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            match self.at {
                At::LineStart if rest[0] == b'-' => self.at = At::Candidate,
                At::LineStart => {
                    self.release(book);
                    self.at = At::Middle;
                }
                At::Candidate => {
                    let (taken, line) = self.candidate(rest, view, book);
                    used += taken;
                    if line.is_some() {
                        return (used, line);
                    }
                }
                At::Middle => used += self.middle(rest, book),
            }
        }
        (used, None)
    }

    /// Bytes of a line that began with a hyphen.
    fn candidate(
        &mut self,
        rest: &[u8],
        view: View<'_>,
        book: &mut Book,
    ) -> (usize, Option<Found>) {
        let room = (DELIMITER_LINE_BYTES_MAX - self.candidate.len()).min(rest.len());
        let found = memchr::memchr(b'\n', &rest[..room]);
        let taken = found.map_or(room, |at| at + 1);
        self.candidate.extend_from_slice(&rest[..taken]);
        let text = crate::fields::without_line_end(&self.candidate);
        if found.is_some()
            && let Some(line) = view.find(text)
        {
            return (taken, Some(line));
        }
        let hopeless = self.candidate.len() >= 2 && !self.candidate.starts_with(b"--");
        if found.is_some() || hopeless || self.candidate.len() == DELIMITER_LINE_BYTES_MAX {
            self.reject(book);
        }
        (taken, None)
    }

    /// The line is no delimiter.
    pub(super) fn reject(&mut self, book: &mut Book) {
        self.release(book);
        let line = std::mem::take(&mut self.candidate);
        self.line_piece(&line, book);
        self.candidate = line;
        self.candidate.clear();
    }

    /// Bytes within a line: all up to the next line end that a hyphen follows, or may follow.
    fn middle(&mut self, rest: &[u8], book: &mut Book) -> usize {
        if !self.held.is_empty() {
            if rest[0] == b'\n' {
                (self.held, self.at) = (b"\r\n", At::LineStart);
                return 1;
            }
            self.release(book);
        }
        let mut end = 0;
        while let Some(found) = memchr::memchr(b'\n', &rest[end..]) {
            end += found + 1;
            if matches!(rest.get(end), None | Some(b'-')) {
                self.line_piece(&rest[..end], book);
                return end;
            }
        }
        self.line_piece(rest, book);
        rest.len()
    }

    /// Passes bytes on, but holds back a line end (or a CR) at their end.
    fn line_piece(&mut self, piece: &[u8], book: &mut Book) {
        self.held = match piece {
            [.., b'\r', b'\n'] => b"\r\n",
            [.., b'\n'] => b"\n",
            [.., b'\r'] => b"\r",
            _ => b"",
        };
        self.at = if self.held.ends_with(b"\n") { At::LineStart } else { At::Middle };
        let kept = &piece[..piece.len() - self.held.len()];
        if !kept.is_empty() {
            self.taker.push(kept, book);
        }
    }

    fn release(&mut self, book: &mut Book) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.taker.push(held, book);
        }
    }

    /// The text is over: what was held back is content.
    pub(super) fn settle(&mut self, book: &mut Book) {
        self.release(book);
        let line = std::mem::take(&mut self.candidate);
        if !line.is_empty() {
            self.taker.push(&line, book);
        }
    }
}
