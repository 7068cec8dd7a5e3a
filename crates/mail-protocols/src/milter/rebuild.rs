//! Header frames back into the bytes that SMTP carried.

use bytes::{BufMut, BytesMut};

/// How faithful a rebuilt header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fidelity {
    /// As the MTA holds it, byte by byte.
    Exact,
    /// A line break without a blank after it stood in the value. A blank was put in, so that one
    /// header stays one header.
    Mended,
}

/// Appends `Name:value` and CRLF; at most three bytes for each byte of the value. Folds are LF in
/// a frame and become CRLF; a CRLF stays one.
///
/// With `leading_space` the value is written as it came. Without it the MTA ate one space, which
/// is put back: right for nearly every mail, provable for none.
pub fn put_header(out: &mut BytesMut, name: &[u8], value: &[u8], leading_space: bool) -> Fidelity {
    let mut fidelity = Fidelity::Exact;
    out.extend_from_slice(name);
    out.put_u8(b':');
    if !leading_space {
        out.put_u8(b' ');
    }
    let mut lines = value.split(|&byte| byte == b'\n').peekable();
    let mut first = true;
    while let Some(line) = lines.next() {
        if !first && !matches!(line.first(), Some(b' ' | b'\t')) {
            out.put_u8(b' ');
            fidelity = Fidelity::Mended;
        }
        first = false;
        let folded = lines.peek().is_some();
        let line = if folded { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    fidelity
}
