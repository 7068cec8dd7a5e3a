//! The order of writes that several nodes share: one Redis stream, and a copy of it on each node.
//!
//! A write is an entry `XADD`ed to `tamis:{service}:log`. Every node reads the stream from its own position on, makes the
//! changes in its table, and copies them into its directory with the position; the node that wrote the entry then tells
//! who waits. So an acknowledged write is in Redis and visible here, and some milliseconds later everywhere.
//!
//! Fields of an entry: `i` (16 random bytes, by which a node knows its own entries again) and `c` (the changes, as in
//! [`super::record`]); or `b`, `f`, `m` and `n`: the stream begins here, at epoch `b`, after position `f`, whose entry has the
//! random name `m`, of node `n`. The time
//! of a change is that of its entry. `XADD` never makes the stream: it begins with such an entry, so that a stream that
//! was lost is seen to be lost, and a node without state knows whether it can read everything.
//!
//! | the stream | what a node does |
//! |---|---|
//! | has the entry at its position | reads on |
//! | is not there | tells the others its epoch; once all were heard of, the one with the highest begins it anew |
//! | ends before what another node has | stops; the one that has most begins it anew behind all that it lost |
//! | begins after its position | takes the table of a peer |
//! | has later entries, not its own | takes the table of a peer that follows; if none does, goes on from there |

mod applying;
pub mod beginning;
pub(crate) mod connecting;
mod deciding;
pub mod entry;
mod keeping;
mod link;
mod loading;
mod locating;
mod metrics;
mod registry;
mod resync;
#[cfg(test)]
mod tests;
mod told;
mod troubles;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tamis_runtime::exit::Failure;
use tamis_runtime::redis_address::Address;
use tamis_runtime::tls::Tls;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::Position;
use super::local::LocalLog;
use crate::shared::Shared;
use crate::writes::{Request, Writes};
use applying::{Applier, Work};
pub use applying::{NoSnapshot, Snapshots};
pub use link::Link;
use link::{Keys, Pending, State};
pub use loading::{Announcement, announce};
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
    /// The other nodes of the service, `host:port`: they may give this one their table, and are waited for before the order
    /// begins.
    pub peers: Vec<String>,
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
        let has_state = position.is_some() || shared.table().epoch() > 0;
        let state = State {
            position,
            epoch: shared.table().epoch(),
            snapshot: log.snapshot().and_then(|(_, position, _)| position),
            ..State::default()
        };
        let link = Arc::new(Link::new(settings, node, shared, metrics, state));
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

    /// Whether nothing is wrong with this node that somebody has to mend: a part that ended, writes that it can never
    /// read, a directory that takes no more. It answers all the same.
    #[must_use]
    pub fn is_fit(&self) -> watch::Receiver<bool> {
        self.link.is_fit.subscribe()
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
            electing: keeping::Electing::default(),
            taking: keeping::Taking::default(),
            differs: None,
        };
        let _: AbortHandle = tasks.spawn(keeper.run());
        let _: AbortHandle = tasks.spawn(writing::probe(Arc::clone(&self.link)));
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
