//! The order of writes that several nodes share: one Redis stream, and a copy of it on each node.
//!
//! A write is an entry `XADD`ed to `tamis:{service}:log`. Every node reads the stream from its own position on, makes the
//! changes in its table, and copies them into its directory with the position; the node that wrote the entry then tells
//! who waits. So an acknowledged write is in Redis and visible here, and some milliseconds later everywhere.
//!
//! Fields of an entry: `i` (16 random bytes, by which a node knows its own entries again) and `c` (the changes, as in
//! [`super::record`]); or `b`, `f` and `n`: the stream begins here, at epoch `b`, after position `f` of node `n`. The time
//! of a change is that of its entry. `XADD` never makes the stream: it begins with such an entry, so that a stream that
//! was lost is seen to be lost, and a node without state knows whether it can read everything.
//!
//! | the stream | what a node does |
//! |---|---|
//! | has the entry at its position | reads on |
//! | is not there | tells the others its epoch; the one with the highest begins it anew |
//! | begins after its position | takes the table of a peer |
//! | has later entries, not its own | takes the table of a peer that follows; if none does, goes on from there |

mod applying;
pub(crate) mod connecting;
pub mod entry;
mod keeping;
mod locating;
mod metrics;
mod registry;
mod resync;
mod writing;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tamis_runtime::clock;
use tamis_runtime::exit::Failure;
use tamis_runtime::redis_address::Address;
use tamis_runtime::tls::Tls;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::Position;
use super::local::LocalLog;
use crate::shared::{Shared, Standing};
use crate::writes::{Committed, Request, Writes};
use applying::{Applier, Work};
pub use applying::{NoSnapshot, Snapshots};
pub use metrics::OrderMetrics;
pub use resync::CHUNK_BYTES_MAX;

/// Longest wait of a writer for its entry to come back. Then it is not known whether it was written.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(2);

/// Longest wait for an answer of Redis; then the connection is made anew.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How long a node may be without Redis before it says that it is stale. A failover of Sentinel takes longer: then
/// another node is no better, but clients cannot know.
pub const STALE_AFTER: Duration = Duration::from_secs(2);

/// Pieces of work that wait for the applier: entries come one batch at a time, beside them a snapshot or two.
const WORK_WAITING_MAX: usize = 4;

/// Bytes of the random name of a commit.
const ID_BYTES: usize = 16;

/// How the shared order is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where Redis is.
    pub address: Address,
    /// PEM certificate of the authority that signed its TLS certificate; none trusts the system's.
    pub authority: Option<Vec<u8>>,
    /// Name of the service whose nodes share the order.
    pub service: String,
    /// Replicas that must have a write before it is acknowledged.
    pub acks: u8,
    /// Name of this node; empty: one is drawn and kept.
    pub node: String,
    /// Nodes that may give this one their table, `host:port`.
    pub peers: Vec<String>,
}

/// What the tasks of one node share.
#[derive(Debug)]
pub struct Link {
    settings: Settings,
    node: String,
    keys: Keys,
    shared: Arc<Shared>,
    metrics: OrderMetrics,
    state: Mutex<State>,
    /// Whether writes are taken.
    is_open: watch::Sender<bool>,
    /// Wakes the keeper: the connection or the stream is gone.
    disturbed: Notify,
    pending: Mutex<HashMap<[u8; ID_BYTES], Pending>>,
}

#[derive(Debug)]
struct Keys {
    log: String,
    nodes: String,
    begin: String,
}

/// A commit whose entry has not come back yet.
#[derive(Debug)]
struct Pending {
    /// Changes of each of its requests.
    counts: Vec<usize>,
    shown: oneshot::Sender<Vec<Committed>>,
}

#[derive(Default)]
struct State {
    /// For writes, which may wait for replicas.
    connection: Option<MultiplexedConnection>,
    /// For everything else that is answered at once.
    asks: Option<MultiplexedConnection>,
    /// Whether the stream holds our position.
    follows: bool,
    /// Whether all that the stream held when it was last looked at is applied.
    caught_up: bool,
    position: Option<Position>,
    /// Epoch of the table at that position.
    epoch: u64,
    /// Another node has another table at the same position: one that reaches this is to be taken.
    differs: Option<Position>,
    /// Up to where the last snapshot goes.
    snapshot: Option<Position>,
    /// When Redis answered last.
    answered: Option<Instant>,
    seen: registry::Seen,
    resyncs: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State(follows {}, position {:?})", self.follows, self.position)
    }
}

impl Link {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<[u8; ID_BYTES], Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> Option<MultiplexedConnection> {
        self.state().connection.clone()
    }

    fn asks(&self) -> Option<MultiplexedConnection> {
        self.state().asks.clone()
    }

    fn position(&self) -> Option<Position> {
        self.state().position
    }

    /// Everything up to here is applied.
    fn reached(&self, position: Position) {
        let epoch = self.epoch();
        let mut state = self.state();
        (state.position, state.epoch) = (Some(position), epoch);
    }

    fn epoch(&self) -> u64 {
        self.shared.table().epoch()
    }

    /// Why writes are refused now, if they are.
    pub(crate) fn closed(&self) -> Option<String> {
        let state = self.state();
        if state.connection.is_none() {
            Some("Redis, which keeps the order of writes, does not answer".to_owned())
        } else if !state.follows {
            Some("this node does not follow the shared order of writes yet".to_owned())
        } else {
            None
        }
    }

    fn connected(&self, asks: MultiplexedConnection, writes: MultiplexedConnection) {
        let mut state = self.state();
        state.connection = Some(writes);
        state.asks = Some(asks);
        state.answered = Some(clock::now());
    }

    /// Gives up the connection. The keeper makes a new one.
    fn broken(&self, why: &str) {
        let mut state = self.state();
        let was_connected = state.connection.take().is_some();
        state.asks = None;
        drop(state);
        if was_connected {
            tracing::warn!("Redis is lost, writes are refused, questions are answered: {why}");
        }
        self.show();
        self.disturbed.notify_one();
    }

    fn follows(&self, follows: bool) {
        let mut state = self.state();
        state.follows = follows;
        state.caught_up &= follows;
        drop(state);
        self.show();
    }

    /// Tells all others where we stand: writers, clients, administrators.
    fn show(&self) {
        let epoch = self.epoch();
        let state = self.state();
        let is_connected = state.connection.is_some() && state.follows;
        let silence = state.answered.map(|at| clock::now().saturating_duration_since(at));
        let is_silent = silence.is_none_or(|silence| silence > STALE_AFTER);
        // A node without others is as good as it gets.
        let are_others = state.seen.nodes != 1;
        let is_behind = is_silent || !state.follows || !state.caught_up;
        let behind_ms = state
            .seen
            .last
            .map_or(0, |last| last.ms.saturating_sub(state.position.map_or(last.ms, |own| own.ms)));
        let lag_seconds = match silence {
            Some(silence) if is_silent => silence.as_secs_f64(),
            _ => behind_ms as f64 / 1000.0,
        };
        let standing = Standing {
            node: self.node.clone(),
            connected: is_connected,
            position: state.position.map(entry::text).unwrap_or_default(),
            lag_changes: state.seen.epoch_max.saturating_sub(epoch),
            lag_seconds,
            resyncs: state.resyncs,
            nodes: state.seen.nodes,
        };
        drop(state);
        self.shared.set_stale(is_behind && are_others);
        self.is_open.send_if_modified(|open| std::mem::replace(open, is_connected) != is_connected);
        self.metrics.show(&standing);
        self.shared.stands(standing);
    }
}

/// One node of a service, from start to end.
#[derive(Debug)]
pub struct Cluster {
    link: Arc<Link>,
    /// Where a peer's snapshot is laid.
    fetched: PathBuf,
    work: mpsc::Sender<Work>,
    requests: mpsc::Receiver<Request>,
    has_state: bool,
}

/// What [`Cluster::start`] gives.
#[derive(Debug)]
pub struct Started {
    /// Told once the node has all that the stream held when it came, or why it cannot.
    pub caught_up: oneshot::Receiver<Result<(), Failure>>,
    /// Ends when the last way to the writer is gone and its writes are answered.
    pub writer: tokio::task::JoinHandle<()>,
    /// Keeper and heartbeat.
    pub tasks: JoinSet<()>,
}

impl Cluster {
    /// Makes a node over an open log. Nothing is asked of Redis before [`Cluster::start`].
    ///
    /// # Errors
    /// The system's: no thread, no file for the name of the node, no random numbers.
    pub fn new(
        settings: Settings,
        (dir, log, position): (&Path, LocalLog, Option<Position>),
        shared: Arc<Shared>,
        metrics: OrderMetrics,
    ) -> std::io::Result<(Self, Writes, JoinHandle<()>)> {
        let node = name(&settings.node, dir)?;
        let key = |what: &str| format!("tamis:{{{}}}:{what}", settings.service);
        let keys = Keys { log: key("log"), nodes: key("nodes"), begin: key("begin") };
        let has_state = position.is_some() || shared.table().epoch() > 0;
        let state = State {
            position,
            epoch: shared.table().epoch(),
            snapshot: log.snapshot().and_then(|(_, position, _)| position),
            ..State::default()
        };
        let link = Arc::new(Link {
            settings,
            node,
            keys,
            shared,
            metrics,
            state: Mutex::new(state),
            is_open: watch::Sender::new(false),
            disturbed: Notify::new(),
            pending: Mutex::default(),
        });
        link.show();
        let (writes, requests) = Writes::shared(Arc::clone(&link), log.histories());
        let fetched = log.fetched_path();
        let (work, waiting) = mpsc::channel(WORK_WAITING_MAX);
        let applier = Applier::new(Arc::clone(&link), log);
        let builder = std::thread::Builder::new().name("reputation-log".to_owned());
        let thread = builder.spawn(move || applier.run(waiting))?;
        Ok((Self { link, fetched, work, requests, has_state }, writes, thread))
    }

    /// Whether there is something to answer from before Redis was asked.
    #[must_use]
    pub const fn has_state(&self) -> bool {
        self.has_state
    }

    /// Where peers get snapshots of this node.
    #[must_use]
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(Arc::clone(&self.link), self.work.clone())
    }

    /// Starts to follow. `tls` is for connections to peers.
    #[must_use]
    pub fn start(self, tls: Option<&Tls>) -> Started {
        let (first, caught_up) = oneshot::channel();
        let mut tasks = JoinSet::new();
        let keeper = keeping::Keeper {
            link: Arc::clone(&self.link),
            fetched: self.fetched,
            work: self.work,
            tls: tls.cloned(),
            first: Some(first),
        };
        let _: AbortHandle = tasks.spawn(keeper.run());
        let _: AbortHandle = tasks.spawn(registry::beat(Arc::clone(&self.link)));
        let writer = tokio::spawn(writing::run(self.link, self.requests));
        Started { caught_up, writer, tasks }
    }
}

/// The configured name, or the one that was drawn at the first start.
fn name(configured: &str, dir: &Path) -> std::io::Result<String> {
    if !configured.is_empty() {
        return Ok(configured.to_owned());
    }
    let path = dir.join("node");
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(&path, &name)?;
    Ok(name)
}
