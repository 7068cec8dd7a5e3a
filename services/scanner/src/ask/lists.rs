//! Lists in DNS (RFC 5782): who is on them, and what the administrator gives for it.
//!
//! A list is somebody else's server: one that is silent or refuses us is left alone for a while, and never holds a mail
//! longer than the budget of its questions. Answers outside of 127.0.0.0/8 are not a list's (a provider's "did you mean"),
//! and those of 127.255.255.0/24 mean that the list does not serve us.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::Deserialize;
use tamis_domain::authentication::{ListAnswer, ListSubject};
use tamis_runtime::clock;

use super::dns::{Answer, Asker, Failure, Kind, Record, reversed};
use crate::metrics::Metrics;

/// Lists that can be configured. Each costs a question a subject.
pub const LISTS_MAX: usize = 32;

/// Hosts of links that one list is asked about for one mail.
pub const LINKS_ASKED_MAX: usize = 20;

/// Failures of one list, one after the other, from which on it is left alone.
const FAILURES_MAX: u32 = 5;

/// How long.
const REST: Duration = Duration::from_secs(60);

/// How long a list is left alone that said that it does not serve us.
const REFUSED_REST: Duration = Duration::from_secs(600);

/// One list as typed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedList {
    /// Name shown in explanations.
    pub name: String,
    /// Where it is asked.
    pub zone: String,
    /// What it is asked about: `client`, `sender` or `link`.
    pub about: String,
    /// What any answer is worth; negative for lists of good senders.
    #[serde(default)]
    pub rating: f32,
    /// What single answers are worth, by address, network or bit: `"127.0.0.2"`, `"127.0.0.4/30"`, `"bit:8"`. They add up.
    #[serde(default)]
    pub ratings: BTreeMap<String, f32>,
}

/// One list, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    name: String,
    zone: String,
    subject: ListSubject,
    rating: f32,
    ratings: Vec<(Code, f32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Network(Ipv4Addr, u8),
    Bit(u8),
}

impl Code {
    fn parse(text: &str) -> Option<Self> {
        if let Some(bit) = text.strip_prefix("bit:") {
            return bit.parse().ok().filter(|bit: &u8| bit.is_power_of_two()).map(Self::Bit);
        }
        let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
        Some(Self::Network(address.parse().ok()?, prefix))
    }

    fn holds(self, answer: Ipv4Addr) -> bool {
        match self {
            Self::Bit(bit) => answer.octets()[3] & bit != 0,
            Self::Network(network, prefix) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                (answer.to_bits() ^ network.to_bits()) & mask == 0
            }
        }
    }
}

impl TypedList {
    /// Says what the list means.
    ///
    /// # Errors
    /// What makes no sense, for the administrator.
    pub fn check(self) -> Result<List, String> {
        let subject = match self.about.as_str() {
            "client" => ListSubject::Client,
            "sender" => ListSubject::Sender,
            "link" => ListSubject::Link,
            other => return Err(format!("about = {other:?}: write client, sender or link")),
        };
        let zone = self.zone.trim_matches('.').to_ascii_lowercase();
        if !zone.contains('.') || zone.len() > 150 {
            return Err(format!("zone = {:?}: write the name of a zone", self.zone));
        }
        let rate = |(code, rating): (String, f32)| match Code::parse(&code) {
            Some(parsed) if rating.is_finite() => Ok((parsed, rating)),
            _ => Err(format!("ratings: {code:?}: write an address, a network or bit:N")),
        };
        let ratings = self.ratings.into_iter().map(rate).collect::<Result<Vec<_>, _>>()?;
        if !self.rating.is_finite() || (ratings.is_empty() && self.rating == 0.0) {
            return Err(format!("list {}: neither rating nor ratings", self.name));
        }
        Ok(List { name: self.name, zone, subject, rating: self.rating, ratings })
    }
}

impl List {
    /// What the answers are worth: the sum of all ratings that hold, else that of the list.
    fn rate(&self, codes: &[Ipv4Addr]) -> f32 {
        let holding =
            self.ratings.iter().filter(|(code, _)| codes.iter().any(|it| code.holds(*it)));
        if self.ratings.is_empty() { self.rating } else { holding.map(|(_, rating)| rating).sum() }
    }
}

/// What a mail is looked up by.
#[derive(Clone, Debug, Default)]
pub struct Subjects {
    /// The client.
    pub client: Option<IpAddr>,
    /// Domains of the sender.
    pub senders: Vec<String>,
    /// Hosts of links: domains, or addresses.
    pub links: Vec<String>,
}

impl Subjects {
    /// Fronts of the names asked for, for lists about `subject`.
    fn names(&self, subject: ListSubject) -> Vec<String> {
        let host = |host: &String| match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => reversed(address),
            Err(_) => host.clone(),
        };
        match subject {
            ListSubject::Client => self.client.into_iter().map(reversed).collect(),
            ListSubject::Sender => self.senders.clone(),
            ListSubject::Link => self.links.iter().take(LINKS_ASKED_MAX).map(host).collect(),
        }
    }
}

/// All lists that are asked, and how they behave.
#[derive(Debug)]
pub struct Lists {
    all: Vec<(List, Mutex<Manners>)>,
    metrics: Metrics,
}

/// Whether a list is worth asking now.
#[derive(Debug, Default)]
struct Manners {
    failures: u32,
    until: Option<Instant>,
}

impl Manners {
    /// `is_theirs`: the servers said this now, or had their time to. Nothing else is the list's fault.
    fn heard(&mut self, answer: &Answer, is_theirs: bool, is_refusal: bool, now: Instant) {
        match answer {
            _ if !is_theirs => {}
            Answer::Failed(Failure::Server | Failure::Timeout) => {
                self.failures = self.failures.saturating_add(1);
            }
            Answer::Failed(_) => return,
            _ => self.failures = 0,
        }
        if is_refusal {
            self.until = Some(now + REFUSED_REST);
        } else if is_theirs && self.failures >= FAILURES_MAX {
            self.until = Some(now + REST);
        }
    }
}

impl Lists {
    /// These lists.
    #[must_use]
    pub fn new(lists: Vec<List>, metrics: Metrics) -> Self {
        Self { all: lists.into_iter().map(|list| (list, Mutex::default())).collect(), metrics }
    }

    /// Whether some list is about links.
    #[must_use]
    pub fn want_links(&self) -> bool {
        self.all.iter().any(|(list, _)| list.subject == ListSubject::Link)
    }

    /// Asks all of them at the same time; an answer for each list that knows something.
    pub async fn ask(&self, dns: Asker<'_>, subjects: &Subjects) -> Vec<ListAnswer> {
        let asked = self.all.iter().map(|(list, manners)| async move {
            let names = subjects.names(list.subject);
            let asked = names.iter().map(|name| self.ask_one(dns, list, manners, name));
            let codes: Vec<Ipv4Addr> = join_all(asked).await.concat();
            (!codes.is_empty()).then(|| ListAnswer {
                list: list.name.clone(),
                subject: list.subject,
                rating: list.rate(&codes),
                codes,
            })
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn ask_one(
        &self,
        dns: Asker<'_>,
        list: &List,
        manners: &Mutex<Manners>,
        name: &str,
    ) -> Vec<Ipv4Addr> {
        let lock = || manners.lock().unwrap_or_else(PoisonError::into_inner);
        if lock().until.is_some_and(|until| clock::now() < until) {
            self.metrics.dns_list(&list.name, "resting");
            return Vec::new();
        }
        let (answer, is_theirs) = dns.ask_whom(&format!("{name}.{}", list.zone), Kind::A).await;
        let said = answer.records().iter().filter_map(|record| match record {
            Record::A(address) if address.octets()[0] == 127 => Some(*address),
            _ => None,
        });
        let (refusals, mut codes): (Vec<_>, Vec<_>) =
            said.partition(|code| code.octets()[1..3] == [255, 255]);
        // 127.0.0.1 is what a name has that nobody listed (RFC 5782 section 2.1 leaves it out).
        codes.retain(|code| *code != Ipv4Addr::LOCALHOST);
        let outcome = match (&answer, refusals.first()) {
            (_, Some(code)) => {
                tracing::warn!(list = list.name, %code, "the list does not serve us; it is left alone for a while");
                "refused"
            }
            (Answer::Failed(_), None) => "failed",
            _ if codes.is_empty() => "not_listed",
            _ => "listed",
        };
        self.metrics.dns_list(&list.name, outcome);
        lock().heard(&answer, is_theirs, !refusals.is_empty(), clock::now());
        codes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rating: f32, ratings: &[(&str, f32)]) -> Result<List, String> {
        TypedList {
            name: "l".into(),
            zone: "List.Example.".into(),
            about: "client".into(),
            rating,
            ratings: ratings.iter().map(|(code, rating)| ((*code).to_owned(), *rating)).collect(),
        }
        .check()
    }

    #[test]
    fn ratings_of_all_answers_add_up() {
        let rated = |ratings: &[(&str, f32)], codes: &[&str]| {
            let codes: Vec<Ipv4Addr> = codes.iter().map(|code| code.parse().unwrap()).collect();
            list(1.5, ratings).unwrap().rate(&codes)
        };
        assert_eq!(rated(&[], &["127.0.0.9"]), 1.5, "any answer");
        let ratings = [("127.0.0.2", 2.0), ("127.0.0.4/30", 4.0), ("127.0.0.10/31", 1.0)];
        assert_eq!(rated(&ratings, &["127.0.0.2", "127.0.0.7", "127.0.0.5"]), 6.0);
        assert_eq!(rated(&ratings, &["127.0.0.9"]), 0.0, "an answer that nobody rated");
        assert_eq!(rated(&[("bit:8", 3.0), ("bit:64", 1.0)], &["127.0.0.72"]), 4.0);
    }

    #[test]
    fn only_what_its_servers_said_or_left_unsaid_rests_a_list() {
        let now = Instant::now();
        let rests = |failure: Failure, is_theirs: bool, times: u32| {
            let mut manners = Manners::default();
            for _ in 0..times {
                manners.heard(&Answer::Failed(failure), is_theirs, false, now);
            }
            manners.until.is_some()
        };
        for failure in [Failure::Server, Failure::Timeout] {
            assert!(!rests(failure, true, FAILURES_MAX - 1), "one fewer: {failure:?}");
            assert!(rests(failure, true, FAILURES_MAX), "{failure:?}");
            assert!(!rests(failure, false, 100), "remembered, or our own deadline: {failure:?}");
        }
        for failure in [Failure::Resting, Failure::Busy, Failure::TooMany, Failure::Unreachable] {
            assert!(!rests(failure, true, 100), "not the list's fault: {failure:?}");
        }
        let mut manners = Manners::default();
        manners.heard(&Answer::NoName, false, true, now);
        assert_eq!(manners.until, Some(now + REFUSED_REST), "a refusal counts whoever tells it");
    }

    #[test]
    fn a_list_without_meaning_is_refused_with_the_reason() {
        assert!(list(0.0, &[]).unwrap_err().contains("rating"));
        for code in ["localhost", "127.0.0.2/33", "bit:3", "bit:"] {
            assert!(list(1.0, &[(code, 1.0)]).unwrap_err().contains(code), "{code}");
        }
        let odd = TypedList { about: "all".into(), ..typed() };
        assert!(odd.check().unwrap_err().contains("client, sender or link"));
        assert!(TypedList { zone: "org".into(), ..typed() }.check().unwrap_err().contains("zone"));
    }

    fn typed() -> TypedList {
        let (name, zone, about) = ("l".into(), "l.example".into(), "link".into());
        TypedList { name, zone, about, rating: 1.0, ratings: BTreeMap::new() }
    }
}
