//! One dialogue on the wire: frames out, frames in. The only file of the edge that knows gRPC's messages.

use tamis_domain::dialogue::{Offer, ScannerWord, Supply};
use tamis_proto::FELLED_FIELD;
use tamis_proto::scan;
use tamis_proto::scan::scanner_client::ScannerClient;
use tamis_proto::scan_convert::{Unreadable, offer_to_wire, scanner_word, supply_to_wire};
use tamis_runtime::telemetry::propagation;
use tamis_selector::Failure;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

/// Frames that wait for the transport. The next piece is read from the spool only when one has left, so a slow scanner
/// slows the reading and not the memory of the edge.
const FRAMES_WAITING_MAX: usize = 1;

/// Why the wire failed. The scanner's fault, or the network's: another scanner may be tried.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// The stream ended with this status.
    #[error("{}: {}", .0.code(), .0.message())]
    Status(Box<Status>),
    /// The stream ended without a verdict.
    #[error("the stream ended without a verdict")]
    Ended,
    /// What came has no meaning.
    #[error("unreadable: {0}")]
    Unreadable(#[from] Unreadable),
}

impl CarrierError {
    /// What it tells about the scanner.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            // With a source the transport speaks, not the scanner: nobody listens there, or the connection broke.
            Self::Status(status)
                if status.code() == Code::Unavailable
                    && std::error::Error::source(&**status).is_some() =>
            {
                Failure::Refused
            }
            Self::Status(status) if status.code() == Code::DeadlineExceeded => Failure::Timeout,
            _ => Failure::Error,
        }
    }
}

impl CarrierError {
    /// Whether the scanner may have ended while it had the mail: the connection broke, and not while it was made.
    #[must_use]
    pub fn is_break(&self) -> bool {
        let Self::Status(status) = self else { return false };
        let mut source = std::error::Error::source(&**status);
        let spoke_transport = source.is_some();
        while let Some(error) = source {
            if error.is::<tonic::ConnectError>() {
                return false;
            }
            source = error.source();
        }
        spoke_transport
    }

    /// Whether the scanner said that it has no place.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Status(status) if status.code() == Code::ResourceExhausted)
    }

    /// Whether the scanner said that nobody judges this mail any more.
    #[must_use]
    pub fn is_set_aside(&self) -> bool {
        matches!(self, Self::Status(status) if status.code() == Code::Aborted
            && std::error::Error::source(&**status).is_none())
    }
}

impl From<Status> for CarrierError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// The edge's mouth.
#[derive(Debug)]
pub struct Speaker(mpsc::Sender<scan::ScanRequest>);

/// The edge's ear.
#[derive(Debug)]
pub struct Listener(Streaming<scan::ScanResponse>);

/// Opens a stream and says the Offer of a mail that has `felled` scanners. For one that has, the stream is open when its
/// trial begins.
///
/// # Errors
/// [`CarrierError`].
pub async fn open(
    channel: Channel,
    offer: Offer,
    felled: u8,
) -> Result<(Speaker, Listener), CarrierError> {
    let (sender, receiver) = mpsc::channel(FRAMES_WAITING_MAX);
    // There is room for one: it is the first.
    let _ = sender.try_send(offer_to_wire(offer));
    let mut request = Request::new(ReceiverStream::new(receiver));
    propagation::inject(request.metadata_mut());
    if felled > 0 {
        request.metadata_mut().insert(FELLED_FIELD, u64::from(felled).into());
    }
    let response = ScannerClient::new(channel).scan(request).await?;
    Ok((Speaker(sender), Listener(response.into_inner())))
}

impl Speaker {
    /// Says a piece of content, once the one before has left. `false`: the stream is over, and the ear knows why.
    pub async fn supply(&self, supply: Supply) -> bool {
        self.0.send(supply_to_wire(supply)).await.is_ok()
    }
}

impl Listener {
    /// Waits for the scanner's next word. Safe to drop and call again.
    ///
    /// # Errors
    /// [`CarrierError`].
    pub async fn hear(&mut self) -> Result<ScannerWord, CarrierError> {
        let response = self.0.message().await?.ok_or(CarrierError::Ended)?;
        Ok(scanner_word(response)?)
    }
}
