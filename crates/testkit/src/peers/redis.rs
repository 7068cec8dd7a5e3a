//! One Redis server.

use super::process::run;
use super::{Authority, Process, Signal, free_port};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long one PING may take while a server starts.
const PING_WAIT_MAX: Duration = Duration::from_secs(1);

/// A running Redis, empty at first, in memory only; killed when dropped.
#[derive(Debug)]
pub struct Redis {
    /// Port on 127.0.0.1; of the TLS listener where there is one.
    pub port: u16,
    process: Process,
    directory: TempDir,
    arguments: Vec<String>,
    authority: Option<Authority>,
}

impl Redis {
    /// Starts a plain server.
    ///
    /// # Panics
    /// When Redis is not installed or does not start.
    #[must_use]
    pub fn start() -> Self {
        let port = free_port();
        Self::start_with(port, &["--port", &port.to_string()])
    }

    /// Starts a server that has every write on disk before it answers, and keeps it over a restart.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn durable() -> Self {
        let port = free_port();
        let port_text = port.to_string();
        Self::start_with(
            port,
            &["--port", &port_text, "--appendonly", "yes", "--appendfsync", "always"],
        )
    }

    /// Starts a server that speaks TLS only, with a certificate of an authority of its own.
    ///
    /// # Panics
    /// When Redis or openssl is missing or does not start.
    #[must_use]
    pub fn tls() -> Self {
        let port = free_port();
        let directory = temporary_directory();
        let authority = Authority::new(directory.path());
        let own = authority.issue("redis.test");
        let arguments = [
            "--port",
            "0",
            "--tls-port",
            &port.to_string(),
            "--tls-auth-clients",
            "no",
            "--tls-cert-file",
            &own.certificate.to_string_lossy(),
            "--tls-key-file",
            &own.key.to_string_lossy(),
            "--tls-ca-cert-file",
            &authority.certificate().to_string_lossy(),
        ]
        .map(str::to_owned);
        Self::launch(port, directory, arguments.to_vec(), Some(authority))
    }

    /// Starts a server with these arguments, which have to make it listen on `port`.
    pub(super) fn start_with(port: u16, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self::launch(port, temporary_directory(), arguments, None)
    }

    fn launch(
        port: u16,
        directory: TempDir,
        arguments: Vec<String>,
        authority: Option<Authority>,
    ) -> Self {
        let process = spawn(directory.path(), &arguments);
        let mut redis = Self { port, process, directory, arguments, authority };
        redis.wait_ready();
        redis
    }

    fn wait_ready(&mut self) {
        let (port, tls) = (self.port, self.authority.is_some());
        // A TLS server is ready when it accepts; its first command is the test's own.
        self.process.wait_ready(|| if tls { accepts(port) } else { answers_ping(port) });
    }

    /// How a client names it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}/", self.port)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What a client has to trust to speak TLS with it.
    ///
    /// # Panics
    /// When it does not speak TLS.
    #[must_use]
    pub fn authority(&self) -> &Path {
        self.authority.as_ref().map_or_else(|| panic!("not a TLS server"), Authority::certificate)
    }

    /// What `redis-cli` prints for a command.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        if let Some(authority) = &self.authority {
            command.arg("--tls").arg("--cacert").arg(authority.certificate());
        }
        run(command.args(arguments))
    }

    /// Ends it at once; what it remembered is gone.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Starts it again, empty unless it is durable, on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.process.kill9();
        self.process = spawn(self.directory.path(), &self.arguments);
        self.wait_ready();
    }

    /// Starts it again, empty, as a replica of the server on port `master`, or as a master.
    pub(super) fn restart_under(&mut self, master: Option<u16>) {
        self.arguments = vec!["--port".to_owned(), self.port.to_string()];
        if let Some(port) = master {
            self.arguments.extend(["--replicaof", "127.0.0.1"].map(str::to_owned));
            self.arguments.push(port.to_string());
        }
        self.restart();
    }

    /// Freezes it: connections stay open and nothing is answered.
    pub fn freeze(&self) {
        self.process.signal(Signal::Stop);
    }

    /// Thaws it.
    pub fn thaw(&self) {
        self.process.signal(Signal::Continue);
    }
}

fn spawn(directory: &Path, arguments: &[String]) -> Process {
    let log = directory.join("redis.log");
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
    command.arg(directory).args(arguments);
    Process::spawn("redis-server", &mut command, &log)
}

pub(super) fn temporary_directory() -> TempDir {
    tempfile::Builder::new()
        .prefix("tamis-peer-")
        .tempdir()
        .unwrap_or_else(|error| panic!("temporary directory: {error}"))
}

/// A file of a test, in `directory`.
pub(super) fn write_file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

fn accepts(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Whether a Redis (or Sentinel) on this port answers PING.
pub(super) fn answers_ping(port: u16) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PING_WAIT_MAX))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(answer == *b"+PONG")
    };
    ping().unwrap_or(false)
}
