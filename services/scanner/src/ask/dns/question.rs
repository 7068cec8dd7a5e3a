//! What is asked of DNS, and what comes back, in words of our own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Characters of a name without its last dot (RFC 1035 section 3.1: 255 bytes on the wire).
const NAME_CHARS_MAX: usize = 253;

/// Characters of one label (RFC 1035 section 2.3.4).
const LABEL_CHARS_MAX: usize = 63;

/// Types of records that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail exchangers.
    Mx,
    /// Names of an address.
    Ptr,
    /// Text.
    Txt,
}

impl Kind {
    /// The word used in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::Aaaa => "aaaa",
            Self::Mx => "mx",
            Self::Ptr => "ptr",
            Self::Txt => "txt",
        }
    }
}

/// One question. Names are in lower case and without the last dot, so that equal questions are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    name: Arc<str>,
    kind: Kind,
}

impl Question {
    /// A question, unless no such name can be.
    #[must_use]
    pub fn new(name: &str, kind: Kind) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let labels_fit = name.split('.').all(|label| (1..=LABEL_CHARS_MAX).contains(&label.len()));
        let fits = labels_fit && name.len() <= NAME_CHARS_MAX && name.is_ascii();
        fits.then(|| Self { name: name.to_ascii_lowercase().into(), kind })
    }

    /// The question for the names of an address (RFC 1035 section 3.5, RFC 3596 section 2.5).
    #[must_use]
    pub fn reverse(address: IpAddr) -> Self {
        let zone = if address.is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" };
        Self { name: format!("{}.{zone}", reversed(address)).into(), kind: Kind::Ptr }
    }

    /// The name, in lower case, without the last dot.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is asked for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

/// An address as the front of a name in reverse zones and lists (RFC 5782 sections 2.1 and 2.4).
#[must_use]
pub fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(address) => {
            let nibbles =
                address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            let words: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            words.join(".")
        }
    }
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A mail exchanger.
    Mx {
        /// Lower is preferred.
        preference: u16,
        /// Its name; empty for "no mail here" (RFC 7505).
        exchange: String,
    },
    /// A name of an address.
    Ptr(String),
    /// All strings of one text record, joined without anything between (RFC 7208 section 3.3).
    Txt(Vec<u8>),
}

/// What DNS said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Records, at least one.
    Found(Arc<[Record]>),
    /// The name is there, but nothing of this kind.
    NoData,
    /// There is no such name.
    NoName,
    /// It is not known: asking later may help.
    Failed(Failure),
}

impl Answer {
    /// The records; none if there are none or it is not known.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        match self {
            Self::Found(records) => records,
            _ => &[],
        }
    }

    /// The word used in metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Found(_) => "found",
            Self::NoData => "no_data",
            Self::NoName => "no_name",
            Self::Failed(failure) => failure.word(),
        }
    }
}

/// Why nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No answer in the time that there was. The network's, or the domain's servers.
    Timeout,
    /// A server said that it cannot or will not (SERVFAIL, REFUSED...). The domain's fault, most often.
    Server,
    /// No server could be reached.
    Unreachable,
    /// The mail has asked enough.
    TooMany,
    /// Too much is asked at the same time.
    Busy,
    /// No server answered lately; they are left alone for a while.
    Resting,
}

impl Failure {
    /// The word used in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Server => "server_failed",
            Self::Unreachable => "unreachable",
            Self::TooMany => "too_many",
            Self::Busy => "busy",
            Self::Resting => "resting",
        }
    }

    /// Whether our own servers were silent, rather than those of the domain asked about.
    #[must_use]
    pub const fn is_silence(self) -> bool {
        !matches!(self, Self::Server | Self::TooMany)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_questions_are_equal_and_impossible_ones_are_none() {
        let ask = |name: &str| Question::new(name, Kind::Txt);
        assert_eq!(ask("Example.ORG."), ask("example.org"));
        assert_ne!(ask("example.org"), Question::new("example.org", Kind::A));
        let label = "x".repeat(LABEL_CHARS_MAX);
        assert!(ask(&format!("{label}.org")).is_some());
        for bad in ["", ".", "a..b", ".a", &format!("{label}x.org"), "é.org"] {
            assert_eq!(ask(bad), None, "{bad:?}");
        }
        let name = |chars: usize| format!("{}a", "a.".repeat(chars / 2));
        assert_eq!(name(252).len(), NAME_CHARS_MAX);
        assert!(ask(&name(252)).is_some(), "at the limit");
        assert!(ask(&name(254)).is_none(), "past the limit");
    }

    #[test]
    fn addresses_are_reversed_as_zones_want_them() {
        let reverse = |address: &str| Question::reverse(address.parse().unwrap());
        assert_eq!(reverse("192.0.2.99").name(), "99.2.0.192.in-addr.arpa");
        assert_eq!(
            reverse("2001:db8::567:89ab").name(),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }
}
