//! Programs under measurement: started, watched from outside, ended.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Ticks in which the kernel tells processor time. 100 on every Linux since 2.6, whatever its own clock does.
const TICKS_PER_SECOND: f64 = 100.0;
/// Longest start of a program.
const START_MAX: Duration = Duration::from_secs(180);
/// Pause between two looks at something that is coming.
pub const GLANCE: Duration = Duration::from_millis(20);

/// A program that this one started. Ended with the value.
#[derive(Debug)]
pub struct Program {
    child: Child,
    name: String,
}

impl Program {
    /// Starts `command` on `core`, or wherever the kernel likes. What it says goes to `log`.
    ///
    /// # Errors
    /// It is not installed, or the core does not exist.
    pub fn start(mut command: Command, core: Option<usize>, log: &Path) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let said = fs::File::create(log)?;
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        // A child runs where its parent ran.
        let child = on_core(core, || command.spawn().with_context(|| format!("starting {name}")))??;
        Ok(Self { child, name })
    }

    /// Waits until `is_up` says so.
    ///
    /// # Errors
    /// The program ended, or the time is up.
    pub fn wait_until(&mut self, is_up: impl FnMut() -> bool) -> Result<()> {
        self.wait_for(START_MAX, is_up)
    }

    /// [`Program::wait_until`] for as long as `most`.
    ///
    /// # Errors
    /// The program ended, or the time is up.
    pub fn wait_for(&mut self, most: Duration, mut is_up: impl FnMut() -> bool) -> Result<()> {
        let began = Instant::now();
        while !is_up() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at its start: {status}", self.name);
            }
            if began.elapsed() > most {
                bail!("{} does not answer after {most:?}", self.name);
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// User and system time of the process and its children so far, in seconds.
    ///
    /// # Errors
    /// It is gone.
    pub fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds_of_family(self.child.id())
    }

    /// Keeps all threads that it has, and those that they start, on `core`.
    ///
    /// # Errors
    /// It is gone, or there is no such core.
    pub fn stay_on(&self, core: usize) -> Result<()> {
        let mut one = CpuSet::new();
        one.set(core)?;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let number = thread?.file_name().to_string_lossy().parse()?;
            match sched_setaffinity(Pid::from_raw(number), &one) {
                // A thread that ended meanwhile.
                Err(Errno::ESRCH) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that was ever resident of the process, in bytes.
    ///
    /// # Errors
    /// It is gone.
    pub fn resident_bytes_max(&self) -> Result<u64> {
        status_bytes(self.child.id(), "VmHWM:")
    }

    /// Memory resident of the process and its children, in bytes.
    ///
    /// # Errors
    /// It is gone.
    pub fn resident_bytes(&self) -> Result<u64> {
        family(self.child.id()).into_iter().map(resident_bytes).sum()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Children first: they would outlive a parent that is killed.
        for pid in family(self.child.id()).into_iter().skip(1) {
            let _ = Command::new("kill").arg(pid.to_string()).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process and its children, which some servers work in.
fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    std::iter::once(pid).chain(children.split(' ').filter_map(|it| it.parse().ok())).collect()
}

/// User and system time of a process and its children so far, in seconds.
///
/// # Errors
/// It is gone.
pub fn cpu_seconds_of_family(pid: u32) -> Result<f64> {
    family(pid).into_iter().map(cpu_seconds).sum()
}

/// Memory of a process and its children, in bytes: the most that was ever resident, if it has no children; otherwise what is
/// theirs now, shared pages counted once.
///
/// # Errors
/// It is gone.
pub fn memory_of_family(pid: u32) -> Result<u64> {
    let family = family(pid);
    if family.len() == 1 {
        return status_bytes(pid, "VmHWM:");
    }
    family.into_iter().map(|pid| field_bytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")).sum()
}

fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Field 2 is the name, in brackets, and may hold anything; field 3 follows. 14 and 15 are wanted.
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    let ticks = after.split(' ').skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
}

/// Memory resident of one process, in bytes.
///
/// # Errors
/// It is gone.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmRSS:")
}

fn status_bytes(pid: u32, name: &str) -> Result<u64> {
    field_bytes(&format!("/proc/{pid}/status"), name)
}

/// A line of a file of /proc that says so many kB.
fn field_bytes(path: &str, name: &str) -> Result<u64> {
    let status = fs::read_to_string(path)?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kib = kib.with_context(|| format!("no {name}"))?;
    Ok(kib.trim().parse::<u64>()? * 1024)
}

/// Does `work` with this thread on `core`, and lets it go where it liked before.
///
/// # Errors
/// There is no such core.
pub fn on_core<T>(core: Option<usize>, work: impl FnOnce() -> T) -> Result<T> {
    let Some(core) = core else { return Ok(work()) };
    let before = sched_getaffinity(Pid::from_raw(0))?;
    let mut one = CpuSet::new();
    one.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &one)?;
    let done = work();
    sched_setaffinity(Pid::from_raw(0), &before)?;
    Ok(done)
}

/// This machine's own address, and `port`.
#[must_use]
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A port that is free for TCP and for UDP. Another program may take it before it is used; then the start fails.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let port = TcpListener::bind(local(0))?.local_addr()?.port();
        if UdpSocket::bind(local(port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}
