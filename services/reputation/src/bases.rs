//! Bases of this node: what it has, whom it hears them from, who hears them from it. Every node can be all three: hub,
//! region, site.
//!
//! [`directory`] holds releases and chunks on disk, [`publish`] makes a release of files, [`serving`] tells subscribers of
//! it and hands out chunks, [`subscribing`] hears of an upstream's releases, [`pulling`] fetches what is missing, and
//! [`install`] brings a whole, verified release into force by one rename.

pub mod config;
pub mod directory;
pub mod error;
mod install;
pub mod metrics;
pub mod publish;
mod pulling;
mod remembered;
pub mod serving;
pub mod store;
mod subscribing;
pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::Endpoint;
use tamis_runtime::clock;
use tamis_runtime::exit::Failure;
use tamis_runtime::shutdown::Shutdown;
use tamis_runtime::tls::{RenewalMetrics, TlsConfig};
use tokio::sync::watch;
use tokio::task::JoinSet;

use config::Config;
use directory::{Directory, Release};
use error::BasesError;
use metrics::Metrics;
use serving::Serving;
use subscribing::Subscribing;
use tls::Quic;

/// Between two looks at which release is in force: `tamis bases publish` and `rollback` are other processes. A fifth of
/// a second leaves most of the two seconds in which a release is to be at a site two hops away.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Bases at work.
#[derive(Debug)]
pub struct Bases {
    /// The release in force, whenever it changes; `None`: there is none yet. A release stays on disk for as many newer
    /// ones as are kept.
    pub in_force: watch::Receiver<Option<Arc<Release>>>,
    /// Counters.
    pub metrics: Metrics,
    pub(crate) directory: Arc<Directory>,
    pub(crate) sender: watch::Sender<Option<Arc<Release>>>,
    listen: Option<SocketAddr>,
    tasks: JoinSet<()>,
}

impl Bases {
    /// Opens the directory, and the doors that the configuration names. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// A directory that cannot be used, an address that cannot be opened, no certificates.
    pub async fn start(
        config: Config,
        tls: &TlsConfig,
        metrics: Metrics,
        shutdown: &Shutdown,
    ) -> Result<Self, Failure> {
        let (directory, release) = opened(config.clone()).await?;
        let (sender, in_force) = watch::channel(release.map(Arc::new));
        let needs_tls = config.listen.is_some() || config.upstream.is_some();
        let quic = if needs_tls { Some(watch::Sender::new(Quic::load(tls)?)) } else { None };
        let mut tasks = JoinSet::new();
        let mut listen = None;
        if let (Some(address), Some(quic)) = (config.listen, &quic) {
            let endpoint =
                Endpoint::server(quic.borrow().server.clone(), address).map_err(|error| {
                    Failure::unavailable(
                        format!("cannot serve bases on UDP {address}: {error}"),
                        "Choose another [bases] listen, or stop the program that has it.",
                    )
                })?;
            listen = endpoint.local_addr().ok();
            let (directory, metrics) = (Arc::clone(&directory), metrics.clone());
            let quic = quic.subscribe();
            let serving = Serving { directory, in_force: in_force.clone(), metrics, quic };
            tasks.spawn(serving.run(endpoint, shutdown.clone()));
        }
        if let (Some(upstream), Some(quic)) = (config.upstream, &quic) {
            let quic = quic.subscribe();
            let (directory, in_force) = (Arc::clone(&directory), sender.clone());
            let metrics = metrics.clone();
            metrics.wanted();
            let subscribing = Subscribing { upstream, quic, directory, in_force, metrics };
            tasks.spawn(subscribing.run(shutdown.clone()));
        }
        if let Some(quic) = quic {
            tasks.spawn(renewing(tls.clone(), quic, shutdown.clone()));
        }
        let looking =
            look(Arc::clone(&directory), sender.clone(), metrics.clone(), shutdown.clone());
        tasks.spawn(looking);
        Ok(Self { in_force, metrics, directory, sender, listen, tasks })
    }

    /// Where subscribers are served; the port is the real one where the configuration says 0.
    #[must_use]
    pub const fn listen(&self) -> Option<SocketAddr> {
        self.listen
    }

    /// Returns when all parts have ended, which they do after the request to shut down.
    pub async fn ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Fetches what the upstream has now and brings it into force; `None`, if that is nothing newer.
///
/// # Errors
/// What is wrong with configuration, upstream or its bases; those in force stay in force.
pub async fn pull_once(config: Config, tls: &TlsConfig) -> Result<Option<Arc<Release>>, Failure> {
    let Some(upstream) = config.upstream.clone() else {
        return Err(Failure::configuration("[bases] upstream names nobody to pull from", ""));
    };
    let (_, quic) = watch::channel(Quic::load(tls)?);
    let (directory, _) = opened(config).await?;
    let (in_force, metrics) = (watch::Sender::new(None), Metrics::default());
    let subscribing = Subscribing { upstream, quic, directory, in_force, metrics };
    Ok(subscribing.once().await?)
}

/// Reads the certificates again when their files change: for who connects from then on.
async fn renewing(config: TlsConfig, quic: watch::Sender<Quic>, shutdown: Shutdown) {
    let Ok(Some(tls)) = config.load() else { return };
    tls.follow(RenewalMetrics::default());
    let mut renewals = tls.renewals();
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = renewals.changed() => {}
        }
        match Quic::load(&config) {
            Ok(renewed) => drop(quic.send_replace(renewed)),
            Err(error) => tracing::warn!(what = error.what, "bases keep the old certificate"),
        }
    }
}

async fn opened(config: Config) -> Result<(Arc<Directory>, Option<Release>), BasesError> {
    pulling::blocking(move || {
        let directory = Directory::open(&config)?;
        let release = directory.in_force()?;
        Ok((Arc::new(directory), release))
    })
    .await
}

/// Notices what other processes bring into force, and shows the age of what is.
async fn look(
    directory: Arc<Directory>,
    in_force: watch::Sender<Option<Arc<Release>>>,
    metrics: Metrics,
    shutdown: Shutdown,
) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = looks.tick() => {}
        }
        let directory = Arc::clone(&directory);
        let known = in_force.borrow().clone();
        let looked = pulling::blocking(move || {
            // A link is read without opening anything: the usual look costs one call.
            let target = directory.pointer().map(|target| directory.behind(&target));
            let is_known = target.as_deref() == known.as_ref().map(|known| known.dir.as_path());
            if is_known { Ok(None) } else { directory.in_force() }
        });
        match looked.await {
            Ok(Some(release)) => announce(&in_force, release),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the bases in force cannot be read"),
        }
        if let Some(release) = &*in_force.borrow() {
            metrics.in_force(&release.signed.manifest, clock::unix_seconds());
        }
    }
}

/// Tells once that this is in force: who pulled it and who looks at the directory may each be the first to see it.
fn announce<T: PartialEq>(in_force: &watch::Sender<Option<Arc<T>>>, now: T) {
    in_force.send_if_modified(|known| {
        let is_new = known.as_deref() != Some(&now);
        if is_new {
            *known = Some(Arc::new(now));
        }
        is_new
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_is_told_once_whoever_sees_it_first_so_no_release_is_taken_twice() {
        let (in_force, mut followed) = watch::channel(None);
        for (release, is_told) in [(1, true), (1, false), (2, true), (1, true), (1, false)] {
            announce(&in_force, release);
            assert_eq!(followed.has_changed().unwrap(), is_told, "{release}");
            assert_eq!(followed.borrow_and_update().as_deref(), Some(&release));
        }
    }
}
