//! Child processes that never outlive their test, and waiting with a bound.

use super::PEER_WAIT_MAX;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Pause between two looks at something that another program changes.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How much of a log a failure shows, in bytes.
const LOG_SHOWN_BYTES_MAX: usize = 4_000;

/// Looks until `look` gives something, at most for `limit`.
///
/// # Panics
/// When the limit passes first: "gave up waiting for `what`" and what `otherwise` tells, e.g. a log.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
    otherwise: impl FnOnce() -> String,
) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        if Instant::now() >= end {
            panic!("gave up waiting {limit:?} for {what}\n{}", tail(&otherwise()));
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// The last lines of a log.
pub(super) fn tail(log: &str) -> &str {
    let mut from = log.len().saturating_sub(LOG_SHOWN_BYTES_MAX);
    while !log.is_char_boundary(from) {
        from += 1;
    }
    &log[from..]
}

/// The signals that tests send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Asks to end in good order.
    Terminate,
    /// Ends at once: what a crash or the kernel's out-of-memory killer does.
    Kill,
    /// Asks to read the configuration again.
    HangUp,
    /// Freezes: the sockets stay open and nobody answers.
    Stop,
    /// Thaws.
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
            Self::HangUp => "HUP",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// Sends to a process, or to a whole group where `target` is negative. A process that has gone is no error.
pub(super) fn send_signal(signal: Signal, target: i64) {
    // The shell's own kill: the program of that name is not on every minimal machine.
    let _ = Command::new("sh")
        .args(["-c", "kill -s \"$0\" -- \"$1\"", signal.name(), &target.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// Processes that work in `directory` or below it, by their working directory.
///
/// Servers step into their queue or data directory; this finds those that left our process group too.
#[must_use]
pub fn processes_in(directory: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            fs::read_link(format!("/proc/{pid}/cwd"))
                .is_ok_and(|working| working.starts_with(directory))
        })
        .collect()
}

/// Whether every process that works in `directory` ends by itself within `limit`.
pub(super) fn all_gone_in(directory: &Path, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    while !processes_in(directory).is_empty() {
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(LOOK_AGAIN);
    }
    true
}

/// Ends every process that works in `directory` and waits until none is left.
pub(super) fn kill_all_in(directory: &Path) {
    let end = Instant::now() + PEER_WAIT_MAX;
    while Instant::now() < end && !all_gone_in(directory, Duration::ZERO) {
        for pid in processes_in(directory) {
            send_signal(Signal::Kill, i64::from(pid));
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// Runs a command to its end and gives what it printed.
///
/// # Panics
/// When it cannot be started or does not succeed, with its output.
pub(super) fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; ./test installs what is needed"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, tail(&text));
    text
}

/// A child in a process group of its own, its output in a file; killed with its group when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, standard output and error appended to `log`.
    ///
    /// # Panics
    /// When the program cannot be started or the log not written.
    #[must_use]
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Self {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let err = out.try_clone().unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}; ./test installs what is needed"));
        Self { name: name.to_owned(), child, log: log.to_owned() }
    }

    /// Its process id, also the id of its group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Sends a signal to this process alone, not to its children.
    pub fn signal(&self, signal: Signal) {
        send_signal(signal, i64::from(self.pid()));
    }

    /// Its exit status, when it has ended.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    pub fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.exit() {
                return status;
            }
            assert!(Instant::now() < end, "{} did not end: {}", self.name, tail(&self.log()));
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Waits until `ready` says so.
    ///
    /// # Panics
    /// When the process ends first, or `PEER_WAIT_MAX` passes; shows the end of its log.
    pub fn wait_ready(&mut self, mut ready: impl FnMut() -> bool) {
        let end = Instant::now() + PEER_WAIT_MAX;
        while !ready() {
            if let Some(status) = self.exit() {
                panic!("{} ended at once ({status}):\n{}", self.name, tail(&self.log()));
            }
            assert!(Instant::now() < end, "{} is not ready:\n{}", self.name, tail(&self.log()));
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Ends it and its group at once, without notice, and waits for it.
    pub fn kill9(&mut self) {
        send_signal(Signal::Kill, -i64::from(self.pid()));
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}
