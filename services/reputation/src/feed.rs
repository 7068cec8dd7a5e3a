//! Joins the bases with the table: what is reported at a hub is signed, published, and answered at the sites.
//!
//! [`publishing`] makes releases of the log where `publish_signatures` is set; [`using`] makes a second table of the
//! releases that come, which questions are answered from beside the own one. Files of a release:
//!
//! - `signatures.rules`: how the publisher judges; its presence says that the release lists signatures;
//! - `signatures.snapshot`: the log's snapshot, absent before the first one;
//! - `signatures.log.000` and so on: pieces of the stream of all commits since, of [`staging::PIECE_BYTES`] each, so
//!   that of a long log only the last piece changes;
//! - `signatures.filter`: the filter of all of that ([`filter`]), where the service writes one.

mod files;
pub(crate) mod filter;
mod publishing;
mod rules;
mod staging;
#[cfg(test)]
mod tests;
mod using;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tamis_domain::digest::SignatureKind;
use tamis_reputation_protocol::signatures::{Rules, Saved};
use tamis_runtime::exit::Failure;
use tamis_runtime::shutdown::Shutdown;
use tamis_runtime::tls::TlsConfig;
use tokio::task::JoinSet;

use crate::bases::config::Config;
use crate::bases::metrics::Metrics;
use crate::bases::{Bases, publish};
use crate::log::histories::Histories;
use crate::shared::Shared;
use files::{FeedError, Files};
use publishing::Publisher;
use using::Follower;

/// The file that says how the publisher judges.
const RULES: &str = "signatures.rules";

/// The snapshot.
const SNAPSHOT: &str = "signatures.snapshot";

/// How the names of pieces of the log begin; three digits follow.
const LOG: &str = "signatures.log.";

/// What a service needs to know for its bases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The section `[bases]`.
    pub bases: Config,
    /// The section `[tls]`: both ends of a subscription show certificates.
    pub tls: TlsConfig,
}

/// Where the base table came from.
#[derive(Debug)]
pub struct Origin {
    /// The release.
    pub generation: u64,
    /// The line of releases.
    pub channel: String,
    files: Files,
}

impl Origin {
    /// What was reported at the publisher of the signature with this kind and beginning of its value. Reads the disk.
    ///
    /// # Errors
    /// The disk's, or damage since it was loaded.
    pub fn history(
        &self,
        kind: SignatureKind,
        value_prefix: &[u8; 12],
    ) -> Result<Option<Saved>, std::io::Error> {
        self.files.history(kind, value_prefix).map_err(|error| match error {
            FeedError::Io(error) => error,
            FeedError::Bad(why) => std::io::Error::new(std::io::ErrorKind::InvalidData, why),
        })
    }
}

/// Bases at work beside a service. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Feed {
    bases: Bases,
    end: Shutdown,
    tasks: JoinSet<()>,
    follower: Option<Follower>,
    publisher: Option<Publisher>,
}

impl Feed {
    /// Opens directory and doors. Nothing is published or used before [`Feed::start`].
    ///
    /// # Errors
    /// Those of [`Bases::start`]; a key that cannot be read; no log to publish.
    pub async fn open(
        settings: Settings,
        registry: &tamis_runtime::metrics::Metrics,
        rules: Rules,
        shared: &Arc<Shared>,
        log: (&Histories, Option<&std::path::Path>),
        filter: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let Settings { bases: config, tls } = settings;
        let end = Shutdown::new();
        let key = match (&config.signing_key_file, config.publish_signatures) {
            (Some(file), true) => Some(publish::read_key(file)?),
            _ => None,
        };
        let (files, keeps) = (config.files.clone(), log.1);
        if key.is_some() && keeps.is_none() {
            return Err(Failure::configuration(
                "[bases] publish_signatures needs a log to publish, and [reputation] state_dir names none",
                "Name a state_dir on this machine.",
            ));
        }
        let bases = Bases::start(config, &tls, Metrics::new(registry), &end).await?;
        let (mut follower, mut publisher) = (None, None);
        match (key, keeps) {
            (Some(key), Some(dir)) => {
                let staged = staging::Staging::new(dir.join("published"), rules, log.0.clone());
                let sources = (files, filter);
                publisher = Some(Publisher::new(key, sources, staged, shared, &bases));
            }
            // Its own bases would tell a publisher nothing that its table does not know better.
            _ => follower = Some(Follower::new(rules, shared, &bases)),
        }
        Ok(Self { bases, end, tasks: JoinSet::new(), follower, publisher })
    }

    /// Where subscribers are served.
    pub const fn listen(&self) -> Option<SocketAddr> {
        self.bases.listen()
    }

    /// Loads what is in force, so that a service that says it is ready knows it; then follows and publishes until the end.
    pub async fn start(&mut self) {
        if let Some(follower) = self.follower.take() {
            let follower = follower.caught_up().await;
            self.tasks.spawn(follower.run(self.end.clone()));
        }
        if let Some(publisher) = self.publisher.take() {
            self.tasks.spawn(publisher.run(self.end.clone()));
        }
    }

    /// Ends all parts.
    pub async fn ended(mut self) {
        self.end.request();
        while self.tasks.join_next().await.is_some() {}
        self.bases.ended().await;
    }
}
