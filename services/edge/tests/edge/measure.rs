//! Measures the real program: `cargo nextest run --release -p tamis-edge --run-ignored only --no-capture`. Another build of it
//! is measured where `EDGE_PROGRAM` names it.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::plan::Action;

use super::hop::Hop;
use super::scanner::{Planner, Scanner, Script, all};
use super::talk::{MAIL, Talk};

struct Program {
    child: Child,
    lmtp: std::net::SocketAddr,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    async fn start(scanner: &Scanner, hop: &Hop) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let lmtp = free.local_addr().unwrap();
        drop(free);
        let built = env!("CARGO_BIN_EXE_tamis-edge").to_owned();
        let child = Command::new(std::env::var("EDGE_PROGRAM").unwrap_or(built))
            .env("TAMIS_EDGE__LMTP", lmtp.to_string())
            .env("TAMIS_EDGE__MILTER", "")
            .env("TAMIS_EDGE__SMTP", "")
            .env("TAMIS_EDGE__ADMIN", "")
            .env("TAMIS_EDGE__DEADLINE_MS", "90000")
            .env("TAMIS_EDGE__NEXT_HOP", hop.address.to_string())
            .env("TAMIS_EDGE__SCANNERS", format!("[\"http://{}\"]", scanner.address))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while tokio::net::TcpStream::connect(lmtp).await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Self { child, lmtp }
    }

    /// Kilobytes: resident now, and at most so far.
    fn memory(&self) -> (u64, u64) {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        (value("VmRSS:"), value("VmHWM:"))
    }
}

fn accept() -> Planner {
    Arc::new(|offer| all(offer, Action::Accept))
}

fn big(number: usize) -> String {
    let mut line: String = format!("{number:02}").repeat(38);
    line.push_str("\r\n");
    let head = "Subject: big\r\nContent-Type: application/octet-stream\r\n\r\n";
    format!("{head}{}", line.repeat(10_000_000 / line.len()))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures the program, which wants a release build and a quiet machine"]
async fn memory_and_added_time() {
    let scanner = Scanner::saying(Script::Swallow(accept())).await;
    let hop = Hop::willing().await;
    let program = Program::start(&scanner, &hop).await;
    println!("idle: {:?} kB resident, at most", program.memory());
    let direct = times(hop.address, "EHLO").await;
    let through = times(program.lmtp, "LHLO").await;
    println!("final dot to reply, us (p50, p99): direct {direct:?}, through the edge {through:?}");
    println!("after 1000 small mails: {:?} kB", program.memory());
    let mut sending = Vec::new();
    for number in 0..50 {
        let address = program.lmtp;
        sending.push(tokio::spawn(async move {
            let mut mta = Talk::hello(address, "LHLO").await;
            let replies = mta.mail(&["b@example.com"], &big(number), 1).await;
            assert_eq!(replies, ["250 2.0.0 queued as ABC"]);
        }));
    }
    for one in sending {
        one.await.unwrap();
    }
    println!("50 mails of 10 MB at once: {:?} kB", program.memory());
}

async fn times(address: std::net::SocketAddr, verb: &str) -> (u128, u128) {
    let mut mta = Talk::hello(address, verb).await;
    let mut all = Vec::new();
    for number in 0..1000 {
        mta.begin(&["b@example.com"]).await;
        mta.send(&format!("{MAIL}{}", number / 2)).await;
        let begun = Instant::now();
        assert!(mta.say("\r\n.").await.starts_with("250"));
        all.push(begun.elapsed().as_micros());
    }
    all.sort_unstable();
    (all[500], all[990])
}
