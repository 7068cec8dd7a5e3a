//! A snapshot on its way to a peer: read in chunks, hashed, and never more in memory than a few of them. A peer that stops
//! taking them loses its connection, so that it holds neither its place nor the end of the service.

use std::io;
use std::time::Duration;

use tamis_proto::reputation as wire;
use tamis_runtime::shutdown::Shutdown;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::log::streams::entry;
use crate::log::streams::{CHUNK_BYTES_MAX, NoSnapshot, Snapshots};

/// Chunks that wait for the peer to take them, beside the one being read.
const CHUNKS_WAITING_MAX: usize = 2;

/// For the peer to take one chunk: 256 KiB in 30 s are 70 kbit/s. The peer waits 60 s for one.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// What is sent.
pub(super) type Chunks = ReceiverStream<Result<wire::SnapshotChunk, Status>>;

type Waiting = mpsc::Sender<Result<wire::SnapshotChunk, Status>>;

/// Sends a snapshot that reaches the place asked for; `cut` ends the peer's connection.
pub(super) async fn send(
    snapshots: &Snapshots,
    request: &wire::SnapshotRequest,
    cut: Option<Shutdown>,
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
    let end = wire::SnapshotChunk {
        epoch: snapshot.epoch(),
        position: snapshot.position().map(entry::text).unwrap_or_default(),
        ..Default::default()
    };
    let (chunks, sent) = mpsc::channel(CHUNKS_WAITING_MAX);
    let read = move |data: &mut [u8], at| snapshot.read_at(data, at);
    tokio::spawn(async move {
        let is_taken = sending(read, end, &chunks, TAKEN_WITHIN).await;
        drop(place);
        if let (false, Some(cut)) = (is_taken, cut) {
            tracing::warn!("a peer takes no more of a snapshot: its connection is ended");
            cut.request();
        }
    });
    Ok(ReceiverStream::new(sent))
}

/// Sends all that `read` gives, then the end. `false`: the peer did not take a chunk within the time.
async fn sending(
    read: impl Fn(&mut [u8], u64) -> io::Result<usize> + Clone + Send + 'static,
    end: wire::SnapshotChunk,
    chunks: &Waiting,
    within: Duration,
) -> bool {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = 0;
    loop {
        let read = read.clone();
        let chunk = tokio::task::spawn_blocking(move || {
            let mut data = vec![0; CHUNK_BYTES_MAX];
            let length = read(&mut data, bytes)?;
            data.truncate(length);
            Ok(data)
        });
        let data = match chunk.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(data) => data,
            Err(error) => {
                let why = Status::unavailable(format!("the snapshot cannot be read: {error}"));
                return taken(chunks, Err(why), within).await.unwrap_or(true);
            }
        };
        if data.is_empty() {
            break;
        }
        hasher.update(&data);
        bytes += data.len() as u64;
        let chunk = wire::SnapshotChunk { data, ..Default::default() };
        if let Some(ended) = taken(chunks, Ok(chunk), within).await {
            return ended;
        }
    }
    let end = wire::SnapshotChunk { blake3: hasher.finalize().as_bytes().to_vec(), bytes, ..end };
    taken(chunks, Ok(end), within).await.unwrap_or(true)
}

/// Waits until there is room for one chunk; how it ends, if it ends here: a peer that went away needs no more, one that
/// stopped gets no more.
async fn taken(
    chunks: &Waiting,
    chunk: Result<wire::SnapshotChunk, Status>,
    within: Duration,
) -> Option<bool> {
    match timeout(within, chunks.send(chunk)).await {
        Ok(Ok(())) => None,
        Ok(Err(_)) => Some(true),
        Err(_) => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many bytes of which each is its place.
    fn file(bytes: u64) -> impl Fn(&mut [u8], u64) -> io::Result<usize> + Clone + Send {
        move |data: &mut [u8], at: u64| {
            let length = (bytes - at.min(bytes)).min(data.len() as u64) as usize;
            data[..length].iter_mut().zip(at..).for_each(|(byte, at)| *byte = at as u8);
            Ok(length)
        }
    }

    #[tokio::test]
    async fn a_reader_that_stops_is_left_after_the_time_for_one_chunk_however_long_the_file_is() {
        let (chunks, mut sent) = mpsc::channel(CHUNKS_WAITING_MAX);
        let within = Duration::from_millis(20);
        let end = wire::SnapshotChunk::default();
        assert!(!sending(file(u64::MAX), end, &chunks, within).await);
        drop(chunks);
        let mut waiting = 0;
        while let Some(chunk) = sent.recv().await {
            assert_eq!(chunk.unwrap().data.len(), CHUNK_BYTES_MAX);
            waiting += 1;
        }
        assert_eq!(waiting, CHUNKS_WAITING_MAX, "no end that would look like a whole snapshot");
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_ends_it_and_one_that_reads_gets_all_and_the_end() {
        let (chunks, sent) = mpsc::channel(CHUNKS_WAITING_MAX);
        drop(sent);
        let patience = Duration::from_secs(60);
        assert!(sending(file(u64::MAX), wire::SnapshotChunk::default(), &chunks, patience).await);

        let (chunks, mut sent) = mpsc::channel(CHUNKS_WAITING_MAX);
        let bytes = 3 * CHUNK_BYTES_MAX as u64 + 1;
        let sender = tokio::spawn(async move {
            let end = wire::SnapshotChunk { epoch: 7, ..Default::default() };
            sending(file(bytes), end, &chunks, patience).await
        });
        let (mut hasher, mut end) = (blake3::Hasher::new(), None);
        while let Some(chunk) = sent.recv().await {
            let chunk = chunk.unwrap();
            hasher.update(&chunk.data);
            end = Some(chunk);
        }
        let end = end.unwrap();
        assert!(sender.await.unwrap() && end.data.is_empty());
        assert_eq!((end.bytes, end.epoch), (bytes, 7));
        assert_eq!(end.blake3, hasher.finalize().as_bytes());
    }

    #[tokio::test]
    async fn a_disk_that_fails_is_told_in_the_place_of_an_end() {
        let (chunks, mut sent) = mpsc::channel(CHUNKS_WAITING_MAX);
        let broken = |_: &mut [u8], _| Err(io::Error::other("worn out"));
        let patience = Duration::from_secs(60);
        assert!(sending(broken, wire::SnapshotChunk::default(), &chunks, patience).await);
        let status = sent.recv().await.unwrap().unwrap_err();
        assert!(status.message().contains("worn out"), "{status}");
    }
}
