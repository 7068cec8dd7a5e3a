//! `tamis check`: files and folders through the same rings as the service.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::StreamExt as _;
use serde_json::json;
use tamis_domain::plan::GroupPlan;
use tamis_domain::record::Record;
use tamis_domain::verdict::Verdict;
use tamis_runtime::clock;
use tamis_runtime::exit::Failure;
use tamis_scanner::Scanner;
use tamis_scanner::learning::Place as Kept;
use tamis_scanner::metrics::Metrics;

use crate::cli::Check;
use crate::explain::{clean, explain};
use crate::records::Place;
use crate::{mails, start};

/// Exit status when some input could not be read.
const UNREADABLE: u8 = 2;

/// What is said of an envelope that nobody vouches for.
const UNVERIFIED: &str = "unverified: from the mail's own trace";

/// How often the progress line is written.
const PROGRESS_PERIOD: Duration = Duration::from_millis(200);

/// What became of one file.
struct Judged {
    file: PathBuf,
    bytes: usize,
    is_verified: bool,
    result: Result<Told>,
}

/// A verdict, and what it followed from if somebody wants to know.
struct Told {
    verdict: Verdict,
    record: Option<Box<Record>>,
}

/// Judges all that was named, one after the other or several at a time; prints in the order of the files.
///
/// On a thread of the pool from the start: what goes on there is handed to no other thread for each mail.
pub async fn run(options: Check) -> Result<ExitCode, Failure> {
    let ended = tokio::spawn(all(options)).await;
    ended.unwrap_or_else(|error| Err(Failure::software(error.to_string())))
}

async fn all(options: Check) -> Result<ExitCode, Failure> {
    let scanner = Arc::new(scanner(options.config.as_deref(), options.offline)?);
    let (files, complaints) = mails::find(&options.paths);
    for complaint in &complaints {
        eprintln!("tamis check: {complaint}");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = options.jobs.map_or(cores, usize::from);
    let total = files.len();
    let records =
        options.record.as_deref().map(|place| Place::prepare(place, total)).transpose()?;
    let (options, records) = (Arc::new(options), records.map(Arc::new));
    let mut progress = Progress::new(total);
    let mut unreadable = complaints.len();
    let mut judged = futures_util::stream::iter(files)
        .map(|file| judge(Arc::clone(&scanner), Arc::clone(&options), records.clone(), file))
        .buffered(jobs);
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut written = Ok(());
    while let Some(one) = judged.next().await {
        match &one.result {
            Ok(told) => written = writeln!(out, "{}", line(&options, &one, told)),
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
pub fn ended(written: std::io::Result<()>, unreadable: usize) -> Result<ExitCode, Failure> {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::temporary(
            format!("standard output: {error}"),
            "Not all verdicts were written.",
        )),
        _ if unreadable == 0 => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::from(UNREADABLE)),
    }
}

fn line(options: &Check, one: &Judged, told: &Told) -> String {
    match &told.record {
        Some(record) if options.explain => explain(&printable(&one.file), record),
        _ if options.json => {
            let mut line = as_json(&one.file, &told.verdict);
            line["bytes"] = json!(one.bytes);
            let said = if one.is_verified { "as said" } else { UNVERIFIED };
            line["envelope"] = json!(said);
            line.to_string()
        }
        _ => as_text(&one.file, &told.verdict),
    }
}

/// A file name as one line of text that no terminal obeys: control characters are escaped.
pub fn printable(file: &Path) -> String {
    clean(&file.to_string_lossy())
}

/// A scanner for the command line: nothing is asked over the network unless a configuration file says whom.
pub fn scanner(file: Option<&Path>, is_offline: bool) -> Result<Scanner, Failure> {
    let started = start::settings(file)?;
    let mut config = started.scanner;
    if is_offline || file.is_none() {
        config.far = None;
        config.reputation.clear();
        config.authentication = None;
        config.learning = config.learning.filter(|it| !matches!(it.place, Kept::Redis(_)));
    }
    let snapshot = start::snapshot(started.policy, &config)?;
    Ok(Scanner::new(&config, snapshot, Metrics::new(&tamis_runtime::metrics::Metrics::new())))
}

async fn judge(
    scanner: Arc<Scanner>,
    options: Arc<Check>,
    records: Option<Arc<Place>>,
    file: PathBuf,
) -> Judged {
    let path = file.clone();
    let task = tokio::spawn(async move {
        // In place: giving the other tasks of this thread to another one costs more than nearly every file.
        let mail = mails::read(&path)?;
        let offer = mails::offer(&mail, |header| mails::envelope(&options, header));
        let (bytes, is_verified) = (mail.len(), offer.envelope.verified);
        drop(mail);
        let now_s = i64::try_from(clock::unix_seconds()).unwrap_or(i64::MAX);
        if !options.explain && records.is_none() {
            let verdict = scanner.judge(offer, now_s).await?;
            return Ok((bytes, is_verified, Told { verdict, record: None }));
        }
        let record = Box::new(scanner.judge_recorded(offer, now_s, None).await?);
        if let Some(place) = records {
            tokio::task::block_in_place(|| place.write(&path, &record, random()))?;
        }
        Ok((bytes, is_verified, Told { verdict: record.verdict.clone(), record: Some(record) }))
    });
    let judged = task.await.map_err(anyhow::Error::from).flatten();
    match judged {
        Ok((bytes, is_verified, told)) => Judged { file, bytes, is_verified, result: Ok(told) },
        Err(error) => Judged { file, bytes: 0, is_verified: false, result: Err(error) },
    }
}

/// A verdict for programs. `groups` says what it is and what is done for each group of recipients, by their places in the
/// envelope; `status` is that of the global rules.
pub fn as_json(file: &Path, verdict: &Verdict) -> serde_json::Value {
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
        "file": file.to_string_lossy(),
        "status": verdict.status,
        "score": decimal(verdict.score),
        "evidence": evidence,
        "groups": verdict.plan.groups.iter().map(group).collect::<Vec<_>>(),
        "rung": verdict.rung,
        "timings": verdict.timings,
        "id": verdict.id,
    })
}

fn group(plan: &GroupPlan) -> serde_json::Value {
    json!({
        "group": plan.group,
        "recipients": plan.recipients,
        "status": plan.status,
        "action": plan.action.word(),
    })
}

/// The shortest decimal that means the same `f32`: 0.1 and not 0.10000000149.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// A verdict in one line: by the global rules, and behind it that of groups for which it is another.
pub fn as_text(file: &Path, verdict: &Verdict) -> String {
    let names: Vec<&str> = verdict.evidence.iter().map(|found| found.name.as_ref()).collect();
    let others = verdict.plan.groups.iter().filter(|plan| plan.status != verdict.status);
    let others: String =
        others.map(|plan| format!(" [{}: {}]", clean(&plan.group), plan.status.word())).collect();
    format!(
        "{}: {} {:.2} ({}) {}{others}",
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

/// A number that nobody guesses: the standard library seeds its hash maps with it.
fn random() -> u64 {
    use std::hash::BuildHasher as _;
    std::hash::RandomState::new().hash_one(())
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
