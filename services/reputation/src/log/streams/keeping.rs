//! The keeper of a node: connects, finds its place in the stream, reads on, and begins again after every disturbance.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tamis_runtime::clock;
use tamis_runtime::exit::Failure;
use tamis_runtime::tls::Tls;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::applying::{Outcome, Work};
use super::entry::{self, Entry};
use super::locating::{Broken, Place, ask, last, locate, range};
use super::{ANSWER_WITHIN, Link, connecting, registry, resync};
use crate::log::Position;

/// Codes of Redis after which another connection may find another master.
pub(super) const ELSEWHERE: [&str; 6] =
    ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "MOVED", "UNBLOCKED"];

/// Longest wait of one read for something new. Its end is also a sign of life.
const BLOCK: Duration = Duration::from_secs(1);

/// Entries of one read: of the largest size they have 52 MB.
const ENTRIES_PER_READ_MAX: usize = 64;

/// Pauses between attempts to connect, growing to the last one.
const PAUSES_MS: [u64; 5] = [50, 100, 250, 500, 1000];

/// Pause between attempts to get a table from a peer, and between looks at the other nodes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long the others may take to say how far they have come, before the one with the highest epoch begins the stream.
pub const SETTLE: Duration = Duration::from_secs(2);

/// How long a beginning may take before another node may try.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);

pub(super) struct Keeper {
    pub link: Arc<Link>,
    /// Where a peer's snapshot is laid.
    pub fetched: PathBuf,
    pub work: mpsc::Sender<Work>,
    pub tls: Option<Tls>,
    /// Told once, see [`super::Started`].
    pub first: Option<oneshot::Sender<Result<(), Failure>>>,
}

/// Why following ends for now.
enum Stop {
    Broken(String),
    /// Nothing will help; said to who started the node.
    Never,
}

impl From<Broken> for Stop {
    fn from(Broken(why): Broken) -> Self {
        Self::Broken(why)
    }
}

impl Keeper {
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        loop {
            match connecting::connect(&self.link.settings, &self.link.keys.log).await {
                Ok(asks) => match self.follow(asks, &mut failures).await {
                    Stop::Never => return,
                    Stop::Broken(why) => self.link.broken(&why),
                },
                Err(error) if failures == 0 => {
                    tracing::warn!(%error, "Redis, which keeps the order of writes, cannot be reached");
                }
                Err(_) => {}
            }
            self.link.show();
            let pause = PAUSES_MS[failures.min(PAUSES_MS.len() - 1)];
            failures += 1;
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Follows over one connection until it breaks.
    async fn follow(&mut self, mut asks: MultiplexedConnection, failures: &mut usize) -> Stop {
        // One for reads, which wait on purpose, one for writes, which may wait for replicas, one for all that does not.
        let reads = connecting::connect(&self.link.settings, &self.link.keys.log).await;
        let writes = connecting::connect(&self.link.settings, &self.link.keys.log).await;
        let (mut reads, writes) = match (reads, writes) {
            (Ok(reads), Ok(writes)) => (reads, writes),
            (Err(error), _) | (_, Err(error)) => return Stop::Broken(error.to_string()),
        };
        self.link.connected(asks.clone(), writes);
        tracing::info!("Redis, which keeps the order of writes, is connected");
        // What disturbed the connection before this one is over.
        tokio::select! {
            biased;
            () = self.link.disturbed.notified() => {}
            () = std::future::ready(()) => {}
        }
        loop {
            if let Err(stop) = self.step(&mut asks, &mut reads).await {
                return stop;
            }
            *failures = 0;
        }
    }

    /// Finds the place and does what is right there.
    async fn step(
        &mut self,
        asks: &mut MultiplexedConnection,
        reads: &mut MultiplexedConnection,
    ) -> Result<(), Stop> {
        let place = locate(&self.link, asks).await?;
        self.link.follows(place == Place::Here);
        match place {
            Place::Here => {
                let goal = last(&self.link, asks).await?;
                if let Some(differs) = self.read_on(reads, goal).await? {
                    self.link.follows(false);
                    self.take_from_peer(differs).await?;
                }
            }
            Place::Missing => self.elect(asks).await?,
            Place::Behind(at_least) => self.take_from_peer(at_least).await?,
            Place::Aside(went_on_to) => {
                match (registry::does_anybody_follow(&self.link, asks).await?, went_on_to) {
                    (true, Some(at_least)) => self.take_from_peer(at_least).await?,
                    // It did not notice yet.
                    (true, None) => tokio::time::sleep(LOOK_EVERY).await,
                    (false, _) => self.elect(asks).await?,
                }
            }
        }
        Ok(())
    }

    /// Reads and applies until the stream differs (there) or is disturbed (nothing).
    async fn read_on(
        &mut self,
        reads: &mut MultiplexedConnection,
        goal: Option<Position>,
    ) -> Result<Option<Position>, Stop> {
        loop {
            let position = self.link.position();
            if position >= goal {
                self.caught_up();
            }
            let from = position.unwrap_or(Position { ms: 0, seq: 0 });
            let mut read = redis::cmd("XREAD");
            read.arg("COUNT").arg(ENTRIES_PER_READ_MAX).arg("BLOCK").arg(BLOCK.as_millis() as u64);
            read.arg("STREAMS").arg(&self.link.keys.log).arg(entry::text(from));
            // In this order: a read that was begun and given up would hold up the next one.
            let answer = tokio::select! {
                biased;
                () = self.link.disturbed.notified() => {
                    if let Some(differs) = self.link.state().differs.take() {
                        return Ok(Some(differs));
                    }
                    return match self.link.connection() {
                        Some(_) => Ok(None),
                        None => Err(Stop::Broken("the connection was given up".to_owned())),
                    };
                }
                answer = timeout(BLOCK + ANSWER_WITHIN, read.query_async::<Value>(reads)) => answer,
            };
            let value = match answer {
                Ok(Ok(value)) => value,
                Ok(Err(error)) => return Err(Stop::Broken(error.to_string())),
                Err(_) => return Err(Stop::Broken("a read is not answered in time".to_owned())),
            };
            self.link.state().answered = Some(clock::now());
            let entries = entry::of_read(value)
                .ok_or_else(|| Stop::Broken("XREAD answered something else".to_owned()))?;
            if let Outcome::Differs(at) = self.apply(entries).await? {
                return Ok(Some(at));
            }
        }
    }

    async fn apply(&self, entries: Vec<Entry>) -> Result<Outcome, Stop> {
        if entries.is_empty() {
            return Ok(Outcome::Applied);
        }
        let (done, applied) = oneshot::channel();
        let sent = self.work.send(Work::Entries(entries, done)).await;
        sent.map_err(|_| Stop::Never)?;
        applied.await.map_err(|_| Stop::Never)
    }

    /// All that was there when we came is applied.
    fn caught_up(&mut self) {
        let was_behind = !std::mem::replace(&mut self.link.state().caught_up, true);
        if was_behind {
            self.link.show();
            tracing::info!(epoch = self.link.epoch(), "the shared order is followed");
        }
        if let Some(first) = self.first.take() {
            let _ = first.send(Ok(()));
        }
    }

    /// Takes the table of a peer. Without any peer there is nothing to wait for.
    async fn take_from_peer(&mut self, at_least: Position) -> Result<(), Stop> {
        let link = Arc::clone(&self.link);
        if link.settings.peers.is_empty() {
            if let Some(first) = self.first.take() {
                let reached = link.position().map_or_else(|| "nothing".to_owned(), entry::text);
                let _ = first.send(Err(Failure::configuration(
                    format!(
                        "the shared order of writes begins at {} and this node has {reached}: what lies between is gone",
                        entry::text(at_least)
                    ),
                    "Name other nodes of the service in [reputation] peers: this one takes the table of one of them.",
                )));
                return Err(Stop::Never);
            }
            link.shared.warn("no peers are named to take a table from".to_owned());
            tokio::time::sleep(Duration::from_secs(1)).await;
            return Ok(());
        }
        for peer in &link.settings.peers {
            let (tls, service) = (self.tls.as_ref(), &link.settings.service);
            match resync::fetch(peer, tls, service, at_least, &self.fetched).await {
                Ok(()) => {
                    let (done, installed) = oneshot::channel();
                    let sent = self.work.send(Work::Install(done)).await;
                    sent.map_err(|_| Stop::Never)?;
                    match installed.await {
                        Ok(Ok(())) => return Ok(()),
                        Ok(Err(error)) => {
                            tracing::error!(%error, "a table from {peer} is of no use")
                        }
                        Err(_) => return Err(Stop::Never),
                    }
                }
                Err(error) => tracing::info!(%error, "no table from {peer}"),
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
        Ok(())
    }

    /// Nobody follows: the node that has come furthest begins the stream anew, once all had the time to say how far.
    async fn elect(&self, asks: &mut MultiplexedConnection) -> Result<(), Stop> {
        let mut first_since = None;
        loop {
            let standing = registry::election(&self.link, asks).await?;
            if standing.somebody_follows {
                tokio::time::sleep(LOOK_EVERY).await;
                return Ok(());
            }
            if standing.is_first {
                let since = *first_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= SETTLE {
                    return self.begin(asks).await;
                }
            } else {
                first_since = None;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            if locate(&self.link, asks).await? == Place::Here {
                return Ok(());
            }
            let is_missing = last(&self.link, asks).await?.is_none();
            if !is_missing && matches!(locate(&self.link, asks).await?, Place::Behind(_)) {
                return Ok(());
            }
        }
    }

    async fn begin(&self, asks: &mut MultiplexedConnection) -> Result<(), Stop> {
        let link = &self.link;
        let mut lock = redis::cmd("SET");
        lock.arg(&link.keys.begin).arg(&link.node).arg("NX");
        lock.arg("PX").arg(BEGIN_WITHIN.as_millis() as u64);
        if ask::<Value>(asks, &lock).await? == Value::Nil {
            return Ok(());
        }
        // What others wrote after what we alone have: on top of it.
        while let Some(position) = link.position() {
            let from = format!("({}", entry::text(position));
            let entries = range(link, asks, &from, ENTRIES_PER_READ_MAX).await?;
            if entries.is_empty() {
                break;
            }
            if let Outcome::Differs(_) = self.apply(entries).await? {
                return Ok(());
            }
        }
        let own = link.position();
        let reached = last(link, asks).await?.max(own).map_or(0, |position| position.ms);
        let id = Position { ms: reached + 1, seq: 0 };
        let epoch = link.epoch();
        let mut begin = redis::cmd("XADD");
        begin.arg(&link.keys.log).arg(entry::text(id)).arg("b").arg(epoch);
        begin.arg("f").arg(own.map(entry::text).unwrap_or_default()).arg("n").arg(&link.node);
        let _: Value = ask(asks, &begin).await?;
        let _: Value = ask(asks, redis::cmd("DEL").arg(&link.keys.begin)).await?;
        tracing::warn!(epoch, "the shared order of writes begins with the table of this node");
        Ok(())
    }
}
