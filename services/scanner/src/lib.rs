//! Judges mails: free ring, near ring, full ring, then weighs and decides.
//!
//! **Holds** facts about parts by digest (here and in Redis), what it learned about reputation servers, the policy and
//! bases in force, and the mails in hand; nothing of a mail once its verdict is said.
//! **Takes** Offers and Supplies of edges over gRPC, answers of Redis and of reputation servers.
//! **Gives** at most one Need and one Verdict for each mail.
//! **May touch** sockets to Redis, reputation and DNS, its own listener, one file with a hash list, a
//! directory of what was learned.
//! **Never** talks to an MTA, decodes a transfer encoding, remembers a verdict, or lets one mail's trouble reach another.
//! **If it fails** to ask somebody, the verdict's rung says so; if it cannot judge, the edge hears a gRPC status and
//! asks another scanner or answers by its own policy.
//!
//! Reading order: [`examine`] (the judgement), [`serve`] (the waiting), [`door`] (the wire).

use std::sync::Arc;
use std::time::Duration;

use tamis_domain::dialogue::{Offer, Offered};
use tamis_domain::record::Record;
use tamis_domain::verdict::Verdict;
use tamis_runtime::shutdown::Drain;
use tokio::sync::Semaphore;

pub mod ask;
pub mod config;
pub mod door;
pub mod examine;
pub mod flights;
pub mod learning;
pub mod memory;
pub mod metrics;
#[cfg(feature = "poison-test")]
mod poison;
pub mod reading;
pub mod record;
pub mod serve;
pub mod service;
pub mod snapshot;
pub mod teach;
mod trials;

use ask::authentication::Authenticator;
use ask::reputation::Service;
use config::Config;
use examine::Examination;
use flights::Flights;
use learning::Learning;
use memory::Memory;
use metrics::Metrics;
use snapshot::{Current, Snapshot};
use trials::Trials;

/// Names of all evidence that the checks can find, for telling misspelt weights.
pub fn evidence_names() -> impl Iterator<Item = &'static str> {
    tamis_checks::names::ALL.iter().copied().chain([tamis_classifier::mail::EVIDENCE])
}

/// A scanner: everything that its mails share.
#[derive(Debug)]
pub struct Scanner {
    pub(crate) memory: Memory,
    pub(crate) reputation: Option<Service>,
    pub(crate) authenticator: Option<Authenticator>,
    pub(crate) learning: Option<Learning>,
    pub(crate) flights: Flights,
    pub(crate) metrics: Metrics,
    pub(crate) seats: Semaphore,
    pub(crate) trials: Trials,
    /// Places for long or costly parts that are read.
    pub(crate) readers: Semaphore,
    pub(crate) supply: Arc<Semaphore>,
    pub(crate) supply_units: u32,
    pub(crate) drain: Drain,
    mails_max: usize,
    /// Policy and bases in force; may be swapped at any time.
    pub snapshot: Current,
}

/// How often the gauges are brought up to date, and how soon a scanner knows of a mail that another one set aside.
const GAUGE_PERIOD: Duration = Duration::from_secs(1);

impl Scanner {
    /// A scanner as configured. Must be called inside a tokio runtime.
    #[must_use]
    pub fn new(config: &Config, snapshot: Snapshot, metrics: Metrics) -> Self {
        let units = u32::try_from(config.supply_bytes_max / 1024).unwrap_or(u32::MAX >> 4).max(1);
        let reputation = config.reputation_plan().map(|plan| Service::start(plan, metrics.clone()));
        let authenticator = config.authentication.clone().and_then(|plan| {
            // The configuration was checked; a system without servers can still come up.
            Authenticator::start(plan, metrics.clone())
                .inspect_err(|error| tracing::error!(error, "DNS is not asked"))
                .ok()
        });
        let learning = config.learning.as_ref().map(|settings| {
            // A disk that broke stops no mail; every verdict says what was not asked.
            Learning::start(settings).unwrap_or_else(|error| {
                tracing::error!(%error, "nothing is learned, and nobody asks what was");
                Learning::away(settings)
            })
        });
        Self {
            memory: Memory::new(config.memory_bytes_max, config.far.clone()),
            reputation,
            authenticator,
            learning,
            flights: Flights::default(),
            metrics,
            seats: Semaphore::new(config.mails_max),
            trials: Trials::default(),
            readers: Semaphore::new(reading::readers()),
            supply: Arc::new(Semaphore::new(units as usize)),
            supply_units: units,
            drain: Drain::new(),
            mails_max: config.mails_max,
            snapshot: Current::new(snapshot),
        }
    }

    /// Judges a mail whose contents all came with the offer: the command line's way, by the same rings.
    ///
    /// # Errors
    /// The offer contradicts itself: our caller's fault.
    pub async fn judge(
        &self,
        offer: Offer,
        now_s: i64,
    ) -> Result<Verdict, tamis_domain::dialogue::Broken> {
        let (mail, offer) = self.examined(offer, now_s, None).await?;
        let verdict = mail.verdict(&offer);
        self.metrics.judged(&verdict);
        Ok(verdict)
    }

    /// The same, and all that the verdict followed from. What the outside said of the mail in the record `before` holds
    /// for whom nobody asks now.
    ///
    /// # Errors
    /// As for [`Scanner::judge`].
    pub async fn judge_recorded(
        &self,
        offer: Offer,
        now_s: i64,
        before: Option<&Record>,
    ) -> Result<Record, tamis_domain::dialogue::Broken> {
        let (mail, offer) = self.examined(offer, now_s, before).await?;
        let record = mail.record(&offer, now_s);
        self.metrics.judged(&record.verdict);
        Ok(record)
    }

    async fn examined(
        &self,
        offer: Offer,
        now_s: i64,
        before: Option<&Record>,
    ) -> Result<(Examination, Offer), tamis_domain::dialogue::Broken> {
        let mut offered = Offered::accept(offer, tamis_runtime::clock::now())?;
        let mut mail = Examination::begin(self.snapshot.take(), offered.offer(), now_s);
        if let Some(before) = before {
            mail.remember(self, before);
        }
        let (inline, until) = (offered.take_inline(), offered.deadline());
        mail.near(self, offered.offer(), inline, until).await;
        let supplied = offered.without_need();
        mail.full(self, &supplied.offer, Vec::new(), until).await;
        Ok((mail, supplied.offer))
    }

    /// What the selector thinks of each reputation server, for metrics and people.
    #[must_use]
    pub fn reputation(&self) -> Option<&Service> {
        self.reputation.as_ref()
    }

    /// Keeps the gauges up to date as long as the scanner lives.
    pub(crate) fn keep_gauges(scanner: &Arc<Self>) {
        let weak = Arc::downgrade(scanner);
        tokio::spawn(async move {
            while let Some(scanner) = weak.upgrade() {
                let in_hand = scanner.mails_max.saturating_sub(scanner.seats.available_permits());
                let (_, bytes) = scanner.memory.near_size();
                let in_hand = (in_hand, scanner.mails_max);
                scanner.metrics.state(in_hand, bytes, scanner.memory.far_connected());
                if let Some(service) = &scanner.reputation {
                    scanner.metrics.reputation_servers(service.report());
                }
                let set_aside = scanner.trials.look(scanner.memory.far()).await;
                scanner.metrics.set_aside(set_aside);
                drop(scanner);
                tokio::time::sleep(GAUGE_PERIOD).await;
            }
        });
    }
}
