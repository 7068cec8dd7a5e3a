//! The table of a peer, fetched as its snapshot file, checked, and laid ready to be taken.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tamis_runtime::tls::Tls;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::transport::Endpoint;

use super::entry;
use crate::log::Position;

/// Bytes of one chunk on the wire.
pub const CHUNK_BYTES_MAX: usize = 256 * 1024;

/// Bytes of a whole snapshot: 50 million texts with some reports each have 15 GB.
pub const SNAPSHOT_BYTES_MAX: u64 = 256 << 30;

/// Longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Longest wait for a chunk; the first one waits for the peer to write its snapshot.
const CHUNK_WITHIN: Duration = Duration::from_secs(60);

/// Chunks between the network and the disk.
const CHUNKS_WAITING_MAX: usize = 4;

/// Fetches a snapshot that reaches `at_least`; it lies at `path` then, whole and checked. What is not whole is removed.
pub(super) async fn fetch(
    peer: &str,
    tls: Option<&Tls>,
    service: &str,
    at_least: Position,
    path: &Path,
) -> Result<(), String> {
    let fetched = fetch_to(peer, tls, service, at_least, path).await;
    if fetched.is_err() {
        let _ = std::fs::remove_file(path);
    }
    fetched
}

async fn fetch_to(
    peer: &str,
    tls: Option<&Tls>,
    service: &str,
    at_least: Position,
    path: &Path,
) -> Result<(), String> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{peer}"))
        .map_err(|error| error.to_string())?
        .connect_timeout(CONNECT_WITHIN);
    if let Some(tls) = tls {
        endpoint = endpoint.tls_config(tls.client()).map_err(|error| error.to_string())?;
    }
    // The endpoint's own limit ends before the handshake of TLS: a frozen peer would be waited for without end.
    let channel = match timeout(CHUNK_WITHIN, endpoint.connect()).await {
        Ok(connected) => connected.map_err(|error| format!("cannot connect: {error}"))?,
        Err(_) => return Err("it does not shake hands".to_owned()),
    };
    let mut client = ReputationClient::new(channel);
    let request =
        wire::SnapshotRequest { service: service.to_owned(), at_least: entry::text(at_least) };
    let opened = timeout(CHUNK_WITHIN, client.snapshot(request)).await;
    let mut stream = match opened {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return Err(status.message().to_owned()),
        Err(_) => return Err("it does not answer".to_owned()),
    };
    let (chunks, received) = mpsc::channel(CHUNKS_WAITING_MAX);
    let file = path.to_path_buf();
    let writing = tokio::task::spawn_blocking(move || write(&file, received));
    let mut bytes = 0;
    let end = loop {
        let chunk = match timeout(CHUNK_WITHIN, stream.message()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Err("it ended before its last chunk".to_owned()),
            Ok(Err(status)) => return Err(status.message().to_owned()),
            Err(_) => return Err("a chunk did not come in time".to_owned()),
        };
        if chunk.data.is_empty() {
            break chunk;
        }
        bytes += chunk.data.len() as u64;
        if chunk.data.len() > CHUNK_BYTES_MAX || bytes > SNAPSHOT_BYTES_MAX {
            return Err("it is larger than any snapshot".to_owned());
        }
        if chunks.send(chunk.data).await.is_err() {
            // The disk refused; what it said comes below.
            break chunk_of_nothing();
        }
    };
    drop(chunks);
    let written = writing.await.map_err(|error| error.to_string())?;
    let hash = written.map_err(|error| format!("{}: {error}", path.display()))?;
    if end.bytes != bytes || end.blake3 != hash.as_bytes() {
        return Err("its checksum does not fit".to_owned());
    }
    if entry::position(&end.position).is_none_or(|position| position < at_least) {
        return Err(format!("it reaches only {}", end.position));
    }
    Ok(())
}

fn chunk_of_nothing() -> wire::SnapshotChunk {
    wire::SnapshotChunk::default()
}

fn write(path: &PathBuf, mut received: mpsc::Receiver<Vec<u8>>) -> std::io::Result<blake3::Hash> {
    let mut file = File::create(path)?;
    let mut hasher = blake3::Hasher::new();
    while let Some(chunk) = received.blocking_recv() {
        hasher.update(&chunk);
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    Ok(hasher.finalize())
}
