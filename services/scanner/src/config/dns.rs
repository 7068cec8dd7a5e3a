//! The `[scanner.dns]` section.
//!
//! DNS is asked as soon as a server is named: its questions tell that server, and lists of strangers, who writes to this
//! site, so the administrator says whom to ask. `enabled` decides whatever is named.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;

use crate::ask::authentication::Plan;
use crate::ask::dns::{Plan as DnsPlan, SERVERS_MAX};
use crate::ask::lists::{LISTS_MAX, TypedList};
use crate::ask::upstream::Upstream;

/// The section as typed; every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TypedDns {
    /// Whether anything is asked. Left out: if servers are named.
    pub enabled: Option<bool>,
    /// Recursive servers, `address` or `address:port`. Empty: the system's.
    pub servers: Vec<String>,
    /// Milliseconds a mail waits for all its questions at most.
    pub budget_ms: u64,
    /// Milliseconds to wait for one answer of one server.
    pub timeout_ms: u64,
    /// Questions under way at each server.
    pub concurrent_max: usize,
    /// Bytes of answers remembered.
    pub cache_bytes_max: u64,
    /// Lists that are asked.
    pub lists: Vec<TypedList>,
    /// Names of border servers whose `Authentication-Results` are believed.
    pub trusted_authserv_ids: Vec<String>,
    /// Received fields that may stand above theirs.
    pub trusted_authserv_hops: usize,
    /// Domains whose ARC seals excuse a DMARC failure.
    pub trusted_sealers: Vec<String>,
}

impl Default for TypedDns {
    fn default() -> Self {
        Self {
            enabled: None,
            servers: Vec::new(),
            budget_ms: 1500,
            timeout_ms: 700,
            concurrent_max: 256,
            cache_bytes_max: 32 << 20,
            lists: Vec::new(),
            trusted_authserv_ids: Vec::new(),
            trusted_authserv_hops: 1,
            trusted_sealers: Vec::new(),
        }
    }
}

impl TypedDns {
    /// Says what the section means; `None`: nothing is asked, and nobody's results are believed.
    ///
    /// # Errors
    /// The key whose value makes no sense, and what would.
    pub(super) fn check(self) -> Result<Option<Plan>, String> {
        for (key, value) in [("budget_ms", self.budget_ms), ("timeout_ms", self.timeout_ms)] {
            if !(1..=10_000).contains(&value) {
                return Err(format!("dns.{key} = {value}: write 1 to 10000 milliseconds"));
            }
        }
        if !(1..=10_000).contains(&self.concurrent_max) {
            return Err(format!("dns.concurrent_max = {}: write 1 to 10000", self.concurrent_max));
        }
        for (key, found, max) in
            [("servers", self.servers.len(), SERVERS_MAX), ("lists", self.lists.len(), LISTS_MAX)]
        {
            if found > max {
                return Err(format!("dns.{key}: more than {max}"));
            }
        }
        let server = |text: &String| {
            let alone = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
            alone.or_else(|_| text.parse()).map_err(|_| {
                format!("dns.servers: {text:?} is neither an address nor address:port")
            })
        };
        let servers = self.servers.iter().map(server).collect::<Result<Vec<_>, _>>()?;
        let lists = self.lists.into_iter().map(TypedList::check).collect::<Result<Vec<_>, _>>();
        let lower =
            |names: Vec<String>| names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let is_asked = self.enabled.unwrap_or(!servers.is_empty());
        let dns = DnsPlan {
            servers,
            budget: Duration::from_millis(self.budget_ms),
            timeout: Duration::from_millis(self.timeout_ms),
            concurrent_per_server: self.concurrent_max,
            cache_bytes_max: self.cache_bytes_max,
        };
        let plan = Plan {
            dns: Some(dns).filter(|_| is_asked),
            lists: lists.map_err(|fault| format!("dns.lists: {fault}"))?,
            upstream: Upstream {
                ids: lower(self.trusted_authserv_ids),
                hops: self.trusted_authserv_hops,
            },
            trusted_sealers: lower(self.trusted_sealers),
        };
        let has_work = plan.dns.is_some() || !plan.upstream.ids.is_empty();
        Ok(Some(plan).filter(|_| has_work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Option<Plan>, String> {
        toml::from_str::<TypedDns>(text).map_err(|error| error.to_string())?.check()
    }

    #[test]
    fn dns_is_asked_as_soon_as_a_server_is_named_unless_it_is_turned_off() {
        assert!(check("").unwrap().is_none(), "a site that names nobody tells nobody");
        let asked = |text: &str| check(text).unwrap().and_then(|plan| plan.dns);
        let named = "servers = ['192.0.2.1', '[2001:db8::1]:5353']";
        let servers: Vec<String> =
            asked(named).unwrap().servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[2001:db8::1]:5353"]);
        assert!(asked(&format!("enabled = false\n{named}")).is_none());
        let of_system = asked("enabled = true").unwrap();
        assert!(of_system.servers.is_empty(), "those of the system, once somebody says so");
        let alone = check("trusted_authserv_ids = ['MX.example.org']").unwrap().unwrap();
        assert!(alone.dns.is_none(), "a border server is believed without a question");
        assert_eq!(alone.upstream.ids, ["mx.example.org"]);
    }

    #[test]
    fn a_wrong_value_is_named_with_its_key() {
        let many = |key: &str, one: &str, count: usize| {
            format!("{key} = [{}]", vec![one; count].join(","))
        };
        let list = "{ name = 'l', zone = 'l.example', about = 'client', rating = 1.0 }";
        for (text, expect) in [
            ("budget_ms = 0".to_owned(), "budget_ms"),
            ("timeout_ms = 10001".to_owned(), "timeout_ms"),
            ("concurrent_max = 0".to_owned(), "concurrent_max"),
            ("servers = ['dns.example']".to_owned(), "dns.servers"),
            ("lists = [{ name = 'l', zone = 'l.example', about = 'all' }]".to_owned(), "about"),
            (many("servers", "'192.0.2.1'", SERVERS_MAX + 1), "dns.servers: more than"),
            (many("lists", list, LISTS_MAX + 1), "dns.lists: more than"),
            ("resolver = 'x'".to_owned(), "resolver"),
        ] {
            let fault = check(&text).unwrap_err();
            assert!(fault.contains(expect), "{text}: {fault}");
        }
        assert!(check(&many("servers", "'192.0.2.1'", SERVERS_MAX)).is_ok(), "at the limit");
        assert!(check(&many("lists", list, LISTS_MAX)).is_ok(), "at the limit");
    }
}
