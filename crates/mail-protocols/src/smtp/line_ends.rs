//! Cuts content into text and line ends, and tells true line ends from look-alikes.
//!
//! Shared by the reader and the writer of mail content, so that both mean the same by "line end".

use super::limits::HELD_CR_MAX;

/// A piece of content. Texts hold neither CR nor LF and are never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes within a line.
    Text(&'a [u8]),
    /// CR LF.
    Crlf,
    /// CR LF with this many CRs too many before it: one line end, as programs make it that convert twice.
    CrRunLf(u8),
    /// A CR that no LF follows.
    BareCr,
    /// A LF that no CR precedes.
    BareLf,
}

/// How many look-alike line ends were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BareLineEnds {
    /// CRs that belong to no CR LF.
    pub cr: u64,
    /// LFs that belong to no CR LF.
    pub lf: u64,
}

impl BareLineEnds {
    /// Whether the content was free of look-alikes.
    pub fn none(&self) -> bool {
        self.cr == 0 && self.lf == 0
    }

    /// Counts what `piece` shows.
    pub fn count(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::BareLf => self.lf += 1,
            Piece::BareCr => self.cr += 1,
            Piece::CrRunLf(extra) => self.cr += u64::from(extra),
            Piece::Text(_) | Piece::Crlf => {}
        }
    }
}

/// The cutter. Holds only CRs whose meaning is open (at most [`HELD_CR_MAX`]).
#[derive(Clone, Debug, Default)]
pub struct LineEnds {
    held: u8,
}

impl LineEnds {
    /// Takes the next piece off the front of `input`; `None` when all of it was taken.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Piece<'a>> {
        loop {
            if self.held > 0 {
                match input.first() {
                    None => return None,
                    Some(b'\n') => {
                        *input = &input[1..];
                        let extra = std::mem::take(&mut self.held) - 1;
                        return Some(if extra == 0 { Piece::Crlf } else { Piece::CrRunLf(extra) });
                    }
                    Some(b'\r') if self.held < HELD_CR_MAX => {
                        *input = &input[1..];
                        self.held += 1;
                    }
                    Some(_) => {
                        self.held -= 1;
                        return Some(Piece::BareCr);
                    }
                }
                continue;
            }
            let end = input.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            match end {
                None if input.is_empty() => return None,
                Some(0) if input[0] == b'\n' => {
                    *input = &input[1..];
                    return Some(Piece::BareLf);
                }
                Some(0) => {
                    *input = &input[1..];
                    self.held = 1;
                }
                _ => {
                    let (text, rest) = input.split_at(end.unwrap_or(input.len()));
                    *input = rest;
                    return Some(Piece::Text(text));
                }
            }
        }
    }

    /// At the end of all content: each call gives one CR that is still held, as a bare one.
    pub fn finish(&mut self) -> Option<Piece<'static>> {
        self.held = self.held.checked_sub(1)?;
        Some(Piece::BareCr)
    }
}
