//! One reputation service from start to end.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tamis_reputation_protocol::sharding::ShardRange;
use tamis_reputation_protocol::signatures::Table;
use tamis_reputation_protocol::{seal, sightings};
use tamis_runtime::admin::Condition;
use tamis_runtime::exit::Failure;
use tamis_runtime::listen::{ListenAddress, Listener};
use tamis_runtime::shutdown::Shutdown;
use tamis_runtime::tls::{Tls, serve_in_turns};
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;
use tonic::service::Routes;
use tonic::transport::{Server, ServerTlsConfig};

use crate::admin::connection::Connection;
use crate::admin::{self, Admin};
use crate::alarm::Alarm;
use crate::config::{Config, read_keys};
use crate::feed::Feed;
use crate::feed::filter::Filtering;
use crate::fit::{Fit, ready_while, serving_while};
use crate::log::local::LocalLog;
use crate::log::streams::{self, Announcement, Cluster, OrderMetrics, Started};
use crate::log::{OpenError, Position};
use crate::metrics::Metrics;
use crate::reporters::Reporters;
use crate::serve::{self, Loops};
use crate::shared::Shared;
use crate::sightings::{Watch, exchange};
use crate::writes::Writes;
use tamis_proto::reputation::reputation_server::ReputationServer;

/// gRPC calls of one connection at the same time.
const CALLS_PER_CONNECTION_MAX: usize = 64;

/// Between two signs of life that a connection owes while it is silent, and for the answer to one.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// File of the state directory that says which values were held when it was last used.
const SHARD_FILE: &str = "shard";

/// What is said where there is no state directory.
const IN_MEMORY: &str =
    "no state_dir is set: reported signatures live in memory only and end with this process";

/// A service whose sockets are open and whose table is loaded; it answers once it runs.
#[derive(Debug)]
pub struct Service {
    config: Config,
    sockets: Vec<UdpSocket>,
    grpc: Option<Listener>,
    shared: Arc<Shared>,
    writes: Writes,
    writer: JoinHandle<()>,
    cluster: Option<Cluster>,
    announcement: Option<Announcement>,
    reporters: Option<Arc<Reporters>>,
    feed: Option<Feed>,
    filtering: Option<Filtering>,
}

impl Service {
    /// Loads the table and opens the sockets. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// A state directory that cannot be used, an address that cannot be opened.
    pub async fn bind(
        mut config: Config,
        registry: &tamis_runtime::metrics::Metrics,
    ) -> Result<Self, Failure> {
        config.rules.seed = u64::from_be_bytes(random()?);
        let sockets = serve::bind(config.listen, config.sockets).map_err(|error| {
            Failure::unavailable(
                format!("cannot answer on UDP {}: {error}", config.listen),
                "Choose another [reputation] listen, or stop the program that has it.",
            )
        })?;
        let grpc = match &config.grpc {
            ListenAddress::Off => None,
            address => Some(Listener::bind(address).await?),
        };
        let reporters = match &config.reporters {
            Some(file) => Some(Arc::new(Reporters::load(file)?)),
            None => None,
        };
        // Others wait for what this node has before they begin their order anew.
        let announcement = match (&config.cluster, &config.state_dir) {
            (Some(settings), Some(dir)) => Some(streams::announce(settings, dir)),
            _ => None,
        };
        let (table, log, warnings) = load(&config).await?;
        let shared = Arc::new(Shared::new(table, Metrics::new(registry)));
        warnings.into_iter().for_each(|warning| shared.warn(warning));
        let no_writer = |error| Failure::software(format!("no writer: {error}"));
        let (writes, writer, cluster) = match (config.cluster.clone(), log, &config.state_dir) {
            (Some(settings), Some((log, position)), Some(dir)) => {
                let metrics = OrderMetrics::new(registry);
                let parts = (dir.as_path(), log, position);
                let (cluster, writes, writer) =
                    Cluster::new(settings, parts, Arc::clone(&shared), metrics)
                        .map_err(no_writer)?;
                (writes, writer, Some(cluster))
            }
            (_, log, _) => {
                let log = log.map(|(log, _)| log);
                let (writes, writer) =
                    Writes::start(Arc::clone(&shared), log).map_err(no_writer)?;
                (writes, writer, None)
            }
        };
        whole_order_is_published(&config)?;
        let feed = match config.bases.take() {
            None => None,
            Some(settings) => {
                let log = (writes.histories(), config.state_dir.as_deref());
                let filter = config.filter.clone();
                Some(Feed::open(settings, registry, config.rules, &shared, log, filter).await?)
            }
        };
        let filtering = filtering(&config, &shared, &writes, registry);
        Ok(Self {
            config,
            sockets,
            grpc,
            shared,
            writes,
            writer,
            cluster,
            announcement,
            reporters,
            feed,
            filtering,
        })
    }

    /// Where questions are answered; the port is the real one where the configuration says 0.
    #[must_use]
    pub fn udp_address(&self) -> SocketAddr {
        self.sockets
            .first()
            .and_then(|socket| socket.local_addr().ok())
            .unwrap_or(self.config.listen)
    }

    /// Where administration is served, if anywhere.
    #[must_use]
    pub fn grpc_address(&self) -> Option<&ListenAddress> {
        self.grpc.as_ref().map(Listener::address)
    }

    /// Where bases are served to other sites, if they are.
    #[must_use]
    pub fn bases_address(&self) -> Option<SocketAddr> {
        self.feed.as_ref().and_then(Feed::listen)
    }

    /// What is shared by all of its parts.
    #[must_use]
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Answers until the process is asked to end; then finishes the writes in hand.
    ///
    /// # Errors
    /// TLS material that cannot be used, or a listener that broke.
    pub async fn run(
        self,
        tls: Option<&Tls>,
        is_ready: Condition,
        shutdown: Shutdown,
    ) -> Result<(), Failure> {
        let mut background = JoinSet::new();
        let watch = watch(&self.config, &self.shared, &mut background)?;
        let admin = Admin {
            shared: Arc::clone(&self.shared),
            writes: self.writes,
            snapshots: self.cluster.as_ref().map(Cluster::snapshots),
            reporters: self.reporters.clone(),
            watch: watch.clone(),
            has_tls: tls.is_some(),
            peer_names: peer_names(&self.config, tls),
        };
        if let Some(reporters) = self.reporters {
            let alarm = Alarm::new(&self.shared, "what reads the file of reporters");
            background.spawn(reporters.watch(alarm));
        }
        let mut shared_writer = None;
        let mut is_fit = Fit { parts: self.shared.is_fit(), order: None };
        if let Some(cluster) = self.cluster {
            let has_state = cluster.has_state();
            is_fit.order = Some(cluster.is_fit());
            let Started { mut caught_up, writer, tasks } = cluster.start(tls);
            background.spawn(all_of(tasks, self.announcement));
            shared_writer = Some(writer);
            // With state of its own the node answers from that and says that it is stale.
            if !has_state {
                tokio::select! {
                    caught_up = &mut caught_up => caught_up.unwrap_or(Ok(()))?,
                    () = shutdown.requested() => return Ok(()),
                }
            }
        }
        let feed = started(self.feed).await;
        if let Some(filtering) = self.filtering {
            background.spawn(filtering.run(shutdown.clone()));
        }
        let loops = answering(self.sockets, &self.config, &self.shared, watch)?;
        tracing::info!(epoch = self.shared.table().epoch(), "reputation answers");
        is_ready.set(true);
        background.spawn(ready_while(is_fit.clone(), is_ready.clone(), shutdown.clone()));
        let served = match self.grpc {
            Some(listener) => {
                grpc(listener, tls, admin, is_fit, &shutdown, self.config.grace).await
            }
            None => {
                drop(admin);
                shutdown.requested().await;
                Ok(())
            }
        };
        is_ready.set(false);
        if let Some(feed) = feed {
            feed.ended().await;
        }
        // No way to the writer is left: it finishes what waits and ends.
        if let Some(writer) = shared_writer {
            let _ = writer.await;
        }
        background.shutdown().await;
        let ended = move || (self.writer.join(), loops.end());
        let _ = tokio::task::spawn_blocking(ended).await;
        served
    }
}

/// From here on the heartbeat says what this node does.
async fn all_of(mut tasks: JoinSet<()>, announcement: Option<Announcement>) {
    drop(announcement);
    while tasks.join_next().await.is_some() {}
}

/// Signatures are published by nodes that keep all of them.
fn whole_order_is_published(config: &Config) -> Result<(), Failure> {
    let publishes = config.bases.as_ref().is_some_and(|settings| settings.bases.publish_signatures);
    if publishes && config.rules.shard.is_some() {
        return Err(Failure::configuration(
            "[bases] publish_signatures: a node with [reputation] shard cannot publish".to_owned(),
            "Its epochs count what sites do not. Let a node without shard publish, with an order of its own.",
        ));
    }
    Ok(())
}

/// Names of which the certificate of a node that fetches the table must bear one.
fn peer_names(config: &Config, tls: Option<&Tls>) -> Vec<String> {
    if !config.peer_names.is_empty() {
        return config.peer_names.clone();
    }
    let peers = config.cluster.iter().flat_map(|cluster| &cluster.peers);
    let hosts = peers.filter_map(|peer| Some(peer.rsplit_once(':')?.0));
    let hosts = hosts.map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    hosts.chain(tls.and_then(Tls::server_name)).map(str::to_owned).collect()
}

/// Counting of sightings, where it is configured; nodes that share an order tell each other.
fn watch(
    config: &Config,
    shared: &Arc<Shared>,
    background: &mut JoinSet<()>,
) -> Result<Option<Watch>, Failure> {
    let Some(settings) = config.sightings else { return Ok(None) };
    let settings = sightings::Settings { seed: u64::from_be_bytes(random()?), ..settings };
    let exchange = config.cluster.clone().map(|cluster| {
        let (exchange, talk) = exchange::open(cluster);
        background.spawn(talk);
        exchange
    });
    let alarm = Alarm::new(shared, "the thread that counts sightings");
    Watch::start(settings, exchange, shared.metrics.clone(), Some(alarm))
        .map(|watch| Some(watch.of_shard(config.rules.shard)))
        .map_err(|error| Failure::software(format!("no thread to count in: {error}")))
}

/// The keys of clients, read again at start: the file may have changed since it was checked.
fn sealing(config: &Config) -> Result<Option<(Arc<seal::Keys>, seal::Settings)>, Failure> {
    let Some(file) = &config.client_keys else { return Ok(None) };
    let keys = read_keys(file).map_err(|error| {
        Failure::configuration(
            error,
            "Write one line for each client, as `tamis signature key` prints it.",
        )
    })?;
    let settings =
        seal::Settings { require_seal: config.require_seal, ..seal::Settings::default() };
    Ok(Some((Arc::new(keys), settings)))
}

/// [`Service::bind`] and [`Service::run`] in one.
///
/// # Errors
/// Those of both.
pub async fn run(
    config: Config,
    registry: &tamis_runtime::metrics::Metrics,
    tls: Option<&Tls>,
    is_ready: Condition,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let bound = tokio::select! {
        bound = Service::bind(config, registry) => bound?,
        // A large table takes minutes to load. Nothing is lost with what is read so far.
        () = shutdown.requested() => return Ok(()),
    };
    bound.run(tls, is_ready, shutdown).await
}

/// The threads that answer questions.
fn answering(
    sockets: Vec<UdpSocket>,
    config: &Config,
    shared: &Arc<Shared>,
    watch: Option<Watch>,
) -> Result<Loops, Failure> {
    let settings = serve::Settings {
        secret: random()?,
        limits: config.limits,
        sealing: sealing(config)?,
        watch,
    };
    Loops::start(sockets, &settings, shared)
        .map_err(|error| Failure::software(format!("no thread to answer in: {error}")))
}

/// Who writes the filter, where one is wanted.
fn filtering(
    config: &Config,
    shared: &Arc<Shared>,
    writes: &Writes,
    registry: &tamis_runtime::metrics::Metrics,
) -> Option<Filtering> {
    let (path, dir) = (config.filter.clone()?, config.state_dir.as_ref()?.join("filter"));
    Some(Filtering::new(path, dir, shared, writes.histories().clone(), registry))
}

/// The bases at work: what is in force is loaded then.
async fn started(mut feed: Option<Feed>) -> Option<Feed> {
    if let Some(feed) = &mut feed {
        feed.start().await;
    }
    feed
}

/// Table, log and place in the shared order, as the state directory has them, and what a person should know.
type Loaded = (Table, Option<(LocalLog, Option<Position>)>, Vec<String>);

async fn load(config: &Config) -> Result<Loaded, Failure> {
    let mut table = Table::new(config.rules);
    let Some(dir) = config.state_dir.clone() else {
        return Ok((table, None, vec![IN_MEMORY.to_owned()]));
    };
    let bytes = config.compact_bytes;
    let (done, loaded) = tokio::sync::oneshot::channel();
    // A thread that nobody waits for: who is asked to end while it loads ends, and the thread with the process. The
    // directory bears that at any moment, as it bears a crash.
    std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || {
            let opened = LocalLog::open(&dir, &mut table, bytes);
            let _ = done.send(opened.map(|it| (it, table)));
        })
        .map_err(|error| Failure::software(format!("no thread to load: {error}")))?;
    let loaded = loaded.await.map_err(|error| Failure::software(error.to_string()))?;
    let (mut opened, table) = loaded.map_err(unusable)?;
    if let Some(dir) = &config.state_dir {
        opened.warnings.extend(held_before(dir, config.rules.shard).map_err(unusable)?);
    }
    Ok((table, Some((opened.log, opened.position)), opened.warnings))
}

/// Keeps in the state directory which values this node holds, and says so when that has changed. Its log has all
/// histories of the order, whatever is held in memory: what a wider range needs was read from there.
fn held_before(dir: &Path, shard: Option<ShardRange>) -> Result<Option<String>, OpenError> {
    let path = dir.join(SHARD_FILE);
    let before = match std::fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().ok(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(OpenError::io(path)(error)),
    };
    match shard {
        Some(now) => std::fs::write(&path, format!("{now}\n")).map_err(OpenError::io(path))?,
        None if before.is_some() => std::fs::remove_file(&path).map_err(OpenError::io(path))?,
        None => {}
    }
    let (was, is) = (before.unwrap_or_default(), shard.unwrap_or_default());
    if was == is {
        return Ok(None);
    }
    let what = if is.covers(&was) { "more" } else { "other values" };
    Ok(Some(format!(
        "this node held {was} and holds {is} now: {what}, read from its own log; the shard map of scanners must say the same"
    )))
}

async fn grpc(
    listener: Listener,
    tls: Option<&Tls>,
    admin: Admin,
    is_fit: Fit,
    shutdown: &Shutdown,
    grace: Duration,
) -> Result<(), Failure> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<ReputationServer<Admin>>().await;
    let mut watching = JoinSet::new();
    watching.spawn(serving_while(is_fit, health));
    let services = Routes::new(health_service).add_service(admin::service(admin));
    let over = Shutdown::new();
    let served = serve_in_turns(listener, tls, |incoming, tls| {
        let (services, over, shutdown) = (services.clone(), over.clone(), shutdown.clone());
        async move {
            let connections = incoming
                .map(move |accepted| Ok::<_, std::io::Error>(Connection::new(accepted?, &over)));
            server(tls)?
                .add_routes(services)
                .serve_with_incoming_shutdown(
                    connections,
                    async move { shutdown.requested().await },
                )
                .await
                .map_err(|error| Failure::unavailable(format!("reputation gRPC: {error}"), ""))
        }
    });
    let left = async {
        shutdown.requested().await;
        tokio::time::sleep(grace).await;
        tracing::warn!(
            "connections of administration that did not end in {grace:?} are broken off"
        );
        over.request();
        std::future::pending().await
    };
    tokio::select! {
        served = served => served,
        never = left => never,
    }
}

fn server(tls: Option<ServerTlsConfig>) -> Result<Server, Failure> {
    let server = Server::builder()
        .concurrency_limit_per_connection(CALLS_PER_CONNECTION_MAX)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PONG_WITHIN))
        .tcp_nodelay(true);
    let Some(tls) = tls else { return Ok(server) };
    server.tls_config(tls).map_err(|error| {
        Failure::configuration(format!("[tls]: {error}"), "Check certificate, key and authority.")
    })
}

fn unusable(error: OpenError) -> Failure {
    let advice = match &error {
        OpenError::Io { .. } => {
            "Check that [reputation] state_dir exists and belongs to this user."
        }
        OpenError::Locked(_) => "Stop the other process, or give this one a state_dir of its own.",
        OpenError::Format { .. } => {
            "Begin with an empty state_dir and report anew; nodes of one service change together."
        }
        OpenError::Damaged { .. } => "Without it, acknowledged reports would be lost.",
    };
    Failure::unavailable(error.to_string(), advice)
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::software(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Typed;

    #[test]
    fn peers_are_known_by_their_hosts_unless_names_are_written() {
        let typed = |peer_names: &[&str]| Typed {
            redis: "redis://127.0.0.1:6379".to_owned(),
            state_dir: "/var/lib/x".into(),
            peers: ["h.example:1", "192.0.2.1:2", "[::1]:3"].map(str::to_owned).to_vec(),
            peer_names: peer_names.iter().map(|name| (*name).to_owned()).collect(),
            ..Typed::default()
        };
        let names = |typed: Typed| peer_names(&typed.check().unwrap(), None);
        assert_eq!(names(typed(&[])), ["h.example", "192.0.2.1", "::1"]);
        assert_eq!(names(typed(&["node.example"])), ["node.example"]);
    }
}
