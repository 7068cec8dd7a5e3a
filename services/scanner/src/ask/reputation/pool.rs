//! The replicas of one shard: their sockets, and what is known about them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
