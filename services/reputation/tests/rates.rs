//! Questions a second over the loopback: `cargo test --release -p tamis-reputation --test rates -- --ignored --nocapture`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a measurement"
)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use tamis_reputation::config::Typed;
use tamis_reputation::service::Service;
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::{Item, Question, Reply};
use tamis_runtime::admin::Readiness;
use tamis_runtime::listen::ListenAddress;
use tamis_runtime::metrics::Metrics;
use tamis_runtime::shutdown::Shutdown;

const CLIENTS: usize = 2;
/// Questions on their way for each client.
const WINDOW: usize = 64;
const DURATION: Duration = Duration::from_secs(3);

fn client(server: SocketAddr, answered: &AtomicU64, start: &Barrier) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let items = vec![Item::exact(naming::link("a.example"))];
    let mut question = Question { id: 1, cookie: 0, trace: None, is_sighting: false, items };
    let mut buffer = [0; 2048];
    socket.send(&question.encode()).unwrap();
    let length = socket.recv(&mut buffer).unwrap();
    let Ok(Reply::Challenge(challenge)) = Reply::decode(&buffer[..length]) else { panic!() };
    question.cookie = challenge.cookie;
    let datagram = question.encode();
    start.wait();
    let began = Instant::now();
    let mut count = 0;
    for _ in 0..WINDOW {
        socket.send(&datagram).unwrap();
    }
    while began.elapsed() < DURATION {
        // A lost datagram is replaced after the time-out.
        count += u64::from(socket.recv(&mut buffer).is_ok());
        let _ = socket.send(&datagram);
    }
    answered.fetch_add(count, Ordering::Relaxed);
}

/// User and system time of this process's thread of that name, in clock ticks of 10 ms.
fn cpu_ticks(name: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stat = |entry: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(entry.unwrap().path().join("stat")).unwrap_or_default()
    };
    let of = |stat: String| {
        let (head, fields) = stat.rsplit_once(')')?;
        let fields: Vec<_> = fields.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        head.ends_with(name).then_some(ticks)
    };
    tasks.map(stat).filter_map(of).sum()
}

#[test]
#[ignore = "a measurement, not a test"]
fn questions_over_the_loopback() {
    let typed = Typed {
        listen: "127.0.0.1:0".to_owned(),
        grpc: ListenAddress::Off,
        answers_per_second: 0,
        ..Typed::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("server")
        .enable_all()
        .build()
        .unwrap();
    let shutdown = Shutdown::new();
    let is_ready = Readiness::new(shutdown.clone()).condition("reputation");
    let metrics = Metrics::new();
    let service = runtime.block_on(Service::bind(typed.check().unwrap(), &metrics)).unwrap();
    let server = service.udp_address();
    let end = shutdown.clone();
    let task = runtime.spawn(async move { service.run(None, is_ready, end).await });
    let answered = Arc::new(AtomicU64::new(0));
    let start = Arc::new(Barrier::new(CLIENTS + 1));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (answered, start) = (Arc::clone(&answered), Arc::clone(&start));
            std::thread::spawn(move || client(server, &answered, &start))
        })
        .collect();
    start.wait();
    let before = cpu_ticks("answers");
    clients.into_iter().for_each(|client| client.join().unwrap());
    let cpu_seconds = (cpu_ticks("answers") - before) as f64 / 100.0;
    let count = answered.load(Ordering::Relaxed) as f64;
    println!(
        "{:.0} answers/s; {:.0} answers per CPU-second of the server ({cpu_seconds} s of CPU)",
        count / DURATION.as_secs_f64(),
        count / cpu_seconds
    );
    shutdown.request();
    runtime.block_on(task).unwrap().unwrap();
}
