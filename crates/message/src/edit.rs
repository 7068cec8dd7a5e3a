//! Edits of the top header. Whatever an edit does not name stays as it is, byte for byte, so that signatures hold.
//!
//! The edited mail is: bytes before `Dissected::header`, [`edited_header`] of the bytes in it, [`separator`] for the bytes
//! behind it, then those bytes.

use tamis_domain::plan::HeaderEdit;

use crate::fields::{fields, split_name, unfold};
use crate::words;

/// Bytes of a line that an edit writes, without its line end (RFC 5322 section 2.1.1).
pub const LINE_BYTES_MAX: usize = 998;

/// Bytes after which a written line is folded at the next chance (RFC 5322 section 2.1.1).
pub const LINE_BYTES_WISHED: usize = 78;

/// Bytes of a subject tag used.
pub const TAG_BYTES_MAX: usize = 200;

/// How lines of a mail end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnd {
    /// As on the wire.
    #[default]
    CrLf,
    /// As in files, qmail and Exim's pipes.
    Lf,
}

impl LineEnd {
    /// The style of these bytes, by their first line end; CR LF where there is none.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match bytes.iter().position(|&byte| byte == b'\n') {
            Some(at) if at == 0 || bytes[at - 1] != b'\r' => Self::Lf,
            _ => Self::CrLf,
        }
    }

    /// The bytes of a line end.
    #[must_use]
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            Self::CrLf => b"\r\n",
            Self::Lf => b"\n",
        }
    }
}

/// The header block after all edits, in order. `header` is the block as received, without the empty line behind it.
///
/// An edit with a name that is no field name does nothing. Added values keep to printable ASCII: CR and NUL go, LF folds,
/// any other character that is none becomes `?`.
#[must_use]
pub fn edited_header(header: &[u8], edits: &[HeaderEdit], line_end: LineEnd) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for field in fields(header) {
        lines.push(field.raw.to_vec());
    }
    let used: usize = lines.iter().map(Vec::len).sum();
    let rest = header.get(used..).unwrap_or_default();
    let mut added = Vec::new();
    for edit in edits {
        match edit {
            HeaderEdit::RemoveAll { name } => {
                lines.retain(|raw| !has_name(raw, name));
                added.retain(|raw: &Vec<u8>| !has_name(raw, name));
            }
            HeaderEdit::Add { name, value } if is_field_name(name) => {
                added.push(new_field(name, value, line_end));
            }
            HeaderEdit::Add { .. } => {}
            HeaderEdit::PrefixSubject { tag } => {
                prefix_subject(&mut lines, &mut added, tag, line_end)
            }
        }
    }
    let mut out: Vec<u8> = added.into_iter().rev().flatten().collect();
    lines.iter().for_each(|raw| out.extend_from_slice(raw));
    out.extend_from_slice(rest);
    out
}

/// What must stand between an edited header and the bytes `behind` the old one: a line end, where the header ended
/// without an empty line (because a line that is no field began the body).
#[must_use]
pub fn separator(behind: &[u8], line_end: LineEnd) -> &'static [u8] {
    if behind.is_empty() || behind.starts_with(b"\n") || behind.starts_with(b"\r\n") {
        b""
    } else {
        line_end.bytes()
    }
}

/// How often a field of this name stands in a header block: milter deletes by number, from the last to the first.
#[must_use]
pub fn occurrences(header: &[u8], name: &str) -> usize {
    fields(header).filter(|field| field.is(name)).count()
}

/// The raw value of a subject (folds included, without its last line end) with a tag in front; `None` if it is there
/// already. Encoded words stay whole, since the tag and a blank stand before them.
#[must_use]
pub fn prefixed_subject(value: &[u8], tag: &str, line_end: LineEnd) -> Option<Vec<u8>> {
    let tag = clean_tag(tag);
    let flat = unfold(value);
    // A tag that looks like an encoded word stands there undecoded.
    let tagged =
        flat.starts_with(tag.as_bytes()) || words::decode(&flat).trim_start().starts_with(&tag);
    if tag.is_empty() || tagged {
        return None;
    }
    let blanks = value.iter().take_while(|&&byte| byte == b' ' || byte == b'\t').count();
    let rest = &value[blanks..];
    let first_line = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    let mut out = [b" ", tag.as_bytes()].concat();
    let folds_at_once = rest.starts_with(b"\n") || rest.starts_with(b"\r\n");
    if rest.is_empty() || folds_at_once {
        // The fold itself is the blank.
    } else if "Subject:".len() + out.len() + 1 + first_line > LINE_BYTES_MAX {
        out.extend_from_slice(line_end.bytes());
        out.push(b' ');
    } else {
        out.push(b' ');
    }
    out.extend_from_slice(rest);
    Some(out)
}

fn prefix_subject(lines: &mut Vec<Vec<u8>>, added: &mut [Vec<u8>], tag: &str, line_end: LineEnd) {
    let mut found = false;
    for raw in lines.iter_mut().chain(added).filter(|raw| has_name(raw, "subject")) {
        found = true;
        let Some((_, value)) = split_name(raw) else { continue };
        let end = value.len() - crate::fields::without_line_end(value).len();
        let (head, last) = (raw.len() - value.len(), raw.len() - end);
        if let Some(new) = prefixed_subject(&raw[head..last], tag, line_end) {
            *raw = [&raw[..head], &new, &raw[last..]].concat();
        }
    }
    let tag = clean_tag(tag);
    if !found && !tag.is_empty() {
        if let Some(last) = lines.last_mut().filter(|raw| !raw.ends_with(b"\n")) {
            last.extend_from_slice(line_end.bytes());
        }
        lines.push(new_field("Subject", &tag, line_end));
    }
}

fn clean_tag(tag: &str) -> String {
    let printable =
        tag.trim().chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
    let tag: String = printable.take(TAG_BYTES_MAX).collect();
    // As a new field writes it, so that it is recognised the next time.
    tag.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn has_name(raw: &[u8], name: &str) -> bool {
    split_name(raw).is_some_and(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
}

/// RFC 5322 section 2.2, and short enough to leave room for a value.
fn is_field_name(name: &str) -> bool {
    (1..LINE_BYTES_WISHED).contains(&name.len())
        && name.bytes().all(|byte| (33..=126).contains(&byte) && byte != b':')
}

/// A whole field, folded; no line of it passes [`LINE_BYTES_MAX`], and none is blank.
fn new_field(name: &str, value: &str, line_end: LineEnd) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + value.len() + 8);
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let mut used = out.len();
    let mut first = true;
    for line in value.split('\n') {
        let mut starts_line = !first;
        for word in line.split([' ', '\t']).filter(|word| !word.is_empty()) {
            let mut bytes: Vec<u8> =
                word.chars().filter(|c| !"\r\0".contains(*c)).map(printable).collect();
            while !bytes.is_empty() {
                let piece: Vec<u8> = bytes.drain(..bytes.len().min(LINE_BYTES_MAX - 1)).collect();
                if starts_line
                    || (!first && used + 1 + piece.len() > LINE_BYTES_WISHED)
                    || used + 1 + piece.len() > LINE_BYTES_MAX
                {
                    out.extend_from_slice(line_end.bytes());
                    used = 0;
                }
                (starts_line, first) = (false, false);
                out.push(b' ');
                used += 1 + piece.len();
                out.extend_from_slice(&piece);
            }
        }
    }
    out.extend_from_slice(line_end.bytes());
    out
}

const fn printable(c: char) -> u8 {
    if c.is_ascii_graphic() { c as u8 } else { b'?' }
}

#[cfg(test)]
mod tests;
