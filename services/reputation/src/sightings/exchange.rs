//! Sightings between the nodes of one service, over the Redis that also keeps their order of writes.
//!
//! A short stream of its own: what is lost there is a little of a count, so nothing is acknowledged and nobody waits.

use std::future::Future;
use std::time::Duration;

use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{AsyncTypedCommands as _, RedisResult};
use tokio::sync::mpsc;

use super::{Exchange, MESSAGES_MAX};
use crate::log::streams::Settings;
use crate::log::streams::connecting::connect;

/// Messages that the stream keeps, about: a hundred nodes for a second. At most some 24 MB.
const KEPT: usize = 256;

/// Messages taken at once.
const TAKEN_MAX: usize = 32;

/// Longest wait in one read: so late a broken connection without a sign of it is noticed.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Rest after a failure. Counting goes on alone meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

const NODE: &str = "n";
const NEWS: &str = "s";

/// The two ends for the counting thread, and what carries messages between them and Redis until it is dropped.
pub(crate) fn open(settings: Settings) -> (Exchange, impl Future<Output = ()> + Send) {
    let (told, to_tell) = mpsc::channel(MESSAGES_MAX);
    let (hear, heard) = mpsc::channel(MESSAGES_MAX);
    let talk = async move {
        let name = getrandom::u64().unwrap_or_default().to_string();
        let key = format!("tamis:{{{}}}:sightings", settings.service);
        let tells = tell(&settings, &key, &name, to_tell);
        tokio::join!(tells, listen(&settings, &key, &name, hear));
    };
    (Exchange { told, heard }, talk)
}

async fn tell(settings: &Settings, key: &str, name: &str, mut news: mpsc::Receiver<Vec<u8>>) {
    loop {
        let done: RedisResult<()> = async {
            let mut redis = connect(settings, key).await?;
            while let Some(message) = news.recv().await {
                let mut add = redis::cmd("XADD");
                add.arg(key).arg("MAXLEN").arg("~").arg(KEPT).arg("*");
                add.arg(NODE).arg(name).arg(NEWS).arg(message);
                let added = add.query_async::<String>(&mut redis);
                tokio::time::timeout(READ_WITHIN, added).await.map_err(std::io::Error::from)??;
            }
            Ok(())
        }
        .await;
        let Err(error) = done else { return };
        tracing::debug!(%error, "sightings are not told");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen(settings: &Settings, key: &str, name: &str, hear: mpsc::Sender<Vec<u8>>) {
    let mut after = "$".to_owned();
    loop {
        let Err(error) = listen_once(settings, key, name, &hear, &mut after).await else { return };
        tracing::debug!(%error, "sightings of other nodes are not heard");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_once(
    settings: &Settings,
    key: &str,
    name: &str,
    hear: &mpsc::Sender<Vec<u8>>,
    after: &mut String,
) -> RedisResult<()> {
    let mut redis = connect(settings, key).await?;
    if after == "$" {
        // From the present end on; "$" in each read would lose what comes between two reads.
        let last = redis.xrevrange_count(key, "+", "-", 1).await?;
        *after = last.ids.first().map_or_else(|| "0".to_owned(), |entry| entry.id.clone());
    }
    let block = usize::try_from(READ_WITHIN.as_millis()).unwrap_or(usize::MAX);
    let options = StreamReadOptions::default().block(block).count(TAKEN_MAX);
    loop {
        let (keys, ids) = ([key], [after.clone()]);
        let read = redis.xread_options(&keys, &ids, &options);
        let read =
            tokio::time::timeout(2 * READ_WITHIN, read).await.map_err(std::io::Error::from)?;
        let reply: StreamReadReply = read?.unwrap_or_default();
        for entry in reply.keys.into_iter().flat_map(|stream| stream.ids) {
            let is_own = entry.get::<String>(NODE).is_some_and(|node| node == name);
            let news = entry.get::<Vec<u8>>(NEWS).filter(|_| !is_own);
            after.clone_from(&entry.id);
            if let Some(news) = news
                && hear.send(news).await.is_err()
            {
                return Ok(());
            }
        }
    }
}
