//! The scanner's real client and real sockets between network namespaces, over wires with delay, jitter and loss.
//!
//! `selection wire` makes one namespace for the client and one for each of four servers with `netlab/wire.py`, starts
//! itself in each (`wire-serve`, `wire-ask`), and takes everything away again. It needs root and Python 3.

mod ask;
mod serve;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

pub use ask::run as ask;
pub use serve::run as serve;

/// Milliseconds one way, jitter one way, and loss one way of each of the four servers' wires.
type Wires = [(f64, f64, f64); 4];

/// The scenes.
const SCENES: [(&str, Wires); 3] = [
    (
        "two near (1 ms each way), two far (10 ms each way)",
        [(1.0, 0.2, 0.0), (1.0, 0.2, 0.0), (10.0, 0.5, 0.0), (10.0, 0.5, 0.0)],
    ),
    (
        "the same, one of the near ones loses 5 % each way",
        [(1.0, 0.2, 0.0), (1.0, 0.2, 0.05), (10.0, 0.5, 0.0), (10.0, 0.5, 0.0)],
    ),
    (
        "one near, one of 3 ms, two far that lose 5 % each way",
        [(1.0, 0.2, 0.0), (3.0, 0.5, 0.0), (10.0, 0.5, 0.05), (10.0, 0.5, 0.05)],
    ),
];

const PORT: u16 = 7060;

/// Plays all scenes, or the one with this number, each with `questions` questions for each way of choosing.
pub fn run(questions: u32, per_second: u32, only: Option<usize>) -> Result<()> {
    println!(
        "{questions} questions for each way of choosing, {per_second} a second, open loop, budget 50 ms."
    );
    println!("An unanswered question counts 50 ms.\n");
    let is_wanted = |number| only.is_none_or(|only| only == number + 1);
    for (number, (title, wires)) in SCENES.iter().enumerate().filter(|(at, _)| is_wanted(*at)) {
        println!("### {title}\n");
        play(number as u64 + 1, wires, questions, per_second)?;
        println!();
    }
    Ok(())
}

fn play(seed: u64, wires: &Wires, questions: u32, per_second: u32) -> Result<()> {
    let lab = Lab::new(seed, wires)?;
    let mut servers = Vec::new();
    for (number, address) in lab.servers.iter().enumerate() {
        servers.push(lab.inside(number + 1, &["wire-serve", address])?);
    }
    let (questions, per_second) = (questions.to_string(), per_second.to_string());
    let mut words = vec!["wire-ask", &questions, &per_second];
    words.extend(lab.servers.iter().map(String::as_str));
    let mut client = lab.inside(0, &words)?;
    let status = client.0.wait().context("the client")?;
    drop(servers);
    if !status.success() {
        bail!("the client ended with {status}");
    }
    Ok(())
}

/// Namespaces and the wire between them; gone when this is dropped, and when this process dies.
struct Lab {
    wire: Child,
    names: Vec<String>,
    servers: Vec<String>,
}

impl Lab {
    fn new(seed: u64, wires: &Wires) -> Result<Self> {
        let own = std::process::id();
        let names: Vec<String> = (0..=wires.len()).map(|at| format!("tamis-{own}-{at}")).collect();
        let mut hosts = vec![format!("{{\"netns\":\"{}\",\"address\":\"198.18.0.1\"}}", names[0])];
        let mut servers = Vec::new();
        for (at, (delay, jitter, loss)) in wires.iter().enumerate() {
            let (name, address) = (&names[at + 1], format!("198.18.0.{}", at + 2));
            hosts.push(format!(
                "{{\"netns\":\"{name}\",\"address\":\"{address}\",\"delay_ms\":{delay},\"jitter_ms\":{jitter},\"loss\":{loss}}}"
            ));
            servers.push(format!("{address}:{PORT}"));
        }
        let plan = format!("{{\"seed\":{seed},\"hosts\":[{}]}}", hosts.join(","));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/netlab/wire.py");
        let mut wire = Command::new("python3")
            .args([script, &plan])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("python3")?;
        let mut ready = String::new();
        if let Some(said) = wire.stdout.take() {
            BufReader::new(said).read_line(&mut ready)?;
        }
        let lab = Self { wire, names, servers };
        if ready.trim() != "ready" {
            bail!("no namespaces or TUN devices: this needs root and /dev/net/tun");
        }
        Ok(lab)
    }

    /// This program inside a namespace.
    fn inside(&self, host: usize, words: &[&str]) -> Result<Running> {
        let own = std::env::current_exe()?;
        let child = Command::new("ip")
            .args(["netns", "exec", &self.names[host]])
            .arg(own)
            .args(words)
            .stdin(Stdio::piped())
            .spawn()
            .context("ip netns exec")?;
        Ok(Running(child))
    }
}

impl Drop for Lab {
    /// The end of its input is the wire's sign to take everything away.
    fn drop(&mut self) {
        drop(self.wire.stdin.take());
        let _ = self.wire.wait();
        let _ = std::io::stdout().flush();
    }
}

/// A process of ours. `ip netns exec` becomes the program, so its number is the program's.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
