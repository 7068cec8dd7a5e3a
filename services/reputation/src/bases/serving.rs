//! The publisher's side: subscribers come, hear of each release, and ask for chunks.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, Endpoint, Incoming, RecvStream, SendStream, VarInt};
use tamis_bases::messages::{ASK_BYTES_MAX, Ask, Head, SUBSCRIBE_BYTES_MAX, Subscribe, push};
use tamis_runtime::shutdown::Shutdown;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::directory::{Directory, Release};
use super::metrics::Metrics;
use super::tls::{Quic, STREAMS_MAX};

/// Subscribers at the same time. More sites than that hang under a region each, not under the hub.
pub const SUBSCRIBERS_MAX: usize = 128;

/// From this share of [`SUBSCRIBERS_MAX`] on, an address proves itself before it gets a place (RFC 9000, section 8.1.2).
const UNPROVEN_MAX: usize = SUBSCRIBERS_MAX / 2;

/// For the handshake, the subscription, an ask to come in.
const MESSAGE_WAIT: Duration = Duration::from_secs(10);

/// For one chunk or manifest to be taken by the subscriber. Slower ones are left: 256 KiB in 30 s is 70 kbit/s.
const TAKE_WAIT: Duration = Duration::from_secs(30);

/// Application error codes, for who reads a trace.
pub(super) const END: VarInt = VarInt::from_u32(0);
const NOT_UNDERSTOOD: VarInt = VarInt::from_u32(1);
const OTHER_CHANNEL: VarInt = VarInt::from_u32(2);

/// What all subscribers share.
#[derive(Clone, Debug)]
pub(super) struct Serving {
    pub(super) directory: Arc<Directory>,
    pub(super) in_force: watch::Receiver<Option<Arc<Release>>>,
    pub(super) metrics: Metrics,
    pub(super) quic: watch::Receiver<Quic>,
}

impl Serving {
    /// Takes subscribers until the process ends.
    pub(super) async fn run(mut self, endpoint: Endpoint, shutdown: Shutdown) {
        let mut subscribers = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.requested() => break,
                Some(_) = subscribers.join_next() => {}
                // Subscribers that are here stay: their certificate was good when they came.
                Ok(()) = self.quic.changed() => {
                    let server = self.quic.borrow_and_update().server.clone();
                    endpoint.set_server_config(Some(server));
                }
                incoming = endpoint.accept() => match incoming {
                    None => break,
                    Some(incoming) => self.taken(incoming, &mut subscribers),
                },
            }
        }
        endpoint.close(END, b"this side ends");
        subscribers.shutdown().await;
        // The last words are on their way; nobody waits longer for who does not hear them.
        let _ = timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
    }

    fn taken(&self, incoming: Incoming, subscribers: &mut JoinSet<()>) {
        if subscribers.len() >= SUBSCRIBERS_MAX {
            tracing::warn!(from = %incoming.remote_address(), "a subscriber too many is refused");
            return incoming.refuse();
        }
        if subscribers.len() >= UNPROVEN_MAX && !incoming.remote_address_validated() {
            // Failing means that it may not retry, so it is proven.
            let _ = incoming.retry();
            return;
        }
        let this = self.clone();
        subscribers.spawn(async move {
            let from = incoming.remote_address();
            if let Err(why) = this.subscriber(incoming).await {
                tracing::info!(%from, why, "a subscriber left");
            }
        });
    }

    async fn subscriber(self, incoming: Incoming) -> Result<(), String> {
        let connection = waited(MESSAGE_WAIT, "handshake", incoming).await?;
        let (_, mut asked) = waited(MESSAGE_WAIT, "subscription", connection.accept_bi()).await?;
        let bytes = asked.read_to_end(SUBSCRIBE_BYTES_MAX);
        let bytes = waited(MESSAGE_WAIT, "subscription", bytes).await?;
        let subscribe = Subscribe::decode(&bytes).map_err(|bad| {
            connection.close(NOT_UNDERSTOOD, b"no subscription");
            bad.to_string()
        })?;
        if subscribe.channel != self.directory.config.channel {
            connection.close(OTHER_CHANNEL, b"another channel");
            return Err(format!("it wants channel {}", subscribe.channel));
        }
        tracing::info!(
            from = %connection.remote_address(),
            generation = subscribe.generation,
            "a subscriber came"
        );
        let _counted = self.metrics.subscriber();
        let pushing = pushes(connection.clone(), self.in_force.clone(), subscribe.generation);
        // Whichever ends first ends both; dropping them drops the answers on their way.
        let done = tokio::select! {
            done = pushing => done,
            done = self.answers(&connection) => done,
        };
        connection.close(END, b"");
        done
    }

    /// Answers asks, as many at the same time as there may be streams.
    async fn answers(&self, connection: &Connection) -> Result<(), String> {
        let mut answers: JoinSet<Result<(), String>> = JoinSet::new();
        loop {
            tokio::select! {
                stream = connection.accept_bi(), if answers.len() < STREAMS_MAX as usize => {
                    let (to, from) = stream.map_err(|error| error.to_string())?;
                    answers.spawn(answer(self.clone(), to, from));
                }
                Some(answered) = answers.join_next() => {
                    answered.map_err(|error| error.to_string())??;
                }
            }
        }
    }
}

/// Sends each release that comes into force, the newest where several came while one was sent. The first one is sent even
/// if the subscriber has its generation: he sees that it is the same.
async fn pushes(
    connection: Connection,
    mut in_force: watch::Receiver<Option<Arc<Release>>>,
    mut generation: u64,
) -> Result<(), String> {
    loop {
        let release = in_force.borrow_and_update().clone();
        if let Some(release) = release.filter(|release| release.generation() >= generation) {
            generation = release.generation() + 1;
            let sent = async {
                let mut stream = connection.open_uni().await?;
                // A manifest does not wait behind chunks.
                let _ = stream.set_priority(1);
                stream.write_all(&push(&release.signed.encode())).await?;
                stream.finish()?;
                anyhow::Ok(())
            };
            waited(TAKE_WAIT, "push", sent).await?;
        }
        in_force.changed().await.map_err(|_| "this side ends".to_owned())?;
    }
}

async fn answer(serving: Serving, mut to: SendStream, mut from: RecvStream) -> Result<(), String> {
    let bytes = waited(MESSAGE_WAIT, "ask", from.read_to_end(ASK_BYTES_MAX)).await?;
    let ask = Ask::decode(&bytes).map_err(|bad| bad.to_string())?;
    for name in ask.names {
        let store = serving.directory.store.clone();
        let read = tokio::task::spawn_blocking(move || store.read(name)).await;
        let chunk = match read.map_err(|error| error.to_string())? {
            Ok(chunk) => chunk.filter(|chunk| !chunk.is_empty()),
            Err(error) => {
                tracing::warn!(%error, "a chunk cannot be read");
                None
            }
        };
        let head = chunk.as_ref().map_or(Head::Absent, |chunk| Head::Here(chunk.len()));
        let chunk = chunk.unwrap_or_default();
        let written = async {
            to.write_all(&head.encode()).await?;
            to.write_all(&chunk).await
        };
        waited(TAKE_WAIT, "chunk", written).await?;
        serving.metrics.served(chunk.len());
    }
    to.finish().map_err(|error| error.to_string())
}

/// The result in time, or words that say what was waited for.
async fn waited<T, E: std::fmt::Display>(
    longest: Duration,
    what: &str,
    done: impl IntoFuture<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(longest, done).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(format!("{what}: {error}")),
        Err(_) => Err(format!("{what}: nothing came in {longest:?}")),
    }
}
