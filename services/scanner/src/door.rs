//! Frames in, frames out: the gRPC side of one dialogue.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tamis_domain::dialogue::Need;
use tamis_proto::FELLED_FIELD;
use tamis_proto::scan::scanner_server::{Scanner as ScannerService, ScannerServer};
use tamis_proto::scan::{ScanRequest, ScanResponse};
use tamis_proto::scan_convert::{EdgeWord, Unreadable, edge_word, need_to_wire, verdict_to_wire};
use tamis_runtime::telemetry::propagation;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream as AsyncSequence;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::Scanner;
use crate::serve::{Edge, Ended, serve};

/// Frames of one dialogue towards the edge: a Need and a Verdict, never more.
const FRAMES_MAX: usize = 2;

/// Bytes of one frame from an edge: an Offer with its header block and inline contents, with room to spare.
pub const FRAME_BYTES_MAX: usize = 4 << 20;

/// The gRPC service of a scanner.
#[derive(Clone, Debug)]
pub struct Door(Arc<Scanner>);

/// The service to add to a tonic server.
#[must_use]
pub fn service(scanner: Arc<Scanner>) -> ScannerServer<Door> {
    ScannerServer::new(Door(scanner)).max_decoding_message_size(FRAME_BYTES_MAX)
}

/// What we say, with the first word in hand.
#[derive(Debug)]
pub struct Words {
    first: Option<ScanResponse>,
    rest: ReceiverStream<Result<ScanResponse, Status>>,
}

impl AsyncSequence for Words {
    type Item = Result<ScanResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => Pin::new(&mut self.rest).poll_next(cx),
        }
    }
}

/// One edge at the other end of a stream.
struct Wire {
    words: Streaming<ScanRequest>,
    frames: mpsc::Sender<Result<ScanResponse, Status>>,
    felled: u8,
    begun: Option<oneshot::Sender<()>>,
}

impl Edge for Wire {
    async fn hear(&mut self) -> Result<EdgeWord, Ended> {
        match self.words.message().await {
            Ok(Some(frame)) => Ok(edge_word(frame)?),
            Ok(None) | Err(_) => Err(Ended::HungUp),
        }
    }

    async fn say(&mut self, need: &Need) -> Result<(), Ended> {
        self.frames.send(Ok(need_to_wire(need))).await.map_err(|_| Ended::HungUp)
    }

    fn felled(&self) -> u8 {
        self.felled
    }

    fn begins(&mut self) {
        // Sends the head of our answer.
        self.begun = None;
    }
}

/// What the edge says of the mail before the mail. Nonsense is nothing: who lies deceives nobody but himself.
fn felled(request: &Request<Streaming<ScanRequest>>) -> u8 {
    let said = request.metadata().get(FELLED_FIELD);
    said.and_then(|digits| digits.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// A judgement that runs within its stream, without a task of its own. Where the edge hangs up it goes on in one, as it does
/// behind a Need: what was read is remembered all the same, and a mail that was on trial is told from one that felled us.
struct Judging(Option<BoxFuture<'static, ()>>);

impl Judging {
    fn new(judging: impl Future<Output = ()> + Send + 'static) -> Self {
        // A panic is this mail's alone; the stream must not break of it as it does where a scanner ends.
        Self(Some(AssertUnwindSafe(judging).catch_unwind().map(drop).boxed()))
    }
}

impl Future for Judging {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(judging) = &mut self.0 {
            ready!(judging.as_mut().poll(cx));
            self.0 = None;
        }
        Poll::Ready(())
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        if let (Some(rest), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(rest);
        }
    }
}

#[tonic::async_trait]
impl ScannerService for Door {
    type ScanStream = Words;

    async fn scan(
        &self,
        request: Request<Streaming<ScanRequest>>,
    ) -> Result<Response<Self::ScanStream>, Status> {
        let span = tracing::info_span!(
            "scanner.scan",
            otel.name = "tamis.scan.v1.Scanner/Scan",
            otel.kind = "server",
            otel.status_code = Empty,
            rpc.system.name = "grpc",
            rpc.method = "tamis.scan.v1.Scanner/Scan",
            "error.type" = Empty,
        );
        if !span.is_disabled() {
            propagation::adopt(&span, propagation::extract(request.metadata()));
        }
        let felled = felled(&request);
        let (frames, mut answers) = mpsc::channel(FRAMES_MAX);
        let (begun, begins) = oneshot::channel();
        let wire = Wire { words: request.into_inner(), frames, felled, begun: Some(begun) };
        let mut judging = Judging::new(judge(Arc::clone(&self.0), wire).instrument(span));
        let first = if felled > 0 {
            drop(judging);
            // The head of our answer says that the trial begins; an end of the process before it is not this mail's doing.
            let _ = begins.await;
            None
        } else {
            // The head waits for the first word, so that both leave in one packet.
            let first = tokio::select! {
                biased;
                word = answers.recv() => word,
                () = &mut judging => answers.recv().await,
            };
            Some(first.ok_or_else(|| Status::internal("the judgement broke off"))??)
        };
        Ok(Response::new(Words { first, rest: answers.into() }))
    }
}

/// Judges one mail, and says so.
async fn judge(scanner: Arc<Scanner>, mut wire: Wire) {
    let hold = scanner.drain.hold();
    let last = match serve(&scanner, &mut wire).await {
        Ok(verdict) => {
            tracing::debug!(id = %verdict.id, status = verdict.status.word(), "judged");
            Ok(verdict_to_wire(verdict))
        }
        Err(ended) => {
            scanner.metrics.ended(word(&ended));
            let current = tracing::Span::current();
            current.record("error.type", word(&ended)).record("otel.status_code", "ERROR");
            tracing::debug!(%ended, "dialogue ended without a verdict");
            Err(status(&ended))
        }
    };
    // An edge that hung up has answered its MTA already.
    let _ = wire.frames.send(last).await;
    drop((hold, wire));
}

fn status(ended: &Ended) -> Status {
    match ended {
        Ended::HungUp => Status::cancelled(ended.to_string()),
        Ended::Broken(_) => Status::failed_precondition(ended.to_string()),
        Ended::Unreadable(Unreadable::OverLimit { .. }) => Status::out_of_range(ended.to_string()),
        Ended::Unreadable(_) => Status::invalid_argument(ended.to_string()),
        Ended::Full => Status::resource_exhausted(ended.to_string()),
        Ended::SetAside => Status::aborted(ended.to_string()),
    }
}

fn word(ended: &Ended) -> &'static str {
    match ended {
        Ended::HungUp => "hung_up",
        Ended::Broken(_) => "broken",
        Ended::Unreadable(_) => "unreadable",
        Ended::Full => "full",
        Ended::SetAside => "set_aside",
    }
}

#[cfg(test)]
mod tests;
