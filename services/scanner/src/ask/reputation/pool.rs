//! The replicas of one shard: their sockets, and what is known about them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tamis_reputation_protocol::asking::Cookies;
use tamis_reputation_protocol::seal::{Client, Key};
use tamis_selector::{Freshness, Selector, Settings};

use super::lanes::{self, Lanes};

/// The replicas of one shard.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) lanes: Lanes,
    mind: Mutex<Mind>,
}

/// What is known about servers.
#[derive(Debug)]
pub(super) struct Mind {
    pub(super) selector: Selector<SocketAddr>,
    pub(super) cookies: Cookies,
    pub(super) freshness: Freshness,
    pub(super) seal: Client,
    pub(super) elsewhere: Elsewhere,
}

/// Between two lines of the log about one pool that keeps other values than the map says: while a map is wrong every mail
/// meets it, and a line for each fills a disk and tells no more.
const ELSEWHERE_TOLD_EVERY: Duration = Duration::from_secs(60);

/// When it was told last that the map of the shards is wrong here.
#[derive(Debug, Default)]
pub(super) struct Elsewhere(Option<Instant>);

impl Elsewhere {
    /// Whether to tell it now; then not again for a while.
    pub(super) fn is_to_be_told(&mut self, now: Instant) -> bool {
        let is_quiet = |told: Instant| now.saturating_duration_since(told) < ELSEWHERE_TOLD_EVERY;
        if self.0.is_some_and(is_quiet) {
            return false;
        }
        self.0 = Some(now);
        true
    }
}

impl Pool {
    /// A pool without servers. `seal` is what its questions are sealed with.
    pub(super) fn new(budget: Duration, seal: Client) -> Self {
        let usual = Settings::datagrams();
        let settings = Settings { patience: budget.max(usual.patience), ..usual };
        let mind = Mind {
            selector: Selector::new(settings),
            cookies: Cookies::default(),
            freshness: Freshness::default(),
            seal,
            elsewhere: Elsewhere::default(),
        };
        Self { lanes: Lanes::default(), mind: Mutex::new(mind) }
    }

    /// Opens the lanes to the servers named (`host:port`) and keeps them up to date as long as the pool lives.
    /// Must be called inside a tokio runtime.
    ///
    /// With a `key` all questions are sealed. Should the system have no randomness for that, nobody is asked: neither in
    /// clear nor with secrets that can be guessed.
    pub(super) fn start(servers: Vec<String>, budget: Duration, key: Option<&Key>) -> Arc<Self> {
        let (servers, seal) = match sealing(key) {
            Ok(seal) => (servers, seal),
            Err(error) => {
                tracing::error!(%error, "no randomness to seal with; these reputation servers are not asked");
                (Vec::new(), Client::default())
            }
        };
        let pool = Arc::new(Self::new(budget, seal));
        tokio::spawn(lanes::discover(Arc::downgrade(&pool), servers));
        pool
    }

    pub(super) fn mind(&self) -> MutexGuard<'_, Mind> {
        self.mind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How one pool seals. Each has a seed of its own: two must never draw the same secrets.
fn sealing(key: Option<&Key>) -> Result<Client, getrandom::Error> {
    let Some(key) = key else { return Ok(Client::default()) };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(Client::new(key.clone(), seed))
}

#[cfg(test)]
mod tests {
    use tamis_runtime::clock;

    use super::*;

    #[test]
    fn a_wrong_map_is_told_once_a_minute_and_not_with_every_mail() {
        let (began, mut elsewhere) = (clock::now(), Elsewhere::default());
        let told = (0..=120)
            .filter(|second| elsewhere.is_to_be_told(began + Duration::from_secs(*second)));
        assert_eq!(told.collect::<Vec<_>>(), [0, 60, 120]);
    }
}
