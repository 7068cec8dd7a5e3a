//! Who is trusted and who is blacklisted, and which of two entries wins.
//!
//! 1. The group's own lists are asked first; only if they say nothing, the global ones.
//! 2. In one list the narrower entry wins: an address beats a network, a network beats a domain, a domain beats
//!    its parent; a longer network prefix beats a shorter one.
//! 3. Equally narrow: trusted wins, because losing one good mail is worse than letting spam through.
//!
//! **What trust is worth.** Envelope sender and `From` are written by whoever sends: trusting `@example.org`
//! trusts every spammer who knows that. The network address of the client cannot be forged, so trust given to an
//! address or network is safe; where the envelope is not verified (read from the mail's own trace) the client
//! address counts for blacklisting only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::pattern::{Names, Narrow};

/// Lists of one group: its own, then the global ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lists {
    levels: Vec<Arc<Level>>,
}

/// Lists written in one place.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Level {
    pub(super) trusted: List,
    pub(super) blacklisted: List,
}

/// Senders and networks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct List {
    names: Names,
    networks: Networks,
}

/// What of a mail is looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Envelope sender; empty for the null sender, which no entry names.
    pub sender: &'a str,
    /// Addresses of the header From. Trust needs exactly one, blacklisting any.
    pub from: Vec<&'a str>,
    /// Address of the client.
    pub client: Option<IpAddr>,
    /// Whether client and sender were told by the MTA, not by the mail.
    pub verified: bool,
}

/// An entry that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which list.
    pub list: Which,
    /// What of the mail was named.
    pub named: Named,
    /// How narrowly.
    pub rank: Rank,
}

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// The list of the blocked.
    Blacklisted,
    /// The list of the trusted.
    Trusted,
}

/// What of the mail an entry named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Envelope sender.
    Sender,
    /// Header From.
    From,
    /// Address of the client.
    Client,
}

/// How narrow an entry is; the order is the precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Subdomains of a domain with this many labels.
    Subdomains(u8),
    /// One domain.
    Domain,
    /// A network with this many prefix bits, counted in IPv6 (IPv4 prefixes have 96 more).
    Network(u8),
    /// One mail address.
    Address,
}

impl Lists {
    /// Lists asked in this order.
    pub(super) fn of(levels: Vec<Arc<Level>>) -> Self {
        Self { levels }
    }

    /// The same lists with `own` asked before them.
    pub(super) fn under(&self, own: Level) -> Self {
        let mut levels = vec![Arc::new(own)];
        levels.extend(self.levels.iter().cloned());
        Self::of(levels)
    }

    /// The entry that decides, if any names this mail.
    #[must_use]
    pub fn find(&self, seen: &Seen<'_>) -> Option<Listed> {
        self.levels.iter().find_map(|level| level.find(seen))
    }
}

impl Level {
    fn find(&self, seen: &Seen<'_>) -> Option<Listed> {
        let blacklisted = self.blacklisted.find(seen, Which::Blacklisted);
        let trusted = self.trusted.find(seen, Which::Trusted);
        blacklisted.into_iter().chain(trusted).max_by_key(|found| (found.rank, found.list))
    }
}

impl List {
    /// Adds an entry; `false` if it has none of the forms.
    pub(super) fn add(&mut self, entry: &str) -> bool {
        self.networks.add(entry) || self.names.add(entry)
    }

    fn find(&self, seen: &Seen<'_>, list: Which) -> Option<Listed> {
        let name = |address: &str, named| {
            let rank = rank(self.names.find(address)?)?;
            Some(Listed { list, named, rank })
        };
        let from: &[&str] = match list {
            Which::Trusted if seen.from.len() != 1 => &[],
            _ => &seen.from,
        };
        let client = seen.client.filter(|_| list == Which::Blacklisted || seen.verified);
        let client = client.and_then(|address| self.networks.find(address)).map(|bits| Listed {
            list,
            named: Named::Client,
            rank: Rank::Network(bits),
        });
        let from = from.iter().filter_map(|address| name(address, Named::From));
        from.chain(name(seen.sender, Named::Sender)).chain(client).max_by_key(|found| found.rank)
    }
}

fn rank(narrow: Narrow) -> Option<Rank> {
    match narrow {
        Narrow::Everyone => None,
        Narrow::Subdomains(labels) => Some(Rank::Subdomains(labels)),
        Narrow::Domain => Some(Rank::Domain),
        Narrow::Address => Some(Rank::Address),
    }
}

/// Networks by prefix length, so that a lookup costs one step for each length in use, not for each entry.
/// IPv4 networks are kept apart from IPv6 ones: `::/0` does not name an IPv4 client.
#[derive(Clone, Debug, Default, PartialEq)]
struct Networks {
    v4: BTreeMap<u8, BTreeSet<u32>>,
    v6: BTreeMap<u8, BTreeSet<u128>>,
}

impl Networks {
    /// Adds `address` or `address/bits`; `false` if it is neither. Bits of the host part are ignored.
    fn add(&mut self, entry: &str) -> bool {
        let (address, bits) = match entry.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (entry, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else { return false };
        let max = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits.map(str::parse::<u8>) {
            None => max,
            Some(Ok(bits)) if bits <= max => bits,
            Some(_) => return false,
        };
        match address {
            IpAddr::V4(v4) => self.v4.entry(bits).or_default().insert(cut_v4(v4.to_bits(), bits)),
            IpAddr::V6(v6) => self.v6.entry(bits).or_default().insert(cut_v6(v6.to_bits(), bits)),
        };
        true
    }

    /// Prefix bits of the narrowest network around this address, counted in IPv6.
    fn find(&self, address: IpAddr) -> Option<u8> {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let mut networks = self.v4.iter().rev();
                let found =
                    networks.find(|(bits, set)| set.contains(&cut_v4(v4.to_bits(), **bits)));
                found.map(|(bits, _)| bits + 96)
            }
            IpAddr::V6(v6) => {
                let mut networks = self.v6.iter().rev();
                let found =
                    networks.find(|(bits, set)| set.contains(&cut_v6(v6.to_bits(), **bits)));
                found.map(|(bits, _)| *bits)
            }
        }
    }
}

fn cut_v4(address: u32, bits: u8) -> u32 {
    address & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

fn cut_v6(address: u128, bits: u8) -> u128 {
    address & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(trusted: &[&str], blacklisted: &[&str]) -> Level {
        let mut level = Level::default();
        assert!(trusted.iter().all(|entry| level.trusted.add(entry)));
        assert!(blacklisted.iter().all(|entry| level.blacklisted.add(entry)));
        level
    }

    fn seen<'a>(sender: &'a str, client: &str) -> Seen<'a> {
        Seen { sender, from: vec![], client: client.parse().ok(), verified: true }
    }

    fn which(level: Level, seen: &Seen<'_>) -> Option<Which> {
        Lists::of(vec![Arc::new(level)]).find(seen).map(|found| found.list)
    }

    #[test]
    fn the_narrower_entry_wins_and_trust_wins_a_draw() {
        let b = Some(Which::Blacklisted);
        let t = Some(Which::Trusted);
        for (trusted, blacklisted, wins, why) in [
            ("a@x.example", "@x.example", t, "an address beats its domain"),
            ("@x.example", "a@x.example", b, "whichever list it is in"),
            ("@x.example", ".example", t, "a domain beats its parent"),
            (".example", "@x.example", b, "whichever list it is in"),
            ("192.0.2.1", "@x.example", t, "a network beats a domain: it cannot be forged"),
            ("@x.example", "192.0.2.0/24", b, "a network beats a domain"),
            ("192.0.2.0/24", "192.0.2.1", b, "a host beats its network"),
            ("192.0.2.1", "a@x.example", b, "an address beats a network"),
            ("a@x.example", "a@x.example", t, "a draw"),
            ("192.0.2.0/24", "192.0.2.0/24", t, "a draw"),
            ("b@x.example", "192.0.3.0/24", None, "neither names the mail"),
        ] {
            let found = which(level(&[trusted], &[blacklisted]), &seen("a@x.example", "192.0.2.1"));
            assert_eq!(found, wins, "{why}");
        }
    }

    #[test]
    fn networks_end_where_their_prefix_says() {
        for (network, address, inside) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.77/24", "192.0.2.1", true),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "203.0.113.9", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
        ] {
            let found = which(level(&[], &[network]), &seen("", address));
            assert_eq!(found.is_some(), inside, "{address} in {network}");
        }
    }

    #[test]
    fn impossible_networks_are_refused() {
        for entry in
            ["192.0.2.0/33", "::/129", "192.0.2/24", "192.0.2.1/", "192.0.2.1/x", "1.2.3.4.5"]
        {
            assert!(!List::default().add(entry), "{entry}");
        }
    }

    #[test]
    fn an_unverified_client_is_never_trusted_but_may_be_blacklisted() {
        let unverified = Seen { verified: false, ..seen("", "192.0.2.1") };
        assert_eq!(which(level(&["192.0.2.1"], &[]), &unverified), None);
        assert_eq!(which(level(&[], &["192.0.2.1"]), &unverified), Some(Which::Blacklisted));
    }

    #[test]
    fn two_authors_are_not_trusted_because_one_may_be_borrowed() {
        let two = Seen { from: vec!["a@x.example", "b@y.example"], ..Seen::default() };
        assert_eq!(which(level(&["a@x.example"], &[]), &two), None);
        assert_eq!(which(level(&[], &["b@y.example"]), &two), Some(Which::Blacklisted));
    }

    #[test]
    fn the_groups_own_list_decides_before_the_global_one_even_if_wider() {
        let global = Lists::of(vec![Arc::new(level(&[], &["a@x.example"]))]);
        let found = global.under(level(&["@x.example"], &[])).find(&seen("a@x.example", ""));
        assert_eq!(found.map(|found| found.list), Some(Which::Trusted));
    }
}
