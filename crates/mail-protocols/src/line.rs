//! Finds where a line ends before anybody reads what it says.
//!
//! A line ends with CR LF and with nothing else (RFC 5321 section 2.3.8). Everything that looks like a line
//! end to some other program, but is not one, is reported instead of guessed: two programs that
//! disagree on where a line ends can be made to disagree on where a mail ends.

use bytes::{Buf, Bytes, BytesMut};

/// What stands at the head of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A whole line, without its CR LF.
    Text(Bytes),
    /// A whole line holding a CR in its middle. The line was dropped; the reader is in step.
    BareCr,
    /// A LF without its CR. What came before it was dropped; whether the peer meant a line end is unknown.
    BareLf,
    /// A line longer than the limit. It was dropped to its end; the reader is in step.
    TooLong,
}

/// Cuts lines out of an input buffer, whatever the pieces in which the bytes arrive.
///
/// Each byte is looked at once, and at most `bytes_max` bytes of an unfinished line are kept.
#[derive(Clone, Debug)]
pub struct LineReader {
    bytes_max: usize,
    scanned: usize,
    skipping: bool,
}

impl LineReader {
    /// A reader of lines of at most `bytes_max` bytes, CR LF included.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, scanned: 0, skipping: false }
    }

    /// Takes the next line off `input`, or nothing when no line has ended yet.
    ///
    /// `input` may grow at its end between calls, and must not be changed otherwise while `None` was
    /// the last answer.
    pub fn next(&mut self, input: &mut BytesMut) -> Option<Line> {
        let Some(at) = input[self.scanned..].iter().position(|byte| *byte == b'\n') else {
            self.keep_unfinished(input);
            return None;
        };
        let mut line = input.split_to(self.scanned + at + 1);
        self.scanned = 0;
        let skipped = std::mem::take(&mut self.skipping);
        if !line.ends_with(b"\r\n") {
            return Some(Line::BareLf);
        }
        if skipped || line.len() > self.bytes_max {
            return Some(Line::TooLong);
        }
        line.truncate(line.len() - 2);
        if line.contains(&b'\r') {
            return Some(Line::BareCr);
        }
        Some(Line::Text(line.freeze()))
    }

    fn keep_unfinished(&mut self, input: &mut BytesMut) {
        if input.len() >= self.bytes_max {
            // The last byte stays: it may be the CR of the line's end.
            self.skipping = true;
            input.advance(input.len() - 1);
        }
        self.scanned = input.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes_max: usize, text: &[u8], piece: usize) -> Vec<Line> {
        let (mut reader, mut input) = (LineReader::new(bytes_max), BytesMut::new());
        let mut lines = Vec::new();
        for part in text.chunks(piece) {
            input.extend_from_slice(part);
            while let Some(line) = reader.next(&mut input) {
                lines.push(line);
            }
            assert!(input.len() <= bytes_max + part.len());
        }
        lines
    }

    fn text(line: &str) -> Line {
        Line::Text(Bytes::copy_from_slice(line.as_bytes()))
    }

    #[test]
    fn only_crlf_ends_a_line_whatever_the_split() {
        let bytes = b"one\r\n\r\ntw\ro\r\nthree\nfour\r\r\nfive\r\n";
        let expect =
            [text("one"), text(""), Line::BareCr, Line::BareLf, Line::BareCr, text("five")];
        for piece in 1..=bytes.len() {
            assert_eq!(read(100, bytes, piece), expect, "pieces of {piece}");
        }
    }

    #[test]
    fn a_line_of_the_limit_passes_and_one_byte_more_does_not() {
        for piece in 1..=20 {
            assert_eq!(read(8, b"123456\r\nok\r\n", piece), [text("123456"), text("ok")]);
            assert_eq!(read(8, b"1234567\r\nok\r\n", piece), [Line::TooLong, text("ok")]);
        }
    }

    #[test]
    fn an_endless_line_is_dropped_without_being_kept() {
        let mut bytes = vec![b'a'; 10_000];
        bytes.extend_from_slice(b"\r\nok\r\n");
        for piece in [1, 7, 4096] {
            assert_eq!(read(64, &bytes, piece), [Line::TooLong, text("ok")]);
        }
    }
}
