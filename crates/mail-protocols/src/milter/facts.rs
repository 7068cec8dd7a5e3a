//! What the MTA told about client, addresses and itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;

use super::MACRO_BYTES_MAX;

/// The SMTP client, from the `C` frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Host name as the MTA resolved it; often `[192.0.2.7]` or `unknown` when it has none.
    pub hostname: String,
    /// Where it came from.
    pub address: ClientAddress,
}

impl Connection {
    /// Mail handed over on the machine itself: Postfix simulates a session for sendmail(1) with
    /// host `localhost`, a loopback address and port 0, and takes no refusal of a recipient there.
    #[must_use]
    pub fn is_local_submission(&self) -> bool {
        matches!(self.address, ClientAddress::Ip(at) if at.port() == 0 && at.ip().is_loopback())
    }
}

/// Address of the SMTP client, by family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAddress {
    /// Family `U`: the MTA does not know.
    Unknown,
    /// Family `L`: the path of a local socket.
    Local(String),
    /// Family `4` or `6`. Port 0 means that there was no connection.
    Ip(SocketAddr),
    /// Family `4` or `6` with a text that is no address. The mail goes on without one: a mail
    /// matters more than the look-ups that need the address.
    Unreadable(String),
}

impl ClientAddress {
    /// Reads the text of family `4` or `6`: an optional `IPv6:` in front and a zone behind are
    /// left out.
    pub(super) fn read(text: &str, port: u16) -> ClientAddress {
        let tagged = text.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
        let bare = if tagged { &text[5..] } else { text };
        let bare = bare.split('%').next().unwrap_or(bare);
        match bare.parse::<IpAddr>() {
            Ok(ip) => ClientAddress::Ip(SocketAddr::new(ip, port)),
            Err(_) => ClientAddress::Unreadable(text.to_owned()),
        }
    }
}

/// Sender or recipient, with its ESMTP parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// As received: SMTP mail has angle brackets, mail from sendmail(1) through Postfix has none.
    pub exact: Bytes,
    /// `SIZE=1000`, `BODY=8BITMIME`, ... in order, as received.
    pub parameters: Vec<Bytes>,
}

impl Mailbox {
    /// The address without angle brackets; empty for the null sender.
    #[must_use]
    pub fn address(&self) -> &[u8] {
        bare_address(&self.exact)
    }

    /// The address as text, bytes outside UTF-8 replaced.
    #[must_use]
    pub fn address_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.address())
    }

    /// Value of the parameter `name` (case does not matter); empty when it has no `=`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        self.parameters.iter().find_map(|parameter| {
            let mut halves = parameter.splitn(2, |&byte| byte == b'=');
            let key = halves.next().unwrap_or_default();
            key.eq_ignore_ascii_case(name.as_bytes()).then(|| halves.next().unwrap_or_default())
        })
    }

    /// Bytes that holding it costs.
    pub(super) fn bytes(&self) -> usize {
        let parameters = self.parameters.iter().map(|text| text.len() + size_of::<Bytes>());
        self.exact.len() + parameters.sum::<usize>()
    }
}

/// One pair of angle brackets and surrounding blanks removed.
pub(super) fn bare_address(exact: &[u8]) -> &[u8] {
    let trimmed = exact.trim_ascii();
    trimmed.strip_prefix(b"<").and_then(|inner| inner.strip_suffix(b">")).unwrap_or(trimmed)
}

/// Macros by name, without braces, at most [`MACRO_BYTES_MAX`] bytes of names and values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Macros {
    values: BTreeMap<String, String>,
    bytes: usize,
}

impl Macros {
    /// The value of a macro, by its name without braces: `i`, `client_addr`, `auth_authen`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Takes a new value, or says `false` when there is no room: then the old one is kept.
    pub(super) fn store(&mut self, name: &[u8], value: &[u8]) -> bool {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        let freed = self.values.get(&*name).map_or(0, |old| name.len() + old.len());
        let bytes = self.bytes - freed + name.len() + value.len();
        if bytes > MACRO_BYTES_MAX {
            return false;
        }
        self.bytes = bytes;
        self.values.insert(name.into_owned(), value.into_owned());
        true
    }

    pub(super) fn clear(&mut self) {
        *self = Macros::default();
    }

    /// These and, above them, the later ones.
    pub(super) fn overlaid(&self, later: &Macros) -> Macros {
        let mut both = self.clone();
        both.values.extend(later.values.iter().map(|(name, value)| (name.clone(), value.clone())));
        both.bytes = both.values.iter().map(|(name, value)| name.len() + value.len()).sum();
        both
    }
}

/// Everything known about a message when its content begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The client; `None` if the MTA never told.
    pub connection: Option<Arc<Connection>>,
    /// Last HELO or EHLO name, bytes outside UTF-8 replaced; `None` for mail without a session.
    pub helo: Option<Arc<str>>,
    /// Sender.
    pub sender: Mailbox,
    /// Recipients, in order, without those that were refused.
    pub recipients: Vec<Mailbox>,
    /// Macros so far, those of the message above those of the connection.
    pub macros: Macros,
}

impl Envelope {
    /// The MTA's queue id (macro `i`), to join our log line with its own.
    #[must_use]
    pub fn queue_id(&self) -> Option<&str> {
        self.macros.value("i")
    }

    /// The authenticated user (macro `auth_authen`), if the client logged in.
    #[must_use]
    pub fn authenticated_user(&self) -> Option<&str> {
        self.macros.value("auth_authen").filter(|user| !user.is_empty())
    }
}
