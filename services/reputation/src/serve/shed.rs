//! What the system dropped because a receive buffer was full: the datagrams that came last, unread and unanswered. What waits
//! is answered in its order, so that nobody waits longer than the buffer is long; who was dropped asks another server. Its count is read from its list of sockets, now and then
//! and in a thread of its own: to have it told with each datagram (`SO_RXQ_OVFL`) was measured to cost 3.5 % of every
//! answer, and reading the list takes a millisecond that no asker should wait.

use std::fs;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::shared::Shared;

/// How often the list is read.
const READ_AFTER: Duration = Duration::from_secs(1);

/// One socket's count.
#[derive(Debug)]
pub(super) struct Dropped {
    list: &'static str,
    inode: u64,
    seen: u32,
}

impl Dropped {
    /// None where the system does not tell; then it drops uncounted.
    pub(super) fn of(socket: &UdpSocket) -> Option<Self> {
        let inode = fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd())).ok()?.ino();
        let is_v4 = socket.local_addr().ok()?.is_ipv4();
        let list = if is_v4 { "/proc/self/net/udp" } else { "/proc/self/net/udp6" };
        Some(Self { list, inode, seen: 0 })
    }

    /// Datagrams dropped since the last reading of the list.
    fn more(&mut self, list: &str) -> u64 {
        let Some(now) = count(list, self.inode) else { return 0 };
        // The system's count starts again after 2^32.
        let more = now.wrapping_sub(self.seen);
        self.seen = now;
        more.into()
    }
}

/// The last column of the line of a socket (`proc_pid_net(5)`): its tenth is the inode.
fn count(list: &str, inode: u64) -> Option<u32> {
    let inode = inode.to_string();
    let mut lines = list.lines().map(str::split_whitespace);
    lines.find_map(|mut line| (line.nth(9)? == inode).then(|| line.last()?.parse().ok())?)
}

/// Counts until `is_ending`; woken by `unpark`.
pub(super) fn watch(mut sockets: Vec<Dropped>, shared: &Shared, is_ending: &AtomicBool) {
    while !is_ending.load(Ordering::Relaxed) {
        thread::park_timeout(READ_AFTER);
        let Some(first) = sockets.first() else { return };
        // Once without a list, for want of a descriptor perhaps, is not for good: the system's counts run on.
        let Ok(list) = fs::read_to_string(first.list) else { continue };
        let more: u64 = sockets.iter_mut().map(|socket| socket.more(&list)).sum();
        if more > 0 {
            shared.metrics.shed.inc_by(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  100: 0100007F:1B94 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0
  200: 0100007F:1B95 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 4294967290
";

    #[test]
    fn the_count_of_a_socket_is_found_by_its_inode_and_may_wrap() {
        assert_eq!(count(LIST, 4711), Some(0));
        assert_eq!(count(LIST, 4712), Some(4_294_967_290));
        assert_eq!(count(LIST, 471), None);
        let mut socket = Dropped { list: "", inode: 4712, seen: 4_294_967_280 };
        assert_eq!(socket.more(LIST), 10);
        assert_eq!(socket.more(&LIST.replace("4294967290", "4")), 10);
    }

    /// Datagrams that a fresh socket with a small buffer holds of `sent`, and what was counted as dropped.
    fn held_and_dropped(sent: usize) -> (usize, u64) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket2::SockRef::from(&socket).set_recv_buffer_size(16 * 1024).unwrap();
        let mut dropped = Dropped::of(&socket).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for number in 0..sent {
            sender.send_to(&number.to_be_bytes(), socket.local_addr().unwrap()).unwrap();
        }
        let more = dropped.more(&fs::read_to_string(dropped.list).unwrap());
        socket.set_nonblocking(true).unwrap();
        let mut held = 0_usize;
        let mut datagram = [0; 8];
        while socket.recv(&mut datagram).is_ok() {
            assert_eq!(datagram, held.to_be_bytes(), "the first ones wait, the last ones go");
            held += 1;
        }
        (held, more)
    }

    #[test]
    fn a_full_buffer_sheds_the_last_and_each_is_counted_at_n_and_n_plus_1() {
        let (most, _) = held_and_dropped(1_000);
        assert!((1..1_000).contains(&most), "{most}");
        assert_eq!(held_and_dropped(most), (most, 0), "n");
        assert_eq!(held_and_dropped(most + 1), (most, 1), "n + 1");
        assert_eq!(held_and_dropped(most + 7), (most, 7));
    }

    #[test]
    fn counting_goes_on_after_the_list_could_not_be_read_once() {
        let list = tempfile::NamedTempFile::new().unwrap();
        let path: &'static str = Box::leak(list.path().display().to_string().into_boxed_str());
        let metrics = crate::metrics::Metrics::new(&tamis_runtime::metrics::Metrics::new());
        let table = tamis_reputation_protocol::signatures::Table::new(Default::default());
        let shared = std::sync::Arc::new(Shared::new(table, metrics));
        let is_ending = std::sync::Arc::new(AtomicBool::new(false));
        fs::remove_file(path).unwrap();
        let socket = Dropped { list: path, inode: 4712, seen: 4_294_967_280 };
        let (watched, ending) = (shared.clone(), is_ending.clone());
        let thread = thread::spawn(move || watch(vec![socket], &watched, &ending));
        thread.thread().unpark();
        let until = std::time::Instant::now() + Duration::from_secs(20);
        // It has looked at least once when the token of `unpark` is used up, which nobody sees: give it some looks.
        for _ in 0..100 {
            thread.thread().unpark();
            thread::yield_now();
        }
        fs::write(path, LIST).unwrap();
        while shared.metrics.shed.get() != 10 {
            assert!(std::time::Instant::now() < until && !thread.is_finished());
            thread.thread().unpark();
            thread::yield_now();
        }
        is_ending.store(true, Ordering::Relaxed);
        thread.thread().unpark();
        thread.join().unwrap();
    }

    #[test]
    fn a_real_socket_is_in_the_list_of_the_system() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = UdpSocket::bind(address) else { continue };
            let dropped = Dropped::of(&socket).unwrap();
            let list = fs::read_to_string(dropped.list).unwrap();
            assert_eq!(count(&list, dropped.inode), Some(0), "{address}");
        }
    }
}
