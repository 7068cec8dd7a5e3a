//! The machine that follows one text: the mail, or the decoded bytes of an enclosed message.

use tamis_domain::limits::PART_DEPTH_MAX;
use tamis_domain::outline::{Oddity, Part, PartKind, TransferEncoding};

use super::body::{Body, Nested, Taker, preamble};
use super::book::{Begun, Book};
use super::census::Census;
use super::delimiter::{Delimiter, Frame, find};
use super::entity::{Entity, Shape};
use super::head::{Head, Owner, Step};
use super::leaf::Leaf;

/// Encoded messages in encoded messages taken apart. RFC 2046 forbids even one (RFC 6532 allows `message/global`), and
/// every layer costs a pass over the bytes.
pub const WRAPPINGS_MAX: u8 = 4;

/// Follows lines, boundaries and headers of one text.
#[derive(Debug)]
pub(super) struct Walker {
    frames: Vec<Frame>,
    stage: Stage,
    /// Bytes of this text taken so far.
    offset: u64,
    census: Census,
    wrappings: u8,
}

#[derive(Debug)]
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
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], book: &mut Book) {
        self.census.push(bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = match &mut self.stage {
                Stage::Head(head) => {
                    let (used, step) = head.push(rest, &self.frames, book);
                    self.offset += used as u64;
                    self.step(step, book);
                    used
                }
                Stage::Body(body) => {
                    let (used, delimiter) = body.push(rest, &self.frames, book);
                    self.offset += used as u64;
                    if let Some(delimiter) = delimiter {
                        self.delimited(delimiter, book);
                    }
                    used
                }
            };
            rest = &rest[used..];
        }
    }

    pub(super) fn finish(mut self, book: &mut Book) {
        loop {
            match &mut self.stage {
                Stage::Head(head) => {
                    let step = head.finish(&self.frames, book);
                    let step = if step == Step::More { Step::Ended(Vec::new()) } else { step };
                    self.step(step, book);
                }
                Stage::Body(body) => {
                    // A delimiter may stand at the very end without a line end.
                    let Some(delimiter) = find(&body.candidate, &self.frames) else {
                        body.settle(book);
                        break;
                    };
                    self.delimited(delimiter, book);
                }
            }
        }
        self.close(None, book);
        self.census.finish(book);
    }

    fn step(&mut self, step: Step, book: &mut Book) {
        match step {
            Step::More => {}
            Step::Ended(first_line) => {
                if matches!(&self.stage, Stage::Head(head) if head.owner == Owner::Top) {
                    book.body = Some(Begun { offset: self.offset, first_line: first_line.clone() });
                }
                self.head_ended(self.offset - first_line.len() as u64, book);
                self.again(&first_line, book);
            }
            Step::Delimited(delimiter) => {
                // The part ends within its header: its body is empty, and so is a message's in it.
                while let Stage::Head(head) = &self.stage {
                    self.head_ended(head.range().end, book);
                }
                self.delimited(delimiter, book);
            }
        }
    }

    /// Takes a line that the header stage gave back: the first of the body, or of the next header.
    fn again(&mut self, line: &[u8], book: &mut Book) {
        if line.is_empty() {
            return;
        }
        match &mut self.stage {
            Stage::Head(head) => {
                let (_, step) = head.push(line, &self.frames, book);
                self.step(step, book);
            }
            Stage::Body(body) => {
                if let (_, Some(delimiter)) = body.push(line, &self.frames, book) {
                    self.delimited(delimiter, book);
                }
            }
        }
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
        let is_message = !matches!(head.owner, Owner::Part { .. });
        let entity = Entity::read(&head.block, is_message, in_digest, book);
        if head.owner == Owner::Top {
            book.header = head.block;
        }
        self.stage = self.begin(&entity, parent, depth, body_start, book);
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
        let mut leaf = Leaf::new(&part, false, head.range().start);
        if let Some(index) = book.open(part) {
            leaf.push(&head.block);
            leaf.finish(index, book);
        }
    }

    /// Opens the part of `entity`; gives the stage that takes its body.
    fn begin(
        &mut self,
        entity: &Entity,
        parent: Option<u16>,
        depth: u8,
        start: u64,
        book: &mut Book,
    ) -> Stage {
        let shape = match entity.shape(depth < PART_DEPTH_MAX, book) {
            Shape::Message
                if entity.encoding != TransferEncoding::Identity
                    && self.wrappings >= WRAPPINGS_MAX =>
            {
                book.note(Oddity::TooDeep);
                Shape::Leaf(PartKind::Text)
            }
            shape => shape,
        };
        let kind = match &shape {
            Shape::Multipart { .. } => PartKind::Container,
            Shape::Message => PartKind::Message,
            Shape::Leaf(kind) => *kind,
        };
        let part = entity.part(kind, parent, depth);
        let leaf = kind.is_leaf().then(|| Leaf::new(&part, entity.is_file(), start));
        let Some(index) = book.open(part) else { return Stage::body(Taker::Nobody) };
        match (shape, leaf) {
            (Shape::Multipart { boundary }, _) => {
                self.frames.push(Frame {
                    boundary,
                    part: index,
                    child_depth: depth + 1,
                    is_digest: entity.media_type == "multipart/digest",
                    has_parts: false,
                    closed: false,
                });
                Stage::body(preamble(entity, index, depth + 1, start))
            }
            (_, Some(leaf)) => Stage::body(Taker::Leaf { leaf, index }),
            _ => self.enclosed(entity.encoding, index, depth + 1, start, book),
        }
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
        let walker = Self::new(owner, self.wrappings + 1);
        Stage::body(Taker::Nested(Box::new(Nested::new(encoding, walker, start, book.parts.len()))))
    }

    fn delimited(&mut self, delimiter: Delimiter, book: &mut Book) {
        self.close(Some(delimiter), book);
        let frame = &mut self.frames[delimiter.frame];
        if delimiter.closing {
            if !frame.has_parts {
                book.note(Oddity::EmptyMultipart);
            }
            frame.closed = true;
            self.stage = Stage::body(Taker::Nobody);
        } else {
            frame.has_parts = true;
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

impl Stage {
    fn body(taker: Taker) -> Self {
        Self::Body(Box::new(Body::new(taker)))
    }
}
