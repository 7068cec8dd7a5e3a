//! One role alone in its process.

use std::sync::Arc;

use tamis_edge::scanners::Connector;
use tamis_runtime::exit::Failure;
use tamis_runtime::listen::Listener;
use tamis_scanner::Scanner;
use tamis_scanner::metrics::Metrics as ScannerMetrics;

use crate::cli::Role;
use crate::start::{self, Process};

/// `tamis scanner`.
pub async fn scanner(role: Role) -> Result<(), Failure> {
    let settings = start::settings(role.config.as_deref())?;
    let process = Process::begin(&settings.telemetry, "tamis-scanner")?;
    let config = settings.scanner;
    settings.tls.permit("scanner", "listen", &config.listen)?;
    let tls = settings.tls.load()?;
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

