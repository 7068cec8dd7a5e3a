//! One role alone in its process.

use std::sync::Arc;

use tamis_edge::Connector;
use tamis_reputation::bases::Bases;
use tamis_reputation::bases::config::Config;
use tamis_reputation::bases::metrics::Metrics;
use tamis_runtime::exit::Failure;
use tamis_runtime::listen::Listener;
use tamis_scanner::Scanner;
use tamis_scanner::metrics::Metrics as ScannerMetrics;

use crate::cli::Role;
use crate::one_process::open_doors;
use crate::start::{self, Process, Settings};

/// `tamis scanner`.
pub async fn scanner(role: Role) -> Result<(), Failure> {
    let settings = start::settings(role.config.as_deref())?;
    let process = Process::begin(&settings.telemetry, "tamis-scanner")?;
    let _bases = subscribed(&settings, &process).await?;
    let config = settings.scanner;
    settings.tls.permit("scanner", "listen", &config.listen)?;
    let tls = process.certificates(&settings.tls)?;
    let snapshot = start::snapshot(settings.policy, &config)?;
    let scanner = Scanner::new(&config, snapshot, ScannerMetrics::new(&process.metrics));
    let is_ready = process.readiness.condition("scanner");
    let listener = Listener::bind(&config.listen).await?;
    listener.announce("scanner (gRPC)");
    process.serve_admin(&config.admin).await?;
    let shutdown = process.shutdown.clone();
    let done =
        tamis_scanner::service::run(Arc::new(scanner), listener, tls.as_ref(), is_ready, shutdown)
            .await;
    process.telemetry.shutdown().await;
    Ok(done?)
}

/// A scanner's bases: it takes what its upstream has, so that the files that it names are there and new. It serves nobody
/// and publishes nothing; a reputation service on the same machine may use the same directory.
async fn subscribed(settings: &Settings, process: &Process) -> Result<Option<Bases>, Failure> {
    let Some(config) = settings.bases.clone().filter(|config| config.upstream.is_some()) else {
        return Ok(None);
    };
    let config = Config { listen: None, ..config };
    let metrics = Metrics::new(&process.metrics);
    Bases::start(config, &settings.tls, metrics, &process.shutdown).await.map(Some)
}

/// `tamis reputation`.
pub async fn reputation(role: Role) -> Result<(), Failure> {
    let settings = start::settings(role.config.as_deref())?;
    let process = Process::begin(&settings.telemetry, "tamis-reputation")?;
    settings.tls.permit("reputation", "grpc", &settings.reputation.grpc)?;
    let tls = process.certificates(&settings.tls)?;
    let bases = settings.feed();
    let config = tamis_reputation::config::Config { bases, ..settings.reputation };
    let service = tamis_reputation::service::Service::bind(config, &process.metrics).await?;
    tamis_runtime::say!("reputation (UDP) listens on {}", service.udp_address());
    if let Some(address) = service.grpc_address() {
        tamis_runtime::say!("reputation administration (gRPC) listens on {address}");
    }
    if let Some(address) = service.bases_address() {
        tamis_runtime::say!("bases (QUIC) listen on {address}");
    }
    let is_ready = process.readiness.condition("reputation");
    process.serve_admin(&settings.reputation_admin).await?;
    let done = service.run(tls.as_ref(), is_ready, process.shutdown.clone()).await;
    process.telemetry.shutdown().await;
    done
}

/// `tamis edge`: the same as the thin `tamis-edge`.
pub async fn edge(role: Role) -> Result<(), Failure> {
    let settings = start::settings(role.config.as_deref())?;
    let process = Process::begin(&settings.telemetry, "tamis-edge")?;
    let connector = Connector::Addresses(process.certificates(&settings.tls)?);
    let admin = settings.edge.typed.admin.clone();
    let doors = open_doors(settings.edge, connector, &process).await?;
    process.serve_admin(&admin).await?;
    doors.serve().await;
    process.telemetry.shutdown().await;
    Ok(())
}
