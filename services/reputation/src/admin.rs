//! gRPC administration: requests in, changes to the writer, the table read for `Why` and `Stats`.

mod convert;

use std::sync::Arc;

use tamis_domain::digest::SignatureKind;
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_server::{Reputation, ReputationServer};
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{Authority, Change, Refused};
use tamis_runtime::clock;
use tonic::{Request, Response, Status};

use crate::log::AppendError;
use crate::shared::Shared;
use crate::writes::{WriteError, Writes};

/// Signatures in one request.
pub const SIGNATURES_PER_REQUEST_MAX: usize = 1_000;

/// Bytes of one request: a thousand texts have 100 KB.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// The door for administration.
#[derive(Debug)]
pub struct Admin {
    shared: Arc<Shared>,
    writes: Writes,
}

/// The service to add to a gRPC server.
#[must_use]
pub fn service(shared: Arc<Shared>, writes: Writes) -> ReputationServer<Admin> {
    ReputationServer::new(Admin { shared, writes }).max_decoding_message_size(REQUEST_BYTES_MAX)
}

#[tonic::async_trait]
impl Reputation for Admin {
    async fn add(
        &self,
        request: Request<wire::AddRequest>,
    ) -> Result<Response<wire::AddResponse>, Status> {
        let request = request.into_inner();
        let class = convert::class(request.class)?;
        let weight = u8::try_from(request.weight)
            .map_err(|_| Status::invalid_argument("weight is not between 1 and 100"))?;
        let at_unix_s = now_unix_s();
        let add = |item: Item| Change::Add {
            signature: item.signature,
            sketch: item.sketch,
            class,
            weight,
            reporter: request.reporter.clone(),
            authority: Authority::Operator,
            at_unix_s,
        };
        let changes = items(&request.signatures)?.into_iter().map(add).collect();
        let committed = self.writes.commit(changes).await.map_err(status)?;
        let (epoch, added, confirmed) = (committed.epoch, committed.added, committed.confirmed);
        tracing::info!(epoch, added, confirmed, class = class.word(), "signatures reported");
        Ok(Response::new(wire::AddResponse { epoch, added, confirmed }))
    }

    async fn delete(
        &self,
        request: Request<wire::DeleteRequest>,
    ) -> Result<Response<wire::DeleteResponse>, Status> {
        let request = request.into_inner();
        let at_unix_s = now_unix_s();
        let delete = |item: Item| Change::Delete {
            signature: item.signature,
            reporter: request.reporter.clone(),
            at_unix_s,
        };
        let changes = items(&request.signatures)?.into_iter().map(delete).collect();
        let committed = self.writes.commit(changes).await.map_err(status)?;
        let (epoch, deleted, unknown) = (committed.epoch, committed.deleted, committed.unknown);
        tracing::info!(epoch, deleted, unknown, "signatures deleted");
        Ok(Response::new(wire::DeleteResponse { epoch, deleted, unknown }))
    }

    async fn why(
        &self,
        request: Request<wire::WhyRequest>,
    ) -> Result<Response<wire::WhyResponse>, Status> {
        let signature = request.into_inner().signature;
        let signature =
            signature.ok_or_else(|| Status::invalid_argument("signature is missing"))?;
        let item = convert::item(&signature)?;
        let (epoch, found) = {
            let table = self.shared.table();
            (table.epoch(), table.find(&item, now_unix_s()))
        };
        let Some(found) = found else {
            return Ok(Response::new(wire::WhyResponse { epoch, ..Default::default() }));
        };
        let histories = self.writes.histories().clone();
        let look = move || histories.history(found.kind, &found.value_prefix);
        let looked = tokio::task::spawn_blocking(look).await;
        let looked = looked.map_err(|error| Status::internal(error.to_string()))?;
        let saved = looked.map_err(|error| Status::internal(format!("the log: {error}")))?;
        // Deleted between the two looks.
        let response = saved.map_or_else(
            || wire::WhyResponse { epoch, ..Default::default() },
            |saved| convert::why(found, saved, epoch),
        );
        Ok(Response::new(response))
    }

    async fn stats(
        &self,
        _request: Request<wire::StatsRequest>,
    ) -> Result<Response<wire::StatsResponse>, Status> {
        let table = self.shared.table();
        let metrics = &self.shared.metrics;
        let kinds = SignatureKind::ALL.into_iter().filter(|kind| table.count(*kind) > 0);
        let kinds = kinds.map(|kind| wire::KindCount {
            kind: kind.code().into(),
            signatures: table.count(kind),
        });
        Ok(Response::new(wire::StatsResponse {
            epoch: table.epoch(),
            kinds: kinds.collect(),
            table_bytes: table.memory_bytes() as u64,
            signatures_max: table.rules().signatures_max as u64,
            durable: self.writes.durable(),
            log_bytes: metrics.log_bytes(),
            warnings: self.shared.warnings(),
            questions: metrics.questions.get(),
            hits: metrics.hits(),
            challenges: metrics.challenges.get(),
            malformed: metrics.malformed.get(),
            limited: metrics.limited.get(),
            reporters_needed: table.rules().reporters_needed.into(),
        }))
    }
}

fn items(signatures: &[wire::Signature]) -> Result<Vec<Item>, Status> {
    if !(1..=SIGNATURES_PER_REQUEST_MAX).contains(&signatures.len()) {
        let message = format!("signatures: 1 to {SIGNATURES_PER_REQUEST_MAX} are taken at once");
        return Err(Status::invalid_argument(message));
    }
    signatures.iter().map(convert::item).collect()
}

fn now_unix_s() -> u32 {
    u32::try_from(clock::unix_seconds()).unwrap_or(u32::MAX)
}

/// Whose fault, and what next, in the words of gRPC.
fn status(error: WriteError) -> Status {
    let message = error.to_string();
    match error {
        WriteError::Refused(Refused::Full { .. } | Refused::TooManyReporters)
        | WriteError::Log(AppendError::Full(_)) => Status::resource_exhausted(message),
        WriteError::Refused(_) | WriteError::TooMany => Status::invalid_argument(message),
        WriteError::Log(AppendError::Broken(_)) | WriteError::Stopping => {
            Status::unavailable(message)
        }
    }
}
