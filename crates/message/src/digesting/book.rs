//! What one pass writes down: parts, their spans, oddities.

use std::collections::BTreeMap;
use std::ops::Range;

use tamis_domain::limits::{PART_DEPTH_MAX, PARTS_MAX, SUPPLY_BYTES_MAX};
use tamis_domain::outline::{Oddity, Part};

use crate::content::{Form, Span, Wrapping};
use crate::filename::extension;
use tamis_domain::outline::TransferEncoding;

/// The outline while it grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    pub(super) header: Vec<u8>,
    pub(super) header_range: Range<u64>,
    pub(super) parts: Vec<Part>,
    pub(super) spans: Vec<Option<Span>>,
    pub(super) oddities: BTreeMap<Oddity, u32>,
    /// Where the body of the whole mail began, once it has.
    pub(super) body: Option<Begun>,
    /// Bytes of the parts of other readings so far.
    others: u64,
}

/// Bytes of the parts of other readings, all together. The dialogue takes twice the bytes of the largest mail in all.
pub(super) const OTHER_BYTES_MAX: u64 = SUPPLY_BYTES_MAX / 2;

/// The first bytes of the mail's body.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    /// Offset behind `first_line`.
    pub(super) offset: u64,
    /// A line that ended the header without being part of it: the first of the body.
    pub(super) first_line: Vec<u8>,
}

impl Book {
    pub(super) fn note(&mut self, oddity: Oddity) {
        self.note_times(oddity, 1);
    }

    pub(super) fn note_times(&mut self, oddity: Oddity, times: u32) {
        if times > 0 {
            let count = self.oddities.entry(oddity).or_default();
            *count = count.saturating_add(times);
        }
    }

    /// Adds a part; `None` (and an oddity) if there are too many.
    pub(super) fn open(&mut self, part: Part) -> Option<u16> {
        let index = u16::try_from(self.parts.len()).ok();
        let Some(index) = index.filter(|_| !self.is_full()) else {
            self.note(Oddity::TooManyParts);
            return None;
        };
        self.parts.push(part);
        self.spans.push(None);
        Some(index)
    }

    /// Whether there is no room for another part.
    pub(super) const fn is_full(&self) -> bool {
        self.parts.len() >= PARTS_MAX
    }

    /// The parts so far, for another reading of what follows.
    pub(super) fn branch(&self) -> Self {
        Self { parts: self.parts.clone(), spans: self.spans.clone(), ..Self::default() }
    }

    /// Adds what another reading found. All of it hangs on the mail itself: containers of one reading are none of another.
    pub(super) fn merge(&mut self, other: Self) {
        for (part, span) in other.parts.into_iter().zip(other.spans) {
            if let Some(span) = span {
                self.add_other(Part { parent: Some(0), ..part }, span);
            }
        }
    }

    /// Adds a leaf of another reading, unless it is empty or the usual one has it.
    pub(super) fn add_other(&mut self, part: Part, span: Span) {
        let extension = |part: &Part| part.file_name.as_deref().and_then(extension);
        let is_same = |known: &Part| {
            known.digest == part.digest
                && known.kind == part.kind
                && known.media_type == part.media_type
                && known.charset == part.charset
                && extension(known) == extension(&part)
        };
        // Bytes that are no lines do not change with what ends a line.
        let is_same_place = |known: &Span| {
            (known.start, known.end) == (span.start, span.end)
                && known.wrappings.len() == span.wrappings.len()
                && known.encoding == span.encoding
        };
        let is_raw = span.returns && span.form == Form::Lines;
        if part.size == 0
            || self.parts.iter().any(is_same)
            || is_raw && self.spans.iter().flatten().any(is_same_place)
        {
            return;
        }
        if self.others.saturating_add(part.size) > OTHER_BYTES_MAX {
            return self.note(Oddity::TooManyParts);
        }
        let parent = part.parent.and_then(|at| self.parts.get(usize::from(at)));
        let depth = parent.map_or(0, |parent| parent.depth.saturating_add(1));
        let size = part.size;
        if let Some(index) = self.open(Part { depth: depth.min(PART_DEPTH_MAX), ..part }) {
            self.others += size;
            self.note(Oddity::OtherReading);
            if let Some(place) = self.spans.get_mut(usize::from(index)) {
                *place = Some(span);
            }
        }
    }

    /// Parts from `first` on were found inside of an encoded message, which now turns out to stand at `range`.
    pub(super) fn wrap(
        &mut self,
        first: usize,
        range: Range<u64>,
        encoding: TransferEncoding,
        returns: bool,
    ) {
        for span in self.spans.iter_mut().skip(first).flatten() {
            let Span { start, end, returns: inner, .. } = *span;
            span.wrappings.insert(0, Wrapping { encoding, start, end, returns: inner });
            (span.start, span.end, span.returns) = (range.start, range.end, returns);
        }
    }
}
