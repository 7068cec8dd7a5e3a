//! The sites' half: the table that a release lists comes into force as a whole, or grows by what is new.

use std::sync::Arc;
use std::time::Duration;

use tamis_reputation_protocol::signatures::{Change, Rules, Table};
use tamis_runtime::shutdown::Shutdown;
use tokio::sync::watch;

use super::Origin;
use super::files::{FeedError, Files, follows};
use crate::bases::Bases;
use crate::bases::directory::{Directory, Release};
use crate::bases::error::BasesError;
use crate::bases::metrics::Metrics;
use crate::log::record::Commit;
use crate::shared::Shared;

/// Changes made under one hold of the table: some 10 microseconds in which no question is answered.
const CHANGES_PER_HOLD: usize = 32;

/// Bytes of new log that are read at once and replayed. More are read one by one into a new table.
const REPLAY_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// After a disk failed: nothing else tells that it works again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Follows the bases in force.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    rules: Rules,
    shared: Arc<Shared>,
    in_force: watch::Receiver<Option<Arc<Release>>>,
    directory: Arc<Directory>,
    metrics: Metrics,
    loaded: Option<Arc<Origin>>,
    retries: bool,
}

impl Follower {
    pub fn new(rules: Rules, shared: &Arc<Shared>, bases: &Bases) -> Self {
        Self {
            rules,
            shared: Arc::clone(shared),
            in_force: bases.in_force.clone(),
            directory: Arc::clone(&bases.directory),
            metrics: bases.metrics.clone(),
            loaded: None,
            retries: false,
        }
    }

    /// Brings the table up to the release that is in force now.
    pub async fn caught_up(mut self) -> Self {
        let release = self.in_force.borrow_and_update().clone();
        let same = self.clone();
        let taking = tokio::task::spawn_blocking(move || {
            self.take(release.as_deref());
            self
        });
        taking.await.unwrap_or(same)
    }

    /// Follows until the process ends.
    pub async fn run(mut self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                changed = self.in_force.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(RETRY_AFTER), if self.retries => {}
            }
            self = self.caught_up().await;
        }
    }

    /// Whatever goes wrong, the table of the release before stays.
    fn take(&mut self, release: Option<&Release>) {
        let taken = match release {
            Some(release) => self.taken(release),
            None => self.emptied(),
        };
        self.retries = matches!(taken, Err(FeedError::Io(_)));
        let Err(error) = taken else { return self.shared.base_trouble(None) };
        let generation = release.map_or(0, Release::generation);
        let refusal = BasesError::Signatures { generation, why: error.to_string() };
        self.metrics.refused(refusal.word());
        self.directory.note_refusal(&refusal);
        let text = format!("{refusal}; those of the release before stay");
        self.shared.base_trouble(Some(text));
    }

    fn emptied(&mut self) -> Result<(), FeedError> {
        self.put(None, None);
        Ok(())
    }

    fn taken(&mut self, release: &Release) -> Result<(), FeedError> {
        let before = self.loaded.clone();
        let before = before.as_ref().map(|before| &before.files);
        let Some(files) = Files::open(release, self.rules, before)? else { return self.emptied() };
        let origin = Arc::new(Origin {
            generation: release.generation(),
            channel: release.signed.manifest.channel.to_string(),
            files,
        });
        if let Some(before) = before
            && origin.files.follow(before)?
            && let Some(commits) = self.news(&origin.files, before)?
        {
            if let Err(error) = self.replayed(&commits) {
                // Some of it is in the table already.
                let table = before.table()?;
                self.put(Some(table), self.loaded.clone());
                return Err(error);
            }
            self.in_force_from(Some(origin));
            return Ok(());
        }
        let table = origin.files.table()?;
        tracing::info!(
            generation = origin.generation,
            epoch = table.epoch(),
            signatures = table.len(),
            "the signatures of the bases are loaded"
        );
        self.put(Some(table), Some(origin));
        Ok(())
    }

    /// What stands behind the log of `before`; none: too much to be checked beforehand, or perhaps more than there is room.
    fn news(&self, files: &Files, before: &Files) -> Result<Option<Vec<Commit>>, FeedError> {
        let from = before.log_bytes();
        if files.log_bytes().saturating_sub(from) > REPLAY_BYTES_MAX {
            return Ok(None);
        }
        let mut commits = Vec::new();
        files.commits(from, |commit| {
            commits.push(commit);
            Ok(())
        })?;
        let base = self.shared.base();
        let Some(table) = &*base else { return Ok(None) };
        let mut changes = commits.iter().flat_map(|commit| &commit.changes);
        let has_room = table.len() + reports(&commits) <= self.rules.signatures_max;
        let is_sound = changes.all(|change| table.check(std::slice::from_ref(change)).is_ok());
        Ok(if has_room && is_sound { Some(commits) } else { None })
    }

    fn replayed(&self, commits: &[Commit]) -> Result<(), FeedError> {
        for commit in commits {
            let epoch = self.shared.base().as_ref().map_or(0, Table::epoch);
            follows(commit, epoch)?;
            for some in commit.changes.chunks(CHANGES_PER_HOLD) {
                if let Some(table) = &mut *self.shared.base_mut() {
                    for change in some {
                        let replayed = table.replay(change);
                        replayed.map_err(|refused| FeedError::Bad(refused.to_string()))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, table: Option<Table>, origin: Option<Arc<Origin>>) {
        let old = std::mem::replace(&mut *self.shared.base_mut(), table);
        // First, since what is replaced may be large and take seconds to go: nobody waits for the table meanwhile, and
        // nobody takes the new one for that of the release before.
        self.in_force_from(origin);
        drop(old);
    }

    fn in_force_from(&mut self, origin: Option<Arc<Origin>>) {
        let (signatures, epoch) =
            self.shared.base().as_ref().map_or((0, 0), |table| (table.len(), table.epoch()));
        self.metrics.listed(signatures, epoch);
        self.shared.base_came_from(origin.clone());
        self.loaded = origin;
    }
}

/// Reports in these commits: as many signatures may be new.
fn reports(commits: &[Commit]) -> usize {
    let is_report = |change: &&Change| matches!(change, Change::Add { .. });
    commits.iter().flat_map(|commit| &commit.changes).filter(is_report).count()
}
