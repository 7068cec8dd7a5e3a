//! Files that somebody replaces while the scanner runs: the shard map and the filter.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::SystemTime;

use super::sieve::Sieve;
use super::{Inner, routing};

/// What tells one file from its successor: time, length, device and inode. One renamed into place has another inode.
type Stamp = (SystemTime, u64, u64, u64);

/// Looks at the files again and again, until the service is gone. A new map that is no good changes nothing but the log: a
/// question to the wrong shard is only a miss. A filter that is gone or no good is dropped: believed on, it could hide what
/// is listed.
pub(super) async fn follow(service: Weak<Inner>) {
    let (mut map_seen, mut filter_seen) = (None, None);
    let mut is_used = false;
    while let Some(inner) = service.upgrade() {
        if let Seen::New(path) = look(inner.plan.map_file.as_ref(), &mut map_seen).await {
            follow_map(&inner, path).await;
        }
        match look(inner.plan.filter_file.as_ref(), &mut filter_seen).await {
            Seen::New(path) => follow_filter(&inner, path).await,
            Seen::Gone(path, why) => {
                let path = path.display();
                tracing::warn!(%path, why, "the filter of listed signatures is gone: all is asked");
                inner.sift(None);
            }
            Seen::Same => {}
        }
        is_used = tell_use(&inner, is_used);
        let look_period = inner.plan.look_period;
        drop(inner);
        tokio::time::sleep(look_period).await;
    }
}

/// What became of a file since it was looked at.
enum Seen {
    /// Nothing, or there was none before.
    Same,
    /// There is another one.
    New(PathBuf),
    /// It cannot be seen any more, and why.
    Gone(PathBuf, String),
}

async fn look(path: Option<&PathBuf>, seen: &mut Option<Stamp>) -> Seen {
    let Some(path) = path else { return Seen::Same };
    let stamp = blocking(path.clone(), |path| {
        let about = std::fs::metadata(path)?;
        Ok((about.modified()?, about.len(), about.dev(), about.ino()))
    });
    match stamp.await {
        Ok(stamp) if *seen == Some(stamp) => Seen::Same,
        Ok(stamp) => {
            *seen = Some(stamp);
            Seen::New(path.clone())
        }
        Err(error) if seen.take().is_some() => Seen::Gone(path.clone(), error.to_string()),
        Err(_) => Seen::Same,
    }
}

/// Says when questions begin or cease to be spared, whatever the reason: a filter that grows old does so in silence.
fn tell_use(inner: &Inner, was_used: bool) -> bool {
    let keys = inner.believed().map(|sieve| sieve.keys());
    inner.metrics.reputation_filter(keys);
    if was_used && keys.is_none() {
        tracing::warn!("no filter of listed signatures is believed: all is asked");
    }
    keys.is_some()
}

async fn follow_map(inner: &Inner, path: PathBuf) {
    match blocking(path.clone(), |path| routing::read(path).map_err(anyhow::Error::from)).await {
        Ok(map) => {
            tracing::info!(shards = map.shards().len(), "new map of the reputation service");
            let plan = &inner.plan;
            inner.route(inner.routing().with(map, plan.budget, plan.key.as_ref()));
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "map of the reputation service refused");
        }
    }
}

async fn follow_filter(inner: &Inner, path: PathBuf) {
    match blocking(path.clone(), Sieve::read).await {
        Ok(sieve) => {
            tracing::debug!(%sieve, "new filter of listed signatures");
            inner.sift(Some(sieve));
        }
        Err(error) => {
            let path = path.display();
            tracing::warn!(%path, %error, "filter of listed signatures refused: all is asked");
            inner.sift(None);
        }
    }
}

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    read: fn(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(move || read(&path)).await?
}
