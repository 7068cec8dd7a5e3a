//! The publisher's half: a release soon after the table changed, and never more than some a second.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_bases::keys::SigningKey;
use tamis_runtime::clock;
use tamis_runtime::shutdown::Shutdown;
use tokio::sync::watch;

use super::filter;
use super::staging::Staging;
use crate::bases::Bases;
use crate::bases::directory::{Directory, Release};
use crate::bases::error::BasesError;
use crate::bases::metrics::Metrics;
use crate::bases::publish::{Memory, Publication, Sources, is_of_service, sources};
use crate::shared::Shared;

/// Between two looks at the table: a tenth of a second of the two in which a report is to be at a site two hops away. A
/// look costs a lock that is free.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Between two releases: each costs every site some synchronisations of its disk.
const RELEASE_EVERY: Duration = Duration::from_millis(500);

/// Between two looks at everything: at the files of the directory, and at what other processes published.
const LOOK_AT_ALL_EVERY: Duration = Duration::from_secs(5);

/// After a release that could not be made.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// For how long a release can be brought into force, and after which time it is made anew without a change, so that a
/// new site always finds one that it may take.
const VALID_S: u64 = 30 * DAY_S;
const RENEW_AFTER_S: u64 = DAY_S;
const DAY_S: u64 = 24 * 60 * 60;

/// Publishes what is reported.
#[derive(Debug)]
pub(super) struct Publisher {
    key: SigningKey,
    files: Option<PathBuf>,
    filter: Option<PathBuf>,
    staging: Staging,
    shared: Arc<Shared>,
    directory: Arc<Directory>,
    in_force: watch::Sender<Option<Arc<Release>>>,
    metrics: Metrics,
    memory: Memory,
    epoch: Option<u64>,
}

impl Publisher {
    pub fn new(
        key: SigningKey,
        (files, filter): (Option<PathBuf>, Option<PathBuf>),
        staging: Staging,
        shared: &Arc<Shared>,
        bases: &Bases,
    ) -> Self {
        Self {
            key,
            files,
            filter,
            staging,
            shared: Arc::clone(shared),
            directory: Arc::clone(&bases.directory),
            in_force: bases.sender.clone(),
            metrics: bases.metrics.clone(),
            memory: Memory::default(),
            epoch: None,
        }
    }

    /// Publishes until the process ends.
    pub async fn run(mut self, shutdown: Shutdown) {
        let (mut not_before, mut all_at) = (clock::now(), clock::now());
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let now = clock::now();
            if now < not_before || !(self.has_changed() || now >= all_at) {
                continue;
            }
            let published = tokio::task::spawn_blocking(move || {
                let done = self.publish();
                (self, done)
            });
            // Ends with the runtime.
            let Ok((this, done)) = published.await else { return };
            self = this;
            not_before = now + self.told(done, now);
            all_at = clock::now() + LOOK_AT_ALL_EVERY;
        }
    }

    fn has_changed(&self) -> bool {
        self.epoch != Some(self.shared.table().epoch()) || self.staging.is_old()
    }

    /// Tells how it went; the time to the next release.
    fn told(&self, done: Result<Option<Release>, BasesError>, began: Instant) -> Duration {
        match done {
            Ok(None) => {
                self.shared.base_trouble(None);
                self.metrics.held(false);
                RELEASE_EVERY
            }
            Ok(Some(release)) => {
                let took_ms = clock::now().saturating_duration_since(began).as_millis() as u64;
                let (generation, epoch) = (release.generation(), self.epoch);
                tracing::debug!(generation, epoch, took_ms, "signatures are published");
                self.metrics.published(true);
                self.shared.base_trouble(None);
                self.metrics.held(false);
                RELEASE_EVERY
            }
            Err(held @ BasesError::Held { .. }) => {
                self.metrics.held(true);
                self.shared.base_trouble(Some(held.to_string()));
                RELEASE_EVERY
            }
            Err(error) => {
                self.metrics.published(false);
                let text = format!("what is reported here is not published: {error}");
                self.shared.base_trouble(Some(text));
                RETRY_AFTER
            }
        }
    }

    /// The next release; none if it would say what the last one says.
    fn publish(&mut self) -> Result<Option<Release>, BasesError> {
        self.directory.not_held()?;
        // First, so that what is reported meanwhile is seen as new.
        let epoch = self.shared.table().epoch();
        let mut files = match &self.files {
            Some(dir) => sources(dir)?,
            None => Vec::new(),
        };
        files.retain(|(name, _)| !is_of_service(name.as_str()));
        files.extend(self.staging.staged().map_err(BasesError::io("[reputation] state_dir"))?);
        // Written by another task. What is published may be older than the signatures beside it; it says how old it is.
        if let Some(filter) = self.filter.as_ref().filter(|path| path.is_file()) {
            files.push((filter::FILE.parse()?, filter.clone()));
        }
        // Without a directory, whatever `tamis bases publish` put beside the signatures stays.
        let carries = if self.files.is_some() { |_: &str| false } else { is_of_others };
        let sources = Sources { files, carries, heeds_rollback: true };
        let now_unix_s = clock::unix_seconds();
        if self.is_fresh(now_unix_s) && self.directory.is_published(&sources, &mut self.memory)? {
            self.epoch = Some(epoch);
            return Ok(None);
        }
        let publication = Publication {
            source: PathBuf::new(),
            introduce: Vec::new(),
            retire: Vec::new(),
            valid_s: VALID_S,
        };
        let (directory, memory) = (&self.directory, &mut self.memory);
        let release =
            directory.publish_sources(&sources, memory, &publication, &self.key, now_unix_s)?;
        self.metrics.in_force(&release.signed.manifest, now_unix_s);
        self.in_force.send_replace(Some(Arc::new(release.clone())));
        self.epoch = Some(epoch);
        Ok(Some(release))
    }

    fn is_fresh(&self, now_unix_s: u64) -> bool {
        let in_force = self.in_force.borrow();
        in_force.as_ref().is_some_and(|release| {
            let made = release.signed.manifest.created_unix_s;
            now_unix_s.saturating_sub(made) < RENEW_AFTER_S
        })
    }
}

fn is_of_others(name: &str) -> bool {
    !is_of_service(name)
}
