//! Which records a mail's signatures and authors can want, asked for once, as the library's cache.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use futures_util::future::join_all;
use mail_auth::common::cache::NoCache;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::{DomainKey, VerifySignature as _};
use mail_auth::dmarc::Dmarc as Record;
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::{
    AuthenticatedMessage, DnsError, Error, MX, Parameters, RecordSet, ResolverCache, Txt,
};
use tamis_domain::suffix::owner;

use super::super::dns::{Answer, Kind, Purpose, Record as Found, Session};
use super::{AUTHORS_MAX, a_labels};

/// Questions of one walk up the tree (RFC 9989 section 4.10).
pub(super) const WALK_MAX: usize = 8;

/// Domains whose DMARC records matter.
pub(super) struct Domains {
    pub(super) author: String,
    others: Vec<String>,
}

impl Domains {
    /// Those of each author, at most [`AUTHORS_MAX`]; of nobody if there is none.
    pub(super) fn of_all(message: &AuthenticatedMessage<'_>, spf: &str) -> Vec<Self> {
        let domains = message.from.iter().filter_map(|from| from.rsplit_once('@'));
        let mut authors = once_each(domains.map(|(_, domain)| a_labels(domain)).collect());
        authors.truncate(AUTHORS_MAX);
        if authors.is_empty() {
            authors.push(String::new());
        }
        authors.into_iter().map(|author| Self::of(message, author, spf)).collect()
    }

    fn of(message: &AuthenticatedMessage<'_>, author: String, spf: &str) -> Self {
        let signers = message.dkim_headers.iter().map(|header| header.header.d.as_str());
        let mut others: Vec<String> = signers
            .chain([spf])
            .map(a_labels)
            .filter(|domain| *domain != author && owner(domain) == owner(&author))
            .collect();
        others.sort_unstable();
        others.dedup();
        Self { author, others }
    }
}

/// Names of one walk up the tree: the domain, then from seven labels downwards (RFC 9989 section 4.10).
pub(super) fn walk(domain: &str) -> Vec<String> {
    let labels: Vec<&str> = domain.split('.').filter(|label| !label.is_empty()).collect();
    if labels.len() < 2 {
        return Vec::new();
    }
    let shorter = (1..labels.len()).rev().filter(|count| *count < WALK_MAX);
    std::iter::once(labels.len())
        .chain(shorter)
        .take(WALK_MAX)
        .map(|count| format!("_dmarc.{}", labels[labels.len() - count..].join(".")))
        .collect()
}

/// Text records by name with the last dot, read as what they are wanted for.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) known: HashMap<Box<str>, Txt>,
    /// Authors' domains that are not there at all.
    pub(super) absent: Vec<String>,
}

impl Texts {
    pub(super) async fn ask(
        dns: &Session,
        message: &AuthenticatedMessage<'_>,
        authors: &[Domains],
    ) -> Self {
        let dkim = message.dkim_headers.iter().map(|header| header.header.domain_key());
        let seals = message.as_headers.iter().map(|header| header.header.domain_key());
        let sealed = message.ams_headers.iter().map(|header| header.header.domain_key());
        let of_dkim = once_each(dkim.collect());
        let of_chain = once_each(seals.chain(sealed).filter(|it| !of_dkim.contains(it)).collect());
        // The author's own walk first, should there be more than may be asked. An aligned signer has the author's owner;
        // anything else needs no walk of its own.
        let names = authors.iter().map(|it| &it.author);
        let names = names.chain(authors.iter().flat_map(|it| &it.others));
        let policies = once_each(names.flat_map(|domain| walk(domain)).collect());
        let of_dkim = of_dkim.into_iter().map(|name| (name, Purpose::Keys));
        let of_chain = of_chain.into_iter().map(|name| (name, Purpose::Seals));
        let keys = join_all(of_dkim.chain(of_chain).map(|(name, purpose)| async move {
            let answer = dns.of(purpose).ask(&name, Kind::Txt).await;
            (name, read::<DomainKey>(&answer, false))
        }));
        let dns = dns.of(Purpose::Policies);
        let named = authors.iter().map(|it| &it.author).filter(|author| !author.is_empty());
        let absent = join_all(named.map(|author| async move {
            (dns.ask(author, Kind::A).await == Answer::NoName).then(|| author.clone())
        }));
        let policies = join_all(policies.iter().map(|name| async move {
            (format!("{name}."), read::<Record>(&dns.ask(name, Kind::Txt).await, true))
        }));
        let (absent, policies, keys) = futures_util::join!(absent, policies, keys);
        let absent = absent.into_iter().flatten().collect();
        let keys = keys.into_iter().map(|(name, text)| (name.into(), text));
        let policies = policies.into_iter().map(|(name, text)| (name.into(), text));
        Self { known: keys.chain(policies).collect(), absent }
    }

    pub(super) fn for_params<P>(
        &self,
        params: P,
    ) -> Parameters<'_, P, Self, None<MX>, None<Ipv4Addr>, None<Ipv6Addr>, NoPtr> {
        Parameters {
            params,
            cache_txt: Some(self),
            cache_mx: Option::None,
            cache_ptr: Option::None,
            cache_ipv4: Option::None,
            cache_ipv6: Option::None,
        }
    }
}

/// The names in their order, each once.
fn once_each(names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.iter().filter(|name| seen.insert(name.as_str())).cloned().collect()
}

type None<T> = NoCache<Box<str>, RecordSet<T>>;
type NoPtr = NoCache<IpAddr, RecordSet<Box<str>>>;

impl ResolverCache<Box<str>, Txt> for Texts {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.known.get(name).cloned()
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Option::None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// Our answer as the library's record. Of several keys the first that can be read counts; several policies are none
/// (RFC 9989 section 4.10).
fn read<T: TxtRecordParser + Into<Txt>>(answer: &Answer, is_single: bool) -> Txt {
    let code = match answer {
        Answer::Failed(failure) => {
            return Txt::Error(Error::Dns(DnsError::Resolver(failure.word().to_owned())));
        }
        Answer::NoName => ResponseCode::NXDomain,
        _ => ResponseCode::NoError,
    };
    let mut first = Err(Error::Dns(DnsError::RecordNotFound(code)));
    for record in answer.records() {
        let Found::Txt(text) = record else { continue };
        match (T::parse(text), &first) {
            (Ok(_), Ok(_)) if is_single => {
                return Txt::Error(Error::Dns(DnsError::RecordNotFound(code)));
            }
            (_, Ok(_)) => {}
            (read, Err(_)) => first = read,
        }
    }
    first.into()
}
