//! What one mail program tells another about the client behind it: XFORWARD and XCLIENT (Postfix
//! XFORWARD_README and XCLIENT_README), values in xtext (RFC 3461 section 4).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::limits::{ATTRIBUTE_VALUE_BYTES_MAX, XFORWARD_LINE_BYTES_MAX};

/// A fact that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Attribute {
    /// Host name of the client, checked both ways.
    Name,
    /// Host name by its address alone (XCLIENT).
    ReverseName,
    /// Network address.
    Addr,
    /// Port.
    Port,
    /// `SMTP` or `ESMTP`.
    Proto,
    /// What the client called itself.
    Helo,
    /// Identifier of the mail at the sender, such as a queue id (XFORWARD).
    Ident,
    /// `LOCAL` or `REMOTE` (XFORWARD).
    Source,
    /// Name of the authenticated user (XCLIENT).
    Login,
    /// Address the client connected to (XCLIENT).
    DestAddr,
    /// Port the client connected to (XCLIENT).
    DestPort,
}

const ATTRIBUTE_COUNT: usize = 11;

const NAMES: [(Attribute, &str); ATTRIBUTE_COUNT] = [
    (Attribute::Name, "NAME"),
    (Attribute::ReverseName, "REVERSE_NAME"),
    (Attribute::Addr, "ADDR"),
    (Attribute::Port, "PORT"),
    (Attribute::Proto, "PROTO"),
    (Attribute::Helo, "HELO"),
    (Attribute::Ident, "IDENT"),
    (Attribute::Source, "SOURCE"),
    (Attribute::Login, "LOGIN"),
    (Attribute::DestAddr, "DESTADDR"),
    (Attribute::DestPort, "DESTPORT"),
];

/// What XFORWARD may carry, in the order in which it is announced and sent.
pub const XFORWARD_ATTRIBUTES: [Attribute; 7] = [
    Attribute::Name,
    Attribute::Addr,
    Attribute::Port,
    Attribute::Proto,
    Attribute::Helo,
    Attribute::Ident,
    Attribute::Source,
];

/// What XCLIENT may carry, in the order in which it is announced.
pub const XCLIENT_ATTRIBUTES: [Attribute; 9] = [
    Attribute::Name,
    Attribute::Addr,
    Attribute::Port,
    Attribute::Proto,
    Attribute::Helo,
    Attribute::Login,
    Attribute::DestAddr,
    Attribute::DestPort,
    Attribute::ReverseName,
];

impl Attribute {
    /// The attribute of this name, whatever its case.
    pub fn parse(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(found, _)| *found)
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        NAMES[self as usize].1
    }
}

/// What was said about one attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Given {
    /// Nothing.
    #[default]
    Unsaid,
    /// `[UNAVAILABLE]`, or `[TEMPUNAVAIL]`: the sender does not know either.
    Unavailable,
    /// This value, decoded.
    Value(String),
}

/// Why an attribute list was refused; the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeFault {
    /// No `name=value`, or an unknown name, or one that this command does not carry.
    #[error("bad attribute name")]
    Name,
    /// The value is no xtext, too long, or not what the attribute holds.
    #[error("bad attribute value")]
    Value,
}

/// All that was told about a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFacts {
    /// What was not said stands here not at all.
    given: BTreeMap<Attribute, Given>,
}

impl ClientFacts {
    /// What was said about `attribute`.
    pub fn given(&self, attribute: Attribute) -> &Given {
        self.given.get(&attribute).unwrap_or(&Given::Unsaid)
    }

    /// The value of `attribute`, if one was said.
    pub fn value(&self, attribute: Attribute) -> Option<&str> {
        match self.given(attribute) {
            Given::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Sets what is said about `attribute`.
    pub fn set(&mut self, attribute: Attribute, given: Given) {
        match given {
            Given::Unsaid => self.given.remove(&attribute),
            said => self.given.insert(attribute, said),
        };
    }

    /// The client's network address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.value(Attribute::Addr).and_then(ip)
    }

    /// Says the client's network address.
    pub fn set_ip(&mut self, ip: IpAddr) {
        let text = match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("IPV6:{ip}"),
        };
        self.set(Attribute::Addr, Given::Value(text));
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Takes what `other` says over what was said before.
    pub fn merge(&mut self, other: Self) {
        self.given.extend(other.given);
    }

    /// Reads the argument of XFORWARD or XCLIENT, which may carry the attributes in `allowed`.
    ///
    /// # Errors
    /// At the first pair that cannot be taken; then nothing of the line counts.
    pub fn parse(argument: &str, allowed: &[Attribute]) -> Result<Self, AttributeFault> {
        let mut facts = Self::default();
        for pair in argument.split(' ').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(AttributeFault::Name)?;
            let attribute = Attribute::parse(name)
                .filter(|attribute| allowed.contains(attribute))
                .ok_or(AttributeFault::Name)?;
            facts.set(attribute, read_value(attribute, value)?);
        }
        if facts.is_empty() { Err(AttributeFault::Name) } else { Ok(facts) }
    }

    /// The XFORWARD lines that tell a far side the attributes it `announced`, without CR LF.
    ///
    /// One line when all fits; otherwise name, address and port first and the rest after, as Postfix sends them.
    /// A value that fits no line is told as unavailable.
    pub fn xforward_lines(&self, announced: &[Attribute]) -> Vec<String> {
        let told = |attributes: &[Attribute]| -> Vec<String> {
            let wanted = |attribute: &&Attribute| announced.contains(attribute);
            attributes.iter().filter(wanted).filter_map(|&attribute| self.pair(attribute)).collect()
        };
        let all = told(&XFORWARD_ATTRIBUTES);
        if all.is_empty() {
            return Vec::new();
        }
        if let Some(line) = join(&all) {
            return vec![line];
        }
        let (first, second) = XFORWARD_ATTRIBUTES.split_at(3);
        [first, second].into_iter().flat_map(|part| pack(told(part))).collect()
    }

    fn pair(&self, attribute: Attribute) -> Option<String> {
        let value = match self.given(attribute) {
            Given::Unsaid => return None,
            Given::Unavailable => UNAVAILABLE.to_owned(),
            Given::Value(value) => xtext(value),
        };
        let name = attribute.name();
        let line_bytes = VERB.len() + name.len() + 1 + value.len() + CRLF_BYTES;
        let value = if line_bytes <= XFORWARD_LINE_BYTES_MAX { &value } else { UNAVAILABLE };
        Some(format!("{name}={value}"))
    }
}

const VERB: &str = "XFORWARD ";
const UNAVAILABLE: &str = "[UNAVAILABLE]";
const CRLF_BYTES: usize = 2;

fn join(pairs: &[String]) -> Option<String> {
    let line = format!("{VERB}{}", pairs.join(" "));
    (line.len() + CRLF_BYTES <= XFORWARD_LINE_BYTES_MAX).then_some(line)
}

/// As few lines as the order allows; each pair fits a line by itself.
fn pack(pairs: Vec<String>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for pair in pairs {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + pair.len() + CRLF_BYTES <= XFORWARD_LINE_BYTES_MAX => {
                line.push(' ');
                line.push_str(&pair);
            }
            _ => lines.push(format!("{VERB}{pair}")),
        }
    }
    lines
}

fn read_value(attribute: Attribute, text: &str) -> Result<Given, AttributeFault> {
    if [UNAVAILABLE, "[TEMPUNAVAIL]"].iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Ok(Given::Unavailable);
    }
    let value = from_xtext(text).ok_or(AttributeFault::Value)?;
    let any_of = |words: [&str; 2]| words.iter().any(|word| word.eq_ignore_ascii_case(&value));
    let sound = match attribute {
        Attribute::Addr | Attribute::DestAddr => ip(&value).is_some(),
        Attribute::Port | Attribute::DestPort => value.parse::<u16>().is_ok(),
        Attribute::Proto => any_of(["SMTP", "ESMTP"]),
        Attribute::Source => any_of(["LOCAL", "REMOTE"]),
        // An empty identifier or login is how an unset one arrives.
        Attribute::Ident | Attribute::Login => true,
        Attribute::Name | Attribute::ReverseName | Attribute::Helo => !value.is_empty(),
    };
    if sound { Ok(Given::Value(value)) } else { Err(AttributeFault::Value) }
}

fn ip(text: &str) -> Option<IpAddr> {
    match text.get(..5).filter(|prefix| prefix.eq_ignore_ascii_case("IPV6:")) {
        Some(_) => text[5..].parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// Encodes a value as xtext.
pub fn xtext(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if matches!(byte, b'!'..=b'~') && !matches!(byte, b'+' | b'=') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("+{byte:02X}"));
        }
    }
    text
}

/// Decodes xtext; `None` when it is malformed, too long, no UTF-8, or hides a control character.
pub fn from_xtext(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'+' {
            bytes.push(first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        rest = after;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
    }
    let value = String::from_utf8(bytes).ok()?;
    let sound = value.len() <= ATTRIBUTE_VALUE_BYTES_MAX && !value.chars().any(char::is_control);
    sound.then_some(value)
}

#[cfg(test)]
#[path = "client_facts_tests.rs"]
mod tests;
