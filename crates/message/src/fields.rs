//! A raw header block as fields, bytes untouched (RFC 5322 section 2.2).

use std::borrow::Cow;

/// Bytes of one field name. RFC 5322 lets a line have 998; a longer "name" is a line that is no field.
pub const FIELD_NAME_BYTES_MAX: usize = 998;

/// One field, or lines that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawField<'a> {
    /// Name without colon and blanks; empty if these lines are no field.
    pub name: &'a [u8],
    /// All behind the colon, folds included, without the last line end.
    pub value: &'a [u8],
    /// All lines of the field, line ends included.
    pub raw: &'a [u8],
}

impl RawField<'_> {
    /// Whether the field has this name, in any case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of a header block, top to bottom; ends at the first empty line. Joined, all `raw` are the block.
pub fn fields(block: &[u8]) -> impl Iterator<Item = RawField<'_>> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let mut end = line_length(rest);
        if end == 0 || without_line_end(&rest[..end]).is_empty() {
            return None;
        }
        while matches!(rest.get(end), Some(b' ' | b'\t')) {
            end += line_length(&rest[end..]);
        }
        let (raw, behind) = rest.split_at(end);
        rest = behind;
        let (name, value) = split_name(raw).unwrap_or((b"", raw));
        Some(RawField { name, value: without_line_end(value), raw })
    })
}

/// Length of the first line, line end included.
fn line_length(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}

/// The bytes without one CR LF or LF at the end.
#[must_use]
pub fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Name and value of a line that is a field: printable ASCII, perhaps blanks (obsolete syntax), a colon.
#[must_use]
pub fn split_name(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = &line[..line.len().min(FIELD_NAME_BYTES_MAX + 1)];
    let length =
        head.iter().take_while(|&&byte| (33..=126).contains(&byte) && byte != b':').count();
    let blanks = line[length..].iter().take_while(|&&byte| byte == b' ' || byte == b'\t').count();
    let value = line[length + blanks..].strip_prefix(b":")?;
    (1..=FIELD_NAME_BYTES_MAX).contains(&length).then_some((&line[..length], value))
}

/// The value on one line: line ends taken out, blanks around removed.
#[must_use]
pub fn unfold(value: &[u8]) -> Vec<u8> {
    unfolded(value).into_owned()
}

/// The same, borrowed where the value stands in one line.
pub(crate) fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    let mut pieces = value.split(|byte| b"\r\n".contains(byte));
    match (memchr::memchr2(b'\r', b'\n', value), pieces.next()) {
        (Some(_), Some(first)) => {
            let mut flat = Vec::with_capacity(value.len());
            flat.extend_from_slice(first);
            pieces.for_each(|piece| flat.extend_from_slice(piece));
            Cow::Owned(flat)
        }
        _ => Cow::Borrowed(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_raw_fields_are_the_block() {
        let block = b"Subject: a\r\n b\r\nbroken line\r\n\tx\r\nTo :x\r\n";
        let all: Vec<_> = fields(block).collect();
        assert_eq!(all.iter().map(|field| field.raw).collect::<Vec<_>>().concat(), block);
        let names: Vec<_> = all.iter().map(|field| field.name).collect();
        assert_eq!(names, [&b"Subject"[..], b"", b"To"]);
        assert_eq!(unfold(all[0].value), b"a b");
        assert_eq!(all[2].value, b"x");
    }

    #[test]
    fn a_name_is_bounded_at_n_and_n_plus_1() {
        let line = |length: usize| [vec![b'x'; length], b": v".to_vec()].concat();
        assert!(split_name(&line(FIELD_NAME_BYTES_MAX)).is_some());
        assert!(split_name(&line(FIELD_NAME_BYTES_MAX + 1)).is_none());
        assert!(split_name(b": v").is_none());
        assert!(split_name(b"a b: v").is_none());
    }
}
