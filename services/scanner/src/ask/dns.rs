//! Questions to DNS: one cache, one flight for equal questions, one deadline for all that a mail asks.
//!
//! `hickory-resolver` speaks with the servers and is named here alone. What it does not do stands in this room: a cache
//! that also keeps failures for a while, a bound on what one mail may ask, and a breaker for the day on which no server
//! answers any more. A question that was begun is seen through even when its mail has given up: the next mail of the
//! campaign finds the answer in the cache.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;
use tamis_runtime::clock;
use tokio::sync::{Semaphore, oneshot};

use crate::metrics::Metrics;

mod breaker;
mod cache;
mod question;
mod session;
mod wire;

use breaker::Breaker;
use cache::Cache;

pub use question::{Answer, Failure, Kind, Question, Record, reversed};
pub use session::{Asker, Purpose, Session, Tally};
pub use wire::RECORDS_MAX;

/// Questions under way at the same time, of all mails. One more is not asked, and its mail goes on without it: four
/// times what the mails that a scanner judges at once (200) can wait for is no sign of honest load.
pub const FLIGHTS_MAX: usize = 4096;

/// Attempts at one server after the first. A datagram is lost now and then; more attempts outlast every mail.
const RETRIES: usize = 1;

/// Names of the client that are tried (RFC 8601 section 3 leaves the number open): honest ones have one or two.
pub const CLIENT_NAMES_MAX: usize = 4;

/// Servers that can be configured: a resolver of the system has three at most.
pub const SERVERS_MAX: usize = 16;

/// Whom to ask, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Recursive servers. Empty: those of the system.
    pub servers: Vec<SocketAddr>,
    /// Longest wait of a mail, for all its questions together.
    pub budget: Duration,
    /// Longest wait for one answer of one server.
    pub timeout: Duration,
    /// Questions that servers have to answer at the same time, for each configured one.
    pub concurrent_per_server: usize,
    /// Bytes of the cache.
    pub cache_bytes_max: u64,
}

/// The servers cannot be known: ours to say at the start.
#[derive(Debug, thiserror::Error)]
pub enum NoServers {
    /// The system names none.
    #[error("the system's DNS servers: {0}")]
    System(String),
    /// The resolver could not be made.
    #[error("DNS resolver: {0}")]
    Resolver(String),
}

/// The resolver that all mails share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dns(Arc<Inner>);

type Flight = Shared<oneshot::Receiver<Answer>>;

struct Inner {
    plan: Plan,
    resolver: TokioResolver,
    cache: Cache,
    flights: Mutex<HashMap<Question, Flight>>,
    seats: Semaphore,
    breaker: Mutex<Breaker>,
    metrics: Metrics,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Dns {
    /// A resolver as planned. Opens no socket before the first question.
    ///
    /// # Errors
    /// [`NoServers`].
    pub fn start(plan: Plan, metrics: Metrics) -> Result<Self, NoServers> {
        let config = servers(&plan)?;
        let servers = config.name_servers().len().max(1);
        let seats = Semaphore::new(plan.concurrent_per_server.saturating_mul(servers).max(1));
        let resolver = resolver(config, options(&plan)).map_err(NoServers::Resolver)?;
        Ok(Self(Arc::new(Inner {
            cache: Cache::new(plan.cache_bytes_max),
            plan,
            resolver,
            flights: Mutex::default(),
            seats,
            breaker: Mutex::default(),
            metrics,
        })))
    }

    /// The questions of one mail: all of them end at `until`, or when the budget is used up.
    #[must_use]
    pub fn session(&self, until: std::time::Instant) -> Session {
        let until = until.min(clock::now() + self.0.plan.budget);
        Session::new(Arc::clone(&self.0), until)
    }
}

impl Inner {
    /// The answer that is being waited for, or a new flight. `None`: there are too many.
    fn board(self: &Arc<Self>, question: &Question) -> Option<Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(question) {
            return Some(flight.clone());
        }
        if flights.len() >= FLIGHTS_MAX {
            return None;
        }
        let (land, landing) = oneshot::channel();
        let flight = landing.shared();
        flights.insert(question.clone(), flight.clone());
        drop(flights);
        let (inner, question) = (Arc::clone(self), question.clone());
        tokio::spawn(async move {
            let answer = inner.fly(&question).await;
            inner.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&question);
            // Nobody may be waiting any more.
            let _ = land.send(answer);
        });
        Some(flight)
    }

    /// Asks the servers and remembers what they say.
    async fn fly(&self, question: &Question) -> Answer {
        // No question stays on its way for ever, however many stand before it.
        let patience = self.plan.timeout * 2 * (RETRIES as u32 + 1);
        let asked = async {
            let _seat = self.seats.acquire().await;
            wire::ask(&self.resolver, question).await
        };
        let timeout = || (Answer::Failed(Failure::Timeout), None);
        let (answer, ttl) =
            tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| timeout());
        let now = clock::now();
        self.breaker().heard(question.name(), &answer, now);
        self.metrics.dns_asked(question.kind(), &answer);
        self.cache.keep(question.clone(), answer.clone(), ttl, now);
        answer
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn servers(plan: &Plan) -> Result<ResolverConfig, NoServers> {
    let named = if plan.servers.is_empty() {
        let system = read_system_conf().map_err(|error| NoServers::System(error.to_string()))?;
        // Search lists and the own domain are for people; no question of ours is relative.
        system.0.name_servers().to_vec()
    } else {
        plan.servers.iter().map(|address| server(*address)).collect()
    };
    if named.is_empty() {
        return Err(NoServers::System("none is named".to_owned()));
    }
    Ok(ResolverConfig::from_name_servers(named))
}

fn server(address: SocketAddr) -> NameServerConfig {
    let ip: IpAddr = address.ip();
    let mut server = NameServerConfig::udp_and_tcp(ip);
    for connection in &mut server.connections {
        let connection: &mut ConnectionConfig = connection;
        connection.port = address.port();
    }
    server
}

/// The resolver's own cache is off: ours also keeps failures, and one cache is enough.
/// A resolver that believes no certificate. We ask in plain DNS, and the library would else read the system's whole store
/// of authorities at each start and keep it.
pub(super) fn resolver(
    config: ResolverConfig,
    options: ResolverOpts,
) -> Result<TokioResolver, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .with_tls_config(tls)
        .build()
        .map_err(|error| error.to_string())
}

fn options(plan: &Plan) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = plan.timeout;
    options.attempts = RETRIES;
    options.cache_size = 0;
    options.use_hosts_file = hickory_resolver::config::ResolveHosts::Never;
    options.ndots = 0;
    options.max_active_requests = plan.concurrent_per_server;
    // A lying answer must guess the case of every letter, too.
    options.case_randomization = true;
    options
}
