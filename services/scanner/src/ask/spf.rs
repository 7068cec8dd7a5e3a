//! SPF (RFC 7208): may this client send for this domain?
//!
//! Our own, and not `mail-auth`'s: that one asks DNS by itself, so neither our cache nor our limits would hold, and it
//! does not count void look-ups nor refuse two records (`docs/decisions/0012-authentication.md`). The suite of the RFC
//! runs against this one over a real socket.

use std::net::IpAddr;
use std::pin::Pin;

use tamis_domain::authentication::SpfResult;
use tamis_domain::envelope::domain_of;

use super::dns::{Answer, Asker, Kind, Record as Found};

mod macros;
mod record;

use macros::{Spec, Values};
use record::{Directive, Malformed, Mechanism, Prefixes, Qualifier, Record, is_spf};

/// Terms that ask DNS in one check (section 4.6.4).
pub const LOOKUPS_MAX: u32 = 10;

/// Questions without any answer in one check (section 4.6.4).
pub const VOIDS_MAX: u32 = 2;

/// Exchangers of one `mx`, and names of one `ptr` (section 4.6.4).
pub const NAMES_MAX: usize = 10;

/// Who wants to send, and as whom.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// What it called itself.
    pub helo: &'a str,
    /// The envelope's sender; where it is empty, `helo` is checked (section 2.4).
    pub sender: &'a str,
}

impl Who<'_> {
    /// The mailbox that is checked.
    #[must_use]
    pub fn mailbox(&self) -> String {
        match self.sender.rsplit_once('@') {
            Some(("", domain)) => format!("postmaster@{domain}"),
            Some(_) => self.sender.to_owned(),
            None if self.sender.is_empty() => format!("postmaster@{}", self.helo),
            None => format!("postmaster@{}", self.sender),
        }
    }
}

/// Checks one mail.
pub async fn check(dns: Asker<'_>, who: Who<'_>) -> SpfResult {
    let sender = who.mailbox();
    let mut check = Check {
        dns,
        client: who.client.to_canonical(),
        helo: who.helo,
        sender: &sender,
        lookups: 0,
        voids: 0,
        validated: None,
    };
    let domain = domain_of(&sender).to_owned();
    let labels = domain.split('.').collect::<Vec<_>>();
    if labels.len() < 2 || labels.iter().any(|label| label.is_empty() || label.len() > 63) {
        return SpfResult::None;
    }
    check.host(domain).await.unwrap_or_else(|stop| stop.0)
}

/// The check is over before its end.
struct Stop(SpfResult);

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Self {
        Self(SpfResult::PermError)
    }
}

type Checked<'a, T> = Pin<Box<dyn Future<Output = Result<T, Stop>> + Send + 'a>>;

struct Check<'a> {
    dns: Asker<'a>,
    client: IpAddr,
    helo: &'a str,
    sender: &'a str,
    lookups: u32,
    voids: u32,
    /// The client's validated name, once somebody wanted it.
    validated: Option<String>,
}

impl Check<'_> {
    /// `check_host()` of section 4.
    fn host(&mut self, domain: String) -> Checked<'_, SpfResult> {
        Box::pin(async move {
            let Some(record) = self.record(&domain).await? else { return Ok(SpfResult::None) };
            for Directive { qualifier, mechanism } in &record.directives {
                if self.matches(mechanism, &domain).await? {
                    return Ok(match qualifier {
                        Qualifier::Pass => SpfResult::Pass,
                        Qualifier::Fail => SpfResult::Fail,
                        Qualifier::SoftFail => SpfResult::SoftFail,
                        Qualifier::Neutral => SpfResult::Neutral,
                    });
                }
            }
            let Some(redirect) = &record.redirect else { return Ok(SpfResult::Neutral) };
            self.count_lookup()?;
            let target = self.expand(redirect, &domain).await;
            match self.host(target).await? {
                SpfResult::None => Err(Stop(SpfResult::PermError)),
                result => Ok(result),
            }
        })
    }

    /// The one record of a domain (section 4.4, 4.5).
    async fn record(&mut self, domain: &str) -> Result<Option<Record>, Stop> {
        let answer = self.dns.ask(domain, Kind::Txt).await;
        if matches!(answer, Answer::Failed(_)) {
            return Err(Stop(SpfResult::TempError));
        }
        let mut records = answer.records().iter().filter_map(|record| match record {
            Found::Txt(text) if is_spf(text) => Some(text),
            _ => None,
        });
        match (records.next(), records.next()) {
            (None, _) => Ok(None),
            (Some(one), None) => Ok(Some(Record::parse(one)?)),
            (Some(_), Some(_)) => Err(Stop(SpfResult::PermError)),
        }
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Stop> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, prefix) => Ok(within(self.client, (*network).into(), *prefix)),
            Mechanism::Ip6(network, prefix) => Ok(within(self.client, (*network).into(), *prefix)),
            Mechanism::Include(spec) => {
                self.count_lookup()?;
                let target = self.expand(spec, domain).await;
                match self.host(target).await? {
                    SpfResult::Pass => Ok(true),
                    SpfResult::Fail | SpfResult::SoftFail | SpfResult::Neutral => Ok(false),
                    SpfResult::TempError => Err(Stop(SpfResult::TempError)),
                    SpfResult::None | SpfResult::PermError => Err(Stop(SpfResult::PermError)),
                }
            }
            Mechanism::A(spec, prefixes) => {
                self.count_lookup()?;
                let target = self.target(spec.as_ref(), domain).await;
                self.has_address(&target, *prefixes).await
            }
            Mechanism::Mx(spec, prefixes) => {
                self.count_lookup()?;
                let target = self.target(spec.as_ref(), domain).await;
                self.mx(&target, *prefixes).await
            }
            Mechanism::Ptr(spec) => {
                self.count_lookup()?;
                let target = self.target(spec.as_ref(), domain).await.to_ascii_lowercase();
                let names = self.validated_names().await;
                Ok(names.iter().any(|name| is_within(name, &target)))
            }
            Mechanism::Exists(spec) => {
                self.count_lookup()?;
                let target = self.expand(spec, domain).await;
                let answer = self.ask(&target, Kind::A).await?;
                Ok(!answer.records().is_empty())
            }
        }
    }

    async fn mx(&mut self, target: &str, prefixes: Prefixes) -> Result<bool, Stop> {
        let answer = self.ask(target, Kind::Mx).await?;
        let mut exchanges: Vec<(u16, &str)> = Vec::new();
        for record in answer.records() {
            if let Found::Mx { preference, exchange } = record {
                exchanges.push((*preference, exchange));
            }
        }
        if exchanges.len() > NAMES_MAX {
            return Err(Stop(SpfResult::PermError));
        }
        exchanges.sort_unstable();
        for (_, exchange) in exchanges {
            if self.has_address(exchange, prefixes).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the client is in the network around one of the name's addresses.
    async fn has_address(&mut self, name: &str, prefixes: Prefixes) -> Result<bool, Stop> {
        let (kind, prefix) = match self.client {
            IpAddr::V4(_) => (Kind::A, prefixes.v4),
            IpAddr::V6(_) => (Kind::Aaaa, prefixes.v6),
        };
        let answer = self.ask(name, kind).await?;
        Ok(addresses(&answer).any(|address| within(self.client, address, prefix)))
    }

    /// Asks for a term: failures end the check, and nothing found is counted.
    async fn ask(&mut self, name: &str, kind: Kind) -> Result<Answer, Stop> {
        match self.dns.ask(name, kind).await {
            Answer::Failed(_) => Err(Stop(SpfResult::TempError)),
            Answer::Found(records) => Ok(Answer::Found(records)),
            nothing => {
                self.voids += 1;
                if self.voids > VOIDS_MAX {
                    return Err(Stop(SpfResult::PermError));
                }
                Ok(nothing)
            }
        }
    }

    fn count_lookup(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX { Err(Stop(SpfResult::PermError)) } else { Ok(()) }
    }

    async fn target(&mut self, spec: Option<&Spec>, domain: &str) -> String {
        match spec {
            Some(spec) => self.expand(spec, domain).await,
            None => domain.to_owned(),
        }
    }

    async fn expand(&mut self, spec: &Spec, domain: &str) -> String {
        if spec.needs_validated() && self.validated.is_none() {
            let names = self.validated_names().await;
            // The domain itself before names below it before any other (section 7.3).
            let chosen = names
                .iter()
                .find(|name| name.eq_ignore_ascii_case(domain))
                .or_else(|| names.iter().find(|name| is_within(name, &domain.to_ascii_lowercase())))
                .or(names.first());
            self.validated = Some(chosen.cloned().unwrap_or_else(|| "unknown".to_owned()));
        }
        spec.expand(&Values {
            sender: self.sender,
            domain,
            client: self.client,
            helo: self.helo,
            validated: self.validated.as_deref().unwrap_or("unknown"),
        })
    }

    /// Names of the client that have its address (section 5.5): failures on the way are no match.
    async fn validated_names(&self) -> Vec<String> {
        let kind = if self.client.is_ipv4() { Kind::A } else { Kind::Aaaa };
        let mut validated = Vec::new();
        for record in self.dns.ask_reverse(self.client).await.records().iter().take(NAMES_MAX) {
            let Found::Ptr(name) = record else { continue };
            let answer = self.dns.ask(name, kind).await;
            if addresses(&answer).any(|address| address == self.client) {
                validated.push(name.clone());
            }
        }
        validated
    }
}

fn addresses(answer: &Answer) -> impl Iterator<Item = IpAddr> + use<'_> {
    answer.records().iter().filter_map(|record| match record {
        Found::A(address) => Some(IpAddr::V4(*address)),
        Found::Aaaa(address) => Some(IpAddr::V6(*address)),
        _ => None,
    })
}

/// Whether `name` is `domain` or below it.
fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

fn within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            (address.to_bits() ^ network.to_bits()) & mask == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            (address.to_bits() ^ network.to_bits()) & mask == 0
        }
        _ => false,
    }
}
