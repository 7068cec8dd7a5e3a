//! The content of a mail on the wire: dots, line ends and the one true end (RFC 5321 section 4.5.2).
//!
//! The end of a mail is CR LF `.` CR LF and nothing else. Programs that also take LF `.` LF or CR `.` CR for it, beside others
//! that pass them on, let a sender hide a second mail in the first (SMTP smuggling). So the reader never
//! takes a look-alike for the end, and neither the reader nor the writer ever lets a look-alike out.

use bytes::{Buf, Bytes, BytesMut};

use super::line_ends::{BareLineEnds, LineEnds, Piece};

/// What to do with a CR or LF that is not part of CR LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareLineEnd {
    /// Refuse the mail at its end.
    Reject,
    /// Make it CR LF and count it.
    Normalise,
}

/// Why content was not taken. The reader still finds the end of the mail, so the session stays in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentFault {
    /// More bytes than the limit; the peer's fault, refuse.
    #[error("mail larger than {size_max} bytes")]
    TooBig {
        /// The limit, in bytes of content.
        size_max: u64,
    },
    /// A bare CR or LF under [`BareLineEnd::Reject`]; the peer's fault, refuse.
    #[error("bare CR or LF in the content")]
    BareLineEnd,
}

/// What is known when the end of a mail was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentEnd {
    /// Bytes of content, without stuffed dots and the final one; as normalised, if so.
    pub size: u64,
    /// Look-alike line ends seen (rewritten under [`BareLineEnd::Normalise`]).
    pub bare: BareLineEnds,
    /// Why the content must not be used, if so.
    pub fault: Option<ContentFault>,
}

/// Reads content off the wire, chunk by chunk. Holds a few bytes of state, never the mail.
#[derive(Clone, Debug)]
pub struct DataReader {
    policy: BareLineEnd,
    size_max: u64,
    line_ends: LineEnds,
    at: At,
    size: u64,
    bare: BareLineEnds,
    fault: Option<ContentFault>,
}

/// Where in a line, as true line ends define lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    /// After a dot at the start of a line: the end, or a stuffed dot to drop.
    Dot,
    Middle,
}

impl DataReader {
    /// A reader for one mail of at most `size_max` bytes of content.
    pub fn new(policy: BareLineEnd, size_max: u64) -> Self {
        Self {
            policy,
            size_max,
            line_ends: LineEnds::default(),
            at: At::Start,
            size: 0,
            bare: BareLineEnds::default(),
            fault: None,
        }
    }

    /// Takes content off the front of `input`: all of it, or up to and with the end of the mail.
    ///
    /// Gives the content found (empty after a fault) and, if it was reached, the end. What follows the end stays in
    /// `input`.
    pub fn read(&mut self, input: &mut BytesMut) -> (Bytes, Option<ContentEnd>) {
        let mut content = BytesMut::with_capacity(input.len());
        let mut rest: &[u8] = input;
        let mut end = None;
        while let Some(piece) = self.line_ends.next(&mut rest) {
            if self.at == At::Dot && piece == Piece::Crlf {
                end = Some(ContentEnd { size: self.size, bare: self.bare, fault: self.fault });
                break;
            }
            self.take(piece, &mut content);
        }
        let used = input.len() - rest.len();
        input.advance(used);
        if self.fault.is_some() {
            content.clear();
        }
        (content.freeze(), end)
    }

    /// Look-alike line ends seen so far.
    pub fn bare(&self) -> BareLineEnds {
        self.bare
    }

    fn take(&mut self, piece: Piece<'_>, content: &mut BytesMut) {
        self.bare.count(piece);
        match piece {
            Piece::Text(text) => {
                let stuffed = self.at == At::Start && text[0] == b'.';
                self.at = if stuffed && text.len() == 1 { At::Dot } else { At::Middle };
                self.put(if stuffed { &text[1..] } else { text }, content);
            }
            Piece::Crlf => {
                self.at = At::Start;
                self.put(b"\r\n", content);
            }
            // It ends with a true CR LF, so a dot behind it stands at the start of a line.
            Piece::CrRunLf(_) => self.look_alike(At::Start, content),
            Piece::BareCr | Piece::BareLf => self.look_alike(At::Middle, content),
        }
    }

    fn look_alike(&mut self, then: At, content: &mut BytesMut) {
        self.at = then;
        match self.policy {
            BareLineEnd::Normalise => self.put(b"\r\n", content),
            BareLineEnd::Reject => self.fault = self.fault.or(Some(ContentFault::BareLineEnd)),
        }
    }

    fn put(&mut self, bytes: &[u8], content: &mut BytesMut) {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if self.size > self.size_max && self.fault.is_none() {
            self.fault = Some(ContentFault::TooBig { size_max: self.size_max });
        }
        if self.fault.is_none() {
            content.extend_from_slice(bytes);
        }
    }
}

/// Writes content to the wire: stuffs dots, turns look-alike line ends into CR LF, and ends the mail when told to.
#[derive(Clone, Debug)]
pub struct DataWriter {
    line_ends: LineEnds,
    at_start: bool,
    bare: BareLineEnds,
}

impl Default for DataWriter {
    fn default() -> Self {
        // The line of the DATA command has ended just before.
        Self { line_ends: LineEnds::default(), at_start: true, bare: BareLineEnds::default() }
    }
}

impl DataWriter {
    /// Appends `content` to `wire`. At most doubles it.
    pub fn write(&mut self, content: &[u8], wire: &mut BytesMut) {
        wire.reserve(content.len() + 2);
        let mut rest = content;
        while let Some(piece) = self.line_ends.next(&mut rest) {
            self.put(piece, wire);
        }
    }

    /// Ends the mail: completes the last line, then the final dot.
    pub fn finish(&mut self, wire: &mut BytesMut) {
        while let Some(piece) = self.line_ends.finish() {
            self.put(piece, wire);
        }
        if !self.at_start {
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
    }

    /// Look-alike line ends rewritten so far; none if the content came from a [`DataReader`].
    pub fn bare(&self) -> BareLineEnds {
        self.bare
    }

    fn put(&mut self, piece: Piece<'_>, wire: &mut BytesMut) {
        self.bare.count(piece);
        if let Piece::Text(text) = piece {
            if self.at_start && text[0] == b'.' {
                wire.extend_from_slice(b".");
            }
            self.at_start = false;
            wire.extend_from_slice(text);
        } else {
            self.at_start = true;
            wire.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
