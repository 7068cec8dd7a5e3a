//! Our own binaries, started as an administrator starts them.

use super::redis::{temporary_directory, write_file};
use super::tamis_config::Completed;
use super::{PEER_WAIT_MAX, Process, Signal, wait_for};
use std::env;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long one answer of the admin listener may take.
const ADMIN_WAIT_MAX: Duration = Duration::from_secs(5);

/// A running `tamis` or `tamis-edge`; killed when dropped.
#[derive(Debug)]
pub struct Tamis {
    binary: String,
    arguments: Vec<String>,
    /// Section whose `admin` address answers for this process.
    role: String,
    config: Completed,
    environment: Vec<(String, String)>,
    /// Where its program is; none: where all are.
    programs: Option<PathBuf>,
    /// What the system grants it, in words of `prlimit`.
    limits: Vec<String>,
    directory: TempDir,
    process: Process,
}

impl Tamis {
    /// Starts `tamis` with these arguments (the role first: `all`, `edge`, `scanner`, `reputation`) and
    /// a configuration completed with free ports, and returns when it says that it is ready.
    ///
    /// # Panics
    /// When the binary is missing, ends at once, or is not ready in time; its log is shown.
    #[must_use]
    pub fn start(arguments: &[&str], config_toml: Option<&str>) -> Self {
        let role = arguments.first().copied().unwrap_or("all");
        Self::launch("tamis", arguments, role, config_toml.unwrap_or(""), &[])
    }

    /// Starts the thin binary `tamis-edge`.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn thin_edge(config_toml: &str) -> Self {
        Self::launch("tamis-edge", &[], "edge", config_toml, &[])
    }

    /// As `thin_edge`, started with limits of the system: `--nofile=100:100`.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn thin_edge_within(limits: &[&str], config_toml: &str) -> Self {
        let mut edge = Self::launch("tamis-edge", &[], "edge", config_toml, &[]);
        edge.limits = limits.iter().map(|&limit| limit.to_owned()).collect();
        edge.restart();
        edge
    }

    /// As `start`, with environment variables, e.g. `OTEL_EXPORTER_OTLP_ENDPOINT`.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn start_with(role: &str, config_toml: &str, environment: &[(&str, &str)]) -> Self {
        Self::launch("tamis", &[role], role, config_toml, environment)
    }

    fn launch(
        binary: &str,
        arguments: &[&str],
        role: &str,
        written: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let directory = temporary_directory();
        let config = Completed::new(written, directory.path());
        for key in ["spool_dir", "state_dir"] {
            let _ = fs::create_dir(directory.path().join(key));
        }
        let file = write_file(directory.path(), "tamis.toml", &config.text);
        let arguments: Vec<String> = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .chain(["--config".to_owned(), file.to_string_lossy().into_owned()])
            .collect();
        let environment: Vec<(String, String)> =
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let process = spawn(own_program(binary), &arguments, &environment, directory.path());
        let mut tamis = Self {
            binary: binary.to_owned(),
            arguments,
            role: role.to_owned(),
            config,
            environment,
            programs: None,
            limits: Vec::new(),
            directory,
            process,
        };
        tamis.wait_ready();
        tamis
    }

    /// Runs `tamis` to its end with these arguments and gives what it printed.
    ///
    /// # Panics
    /// When the binary is missing.
    #[must_use]
    pub fn run(arguments: &[&str]) -> Output {
        Self::run_in(Path::new("."), arguments)
    }

    /// As `run`, in this directory.
    ///
    /// # Panics
    /// When the binary is missing.
    #[must_use]
    pub fn run_in(directory: &Path, arguments: &[&str]) -> Output {
        own_program("tamis")
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("tamis: {error}; ./test builds it"))
    }

    fn wait_ready(&mut self) {
        let admin = self.admin();
        self.process.wait_ready(|| matches!(get(&admin, "/healthz/ready"), Some((200, _))));
    }

    /// The address of metrics and health.
    #[must_use]
    pub fn admin(&self) -> String {
        self.address(&self.role, "admin")
    }

    /// An address of the configuration, e.g. of `edge` `lmtp`; empty when it is off.
    #[must_use]
    pub fn address(&self, section: &str, key: &str) -> String {
        self.config.value(section, key).to_owned()
    }

    /// The port of an address of the configuration.
    ///
    /// # Panics
    /// When that address has none.
    #[must_use]
    pub fn port(&self, section: &str, key: &str) -> u16 {
        let address = self.address(section, key);
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
        port.unwrap_or_else(|| panic!("[{section}] {key} = '{address}' has no port"))
    }

    /// Where the milter listens.
    #[must_use]
    pub fn milter_port(&self) -> u16 {
        self.port("edge", "milter")
    }

    /// Where LMTP is taken.
    #[must_use]
    pub fn lmtp_port(&self) -> u16 {
        self.port("edge", "lmtp")
    }

    /// Where SMTP is taken.
    #[must_use]
    pub fn smtp_port(&self) -> u16 {
        self.port("edge", "smtp")
    }

    /// The configuration file it was started with.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.directory.path().join("tamis.toml")
    }

    /// The directory of its files: `state_dir`, `spool_dir`, `tamis.toml`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Everything it printed, on standard output and error together.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits for a text in the log and gives the line that holds it.
    ///
    /// # Panics
    /// When it does not come in time.
    #[must_use]
    pub fn wait_log(&self, text: &str) -> String {
        let find = || self.log().lines().find(|line| line.contains(text)).map(str::to_owned);
        wait_for(&format!("'{text}' in the log"), PEER_WAIT_MAX, find, || self.log())
    }

    /// Asks its admin listener; the status is 0 when it does not answer.
    #[must_use]
    pub fn get(&self, path: &str) -> (u16, String) {
        get(&self.admin(), path).unwrap_or_default()
    }

    /// The sum of all metric lines that start with `name` (labels included where wanted); 0 when there is none.
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics");
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The log lines that are JSON with this message, as far as they are written.
    #[must_use]
    pub fn log_lines(&self, message: &str) -> Vec<String> {
        let wanted = format!("\"message\":\"{message}\"");
        self.log().lines().filter(|line| line.contains(&wanted)).map(str::to_owned).collect()
    }

    /// Resident memory, in bytes; 0 when it has ended.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    pub fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        self.process.wait_exit(limit)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.exit().is_some()
    }

    /// Ends it at once, as a crash does.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Starts it again with the same configuration, ports and state, and waits until it is ready.
    ///
    /// # Panics
    /// As `start`.
    pub fn restart(&mut self) {
        self.process.kill9();
        let program = match &self.programs {
            Some(directory) => cleaned(directory.join(&self.binary)),
            None => own_program(&self.binary),
        };
        let program = within(&self.limits, program);
        self.process = spawn(program, &self.arguments, &self.environment, self.directory.path());
        self.wait_ready();
    }

    /// Asks it to end in good order, and starts it again from the programs in this directory; `None`: those of this build.
    ///
    /// # Panics
    /// When it does not end within `limit`, or does not start.
    pub fn exchange(&mut self, programs: Option<&Path>, limit: Duration) {
        self.signal(Signal::Terminate);
        let status = self.wait_exit(limit);
        assert!(status.success(), "{status}: {}", self.log());
        self.programs = programs.map(Path::to_owned);
        self.restart();
    }
}

fn spawn(
    mut command: Command,
    arguments: &[String],
    environment: &[(String, String)],
    directory: &Path,
) -> Process {
    command.args(arguments).current_dir(directory).env("RUST_BACKTRACE", "1");
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let name = command.get_program().to_string_lossy().into_owned();
    Process::spawn(&name, &mut command, &directory.join("log"))
}

/// The same program with limits of the system, and the same process id.
fn within(limits: &[String], program: Command) -> Command {
    if limits.is_empty() {
        return program;
    }
    let mut command = Command::new("prlimit");
    command.args(limits).arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// One of our programs, to be run as a test likes, with nothing of the environment that would change what it does: it refuses variables of its prefix
/// that are no settings, as those of this harness are.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn own_program(name: &str) -> Command {
    cleaned(binary_path(name))
}

fn cleaned(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    for (variable, _) in env::vars_os() {
        let text = variable.to_string_lossy();
        if text.starts_with("TAMIS_") || text.starts_with("OTEL_") || text == "RUST_LOG" {
            command.env_remove(&variable);
        }
    }
    command
}

/// Our binaries: in `TAMIS_BIN_DIR`, or where cargo puts them: beside this executable, or above it if it is a test.
pub(super) fn binary_path(name: &str) -> PathBuf {
    let directory = env::var_os("TAMIS_BIN_DIR").map(PathBuf::from).or_else(|| {
        let beside = env::current_exe().ok()?.parent()?.to_owned();
        let is_test = beside.file_name().is_some_and(|folder| folder == "deps");
        if is_test { beside.parent().map(Path::to_owned) } else { Some(beside) }
    });
    let path = directory.unwrap_or_default().join(name);
    assert!(path.is_file(), "{} is not built: run ./test", path.display());
    path
}

/// One HTTP question: status and body; None when there is no whole answer.
#[must_use]
pub fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(ADMIN_WAIT_MAX)).ok()?;
    // Version 1.0, so that the answer comes in one piece and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
