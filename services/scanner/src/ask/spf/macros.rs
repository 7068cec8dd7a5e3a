//! Names with macros in them (RFC 7208 section 7).

use std::net::IpAddr;

use super::record::Malformed;
use crate::ask::dns::reversed;

/// Characters of an expanded name; beyond it labels are dropped from the left (section 7.3).
const NAME_CHARS_MAX: usize = 253;

/// A string with macros, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spec(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Macro {
        letter: char,
        is_escaped: bool,
        keep: Option<usize>,
        is_reversed: bool,
        delimiters: String,
    },
}

/// What macros stand for.
#[derive(Clone, Debug)]
pub(super) struct Values<'a> {
    pub(super) sender: &'a str,
    pub(super) domain: &'a str,
    pub(super) client: IpAddr,
    pub(super) helo: &'a str,
    /// A name of the client that has its address, if it is needed and known.
    pub(super) validated: &'a str,
}

impl Spec {
    /// A `domain-spec`: it ends in a label of a top domain, or in a macro.
    pub(super) fn domain(text: &str) -> Result<Self, Malformed> {
        let spec = Self::string(text)?;
        let ends = match spec.0.last() {
            Some(Piece::Macro { .. }) => true,
            // What is written `%%`, `%_` or `%-` is no label of a top domain.
            Some(Piece::Text(_)) => {
                let name = text.strip_suffix('.').unwrap_or(text);
                name.rsplit_once('.').is_some_and(|(_, label)| is_top_label(label))
            }
            None => false,
        };
        if ends { Ok(spec) } else { Err(Malformed) }
    }

    /// A `macro-string`.
    pub(super) fn string(text: &str) -> Result<Self, Malformed> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut plain = String::new();
        while let Some(c) = rest.chars().next() {
            rest = &rest[1..];
            if c != '%' {
                if !('\x21'..='\x7e').contains(&c) {
                    return Err(Malformed);
                }
                plain.push(c);
                continue;
            }
            match rest.chars().next().ok_or(Malformed)? {
                '%' => plain.push('%'),
                '_' => plain.push(' '),
                '-' => plain.push_str("%20"),
                '{' => {
                    let end = rest.find('}').ok_or(Malformed)?;
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(expansion(&rest[1..end])?);
                    rest = &rest[end..];
                }
                _ => return Err(Malformed),
            }
            rest = &rest[1..];
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// Whether the client's validated name is needed.
    pub(super) fn needs_validated(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Macro { letter: 'p', .. }))
    }

    /// The name, macros replaced, cut from the left where it is too long.
    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Macro { letter, is_escaped, keep, is_reversed, delimiters } => {
                    let value =
                        transformed(&value(*letter, values), *keep, *is_reversed, delimiters);
                    if *is_escaped { escape(&value, &mut out) } else { out.push_str(&value) }
                }
            }
        }
        let mut name = out.strip_suffix('.').unwrap_or(&out);
        while name.len() > NAME_CHARS_MAX {
            name = name.split_once('.').map_or("", |(_, rest)| rest);
        }
        name.to_owned()
    }
}

/// What stands between the braces.
fn expansion(text: &str) -> Result<Piece, Malformed> {
    let mut chars = text.chars();
    let letter = chars.next().ok_or(Malformed)?;
    let rest = chars.as_str();
    // c, r and t are for explanations only.
    if !"slodiphv".contains(letter.to_ascii_lowercase()) {
        return Err(Malformed);
    }
    let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &rest[..rest.len() - behind.len()];
    let keep = match digits {
        "" => None,
        digits => Some(digits.parse().ok().filter(|keep| *keep > 0).ok_or(Malformed)?),
    };
    let (is_reversed, delimiters) = match behind.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, behind),
    };
    if !delimiters.chars().all(|c| ".-+,/_=".contains(c)) {
        return Err(Malformed);
    }
    Ok(Piece::Macro {
        letter: letter.to_ascii_lowercase(),
        is_escaped: letter.is_ascii_uppercase(),
        keep,
        is_reversed,
        delimiters: delimiters.to_owned(),
    })
}

fn value(letter: char, values: &Values<'_>) -> String {
    let (local, domain) = values.sender.rsplit_once('@').unwrap_or(("postmaster", values.sender));
    match letter {
        's' => values.sender.to_owned(),
        'l' => local.to_owned(),
        'o' => domain.to_owned(),
        'd' => values.domain.to_owned(),
        'i' => match values.client {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let nibbles = reversed(address.into());
                nibbles.split('.').rev().collect::<Vec<_>>().join(".")
            }
        },
        'p' => values.validated.to_owned(),
        'h' => values.helo.to_owned(),
        _ if values.client.is_ipv4() => "in-addr".to_owned(),
        _ => "ip6".to_owned(),
    }
}

fn transformed(value: &str, keep: Option<usize>, is_reversed: bool, delimiters: &str) -> String {
    let delimiters = if delimiters.is_empty() { "." } else { delimiters };
    if keep.is_none() && !is_reversed && delimiters == "." {
        return value.to_owned();
    }
    let mut parts: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
    if is_reversed {
        parts.reverse();
    }
    let skipped = parts.len().saturating_sub(keep.unwrap_or(usize::MAX));
    parts[skipped..].join(".")
}

/// URL escapes of all but unreserved characters (RFC 3986 section 2.3).
fn escape(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// `toplabel` of section 7.1: letters, digits and hyphens, not digits alone, no hyphen at an end.
fn is_top_label(label: &str) -> bool {
    let chars = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let ends = !label.starts_with('-') && !label.ends_with('-');
    chars && ends && !label.is_empty() && !label.chars().all(|c| c.is_ascii_digit())
}
