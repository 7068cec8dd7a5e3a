//! Ports that no other test uses, in this process or in another.

use std::fs::{self, File, OpenOptions};
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process;
use std::sync::Mutex;

/// First port handed out: above the services, below the range from which Linux takes the source ports
/// of connections (32768 by default), so that a client socket of another test cannot sit on it.
const FIRST: u16 = 20_000;
/// How many ports there are: far more than all tests together use.
const COUNT: u16 = 10_000;

/// Locks on the ports of this process. The system drops them when the process ends, however it ends.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A TCP and UDP port on 127.0.0.1 that nothing listens on and that no other test process is given
/// while this one lives.
///
/// Asking the system for port 0 and closing the socket is not enough: between that and the start of
/// the peer, a test in another process can be given the same number.
///
/// # Panics
/// When no port is left, or the directory of the locks cannot be used.
#[must_use]
pub fn free_port() -> u16 {
    let directory = lock_directory();
    let start = u16::try_from(process::id() % u32::from(COUNT)).unwrap_or(0).wrapping_mul(37);
    let mut held = HELD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for step in 0..COUNT {
        let port = FIRST + (start % COUNT + step) % COUNT;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join(port.to_string()))
            .unwrap_or_else(|error| panic!("lock file of port {port}: {error}"));
        if lock.try_lock().is_ok() && is_free(port) {
            held.push(lock);
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok()
}

fn lock_directory() -> PathBuf {
    let directory = std::env::temp_dir().join("tamis-test-ports");
    fs::create_dir_all(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    directory
}
