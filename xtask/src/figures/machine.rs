//! Processes under measure: started in a folder of their own, read through `/proc`, ended with their owner.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The longest wait for a program to open its port.
const OPEN_MAX: Duration = Duration::from_secs(30);
/// Pause between two tries: far below what is measured.
const TRY_AGAIN: Duration = Duration::from_micros(500);
/// Unit of processor time in `/proc/*/stat`: USER_HZ, which is 100 on every Linux that we run on.
const TICKS_PER_SECOND: f64 = 100.0;
/// Longest answer read from a metrics page.
const PAGE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// End of what a program wrote that an error shows.
const LOG_BYTES_SHOWN: usize = 2000;

/// A folder that goes with its owner.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn new() -> Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tamis-figures-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A program that runs until this is dropped.
pub(super) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `program`; what it says goes into a file of `folder`.
    pub(super) fn start(program: &Path, words: &[&str], folder: &Folder) -> Result<Self> {
        let role = words.first().copied().unwrap_or_default().trim_start_matches('-');
        let log = folder.path.join(format!("{role}.log"));
        let out = File::create(&log)?;
        let child = Command::new(program)
            .args(words)
            .current_dir(&folder.path)
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .spawn()
            .with_context(|| program.display().to_string())?;
        Ok(Self { child, log })
    }

    /// Waits until somebody accepts on `port`; fails at once when the program has ended.
    pub(super) fn opened(&mut self, port: u16) -> Result<()> {
        let end = Instant::now() + OPEN_MAX;
        while TcpStream::connect(local(port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}", self.last_words());
            }
            if Instant::now() > end {
                bail!("it does not listen on {port}: {}", self.last_words());
            }
            thread::sleep(TRY_AGAIN);
        }
        Ok(())
    }

    /// A line of `/proc/PID/status` in KiB, such as `VmRSS` or, the most it ever was, `VmHWM`.
    pub(super) fn memory_kib(&self, line: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let value = status.lines().find_map(|one| one.strip_prefix(line)?.strip_prefix(':'));
        let number = value.and_then(|value| value.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).with_context(|| format!("no {line}"))
    }

    fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_BYTES_SHOWN)..]).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of programs that this one has started and seen end.
pub(super) fn ended_cpu_seconds() -> Result<f64> {
    cpu_seconds("/proc/self/stat", 16)
}

/// Two neighbouring fields of a `stat` file, user and system time, counted from 1 as proc(5) does.
fn cpu_seconds(path: &str, field: usize) -> Result<f64> {
    let stat = fs::read_to_string(path)?;
    // Field 2 is the name, in brackets, and may hold anything; field 3 follows.
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    let fields: Vec<&str> = after.split(' ').collect();
    let ticks = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<f64>().ok());
    let sum = ticks(field).zip(ticks(field + 1)).map(|(user, system)| user + system);
    Ok(sum.with_context(|| format!("{path} has no processor time"))? / TICKS_PER_SECOND)
}

/// This machine's own address, and `port`.
pub(super) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A port that is free for TCP and for UDP. Another program may take it before it is used; then the start fails.
pub(super) fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let port = TcpListener::bind(local(0))?.local_addr()?.port();
        if UdpSocket::bind(local(port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port")
}

/// The metrics page of an admin listener.
pub(super) fn metrics(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect(local(port))?;
    stream.set_read_timeout(Some(OPEN_MAX))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.take(PAGE_BYTES_MAX).read_to_string(&mut page)?;
    if !page.starts_with("HTTP/1.1 200 ") {
        bail!("no metrics: {}", page.lines().next().unwrap_or_default());
    }
    Ok(page)
}

/// Values of a metric, each with its labels as written.
pub(super) fn series<'a>(page: &'a str, name: &str) -> Vec<(&'a str, f64)> {
    let of_line = |line: &'a str| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let is_whole_name = labels.is_empty() || labels.starts_with('{');
        is_whole_name.then_some((labels, value.trim().parse().ok()?))
    };
    page.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_their_whole_name() {
        let page =
            "# TYPE x counter\nx_total{k=\"a\"} 1\nx_total{k=\"b c\"} 2.5\nx_total_more 9\ny 3\n";
        assert_eq!(series(page, "x_total"), [("{k=\"a\"}", 1.0), ("{k=\"b c\"}", 2.5)]);
        assert_eq!(series(page, "y"), [("", 3.0)]);
        assert!(series(page, "z").is_empty());
    }

    #[test]
    fn this_process_has_memory_and_processor_time() {
        assert!(cpu_seconds("/proc/self/stat", 14).unwrap() >= 0.0);
        assert!(ended_cpu_seconds().unwrap() >= 0.0);
        assert!(cpu_seconds("/proc/self/stat", 900).is_err());
    }
}
