//! A snapshot on its way to a peer: read in chunks, hashed, and never more in memory than a few of them.

use std::sync::Arc;

use tamis_proto::reputation as wire;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::log::snapshot::Snapshot;
use crate::log::streams::entry;
use crate::log::streams::{CHUNK_BYTES_MAX, NoSnapshot, Snapshots};

/// Chunks that wait for the peer to take them.
const CHUNKS_WAITING_MAX: usize = 4;

/// What is sent.
pub(super) type Chunks = ReceiverStream<Result<wire::SnapshotChunk, Status>>;

pub(super) async fn send(
    snapshots: &Snapshots,
    request: &wire::SnapshotRequest,
) -> Result<Chunks, Status> {
    let at_least = entry::position(&request.at_least)
        .ok_or_else(|| Status::invalid_argument("at_least: write milliseconds-sequence"))?;
    let found = snapshots.reaching(&request.service, at_least).await;
    let (snapshot, place) = found.map_err(|error| {
        let message = error.to_string();
        match error {
            NoSnapshot::OtherService(_) => Status::invalid_argument(message),
            NoSnapshot::NotHere(_) => Status::unavailable(message),
            NoSnapshot::TooMany => Status::resource_exhausted(message),
        }
    })?;
    let (chunks, sent) = mpsc::channel(CHUNKS_WAITING_MAX);
    tokio::task::spawn_blocking(move || read(&snapshot, &chunks, place));
    Ok(ReceiverStream::new(sent))
}

fn read(
    snapshot: &Arc<Snapshot>,
    chunks: &mpsc::Sender<Result<wire::SnapshotChunk, Status>>,
    _place: OwnedSemaphorePermit,
) {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = 0;
    loop {
        let mut data = vec![0; CHUNK_BYTES_MAX];
        let chunk = match snapshot.read_at(&mut data, bytes) {
            Ok(0) => break,
            Ok(length) => {
                data.truncate(length);
                hasher.update(&data);
                bytes += length as u64;
                Ok(wire::SnapshotChunk { data, ..Default::default() })
            }
            Err(error) => Err(Status::unavailable(format!("the snapshot cannot be read: {error}"))),
        };
        let has_failed = chunk.is_err();
        // A peer that went away needs no more.
        if chunks.blocking_send(chunk).is_err() || has_failed {
            return;
        }
    }
    let end = wire::SnapshotChunk {
        data: Vec::new(),
        blake3: hasher.finalize().as_bytes().to_vec(),
        bytes,
        epoch: snapshot.epoch(),
        position: snapshot.position().map(entry::text).unwrap_or_default(),
    };
    let _ = chunks.blocking_send(Ok(end));
}
