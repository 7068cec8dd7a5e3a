//! One mail in hand: from its first byte to the answer to the previous hop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tamis_domain::digest::MailId;
use tamis_message::digesting::{Digesting, Dissected};
use tamis_runtime::clock;
use tokio::sync::OwnedSemaphorePermit;

use crate::held::{Held, HeldError, Holding};

/// A mail whose content is coming. Held and named in the same pass.
#[derive(Debug)]
pub struct Arriving {
    holding: Holding,
    digesting: Digesting,
    place: Place,
}

/// The place of one mail among those that may be in hand; given back when dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    gauge: prometheus_client::metrics::gauge::Gauge,
}

/// A whole mail.
#[derive(Debug)]
pub struct Mail {
    /// Its identity, drawn now.
    pub id: MailId,
    /// Outline and spans.
    pub dissected: Dissected,
    /// Its bytes.
    pub held: Held,
    /// When it was whole: its time runs from here.
    pub since: Instant,
    /// Whether a final dot may have been sent to the next hop.
    committing: AtomicBool,
    _place: Place,
}

impl Place {
    /// A place for one mail, counted in `gauge`.
    #[must_use]
    pub fn new(
        permit: OwnedSemaphorePermit,
        gauge: prometheus_client::metrics::gauge::Gauge,
    ) -> Self {
        gauge.inc();
        Self { _permit: permit, gauge }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl Arriving {
    /// Before the first byte.
    #[must_use]
    pub fn new(holding: Holding, place: Place) -> Self {
        Self { holding, digesting: Digesting::new(), place }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`HeldError`]; the mail is of no more use then.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), HeldError> {
        self.digesting.push(bytes);
        self.holding.push(bytes).await
    }

    /// The mail is whole.
    ///
    /// # Errors
    /// [`HeldError::Spool`].
    pub async fn finish(self) -> Result<Mail, HeldError> {
        let Self { holding, digesting, place } = self;
        let held = holding.finish().await?;
        let dissected = digesting.finish();
        Ok(Mail {
            id: fresh_id(),
            dissected,
            held,
            since: clock::now(),
            committing: AtomicBool::new(false),
            _place: place,
        })
    }
}

impl Mail {
    /// From now on the next hop may have the mail: it must be seen through, whoever waits for the answer.
    pub fn commits(&self) {
        self.committing.store(true, Ordering::Relaxed);
    }

    /// Whether the next hop may have the mail.
    #[must_use]
    pub fn is_committing(&self) -> bool {
        self.committing.load(Ordering::Relaxed)
    }

    /// The raw header block, without the empty line; whole even where the outline's copy was cut.
    ///
    /// # Errors
    /// [`HeldError::Spool`].
    pub async fn header(&self) -> Result<bytes::Bytes, HeldError> {
        let range = &self.dissected.header;
        let length = range.end.saturating_sub(range.start);
        self.held.read(range.start, usize::try_from(length).unwrap_or(usize::MAX)).await
    }
}

fn fresh_id() -> MailId {
    let mut id = [0; 16];
    if getrandom::fill(&mut id).is_err() {
        // No randomness: the time still tells mails apart, and nothing secret depends on the id.
        id = clock::unix_time().as_nanos().to_be_bytes();
    }
    MailId(id)
}

/// A random number for choices that nobody need foresee and nobody gains by foreseeing.
#[must_use]
pub fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| u64::from(clock::unix_time().subsec_nanos()))
}
