//! The doors: sockets in, mails out. One file per door; the protocols live in `tamis-mail-protocols`.

pub mod lmtp;
pub mod milter;
pub mod proxy;
pub mod smtp;

use std::sync::Arc;
use std::time::Duration;

use tamis_domain::envelope::Door;
use tamis_mail_protocols::smtp::reply::Reply;
use tamis_runtime::listen::{Listener, Peer, Stream};
use tamis_runtime::shutdown::{Drain, Hold, Shutdown};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::edge::Edge;
use crate::metrics::DoorLabel;

/// How long a peer may take to take what we say. What we say is short: it fits a socket's buffer unless the peer is gone.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection past the limit may take to hear that. It is said in the accept loop, so that a flood makes no tasks; a
/// fresh socket takes a line without waiting.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_millis(100);
/// Bytes read from a peer at once.
pub const READ_BYTES: usize = 16 * 1024;

/// Descriptors that are no connection's: doors, administration, scanners, what the runtime has open.
const DESCRIPTORS_KEPT: usize = 64;
/// Descriptors that one connection may come to need: its own, its mail's spool file, the next hop's.
const DESCRIPTORS_EACH: usize = 3;

/// Connections of all doors together, so that those let in find the descriptors that their mails need, and the others hear
/// at once that there is no room. Without a bound of the system, that of each door alone counts.
#[must_use]
pub fn connections_within(descriptors: Option<usize>) -> usize {
    let most = Semaphore::MAX_PERMITS;
    descriptors.map_or(most, |allowed| {
        (allowed.saturating_sub(DESCRIPTORS_KEPT) / DESCRIPTORS_EACH).clamp(1, most)
    })
}

/// The end, in two steps.
#[derive(Clone, Debug)]
pub struct Ending {
    /// No new work; what is in hand is finished.
    pub draining: Shutdown,
    /// What is in hand is answered 421 and stays with the previous hop.
    pub closing: Shutdown,
    /// Counts connections with a mail in hand.
    pub drain: Drain,
}

/// Accepts connections until the end begins, then waits for those that are open.
pub async fn serve(edge: Arc<Edge>, listener: Listener, door: Door, ending: Ending) {
    let places = Arc::new(Semaphore::new(edge.config.typed.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            pair = listener.accept() => pair,
            () = ending.draining.requested() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let place = places.clone().try_acquire_owned().ok().zip(edge.connection());
        let Some(place) = place else {
            edge.metrics.turn_away(door.word(), "connections");
            turn_away(stream, door).await;
            continue;
        };
        let (edge, ending) = (edge.clone(), ending.clone());
        connections.spawn(async move {
            let label = DoorLabel { door: door.word() };
            let gauge = edge.metrics.connections.get_or_create_owned(&label);
            gauge.inc();
            let hold = ending.drain.hold();
            one(edge, stream, peer, door, ending, hold).await;
            gauge.dec();
            drop(place);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn one(edge: Arc<Edge>, stream: Stream, peer: Peer, door: Door, ending: Ending, hold: Hold) {
    match door {
        Door::Milter => milter::serve(edge, stream, ending).await,
        Door::Smtp => smtp::serve(edge, stream, peer, ending).await,
        Door::Lmtp => lmtp::serve(edge, stream, peer, ending).await,
        Door::File => {}
    }
    drop(hold);
}

/// Says that there is no room. A milter has no word for it: closed at once, the MTA applies its default action, which is
/// to try again later unless somebody chose otherwise.
async fn turn_away(mut stream: Stream, door: Door) {
    if door != Door::Milter {
        let words = Reply::new(421, "4.3.2 too many connections, try again later").to_bytes();
        let _ = tokio::time::timeout(TURN_AWAY_TIMEOUT, stream.write_all(&words)).await;
    }
    let _ = stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_its_descriptors_and_the_last_that_would_not_is_turned_away() {
        assert_eq!(connections_within(Some(64 + 30)), 10);
        assert_eq!(connections_within(Some(64 + 32)), 10, "two are too few for one more");
        assert_eq!(connections_within(Some(64 + 33)), 11);
        assert_eq!(connections_within(Some(3)), 1, "never none");
        assert_eq!(connections_within(None), Semaphore::MAX_PERMITS);
    }
}
