//! rspamd's fuzzy storage with its Redis, from Debian's packages `rspamd` and `redis-server`, as it is meant to be run:
//! one worker, Redis as backend, plain UDP from this machine.

use std::fs;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::process::{GLANCE, Program, free_port, local};

/// Longest time in which rspamd writes what it was taught.
const WRITE_MAX: Duration = Duration::from_secs(60);

/// rspamd's fuzzy storage, running.
#[derive(Debug)]
pub struct Rspamd {
    worker: Program,
    redis: Program,
    redis_port: u16,
    /// Where it answers.
    pub address: SocketAddr,
    /// What it says it is.
    pub version: String,
}

impl Rspamd {
    /// Starts both programs on `core`, with their files in `folder`.
    ///
    /// # Errors
    /// A package is not installed, or a program does not start.
    pub fn start(folder: &Path, core: Option<usize>) -> Result<Self> {
        let version = Command::new("rspamd").arg("--version").output();
        let version = version.context("rspamd is not installed (Debian package rspamd)")?;
        let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        let (redis_port, port) = (free_port()?, free_port()?);
        let mut command = Command::new("redis-server");
        let port_word = redis_port.to_string();
        command.args([
            "--port",
            &port_word,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        let mut redis = Program::start(command, core, &folder.join("redis.log"))?;
        redis.wait_until(|| TcpStream::connect(local(redis_port)).is_ok())?;
        let config = folder.join("rspamd.conf");
        fs::write(&config, configuration(folder, port, redis_port))?;
        let mut command = Command::new("rspamd");
        command.args(["-f", "-i", "-c"]).arg(&config);
        let mut worker = Program::start(command, core, &folder.join("rspamd.out"))?;
        worker.wait_until(|| is_answering(local(port)))?;
        Ok(Self { worker, redis, redis_port, address: local(port), version })
    }

    /// Processor time of rspamd and of Redis so far.
    ///
    /// # Errors
    /// One of them is gone.
    pub fn cpu_seconds(&self) -> Result<f64> {
        Ok(self.worker.cpu_seconds()? + self.redis.cpu_seconds()?)
    }

    /// Memory of rspamd and of Redis.
    ///
    /// # Errors
    /// One of them is gone.
    pub fn resident_bytes(&self) -> Result<u64> {
        Ok(self.worker.resident_bytes()? + self.redis.resident_bytes()?)
    }

    /// Keys in its Redis.
    ///
    /// # Errors
    /// Redis does not answer.
    pub fn keys(&self) -> Result<u64> {
        let port = self.redis_port.to_string();
        let said = Command::new("redis-cli").args(["-p", &port, "dbsize"]).output()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        said.trim().parse().with_context(|| format!("redis-cli dbsize: {said}"))
    }

    /// Waits until what was taught is written, all but what two texts may have in common.
    ///
    /// # Errors
    /// rspamd does not write it.
    pub fn wait_for_keys(&self, wanted: u64) -> Result<()> {
        let began = Instant::now();
        loop {
            let keys = self.keys()?;
            if keys as f64 >= 0.999 * wanted as f64 {
                return Ok(());
            }
            ensure!(began.elapsed() < WRITE_MAX, "rspamd keeps {keys} keys of {wanted}");
            thread::sleep(GLANCE);
        }
    }
}

fn configuration(folder: &Path, port: u16, redis_port: u16) -> String {
    let folder = folder.display();
    format!(
        "options {{\n  pidfile = \"{folder}/rspamd.pid\";\n  control_socket = \"{folder}/rspamd.sock mode=0600\";\n  \
         tempdir = \"{folder}\";\n  dns {{ nameserver = \"127.0.0.1:53\"; }}\n}}\n\
         logging {{ type = \"file\"; filename = \"{folder}/rspamd.log\"; level = \"notice\"; }}\n\
         worker \"fuzzy\" {{\n  bind_socket = \"127.0.0.1:{port}\";\n  count = 1;\n  backend = \"redis\";\n  \
         servers = \"127.0.0.1:{redis_port}\";\n  allow_update = [\"127.0.0.1\"];\n  expire = 90d;\n  sync = 0.2s;\n  timeout = 30s;\n}}\n"
    )
}

/// Whether a question for nothing in particular is answered.
fn is_answering(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<usize> {
        let socket = UdpSocket::bind(local(0))?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(10 * GLANCE.max(Duration::from_millis(1))))?;
        let mut question = [0; 76];
        question[0] = 4;
        socket.send(&question)?;
        socket.recv(&mut [0; 512])
    };
    ask().is_ok()
}
