//! `tamis check`: files and folders through the same rings as the service.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::StreamExt as _;
use serde_json::json;
use tamis_domain::verdict::Verdict;
use tamis_runtime::clock;
use tamis_runtime::exit::Failure;
use tamis_scanner::Scanner;
use tamis_scanner::metrics::Metrics;

use crate::cli::Check;
use crate::{mails, start};

/// Exit status when some input could not be read.
const UNREADABLE: u8 = 2;

/// How often the progress line is written.
const PROGRESS_PERIOD: Duration = Duration::from_millis(200);

/// What became of one file.
struct Judged {
    file: PathBuf,
    bytes: usize,
    is_verified: bool,
    result: Result<Verdict>,
}

/// Judges all that was named, one after the other or several at a time; prints in the order of the files.
pub async fn run(options: Check) -> Result<ExitCode, Failure> {
    let scanner = Arc::new(scanner(&options)?);
    let (files, complaints) = mails::find(&options.paths);
    for complaint in &complaints {
        eprintln!("tamis check: {complaint}");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = options.jobs.map_or(cores, usize::from);
    let options = Arc::new(options);
    let total = files.len();
    let mut progress = Progress::new(total);
    let mut unreadable = complaints.len();
    let mut judged = futures_util::stream::iter(files)
        .map(|file| judge(Arc::clone(&scanner), Arc::clone(&options), file))
        .buffered(jobs);
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut written = Ok(());
    while let Some(one) = judged.next().await {
        match &one.result {
            Ok(verdict) => written = writeln!(out, "{}", line(&options, &one, verdict)),
            Err(error) => {
                unreadable += 1;
                progress.clear();
                eprintln!("tamis check: {}: {error:#}", printable(&one.file));
            }
        }
        if written.is_err() {
            break;
        }
        progress.step();
    }
    progress.clear();
    let written = written.and_then(|()| out.flush());
    // What could not be written is not tried again at the end.
    let _ = out.into_parts();
    ended(written, unreadable)
}

/// How the run ends. Whoever reads our lines and stops has seen enough: no reason to judge the rest, and no error.
/// Lines lost in any other way are one, or a full disk would look like mail without findings.
fn ended(written: std::io::Result<()>, unreadable: usize) -> Result<ExitCode, Failure> {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::temporary(
            format!("standard output: {error}"),
            "Not all verdicts were written.",
        )),
        _ if unreadable == 0 => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::from(UNREADABLE)),
    }
}

fn line(options: &Check, one: &Judged, verdict: &Verdict) -> String {
    match options.json {
        true => as_json(one, verdict).to_string(),
        false => as_text(&one.file, verdict),
    }
}

/// A file name as one line of text that no terminal obeys: control characters are escaped.
fn printable(file: &Path) -> String {
    let mut out = String::new();
    for c in file.to_string_lossy().chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// A scanner for the command line: nothing is asked over the network unless a configuration file says whom.
fn scanner(options: &Check) -> Result<Scanner, Failure> {
    let started = start::settings(options.config.as_deref())?;
    let mut config = started.scanner;
    if options.offline || options.config.is_none() {
        config.far = None;
        config.reputation.clear();
        config.authentication = None;
    }
    let snapshot = start::snapshot(started.policy, &config)?;
    Ok(Scanner::new(&config, snapshot, Metrics::new(&tamis_runtime::metrics::Metrics::new())))
}

async fn judge(scanner: Arc<Scanner>, options: Arc<Check>, file: PathBuf) -> Judged {
    let path = file.clone();
    let task = tokio::spawn(async move {
        let mail = tokio::task::block_in_place(|| mails::read(&path))?;
        let offer = mails::offer(&mail, |header| mails::envelope(&options, header));
        let (bytes, is_verified) = (mail.len(), offer.envelope.verified);
        drop(mail);
        let now_s = i64::try_from(clock::unix_seconds()).unwrap_or(i64::MAX);
        Ok((bytes, is_verified, scanner.judge(offer, now_s).await?))
    });
    let judged = task.await.map_err(anyhow::Error::from).flatten();
    match judged {
        Ok((bytes, is_verified, verdict)) => {
            Judged { file, bytes, is_verified, result: Ok(verdict) }
        }
        Err(error) => Judged { file, bytes: 0, is_verified: false, result: Err(error) },
    }
}

fn as_json(one: &Judged, verdict: &Verdict) -> serde_json::Value {
    let evidence: Vec<_> = verdict
        .evidence
        .iter()
        .map(|found| {
            json!({
                "name": found.name,
                "weight": decimal(found.weight),
                "source": found.source,
                "detail": found.detail,
                "part": found.part,
            })
        })
        .collect();
    json!({
        "file": one.file.to_string_lossy(),
        "status": verdict.status,
        "score": decimal(verdict.score),
        "evidence": evidence,
        "rung": verdict.rung,
        "timings": verdict.timings,
        "id": verdict.id,
        "bytes": one.bytes,
        "envelope": if one.is_verified { "as said" } else { "unverified: from the mail's own trace" },
    })
}

/// The shortest decimal that means the same `f32`: 0.1 and not 0.10000000149.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

fn as_text(file: &Path, verdict: &Verdict) -> String {
    let names: Vec<&str> = verdict.evidence.iter().map(|found| found.name.as_ref()).collect();
    format!(
        "{}: {} {:.2} ({}) {}",
        printable(file),
        verdict.status.word(),
        verdict.score,
        verdict.rung.word(),
        names.join(" ")
    )
}

/// A line on the terminal that says how far we are; nothing where nobody looks.
struct Progress {
    total: usize,
    done: usize,
    began: Instant,
    shown: Option<Instant>,
    is_on: bool,
}

impl Progress {
    fn new(total: usize) -> Self {
        let is_on = std::io::stderr().is_terminal() && total > 1;
        Self { total, done: 0, began: clock::now(), shown: None, is_on }
    }

    fn step(&mut self) {
        self.done += 1;
        let now = clock::now();
        let due = self.shown.is_none_or(|shown| now.duration_since(shown) >= PROGRESS_PERIOD);
        if self.is_on && due {
            self.shown = Some(now);
            let seconds = now.duration_since(self.began).as_secs_f64().max(0.001);
            let rate = self.done as f64 / seconds;
            eprint!("\r\x1b[K{} of {} mails, {rate:.0} a second", self.done, self.total);
        }
    }

    fn clear(&self) {
        if self.is_on && self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_cannot_write_lines_or_move_the_cursor() {
        for (name, expect) in [
            ("a\nb: OK", "a\\nb: OK"),
            ("\x1b[2Jx", "\\u{1b}[2Jx"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("été \\ 'a'.eml", "été \\ 'a'.eml"),
        ] {
            assert_eq!(printable(Path::new(name)), expect);
        }
    }
}
