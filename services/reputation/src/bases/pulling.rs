//! One pull over one connection: asks in flight, chunks verified and kept as they come.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, RecvStream};
use tamis_bases::manifest::Signed;
use tamis_bases::messages::{Ask, HEAD_BYTES, Head, NAMES_MAX};
use tamis_bases::pull::{Event, Pull, PullError, Want};
use tamis_bases::standing::Judged;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::directory::{Directory, Release};
use super::error::BasesError;
use super::metrics::Metrics;
use super::store::Store;
use super::subscribing::upstream;

/// Asks on their way at the same time: enough that one is always being answered.
const ASKS_MAX: usize = 4;

/// For one chunk to come. The same as the publisher waits for us.
const CHUNK_WAIT: Duration = Duration::from_secs(30);

/// What came of an ask: each want, with the bytes if it is a list.
type Came = Vec<(Want, Option<Vec<u8>>)>;

/// Fetches what is missing and brings the release into force.
pub(super) async fn pull(
    connection: &Connection,
    signed: Signed,
    directory: &Arc<Directory>,
    metrics: &Metrics,
) -> Result<Release, BasesError> {
    let mut pull = Pull::new(signed);
    let mut asks: JoinSet<Result<Came, BasesError>> = JoinSet::new();
    let mut written = Vec::new();
    loop {
        while asks.len() < ASKS_MAX {
            let (store, reused) = (directory.store.clone(), metrics.clone());
            let (back, wants) = blocking(move || {
                let wants = missing(&mut pull, &store, &reused)?;
                Ok((pull, wants))
            })
            .await?;
            pull = back;
            if wants.is_empty() {
                break;
            }
            let store = directory.store.clone();
            asks.spawn(ask(connection.clone(), wants, store, metrics.clone()));
        }
        let Some(came) = asks.join_next().await else { break };
        let came = came.map_err(|error| BasesError::Upstream(error.to_string()))??;
        for (want, list) in came {
            written.push(want.name());
            match list {
                Some(list) => pull.handle(Event::List(want.name(), &list))?,
                None => pull.handle(Event::Stored(want.name()))?,
            }
        }
    }
    debug_assert!(pull.is_complete());
    let directory = Arc::clone(directory);
    blocking(move || {
        let lock = directory.lock()?;
        // Another process may have gone on while this one pulled: then this release is judged anew.
        if directory.judge(&pull.signed().encode())? == Judged::Same {
            return directory.in_force()?.ok_or(BasesError::NoneInForce);
        }
        directory.clear(&lock)?;
        let release = directory.install(&pull, &written, &lock)?;
        directory.tidy(&lock);
        Ok(release)
    })
    .await
}

/// The next wants that are not here; those that are, are told to the pull.
fn missing(pull: &mut Pull, store: &Store, metrics: &Metrics) -> Result<Vec<Want>, BasesError> {
    let mut missing = Vec::new();
    while missing.len() < NAMES_MAX {
        let Some(want) = pull.poll() else { break };
        match want {
            Want::List(name) => match store.read(name)? {
                Some(list) => {
                    metrics.reused(list.len());
                    pull.handle(Event::List(name, &list))?;
                }
                None => missing.push(want),
            },
            Want::Piece(name, bytes) if store.has(name, bytes) => {
                metrics.reused(bytes);
                pull.handle(Event::Stored(name))?;
            }
            Want::Piece(..) => missing.push(want),
        }
    }
    Ok(missing)
}

/// Asks for chunks and keeps each as it comes: what came before a cut need not come again.
async fn ask(
    connection: Connection,
    wants: Vec<Want>,
    store: Store,
    metrics: Metrics,
) -> Result<Came, BasesError> {
    let names = wants.iter().map(Want::name).collect();
    let asked = async {
        let (mut to, from) = connection.open_bi().await?;
        to.write_all(&Ask { names }.encode()).await?;
        to.finish()?;
        anyhow::Ok(from)
    };
    let mut from = timely(asked).await?;
    let mut came = Vec::with_capacity(wants.len());
    for want in wants {
        let bytes = timely(chunk(want, &mut from)).await??;
        metrics.fetched(bytes.len());
        let store = store.clone();
        let list = blocking(move || {
            want.verify(&bytes)?;
            store.write(want.name(), &bytes)?;
            Ok(matches!(want, Want::List(_)).then_some(bytes))
        })
        .await?;
        came.push((want, list));
    }
    Ok(came)
}

/// The outer error is the network's, the inner one the upstream's.
async fn chunk(want: Want, from: &mut RecvStream) -> anyhow::Result<Result<Vec<u8>, BasesError>> {
    let mut head = [0; HEAD_BYTES];
    from.read_exact(&mut head).await?;
    let bytes = match Head::decode(head)? {
        Head::Absent => return Ok(Err(BasesError::Absent(want.name()))),
        Head::Here(bytes) => bytes,
    };
    if matches!(want, Want::Piece(_, wanted) if wanted != bytes) {
        return Ok(Err(PullError::Chunk(want.name()).into()));
    }
    let mut chunk = vec![0; bytes];
    from.read_exact(&mut chunk).await?;
    Ok(Ok(chunk))
}

async fn timely<T>(done: impl Future<Output = anyhow::Result<T>>) -> Result<T, BasesError> {
    match timeout(CHUNK_WAIT, done).await {
        Ok(done) => done.map_err(|error| upstream(format!("{error:#}"))),
        Err(_) => Err(upstream(format!("no chunk came in {CHUNK_WAIT:?}"))),
    }
}

/// Work with the disk, off the threads that wait for the network.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BasesError> + Send + 'static,
) -> Result<T, BasesError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Ends with the runtime: the connection goes down with it.
        Err(error) => Err(upstream(error)),
    }
}
