//! One question to the reputation service for one mail, over the servers that answer fastest.
//!
//! `tamis-reputation-protocol` thinks about datagrams and shards, `tamis-selector` about servers; here are the sockets.
//! Each server has a connected socket of its own: the kernel then drops datagrams of anybody else, and tells at once
//! when nobody listens there. Each shard has a pool of replicas with a selector of its own; one mail asks all shards
//! that it concerns at the same time, under one budget.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tamis_domain::reputation::{Answered, Listing};
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::seal::Key;
use tamis_reputation_protocol::sharding::{Joined, ShardMap};
use tamis_runtime::clock;
use tamis_selector::ServerReport;

use super::questions::Asked;
use crate::metrics::Metrics;

mod files;
mod lanes;
mod pool;
mod question;
mod routing;
mod sieve;

use routing::Routing;
use sieve::Sieve;

pub use routing::{BadMap, TypedShard, map_of};

/// How often map and filter are looked at. Shorter than anybody waits for new bases, long enough to cost nothing.
pub const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// Whether there was an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing was asked: no server is configured, or there was nothing to ask.
    NotAsked,
    /// Nothing was asked, since the filter of all that is listed knows nothing of this mail.
    Spared,
    /// No server answered in time.
    Silent,
    /// Some shards did, others did not: what those hold is not known. Or not all of the mail found room in the question,
    /// whether its asker left it out or the datagram did.
    Partly,
    /// All that were asked did.
    Answered,
}

impl Heard {
    /// Whether something about the mail may be listed that was not heard.
    #[must_use]
    pub const fn may_have_missed(self) -> bool {
        matches!(self, Self::Silent | Self::Partly)
    }

    /// The same for a question in which not all had room.
    #[must_use]
    pub const fn in_part(self) -> Self {
        match self {
            Self::Answered | Self::Spared => Self::Partly,
            other => other,
        }
    }
}

/// Whom to ask, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which servers hold what, until the file says otherwise.
    pub map: ShardMap,
    /// A file with a newer map, read again when it changes.
    pub map_file: Option<PathBuf>,
    /// A filter of all that is listed, read again when it changes.
    pub filter_file: Option<PathBuf>,
    /// From one look at these two files to the next; ordinarily [`LOOK_PERIOD`].
    pub look_period: Duration,
    /// A filter older than this is not believed: what was listed since is not in it. `None`: it is believed at any age.
    pub filter_age_max: Option<Duration>,
    /// Whether servers may count questions as sightings. Then every question is sent, whatever the filter says.
    pub is_sighting: bool,
    /// What the servers share with this client. With it every question is sealed: a server that cannot open it does not
    /// answer, and is never asked in clear. `None`: all is asked in clear.
    pub key: Option<Key>,
    /// Longest wait of a mail.
    pub budget: Duration,
}

/// One look at the filter. Who chooses what to ask by it asks by the same one: a filter that is dropped in between would
/// send what was given no room.
#[derive(Clone, Debug)]
pub struct Sieving(Option<Arc<Sieve>>);

impl Sieving {
    /// Whether something may be known of this item: of all, where there is no filter in force.
    #[must_use]
    pub fn may_be_listed(&self, item: &Item) -> bool {
        self.0.as_ref().is_none_or(|sieve| sieve.may_be_listed(item))
    }
}

/// The reputation service, as the scanner asks it.
#[derive(Debug)]
pub struct Service {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    plan: Plan,
    routing: RwLock<Arc<Routing>>,
    sieve: RwLock<Option<Arc<Sieve>>>,
    metrics: Metrics,
}

impl Service {
    /// Opens the lanes to the servers and keeps servers, map and filter up to date.
    /// Must be called inside a tokio runtime.
    #[must_use]
    pub fn start(plan: Plan, metrics: Metrics) -> Self {
        let routing = Routing::start(plan.map.clone(), plan.budget, plan.key.as_ref());
        let inner = Arc::new(Inner {
            plan,
            routing: RwLock::new(Arc::new(routing)),
            sieve: RwLock::new(None),
            metrics,
        });
        if inner.plan.map_file.is_some() || inner.plan.filter_file.is_some() {
            tokio::spawn(files::follow(Arc::downgrade(&inner)));
        }
        Self { inner }
    }

    /// Asks once for everything that the filter does not deny, within the budget and not after `until`.
    pub async fn ask(
        &self,
        asked: Vec<Asked>,
        sieving: &Sieving,
        until: Instant,
    ) -> (Heard, Vec<Answered>) {
        let mut listings: Vec<Option<Listing>> = vec![None; asked.len()];
        let places = worth_asking(&asked, sieving);
        let heard = if asked.is_empty() {
            Heard::NotAsked
        } else if places.is_empty() {
            self.inner.metrics.reputation_spared();
            Heard::Spared
        } else {
            let items: Vec<Item> = places.iter().map(|place| asked[*place].item).collect();
            let (heard, found) = self.ask_servers(&items, until).await;
            for (place, listing) in places.into_iter().zip(found) {
                listings[place] = listing;
            }
            heard
        };
        let answered = asked.iter().zip(listings).map(|(asked, listing)| Answered {
            signature: asked.item.signature,
            part: asked.part,
            listing,
        });
        (heard, answered.collect())
    }

    /// The filter as it is now, for one mail.
    #[must_use]
    pub fn sieving(&self) -> Sieving {
        Sieving(self.inner.believed())
    }

    /// What the selector thinks of each server.
    #[must_use]
    pub fn report(&self) -> Vec<ServerReport<SocketAddr>> {
        let routing = self.inner.routing();
        let now = clock::now();
        routing.pools().iter().flat_map(|pool| pool.mind().selector.snapshot(now)).collect()
    }

    /// Keys of the filter in force, if there is one that is believed.
    #[must_use]
    pub fn filter_keys(&self) -> Option<u64> {
        self.inner.believed().map(|sieve| sieve.keys())
    }

    async fn ask_servers(&self, items: &[Item], until: Instant) -> (Heard, Vec<Option<Listing>>) {
        let began = clock::now();
        let plan = &self.inner.plan;
        let budget = plan.budget.min(until.saturating_duration_since(began));
        let routing = self.inner.routing();
        let split = routing.map().split(items);
        let questions = routing.pools().iter().enumerate().map(|(shard, pool)| {
            let items = split.question(shard, items);
            async move {
                if items.is_empty() {
                    return None;
                }
                question::ask(pool, items, plan.is_sighting, budget, &self.inner.metrics).await
            }
        });
        let told = join_all(questions).await;
        let left_out: usize = told.iter().flatten().map(|told| told.left_out).sum();
        let answers: Vec<_> = told.into_iter().map(|told| Some(told?.listings)).collect();
        let heard_of = answers.iter().flatten().count();
        let Joined { listings, unknown, silent } = split.join(&answers);
        let heard = match (silent.is_empty(), heard_of) {
            (true, _) if left_out == 0 => Heard::Answered,
            (true, _) => Heard::Partly,
            (false, 0) => Heard::Silent,
            (false, _) => Heard::Partly,
        };
        if routing.pools().len() > 1 {
            self.tell_silent(&routing, &silent, unknown);
        }
        let waited = clock::now().saturating_duration_since(began);
        self.inner.metrics.reputation(heard, waited);
        (heard, listings)
    }

    fn tell_silent(&self, routing: &Routing, silent: &[usize], unknown: usize) {
        for range in silent.iter().filter_map(|shard| routing.map().range(*shard)) {
            self.inner.metrics.reputation_shard_silent(&range.to_string());
            tracing::debug!(%range, unknown, "shard of the reputation service did not answer");
        }
    }
}

/// Places of the items of which something may be known.
fn worth_asking(asked: &[Asked], sieving: &Sieving) -> Vec<usize> {
    let numbered = asked.iter().enumerate();
    numbered
        .filter(|(_, asked)| sieving.may_be_listed(&asked.item))
        .map(|(place, _)| place)
        .collect()
}

impl Inner {
    fn routing(&self) -> Arc<Routing> {
        Arc::clone(&self.routing.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn route(&self, routing: Routing) {
        *self.routing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routing);
    }

    /// The filter, while it is young enough to be believed. Of several shards it would know one alone, and who counts
    /// sightings wants to see every mail.
    fn believed(&self) -> Option<Arc<Sieve>> {
        if self.plan.is_sighting || self.routing().pools().len() > 1 {
            return None;
        }
        let sieve = self.sieve.read().unwrap_or_else(PoisonError::into_inner);
        sieve.as_ref().filter(|sieve| sieve.is_young(self.plan.filter_age_max)).map(Arc::clone)
    }

    fn sift(&self, sieve: Option<Sieve>) {
        *self.sieve.write().unwrap_or_else(PoisonError::into_inner) = sieve.map(Arc::new);
    }
}
