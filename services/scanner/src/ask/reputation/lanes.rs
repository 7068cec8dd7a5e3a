//! A connected UDP socket for each server, and the way of each datagram to the question that waits for it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tamis_reputation_protocol::packet::{DATAGRAM_BYTES_MAX, Reply};
use tamis_runtime::clock;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::pool::Pool;

#[cfg(test)]
mod tests;

/// How often host names are resolved again. A new pod is found within this time.
const DISCOVERY_PERIOD: Duration = Duration::from_secs(5);

/// Time between two discoveries, however many lanes go stale: a server that is really gone must not cost a storm of name
/// queries and sockets.
const DISCOVERY_GAP_MIN: Duration = Duration::from_millis(500);

/// Silences in a row after which a server gets a fresh socket: a stale NAT or conntrack entry keeps to a source port.
const SILENCES_MAX: u32 = 8;

/// What came over a lane.
#[derive(Debug)]
pub(super) enum Came {
    /// Bytes.
    Datagram {
        /// From this server.
        from: SocketAddr,
        /// These.
        bytes: Vec<u8>,
    },
    /// Nobody listens there.
    Refused(SocketAddr),
}

/// All lanes, and who waits for what.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Mutex<HashMap<SocketAddr, Lane>>,
    waiting: Mutex<HashMap<u64, mpsc::Sender<Came>>>,
    /// A lane went stale.
    wake: Arc<Notify>,
}

#[derive(Debug)]
struct Lane {
    socket: Arc<UdpSocket>,
    silences: AtomicU32,
    is_stale: AtomicBool,
    reader: JoinHandle<()>,
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Lanes {
    /// From now on datagrams with this number go to `sender`.
    pub(super) fn expect(&self, id: u64, sender: mpsc::Sender<Came>) {
        self.waiting().insert(id, sender);
    }

    /// Nobody waits for this number any more.
    pub(super) fn forget(&self, id: u64) {
        self.waiting().remove(&id);
    }

    /// Sends without waiting; `false` when the lane is not there or refuses. A full send buffer counts as sent: it is
    /// the same as a datagram lost on the way.
    pub(super) fn send(&self, server: SocketAddr, datagram: &[u8]) -> bool {
        let lanes = self.lanes();
        let Some(lane) = lanes.get(&server) else { return false };
        match lane.socket.try_send(datagram) {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }

    pub(super) fn is_alive(&self, server: SocketAddr) {
        if let Some(lane) = self.lanes().get(&server) {
            lane.silences.store(0, Ordering::Relaxed);
            lane.is_stale.store(false, Ordering::Relaxed);
        }
    }

    /// Counts a silence; after some in a row the lane is stale, and discovery, woken, puts a new one in its place. Until
    /// then it serves: mails examined at the same time are silent together, which says little about the lane.
    pub(super) fn is_silent(&self, server: SocketAddr) {
        let lanes = self.lanes();
        let Some(lane) = lanes.get(&server) else { return };
        let silences = lane.silences.fetch_add(1, Ordering::Relaxed) + 1;
        if silences >= SILENCES_MAX && !lane.is_stale.swap(true, Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }

    /// Whether there is a lane that need not be replaced.
    fn has_fresh(&self, server: SocketAddr) -> bool {
        self.lanes().get(&server).is_some_and(|lane| !lane.is_stale.load(Ordering::Relaxed))
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<SocketAddr, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, mpsc::Sender<Came>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, from: SocketAddr, bytes: &[u8]) {
        let waiting = Reply::id_of(bytes).and_then(|id| self.waiting().get(&id).cloned());
        if let Some(question) = waiting {
            let _ = question.try_send(Came::Datagram { from, bytes: bytes.to_vec() });
        }
    }

    /// Tells everybody who waits; those who did not ask this server do not care.
    fn refused(&self, server: SocketAddr) {
        let waiting: Vec<_> = self.waiting().values().cloned().collect();
        for question in waiting {
            let _ = question.try_send(Came::Refused(server));
        }
    }
}

/// Resolves the names again and again, and opens and closes lanes accordingly, until the service is gone.
pub(super) async fn discover(shared: Weak<Pool>, names: Vec<String>) {
    let mut known = vec![Vec::new(); names.len()];
    loop {
        let found = resolve(&names, &mut known).await;
        let Some(strong) = shared.upgrade() else { return };
        strong.mind().cookies.retain(|address| found.contains(address));
        strong.mind().seal.retain(|address| found.contains(address));
        strong.lanes.lanes().retain(|address, _| found.contains(address));
        for address in &found {
            open(&strong, *address).await;
        }
        // Only now: a server chosen before its lane is open would seem to refuse, and rest.
        strong.mind().selector.update(&found, clock::now());
        let wake = Arc::clone(&strong.lanes.wake);
        drop(strong);
        tokio::time::sleep(DISCOVERY_GAP_MIN).await;
        let _ = tokio::time::timeout(DISCOVERY_PERIOD - DISCOVERY_GAP_MIN, wake.notified()).await;
    }
}

/// All addresses, each once. A name that cannot be resolved now may be a fault of DNS: what was `known` of it stays, and
/// the other names go on.
async fn resolve(names: &[String], known: &mut [Vec<SocketAddr>]) -> Vec<SocketAddr> {
    for (name, known) in names.iter().zip(&mut *known) {
        match tokio::net::lookup_host(name).await {
            Ok(addresses) => *known = addresses.collect(),
            Err(error) => tracing::debug!(name, %error, "reputation server cannot be resolved"),
        }
    }
    let mut found = known.concat();
    found.sort_unstable();
    found.dedup();
    found
}

/// Opens a lane unless there is a fresh one; a stale one is replaced.
async fn open(shared: &Arc<Pool>, server: SocketAddr) {
    if shared.lanes.has_fresh(server) {
        return;
    }
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let opened = async {
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        // Until the runtime has seen that a new socket is writable, `try_send` would lose what it is given.
        socket.writable().await?;
        Ok::<_, std::io::Error>(Arc::new(socket))
    };
    match opened.await {
        Ok(socket) => {
            let reader = tokio::spawn(read(Arc::downgrade(shared), Arc::clone(&socket), server));
            let (silences, is_stale) = (AtomicU32::new(0), AtomicBool::new(false));
            let lane = Lane { socket, silences, is_stale, reader };
            shared.lanes.lanes().insert(server, lane);
        }
        Err(error) => tracing::warn!(%server, %error, "no socket for a reputation server"),
    }
}

async fn read(shared: Weak<Pool>, socket: Arc<UdpSocket>, server: SocketAddr) {
    let mut buffer = [0; DATAGRAM_BYTES_MAX + 1];
    loop {
        let received = socket.recv(&mut buffer).await;
        let Some(shared) = shared.upgrade() else { return };
        match received {
            Ok(length) => shared.lanes.hand_over(server, &buffer[..length]),
            Err(_) => shared.lanes.refused(server),
        }
    }
}
