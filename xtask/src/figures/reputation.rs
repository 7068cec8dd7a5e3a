//! Exact lookups of the reputation server over UDP: one client with several questions under way, half of them known.
//!
//! The datagrams are written by hand after `docs/reputation-packet.md`, as another maker's client would.

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::layout::Layout;
use super::machine::local;
use super::mail::Numbers;
use super::{Binaries, Figure, Goal, percentile};

/// Questions under way at any time: enough that the server always has one, few enough for any socket buffer.
const UNDER_WAY: u64 = 32;
/// Questions in all, and the longest time for them.
const QUESTIONS: u64 = 200_000;
const TIME_MAX: Duration = Duration::from_secs(20);
/// Signatures that the server knows.
const KNOWN: u64 = 500;
/// When a datagram is lost: on loopback none should be.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Bytes of a header and of a question for one exact item.
const HEADER_BYTES: usize = 24;
const QUESTION_BYTES: usize = HEADER_BYTES + 17;
/// Longest datagram of the protocol.
const DATAGRAM_BYTES_MAX: usize = 1232;
const TYPE_QUESTION: u8 = 1;
const TYPE_ANSWER: u8 = 2;
const TYPE_CHALLENGE: u8 = 3;

pub(super) fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let layout = Layout::new(1)?;
    let server = layout.start(&binaries.tamis, Some("reputation"), layout.reputation_grpc)?;
    teach(binaries, layout.reputation_grpc)?;
    let mut asker = Asker::new(layout.reputation)?;
    let (cpu, began) = (server.cpu_seconds()?, Instant::now());
    asker.ask_all()?;
    let (cpu, wall) = (server.cpu_seconds()? - cpu, began.elapsed().as_secs_f64());
    if asker.known == 0 {
        bail!("nothing was known of what it had been taught");
    }
    let lookups = asker.latencies_ms.len() as f64;
    let figure = |name, value, unit, anchor| Figure { name, value, unit, goal: Goal::None, anchor };
    Ok(vec![
        figure("reputation.exact", lookups / cpu, "lookups/cpu_s", "rspamd:58000"),
        figure("reputation.exact_one_client", lookups / wall, "lookups/s", "rspamd:85000"),
        figure("reputation.exact_p99", percentile(&mut asker.latencies_ms, 99.0), "ms", "DESIGN-7"),
    ])
}

/// The name of a part that nobody has.
fn value(number: u64) -> [u8; 16] {
    let mut numbers = Numbers::new(number + 1);
    (u128::from(numbers.next()) << 64 | u128::from(numbers.next())).to_be_bytes()
}

fn teach(binaries: &Binaries, port: u16) -> Result<()> {
    let signatures =
        (0..KNOWN).map(|number| format!("part:{:032x}", u128::from_be_bytes(value(number))));
    let added = Command::new(&binaries.tamis)
        .args(["signature", "--server", &format!("http://127.0.0.1:{port}"), "add"])
        .args(signatures)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    if !added.status.success() {
        bail!("tamis signature add: {}", String::from_utf8_lossy(&added.stderr));
    }
    Ok(())
}

/// One client.
struct Asker {
    socket: UdpSocket,
    cookie: [u8; 8],
    /// When the question under way in each lane was sent.
    sent: Vec<Instant>,
    latencies_ms: Vec<f64>,
    known: u64,
}

impl Asker {
    fn new(port: u16) -> Result<Self> {
        let socket = UdpSocket::bind(local(0))?;
        socket.connect(local(port))?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        let sent = vec![Instant::now(); UNDER_WAY as usize];
        let mut asker = Self { socket, cookie: [0; 8], sent, latencies_ms: Vec::new(), known: 0 };
        asker.prove_address()?;
        Ok(asker)
    }

    /// The first question is answered with a cookie.
    fn prove_address(&mut self) -> Result<()> {
        self.ask(0, 0)?;
        let datagram = self.receive()?;
        if datagram[3] != TYPE_CHALLENGE {
            bail!("the first question was not answered with a challenge");
        }
        self.cookie.copy_from_slice(&datagram[12..20]);
        Ok(())
    }

    fn ask_all(&mut self) -> Result<()> {
        let end = Instant::now() + TIME_MAX;
        for lane in 0..UNDER_WAY {
            self.ask(lane, lane)?;
        }
        let (mut next, mut missing) = (UNDER_WAY, UNDER_WAY);
        while missing > 0 {
            let lane = self.answer()?;
            missing -= 1;
            if next < QUESTIONS && Instant::now() < end {
                self.ask(next, lane)?;
                next += 1;
                missing += 1;
            }
        }
        Ok(())
    }

    /// Asks for the signature of this number; the id tells the lane.
    fn ask(&mut self, number: u64, lane: u64) -> Result<()> {
        let mut question = [0; QUESTION_BYTES];
        question[..4].copy_from_slice(&[b'T', b'M', 1, TYPE_QUESTION]);
        question[4..12].copy_from_slice(&(number * UNDER_WAY + lane).to_be_bytes());
        question[12..20].copy_from_slice(&self.cookie);
        question[21] = 1;
        question[HEADER_BYTES] = 1;
        question[HEADER_BYTES + 1..].copy_from_slice(&value(number % (2 * KNOWN)));
        self.sent[lane as usize] = Instant::now();
        self.socket.send(&question)?;
        Ok(())
    }

    /// Takes one answer; the lane that is free now.
    fn answer(&mut self) -> Result<u64> {
        let datagram = self.receive()?;
        if datagram[3] != TYPE_ANSWER {
            bail!("a question with a cookie was not answered");
        }
        let mut id = [0; 8];
        id.copy_from_slice(&datagram[4..12]);
        let lane = u64::from_be_bytes(id) % UNDER_WAY;
        self.latencies_ms.push(self.sent[lane as usize].elapsed().as_secs_f64() * 1000.0);
        let mut listings = &datagram[HEADER_BYTES..];
        if datagram[20] & 1 != 0 {
            self.cookie.copy_from_slice(listings.get(..8).context("no cookie")?);
            listings = &listings[8..];
        }
        self.known += u64::from(listings.iter().any(|byte| *byte != 0));
        Ok(lane)
    }

    fn receive(&self) -> Result<Vec<u8>> {
        let mut datagram = [0; DATAGRAM_BYTES_MAX];
        let length = self.socket.recv(&mut datagram).context("no answer")?;
        if length < HEADER_BYTES {
            bail!("an answer of {length} bytes");
        }
        Ok(datagram[..length].to_vec())
    }
}
