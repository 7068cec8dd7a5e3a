//! Lists of mailboxes (RFC 5322 section 3.4), read tolerantly.

use tamis_domain::reading::Mailbox;

use crate::{charset, words};

/// Mailboxes read of one field, or of fields read together. More recipients than a transaction may have tell no more.
pub const MAILBOXES_MAX: usize = 1000;

/// Depth of comments that is followed; parentheses beyond it are text.
const COMMENT_DEPTH_MAX: u32 = 32;

/// Reads a list of mailboxes. Groups are flattened; a display name without an address is a mailbox without one; of
/// `<a@b> <c@d>` both come out, since mail programs disagree which one counts.
#[must_use]
pub fn mailboxes(value: &[u8]) -> Vec<Mailbox> {
    let mut reader = Reader::default();
    let mut rest = value;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if reader.found.len() >= MAILBOXES_MAX {
            break;
        }
        match byte {
            b'"' => rest = reader.quoted(behind),
            b'(' => rest = reader.comment(behind),
            b'<' => rest = reader.angles(behind),
            b',' | b';' => reader.end(),
            b':' if reader.address.is_none() && !reader.has_at => reader.text.clear(),
            _ => reader.push(byte),
        }
    }
    reader.end();
    reader.found.truncate(MAILBOXES_MAX);
    reader.found
}

#[derive(Default)]
struct Reader {
    found: Vec<Mailbox>,
    /// What may be a display name, or an address without angle brackets.
    text: Vec<u8>,
    /// Whether `text` has an `@`: looked up at every colon, so not searched for there.
    has_at: bool,
    comment: Vec<u8>,
    address: Option<Vec<u8>>,
    quoted: bool,
}

impl Reader {
    fn push(&mut self, byte: u8) {
        self.has_at |= byte == b'@';
        self.text.push(byte);
    }

    fn quoted<'a>(&mut self, inside: &'a [u8]) -> &'a [u8] {
        self.quoted = true;
        let mut rest = inside;
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            match (byte, behind.split_first()) {
                (b'"', _) => break,
                (b'\\', Some((&next, after))) => {
                    self.push(next);
                    rest = after;
                }
                _ => self.push(byte),
            }
        }
        rest
    }

    fn comment<'a>(&mut self, inside: &'a [u8]) -> &'a [u8] {
        let (mut rest, mut depth) = (inside, 1);
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            match byte {
                b'(' if depth < COMMENT_DEPTH_MAX => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            self.comment.push(byte);
        }
        rest
    }

    fn angles<'a>(&mut self, inside: &'a [u8]) -> &'a [u8] {
        if self.address.is_some() {
            self.end();
        }
        let length = inside.iter().position(|&byte| byte == b'>').unwrap_or(inside.len());
        let address = inside[..length].trim_ascii();
        // A source route (RFC 5321 appendix C) before the address is no part of it.
        let route_end =
            address.starts_with(b"@").then(|| address.iter().rposition(|&byte| byte == b':'));
        let start = route_end.flatten().map_or(0, |at| at + 1);
        self.address = Some(address[start..].to_vec());
        inside.get(length + 1..).unwrap_or_default()
    }

    /// The mailbox is complete.
    fn end(&mut self) {
        let text = std::mem::take(&mut self.text);
        let has_at = std::mem::take(&mut self.has_at);
        let comment = std::mem::take(&mut self.comment);
        let text = text.trim_ascii();
        let quoted = std::mem::take(&mut self.quoted);
        let (name, address) = match self.address.take() {
            Some(address) => (if text.is_empty() { comment.as_slice() } else { text }, address),
            None if text.is_empty() => return,
            None if has_at && (quoted || !text.contains(&b' ')) => {
                (comment.as_slice(), text.to_vec())
            }
            None => (text, Vec::new()),
        };
        let name = words::decode(name.trim_ascii());
        let address = charset::decode(&address, None).text;
        self.found.push(Mailbox { name, address });
    }
}
