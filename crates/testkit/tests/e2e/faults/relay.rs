//! A piece of network between two of our processes, which a test can cut, slow down or make lossy.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tamis_testkit::peers::free_port;

/// How often a thread that waits looks whether it should go on.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Longest piece that passes at once.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// How the network is now.
#[derive(Debug, Default)]
struct State {
    is_cut: AtomicBool,
    delay_ms: AtomicU64,
    lost_percent: AtomicU64,
    is_over: AtomicBool,
}

/// One relay in front of one listener.
#[derive(Debug)]
pub struct Relay {
    /// Where the relay listens.
    pub port: u16,
    state: Arc<State>,
}

impl Relay {
    /// For connections to `to`. While it is cut nothing arrives, and nobody is told.
    pub fn tcp(to: u16) -> Self {
        let port = free_port();
        let state = Arc::new(State::default());
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let state = Arc::clone(&shared);
                    thread::spawn(move || pass(from, to, &state));
                }
            }
        });
        Self { port, state }
    }

    /// For datagrams to `to` and their answers.
    pub fn udp(to: u16) -> Self {
        let port = free_port();
        let state = Arc::new(State::default());
        let near = Arc::new(UdpSocket::bind(("127.0.0.1", port)).expect("a free port"));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let mut ways: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
            let mut datagram = [0; 2048];
            let mut seen = 0_u64;
            while let Ok((length, from)) = near.recv_from(&mut datagram) {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                seen += 1;
                let way = ways.entry(from).or_insert_with(|| way(to, from, &near, &shared));
                let lost = shared.lost_percent.load(Ordering::Relaxed);
                // Every so many, spread evenly: 37 is prime to 100.
                if shared.is_cut.load(Ordering::Relaxed) || seen * 37 % 100 < lost {
                    continue;
                }
                let _ = way.send(&datagram[..length]);
            }
        });
        Self { port, state }
    }

    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::Relaxed);
    }

    pub fn heal(&self) {
        self.state.is_cut.store(false, Ordering::Relaxed);
        self.state.delay_ms.store(0, Ordering::Relaxed);
        self.state.lost_percent.store(0, Ordering::Relaxed);
    }

    /// Answers come so much later.
    pub fn slow(&self, by: Duration) {
        self.state.delay_ms.store(by.as_millis() as u64, Ordering::Relaxed);
    }

    /// So many of a hundred questions get lost.
    pub fn lose(&self, percent: u64) {
        self.state.lost_percent.store(percent, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Passes bytes on until an end closes.
fn pass(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut piece = vec![0; PIECE_BYTES_MAX];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        while state.is_cut.load(Ordering::Relaxed) && !state.is_over.load(Ordering::Relaxed) {
            thread::sleep(LOOK_EVERY);
        }
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// A socket of its own for each who asks, so that answers find back.
fn way(to: u16, from: SocketAddr, near: &Arc<UdpSocket>, state: &Arc<State>) -> Arc<UdpSocket> {
    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").expect("a socket"));
    far.connect(("127.0.0.1", to)).expect("an address");
    let (answers, near, state) = (Arc::clone(&far), Arc::clone(near), Arc::clone(state));
    thread::spawn(move || {
        let mut datagram = [0; 2048];
        while !state.is_over.load(Ordering::Relaxed) {
            // A refused port is an error of one call only.
            let Ok(length) = answers.recv(&mut datagram) else {
                thread::sleep(LOOK_EVERY);
                continue;
            };
            if state.is_cut.load(Ordering::Relaxed) {
                continue;
            }
            match state.delay_ms.load(Ordering::Relaxed) {
                0 => drop(near.send_to(&datagram[..length], from)),
                delay => {
                    let (near, datagram) = (Arc::clone(&near), datagram[..length].to_vec());
                    thread::spawn(move || {
                        thread::sleep(Duration::from_millis(delay));
                        let _ = near.send_to(&datagram, from);
                    });
                }
            }
        }
    });
    far
}
