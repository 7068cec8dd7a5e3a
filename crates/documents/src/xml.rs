//! XML as a row of tags and texts: names without prefixes, no tree, no entities but the five and the numbered ones.
//!
//! What a document type declares is passed over, so an entity cannot grow into a billion. A broken tag is a text, as
//! much as the next `<` allows: the makers' own readers stop there, which is for them to say.

use std::borrow::Cow;

/// One step through the markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// `<name ...>`; `is_empty` if it closes itself.
    Open {
        /// Name without prefix.
        name: &'a str,
        /// What stands behind the name.
        attributes: Attributes<'a>,
        /// Whether it ends with `/>`.
        is_empty: bool,
    },
    /// `</name>`.
    Close(&'a str),
    /// Text with its references; see [`resolve`].
    Text(&'a str),
    /// Text of a CDATA section: without references.
    Plain(&'a str),
}

/// The attributes of one tag, read when asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes<'a>(&'a str);

impl<'a> Attributes<'a> {
    /// The value of the attribute with this name, prefix or not; references resolved.
    #[must_use]
    pub fn value(self, wanted: &str) -> Option<Cow<'a, str>> {
        self.all().find(|(name, _)| *name == wanted).map(|(_, value)| resolve(value))
    }

    /// Names without prefix and values as written, in order.
    pub fn all(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (name, behind) = rest.split_once('=')?;
            let behind = behind.trim_start();
            let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, next) = behind[1..].split_once(quote)?;
            rest = next;
            Some((local(name.trim()), value))
        })
    }
}

/// Walks through markup.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    rest: &'a str,
}

impl<'a> Walk<'a> {
    /// Starts at the beginning.
    #[must_use]
    pub const fn new(markup: &'a str) -> Self {
        Self { rest: markup }
    }

    /// The tag behind the `<` at the start of what is left.
    fn tag(&mut self) -> Option<Step<'a>> {
        let rest = self.rest;
        if let Some(body) = rest.strip_prefix("<![CDATA[") {
            let (text, next) = split(body, "]]>");
            self.rest = next;
            return Some(Step::Plain(text));
        }
        if let Some(body) = rest.strip_prefix("<!--") {
            (_, self.rest) = split(body, "-->");
            return None;
        }
        if let Some(body) = rest.strip_prefix("<?") {
            (_, self.rest) = split(body, "?>");
            return None;
        }
        if rest.starts_with("<!") {
            self.rest = &rest[end_of_declaration(rest.as_bytes())..];
            return None;
        }
        let end = end_of_tag(rest.as_bytes());
        let inside = rest[1..end].strip_suffix('>').unwrap_or(&rest[1..end]);
        self.rest = &rest[end..];
        if let Some(name) = inside.strip_prefix('/') {
            return Some(Step::Close(local(name.trim_end())));
        }
        let (inside, is_empty) = match inside.strip_suffix('/') {
            Some(inside) => (inside, true),
            None => (inside, false),
        };
        let name_end = inside.find([' ', '\t', '\r', '\n']).unwrap_or(inside.len());
        let (name, attributes) = inside.split_at(name_end);
        Some(Step::Open { name: local(name), attributes: Attributes(attributes), is_empty })
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            if !self.rest.starts_with('<') {
                let end = position(self.rest.as_bytes(), b'<').unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at(end);
                self.rest = rest;
                return Some(Step::Text(text));
            }
            if let Some(step) = self.tag() {
                return Some(step);
            }
        }
    }
}

/// Text with the five named references and the numbered ones resolved; others stay as they are.
#[must_use]
pub fn resolve(text: &str) -> Cow<'_, str> {
    if position(text.as_bytes(), b'&').is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference(rest) {
            Some((c, bytes)) => {
                out.push(c);
                rest = &rest[bytes..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Bytes of a reference at most: `&#x10ffff;` with some zeros.
const REFERENCE_BYTES_MAX: usize = 16;

fn reference(text: &str) -> Option<(char, usize)> {
    let window = &text.as_bytes()[..text.len().min(REFERENCE_BYTES_MAX)];
    let end = position(window, b';')?;
    let name = &text[1..end];
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((c, end + 1))
}

/// Markup as text: UTF-8, or UTF-16 where it says so by its first bytes.
#[must_use]
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let encoding = match bytes {
        [0xff, 0xfe, ..] | [b'<', 0, ..] => encoding_rs::UTF_16LE,
        [0xfe, 0xff, ..] | [0, b'<', ..] => encoding_rs::UTF_16BE,
        _ => encoding_rs::UTF_8,
    };
    encoding.decode(bytes).0
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn split<'a>(text: &'a str, at: &str) -> (&'a str, &'a str) {
    text.split_once(at).unwrap_or((text, ""))
}

fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|&byte| byte == wanted)
}

/// Where the tag ends: behind a `>` outside quotes, or at a `<`, which cannot be inside one.
fn end_of_tag(tag: &[u8]) -> usize {
    let mut quote = 0;
    for (at, &byte) in tag.iter().enumerate().skip(1) {
        match byte {
            b'<' => return at,
            b'>' if quote == 0 => return at + 1,
            b'"' | b'\'' if quote == 0 => quote = byte,
            byte if byte == quote => quote = 0,
            _ => {}
        }
    }
    tag.len()
}

/// Where `<!DOCTYPE ... [ ... ]>` ends.
fn end_of_declaration(declaration: &[u8]) -> usize {
    let mut in_subset = false;
    for (at, &byte) in declaration.iter().enumerate() {
        match byte {
            b'[' => in_subset = true,
            b']' => in_subset = false,
            b'>' if !in_subset => return at + 1,
            _ => {}
        }
    }
    declaration.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps in one line: `<name a=b>`, `</name>`, `"text"`.
    fn steps(markup: &str) -> String {
        let show = |step| match step {
            Step::Open { name, attributes, is_empty } => {
                let all: Vec<String> =
                    attributes.all().map(|(name, value)| format!(" {name}={value}")).collect();
                format!("<{name}{}{}>", all.concat(), if is_empty { "/" } else { "" })
            }
            Step::Close(name) => format!("</{name}>"),
            Step::Text(text) => format!("{:?}", resolve(text)),
            Step::Plain(text) => format!("={text:?}"),
        };
        Walk::new(markup).map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn markup_is_walked_through_damage_included() {
        for (markup, expect) in [
            ("", ""),
            ("<a>b</a>", "<a> \"b\" </a>"),
            ("<w:a w:b='1' c = \"2>\"/>", "<a b=1 c=2>/>"),
            ("<a\n b=\"1\"\n>x", "<a b=1> \"x\""),
            ("a &amp; b &#65;&#x42; &none; & &", "\"a & b AB &none; & &\""),
            ("<![CDATA[<b>&amp;]]>c", "=\"<b>&amp;\" \"c\""),
            ("<!-- <a> -->b<?x <a> ?>c", "\"b\" \"c\""),
            ("<!DOCTYPE a [<!ENTITY b 'c'> ]>d&b;", "\"d&b;\""),
            ("<a <b>c", "<a> <b> \"c\""),
            ("<a b=1 c='2'>", "<a>"),
            ("<a b='1", "<a>"),
            ("<", "<>"),
            ("</", "</>"),
            ("<!", ""),
            ("<![CDATA[a", "=\"a\""),
            ("<!--a", ""),
        ] {
            assert_eq!(steps(markup), expect, "{markup}");
        }
    }

    #[test]
    fn markup_in_utf_16_is_read_with_and_without_a_mark() {
        let units = |bytes: fn(u16) -> [u8; 2], text: &str| -> Vec<u8> {
            text.encode_utf16().flat_map(bytes).collect()
        };
        for text in ["<a>é</a>", "\u{feff}<a>é</a>"] {
            assert_eq!(decode(&units(u16::to_le_bytes, text)), "<a>é</a>");
            assert_eq!(decode(&units(u16::to_be_bytes, text)), "<a>é</a>");
            assert_eq!(decode(text.as_bytes()), "<a>é</a>");
        }
    }

    #[test]
    fn a_reference_is_read_up_to_its_limit() {
        for (zeros, expect) in [(REFERENCE_BYTES_MAX - 5, "A"), (REFERENCE_BYTES_MAX - 4, "&#")] {
            assert!(resolve(&format!("&#{}65;", "0".repeat(zeros))).starts_with(expect));
        }
    }
}
