//! The canonical content of a leaf part: what its name names, and what travels.
//!
//! Content is made in two steps, which any other language must be able to repeat byte for byte.
//!
//! 1. **The transfer encoding is removed**, tolerantly:
//!    - *identity* (7bit, 8bit, binary, none, unknown words): every CR LF becomes LF, because doors differ in how they
//!      show line ends; all other bytes stay.
//!    - *base64*: characters outside the alphabet are skipped. `=` ends a quantum: two characters give one byte, three
//!      give two, one gives none; decoding goes on behind it. The end of the body does the same.
//!    - *quoted-printable*: `=` and two hexadecimal digits of either case are a byte; `=`, blanks and a line end are
//!      nothing; blanks before a line end or before the end of the body are nothing (of a run longer than
//!      [`BLANKS_HELD_MAX`] whole blocks of that many stay); a line end is LF; any other `=` stays as it is. A `=`
//!      and blanks at the end of the body are nothing.
//!    - *uuencode*: lines between `begin MODE NAME` and `end` are decoded; other lines that are not empty stay, each
//!      followed by LF.
//! 2. **The form is applied** ([`Form`]): nothing, or all LF at the very end removed, or CR LF and CR turned into LF
//!    and then all LF at the very end removed.
//!
//! Trailing blank lines go because doors differ in them.

pub(crate) mod base64;
mod form;
mod quoted_printable;
pub(crate) mod returns;
mod transfer;
pub(crate) mod uuencode;

pub use quoted_printable::BLANKS_HELD_MAX;
pub use uuencode::UUENCODE_LINE_BYTES_MAX;

use form::Shaper;
use returns::Returns;
pub(crate) use transfer::Transfer;

use tamis_domain::outline::{PartKind, TransferEncoding};

/// Where the bytes of one leaf stand in the raw mail, and how they become content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first raw byte in the mail as pushed.
    pub start: u64,
    /// Offset behind the last raw byte.
    pub end: u64,
    /// Encoded messages around this part, outermost first; empty for nearly all mail.
    pub wrappings: Vec<Wrapping>,
    /// Transfer encoding of the part itself.
    pub encoding: TransferEncoding,
    /// What is done to line ends once the encoding is removed.
    pub form: Form,
    /// Whether a lone CR ends a line before all else: so it is in another reading of an ambiguous mail.
    pub returns: bool,
}

/// One transfer-encoded enclosed message on the way to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrapping {
    /// How the enclosed message is encoded.
    pub encoding: TransferEncoding,
    /// Offset of the next layer's first byte in the decoded message.
    pub start: u64,
    /// Offset behind the next layer's last byte in the decoded message.
    pub end: u64,
    /// Whether a lone CR ends a line in the decoded message, as in [`Span::returns`].
    pub returns: bool,
}

/// What is done to line ends of decoded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing: a file sent as base64 or uuencode is the same through every door.
    Exact,
    /// Line ends at the very end are removed: bytes that are not text but travelled as lines.
    Lines,
    /// CR LF and CR become LF, then line ends at the very end are removed.
    Text,
}

impl Form {
    /// The form of a leaf of this kind and encoding; `file` if it has a file name or asks to be saved.
    ///
    /// A file in base64 or uuencode keeps its bytes whatever type it declares, so that hash lists of other
    /// makers and malware engines see what the recipient would save.
    #[must_use]
    pub const fn of(kind: PartKind, encoding: TransferEncoding, file: bool) -> Self {
        let bytes = matches!(encoding, TransferEncoding::Base64 | TransferEncoding::Uuencode);
        match (kind.is_textual(), bytes, file) {
            (true, false, _) | (true, true, false) => Self::Text,
            (_, true, _) => Self::Exact,
            (false, false, _) => Self::Lines,
        }
    }
}

impl Span {
    /// Number of raw bytes that the decoder takes.
    #[must_use]
    pub const fn raw_bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The raw bytes of the part in a mail held as one piece: what [`decode`] takes. Empty where the mail is another one.
    #[must_use]
    pub fn of<'a>(&self, mail: &'a [u8]) -> &'a [u8] {
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        mail.get(at(self.start)..at(self.end)).unwrap_or_default()
    }
}

/// Raw bytes of one span in, in order and in pieces of any size; canonical content out. Constant memory.
#[derive(Clone, Debug)]
pub struct Decoder {
    returns: Option<Returns>,
    wrappings: Vec<Unwrapper>,
    transfer: Transfer,
    shaper: Shaper,
}

/// Decodes one wrapping and lets through the window that the next layer stands in.
#[derive(Clone, Debug)]
struct Unwrapper {
    transfer: Transfer,
    seen: u64,
    start: u64,
    end: u64,
    returns: Option<Returns>,
}

impl Decoder {
    /// A decoder for the raw bytes `span.start..span.end` of the mail.
    #[must_use]
    pub fn new(span: &Span) -> Self {
        let wrappings = span.wrappings.iter().map(|wrapping| Unwrapper {
            transfer: Transfer::new(wrapping.encoding),
            seen: 0,
            start: wrapping.start,
            end: wrapping.end,
            returns: wrapping.returns.then(Returns::default),
        });
        Self {
            returns: span.returns.then(Returns::default),
            wrappings: wrappings.collect(),
            transfer: Transfer::new(span.encoding),
            shaper: Shaper::new(span.form),
        }
    }

    /// Takes the next raw bytes; `out` is called with content, any number of times.
    pub fn push(&mut self, raw: &[u8], out: &mut dyn FnMut(&[u8])) {
        let Self { returns, wrappings, transfer, shaper } = self;
        let mut inner = |raw: &[u8]| {
            unwrap_layers(wrappings, raw, &mut |bytes| {
                transfer.push(bytes, &mut |decoded| shaper.push(decoded, out));
            });
        };
        match returns {
            Some(returns) => returns.push(raw, &mut inner),
            None => inner(raw),
        }
    }

    /// The same for a part that stands in no wrapping, up to where decoders of another make stop, once: says how many
    /// bytes were taken. `seen` gets what is decoded, before line ends are made one.
    pub(crate) fn push_watched(
        &mut self,
        raw: &[u8],
        seen: &mut dyn FnMut(&[u8]),
        out: &mut dyn FnMut(&[u8]),
    ) -> usize {
        let Self { transfer, shaper, .. } = self;
        transfer.push_to_stop(raw, &mut |decoded| {
            seen(decoded);
            shaper.push(decoded, out);
        })
    }

    /// Whether decoders of another make would have stopped before now.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.transfer.is_stopped()
    }

    /// The end of what [`Self::push_watched`] took.
    pub(crate) fn finish_watched(
        self,
        seen: &mut dyn FnMut(&[u8]),
        out: &mut dyn FnMut(&[u8]),
    ) -> bool {
        let Self { mut transfer, mut shaper, .. } = self;
        transfer.finish(&mut |decoded| {
            seen(decoded);
            shaper.push(decoded, out);
        })
    }

    /// Says that the raw bytes are over; the last content comes out. Returns whether the part's own encoding was broken.
    pub fn finish(self, out: &mut dyn FnMut(&[u8])) -> bool {
        let Self { returns, mut wrappings, mut transfer, mut shaper } = self;
        if let Some(mut returns) = returns {
            returns.finish(&mut |raw| {
                unwrap_layers(&mut wrappings, raw, &mut |bytes| {
                    transfer.push(bytes, &mut |decoded| shaper.push(decoded, out));
                });
            });
        }
        finish_layers(&mut wrappings, &mut |bytes| {
            transfer.push(bytes, &mut |decoded| shaper.push(decoded, out));
        });
        transfer.finish(&mut |decoded| shaper.push(decoded, out))
    }
}

impl Unwrapper {
    /// Hands the window's share of what was decoded to the next layers.
    fn pass(&mut self, decoded: &[u8], rest: &mut [Self], out: &mut dyn FnMut(&[u8])) {
        let window = self.window(decoded);
        match &mut self.returns {
            Some(returns) => returns.push(window, &mut |bytes| unwrap_layers(rest, bytes, out)),
            None => unwrap_layers(rest, window, out),
        }
    }

    fn window<'a>(&mut self, decoded: &'a [u8]) -> &'a [u8] {
        let at = self.seen;
        self.seen += decoded.len() as u64;
        let cut = |offset: u64| {
            usize::try_from(offset.saturating_sub(at))
                .map_or(decoded.len(), |n| n.min(decoded.len()))
        };
        &decoded[cut(self.start)..cut(self.end.max(self.start))]
    }
}

fn unwrap_layers(layers: &mut [Unwrapper], bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
    let Some((first, rest)) = layers.split_first_mut() else {
        out(bytes);
        return;
    };
    let mut transfer =
        std::mem::replace(&mut first.transfer, Transfer::new(TransferEncoding::Identity));
    transfer.push(bytes, &mut |decoded| first.pass(decoded, rest, out));
    first.transfer = transfer;
}

fn finish_layers(layers: &mut [Unwrapper], out: &mut dyn FnMut(&[u8])) {
    let Some((first, rest)) = layers.split_first_mut() else { return };
    let mut transfer =
        std::mem::replace(&mut first.transfer, Transfer::new(TransferEncoding::Identity));
    transfer.finish(&mut |decoded| first.pass(decoded, rest, out));
    if let Some(mut returns) = first.returns.take() {
        returns.finish(&mut |bytes| unwrap_layers(rest, bytes, out));
    }
    finish_layers(rest, out);
}

/// The canonical content of one span. `raw` is exactly the bytes `span.start..span.end` of the mail.
#[must_use]
pub fn decode(span: &Span, raw: &[u8]) -> Vec<u8> {
    // Room for all of it: no encoding is shorter than what it encodes.
    let room = match span.encoding {
        _ if !span.wrappings.is_empty() => 0,
        TransferEncoding::Base64 => raw.len() / 4 * 3 + 3,
        _ => raw.len(),
    };
    let mut content = Vec::with_capacity(room);
    let mut decoder = Decoder::new(span);
    decoder.push(raw, &mut |bytes| content.extend_from_slice(bytes));
    decoder.finish(&mut |bytes| content.extend_from_slice(bytes));
    content
}

#[cfg(test)]
mod tests;
