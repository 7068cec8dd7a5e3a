//! A scanner behind its listener, from start to drain.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context as Waking, Poll};
use std::time::Duration;

use anyhow::{Context, Result};
use tamis_proto::scan::scanner_server::{SERVICE_NAME, ScannerServer};
use tamis_runtime::admin::Condition;
use tamis_runtime::listen::Listener;
use tamis_runtime::shutdown::{Drain, Shutdown};
use tamis_runtime::tls::{Tls, serve_in_turns};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use crate::Scanner;
use crate::ask::authentication::Authenticator;
use crate::{door, teach};

/// Window of one stream. Contents of a mail wait here when the scanner is slower than the edge.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// Window of one connection, shared by its streams: one stalled reader must not stop the others.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// Age at which a connection is asked to close after its streams, so that new scanners get their share of edges.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(600);

/// Dialogues of one edge at the same time: more than an edge has mails in hand by default.
const STREAMS_MAX: u32 = 1000;

/// An edge's host that vanished in the middle of a dialogue is noticed by these.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
/// See [`KEEP_ALIVE_EVERY`].
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time that mails in hand may take after a request to stop.
const DRAIN_MAX: Duration = Duration::from_secs(25);

/// Serves edges on a listener until the process is asked to end and the mails in hand are judged. When the certificates
/// change, edges are asked to come again after their mails in hand.
///
/// # Errors
/// The TLS material is unusable, or the listener broke.
pub async fn run(
    scanner: Arc<Scanner>,
    listener: Listener,
    tls: Option<&Tls>,
    is_ready: Condition,
    shutdown: Shutdown,
) -> Result<()> {
    let drain = scanner.drain.clone();
    let services = opened(scanner, &is_ready).await;
    serve_in_turns(listener, tls, |connections, tls| {
        let (services, shutdown) = (services.clone(), shutdown.clone());
        async move {
            let mut server = server();
            if let Some(tls) = tls {
                server = server.tls_config(tls).context("TLS of the scanner")?;
            }
            accept(server, services, connections, shutdown).await
        }
    })
    .await?;
    drained(&drain).await;
    Ok(())
}

/// Serves edges that come over any kind of connection: sockets, or pipes inside one process.
///
/// # Errors
/// What tonic reports when the connections end in an unexpected way.
pub async fn serve<I, C>(
    scanner: Arc<Scanner>,
    server: Server,
    connections: I,
    is_ready: Condition,
    shutdown: Shutdown,
) -> Result<()>
where
    I: tokio_stream::Stream<Item = std::io::Result<C>>,
    C: tokio::io::AsyncRead + tokio::io::AsyncWrite + Connected + Unpin + Send + 'static,
{
    let drain = scanner.drain.clone();
    let services = opened(scanner, &is_ready).await;
    accept(server, services, connections, shutdown).await?;
    drained(&drain).await;
    Ok(())
}

/// What is served. Mails go the shortest way, past the router: they come by the hundred a second, all else now and then.
#[derive(Clone, Debug)]
struct Services {
    scan: ScannerServer<door::Door>,
    others: Routes,
}

impl Service<http::Request<Body>> for Services {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Waking<'_>) -> Poll<Result<(), Self::Error>> {
        // Both are ready at any time.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = request.uri().path().strip_prefix('/').and_then(|it| it.split_once('/'));
        match service {
            Some((SERVICE_NAME, _)) => self.scan.call(request),
            _ => Box::pin(Service::call(&mut self.others, request)),
        }
    }
}

/// What is served, with the scanner at work behind it.
async fn opened(scanner: Arc<Scanner>, is_ready: &Condition) -> Services {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<ScannerServer<door::Door>>().await;
    scanner.trials.look_first(scanner.memory.far()).await;
    Scanner::keep_gauges(&scanner);
    if !scanner.authenticator.as_ref().is_some_and(Authenticator::asks_dns) {
        tracing::info!("DNS is not asked: no SPF, DKIM, DMARC or lists; [scanner.dns] servers");
    }
    is_ready.set(true);
    let others = Routes::new(health_service).add_service(teach::service(Arc::clone(&scanner)));
    Services { scan: door::service(scanner), others: others.prepare() }
}

async fn accept<I, C>(
    server: Server,
    services: Services,
    connections: I,
    shutdown: Shutdown,
) -> Result<()>
where
    I: tokio_stream::Stream<Item = std::io::Result<C>>,
    C: tokio::io::AsyncRead + tokio::io::AsyncWrite + Connected + Unpin + Send + 'static,
{
    server
        .serve_with_incoming_shutdown(services, connections, async move {
            shutdown.requested().await;
        })
        .await
        .context("scanner's listener")
}

async fn drained(drain: &Drain) {
    if let Err(unfinished) = drain.finished(DRAIN_MAX).await {
        tracing::warn!(%unfinished, "stopped with mails in hand; their edges answer for them");
    }
}

/// A server with windows and ages as the dialogue needs them.
#[must_use]
pub fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_connection_age(CONNECTION_AGE_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(KEEP_ALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .tcp_nodelay(true)
}
