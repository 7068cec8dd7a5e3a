//! gRPC administration: requests in, changes to the writer, the table read for `Why` and `Stats`.

mod caller;
pub(crate) mod connection;
pub mod convert;
mod snapshot;

use std::sync::Arc;

use tamis_domain::digest::SignatureKind;
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_server::{Reputation, ReputationServer};
use tamis_reputation_protocol::known::Known;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{Authority, Change, Found, Refused, Table};
use tamis_runtime::clock;
use tonic::{Request, Response, Status};

use crate::feed::Origin;
use crate::log::AppendError;
use crate::log::streams::Snapshots;
use crate::reporters::Reporters;
use crate::shared::Shared;
use crate::sightings::Watch;
use crate::writes::{WriteError, Writes};

/// Signatures in one request.
pub const SIGNATURES_PER_REQUEST_MAX: usize = 1_000;

/// Bytes of one request: a thousand texts have 100 KB.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// The door for administration.
#[derive(Debug)]
pub struct Admin {
    /// Table and metrics.
    pub shared: Arc<Shared>,
    /// The way to the writer.
    pub writes: Writes,
    /// Who may write; none: callers on this machine.
    pub reporters: Option<Arc<Reporters>>,
    /// What peers may fetch, where the order is shared.
    pub snapshots: Option<Snapshots>,
    /// Where sightings are counted, if they are.
    pub watch: Option<Watch>,
    /// Whether connections from elsewhere show a certificate of our authority.
    pub has_tls: bool,
    /// Names of which a peer's certificate must bear one.
    pub peer_names: Vec<String>,
}

/// The service to add to a gRPC server.
#[must_use]
pub fn service(admin: Admin) -> ReputationServer<Admin> {
    ReputationServer::new(admin).max_decoding_message_size(REQUEST_BYTES_MAX)
}

#[tonic::async_trait]
impl Reputation for Admin {
    type SnapshotStream = snapshot::Chunks;

    async fn add(
        &self,
        request: Request<wire::AddRequest>,
    ) -> Result<Response<wire::AddResponse>, Status> {
        let caller = self.caller(&request, &request.get_ref().reporter)?;
        let request = request.into_inner();
        let class = convert::class(request.class)?;
        let weight = convert::weight(request.weight)?;
        let at_unix_s = now_unix_s();
        let add = |item: Item| Change::Add {
            signature: item.signature,
            sketch: item.sketch,
            class,
            weight,
            reporter: caller.name.clone(),
            authority: caller.authority,
            at_unix_s,
        };
        let changes = convert::items(&request.signatures)?.into_iter().map(add).collect();
        let committed = self.writes.commit(changes).await.map_err(status)?;
        let (epoch, added, confirmed) = (committed.epoch, committed.added, committed.confirmed);
        let (reporter, class) = (&caller.name, class.word());
        tracing::info!(epoch, added, confirmed, class, reporter, "signatures reported");
        Ok(Response::new(wire::AddResponse { epoch, added, confirmed }))
    }

    async fn retract(
        &self,
        request: Request<wire::RetractRequest>,
    ) -> Result<Response<wire::RetractResponse>, Status> {
        let caller = self.caller(&request, &request.get_ref().reporter)?;
        let at_unix_s = now_unix_s();
        let retract = |item: Item| Change::Retract {
            signature: item.signature,
            reporter: caller.name.clone(),
            at_unix_s,
        };
        let changes =
            convert::items(&request.get_ref().signatures)?.into_iter().map(retract).collect();
        let committed = self.writes.commit(changes).await.map_err(status)?;
        let (epoch, retracted, unknown) = (committed.epoch, committed.deleted, committed.unknown);
        tracing::info!(epoch, retracted, unknown, reporter = caller.name, "reports taken back");
        Ok(Response::new(wire::RetractResponse { epoch, retracted, unknown }))
    }

    async fn delete(
        &self,
        request: Request<wire::DeleteRequest>,
    ) -> Result<Response<wire::DeleteResponse>, Status> {
        let caller = self.caller(&request, &request.get_ref().reporter)?;
        if caller.authority != Authority::Operator {
            return Err(Status::permission_denied(format!(
                "{} is a reporter: only operators delete what others reported; retract takes back one's own reports",
                caller.name
            )));
        }
        let at_unix_s = now_unix_s();
        let delete = |item: Item| Change::Delete {
            signature: item.signature,
            reporter: caller.name.clone(),
            at_unix_s,
        };
        let changes =
            convert::items(&request.get_ref().signatures)?.into_iter().map(delete).collect();
        let committed = self.writes.commit(changes).await.map_err(status)?;
        let (epoch, deleted, unknown) = (committed.epoch, committed.deleted, committed.unknown);
        tracing::info!(epoch, deleted, unknown, reporter = caller.name, "signatures deleted");
        Ok(Response::new(wire::DeleteResponse { epoch, deleted, unknown }))
    }

    async fn why(
        &self,
        request: Request<wire::WhyRequest>,
    ) -> Result<Response<wire::WhyResponse>, Status> {
        // It names reporters: asked by those who may write, and others than operators read their own name alone.
        let caller = self.caller(&request, "")?;
        let signature = request.into_inner().signature;
        let signature =
            signature.ok_or_else(|| Status::invalid_argument("signature is missing"))?;
        let item = convert::item(&signature)?;
        let seen = self.watch.as_ref().and_then(|watch| watch.seen(&item));
        let seen = |response| wire::WhyResponse {
            copies_seen: seen.map_or(0, |seen| seen.copies.into()),
            clients_seen: seen.map_or(0, |seen| seen.clients.into()),
            ..response
        };
        let (epoch, found) = {
            let table = self.shared.table();
            let found = self.found(&table, &item);
            let base = found.as_ref().and_then(|(_, origin)| origin.as_ref());
            let base = base.and_then(|_| self.shared.base().as_ref().map(Table::epoch));
            (base.unwrap_or_else(|| table.epoch()), found)
        };
        let Some((found, origin)) = found else {
            let rules = *self.shared.table().rules();
            if !rules.holds(&item.signature) {
                let range = rules.shard.unwrap_or_default();
                let message = format!(
                    "this node holds {range}: ask one of the shard that holds this signature"
                );
                return Err(Status::failed_precondition(message));
            }
            let nothing = wire::WhyResponse { epoch, ..Default::default() };
            return Ok(Response::new(seen(nothing)));
        };
        let (histories, from) = (self.writes.histories().clone(), origin.clone());
        let look = move || match from {
            None => histories.history(found.kind, &found.value_prefix),
            Some(origin) => origin.history(found.kind, &found.value_prefix),
        };
        let looked = tokio::task::spawn_blocking(look).await;
        let looked = looked.map_err(|error| Status::internal(error.to_string()))?;
        let saved = looked.map_err(|error| Status::internal(format!("the log: {error}")))?;
        // Deleted between the two looks.
        let response = saved.map_or_else(
            || wire::WhyResponse { epoch, ..Default::default() },
            |saved| convert::why(found, saved, epoch, &caller),
        );
        let response = wire::WhyResponse {
            base_generation: origin.as_ref().map_or(0, |origin| origin.generation),
            base_channel: origin.map(|origin| origin.channel.clone()).unwrap_or_default(),
            ..response
        };
        Ok(Response::new(seen(response)))
    }

    async fn stats(
        &self,
        request: Request<wire::StatsRequest>,
    ) -> Result<Response<wire::StatsResponse>, Status> {
        let warnings = self.warnings_for(&request);
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
            warnings,
            questions: metrics.questions.get(),
            hits: metrics.hits(),
            challenges: metrics.challenges.get(),
            malformed: metrics.malformed.get(),
            limited: metrics.limited.get(),
            reporters_needed: table.rules().reporters_needed.into(),
            order: self.shared.standing().map(|standing| wire::Order {
                node: standing.node,
                connected: standing.connected,
                position: standing.position,
                lag_changes: standing.lag_changes,
                lag_seconds: standing.lag_seconds,
                resyncs: standing.resyncs,
                nodes: standing.nodes,
                stale: self.shared.is_stale(),
            }),
            base: self.base(),
        }))
    }

    async fn snapshot(
        &self,
        request: Request<wire::SnapshotRequest>,
    ) -> Result<Response<snapshot::Chunks>, Status> {
        self.peer_only(&request)?;
        let snapshots = self.snapshots.as_ref();
        let snapshots = snapshots.ok_or_else(|| {
            Status::failed_precondition("this node has an order of its own: it gives no snapshots")
        })?;
        let cut = caller::connection(&request).map(|caller| caller.cut.clone());
        snapshot::send(snapshots, request.get_ref(), cut).await.map(Response::new)
    }
}

impl Admin {
    /// Which signature answers, and where it came from if that is not here.
    fn found(&self, table: &Table, item: &Item) -> Option<(Found, Option<Arc<Origin>>)> {
        let now_unix_s = now_unix_s();
        let base = self.shared.base();
        let known = Known { base: base.as_ref(), ..Known::table(table) };
        let answered = known.ask(item, now_unix_s)?;
        let own = table.find(item, now_unix_s).filter(|own| own.listing == answered);
        if let Some(own) = own {
            return Some((own, None));
        }
        let other = base.as_ref()?.find(item, now_unix_s)?;
        Some((other, self.shared.base_origin()))
    }

    fn base(&self) -> Option<wire::Base> {
        let origin = self.shared.base_origin()?;
        let base = self.shared.base();
        let table = base.as_ref()?;
        Some(wire::Base {
            generation: origin.generation,
            channel: origin.channel.clone(),
            epoch: table.epoch(),
            signatures: table.len() as u64,
            table_bytes: table.memory_bytes() as u64,
        })
    }
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
        // Of this code alone a caller has to expect that the change was made.
        WriteError::Unknown(_) | WriteError::Unconfirmed(_) => Status::deadline_exceeded(message),
        WriteError::Log(AppendError::Broken(_)) | WriteError::CutOff(_) | WriteError::Stopping => {
            Status::unavailable(message)
        }
    }
}
