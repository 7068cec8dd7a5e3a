//! The HTTP listener for supervisors: `/metrics`, `/healthz/live`, `/healthz/ready`, and nothing else.
//!
//! *Live* means that the process answers; it never depends on others. *Ready* means that every condition declared by the
//! roles holds and no end was requested. It speaks plain HTTP without secrets; keep it within the machine or the pod network.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Sleep;

use crate::listen::{Listener, Peer, Stream};
use crate::metrics::{self, Metrics};
use crate::shutdown::Shutdown;

/// Connections served at the same time; the others wait in the kernel's queue. Scrapers and probes are a handful.
pub const CONNECTIONS_MAX: usize = 32;
/// The longest life of a connection, from accept to close: one request and its answer. A scraper that is slower would
/// miss its interval anyway.
pub const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(10);
/// The longest request, in bytes. A scrape of Prometheus has about 500.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// Whether the process can do its work: named conditions, all of which must hold. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Readiness {
    conditions: Arc<Mutex<Vec<Condition>>>,
    shutdown: Shutdown,
}

/// One condition; whoever declared it says when it holds. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Condition {
    name: &'static str,
    holds: Arc<AtomicBool>,
}

impl Condition {
    /// Says whether the condition holds from now on.
    pub fn set(&self, holds: bool) {
        self.holds.store(holds, Ordering::Release);
    }

    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.holds.load(Ordering::Acquire)
    }
}

impl Readiness {
    /// Not ready: no condition is declared yet. Once `shutdown` is requested it is never ready again, so that traffic goes elsewhere
    /// while the work in hand is finished.
    pub fn new(shutdown: Shutdown) -> Self {
        Self { conditions: Arc::default(), shutdown }
    }

    /// Declares a condition that does not hold yet; the same name gives the same condition. Declare all of them before
    /// [`serve`], else the process may look ready too early.
    pub fn condition(&self, name: &'static str) -> Condition {
        let mut conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = conditions.iter().find(|condition| condition.name == name) {
            return known.clone();
        }
        let condition = Condition { name, holds: Arc::default() };
        conditions.push(condition.clone());
        condition
    }

    /// What keeps the process from being ready; nothing if it is.
    pub fn missing(&self) -> Vec<&'static str> {
        if self.shutdown.is_requested() {
            return vec!["the process is ending"];
        }
        let conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        if conditions.is_empty() {
            return vec!["the process is starting"];
        }
        conditions.iter().filter(|c| !c.holds()).map(|condition| condition.name).collect()
    }
}

/// Serves until the process ends or the task is aborted; it goes on after a shutdown is requested, so that the drain can be watched.
pub fn serve(listener: Listener, metrics: Metrics, readiness: Readiness) -> JoinHandle<()> {
    serve_for(listener, metrics, readiness, CONNECTION_LIFE_MAX)
}

fn serve_for(
    listener: Listener,
    metrics: Metrics,
    readiness: Readiness,
    life_max: Duration,
) -> JoinHandle<()> {
    let router = Router::new()
        .route("/metrics", get(metrics_text))
        .with_state(metrics)
        .route("/healthz/live", get(async || answer(StatusCode::OK, "live\n".to_owned())))
        .route("/healthz/ready", get(ready).with_state(readiness))
        .fallback(async || answer(StatusCode::NOT_FOUND, "not found\n".to_owned()));
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let listener = Bounded { listener, connections, life_max };
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the admin listener ended");
        }
    })
}

async fn metrics_text(State(metrics): State<Metrics>, asked: HeaderMap) -> Response {
    let (kind, text) = if wants_open_metrics(&asked) {
        (metrics::OPEN_METRICS_TYPE, metrics.open_metrics())
    } else {
        (metrics::CONTENT_TYPE, metrics.text())
    };
    let Ok(text) = text else {
        return answer(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n".to_owned());
    };
    ([(CONTENT_TYPE, kind), (CONNECTION, "close")], text).into_response()
}

/// Whether whoever asks names OpenMetrics as a type that it takes. Its rank among others does not matter: scrapers that know
/// it ask for it first, and the older text is for those that do not.
fn wants_open_metrics(asked: &HeaderMap) -> bool {
    let types = asked.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    types.flat_map(|value| value.split(',')).any(|one| {
        let mut words = one.split(';').map(str::trim);
        let is_it =
            words.next().is_some_and(|it| it.eq_ignore_ascii_case("application/openmetrics-text"));
        is_it && !words.any(|word| matches!(word, "q=0" | "q=0.0"))
    })
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let missing = readiness.missing();
    if missing.is_empty() {
        return answer(StatusCode::OK, "ready\n".to_owned());
    }
    let lines = missing.iter().map(|name| format!("missing: {name}\n")).collect();
    answer(StatusCode::SERVICE_UNAVAILABLE, lines)
}

/// One request a connection: no idle connections to keep, and the life of each can be bounded as a whole.
fn answer(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CONNECTION, "close")], text)
        .into_response()
}

/// Accepts as many connections at a time as there are permits.
#[derive(Debug)]
struct Bounded {
    listener: Listener,
    connections: Arc<Semaphore>,
    life_max: Duration,
}

impl axum::serve::Listener for Bounded {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        // The semaphore is never closed; without a permit the connection would only be unbounded, not wrong.
        let permit = self.connections.clone().acquire_owned().await.ok();
        let (stream, peer) = self.listener.accept().await;
        let life = Box::pin(tokio::time::sleep(self.life_max));
        (Connection { stream, life, bytes_left: REQUEST_BYTES_MAX, _permit: permit }, peer)
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(self.listener.tcp_address().map_or(Peer::Unix, Peer::Tcp))
    }
}

/// A connection with an end: its life and the bytes it may send are bounded.
#[derive(Debug)]
struct Connection {
    stream: Stream,
    life: Pin<Box<Sleep>>,
    bytes_left: usize,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn poll_life(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.life.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_life(cx)?;
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let read = buf.filled().len().saturating_sub(before);
        match this.bytes_left.checked_sub(read) {
            Some(left) => this.bytes_left = left,
            None => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_life(cx)?;
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_peer_that_says_nothing_is_shown_out() {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.tcp_address().unwrap();
        let readiness = Readiness::new(Shutdown::new());
        let task = serve_for(listener, Metrics::new(), readiness, Duration::from_millis(20));
        let mut silent = TcpStream::connect(address).await.unwrap();
        // Ends, which without the bound it would not.
        let _ = silent.read_to_end(&mut Vec::new()).await;
        task.abort();
    }
}
