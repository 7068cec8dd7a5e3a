//! The machine that follows one text: the mail, or the decoded bytes of an enclosed message.

use tamis_domain::limits::PART_DEPTH_MAX;
use tamis_domain::outline::{Oddity, Part, PartKind, TransferEncoding};

use super::body::{Body, Nested, Taker, preamble};
use super::book::{Begun, Book};
use super::census::Census;
use super::delimiter::{Delimiter, Found, Frame};
use super::entity::{Declared, Entity, Shape};
use super::habits::{Habits, READINGS_MAX};
use super::head::{Head, Owner, Step};
use super::leaf::Leaf;
use crate::content::returns::ended_by_returns;
use crate::fields::without_line_end;

mod readings;

use readings::{Branch, view};

/// Encoded messages in encoded messages taken apart. RFC 2046 forbids even one (RFC 6532 allows `message/global`), and
/// every layer costs a pass over the bytes.
pub const WRAPPINGS_MAX: u8 = 4;

/// Follows lines, boundaries and headers of one text.
#[derive(Clone, Debug)]
pub(super) struct Walker {
    frames: Vec<Frame>,
    stage: Stage,
    /// Bytes of this text taken so far.
    offset: u64,
    census: Census,
    wrappings: u8,
    /// How lines, fields and encodings are taken.
    habits: Habits,
    /// Other readings of this text from some place on.
    branches: Vec<Branch>,
    /// Which of [`Habits::ALL`] have begun; a reading that is another one begins none.
    begun: [bool; READINGS_MAX],
    /// A CR at the end of what was pushed: alone or half of a line end.
    held_cr: bool,
}

#[derive(Clone, Debug)]
enum Stage {
    Head(Box<Head>),
    Body(Box<Body>),
}

impl Walker {
    pub(super) fn of_mail() -> Self {
        Self::new(Owner::Top, 0)
    }

    fn new(owner: Owner, wrappings: u8) -> Self {
        Self {
            frames: Vec::new(),
            stage: Stage::Head(Box::new(Head::new(owner, 0))),
            offset: 0,
            census: Census::default(),
            wrappings,
            habits: Habits::default(),
            branches: Vec::new(),
            begun: [false; READINGS_MAX],
            held_cr: false,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], book: &mut Book) {
        let Some(&first) = bytes.first() else { return };
        self.census.push(bytes);
        for Branch { walker, book, .. } in &mut self.branches {
            walker.push(bytes, book);
        }
        let known = self.branches.len();
        if self.census.has_lone_returns() {
            self.branch(|habits| habits.returns, book, |_, _| {});
        }
        // The readings that begin here take what comes from here on.
        let cr = std::mem::take(&mut self.held_cr);
        let whole = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let held = whole.len() < bytes.len();
        if cr {
            self.feed_all(known, if first == b'\n' { Line::Pair } else { Line::Lone }, book);
        }
        self.feed_all(known, Line::Bytes(whole), book);
        self.held_cr = held;
        self.branches.iter_mut().skip(known).for_each(|it| it.walker.held_cr = held);
    }

    /// Gives bytes to this reading and to those from `known` on.
    fn feed_all(&mut self, known: usize, line: Line<'_>, book: &mut Book) {
        for Branch { walker, book, .. } in self.branches.iter_mut().skip(known) {
            walker.feed_line(line, book);
        }
        self.feed_line(line, book);
    }

    fn feed_line(&mut self, line: Line<'_>, book: &mut Book) {
        match line {
            Line::Pair => self.feed(b"\r", book),
            Line::Lone => self.feed(if self.habits.returns { b"\n" } else { b"\r" }, book),
            Line::Bytes(bytes) if self.habits.returns => self.feed(&ended_by_returns(bytes), book),
            Line::Bytes(bytes) => self.feed(bytes, book),
        }
    }

    fn feed(&mut self, bytes: &[u8], book: &mut Book) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let known = self.branches.len();
            let Self { stage, frames, habits, begun, .. } = self;
            let view = view(frames, *habits, begun);
            let used = match stage {
                Stage::Head(head) => {
                    let (used, step) = head.push(rest, view, book);
                    self.offset += used as u64;
                    self.step(step, book);
                    used
                }
                Stage::Body(body) => {
                    let (used, found) = body.push(rest, view, book);
                    self.offset += used as u64;
                    self.found(found, book);
                    used
                }
            };
            rest = &rest[used..];
            for Branch { walker, book, .. } in self.branches.iter_mut().skip(known) {
                walker.feed_line(Line::Bytes(rest), book);
            }
        }
    }

    pub(super) fn finish(mut self, book: &mut Book) {
        if std::mem::take(&mut self.held_cr) {
            let known = self.branches.len();
            self.branch(|habits| habits.returns, book, |_, _| {});
            self.feed_all(known, Line::Lone, book);
        }
        loop {
            let Self { stage, frames, habits, begun, .. } = &mut self;
            let view = view(frames, *habits, begun);
            match stage {
                Stage::Head(head) => {
                    let step = head.finish(view, book);
                    let step = if step == Step::More { Step::Ended(Vec::new()) } else { step };
                    self.step(step, book);
                }
                Stage::Body(body) => {
                    // A delimiter may stand at the very end without a line end.
                    let found = view.find(&body.candidate);
                    if found.is_none() {
                        body.settle(book);
                        break;
                    }
                    self.found(found, book);
                }
            }
        }
        self.close(None, book);
        let Self { census, mut branches, .. } = self;
        census.finish(book);
        branches.sort_by_key(|branch| branch.order);
        for Branch { walker, book: mut other, .. } in branches {
            walker.finish(&mut other);
            book.merge(other);
        }
    }

    /// A line of the body that is a delimiter, or may be one.
    fn found(&mut self, found: Option<Found>, book: &mut Book) {
        match found {
            None => {}
            Some(Found::Delimiter(delimiter)) => self.delimited(delimiter, book),
            Some(Found::Doubt(delimiter)) => {
                self.branch(
                    |habits| habits.loose,
                    book,
                    |walker, book| {
                        walker.delimited(delimiter, book);
                    },
                );
                if let Stage::Body(body) = &mut self.stage {
                    body.reject(book);
                }
            }
        }
    }

    fn step(&mut self, step: Step, book: &mut Book) {
        let known = self.branches.len();
        match step {
            Step::More => {}
            Step::Ended(first_line) => {
                if matches!(&self.stage, Stage::Head(head) if head.owner == Owner::Top) {
                    book.body = Some(Begun { offset: self.offset, first_line: first_line.clone() });
                }
                self.head_ended(self.offset - first_line.len() as u64, book);
                for Branch { walker, book, .. } in self.branches.iter_mut().skip(known) {
                    walker.again(&first_line, book);
                }
                self.again(&first_line, book);
            }
            Step::Delimited(delimiter) => {
                // The part ends within its header: its body is empty, and so is a message's in it.
                while let Stage::Head(head) = &self.stage {
                    self.head_ended(head.range().end, book);
                }
                for Branch { walker, book, .. } in self.branches.iter_mut().skip(known) {
                    walker.step(Step::Delimited(delimiter), book);
                }
                self.delimited(delimiter, book);
            }
            Step::Doubt(line) => {
                self.branch(
                    |habits| habits.loose,
                    book,
                    |walker, book| {
                        walker.resolve(line.clone(), book);
                    },
                );
                self.resolve(line, book);
            }
        }
    }

    /// Takes a line that is no field as its habits want.
    fn resolve(&mut self, line: Vec<u8>, book: &mut Book) {
        let loose = self.habits.loose;
        if let Stage::Head(head) = &mut self.stage {
            let step = head.resolve(line, loose);
            self.step(step, book);
        }
    }

    /// Takes lines that the header stage gave back: the first of the body, or of the next header.
    fn again(&mut self, line: &[u8], book: &mut Book) {
        if line.is_empty() {
            return;
        }
        self.offset -= line.len() as u64;
        self.feed(line, book);
    }

    /// The header block is complete: its part begins, and what takes the body with it.
    fn head_ended(&mut self, body_start: u64, book: &mut Book) {
        let empty = Stage::Body(Box::new(Body::new(Taker::Nobody)));
        let Stage::Head(head) = std::mem::replace(&mut self.stage, empty) else { return };
        head.note(book);
        let (parent, depth, in_digest) = match head.owner {
            Owner::Top => {
                book.header_range = head.range();
                (None, 0, false)
            }
            Owner::Enclosed { message, depth } => {
                self.header_part(&head, message, depth, book);
                (Some(message), depth, false)
            }
            Owner::Part { container, depth, in_digest } => (Some(container), depth, in_digest),
        };
        let place = Place { parent, depth, start: body_start };
        let is_message = !matches!(head.owner, Owner::Part { .. });
        let block = head.declarations();
        let declared = Declared::read(&block, (is_message, in_digest), self.habits, book);
        if declared.is_doubtful {
            self.doubt(&declared.entity, &block, (is_message, in_digest), place, book);
        }
        if head.owner == Owner::Top {
            book.header = head.block;
        }
        self.stage = self.begin(&declared.entity, place, book);
    }

    /// The header block of an enclosed message is a part of its own.
    fn header_part(&self, head: &Head, message: u16, depth: u8, book: &mut Book) {
        let part = Part {
            parent: Some(message),
            depth,
            kind: PartKind::HeaderBlock,
            media_type: "text/rfc822-headers".to_owned(),
            charset: None,
            encoding: TransferEncoding::Identity,
            disposition: tamis_domain::outline::Disposition::None,
            file_name: None,
            size: 0,
            digest: None,
        };
        let mut leaf = Leaf::new(&part, false, head.range().start, self.habits.returns);
        if let Some(index) = book.open(part) {
            leaf.push(&head.block);
            leaf.finish(index, book);
        }
    }

    /// Opens the part of `entity`; gives the stage that takes its body.
    fn begin(
        &mut self,
        entity: &Entity,
        Place { parent, depth, start }: Place,
        book: &mut Book,
    ) -> Stage {
        let returns = self.habits.returns;
        let shape = match entity.shape(depth < PART_DEPTH_MAX, book) {
            Shape::Message
                if entity.encoding != TransferEncoding::Identity
                    && self.wrappings >= WRAPPINGS_MAX =>
            {
                book.note(Oddity::TooDeep);
                Shape::Leaf(PartKind::Text)
            }
            Shape::Encoded { .. } if self.wrappings >= WRAPPINGS_MAX => {
                book.note(Oddity::TooDeep);
                Shape::Leaf(PartKind::Text)
            }
            shape => shape,
        };
        let kind = match &shape {
            Shape::Multipart { .. } | Shape::Encoded { .. } => PartKind::Container,
            Shape::Message => PartKind::Message,
            Shape::Leaf(kind) => *kind,
        };
        let part = entity.part(kind, parent, depth);
        let leaf = kind.is_leaf().then(|| Leaf::new(&part, entity.is_file(), start, returns));
        let Some(index) = book.open(part) else { return Stage::body(Taker::Nobody) };
        match (shape, leaf) {
            (Shape::Multipart { boundary }, _) => {
                self.frames.push(frame(boundary, entity, index, depth));
                let at = (start, returns);
                Stage::body(preamble(entity.encoding, (index, depth + 1), at))
            }
            (Shape::Encoded { boundary }, _) => {
                let mut walker = self.inner(Owner::Top);
                walker.frames.push(frame(boundary, entity, index, depth));
                let at = (0, returns);
                let identity = TransferEncoding::Identity;
                walker.stage = Stage::body(preamble(identity, (index, depth + 1), at));
                self.nested(entity.encoding, walker, start, book)
            }
            (_, Some(leaf)) => Stage::body(Taker::Leaf { leaf, index }),
            _ => self.enclosed(entity.encoding, index, depth + 1, start, book),
        }
    }

    /// The machine of an encoded text in this one.
    fn inner(&self, owner: Owner) -> Self {
        let mut walker = Self::new(owner, self.wrappings + 1);
        if self.habits != Habits::default() {
            walker.adopt(self.habits);
        }
        walker
    }

    fn nested(&self, encoding: TransferEncoding, walker: Self, start: u64, book: &Book) -> Stage {
        let at = (start, self.habits.returns);
        Stage::body(Taker::Nested(Box::new(Nested::new(encoding, walker, at, book.parts.len()))))
    }

    /// An enclosed message: in the clear it goes on in this text, encoded it is a text of its own.
    fn enclosed(
        &self,
        encoding: TransferEncoding,
        index: u16,
        depth: u8,
        start: u64,
        book: &Book,
    ) -> Stage {
        let owner = Owner::Enclosed { message: index, depth };
        if matches!(encoding, TransferEncoding::Identity | TransferEncoding::Unknown) {
            return Stage::Head(Box::new(Head::new(owner, start)));
        }
        self.nested(encoding, self.inner(owner), start, book)
    }

    fn delimited(&mut self, delimiter: Delimiter, book: &mut Book) {
        let shown = match &self.stage {
            Stage::Body(body) => boundary_of(&body.candidate),
            Stage::Head(_) => Vec::new(),
        };
        self.close(Some(delimiter), book);
        let frame = &mut self.frames[delimiter.frame];
        if frame.boundary.is_empty() {
            frame.boundary = shown;
        }
        if delimiter.closing {
            if !frame.has_parts {
                book.note(Oddity::EmptyMultipart);
            }
            frame.closed = true;
            self.stage = Stage::body(Taker::Nobody);
        } else {
            frame.has_parts = true;
            if book.is_full() {
                // Only delimiters matter from here on.
                book.note(Oddity::TooManyParts);
                self.stage = Stage::body(Taker::Nobody);
                return;
            }
            let owner = Owner::Part {
                container: frame.part,
                depth: frame.child_depth,
                in_digest: frame.is_digest,
            };
            self.stage = Stage::Head(Box::new(Head::new(owner, self.offset)));
        }
    }

    /// Ends the present body and all containers inside of the delimiter's, or all.
    fn close(&mut self, delimiter: Option<Delimiter>, book: &mut Book) {
        let depth = delimiter.map_or(0, |delimiter| delimiter.frame + 1);
        let first_part_comes =
            delimiter.is_some_and(|delimiter| !delimiter.closing && depth == self.frames.len());
        let stage = std::mem::replace(&mut self.stage, Stage::body(Taker::Nobody));
        if let Stage::Body(body) = stage {
            body.taker.finish(first_part_comes, book);
        }
        for frame in self.frames.drain(depth..).rev().filter(|frame| !frame.closed) {
            book.note(Oddity::UnclosedMultipart);
            if !frame.has_parts {
                book.note(Oddity::EmptyMultipart);
            }
        }
    }
}

/// Where a part stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    parent: Option<u16>,
    depth: u8,
    /// Offset of its body.
    start: u64,
}

/// Bytes for readings that may take a CR for a line end.
#[derive(Clone, Copy, Debug)]
enum Line<'a> {
    /// A CR before an LF.
    Pair,
    /// A CR alone.
    Lone,
    /// Bytes whose last one is no CR.
    Bytes(&'a [u8]),
}

fn frame(boundary: Vec<u8>, entity: &Entity, part: u16, depth: u8) -> Frame {
    Frame {
        boundary,
        part,
        child_depth: depth + 1,
        is_digest: entity.media_type == "multipart/digest",
        has_parts: false,
        closed: false,
    }
}

/// The boundary that a line shows, taken for a delimiter.
fn boundary_of(line: &[u8]) -> Vec<u8> {
    let line = without_line_end(line);
    line.strip_prefix(b"--").unwrap_or(line).trim_ascii_end().to_vec()
}

impl Stage {
    fn body(taker: Taker) -> Self {
        Self::Body(Box::new(Body::new(taker)))
    }
}
