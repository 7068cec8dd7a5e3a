//! Beside the MTA: holds the mail, asks a scanner, applies the plan.
//!
//! **Holds** mails in hand (memory, then unlinked spool files) only while the previous hop waits; a hint of what the cluster
//! knows; which variants of half-delivered mails the next hop has taken; which mails scanners ended over.
//! **Takes** mail by milter, LMTP and SMTP; verdicts from scanners.
//! **Gives** names of parts, and the content that is asked for, to one scanner a mail; the plan to the MTA in its own words.
//! **May touch** sockets, spool files, the clock, randomness for ids and choices.
//! **Never** judges, queues, or tells the previous hop of success before the next hop has taken the mail.
//! **If it fails** the previous hop keeps the mail and tries again: every doubt is a 4xx.
//!
//! Reading order: [`intake::lmtp`] (a door), [`held`], [`scanner_client`], [`apply`], [`delivery`].

pub mod apply;
pub mod asker;
mod carrier;
pub mod config;
mod delivered;
mod delivery;
mod edge;
pub mod held;
mod intake;
mod known;
mod mail;
pub mod metrics;
mod network;
mod next_hop;
mod scanner_client;
mod scanners;
mod suspects;
mod without_scanner;

use std::sync::Arc;
use std::time::Duration;

use tamis_domain::envelope::Door;
use tamis_runtime::admin::Readiness;
use tamis_runtime::listen::{BindError, ListenAddress, Listener};
use tamis_runtime::metrics::Metrics;
use tamis_runtime::shutdown::{Drain, Shutdown};
use tokio::task::JoinSet;

use config::Config;
use edge::Edge;
use intake::Ending;
use metrics::EdgeMetrics;
use scanner_client::ScannerClient;
pub use scanners::Connector;
use scanners::Scanners;

/// Time for connections to say 421 after the time for mails in hand is over.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(2);

/// Time for the first look-up of scanners' host names.
const FIRST_LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// What an edge needs of its process.
#[derive(Debug)]
pub struct EdgeParts {
    /// How scanners are reached.
    pub scanners: Connector,
    /// Where it registers what it counts.
    pub metrics: Metrics,
    /// Where it says that its doors are open: condition `edge`.
    pub readiness: Readiness,
    /// The order to end.
    pub shutdown: Shutdown,
}

/// An edge whose doors are open, though nobody is let in yet.
#[derive(Debug)]
pub struct Opened {
    edge: Arc<Edge>,
    scanners: Arc<Scanners>,
    doors: Vec<(Door, Listener)>,
    parts: EdgeParts,
}

/// Opens the doors and serves until the order to end, then finishes what is in hand.
///
/// # Errors
/// A door that cannot be opened.
pub async fn run(config: Config, parts: EdgeParts) -> Result<(), BindError> {
    Opened::open(config, parts).await?.serve().await;
    Ok(())
}

impl Opened {
    /// Opens the doors.
    ///
    /// # Errors
    /// A door that cannot be opened.
    pub async fn open(config: Config, parts: EdgeParts) -> Result<Self, BindError> {
        let typed = &config.typed;
        let mut doors = Vec::new();
        for (door, address) in
            [(Door::Milter, &typed.milter), (Door::Lmtp, &typed.lmtp), (Door::Smtp, &typed.smtp)]
        {
            if !address.is_off() {
                doors.push((door, Listener::bind(address).await?));
            }
        }
        let metrics = EdgeMetrics::register(&parts.metrics);
        let scanners = Scanners::new(parts.scanners.clone(), &typed.scanners, metrics.clone());
        let client = ScannerClient::new(scanners.clone());
        let edge = Arc::new(Edge::new(config, metrics, client));
        Ok(Self { edge, scanners, doors, parts })
    }

    /// Which door listens where; ports are the real ones where the configuration says 0.
    pub fn doors(&self) -> impl Iterator<Item = (Door, &ListenAddress)> {
        self.doors.iter().map(|(door, listener)| (*door, listener.address()))
    }

    /// Serves until the order to end, then finishes what is in hand, for the time that the configuration grants. What is not
    /// finished then is answered 421 and stays with the previous hop.
    pub async fn serve(self) {
        let Self { edge, scanners, doors, parts } = self;
        let ready = parts.readiness.condition("edge");
        let ending = Ending {
            draining: parts.shutdown.clone(),
            closing: Shutdown::new(),
            drain: Drain::new(),
        };
        // A name server that is out must not keep the doors shut: their answer is then that nobody could judge.
        let _ = tokio::time::timeout(FIRST_LOOKUP_TIMEOUT, scanners.refresh()).await;
        let mut tasks = JoinSet::new();
        let fresh = tokio::spawn(scanners.keep_fresh());
        for (door, listener) in doors {
            tracing::info!(door = door.word(), address = %listener.address(), "a door is open");
            tasks.spawn(intake::serve(edge.clone(), listener, door, ending.clone()));
        }
        ready.set(true);
        parts.shutdown.requested().await;
        if let Err(unfinished) = ending.drain.finished(edge.config.drain).await {
            tracing::warn!(
                connections = unfinished.left,
                "mails in hand stay with the previous hop"
            );
            ending.closing.request();
            let _ = ending.drain.finished(CLOSING_TIMEOUT).await;
        }
        // What is left now holds no mail that anybody was told we have.
        tasks.shutdown().await;
        fresh.abort();
    }
}
