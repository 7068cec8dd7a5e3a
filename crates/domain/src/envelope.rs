//! Who sent a mail, to whom, from which address.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::limits::ADDRESS_BYTES_MAX;
use crate::reading::HeaderReading;

/// The envelope of one mail, as the previous hop told it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The SMTP client that handed the mail to the site, if known.
    pub client: Option<Client>,
    /// Its HELO/EHLO name.
    pub helo: Option<String>,
    /// Envelope sender without angle brackets; empty is the null reverse-path (RFC 5321 section 4.5.5).
    pub sender: String,
    /// Envelope recipients without angle brackets, in the order received. Plans index into this list.
    pub recipients: Vec<String>,
    /// The previous hop's queue id, for joining its log with ours.
    pub queue_id: Option<String>,
    /// Name that the client authenticated as at the MTA (SASL), if it did.
    pub authenticated: Option<String>,
    /// Which door it came through.
    pub door: Door,
    /// `false` when sender and client were read from the mail's own trace, which anybody can write.
    pub verified: bool,
}

impl Envelope {
    /// What Return-Path and the topmost Received of a mail in a file tell; unverified, since anybody can write them.
    #[must_use]
    pub fn traced(header: &HeaderReading) -> Self {
        let relay = header.received.first();
        let author = || header.from.first().map(|mailbox| mailbox.address.clone());
        let sender = header.return_path.clone().or_else(author).unwrap_or_default();
        Self {
            client: relay.and_then(|relay| {
                relay.address.map(|address| Client { address, name: relay.name.clone() })
            }),
            helo: relay.and_then(|relay| relay.helo.clone()),
            sender: bare(&sender),
            door: Door::File,
            verified: false,
            ..Self::default()
        }
    }
}

/// An address without angle brackets, cut to the length that an address may have.
#[must_use]
pub fn bare(address: &str) -> String {
    let inner = address.trim().trim_start_matches('<').trim_end_matches('>');
    inner[..inner.floor_char_boundary(ADDRESS_BYTES_MAX)].to_owned()
}

/// The connecting SMTP client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Network address.
    pub address: IpAddr,
    /// Host name that the MTA found for it by reverse DNS, if it did.
    pub name: Option<String>,
}

/// The door a mail came through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// Milter protocol, MTA as client.
    Milter,
    /// SMTP proxy, before or after the queue.
    Smtp,
    /// LMTP proxy.
    Lmtp,
    /// A file judged from the command line.
    #[default]
    File,
}

impl Door {
    /// The word used in logs and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Milter => "milter",
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
            Self::File => "file",
        }
    }
}

impl Envelope {
    /// Whether the sender is the null reverse-path `<>`, as bounces must have.
    #[must_use]
    pub fn is_null_sender(&self) -> bool {
        self.sender.is_empty()
    }
}

/// Domain of an address: what follows the last `@`, without a trailing dot. Empty if there is none.
#[must_use]
pub fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain).trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_what_follows_the_last_at() {
        for (address, domain) in [
            ("a@example.org", "example.org"),
            ("\"a@b\"@example.org.", "example.org"),
            ("postmaster", ""),
            ("", ""),
        ] {
            assert_eq!(domain_of(address), domain, "{address}");
        }
    }
}
