//! The edge's side of the dialogue without a door: for programs that measure scanners as an edge would ask them.

use bytes::Bytes;
use tamis_domain::envelope::Envelope;
use tamis_domain::status::Rung;
use tamis_runtime::metrics::Metrics;

use crate::config::Config;
use crate::edge::Edge;
use crate::held::HeldError;
use crate::metrics::EdgeMetrics;
use crate::scanner_client::ScannerClient;
use crate::scanners::{Connector, Scanners};

/// Asks scanners about whole mails: the same holding, choice, hints, Offer and Supply as for mail that came by a door.
#[derive(Debug)]
pub struct Asker(Edge);

/// Why a mail was not asked about. Ours: try again later.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// `mails_max` mails are in hand.
    #[error("as many mails as may be are in hand")]
    NoPlace,
    /// It could not be held.
    #[error(transparent)]
    Held(#[from] HeldError),
}

impl Asker {
    /// Asks the scanners of this configuration, under its limits; its doors stay closed.
    pub async fn new(config: Config) -> Self {
        let metrics = EdgeMetrics::register(&Metrics::new());
        let urls = &config.typed.scanners;
        let scanners = Scanners::new(Connector::Addresses(None), urls, metrics.clone());
        scanners.refresh().await;
        Self(Edge::new(config, metrics, ScannerClient::new(scanners)))
    }

    /// How far a mail was judged; [`Rung::NotScanned`] where no scanner answered in time.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask(&self, pieces: &[Bytes], envelope: &Envelope) -> Result<Rung, AskError> {
        let place = self.0.place(envelope.door).ok_or(AskError::NoPlace)?;
        let mut arriving = self.0.arriving(place);
        for piece in pieces {
            arriving.push(piece).await?;
        }
        let mail = arriving.finish().await?;
        let unscanned = self.0.config.typed.unscanned;
        Ok(self.0.judge(&mail, envelope, unscanned).await.rung)
    }
}
