//! The replicas of one shard: their sockets, and what is known about them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tamis_reputation_protocol::asking::Cookies;
use tamis_reputation_protocol::seal::Client;
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
    /// A pool without servers.
    pub(super) fn new(budget: Duration) -> Self {
        let usual = Settings::datagrams();
        let settings = Settings { patience: budget.max(usual.patience), ..usual };
        let mind = Mind {
            selector: Selector::new(settings),
            cookies: Cookies::default(),
            freshness: Freshness::default(),
            seal: Client::default(),
        };
        Self { lanes: Lanes::default(), mind: Mutex::new(mind) }
    }

    /// Opens the lanes to the servers named (`host:port`) and keeps them up to date as long as the pool lives.
    /// Must be called inside a tokio runtime.
    pub(super) fn start(servers: Vec<String>, budget: Duration) -> Arc<Self> {
        let pool = Arc::new(Self::new(budget));
        tokio::spawn(lanes::discover(Arc::downgrade(&pool), servers));
        pool
    }

    pub(super) fn mind(&self) -> MutexGuard<'_, Mind> {
        self.mind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
