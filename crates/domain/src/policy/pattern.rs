//! Names of mail addresses: one address, one domain, the subdomains of a domain, everyone.

use std::collections::BTreeSet;

use crate::envelope::domain_of;
use crate::limits::ADDRESS_BYTES_MAX;

/// How narrowly an entry names a sender or recipient. Narrower wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Narrow {
    /// `*`.
    Everyone,
    /// `.example.org`: subdomains. The number is how many labels the entry has.
    Subdomains(u8),
    /// `@example.org`.
    Domain,
    /// `user@example.org`.
    Address,
}

/// A set of entries, made for looking up one address in a few steps however long the list is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    everyone: bool,
    addresses: BTreeSet<String>,
    domains: BTreeSet<String>,
    parents: BTreeSet<String>,
}

/// What an entry may look like.
pub(super) const NAME_FORMS: &str = "`user@host`, `@host`, or `.host` for the subdomains of host";

/// Labels that are cut off in front of a domain to find its parents. RFC 1035 section 2.3.4 allows 127; every real name has fewer than 20,
/// and a hostile one must not cost more.
const LABELS_MAX: usize = 32;

impl Names {
    /// The set that names everyone.
    #[must_use]
    pub fn everyone() -> Self {
        Self { everyone: true, ..Self::default() }
    }

    /// Adds an entry; `false` if it has none of the forms.
    pub(super) fn add(&mut self, entry: &str) -> bool {
        let entry = entry.to_lowercase();
        if entry.len() > ADDRESS_BYTES_MAX
            || entry.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            return false;
        }
        let parent = entry.strip_prefix('.').or_else(|| entry.strip_prefix("@."));
        let (set, host, name) = match (parent, entry.rsplit_once('@')) {
            (Some(parent), _) => (&mut self.parents, parent, parent),
            (None, Some(("", host))) => (&mut self.domains, host, host),
            (None, Some((_, host))) => (&mut self.addresses, host, entry.as_str()),
            (None, None) => return false,
        };
        if is_host(host) {
            set.insert(name.to_owned());
        }
        is_host(host)
    }

    /// Makes the set name everyone.
    pub(super) fn add_everyone(&mut self) {
        self.everyone = true;
    }

    /// The narrowest entry that names this address. Case does not matter, in the local part neither.
    #[must_use]
    pub fn find(&self, address: &str) -> Option<Narrow> {
        let address = address.trim_end_matches('.').to_lowercase();
        if self.addresses.contains(&address) {
            return Some(Narrow::Address);
        }
        let domain = domain_of(&address);
        if !domain.is_empty() && self.domains.contains(domain) {
            return Some(Narrow::Domain);
        }
        let parents = domain.match_indices('.').map(|(at, _)| &domain[at + 1..]);
        let parent = parents.take(LABELS_MAX).find(|parent| self.parents.contains(*parent));
        parent.map(narrow_parent).or(self.everyone.then_some(Narrow::Everyone))
    }

    /// Whether any entry names this address.
    #[must_use]
    pub fn matches(&self, address: &str) -> bool {
        self.find(address).is_some()
    }
}

fn narrow_parent(parent: &str) -> Narrow {
    let labels = parent.split('.').take(usize::from(u8::MAX)).count();
    Narrow::Subdomains(u8::try_from(labels).unwrap_or(u8::MAX))
}

/// Whether this can be a host name: labels without odd characters, none empty.
fn is_host(host: &str) -> bool {
    let fine = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    !host.is_empty()
        && host.len() <= 255
        && host.split('.').all(|label| !label.is_empty() && label.chars().all(fine))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(entries: &[&str]) -> Names {
        let mut names = Names::default();
        for entry in entries {
            assert!(names.add(entry), "{entry}");
        }
        names
    }

    #[test]
    fn the_narrowest_entry_is_found() {
        let all = ["a@Example.org", "@example.org", ".example.org", "@.sub.example.org"];
        for (address, found) in [
            ("A@example.ORG", Some(Narrow::Address)),
            ("b@example.org.", Some(Narrow::Domain)),
            ("b@x.example.org", Some(Narrow::Subdomains(2))),
            ("b@x.sub.example.org", Some(Narrow::Subdomains(3))),
            ("b@notexample.org", None),
            ("b@org", None),
            ("postmaster", None),
            ("", None),
        ] {
            assert_eq!(names(&all).find(address), found, "{address}");
        }
    }

    #[test]
    fn a_subdomain_entry_does_not_name_the_domain_itself() {
        assert_eq!(names(&[".example.org"]).find("a@example.org"), None);
    }

    #[test]
    fn labels_are_looked_at_up_to_the_limit_because_names_are_hostile() {
        let deep = |labels: usize| format!("a@{}example.org", "x.".repeat(labels));
        let names = names(&[".example.org"]);
        assert!(names.matches(&deep(LABELS_MAX)));
        assert!(!names.matches(&deep(LABELS_MAX + 1)));
    }

    #[test]
    fn entries_of_no_known_form_are_refused() {
        for entry in
            ["", "example.org", "a@", "@", ".", "@a..b", "a b@example.org", "a@exa mple", "a@b/c"]
        {
            assert!(!Names::default().add(entry), "{entry}");
        }
    }
}
