//! Files that somebody replaces while the scanner runs: the shard map and the filter.

use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::{Duration, SystemTime};

use super::sieve::Sieve;
use super::{Inner, routing};

/// How often files are looked at. Shorter than anybody waits for new bases, long enough to cost nothing.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// What tells one file from its successor.
type Stamp = (SystemTime, u64);

/// Looks at the files again and again, until the service is gone. A new one that is no good changes nothing but the log.
pub(super) async fn follow(service: Weak<Inner>) {
    let (mut map_seen, mut filter_seen) = (None, None);
    while let Some(inner) = service.upgrade() {
        if let Some(path) = changed(inner.plan.map_file.as_ref(), &mut map_seen).await {
            follow_map(&inner, path).await;
        }
        if let Some(path) = changed(inner.plan.filter_file.as_ref(), &mut filter_seen).await {
            follow_filter(&inner, path).await;
        }
        drop(inner);
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}

/// The path, if there is another file under it than was seen.
async fn changed(path: Option<&PathBuf>, seen: &mut Option<Stamp>) -> Option<PathBuf> {
    let path = path?;
    let about = blocking(path.clone(), |path| Ok(std::fs::metadata(path)?)).await.ok()?;
    let stamp = Some((about.modified().ok()?, about.len()));
    if *seen == stamp {
        return None;
    }
    *seen = stamp;
    Some(path.clone())
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
            tracing::info!(keys = sieve.keys(), "new filter of listed signatures");
            inner.sift(Some(sieve));
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "filter of listed signatures refused");
        }
    }
}

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    read: fn(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(move || read(&path)).await?
}
