//! A flood with forged sources beside one genuine client, in two network namespaces joined by a virtual wire. Answers to
//! forged addresses leave the server's machine and vanish, as they would on a real network.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, MultiHeaders, SockFlag, SockProtocol, SockType, SockaddrIn, sendmmsg,
    socket,
};

use super::asking::{Asking, Language, QUESTION_BYTES_MAX, mixed};
use super::{Bench, load, median, probe, sealed};
use crate::process::{Program, on_core};
use crate::report::Figure;

const SERVER_SPACE: &str = "tamis-load-server";
const CLIENT_SPACE: &str = "tamis-load-client";
const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
const PORT: u16 = 7060;
/// Discard (RFC 863), where nobody listens.
const PORT_OF_NOBODY: u16 = 9;
/// Questions a second of the genuine client.
const PER_SECOND: f64 = 200.0;
/// Datagrams that make the flood.
pub const DATAGRAMS: u64 = 1_000_000;
/// Bytes of an IPv4 and a UDP header.
const HEADERS_BYTES: usize = 28;
/// Datagrams in one call.
const BATCH: usize = 64;

/// How the genuine client asks, and what the flood looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In clear; half of the flood has no proof of address, half a guessed one.
    Clear,
    /// Under a seal; the flood has sealed questions of guessed sessions and handshakes, see [`sealed::forged`].
    Sealed,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Sealed => "sealed",
        }
    }

    fn name(self, what: &str) -> String {
        match self {
            Self::Clear => format!("flood.{what}"),
            Self::Sealed => format!("sealed_flood.{what}"),
        }
    }
}

impl FromStr for Way {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        let ways = [Self::Clear, Self::Sealed];
        ways.into_iter().find(|way| way.word() == word).context("clear or sealed")
    }
}

/// The two namespaces; gone with the value.
struct Spaces;

impl Spaces {
    fn make() -> Result<Self> {
        remove();
        let spaces = Self;
        ip(&format!("netns add {SERVER_SPACE}"))?;
        ip(&format!("netns add {CLIENT_SPACE}"))?;
        ip(&format!(
            "link add s0 netns {SERVER_SPACE} type veth peer name c0 netns {CLIENT_SPACE}"
        ))?;
        for (space, link, address) in [(SERVER_SPACE, "s0", SERVER), (CLIENT_SPACE, "c0", CLIENT)] {
            ip(&format!("-n {space} link set lo up"))?;
            // The forged addresses answer no ARP; without it frames go out to nobody.
            ip(&format!("-n {space} link set {link} arp off"))?;
            ip(&format!("-n {space} addr add {address}/15 dev {link}"))?;
            ip(&format!("-n {space} link set {link} up"))?;
        }
        neighbour(SERVER_SPACE, "s0", CLIENT_SPACE, "c0", CLIENT)?;
        neighbour(CLIENT_SPACE, "c0", SERVER_SPACE, "s0", SERVER)?;
        Ok(spaces)
    }
}

impl Drop for Spaces {
    fn drop(&mut self) {
        remove();
    }
}

fn remove() {
    for space in [SERVER_SPACE, CLIENT_SPACE] {
        let _ = Command::new("ip").args(["netns", "del", space]).stderr(Stdio::null()).status();
    }
}

/// Tells `space` at which hardware address the other side's one true address is.
fn neighbour(
    space: &str,
    link: &str,
    other: &str,
    other_link: &str,
    address: Ipv4Addr,
) -> Result<()> {
    let shown = ip(&format!("-n {other} -o link show {other_link}"))?;
    let hardware = shown.split_whitespace().skip_while(|word| *word != "link/ether").nth(1);
    let hardware = hardware.context("a link without a hardware address")?;
    ip(&format!("-n {space} neigh replace {address} lladdr {hardware} dev {link} nud permanent"))?;
    Ok(())
}

fn ip(words: &str) -> Result<String> {
    let done = Command::new("ip").args(words.split(' ')).output().context("ip (iproute2)")?;
    if !done.status.success() {
        bail!("ip {words}: {} (root is needed)", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn inside(space: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", space]).arg(program);
    command
}

/// Where the attacker's datagrams go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// At the service.
    Service,
    /// At the same machine over the same wire, but at a port where nobody listens. The genuine client has the attacker's
    /// core only because there are no more: what it feels here is that core and the wire, and none of the service.
    Nobody,
}

impl Aim {
    fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Nobody => "nobody",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Service => PORT,
            Self::Nobody => PORT_OF_NOBODY,
        }
    }
}

impl FromStr for Aim {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        let aims = [Self::Service, Self::Nobody];
        aims.into_iter().find(|aim| aim.word() == word).context("service or nobody")
    }
}

/// One flood, and what the genuine client felt beside it.
struct Flooded {
    sent: f64,
    seconds: f64,
    server_cpu_s: f64,
    felt: Felt,
}

/// How the machine's scheduler treats the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Before all else, as `own-machine.conf` of the unit has it. Else what also runs on its core, kernel threads and
    /// what manages the machine, has whole slices of milliseconds first: a server that a flood keeps busy waits its turn.
    BeforeOthers,
    /// As any process.
    AsAny,
}

impl Standing {
    fn give(self, server: &Program) -> Result<()> {
        let words: [&str; 2] = match self {
            Self::BeforeOthers => ["--fifo", "1"],
            Self::AsAny => ["--other", "0"],
        };
        let mut command = Command::new("chrt");
        command.args(["--all-tasks", words[0], "--pid", words[1], &server.pid().to_string()]);
        if !command.status().context("chrt (util-linux)")?.success() {
            bail!("chrt could not change how the server is scheduled");
        }
        Ok(())
    }
}

/// What was measured, a value for each round.
#[derive(Default)]
struct Rounds {
    quiet: Vec<Felt>,
    past: Vec<Flooded>,
    flooded: Vec<Flooded>,
    flooded_as_any: Vec<Flooded>,
}

/// The genuine client's times without a flood, with one that passes the service by, and with one at the service; in
/// turn, and each time the one in the middle of all rounds.
///
/// # Errors
/// No root, or the system's.
pub fn measure(bench: &Bench, way: Way) -> Result<Vec<Figure>> {
    let _spaces = Spaces::make()?;
    let server = started(bench, way)?;
    std::thread::sleep(Duration::from_secs(2));
    let mut rounds = Rounds::default();
    for _ in 0..bench.rounds.max(1) {
        Standing::BeforeOthers.give(&server)?;
        rounds.quiet.push(probed(bench, way, bench.seconds.max(5))?);
        rounds.past.push(flood(bench, way, Aim::Nobody, &server)?);
        rounds.flooded.push(flood(bench, way, Aim::Service, &server)?);
        Standing::AsAny.give(&server)?;
        rounds.flooded_as_any.push(flood(bench, way, Aim::Service, &server)?);
    }
    Ok(figures(way, &rounds))
}

fn figures(way: Way, rounds: &Rounds) -> Vec<Figure> {
    let Rounds { quiet, past, flooded, flooded_as_any } = rounds;
    let figure = |what: &str, value, unit| Figure::plain(way.name(what), value, unit);
    let calm = |of: fn(&Felt) -> f64| median(quiet.iter().map(of).collect());
    let under = |of: fn(&Felt) -> f64| median(flooded.iter().map(|it| of(&it.felt)).collect());
    let p99 = |floods: &[Flooded]| median(floods.iter().map(|it| it.felt.p99_us).collect());
    let rate = |floods: &[Flooded]| median(floods.iter().map(|it| it.sent / it.seconds).collect());
    let cpu = median(flooded.iter().map(|it| it.server_cpu_s / it.sent * 1e6).collect());
    let fewest = flooded.iter().map(|it| it.sent).fold(f64::INFINITY, f64::min);
    let p99_without = calm(|felt| felt.p99_us);
    let nobody = "at a port where nobody listens";
    vec![
        figure("datagrams", fewest, "datagrams").at_least(DATAGRAMS as f64),
        figure("rate", rate(flooded), "datagrams/s"),
        figure("rate_past", rate(past), "datagrams/s").beside(nobody),
        figure("server_cpu", cpu, "us/datagram"),
        figure("first_without", calm(|felt| felt.first_ms), "ms")
            .beside("proof, handshake if sealed"),
        figure("first_with", under(|felt| felt.first_ms), "ms"),
        figure("p50_without", calm(|felt| felt.p50_us), "us"),
        figure("p50_with", under(|felt| felt.p50_us), "us"),
        figure("p99_without", p99_without, "us"),
        figure("p99_past", p99(past), "us").beside(nobody),
        figure("p99_with", p99(flooded), "us"),
        figure("p99_ratio", p99(flooded) / p99_without, "times").at_most(2.0),
        figure("p99_with_as_any", p99(flooded_as_any), "us").beside("scheduled as any process"),
        figure("p99_ratio_as_any", p99(flooded_as_any) / p99_without, "times"),
        figure("answered", under(|felt| felt.answered / felt.sent), "share").at_least(0.99),
    ]
}

/// Floods `aim` while the genuine client asks the service.
fn flood(bench: &Bench, way: Way, aim: Aim, server: &Program) -> Result<Flooded> {
    let seconds = bench.seconds.max(5);
    let (cpu_s, myself) = (server.cpu_seconds()?, std::env::current_exe()?);
    let attacker = on_core(bench.client_core, || {
        let mut command = Command::new("chrt");
        // It gives way to the genuine client, which has the same core only because there are no more.
        command.args(["--idle", "0", "ip", "netns", "exec", CLIENT_SPACE]).arg(&myself);
        command.args(["flood-from-here", way.word(), aim.word(), &(seconds + 2).to_string()]);
        command.stdout(Stdio::piped()).spawn()
    })??;
    std::thread::sleep(Duration::from_secs(1));
    let felt = probed(bench, way, seconds)?;
    let said = attacker.wait_with_output()?;
    let [sent, seconds] = numbers(&said.stdout).context("the flood failed")?;
    Ok(Flooded { sent, seconds, server_cpu_s: server.cpu_seconds()? - cpu_s, felt })
}

/// So many numbers, as our own processes say them.
fn numbers<const N: usize>(said: &[u8]) -> Result<[f64; N]> {
    let said = String::from_utf8_lossy(said);
    let numbers = said.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    numbers.try_into().ok().context("a process of ours said something else")
}

fn started(bench: &Bench, way: Way) -> Result<Program> {
    let config = bench.folder.join("flood.toml");
    let mut text =
        format!("[reputation]\nlisten = \"{SERVER}:{PORT}\"\ngrpc = \"\"\nadmin = \"\"\n");
    if way == Way::Sealed {
        let keys = bench.folder.join("client-keys");
        std::fs::write(&keys, sealed::KEY)?;
        text += &format!("client_keys = {:?}\n", keys.display().to_string());
    }
    std::fs::write(&config, text)?;
    let mut command = inside(SERVER_SPACE, &bench.binary);
    command.arg("reputation").arg("--config").arg(&config);
    Program::start(command, bench.server_core, &bench.folder.join("flood.log"))
}

/// What the genuine client felt.
struct Felt {
    sent: f64,
    answered: f64,
    p50_us: f64,
    p99_us: f64,
    /// Milliseconds that its first answer took.
    first_ms: f64,
}

/// Runs the genuine client in its namespace.
fn probed(bench: &Bench, way: Way, seconds: u64) -> Result<Felt> {
    let myself = std::env::current_exe()?;
    let done = on_core(bench.client_core, || {
        let mut command = inside(CLIENT_SPACE, &myself);
        command.args(["probe-from-here", way.word(), &seconds.to_string()]).output()
    })??;
    if !done.status.success() {
        bail!("the client failed: {}", String::from_utf8_lossy(&done.stderr));
    }
    let [sent, answered, p50_us, p99_us, first_ms] = numbers(&done.stdout)?;
    Ok(Felt { sent, answered, p50_us, p99_us, first_ms })
}

/// The genuine client, inside its namespace.
///
/// # Errors
/// The server does not answer.
pub fn probe_from_here(way: Way, seconds: u64) -> Result<()> {
    let from = SocketAddr::from((CLIENT, 0));
    let server = SocketAddr::from((SERVER, PORT));
    let (time, began) = (Duration::from_secs(seconds), Instant::now());
    let (felt, first_ms) = match way {
        Way::Sealed => sealed::run(from, server, PER_SECOND, time)?,
        Way::Clear => {
            let mut asking = Asking::new(Language::Exact(1), 1_000, 1);
            load::prove(from, server, &mut asking)?;
            let first_ms = began.elapsed().as_secs_f64() * 1000.0;
            (probe::proved(asking, from, server, PER_SECOND, time)?, first_ms)
        }
    };
    let (p50, p99) = (felt.times.quantile_us(0.5), felt.times.quantile_us(0.99));
    println!("{} {} {p50} {p99} {first_ms}", felt.sent, felt.answered);
    Ok(())
}

/// The attacker, inside its namespace: datagrams of this way with random forged sources, as fast as one core can.
///
/// # Errors
/// No right to open a raw socket.
pub fn flood_from_here(way: Way, aim: Aim, seconds: u64) -> Result<()> {
    let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Raw)?;
    let to = [Some(SockaddrIn::from(SocketAddrV4::new(SERVER, 0))); BATCH];
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut packets = vec![(0, [0; HEADERS_BYTES + QUESTION_BYTES_MAX]); BATCH];
    let (began, mut sent) = (Instant::now(), 0_u64);
    let (least, most) = (Duration::from_secs(seconds), Duration::from_secs(4 * seconds));
    // Of a machine that does other things too the promised number takes longer.
    while began.elapsed() < least || (sent < DATAGRAMS && began.elapsed() < most) {
        for (place, (length, packet)) in packets.iter_mut().enumerate() {
            let index = sent + place as u64;
            *length = forged(way, aim, index, packet);
        }
        let slices: Vec<_> =
            packets.iter().map(|(length, packet)| [IoSlice::new(&packet[..*length])]).collect();
        let flags = MsgFlags::empty();
        match sendmmsg(raw.as_raw_fd(), &mut headers, slices.iter(), to, [], flags) {
            Ok(done) => sent += done.count() as u64,
            Err(Errno::ENOBUFS | Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    println!("{sent} {}", began.elapsed().as_secs_f64());
    Ok(())
}

/// One whole packet from somewhere in 198.18.0.0/15; the kernel fills in lengths and the sum of the header.
fn forged(
    way: Way,
    aim: Aim,
    index: u64,
    packet: &mut [u8; HEADERS_BYTES + QUESTION_BYTES_MAX],
) -> usize {
    let chance = mixed(!index);
    let mut question = [0; QUESTION_BYTES_MAX];
    let length = match way {
        Way::Sealed => sealed::forged(index, &mut question),
        Way::Clear => {
            let mut asking = Asking::new(Language::Exact(1), 1_000, 2);
            if !index.is_multiple_of(2) {
                asking.cookie = mixed(index).to_be_bytes();
            }
            asking.write(index, &mut question)
        }
    };
    packet[..20].fill(0);
    packet[0] = 0x45;
    packet[8] = 64;
    packet[9] = 17;
    packet[12..16].copy_from_slice(&[
        198,
        18 + (chance & 1) as u8,
        (chance >> 8) as u8 | 1,
        (chance >> 16) as u8,
    ]);
    packet[16..20].copy_from_slice(&SERVER.octets());
    packet[20..22].copy_from_slice(&((chance >> 32) as u16 | 1024).to_be_bytes());
    packet[22..24].copy_from_slice(&aim.port().to_be_bytes());
    packet[24..26].copy_from_slice(&(8 + length as u16).to_be_bytes());
    // A UDP sum of 0 is "none" over IPv4 (RFC 768).
    packet[26..28].fill(0);
    packet[HEADERS_BYTES..HEADERS_BYTES + length].copy_from_slice(&question[..length]);
    HEADERS_BYTES + length
}
