//! `tamis all`: every role in one process, on embedded defaults. One path, two wires: edge and scanner speak the same
//! gRPC as in a cluster, over a pipe in memory.

use std::path::PathBuf;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use tamis_edge::config::EdgeConfig;
use tamis_edge::{Connector, EdgeParts, Opened};
use tamis_runtime::exit::Failure;
use tamis_runtime::listen::{ListenAddress, Listener};
use tamis_runtime::shutdown::Shutdown;
use tamis_scanner::metrics::Metrics as ScannerMetrics;
use tamis_scanner::{Scanner, service};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

use crate::cli::Role;
use crate::inbox;
use crate::start::{self, Process, Settings};

/// Bytes in each direction of the pipe: a Supply chunk and its frame fit.
const PIPE_BYTES: usize = 256 * 1024;

/// Pipes waiting to be taken by the scanner; the edge opens one.
const PIPES_WAITING_MAX: usize = 4;

/// Runs until asked to end; ends from the outside in, so that mails in hand are still judged.
pub async fn run(role: Role) -> Result<(), Failure> {
    let settings = start::settings(role.config.as_deref())?;
    let is_first_try = role.config.is_none();
    let process = Process::begin(&settings.telemetry, "tamis")?;
    let tls = process.certificates(&settings.tls)?;
    let bases = settings.feed();
    let Settings { all, mut edge, mut scanner, policy, mut reputation, .. } = settings;
    let (scanner_end, reputation_end, inbox_end) =
        (Shutdown::new(), Shutdown::new(), Shutdown::new());

    let state = state_dir();
    if is_first_try && reputation.state_dir.is_none() {
        reputation.state_dir = state.as_ref().map(|state| state.join("reputation"));
    }
    reputation.bases = bases;
    let table = tamis_reputation::service::Service::bind(reputation, &process.metrics).await?;
    tamis_runtime::say!("reputation (UDP) listens on {}", table.udp_address());
    if let Some(address) = table.grpc_address() {
        tamis_runtime::say!("reputation administration (gRPC) listens on {address}");
    }
    if let Some(address) = table.bases_address() {
        tamis_runtime::say!("bases (QUIC) listen on {address}");
    }
    scanner.reputation = vec![table.udp_address().to_string()];
    let is_ready = process.readiness.condition("reputation");
    let asked = reputation_end.clone();
    let table_tls = tls.clone();
    let table = tokio::spawn(async move { table.run(table_tls.as_ref(), is_ready, asked).await });

    let snapshot = start::snapshot(policy, &scanner)?;
    settings.tls.permit("scanner", "listen", &scanner.listen)?;
    let judge = Arc::new(Scanner::new(&scanner, snapshot, ScannerMetrics::new(&process.metrics)));
    let channel = pipe(&judge, &process, &scanner_end);
    let door = scanner_door(&judge, &scanner.listen, tls, &process, &scanner_end).await?;

    // Whoever names a next hop has somebody to take the mail; an inbox would swallow it.
    let is_next_hop_named = edge.typed.next_hop != EdgeConfig::default().next_hop
        || std::env::var_os("TAMIS_EDGE__NEXT_HOP").is_some();
    if is_first_try
        && !is_next_hop_named
        && let Some(state) = &state
    {
        let inbox = inbox::start(&state.join("inbox"), inbox_end.clone()).await?;
        tamis_runtime::say!("mail that passes lands in {}", state.join("inbox/new").display());
        edge.typed.next_hop = inbox.to_string();
    }
    let smtp = edge.typed.smtp.clone();
    let doors = open_doors(edge, Connector::InProcess(channel), &process).await?;
    process.serve_admin(&all.admin).await?;
    if is_first_try {
        first_mail(&smtp);
    }
    doors.serve().await;

    inbox_end.request();
    scanner_end.request();
    let _ = door.await;
    reputation_end.request();
    let _ = table.await;
    process.telemetry.shutdown().await;
    Ok(())
}

/// The edge's doors, announced.
pub async fn open_doors(
    config: tamis_edge::config::Config,
    scanners: Connector,
    process: &Process,
) -> Result<Opened, Failure> {
    process.readiness.condition("edge");
    let parts = EdgeParts {
        scanners,
        metrics: process.metrics.clone(),
        readiness: process.readiness.clone(),
        shutdown: process.shutdown.clone(),
    };
    let opened = Opened::open(config, parts).await?;
    for (door, address) in opened.doors() {
        tamis_runtime::say!("edge ({}) listens on {address}", door.word());
    }
    Ok(opened)
}

/// The scanner's end of a pipe, and a channel that connects to it.
fn pipe(judge: &Arc<Scanner>, process: &Process, end: &Shutdown) -> Channel {
    let (pipes, taken) = mpsc::channel::<std::io::Result<DuplexStream>>(PIPES_WAITING_MAX);
    let is_ready = process.readiness.condition("scanner");
    let serving = service::serve(
        Arc::clone(judge),
        service::server(),
        ReceiverStream::new(taken),
        is_ready,
        end.clone(),
    );
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the scanner's pipe ended");
        }
    });
    let connect = tower::service_fn(move |_| {
        let pipes = pipes.clone();
        async move {
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            let gone = |_| std::io::Error::other("the scanner has ended");
            pipes.send(Ok(theirs)).await.map_err(gone)?;
            Ok::<_, std::io::Error>(TokioIo::new(ours))
        }
    });
    Endpoint::from_static("http://scanner.in-process").connect_with_connector_lazy(connect)
}

/// The scanner's listener for edges of other processes.
async fn scanner_door(
    judge: &Arc<Scanner>,
    address: &ListenAddress,
    tls: Option<tamis_runtime::tls::Tls>,
    process: &Process,
    end: &Shutdown,
) -> Result<tokio::task::JoinHandle<()>, Failure> {
    if address.is_off() {
        let end = end.clone();
        return Ok(tokio::spawn(async move { end.requested().await }));
    }
    let listener = Listener::bind(address).await?;
    listener.announce("scanner (gRPC)");
    let is_ready = process.readiness.condition("scanner door");
    let (judge, end) = (Arc::clone(judge), end.clone());
    Ok(tokio::spawn(async move {
        if let Err(error) = service::run(judge, listener, tls.as_ref(), is_ready, end).await {
            tracing::error!(%error, "the scanner's listener ended");
        }
    }))
}

/// Where a first try keeps what it keeps, if there is a place: never a reason not to start.
fn state_dir() -> Option<PathBuf> {
    let named =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")))?;
    let dir = state.join("tamis");
    std::fs::create_dir_all(&dir).ok().map(|()| dir)
}

/// A line to paste that sends a first mail.
fn first_mail(smtp: &ListenAddress) {
    let Some(address) = smtp.tcp() else { return };
    tamis_runtime::say!("send a first mail:");
    tamis_runtime::say!(
        "  printf 'From: a@example.org\\nTo: b@example.com\\nSubject: first mail\\n\\nhello\\n' | curl -sS --crlf \
         smtp://{address} --mail-from a@example.org --mail-rcpt b@example.com --upload-file -"
    );
}
