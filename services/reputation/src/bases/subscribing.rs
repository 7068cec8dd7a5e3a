//! The subscriber's side: one standing connection to the upstream, each manifest judged, what is missing pulled.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, Endpoint};
use tamis_bases::messages::{PUSH_BYTES_MAX, Subscribe, read_push};
use tamis_bases::standing::{Judged, Next};
use tamis_runtime::shutdown::Shutdown;
use tokio::sync::watch;
use tokio::time::timeout;

use super::announce;
use super::config::Upstream;
use super::directory::{Directory, Release};
use super::error::BasesError;
use super::metrics::Metrics;
use super::pulling;
use super::serving::END;
use super::tls::Quic;

/// For names to be looked up, a handshake, a subscription to leave, a manifest to come in once it has begun.
const MESSAGE_WAIT: Duration = Duration::from_secs(10);

/// Addresses of the upstream's name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Between two tries to reach the upstream: doubled from the first to the longest, and up to a quarter longer by chance,
/// so that a hub that comes back is not met by all sites at once.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_LONGEST: Duration = Duration::from_secs(30);

/// One node as a subscriber.
#[derive(Clone, Debug)]
pub(super) struct Subscribing {
    pub(super) upstream: Upstream,
    pub(super) quic: watch::Receiver<Quic>,
    pub(super) directory: Arc<Directory>,
    pub(super) in_force: watch::Sender<Option<Arc<Release>>>,
    pub(super) metrics: Metrics,
}

impl Subscribing {
    /// Stays subscribed until the process ends.
    pub(super) async fn run(self, shutdown: Shutdown) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            // Only what could be used: an upstream that sends nonsense is met more and more seldom.
            let mut has_heard = false;
            let left = tokio::select! {
                () = shutdown.requested() => break,
                left = self.session(&mut has_heard) => left,
            };
            self.metrics.connected(false);
            if has_heard {
                backoff = BACKOFF_FIRST;
            }
            if let Err(error) = left {
                tracing::warn!(%error, retry_ms = backoff.as_millis() as u64, "upstream left");
            }
            tokio::select! {
                () = shutdown.requested() => break,
                () = tokio::time::sleep(longer_by_chance(backoff)) => {}
            }
            backoff = (2 * backoff).min(BACKOFF_LONGEST);
        }
    }

    /// One connection, from its beginning to its end.
    async fn session(&self, has_heard: &mut bool) -> Result<(), BasesError> {
        let (endpoint, connection) = self.subscribed().await?;
        self.metrics.connected(true);
        let (newest, mut pushed) = watch::channel(None);
        let reading = newest_push(connection.clone(), newest);
        let working = async {
            loop {
                // The sender lives as long as `reading`, which ends this first.
                if pushed.changed().await.is_err() {
                    return Ok(());
                }
                let bytes = pushed.borrow_and_update().clone().unwrap_or_default();
                self.heard(&connection, bytes).await?;
                *has_heard = true;
            }
        };
        let done = tokio::select! {
            left = reading => Err(left),
            done = working => done,
        };
        connection.close(END, b"");
        let _ = timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
        done
    }

    /// One manifest from its judgement to its coming into force. An error ends the connection.
    async fn heard(&self, connection: &Connection, bytes: Arc<Vec<u8>>) -> Result<(), BasesError> {
        let done = self.take(connection, bytes).await;
        let Err(error) = done else { return Ok(()) };
        self.metrics.refused(error.word());
        self.directory.note_refusal(&error);
        if error.is_alarm() {
            tracing::error!(%error, "bases are refused; those in force stay");
        } else {
            tracing::warn!(%error, "bases are refused; those in force stay");
        }
        match &error {
            BasesError::Refused(refusal) if !matches!(refusal.next(), Next::Leave) => Ok(()),
            _ => Err(error),
        }
    }

    /// Pulls what the manifest names if it is newer; `false`: it is what is in force.
    async fn take(&self, connection: &Connection, bytes: Arc<Vec<u8>>) -> Result<bool, BasesError> {
        let directory = Arc::clone(&self.directory);
        let judged = pulling::blocking(move || {
            let manifest =
                read_push(&bytes).map_err(|bad| BasesError::Upstream(bad.to_string()))?;
            directory.judge(manifest)
        })
        .await?;
        let Judged::Newer(signed) = judged else { return Ok(false) };
        let release = pulling::pull(connection, *signed, &self.directory, &self.metrics).await?;
        tracing::info!(generation = release.generation(), "new bases are in force");
        self.metrics.in_force(&release.signed.manifest, tamis_runtime::clock::unix_seconds());
        announce(&self.in_force, release);
        Ok(true)
    }

    /// Fetches what the upstream has now, once: `None`, if that is nothing newer.
    ///
    /// # Errors
    /// [`BasesError`]; what was in force is.
    pub(super) async fn once(&self) -> Result<Option<Arc<Release>>, BasesError> {
        let (endpoint, connection) = self.subscribed().await?;
        let (newest, mut pushed) = watch::channel(None);
        let taking = async {
            if timeout(MESSAGE_WAIT, pushed.changed()).await.is_err() {
                return Ok(None);
            }
            let bytes = pushed.borrow_and_update().clone().unwrap_or_default();
            let is_new = self.take(&connection, bytes).await?;
            Ok(self.in_force.borrow().clone().filter(|_| is_new))
        };
        let done = tokio::select! {
            left = newest_push(connection.clone(), newest) => Err(left),
            done = taking => done,
        };
        connection.close(END, b"");
        let _ = timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
        if let Err(error) = &done {
            self.directory.note_refusal(error);
        }
        done
    }

    async fn subscribed(&self) -> Result<(Endpoint, Connection), BasesError> {
        let directory = Arc::clone(&self.directory);
        let generation = pulling::blocking(move || directory.generation()).await?;
        let (endpoint, connection) = self.connected().await?;
        let channel = self.directory.config.channel.clone();
        let subscribe = Subscribe { channel, generation }.encode();
        let said = async {
            let (mut to, _) = connection.open_bi().await?;
            to.write_all(&subscribe).await?;
            to.finish()?;
            anyhow::Ok(())
        };
        waited("subscription", said).await?;
        Ok((endpoint, connection))
    }

    async fn connected(&self) -> Result<(Endpoint, Connection), BasesError> {
        let Upstream { host, port } = &self.upstream;
        let found = tokio::net::lookup_host((host.as_str(), *port));
        let addresses = waited("name", found).await?.take(ADDRESSES_MAX);
        let mut last = BasesError::Upstream(format!("{host} has no address"));
        for address in addresses {
            match self.connected_to(address).await {
                Ok(connected) => return Ok(connected),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connected_to(&self, to: SocketAddr) -> Result<(Endpoint, Connection), BasesError> {
        let quic = self.quic.borrow().clone();
        let name = match quic.server_name.as_str() {
            "" => &self.upstream.host,
            name => name,
        };
        let own: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let endpoint = Endpoint::client(own).map_err(upstream)?;
        let connecting = endpoint.connect_with(quic.client, to, name).map_err(upstream)?;
        let connection = waited("handshake", connecting).await?;
        Ok((endpoint, connection))
    }
}

/// Keeps the newest push at hand while an older one is worked on. Ends with the connection.
async fn newest_push(
    connection: Connection,
    newest: watch::Sender<Option<Arc<Vec<u8>>>>,
) -> BasesError {
    loop {
        let mut stream = match connection.accept_uni().await {
            Ok(stream) => stream,
            Err(error) => return upstream(error),
        };
        match waited("manifest", stream.read_to_end(PUSH_BYTES_MAX)).await {
            Ok(bytes) => newest.send_replace(Some(Arc::new(bytes))),
            Err(error) => return error,
        };
    }
}

pub(super) fn upstream(error: impl std::fmt::Display) -> BasesError {
    BasesError::Upstream(error.to_string())
}

async fn waited<T, E: std::fmt::Display>(
    what: &str,
    done: impl IntoFuture<Output = Result<T, E>>,
) -> Result<T, BasesError> {
    match timeout(MESSAGE_WAIT, done).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(BasesError::Upstream(format!("{what}: {error}"))),
        Err(_) => Err(BasesError::Upstream(format!("{what}: nothing in {MESSAGE_WAIT:?}"))),
    }
}

fn longer_by_chance(backoff: Duration) -> Duration {
    let mut byte = [0];
    // Without chance it is a little less spread.
    let _ = getrandom::fill(&mut byte);
    backoff + backoff * u32::from(byte[0]) / 1024
}
