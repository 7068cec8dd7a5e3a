//! One leaf while its bytes come: decoder, hasher, size; and the other contents that some programs see in it.

use tamis_domain::digest::PartDigest;
use tamis_domain::outline::{Oddity, Part, PartKind, TransferEncoding};

use super::OF_A_PART;
use super::blocks::Blocks;
use super::book::Book;
use super::habits::Habits;
use crate::content::{Decoder, Form, Span};

/// A leaf under way.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    span: Span,
    decoder: Decoder,
    content: Named,
    /// Where decoders of another make stop, and what they have then.
    stopped: Option<Box<(u64, Named)>>,
    /// Files in uuencode within a text.
    blocks: Option<Box<Blocks>>,
}

/// Content as it is named.
#[derive(Clone, Debug)]
pub(super) struct Named {
    hasher: blake3::Hasher,
    size: u64,
    /// Short pieces until they are many: the hash of sixteen kilobytes at once costs a third of that of its lines.
    gathered: Vec<u8>,
}

/// Bytes of [`Named::gathered`] at most.
const GATHERED_BYTES_MAX: usize = 16 * 1024;

impl Named {
    pub(super) fn new() -> Self {
        Self { hasher: OF_A_PART.clone(), size: 0, gathered: Vec::new() }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        if self.gathered.len() + bytes.len() > GATHERED_BYTES_MAX {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
        }
        if bytes.len() < GATHERED_BYTES_MAX {
            self.gathered.extend_from_slice(bytes);
        } else {
            self.hasher.update(bytes);
        }
    }

    /// The part with this content.
    pub(super) fn in_part(&self, part: &Part) -> Part {
        let mut hasher = self.hasher.clone();
        let digest = Some(PartDigest(*hasher.update(&self.gathered).finalize().as_bytes()));
        Part { size: self.size, digest, ..part.clone() }
    }
}

impl Leaf {
    /// A leaf whose raw bytes begin at `start`, in a text where a lone CR ends a line if `returns` says so: such bytes
    /// come as LF.
    pub(super) fn new(part: &Part, is_file: bool, start: u64, returns: bool) -> Self {
        let form = Form::of(part.kind, part.encoding, is_file);
        let encoding = part.encoding;
        let span =
            Span { start, end: start, wrappings: Vec::new(), encoding, form, returns: false };
        let decoder = Decoder::new(&span);
        let is_text = part.kind == PartKind::Text && encoding != TransferEncoding::Uuencode;
        Self {
            span: Span { returns, ..span },
            decoder,
            content: Named::new(),
            stopped: None,
            blocks: is_text.then(Box::default),
        }
    }

    /// From here on the text is read with these habits.
    pub(super) const fn adopt(&mut self, habits: Habits) {
        self.span.returns = habits.returns;
    }

    pub(super) fn push(&mut self, raw: &[u8]) {
        let mut rest = raw;
        while !rest.is_empty() {
            let Self { decoder, content, blocks, .. } = self;
            let mut watch = |decoded: &[u8]| {
                if let Some(blocks) = blocks {
                    blocks.push(decoded);
                }
            };
            let used = decoder.push_watched(rest, &mut watch, &mut |bytes| content.push(bytes));
            self.span.end += used as u64;
            rest = &rest[used..];
            if self.stopped.is_none() && self.decoder.is_stopped() {
                let mut content = self.content.clone();
                self.decoder.clone().finish(&mut |bytes| content.push(bytes));
                self.stopped = Some(Box::new((self.span.end, content)));
            }
        }
    }

    /// Writes size, name and span of part `index`, and the other contents behind it.
    pub(super) fn finish(self, index: u16, book: &mut Book) {
        let Self { span, decoder, mut content, stopped, mut blocks } = self;
        let mut watch = |decoded: &[u8]| {
            if let Some(blocks) = &mut blocks {
                blocks.push(decoded);
            }
        };
        if decoder.finish_watched(&mut watch, &mut |bytes| content.push(bytes)) {
            book.note(Oddity::BrokenEncoding);
        }
        let index = usize::from(index);
        let Some(part) = book.parts.get_mut(index) else { return };
        *part = content.in_part(part);
        let part = part.clone();
        if let Some(place) = book.spans.get_mut(index) {
            *place = Some(span.clone());
        }
        if let Some((end, shorter)) = stopped.map(|it| *it)
            && shorter.size < content.size
        {
            book.add_other(shorter.in_part(&part), Span { end, ..span.clone() });
        }
        for (file, inner) in blocks.map(|blocks| blocks.finish(&part, &span)).unwrap_or_default() {
            book.add_other(file, inner);
        }
    }

    /// Whether no raw byte but blanks and line ends could have come: nothing was decoded so far.
    pub(super) const fn is_empty(&self) -> bool {
        self.content.size == 0
    }
}
