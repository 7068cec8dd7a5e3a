//! Processes that outlive the command that started them, and their end.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::plan::Member;

/// Pause between two looks.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long processes may take to finish what they have: an edge takes 25 s for the mails in its hands.
const END_MAX: Duration = Duration::from_secs(30);
/// How long the kernel may take to end what cannot refuse.
const KILL_MAX: Duration = Duration::from_secs(10);
/// Position of the state and of the start among the fields behind the name in `/proc/PID/stat`, see proc(5).
const STATE_FIELD: usize = 0;
const PARENT_FIELD: usize = 1;
const START_FIELD: usize = 19;

/// A process: its number, and when it began, in ticks since the start of the machine. A number is used again, both are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) pid: u32,
    pub(super) start: u64,
}

/// Parent and start of the process with this number; none if it has ended, even if nobody has asked for its status yet.
fn look(pid: u32) -> Option<(u32, u64)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// As `look`. The name stands in brackets and may hold anything.
pub(super) fn parse_stat(stat: &str) -> Option<(u32, u64)> {
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let is_ended = matches!(*fields.get(STATE_FIELD)?, "Z" | "X");
    let parent = fields.get(PARENT_FIELD)?.parse().ok()?;
    let start = fields.get(START_FIELD)?.parse().ok()?;
    (!is_ended).then_some((parent, start))
}

impl Identity {
    /// The process that has this number now.
    pub(super) fn of(pid: u32) -> Option<Self> {
        look(pid).map(|(_, start)| Self { pid, start })
    }

    pub(super) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// Starts a process in a session of its own, so that no end of a terminal is its end, with its output appended to `log`.
pub(super) fn start(member: &Member, home: &Path, log: &Path) -> Result<Identity> {
    let place = || log.display().to_string();
    let out = File::options().create(true).append(true).open(log).with_context(place)?;
    let err = out.try_clone().with_context(place)?;
    let mut command = Command::new("setsid");
    command.args(&member.command).current_dir(home);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let is_ours = ["TAMIS_", "OTEL_", "RUST_LOG"].iter().any(|start| text.starts_with(start));
        if is_ours && !(member.is_in_root && text.starts_with("TAMIS_TEST_")) {
            command.env_remove(&name);
        }
    }
    let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
    let pid = child.with_context(|| member.name.clone())?.id();
    // One that has ended already is told by whoever waits for its health.
    Ok(Identity::of(pid).unwrap_or(Identity { pid, start: 0 }))
}

/// Every process of this machine that descends from one of these, and they themselves.
pub(super) fn families(of: &[Identity]) -> Vec<Identity> {
    let mut children: HashMap<u32, Vec<Identity>> = HashMap::new();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some((parent, start)) = look(pid) {
            children.entry(parent).or_default().push(Identity { pid, start });
        }
    }
    let mut found: Vec<Identity> = of.iter().copied().filter(|one| one.is_alive()).collect();
    let mut at = 0;
    while let Some(parent) = found.get(at) {
        found.extend(children.remove(&parent.pid).unwrap_or_default());
        at += 1;
    }
    found
}

fn signal(name: &str, processes: &[Identity]) {
    // Looked at again just before: the number of one that ended meanwhile may be another's.
    let pids: Vec<String> =
        processes.iter().filter(|one| one.is_alive()).map(|one| one.pid.to_string()).collect();
    if pids.is_empty() {
        return;
    }
    // The shell's own kill: the program of that name is not on every machine.
    let script = "for pid; do kill -s \"$0\" \"$pid\"; done";
    let mut command = Command::new("sh");
    let _ = command.args(["-c", script, name]).args(pids).stderr(Stdio::null()).status();
}

fn wait_gone(processes: &[Identity], limit: Duration) -> bool {
    let end = Instant::now() + limit;
    while processes.iter().any(|one| one.is_alive()) {
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(LOOK_AGAIN);
    }
    true
}

/// Ends these processes and all below them, and no other: asks, waits, and then does not ask. Gives how many had to be killed.
pub(super) fn end(processes: &[Identity]) -> Result<usize> {
    let family = families(processes);
    signal("TERM", &family);
    if wait_gone(&family, END_MAX) {
        return Ok(0);
    }
    let left: Vec<Identity> = families(&family).into_iter().filter(|one| one.is_alive()).collect();
    signal("KILL", &left);
    if wait_gone(&left, KILL_MAX) {
        return Ok(left.len());
    }
    let pids: Vec<u32> = left.iter().filter(|one| one.is_alive()).map(|one| one.pid).collect();
    bail!("these processes cannot be ended: {pids:?}")
}
