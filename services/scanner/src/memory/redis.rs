//! The far memory: one task keeps the connection, one writes, and nobody ever waits longer than the budget.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{Client, ErrorKind, RedisError, RedisResult, TlsCertificates, Value};
use tamis_domain::reading::PartFacts;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::{Key, Writes};
use tamis_runtime::redis_address::Address;
use tamis_runtime::redis_sentinel;

/// How the far memory is reached.
#[derive(Clone, Debug)]
pub struct FarSettings {
    /// Where it is.
    pub address: Address,
    /// PEM certificate of the authority that signed its TLS certificate; `None` trusts the system's.
    pub authority: Option<Vec<u8>>,
    /// Longest wait of a mail for an answer.
    pub budget: Duration,
    /// How long a fact is kept without being written again.
    pub keep: Duration,
}

/// Longest wait for a connection to be made. Nobody's mail waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Pauses between attempts to connect, growing to the last one.
const PAUSES_MS: [u64; 5] = [50, 100, 250, 500, 1000];

/// Answers in a row that may be late before the connection is made anew.
const LATE_IN_A_ROW_MAX: u32 = 3;

/// Facts written at the same time.
const WRITES_TOGETHER_MAX: usize = 64;

/// In front of every key, with the version of the value's form.
const PREFIX: &[u8] = b"tamis:f1:";

/// A connection of any of the three kinds.
#[derive(Clone)]
enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// What the keeper, the writer and the readers share.
struct Shared {
    settings: FarSettings,
    what: &'static str,
    state: Mutex<State>,
    broken: Notify,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    late_in_a_row: u32,
}

/// Redis, as the scanner uses it.
pub(crate) struct Far {
    shared: Arc<Shared>,
    writes: Writes,
}

impl std::fmt::Debug for Far {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Far({:?})", self.connected())
    }
}

impl Far {
    /// Starts the keeper and the writer. They end when the last user is gone.
    ///
    /// `what` is kept there, for the log.
    pub(crate) fn start(settings: FarSettings, writes_max: usize, what: &'static str) -> Self {
        let shared = Arc::new(Shared {
            settings,
            what,
            state: Mutex::new(State::default()),
            broken: Notify::new(),
        });
        let (writes, queue) = mpsc::channel(writes_max);
        tokio::spawn(keep_connected(Arc::downgrade(&shared)));
        tokio::spawn(write(Arc::clone(&shared), queue));
        Self { shared, writes }
    }

    pub(super) fn connected(&self) -> bool {
        self.shared.connection().is_some()
    }

    /// One round trip for all keys; `None` when Redis is away or late.
    pub(super) async fn recall(&self, keys: &[Key]) -> Option<Vec<Option<Arc<PartFacts>>>> {
        let mut command = redis::cmd("MGET");
        for key in keys {
            command.arg(full_key(key));
        }
        let values = self.ask("MGET", &command, self.shared.settings.budget).await?;
        let Value::Array(values) = values else { return None };
        (values.len() == keys.len()).then(|| values.into_iter().map(read).collect())
    }

    /// One command by its name, waited for at most `within`; `None` when Redis is away, late, or refuses. One span a round
    /// trip that a mail waits for; what the process asks for itself begins no trace.
    pub(crate) async fn ask(
        &self,
        name: &'static str,
        command: &redis::Cmd,
        within: Duration,
    ) -> Option<Value> {
        let connection = self.shared.connection()?;
        let span = self.span(name);
        let answer = timeout(within, connection.query(command)).instrument(span.clone()).await;
        let trouble = match &answer {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.code().unwrap_or("connection").to_owned()),
            Err(_) => Some("timeout".to_owned()),
        };
        if let Some(trouble) = trouble {
            span.record("error.type", trouble).record("otel.status_code", "ERROR");
        }
        self.shared.checked(answer.ok())
    }

    /// A span as the semantic conventions for Redis have it. What is asked stays out: it names mails.
    fn span(&self, operation: &'static str) -> tracing::Span {
        if tracing::Span::current().is_none() {
            return tracing::Span::none();
        }
        tracing::info_span!(
            "scanner.redis",
            otel.name = operation,
            otel.kind = "client",
            otel.status_code = Empty,
            db.system.name = "redis",
            db.operation.name = operation,
            "error.type" = Empty,
            tamis.what = self.shared.what,
        )
    }

    /// Queues a fact for writing; drops it when the queue is full.
    pub(super) fn keep(&self, key: Key, facts: Arc<PartFacts>) {
        let _ = self.writes.try_send((key, facts));
    }
}

impl Drop for Far {
    /// Wakes the keeper, which then sees that nobody is left and ends.
    fn drop(&mut self) {
        self.shared.broken.notify_one();
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> Option<Connection> {
        self.state().connection.clone()
    }

    /// Learns from an answer (`None` = late) whether the connection is still good.
    fn checked(&self, answer: Option<RedisResult<Value>>) -> Option<Value> {
        let mut state = self.state();
        match answer {
            Some(Ok(value)) => {
                state.late_in_a_row = 0;
                return Some(value);
            }
            Some(Err(error)) if !is_fatal(&error) => return None,
            Some(Err(_)) => state.late_in_a_row = LATE_IN_A_ROW_MAX,
            None => state.late_in_a_row += 1,
        }
        if state.late_in_a_row >= LATE_IN_A_ROW_MAX {
            *state = State::default();
            self.broken.notify_one();
        }
        None
    }
}

impl Connection {
    async fn query(mut self, command: &redis::Cmd) -> RedisResult<Value> {
        match &mut self {
            Self::One(connection) => connection.req_packed_command(command).await,
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        }
    }
}

/// Whether a new connection may help: the network broke, or the master is no longer one.
fn is_fatal(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error.is_connection_refusal()
        || matches!(error.kind(), ErrorKind::Client | ErrorKind::AuthenticationFailed)
        || matches!(error.code(), Some("READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN"))
}

/// Makes a connection, publishes it, waits until it breaks, and begins again.
async fn keep_connected(shared: std::sync::Weak<Shared>) {
    let mut failures = 0;
    loop {
        let Some(strong) = shared.upgrade() else { return };
        match timeout(CONNECT_TIMEOUT, connect(&strong.settings)).await {
            Ok(Ok(connection)) => {
                tracing::info!("{} in redis is connected", strong.what);
                failures = 0;
                strong.state().connection = Some(connection);
                let broken = strong.broken.notified();
                broken.await;
                if strong.connection().is_none() {
                    tracing::warn!("{} in redis is lost; judging goes on without it", strong.what);
                }
            }
            Ok(Err(error)) if failures == 0 => {
                tracing::warn!(%error, "{} in redis cannot be reached; judging goes on without it", strong.what);
            }
            Err(_) if failures == 0 => {
                tracing::warn!(
                    "{} in redis does not answer; judging goes on without it",
                    strong.what
                );
            }
            _ => {}
        }
        drop(strong);
        let pause = PAUSES_MS[failures.min(PAUSES_MS.len() - 1)];
        failures += 1;
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

async fn connect(settings: &FarSettings) -> RedisResult<Connection> {
    let certificates = TlsCertificates { client_tls: None, root_cert: settings.authority.clone() };
    match &settings.address {
        Address::Single(url) => {
            let client = match &settings.authority {
                Some(_) => Client::build_with_tls(url.as_str(), certificates)?,
                None => Client::open(url.as_str())?,
            };
            client.get_multiplexed_async_connection().await.map(Connection::One)
        }
        Address::Cluster(nodes) => {
            let mut builder = ClusterClientBuilder::new(nodes.iter().map(String::as_str))
                .response_timeout(settings.budget * 4)
                .connection_timeout(CONNECT_TIMEOUT);
            if settings.authority.is_some() {
                builder = builder.certs(certificates);
            }
            builder.build()?.get_async_connection().await.map(Connection::Cluster)
        }
        Address::Sentinel { .. } => {
            let mut client =
                redis_sentinel::client(&settings.address, settings.authority.as_deref())?;
            client.get_async_connection().await.map(Connection::One)
        }
    }
}

/// Writes what is queued, some at a time. Single commands, because a pipeline may not cross slots of a cluster.
async fn write(shared: Arc<Shared>, mut queue: mpsc::Receiver<(Key, Arc<PartFacts>)>) {
    let mut batch = Vec::with_capacity(WRITES_TOGETHER_MAX);
    while queue.recv_many(&mut batch, WRITES_TOGETHER_MAX).await > 0 {
        let Some(connection) = shared.connection() else {
            batch.clear();
            continue;
        };
        let seconds = shared.settings.keep.as_secs().max(1);
        let commands: Vec<_> =
            batch.drain(..).filter_map(|(key, facts)| set(&key, &facts, seconds)).collect();
        let writes = commands.iter().map(|command| connection.clone().query(command));
        if let Ok(answers) = timeout(CONNECT_TIMEOUT, join_all(writes)).await {
            for answer in answers {
                shared.checked(Some(answer));
            }
        } else {
            shared.checked(None);
        }
    }
}

fn set(key: &Key, facts: &PartFacts, seconds: u64) -> Option<redis::Cmd> {
    let value = super::encode(facts)?;
    let mut command = redis::cmd("SET");
    command.arg(full_key(key)).arg(value).arg("EX").arg(seconds);
    Some(command)
}

fn full_key(key: &Key) -> Vec<u8> {
    [PREFIX, key].concat()
}

fn read(value: Value) -> Option<Arc<PartFacts>> {
    match value {
        Value::BulkString(bytes) => super::decode(&bytes).map(Arc::new),
        _ => None,
    }
}
