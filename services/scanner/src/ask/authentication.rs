//! Everything that DNS is asked about one mail: who really sent it, and what lists say of it.
//!
//! It begins with the near ring and runs beside everything else, since nothing else depends on it; hosts of links join when
//! the contents have been read. All of it ends with the session's budget, with what is known by then.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use tamis_domain::authentication::{
    Authentication, DkimResult, Dmarc, DmarcResult, ListAnswer, Reverse, Spf,
};
use tamis_domain::dialogue::Offer;
use tamis_domain::envelope::{Envelope, domain_of};
use tamis_domain::outline::{Oddity, Outline};
use tamis_domain::reading::HeaderReading;
use tamis_runtime::clock;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::dns::{
    Answer, Asker, CLIENT_NAMES_MAX, Dns, Kind, Plan as DnsPlan, Purpose, Record, Session,
};
use super::lists::{List, Lists, Subjects};
use super::signatures::{Signed, Verifier, a_labels};
use super::spf::{self, Who};
use super::upstream::Upstream;
use crate::metrics::Metrics;

/// Domains of the sender that lists are asked about: envelope, author, HELO.
const SENDERS_MAX: usize = 3;

/// Whom to ask, and whom to believe.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How DNS is asked; `None`: it is not, and only border servers are believed.
    pub dns: Option<DnsPlan>,
    /// Lists that are asked.
    pub lists: Vec<List>,
    /// Border servers whose results are believed.
    pub upstream: Upstream,
    /// Domains whose ARC seals are believed, in lower case.
    pub trusted_sealers: Vec<String>,
}

/// What all mails share.
#[derive(Debug)]
pub struct Authenticator {
    dns: Option<Dns>,
    verifier: Verifier,
    lists: Arc<Lists>,
    upstream: Upstream,
    trusted_sealers: Arc<[String]>,
    metrics: Metrics,
}

/// What was found about one mail.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Who really sent it.
    pub authentication: Authentication,
    /// What lists say.
    pub lists: Vec<ListAnswer>,
    /// Questions were asked, and no server answered any.
    pub is_silent: bool,
}

/// The questions about one mail, under way.
#[derive(Debug)]
pub enum Asking {
    /// DNS is not asked: this is all that there is.
    Known(Box<Authentication>),
    /// DNS is asked.
    UnderWay {
        /// What is left to ask, and until when.
        session: Arc<Session>,
        /// When it began.
        began: Instant,
        /// What does not wait for the contents.
        task: JoinHandle<(Authentication, Vec<ListAnswer>)>,
    },
}

impl Authenticator {
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// There is nobody to ask: ours, said at the start.
    pub fn start(plan: Plan, metrics: Metrics) -> Result<Self, String> {
        Ok(Self {
            dns: plan
                .dns
                .map(|dns| Dns::start(dns, metrics.clone()).map_err(|error| error.to_string()))
                .transpose()?,
            verifier: Verifier::new()?,
            lists: Arc::new(Lists::new(plan.lists, metrics.clone())),
            upstream: plan.upstream,
            trusted_sealers: plan.trusted_sealers.into(),
            metrics,
        })
    }

    /// Begins to ask about a mail.
    #[must_use]
    pub fn begin(
        &self,
        offer: &Offer,
        header: &HeaderReading,
        now_s: i64,
        until: Instant,
    ) -> Asking {
        let upstream = self.upstream.read(&offer.outline.header);
        let author = header.from.first().map_or_else(String::new, |from| domain(&from.address));
        let Some(dns) = &self.dns else {
            let mut known = upstream.unwrap_or_default();
            if known.dmarc.result == DmarcResult::Pass && !is_about(&known.dmarc, &author) {
                known.dmarc = Dmarc::default();
            }
            return Asking::Known(Box::new(known));
        };
        let session = Arc::new(dns.session(until));
        let mail = Mail {
            envelope: offer.envelope.clone(),
            outline: Outline { parts: Vec::new(), ..offer.outline.clone() },
            author,
            upstream,
            now_s,
        };
        let (verifier, lists) = (self.verifier.clone(), Arc::clone(&self.lists));
        let (asked, sealers) = (Arc::clone(&session), Arc::clone(&self.trusted_sealers));
        let task = async move {
            let subjects = mail.subjects();
            let authenticated = mail.authenticate(&verifier, &asked, &sealers);
            tokio::join!(authenticated, lists.ask(asked.of(Purpose::Lists), &subjects))
        };
        let task = tokio::spawn(task.instrument(tracing::info_span!("scanner.dns")));
        Asking::UnderWay { session, began: clock::now(), task }
    }

    /// Whether DNS is asked at all.
    #[must_use]
    pub const fn asks_dns(&self) -> bool {
        self.dns.is_some()
    }

    /// Domains whose ARC seals are believed.
    #[must_use]
    pub fn trusted_sealers(&self) -> &[String] {
        &self.trusted_sealers
    }

    /// Whether hosts of links are wanted at the end.
    #[must_use]
    pub fn wants_links(&self) -> bool {
        self.dns.is_some() && self.lists.want_links()
    }

    /// Asks about the links, and waits for everything as long as there is time.
    pub async fn end(&self, asking: Asking, links: Vec<String>) -> Findings {
        let (session, began, mut task) = match asking {
            Asking::Known(authentication) => {
                return Findings { authentication: *authentication, ..Findings::default() };
            }
            Asking::UnderWay { session, began, task } => (session, began, task),
        };
        let subjects = Subjects { links, ..Subjects::default() };
        let all = async {
            tokio::join!(&mut task, self.lists.ask(session.of(Purpose::Lists), &subjects))
        };
        // Every question ends with the session; this wait only guards against our own slowness.
        let done = tokio::time::timeout_at(session.until().into(), all).await;
        let mut findings = Findings::default();
        match done {
            Ok((Ok((authentication, lists)), links)) => {
                findings.authentication = authentication;
                findings.lists = lists;
                findings.lists.extend(links);
            }
            Ok((Err(error), _)) => tracing::error!(%error, "authentication broke off"),
            Err(_) => {
                // What was asked is answered at the latest now: one more turn brings it in.
                match tokio::time::timeout(std::time::Duration::from_millis(20), &mut task).await {
                    Ok(Ok((authentication, lists))) => {
                        findings.authentication = authentication;
                        findings.lists = lists;
                    }
                    _ => task.abort(),
                }
            }
        }
        let tally = session.tally();
        findings.is_silent = tally.silent > 0 && tally.heard == 0;
        self.metrics.dns_waited(clock::now().saturating_duration_since(began));
        findings
    }
}

/// What is known of a mail before anything is asked.
struct Mail {
    envelope: Envelope,
    outline: Outline,
    author: String,
    upstream: Option<Authentication>,
    now_s: i64,
}

impl Mail {
    /// The client, if it is a stranger: one's own users and machines have no business in anybody's SPF record.
    fn stranger(&self) -> Option<IpAddr> {
        let envelope = &self.envelope;
        let client = envelope.client.as_ref().filter(|_| envelope.verified)?.address.to_canonical();
        (envelope.authenticated.is_none() && is_public(client)).then_some(client)
    }

    fn subjects(&self) -> Subjects {
        let helo = self.envelope.helo.as_deref().unwrap_or_default();
        let client = self.stranger();
        let mut senders: Vec<String> = Vec::with_capacity(SENDERS_MAX);
        let named = [domain(&self.envelope.sender), self.author.clone(), helo.to_ascii_lowercase()];
        for name in named {
            let is_host = name.contains('.') && name.parse::<IpAddr>().is_err();
            if is_host && !senders.contains(&name) {
                senders.push(name);
            }
        }
        Subjects { client, senders, links: Vec::new() }
    }

    async fn authenticate(
        &self,
        verifier: &Verifier,
        dns: &Session,
        trusted_sealers: &[String],
    ) -> Authentication {
        let upstream = self.upstream.as_ref();
        let spf = async {
            match upstream.and_then(|upstream| upstream.spf.clone()) {
                Some(known) => Some(known),
                None => self.spf(dns.of(Purpose::Spf)).await,
            }
        };
        let reverse = async {
            match self.stranger() {
                Some(client) => reverse(dns.of(Purpose::Reverse), client).await,
                None => Reverse::NotAsked,
            }
        };
        let known = upstream.and_then(|upstream| upstream.spf.as_ref());
        let spf_domain = known.map_or_else(|| self.spf_domain(), |known| known.domain.clone());
        let signed = Signed {
            header: &self.outline.header,
            is_whole: self.outline.oddities.iter().all(|(it, _)| *it != Oddity::HeaderTooLong),
            body_hashes: &self.outline.body_hashes,
            spf_domain: &spf_domain,
            trusted_sealers,
            now_s: self.now_s,
        };
        let ((spf, verified), reverse) = tokio::join!(verifier.verify(dns, signed, spf), reverse);
        let mut found = Authentication {
            spf,
            dkim: verified.dkim,
            dmarc: verified.dmarc,
            arc: verified.arc,
            reverse,
            upstream: None,
        };
        if let Some(upstream) = upstream {
            believe(upstream, &self.author, &mut found);
        }
        found
    }

    async fn spf(&self, dns: Asker<'_>) -> Option<Spf> {
        let who = self.who(self.stranger()?);
        let result = spf::check(dns, who).await;
        Some(Spf { result, domain: domain(&who.mailbox()) })
    }

    /// The domain whose record counts, whoever the client is.
    fn spf_domain(&self) -> String {
        domain(&self.who(IpAddr::from([0; 4])).mailbox())
    }

    fn who(&self, client: IpAddr) -> Who<'_> {
        let helo = self.envelope.helo.as_deref().unwrap_or_default();
        Who { client, helo, sender: &self.envelope.sender }
    }
}

/// What a border server saw before anybody changed the mail is worth more than what is left of it here. Its word on DMARC
/// counts only if it is about the author whom we see: of two From fields it may have read the other one.
fn believe(upstream: &Authentication, author: &str, found: &mut Authentication) {
    found.upstream.clone_from(&upstream.upstream);
    for dkim in upstream.dkim.iter().filter(|dkim| dkim.result == DkimResult::Pass) {
        found.dkim.retain(|ours| ours.domain != dkim.domain);
        found.dkim.push(dkim.clone());
    }
    let is_pass = upstream.dmarc.result == DmarcResult::Pass;
    let is_open = found.dmarc.result == DmarcResult::Unknown;
    if (is_pass && is_about(&upstream.dmarc, author)) || (!is_pass && is_open) {
        found.dmarc.result = upstream.dmarc.result;
        found.dmarc.policy = found.dmarc.policy.max(upstream.dmarc.policy);
    }
}

/// Whether this is about the author, in either form of the labels.
fn is_about(dmarc: &Dmarc, author: &str) -> bool {
    !author.is_empty() && a_labels(&dmarc.domain) == a_labels(author)
}

fn domain(address: &str) -> String {
    domain_of(address).to_ascii_lowercase()
}

/// Names of the client, and whether one of them has its address.
async fn reverse(dns: Asker<'_>, client: IpAddr) -> Reverse {
    let names = match dns.ask_reverse(client).await {
        Answer::Found(names) => names,
        Answer::Failed(_) => return Reverse::Unknown,
        _ => return Reverse::None,
    };
    let kind = if client.is_ipv4() { Kind::A } else { Kind::Aaaa };
    let names = names.iter().take(CLIENT_NAMES_MAX).filter_map(|name| match name {
        Record::Ptr(name) => Some(dns.ask(name, kind)),
        _ => None,
    });
    let answers = join_all(names).await;
    let has = |answer: &Answer| {
        answer.records().iter().any(|record| match record {
            Record::A(address) => IpAddr::V4(*address) == client,
            Record::Aaaa(address) => IpAddr::V6(*address) == client,
            _ => false,
        })
    };
    if answers.iter().any(has) {
        Reverse::Confirmed
    } else if answers.iter().any(|answer| matches!(answer, Answer::Failed(_))) {
        Reverse::Unknown
    } else {
        Reverse::Unconfirmed
    }
}

/// Whether this can be the address of a stranger: not loopback, private, shared or link-local.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || is_shared)
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_of_a_border_server_is_believed_only_of_the_author_whom_we_see() {
        let dmarc =
            |domain: &str, result| Dmarc { result, domain: domain.to_owned(), ..Dmarc::default() };
        for (about, author, expect) in [
            ("example.org", "example.org", DmarcResult::Pass),
            ("xn--bcher-kva.example", "bücher.example", DmarcResult::Pass),
            ("evil.example", "example.org", DmarcResult::Fail),
            ("sub.example.org", "example.org", DmarcResult::Fail),
            ("", "example.org", DmarcResult::Fail),
            ("", "", DmarcResult::Fail),
        ] {
            let upstream = Authentication {
                dmarc: dmarc(about, DmarcResult::Pass),
                ..Authentication::default()
            };
            let mut found = Authentication {
                dmarc: dmarc(author, DmarcResult::Fail),
                ..Authentication::default()
            };
            believe(&upstream, author, &mut found);
            assert_eq!(found.dmarc.result, expect, "{about} of {author}");
        }
    }
}
