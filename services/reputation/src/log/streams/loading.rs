//! A node that still reads its directory says so: the others wait for what it has before they begin the order anew.

use std::path::Path;
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::task::AbortHandle;

use super::locating::{Broken, ask};
use super::registry::{BEAT_EVERY, time_ms};
use super::told::{Does, Told};
use super::{Keys, Settings, connecting, name};
use crate::log::files::Files;

/// Rest after a failure: whoever waits for this node has no Redis either.
const PAUSE: Duration = Duration::from_millis(500);

/// Says that a node loads, until dropped.
#[derive(Debug)]
pub struct Announcement(AbortHandle);

impl Drop for Announcement {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins to say so, inside a tokio runtime.
#[must_use]
pub fn announce(settings: &Settings, dir: &Path) -> Announcement {
    let (settings, dir) = (settings.clone(), dir.to_path_buf());
    let saying = tokio::spawn(async move {
        // What is wrong with the directory is told by who opens it.
        if std::fs::create_dir_all(&dir).is_err() {
            return;
        }
        let Ok(node) = name(&settings.node, &dir) else { return };
        let keys = Keys::of(&settings.service);
        loop {
            if let Ok(mut redis) = connecting::connect(&settings, &keys.log).await {
                while say(&mut redis, &keys, &node, &dir).await.is_ok() {
                    tokio::time::sleep(BEAT_EVERY).await;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    Announcement(saying.abort_handle())
}

/// Says it, unless a node of this name lives: the one that had the directory before, or has it now.
async fn say(
    redis: &mut MultiplexedConnection,
    keys: &Keys,
    node: &str,
    dir: &Path,
) -> Result<(), Broken> {
    let at_ms = time_ms(redis).await?;
    let said: Option<String> = ask(redis, redis::cmd("HGET").arg(&keys.nodes).arg(node)).await?;
    let said = said.as_deref().and_then(Told::read);
    if said.is_some_and(|said| !said.loads() && said.is_alive(at_ms)) {
        return Ok(());
    }
    let told =
        Told { epoch: least_epoch(dir), position: None, snapshot: None, does: Does::Loads, at_ms };
    let mut set = redis::cmd("HSET");
    let _: Value = ask(redis, set.arg(&keys.nodes).arg(node).arg(told.text())).await?;
    Ok(())
}

/// The epoch that the names of its files speak of: what it has is at least that.
fn least_epoch(dir: &Path) -> u64 {
    let files = Files::of(dir).unwrap_or_default();
    let snapshots = files.snapshots.iter().map(|(epoch, _)| *epoch);
    let segments = files.segments.iter().map(|(id, _)| id.epoch);
    snapshots.chain(segments).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_has_is_known_from_the_names_of_its_files_before_they_are_read() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(least_epoch(dir.path()), 0);
        assert_eq!(least_epoch(&dir.path().join("missing")), 0);
        for name in ["snapshot-00000000000000000007", "copy-00000000000000000009-2", "lock"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(least_epoch(dir.path()), 9);
    }
}
