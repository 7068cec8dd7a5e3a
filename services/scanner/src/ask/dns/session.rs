//! What one mail asks: bounded in number, in what is under way, and in time.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use tamis_runtime::clock;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::Inner;
use super::question::{Answer, Failure, Kind, Question};

/// Questions of one mail that go beyond the cache. SPF needs 10 mechanisms and the addresses of 10 exchangers, twice
/// (RFC 7208 section 4.6.4); DKIM and DMARC some 20 more; the rest is for lists.
pub const QUESTIONS_PER_MAIL_MAX: u32 = 150;

/// Questions of one mail under way at the same time.
pub const SEATS_PER_MAIL: usize = 16;

/// The questions of one mail.
#[derive(Debug)]
pub struct Session {
    inner: Arc<Inner>,
    until: Instant,
    seats: Semaphore,
    left: AtomicU32,
    heard: AtomicU32,
    silent: AtomicU32,
}

/// How the questions of one mail went that the cache could not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Questions that a server answered, refusals included.
    pub heard: u32,
    /// Questions that nobody answered in time.
    pub silent: u32,
}

impl Session {
    pub(super) fn new(inner: Arc<Inner>, until: Instant) -> Self {
        Self {
            inner,
            until,
            seats: Semaphore::new(SEATS_PER_MAIL),
            left: AtomicU32::new(QUESTIONS_PER_MAIL_MAX),
            heard: AtomicU32::new(0),
            silent: AtomicU32::new(0),
        }
    }

    /// Asks for records of a name. A name that cannot be does not exist.
    pub async fn ask(&self, name: &str, kind: Kind) -> Answer {
        match Question::new(name, kind) {
            Some(question) => self.ask_this(question).await,
            None => Answer::NoName,
        }
    }

    /// Asks for the names of an address.
    pub async fn ask_reverse(&self, address: IpAddr) -> Answer {
        self.ask_this(Question::reverse(address)).await
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

    async fn ask_this(&self, question: Question) -> Answer {
        let now = clock::now();
        if let Some(known) = self.inner.cache.recall(&question, now) {
            self.inner.metrics.dns_recalled();
            return known;
        }
        let answer = self.answer(question).await;
        let count = match answer {
            Answer::Failed(failure) if failure.is_silence() => &self.silent,
            _ => &self.heard,
        };
        count.fetch_add(1, Ordering::Relaxed);
        answer
    }

    async fn answer(&self, question: Question) -> Answer {
        let take = |left: u32| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Answer::Failed(Failure::TooMany);
        }
        let asked = async {
            let _seat = self.seats.acquire().await;
            if !self.inner.breaker().may_ask(clock::now()) {
                return Answer::Failed(Failure::Resting);
            }
            match self.inner.board(&question) {
                Some(flight) => flight.await.unwrap_or(Answer::Failed(Failure::Busy)),
                None => Answer::Failed(Failure::Busy),
            }
        };
        timeout_at(self.until.into(), asked).await.unwrap_or(Answer::Failed(Failure::Timeout))
    }
}
