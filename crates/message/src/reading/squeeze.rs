//! Texts longer than the limit, without the bytes that say nothing: so nothing stands in front of the words for long.
//!
//! Blank runs become one blank, comments, scripts, style sheets and long attribute values are passed over, as the
//! tokenizer of the pages passes over them. Where it might do otherwise, all is kept.

use memchr::memmem;

use super::carried::CARRIED_BYTES_MAX;
use super::sheet::SHEET_BYTES_MAX;

/// Raw bytes of the texts of one mail in which nothing is passed over. Newsletters that carry their pictures within
/// have a few megabytes; looking at these takes some milliseconds.
pub(super) const SQUEEZED_BYTES_MAX: usize = 8 << 20;

/// Bytes kept of all comments of a page, whose words count as hidden.
const COMMENT_BYTES_MAX: usize = 32 * 1024;

/// Bytes kept of the value of an attribute: addresses of `LINK_BYTES_MAX` written in character references fit.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// Bytes kept of what an attribute carries that is no page.
const CARRIED_FILE_BYTES: usize = 256;

/// What is left of a text.
#[derive(Debug, Default)]
pub(super) struct Squeezed {
    pub(super) bytes: Vec<u8>,
    /// Raw bytes that were looked at.
    pub(super) looked_at: usize,
}

/// Leaves out what a reader of `raw` never sees, until `most` bytes are left. Linear in what is looked at.
pub(super) fn squeeze(raw: &[u8], is_html: bool, most: usize) -> Squeezed {
    let mut squeezing = Squeezing { out: Vec::new(), most, comments: 0, sheets: 0 };
    let looked_at = if is_html { squeezing.page(raw, false) } else { squeezing.words(raw) };
    Squeezed { bytes: squeezing.out, looked_at }
}

struct Squeezing {
    out: Vec<u8>,
    most: usize,
    comments: usize,
    sheets: usize,
}

impl Squeezing {
    const fn is_full(&self) -> bool {
        self.out.len() > self.most
    }

    /// Words and the blanks between them; says how many bytes it took.
    fn words(&mut self, text: &[u8]) -> usize {
        let mut rest = text;
        while !rest.is_empty() && !self.is_full() {
            let blanks = rest.iter().position(|it| !is_blank(*it)).unwrap_or(rest.len());
            if blanks > 0 {
                self.out.push(if rest[..blanks].contains(&b'\n') { b'\n' } else { b' ' });
                rest = &rest[blanks..];
            }
            let word = rest.iter().position(|it| is_blank(*it)).unwrap_or(rest.len());
            self.out.extend_from_slice(&rest[..word]);
            rest = &rest[word..];
        }
        text.len() - rest.len()
    }

    fn page(&mut self, page: &[u8], is_noscript: bool) -> usize {
        let mut at = 0;
        while at < page.len() && !self.is_full() {
            let rest = &page[at..];
            let open = memchr::memchr(b'<', rest).unwrap_or(rest.len());
            if open > 0 {
                at += self.words(&rest[..open]);
                continue;
            }
            at += match rest {
                [b'<', b'!', b'-', b'-', ..] => self.comment(rest),
                [b'<', b'/', next, ..] if next.is_ascii_alphabetic() => self.tag(rest, 2),
                [b'<', next, ..] if next.is_ascii_alphabetic() => {
                    let length = self.tag(rest, 1);
                    length + self.raw(&rest[..length], &rest[length..], is_noscript)
                }
                [b'<', b'!' | b'?' | b'/', ..] => self.bogus(rest),
                _ => {
                    self.out.push(b'<');
                    1
                }
            };
        }
        at
    }

    /// A comment (WHATWG HTML, section 13.2.5.43 and on). Markup in one is no hidden words, and is not kept.
    fn comment(&mut self, rest: &[u8]) -> usize {
        let inside = &rest[4..];
        let early = [&b">"[..], b"->"].into_iter().find(|end| inside.starts_with(end));
        let end = early.map(<[u8]>::len).or_else(|| {
            let ends =
                |at: &usize| inside[..*at].ends_with(b"--") || inside[..*at].ends_with(b"--!");
            memchr::memchr_iter(b'>', inside).find(ends).map(|at| at + 1)
        });
        let inside = &inside[..end.unwrap_or(inside.len())];
        let length = 4 + inside.len();
        let room = (COMMENT_BYTES_MAX - self.comments).min(length);
        if room > 4 && memchr::memchr(b'<', inside).is_none() {
            self.comments += room;
            self.out.extend_from_slice(&rest[..room]);
            if room < length {
                self.out.extend_from_slice(b" -->");
            }
        }
        length
    }

    /// `<!doctype ...>`, `<?xml ...>`, and all that is read as a comment up to `>`.
    fn bogus(&mut self, rest: &[u8]) -> usize {
        let length = memchr::memchr(b'>', &rest[2..]).map_or(rest.len(), |at| 2 + at + 1);
        if length <= CARRIED_FILE_BYTES {
            self.out.extend_from_slice(&rest[..length]);
        }
        length
    }

    /// A tag, whose name begins at `start`; long values are cut.
    fn tag(&mut self, rest: &[u8], start: usize) -> usize {
        let ends = |it: u8| is_blank(it) || matches!(it, b'/' | b'>');
        let mut at = until(rest, start, ends);
        self.out.extend_from_slice(&rest[..at]);
        while at < rest.len() {
            let next = until(rest, at, |it| !is_blank(it) && it != b'/');
            if next > at {
                self.out.push(if rest[next - 1] == b'/' { b'/' } else { b' ' });
            }
            at = next;
            if rest.get(at) == Some(&b'>') {
                self.out.push(b'>');
                return at + 1;
            }
            if at == rest.len() {
                break;
            }
            // A name may begin with what ends others.
            let name_end = until(rest, at + 1, |it| ends(it) || it == b'=');
            let name = &rest[at..name_end];
            self.out.extend_from_slice(name);
            at = until(rest, name_end, |it| !is_blank(it));
            if rest.get(at) != Some(&b'=') {
                // The blank between two names.
                at = name_end;
                continue;
            }
            at = until(rest, at + 1, |it| !is_blank(it));
            self.out.push(b'=');
            at = self.value(name, rest, at);
        }
        rest.len()
    }

    /// The value of the attribute `name` that begins at `at`; says where it ends.
    fn value(&mut self, name: &[u8], rest: &[u8], at: usize) -> usize {
        match rest.get(at) {
            Some(quote @ (b'"' | b'\'')) => {
                let inside = &rest[at + 1..];
                let length = memchr::memchr(*quote, inside).unwrap_or(inside.len());
                self.out.push(*quote);
                self.out.extend_from_slice(kept(name, &inside[..length]));
                self.out.push(*quote);
                (at + 1 + length + 1).min(rest.len())
            }
            Some(_) => {
                let value = &rest[at..];
                let length = value.iter().position(|it| is_blank(*it) || *it == b'>');
                let value = &value[..length.unwrap_or(value.len())];
                self.out.extend_from_slice(kept(name, value));
                at + value.len()
            }
            None => at,
        }
    }

    /// What stands in elements in which there are no tags, behind their start tag; says how many bytes it took.
    fn raw(&mut self, tag: &[u8], behind: &[u8], is_noscript: bool) -> usize {
        let name = tag[1..].split(|it| is_blank(*it) || matches!(it, b'/' | b'>')).next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        // As the tokenizer knows them.
        let is_raw = matches!(
            &name[..],
            b"script"
                | b"style"
                | b"textarea"
                | b"title"
                | b"iframe"
                | b"xmp"
                | b"noembed"
                | b"noframe"
                | b"noscript"
                | b"plaintext"
        );
        if !is_raw || tag.last() != Some(&b'>') {
            return 0;
        }
        let ends = |at: &usize| {
            let rest = &behind[*at + 1..];
            rest.first() == Some(&b'/')
                && rest.get(1..=name.len()).is_some_and(|it| it.eq_ignore_ascii_case(&name))
                && rest.get(1 + name.len()).is_some_and(|it| is_blank(*it) || b"/>".contains(it))
        };
        let end = memchr::memchr_iter(b'<', behind).find(ends).unwrap_or(behind.len());
        let inside = &behind[..end];
        match &name[..] {
            b"plaintext" => self.words(behind),
            // What a comment in a script does to its end is told by all of it.
            b"script" if memmem::find(inside, b"<!--").is_some() => self.words(behind),
            b"script" => end,
            b"style" => {
                // One byte beyond what is read says that there was more.
                let room = (SHEET_BYTES_MAX + 1 - self.sheets).min(inside.len());
                self.sheets += room;
                self.out.extend_from_slice(&inside[..room]);
                end
            }
            b"noscript" if !is_noscript => self.page(inside, true),
            _ => self.words(inside),
        }
    }
}

/// The place of the first byte from `at` on for which `stop` holds, or the end.
fn until(bytes: &[u8], at: usize, stop: impl Fn(u8) -> bool) -> usize {
    bytes[at..].iter().position(|it| stop(*it)).map_or(bytes.len(), |length| at + length)
}

/// As much of an attribute's value as may be looked at.
fn kept<'a>(name: &[u8], value: &'a [u8]) -> &'a [u8] {
    if value.len() <= CARRIED_FILE_BYTES || name.eq_ignore_ascii_case(b"srcdoc") {
        return value;
    }
    let start = value[..CARRIED_FILE_BYTES].trim_ascii_start().to_ascii_lowercase();
    let most = if memmem::find(&start, b"html").is_some() {
        2 * CARRIED_BYTES_MAX + CARRIED_FILE_BYTES
    } else if start.starts_with(b"data:") && !start.contains(&b'&') {
        CARRIED_FILE_BYTES
    } else {
        VALUE_BYTES_MAX
    };
    &value[..value.len().min(most)]
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}
