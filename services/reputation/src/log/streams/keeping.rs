//! The keeper of a node: connects, finds its place in the stream, reads on, and begins again after every disturbance.

use std::collections::HashMap;
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
use super::deciding::{self, Heard, Other, Step, Why};
use super::entry::{self, Entry};
use super::locating::{Broken, Place, ask, last, locate, look, range};
use super::registry::Nodes;
use super::told::Told;
use super::troubles::Alarm;
use super::{ANSWER_WITHIN, Link, beginning, connecting, registry, resync};
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

/// Pause between looks at the other nodes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Pause between attempts to take a table, growing to the last one.
const TAKING_PAUSES_MS: [u64; 6] = [200, 200, 400, 800, 1_600, 3_000];

/// How long peers may give no table before that is told as a trouble of this node.
pub const TROUBLE_AFTER: Duration = Duration::from_secs(30);

/// Pause between attempts to apply more when no copy of it can be written.
const STALLED_PAUSE: Duration = Duration::from_secs(1);

/// What is said to who starts a node that lacks what nobody can give it.
const NAME_PEERS: &str = "Name other nodes of the service in [reputation] peers: this one takes the table of one of them.";

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
    pub electing: Electing,
    pub taking: Taking,
    /// The table is not the one that the order has here: another that reaches this is taken before anything else is read.
    pub differs: Option<Position>,
}

/// Why following ends for now.
enum Stop {
    Broken(String),
    /// The applier ended: nothing will help.
    Never,
}

impl From<Broken> for Stop {
    fn from(Broken(why): Broken) -> Self {
        Self::Broken(why)
    }
}

impl Keeper {
    pub(super) async fn run(mut self) {
        let _alarm = Alarm::new(&self.link, "the keeper");
        let mut failures = 0;
        loop {
            match connecting::connect(&self.link.settings, &self.link.keys.log).await {
                Ok(asks) => match self.follow(asks, &mut failures).await {
                    Stop::Never => return self.link.dead("the thread that applies entries"),
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
        self.electing = Electing::default();
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
        // In this order, see [`deciding::step`].
        let nodes = registry::tell(&self.link, asks).await?;
        let sight = look(&self.link, asks).await?;
        let place = locate(&sight, &self.link.own());
        let step = self.electing.step(&self.link, &nodes, &place, sight.last);
        let step = step.unless_differs(self.differs);
        match step {
            Step::ReadOn => self.link.follows(),
            Step::Wait(Why::News) => {}
            _ => self.link.aside(),
        }
        match step {
            Step::ReadOn => {
                self.differs = self.read_on(reads, sight.last).await?;
                if let Some(differs) = self.differs {
                    self.link.aside();
                    self.take_from_peer(differs).await?;
                }
            }
            Step::Take(at_least) => self.take_from_peer(at_least).await?,
            Step::Begin if self.electing.is_settled() => self.begin(asks, &nodes).await?,
            Step::Wait(_) | Step::Begin => tokio::time::sleep(LOOK_EVERY).await,
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
            let are_some = !entries.is_empty();
            match self.apply(entries).await? {
                Outcome::Applied if are_some => self.fits(),
                Outcome::Applied => {}
                Outcome::Differs(at) => return Ok(Some(at)),
                // They stand in the stream until there is room for their copy.
                Outcome::Stalled => tokio::time::sleep(STALLED_PAUSE).await,
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
        self.fits();
        let was_behind = !std::mem::replace(&mut self.link.state().caught_up, true);
        if was_behind {
            self.link.show();
            tracing::info!(epoch = self.link.epoch(), "the shared order is followed");
        }
        if let Some(first) = self.first.take() {
            let _ = first.send(Ok(()));
        }
    }

    /// The table goes on with the order: none is wanted from a peer. Only what shows that ends a trouble, not another look.
    fn fits(&mut self) {
        self.taking = Taking::default();
        self.link.trouble(|troubles| troubles.gap = None);
    }

    /// Takes the table of a peer, or tells why there is none and waits, longer each time.
    async fn take_from_peer(&mut self, at_least: Position) -> Result<(), Stop> {
        match self.try_peers(at_least).await? {
            Ok(()) => {
                self.differs = None;
                // Said of the table that is gone.
                self.link.state().differs = None;
                self.fits();
                return Ok(());
            }
            Err(why) => {
                let has_peers = !self.link.settings.peers.is_empty();
                if !has_peers || self.taking.lasts() {
                    self.link.trouble(|troubles| troubles.gap = Some(why.clone()));
                }
                if !has_peers && let Some(first) = self.first.take() {
                    let _ = first.send(Err(Failure::configuration(why, NAME_PEERS)));
                }
            }
        }
        tokio::time::sleep(self.taking.pause()).await;
        Ok(())
    }

    /// One round over all peers; why none of them gave its table.
    async fn try_peers(&self, at_least: Position) -> Result<Result<(), String>, Stop> {
        let link = &self.link;
        let reached = link.position().map_or_else(|| "nothing".to_owned(), entry::text);
        let mut why = format!(
            "the shared order of writes begins at {} and this node has {reached}: what lies between is gone",
            entry::text(at_least)
        );
        for peer in &link.settings.peers {
            let (tls, service) = (self.tls.as_ref(), &link.settings.service);
            match resync::fetch(peer, tls, service, at_least, &self.fetched).await {
                Ok(()) => {
                    let (done, installed) = oneshot::channel();
                    let sent = self.work.send(Work::Install(done)).await;
                    sent.map_err(|_| Stop::Never)?;
                    match installed.await.map_err(|_| Stop::Never)? {
                        Ok(()) => return Ok(Ok(())),
                        Err(error) => {
                            tracing::error!(%error, "a table from {peer} is of no use");
                            why.push_str(&format!("; the table of {peer} is of no use: {error}"));
                        }
                    }
                }
                Err(error) => {
                    tracing::info!(%error, "no table from {peer}");
                    why.push_str(&format!("; no table from {peer}: {error}"));
                }
            }
        }
        Ok(Err(why))
    }

    /// Begins the stream with what this node has, unless somebody else does.
    async fn begin(&mut self, asks: &mut MultiplexedConnection, nodes: &Nodes) -> Result<(), Stop> {
        let link = Arc::clone(&self.link);
        let token = format!("{} {:016x}", link.node, getrandom::u64().unwrap_or_default());
        let mut lock = redis::cmd("SET");
        lock.arg(&link.keys.begin).arg(&token).arg("NX");
        lock.arg("PX").arg(BEGIN_WITHIN.as_millis() as u64);
        if ask::<Value>(asks, &lock).await? == Value::Nil {
            tokio::time::sleep(LOOK_EVERY).await;
            return Ok(());
        }
        let begun = match self.on_top(asks).await? {
            Some(last) => self.write_beginning(asks, &token, last, nodes).await?,
            // Nothing is ever behind this: the lock is given back, and no more.
            None => ask(asks, beginning(&link, &token, "-").arg("-")).await?,
        };
        if begun != Value::Nil {
            // The order is this node's table from here on.
            self.differs = None;
            let (epoch, nodes) = (link.epoch(), 1 + nodes.others(&link.node).count());
            let of = 1 + link.settings.peers.len();
            tracing::warn!(
                epoch,
                "the shared order of writes begins with the table of this node; {nodes} of {of} nodes were heard of"
            );
        }
        Ok(())
    }

    /// Applies what others wrote after what we alone have, on top of it. The end of the stream that there is then; none
    /// when that could not be.
    async fn on_top(
        &self,
        asks: &mut MultiplexedConnection,
    ) -> Result<Option<Option<Position>>, Stop> {
        loop {
            let last = last(&self.link, asks).await?;
            let own = self.link.own();
            let from = own.position.map_or_else(|| "-".to_owned(), entry::text);
            let mut entries = range(&self.link, asks, &from, ENTRIES_PER_READ_MAX).await?;
            entries.retain(|entry| Some(entry.position) > own.position || entry.is_foreign(&own));
            if entries.is_empty() {
                return Ok(Some(last));
            }
            if self.apply(entries).await? != Outcome::Applied {
                return Ok(None);
            }
        }
    }

    async fn write_beginning(
        &self,
        asks: &mut MultiplexedConnection,
        token: &str,
        last: Option<Position>,
        nodes: &Nodes,
    ) -> Result<Value, Stop> {
        let link = &self.link;
        let own = link.own();
        // Behind all that anybody has, so that nobody takes it for something older.
        let told = nodes.others(&link.node).filter_map(|(_, told)| told.position);
        let reached = told.chain(last).chain(own.position).max().map_or(0, |most| most.ms);
        let id = Position { ms: reached + 1, seq: 0 };
        let mut begin = beginning(link, token, &last.map(entry::text).unwrap_or_default());
        begin.arg(entry::text(id)).arg("b").arg(own.epoch).arg("n").arg(own.node);
        begin.arg("f").arg(own.position.map(entry::text).unwrap_or_default());
        if let Some(mark) = own.mark {
            begin.arg("m").arg(&mark);
        }
        Ok(ask(asks, &begin).await?)
    }
}

fn beginning(link: &Link, token: &str, last: &str) -> redis::Cmd {
    let mut script = redis::cmd("EVAL");
    script.arg(beginning::SCRIPT).arg(2).arg(&link.keys.begin).arg(&link.keys.log);
    script.arg(token).arg(last);
    script
}

/// Whether and since when the stream has to begin.
#[derive(Debug, Default)]
pub(super) struct Electing {
    /// When the others told last, as it stood there when we connected.
    stood: Option<HashMap<String, u64>>,
    wanted_since: Option<Instant>,
    first_since: Option<Instant>,
}

impl Electing {
    fn step(&mut self, link: &Link, nodes: &Nodes, place: &Place, last: Option<Position>) -> Step {
        let stood = self.stood.get_or_insert_with(|| nodes.times());
        let other = |(name, told): (&'_ str, &'_ Told)| stood.get(name) != Some(&told.at_ms);
        let others = nodes.others(&link.node);
        let others = others.map(|(name, told)| Other { name, told, is_fresh: other((name, told)) });
        let Some(own) = nodes.told(&link.node) else { return Step::Wait(Why::News) };
        let heard = Heard {
            node: &link.node,
            own,
            others: others.collect(),
            peers: link.settings.peers.len(),
            waited: self.wanted_since.map_or(Duration::ZERO, |since| since.elapsed()),
        };
        let step = deciding::step(place, last, &heard);
        self.note(link, step);
        step
    }

    fn note(&mut self, link: &Link, step: Step) {
        let waits = match step {
            Step::Wait(Why::Absent(alive, members)) => Some(format!(
                "the shared order of writes has to be begun and {alive} of {members} nodes are heard of: start the \
                 others, or take who is gone for good out of [reputation] peers"
            )),
            Step::Wait(Why::Loading) => Some(
                "the shared order of writes has to be begun once the other nodes have read their directories"
                    .to_owned(),
            ),
            _ => None,
        };
        let is_wanted = waits.is_some() || matches!(step, Step::Begin | Step::Wait(Why::Furthest));
        let since = is_wanted.then(|| self.wanted_since.unwrap_or_else(Instant::now));
        self.wanted_since = since;
        let is_first = step == Step::Begin;
        self.first_since = is_first.then(|| self.first_since.unwrap_or_else(Instant::now));
        let is_long = since.is_some_and(|since| since.elapsed() >= SETTLE);
        link.trouble(|troubles| troubles.waits = waits.filter(|_| is_long));
    }

    /// Whether all had the time to say how far they have come.
    fn is_settled(&self) -> bool {
        self.first_since.is_some_and(|since| since.elapsed() >= SETTLE)
    }
}

/// Attempts to take a table that failed, one after the other.
#[derive(Debug, Default)]
pub(super) struct Taking {
    since: Option<Instant>,
    failed: usize,
}

impl Taking {
    /// Whether they failed for so long that a person should know. The first one begins the time.
    fn lasts(&mut self) -> bool {
        self.since.get_or_insert_with(Instant::now).elapsed() >= TROUBLE_AFTER
    }

    fn pause(&mut self) -> Duration {
        let pause = TAKING_PAUSES_MS[self.failed.min(TAKING_PAUSES_MS.len() - 1)];
        self.failed += 1;
        Duration::from_millis(pause)
    }
}
