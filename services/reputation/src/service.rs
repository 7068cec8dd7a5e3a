//! One reputation service from start to end.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;

use tamis_reputation_protocol::signatures::Table;
use tamis_runtime::admin::Condition;
use tamis_runtime::exit::Failure;
use tamis_runtime::listen::{ListenAddress, Listener};
use tamis_runtime::shutdown::Shutdown;
use tamis_runtime::tls::Tls;
use tonic::transport::Server;

use crate::admin::{self, Admin};
use crate::config::Config;
use crate::log::OpenError;
use crate::log::local::{COMPACT_BYTES, LocalLog};
use crate::metrics::Metrics;
use crate::serve::{self, Loops};
use crate::shared::Shared;
use crate::writes::Writes;
use tamis_proto::reputation::reputation_server::ReputationServer;

/// gRPC calls of one connection at the same time.
const CALLS_PER_CONNECTION_MAX: usize = 64;

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
        let mut table = Table::new(config.rules);
        let mut warnings = Vec::new();
        let log = match config.state_dir.clone() {
            None => {
                warnings.push(IN_MEMORY.to_owned());
                None
            }
            Some(dir) => {
                let load =
                    move || LocalLog::open(&dir, &mut table, COMPACT_BYTES).map(|it| (it, table));
                let loaded = tokio::task::spawn_blocking(load).await;
                let loaded = loaded.map_err(|error| Failure::software(error.to_string()))?;
                let (opened, loaded) = loaded.map_err(unusable)?;
                table = loaded;
                warnings.extend(opened.warnings);
                Some(opened.log)
            }
        };
        let shared = Arc::new(Shared::new(table, Metrics::new(registry)));
        warnings.into_iter().for_each(|warning| shared.warn(warning));
        let (writes, writer) = Writes::start(Arc::clone(&shared), log)
            .map_err(|error| Failure::software(format!("no thread for the log: {error}")))?;
        Ok(Self { config, sockets, grpc, shared, writes, writer })
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
        let secret = random()?;
        let loops = Loops::start(self.sockets, secret, self.config.limits, &self.shared)
            .map_err(|error| Failure::software(format!("no thread to answer in: {error}")))?;
        tracing::info!(epoch = self.shared.table().epoch(), "reputation answers");
        is_ready.set(true);
        let served = match self.grpc {
            Some(listener) => grpc(listener, tls, self.shared, self.writes, &shutdown).await,
            None => {
                drop(self.writes);
                shutdown.requested().await;
                Ok(())
            }
        };
        is_ready.set(false);
        // No way to the writer is left: it finishes what waits and ends.
        let writer = self.writer;
        let ended = move || (writer.join(), loops.end());
        let _ = tokio::task::spawn_blocking(ended).await;
        served
    }
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
    Service::bind(config, registry).await?.run(tls, is_ready, shutdown).await
}

async fn grpc(
    listener: Listener,
    tls: Option<&Tls>,
    shared: Arc<Shared>,
    writes: Writes,
    shutdown: &Shutdown,
) -> Result<(), Failure> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<ReputationServer<Admin>>().await;
    let mut server = Server::builder()
        .concurrency_limit_per_connection(CALLS_PER_CONNECTION_MAX)
        .tcp_nodelay(true);
    if let Some(tls) = tls {
        server = server.tls_config(tls.server()).map_err(|error| {
            Failure::configuration(
                format!("[tls]: {error}"),
                "Check certificate, key and authority.",
            )
        })?;
    }
    server
        .add_service(health_service)
        .add_service(admin::service(shared, writes))
        .serve_with_incoming_shutdown(listener.incoming(), shutdown.requested())
        .await
        .map_err(|error| Failure::unavailable(format!("reputation gRPC: {error}"), ""))
}

fn unusable(error: OpenError) -> Failure {
    let advice = match &error {
        OpenError::Io { .. } => {
            "Check that [reputation] state_dir exists and belongs to this user."
        }
        OpenError::Locked(_) => "Stop the other process, or give this one a state_dir of its own.",
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
