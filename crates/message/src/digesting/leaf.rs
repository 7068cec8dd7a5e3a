//! One leaf while its bytes come: decoder, hasher, size.

use tamis_domain::digest::PartDigest;
use tamis_domain::outline::{Oddity, Part};

use super::PART_CONTEXT;
use super::book::Book;
use crate::content::{Decoder, Form, Span};

/// A leaf under way.
#[derive(Debug)]
pub(super) struct Leaf {
    span: Span,
    decoder: Decoder,
    content: Named,
}

/// Content as it is named.
#[derive(Debug)]
struct Named {
    hasher: blake3::Hasher,
    size: u64,
}

impl Named {
    fn push(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
    }
}

impl Leaf {
    /// A leaf whose raw bytes begin at `start`.
    pub(super) fn new(part: &Part, is_file: bool, start: u64) -> Self {
        let form = Form::of(part.kind, part.encoding, is_file);
        let span = Span { start, end: start, wrappings: Vec::new(), encoding: part.encoding, form };
        let decoder = Decoder::new(&span);
        let hasher = blake3::Hasher::new_derive_key(PART_CONTEXT);
        Self { span, decoder, content: Named { hasher, size: 0 } }
    }

    pub(super) fn push(&mut self, raw: &[u8]) {
        self.span.end += raw.len() as u64;
        self.decoder.push(raw, &mut |bytes| self.content.push(bytes));
    }

    /// Writes size, name and span of part `index`.
    pub(super) fn finish(self, index: u16, book: &mut Book) {
        let Self { span, decoder, mut content } = self;
        if decoder.finish(&mut |bytes| content.push(bytes)) {
            book.note(Oddity::BrokenEncoding);
        }
        let index = usize::from(index);
        if let (Some(part), Some(place)) = (book.parts.get_mut(index), book.spans.get_mut(index)) {
            part.size = content.size;
            part.digest = Some(PartDigest(*content.hasher.finalize().as_bytes()));
            *place = Some(span);
        }
    }

    /// Whether no raw byte but blanks and line ends could have come: nothing was decoded so far.
    pub(super) const fn is_empty(&self) -> bool {
        self.content.size == 0
    }
}
