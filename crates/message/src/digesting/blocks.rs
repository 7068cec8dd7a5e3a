//! Files in uuencode that stand in a text, undeclared: some mail programs show them as attachments.

use std::ops::Range;

use tamis_domain::limits::FILE_NAME_CHARS_MAX;
use tamis_domain::outline::{Disposition, Part, PartKind, TransferEncoding};

use super::leaf::Named;
use crate::content::uuencode::is_begin;
use crate::content::{Form, Span, Transfer, Wrapping};

/// Files looked for in one text. Archives of old lists have a few in a mail.
pub(super) const BLOCKS_MAX: usize = 16;

/// Bytes of a line in which `begin`, a mode and a name are looked for.
const LINE_BYTES_MAX: usize = 512;

/// Looks at the lines of a decoded text.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    /// Bytes before the present line.
    before: u64,
    /// Bytes of the present line.
    length: u64,
    /// Its beginning.
    line: Vec<u8>,
    open: Option<Block>,
    found: Vec<(Range<u64>, Block)>,
}

/// One file under way.
#[derive(Clone, Debug)]
struct Block {
    start: u64,
    name: String,
    transfer: Transfer,
    content: Named,
}

impl Blocks {
    pub(super) fn push(&mut self, decoded: &[u8]) {
        let mut rest = decoded;
        while !rest.is_empty() {
            if self.open.is_none() && self.length == 0 && rest[0] == b'\n' {
                // Empty lines, of which there may be as many as bytes.
                let run = rest.iter().take_while(|byte| **byte == b'\n').count();
                self.before += run as u64;
                rest = &rest[run..];
                continue;
            }
            let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let piece;
            (piece, rest) = rest.split_at(length);
            if let Some(Block { transfer, content, .. }) = &mut self.open {
                transfer.push(piece, &mut |bytes| content.push(bytes));
            }
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len()).min(piece.len());
            // Only lines that may be of interest are kept.
            let may_begin = self.length == 0 && piece.first() == Some(&b'b');
            if self.open.is_some() || may_begin || !self.line.is_empty() {
                self.line.extend_from_slice(&piece[..room]);
            }
            self.length += piece.len() as u64;
            if piece.last() == Some(&b'\n') {
                self.line_end();
            }
        }
    }

    fn line_end(&mut self) {
        let end = self.before + self.length;
        let line = self.line.trim_ascii_end();
        if self.open.is_some() {
            if line == b"end" {
                self.close(end);
            }
        } else if is_begin(line)
            && self.length <= LINE_BYTES_MAX as u64
            && self.found.len() < BLOCKS_MAX
        {
            let name = line.splitn(3, |&byte| byte == b' ').nth(2).unwrap_or_default();
            let name = crate::words::decode(name).chars().take(FILE_NAME_CHARS_MAX).collect();
            let mut transfer = Transfer::new(TransferEncoding::Uuencode);
            let mut content = Named::new();
            transfer.push(&self.line, &mut |bytes| content.push(bytes));
            self.open = Some(Block { start: self.before, name, transfer, content });
        }
        (self.before, self.length) = (end, 0);
        self.line.clear();
    }

    fn close(&mut self, end: u64) {
        if let Some(mut block) = self.open.take() {
            let Block { transfer, content, .. } = &mut block;
            transfer.finish(&mut |bytes| content.push(bytes));
            self.found.push((block.start..end, block));
        }
    }

    /// The files in the text of `part`, which stands at `span`.
    pub(super) fn finish(mut self, part: &Part, span: &Span) -> Vec<(Part, Span)> {
        self.close(self.before + self.length);
        let files = self.found.into_iter().map(|(range, block)| {
            let file = Part {
                kind: PartKind::Other,
                media_type: "application/octet-stream".to_owned(),
                charset: None,
                encoding: TransferEncoding::Uuencode,
                disposition: Disposition::Attachment,
                file_name: Some(block.name).filter(|name| !name.is_empty()),
                ..block.content.in_part(part)
            };
            let Range { start, end } = range;
            let around = Wrapping { encoding: span.encoding, start, end, returns: false };
            let inner = Span {
                wrappings: vec![around],
                encoding: TransferEncoding::Uuencode,
                form: Form::Exact,
                ..span.clone()
            };
            (file, inner)
        });
        files.collect()
    }
}
