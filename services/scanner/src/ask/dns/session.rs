//! What one mail asks: bounded in number, in what is under way, and in time, for each purpose apart.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use tamis_runtime::clock;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::Inner;
use super::question::{Answer, Failure, Kind, Question};

/// What a mail asks for. Each purpose has its own share of questions and of seats: most names come from the sender, and
/// what he makes us ask in one place (an SPF record of a hundred names, fifty seals, servers that are slow) must not keep
/// us from asking what speaks against him in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Records of SPF, and the hosts that they name.
    Spf,
    /// Names of the client.
    Reverse,
    /// Keys of DKIM signatures.
    Keys,
    /// DMARC policies.
    Policies,
    /// Keys of ARC seals.
    Seals,
    /// Lists.
    Lists,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Spf, Self::Reverse, Self::Keys, Self::Policies, Self::Seals, Self::Lists];

    /// Questions of one mail that go beyond the cache.
    #[must_use]
    pub const fn questions_max(self) -> u32 {
        match self {
            // A record, ten mechanisms, ten exchangers of each (RFC 7208 section 4.6.4).
            Self::Spf => 111,
            // The address, and the names that are tried.
            Self::Reverse => 1 + super::CLIENT_NAMES_MAX as u32,
            Self::Keys => 10,
            // Two walks up the tree and the author's domain; names above are shared.
            Self::Policies => 17,
            // A seal and a signature of each instance (RFC 8617 section 4.2.1).
            Self::Seals => 100,
            // Ten lists about all links, and others about the client and the sender.
            Self::Lists => 250,
        }
    }

    /// The word used in traces.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Spf => "spf",
            Self::Reverse => "reverse",
            Self::Keys => "keys",
            Self::Policies => "policies",
            Self::Seals => "seals",
            Self::Lists => "lists",
        }
    }

    /// Questions of one mail under way at the same time.
    #[must_use]
    pub const fn seats(self) -> usize {
        match self {
            Self::Spf | Self::Reverse => 4,
            Self::Seals => 8,
            Self::Keys => 10,
            Self::Policies => 17,
            Self::Lists => 32,
        }
    }
}

/// Questions of one mail that have a span of their own. An honest mail asks about ten; who makes us ask hundreds shall not
/// fill anybody's traces: the others are counted alone.
pub const SPANS_MAX: u32 = 32;

/// The questions of one mail.
#[derive(Debug)]
pub struct Session {
    inner: Arc<Inner>,
    until: Instant,
    shares: [Share; Purpose::ALL.len()],
    heard: AtomicU32,
    silent: AtomicU32,
    spans_left: AtomicU32,
}

/// What is left for one purpose.
#[derive(Debug)]
struct Share {
    seats: Semaphore,
    left: AtomicU32,
}

/// The questions of one mail for one purpose.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    session: &'a Session,
    purpose: Purpose,
}

/// How the questions of one mail went, whether a server or the cache answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Questions that were answered, refusals included.
    pub heard: u32,
    /// Questions that nobody answered in time, now or a short while ago.
    pub silent: u32,
}

impl Session {
    pub(super) fn new(inner: Arc<Inner>, until: Instant) -> Self {
        Self {
            inner,
            until,
            shares: Purpose::ALL.map(|purpose| Share {
                seats: Semaphore::new(purpose.seats()),
                left: AtomicU32::new(purpose.questions_max()),
            }),
            heard: AtomicU32::new(0),
            silent: AtomicU32::new(0),
            spans_left: AtomicU32::new(SPANS_MAX),
        }
    }

    /// Whoever asks for this purpose.
    #[must_use]
    pub const fn of(&self, purpose: Purpose) -> Asker<'_> {
        Asker { session: self, purpose }
    }

    /// When this mail stops waiting.
    #[must_use]
    pub const fn until(&self) -> Instant {
        self.until
    }

    /// How it went so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            heard: self.heard.load(Ordering::Relaxed),
            silent: self.silent.load(Ordering::Relaxed),
        }
    }
}

impl Asker<'_> {
    /// Asks for records of a name. A name that cannot be does not exist.
    pub async fn ask(self, name: &str, kind: Kind) -> Answer {
        self.ask_whom(name, kind).await.0
    }

    /// The same, and whether it says something of the servers now: they answered, or had their time. What the cache
    /// remembers and what our own limits cut short says nothing of them.
    pub async fn ask_whom(self, name: &str, kind: Kind) -> (Answer, bool) {
        match Question::new(name, kind) {
            Some(question) => self.ask_this(question).await,
            None => (Answer::NoName, false),
        }
    }

    /// Asks for the names of an address.
    pub async fn ask_reverse(self, address: IpAddr) -> Answer {
        self.ask_this(Question::reverse(address)).await.0
    }

    async fn ask_this(self, question: Question) -> (Answer, bool) {
        let now = clock::now();
        if let Some(known) = self.session.inner.cache.recall(&question, now) {
            self.session.inner.metrics.dns_recalled();
            return (self.count(known), false);
        }
        let span = self.span(&question);
        let (answer, is_theirs) = self.answer(question).instrument(span.clone()).await;
        span.record("tamis.dns.outcome", answer.word());
        if let Answer::Failed(failure) = &answer {
            span.record("error.type", failure.word()).record("otel.status_code", "ERROR");
        }
        (self.count(answer), is_theirs)
    }

    /// A span without the name that is asked for: that is the mail's.
    fn span(self, question: &Question) -> tracing::Span {
        if tracing::Span::current().is_none() || !take_one(&self.session.spans_left) {
            return tracing::Span::none();
        }
        tracing::info_span!(
            "dns.lookup",
            otel.kind = "client",
            otel.status_code = Empty,
            tamis.dns.kind = question.kind().word(),
            tamis.dns.purpose = self.purpose.word(),
            tamis.dns.outcome = Empty,
            "error.type" = Empty,
        )
    }

    /// What the cache knows counts as well: a mail that finds only remembered silence has heard nothing, and one whose
    /// questions are all remembered has.
    fn count(self, answer: Answer) -> Answer {
        let count = match answer {
            Answer::Failed(failure) if failure.is_silence() => &self.session.silent,
            _ => &self.session.heard,
        };
        count.fetch_add(1, Ordering::Relaxed);
        answer
    }

    async fn answer(self, question: Question) -> (Answer, bool) {
        let ours = |failure: Failure| (Answer::Failed(failure), false);
        let share = &self.session.shares[self.purpose as usize];
        if !take_one(&share.left) {
            return ours(Failure::TooMany);
        }
        let mut boarded = None;
        let asked = async {
            let _seat = share.seats.acquire().await;
            if !self.session.inner.breaker().may_ask(clock::now()) {
                return ours(Failure::Resting);
            }
            let Some(flight) = self.session.inner.board(&question) else {
                return ours(Failure::Busy);
            };
            boarded = Some(clock::now());
            flight.await.map_or_else(|_| ours(Failure::Busy), |answer| (answer, true))
        };
        let landed = timeout_at(self.session.until.into(), asked).await;
        landed.unwrap_or_else(|_| {
            let patience = self.session.inner.plan.timeout;
            let waited = boarded.map(|since| clock::now().saturating_duration_since(since));
            (Answer::Failed(Failure::Timeout), waited.is_some_and(|waited| waited >= patience))
        })
    }
}

/// Takes one of what is left; `false`: nothing is.
fn take_one(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_questions_have_spans_and_one_more_has_none() {
        let left = AtomicU32::new(SPANS_MAX);
        assert!((0..SPANS_MAX).all(|_| take_one(&left)), "the {SPANS_MAX}th");
        assert!(!take_one(&left) && !take_one(&left), "one more");
    }
}
