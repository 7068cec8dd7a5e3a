//! What one pass writes down: parts, their spans, oddities.

use std::collections::BTreeMap;
use std::ops::Range;

use tamis_domain::limits::PARTS_MAX;
use tamis_domain::outline::{Oddity, Part};

use crate::content::{Span, Wrapping};
use tamis_domain::outline::TransferEncoding;

/// The outline while it grows.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) header: Vec<u8>,
    pub(super) header_range: Range<u64>,
    pub(super) parts: Vec<Part>,
    pub(super) spans: Vec<Option<Span>>,
    pub(super) oddities: BTreeMap<Oddity, u32>,
    /// Where the body of the whole mail began, once it has.
    pub(super) body: Option<Begun>,
}

/// The first bytes of the mail's body.
#[derive(Debug)]
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
        let Some(index) = index.filter(|_| self.parts.len() < PARTS_MAX) else {
            self.note(Oddity::TooManyParts);
            return None;
        };
        self.parts.push(part);
        self.spans.push(None);
        Some(index)
    }

    /// Parts from `first` on were found inside of an encoded message, which now turns out to stand at `range`.
    pub(super) fn wrap(&mut self, first: usize, range: Range<u64>, encoding: TransferEncoding) {
        for span in self.spans.iter_mut().skip(first).flatten() {
            let wrapping = Wrapping { encoding, start: span.start, end: span.end };
            span.wrappings.insert(0, wrapping);
            (span.start, span.end) = (range.start, range.end);
        }
    }
}
