//! The UDP loop: one plain thread for each socket. It sleeps until there are questions, takes all that wait up to a
//! batch in one call of the system, judges them against one look at the table, and gives all answers back in one call.
//! It never waits for anything but its socket.

mod batch;
mod shed;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tamis_reputation_protocol::answering::{Answering, Limits};
use tamis_reputation_protocol::seal;
use tamis_runtime::clock;

use self::batch::{Batch, Taken};
use self::shed::Dropped;
use crate::alarm::Alarm;
use crate::shared::Shared;
use crate::sightings::Watch;

pub use self::batch::BATCH_MAX;

/// Kernel buffer asked for: about 20 ms of questions at full speed, since a client turns to another server after 25 ms
/// and what waits longer is answered for nobody. The system doubles it for its own book-keeping, where one small datagram
/// counts some 800 bytes: room for 7,500. What does not fit is dropped by the system and counted as `shed`. So the buffer
/// itself bounds the age of a question.
pub const RECEIVE_BUFFER_BYTES: usize = 3 * 1024 * 1024;

/// Longest sleep of a loop that nobody asks: so late it notices that it shall end. Ten times a second costs nothing.
pub const WAKE_AFTER: Duration = Duration::from_millis(100);

/// Errors in a row before a loop rests: one is somebody's ICMP message, many are a socket that gives nothing else.
const ERRORS_MAX: u32 = 16;

/// Rest of a socket that gives nothing but errors (its interface is gone): trying on would only burn the processor.
const PAUSE: Duration = Duration::from_millis(10);

/// Opens `count` sockets on one UDP address; with port 0 the system chooses one for all.
///
/// # Errors
/// The system's: the port is taken, or the address is not of this machine.
pub fn bind(address: SocketAddr, count: u16) -> io::Result<Vec<UdpSocket>> {
    let mut address = address;
    let mut sockets = Vec::new();
    for _ in 0..count.max(1) {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        // Alone it must not share: a second process on the port would take half of the questions.
        socket.set_reuse_port(count > 1)?;
        // With the right to administer the network the size is granted whatever the system's limit; without it the
        // system may grant less, and a burst costs answers sooner.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES).is_err() {
            let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        }
        socket.set_read_timeout(Some(WAKE_AFTER))?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(sockets)
}

/// How the loops answer.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Makes the proofs of address; random.
    pub secret: [u8; 32],
    /// Rates of one source.
    pub limits: Limits,
    /// Keys of clients that may seal their questions.
    pub sealing: Option<(Arc<seal::Keys>, seal::Settings)>,
    /// Where answered questions are counted.
    pub watch: Option<Watch>,
}

/// The loops of one service. Dropped, they end by themselves within [`WAKE_AFTER`].
#[derive(Debug)]
pub struct Loops {
    is_ending: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Loops {
    /// Starts a loop for each socket. All of them hand out and take the same proofs of address; the sessions of sealed
    /// questions belong to one loop, since the system gives all datagrams of a client's socket to the same.
    ///
    /// # Errors
    /// The system gives no thread or no random numbers. Loops already started end.
    pub fn start(
        sockets: Vec<UdpSocket>,
        settings: &Settings,
        shared: &Arc<Shared>,
    ) -> io::Result<Self> {
        let mut loops = Self { is_ending: Arc::default(), threads: Vec::new() };
        let dropped = sockets.iter().filter_map(Dropped::of).collect();
        let (watched, is_ending) = (Arc::clone(shared), Arc::clone(&loops.is_ending));
        loops.spawn(shared, "dropped", move || shed::watch(dropped, &watched, &is_ending))?;
        let now = clock::now();
        for socket in sockets {
            let answering = answering(settings, now)?;
            let counter = settings.watch.as_ref().map(Watch::counter);
            let (asked, is_ending) = (Arc::clone(shared), Arc::clone(&loops.is_ending));
            loops.spawn(shared, "answers", move || {
                answer(&socket, Batch::new(answering, counter), &asked, &is_ending);
            })?;
        }
        Ok(loops)
    }

    fn spawn(
        &mut self,
        shared: &Arc<Shared>,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let alarm = Alarm::new(shared, "a thread that answers questions");
        let run = move || {
            let _alarm = alarm;
            run();
        };
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(())
    }

    /// Ends the loops and waits for that: [`WAKE_AFTER`] at most. Blocks the caller's thread.
    pub fn end(mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("an answering thread had died");
            }
        }
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
        self.threads.iter().for_each(|thread| thread.thread().unpark());
    }
}

fn answering(settings: &Settings, now: Instant) -> io::Result<Answering> {
    let answering = Answering::new(settings.secret, settings.limits, now);
    let Some((keys, sealing)) = &settings.sealing else { return Ok(answering) };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(answering.sealed(seal::Server::new(Arc::clone(keys), *sealing, seed, now)))
}

/// Answers on one socket until `is_ending`.
fn answer(socket: &UdpSocket, mut batch: Batch, shared: &Shared, is_ending: &AtomicBool) {
    let mut errors = 0;
    while !is_ending.load(Ordering::Relaxed) {
        match batch.take(socket, shared) {
            Ok(Taken::Some) => errors = 0,
            Ok(Taken::Nothing) => {}
            // An ICMP error of an earlier answer: the asker went away. Not ours to mend.
            Err(_) if errors < ERRORS_MAX => errors += 1,
            Err(error) => {
                tracing::warn!("the UDP socket gives nothing but errors; waits: {error}");
                thread::sleep(PAUSE);
                errors = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tamis_reputation_protocol::signatures::{Rules, Table};

    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn an_answering_thread_that_dies_makes_the_node_unfit_while_the_others_go_on() {
        let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
        let shared = Arc::new(Shared::new(Table::new(Rules::default()), metrics));
        let mut loops = Loops { is_ending: Arc::default(), threads: Vec::new() };
        let mut is_fit = shared.is_fit();
        loops.spawn(&shared, "answers", || panic!("as a fault of ours")).unwrap();
        is_fit.wait_for(|fit| !fit).await.unwrap();
        loops.end();
    }
}
