//! The loop that answers, over real sockets: batches, datagrams that are too long, several sockets on one port, the end.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tamis_reputation::metrics::Metrics;
use tamis_reputation::serve::{self, BATCH_MAX, Loops, Settings};
use tamis_reputation::shared::Shared;
use tamis_reputation_protocol::answering::{Limits, Rate};
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::{DATAGRAM_BYTES_MAX, Item, Question, Reply};
use tamis_reputation_protocol::signatures::{Rules, Table};
use tamis_runtime::clock;

const SECRET: [u8; 32] = [7; 32];
const PATIENCE: Duration = Duration::from_secs(5);

struct Running {
    address: SocketAddr,
    shared: Arc<Shared>,
    registry: tamis_runtime::metrics::Metrics,
    loops: Loops,
}

fn start(address: &str, sockets: u16, limits: Limits) -> Running {
    let sockets = serve::bind(address.parse().unwrap(), sockets).unwrap();
    let address = sockets[0].local_addr().unwrap();
    let registry = tamis_runtime::metrics::Metrics::new();
    let shared = Arc::new(Shared::new(Table::new(Rules::default()), Metrics::new(&registry)));
    let settings = Settings { secret: SECRET, limits, sealing: None, watch: None };
    let loops = Loops::start(sockets, &settings, &shared).unwrap();
    Running { address, shared, registry, loops }
}

fn client(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((server.ip(), 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server).unwrap();
    socket
}

fn question(id: u64, cookie: u64, items: usize) -> Question {
    let items = (0..items).map(|it| Item::exact(naming::link(&format!("{it}.example")))).collect();
    Question { id, cookie, trace: None, is_sighting: false, items }
}

fn reply(socket: &UdpSocket) -> (usize, Reply) {
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer).unwrap();
    (length, Reply::decode(&buffer[..length]).unwrap())
}

fn proof(socket: &UdpSocket) -> u64 {
    socket.send(&question(1, 0, 1).encode()).unwrap();
    match reply(socket).1 {
        Reply::Challenge(challenge) => challenge.cookie,
        other => panic!("{other:?}"),
    }
}

fn ids(socket: &UdpSocket, count: u64) -> BTreeSet<u64> {
    let id = |_| match reply(socket).1 {
        Reply::Answer(answer) => answer.id,
        other => panic!("{other:?}"),
    };
    (0..count).map(id).collect()
}

#[test]
fn each_question_has_its_answer_whether_they_fill_a_batch_or_one_more() {
    let running = start("127.0.0.1:0", 1, Limits::default());
    let socket = client(running.address);
    let cookie = proof(&socket);
    let mut asked = 0;
    for count in [1, BATCH_MAX as u64 - 1, BATCH_MAX as u64, BATCH_MAX as u64 + 1, 200] {
        for id in 0..count {
            socket.send(&question(id, cookie, 1).encode()).unwrap();
        }
        assert_eq!(ids(&socket, count), (0..count).collect(), "{count}");
        asked += count;
    }
    running.loops.end();
    // Counters are shown after the answers left: the end waits for that.
    assert_eq!(running.shared.metrics.questions.get(), asked);
    assert_eq!(running.shared.metrics.items.get(), asked);
    assert_eq!(running.shared.metrics.challenges.get(), 1);
    let shown = running.registry.text().unwrap();
    assert!(shown.contains("reputation_shed_total 0"), "{shown}");
}

#[test]
fn a_datagram_of_the_longest_size_is_read_and_one_byte_more_is_seen_to_be_more() {
    let running = start("127.0.0.1:0", 1, Limits::default());
    let socket = client(running.address);
    let cookie = proof(&socket);
    // Exactly as long as a datagram may be, but for nonsense at its end: its end was read.
    let mut longest = question(2, cookie, 64).encode();
    longest.resize(DATAGRAM_BYTES_MAX, 0);
    socket.send(&longest).unwrap();
    // Had it been cut to the room that there is for a question, this would be a good one.
    let mut padded = question(3, cookie, 1).encode();
    padded.resize(DATAGRAM_BYTES_MAX + 1, 0);
    socket.send(&padded).unwrap();
    padded.resize(9_000, 0);
    socket.send(&padded).unwrap();
    socket.send(&question(4, cookie, 64).encode()).unwrap();
    assert_eq!(ids(&socket, 1), [4].into());
    running.loops.end();
    assert_eq!(running.shared.metrics.malformed.get(), 3);
    assert_eq!(running.shared.metrics.questions.get(), 1);
}

#[test]
fn no_answer_is_longer_than_its_question_whatever_the_question() {
    let running = start("127.0.0.1:0", 1, Limits::default());
    let socket = client(running.address);
    let cookie = proof(&socket);
    for items in [1, 2, 63, 64] {
        for cookie in [0, cookie, cookie ^ 1] {
            let asked = question(9, cookie, items).encode();
            socket.send(&asked).unwrap();
            let (length, _) = reply(&socket);
            assert!(length <= asked.len(), "{items} items: {length} for {}", asked.len());
        }
    }
    // Cut anywhere, a question is nonsense and met with silence.
    let whole = question(10, cookie, 2).encode();
    for length in 0..whole.len() {
        socket.send(&whole[..length]).unwrap();
    }
    socket.send(&whole).unwrap();
    assert_eq!(ids(&socket, 1), [10].into());
    running.loops.end();
    assert_eq!(running.shared.metrics.malformed.get(), whole.len() as u64);
}

#[test]
fn who_asks_over_his_rate_is_answered_n_times_and_not_n_plus_1() {
    let slow = Rate { per_second: 1, burst: 5 };
    let running = start("127.0.0.1:0", 1, Limits { answers: slow, ..Limits::default() });
    let socket = client(running.address);
    let cookie = proof(&socket);
    let began = clock::now();
    for id in 0..6 {
        socket.send(&question(id, cookie, 1).encode()).unwrap();
    }
    assert_eq!(ids(&socket, 5), (0..5).collect());
    running.loops.end();
    let is_slow = began.elapsed() > Duration::from_secs(1);
    assert!(is_slow || running.shared.metrics.limited.get() == 1, "the sixth was over the rate");
}

#[test]
fn every_one_of_several_sockets_answers_and_takes_the_proofs_of_the_others() {
    let running = start("127.0.0.1:0", 4, Limits::default());
    let first = client(running.address);
    let cookie = proof(&first);
    // The kernel spreads sources over the sockets: of 64 none goes to all but one with a chance of 4 * (3/4)^64.
    for id in 0..64 {
        let socket = client(running.address);
        socket.send(&question(id, cookie, 1).encode()).unwrap();
        assert_eq!(ids(&socket, 1), [id].into());
    }
    running.loops.end();
    assert_eq!(running.shared.metrics.questions.get(), 64);
    assert_eq!(running.shared.metrics.challenges.get(), 1);
}

#[test]
fn ipv6_is_answered_from_the_address_that_was_asked() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    let running = start("[::1]:0", 1, Limits::default());
    // A connected socket takes datagrams from that one address and port alone.
    let socket = client(running.address);
    let cookie = proof(&socket);
    socket.send(&question(1, cookie, 1).encode()).unwrap();
    assert_eq!(ids(&socket, 1), [1].into());
    running.loops.end();
}

#[test]
fn askers_that_went_away_do_not_cost_others_their_answers() {
    let running = start("127.0.0.1:0", 1, Limits::default());
    let socket = client(running.address);
    let cookie = proof(&socket);
    for id in 0..100 {
        let gone = client(running.address);
        gone.send(&question(id, cookie, 1).encode()).unwrap();
        drop(gone);
        socket.send(&question(id, cookie, 1).encode()).unwrap();
    }
    assert_eq!(ids(&socket, 100), (0..100).collect());
    running.loops.end();
}

#[test]
fn the_end_comes_within_a_second_idle_or_under_load_and_gives_the_port_back() {
    for is_loaded in [false, true] {
        let running = start("127.0.0.1:0", 2, Limits::default());
        let address = running.address;
        let socket = client(address);
        let asked = question(1, proof(&socket), 1).encode();
        let began = clock::now();
        std::thread::scope(|scope| {
            let ended = scope.spawn(|| running.loops.end());
            while is_loaded && !ended.is_finished() {
                // Refused once the port is free.
                let _ = socket.send(&asked);
            }
        });
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        drop(serve::bind(address, 1).unwrap());
    }
}

#[test]
fn loops_that_are_forgotten_end_too() {
    let running = start("127.0.0.1:0", 1, Limits::default());
    let address = running.address;
    drop(running.loops);
    let began = clock::now();
    while serve::bind(address, 1).is_err() {
        assert!(began.elapsed() < PATIENCE, "the port is still taken");
        std::thread::yield_now();
    }
}
