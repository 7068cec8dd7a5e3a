//! First step of content: the transfer encoding is removed. One machine for each encoding, each with constant memory.

use tamis_domain::outline::TransferEncoding;

use super::base64::Base64;
use super::quoted_printable::QuotedPrintable;
use super::uuencode::Uuencode;

/// Removes one transfer encoding.
#[derive(Clone, Debug)]
pub(crate) enum Transfer {
    Identity { held_cr: bool },
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
    Uuencode { held_cr: bool, decoder: Uuencode },
}

impl Transfer {
    pub(crate) fn new(encoding: TransferEncoding) -> Self {
        match encoding {
            TransferEncoding::Identity | TransferEncoding::Unknown => {
                Self::Identity { held_cr: false }
            }
            TransferEncoding::Base64 => Self::Base64(Base64::default()),
            TransferEncoding::QuotedPrintable => Self::QuotedPrintable(QuotedPrintable::default()),
            TransferEncoding::Uuencode => {
                Self::Uuencode { held_cr: false, decoder: Uuencode::default() }
            }
        }
    }

    pub(crate) fn push(&mut self, raw: &[u8], out: &mut dyn FnMut(&[u8])) {
        match self {
            Self::Identity { held_cr } => pass_lines(held_cr, raw, out),
            Self::Base64(decoder) => decoder.push(raw, out),
            Self::QuotedPrintable(decoder) => decoder.push(raw, out),
            Self::Uuencode { held_cr, decoder } => {
                pass_lines(held_cr, raw, &mut |lines| decoder.push(lines, out));
            }
        }
    }

    /// Takes bytes up to where decoders of another make stop, once; says how many.
    pub(crate) fn push_to_stop(&mut self, raw: &[u8], out: &mut dyn FnMut(&[u8])) -> usize {
        if let Self::Base64(decoder) = self {
            return decoder.push_to_stop(raw, out);
        }
        self.push(raw, out);
        raw.len()
    }

    /// Whether decoders of another make would have stopped before now.
    pub(crate) const fn is_stopped(&self) -> bool {
        matches!(self, Self::Base64(decoder) if decoder.is_stopped())
    }

    /// Gives out what was held back. Returns whether the encoding broke its own rules.
    pub(crate) fn finish(&mut self, out: &mut dyn FnMut(&[u8])) -> bool {
        match self {
            Self::Identity { held_cr } => {
                if std::mem::take(held_cr) {
                    out(b"\r");
                }
                false
            }
            Self::Base64(decoder) => decoder.finish(out),
            Self::QuotedPrintable(decoder) => decoder.finish(out),
            Self::Uuencode { held_cr, decoder } => {
                if std::mem::take(held_cr) {
                    decoder.push(b"\r", out);
                }
                decoder.finish(out)
            }
        }
    }
}

/// CR LF becomes LF; a CR at the end of a piece waits for the next one.
fn pass_lines(held_cr: &mut bool, raw: &[u8], out: &mut dyn FnMut(&[u8])) {
    if raw.is_empty() {
        return;
    }
    if std::mem::take(held_cr) && raw[0] != b'\n' {
        out(b"\r");
    }
    let mut start = 0;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\r', &raw[at..]) {
        let cr = at + found;
        at = cr + 1;
        match raw.get(at) {
            Some(b'\n') => {
                out(&raw[start..cr]);
                start = at;
            }
            Some(_) => {}
            None => {
                *held_cr = true;
                out(&raw[start..cr]);
                start = at;
            }
        }
    }
    if start < raw.len() {
        out(&raw[start..]);
    }
}
