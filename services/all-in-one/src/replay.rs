//! `tamis replay`: a verdict again from its record, or what another policy and other bases make of it.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use tamis_domain::evidence::Evidence;
use tamis_domain::record::{Change, Record, changes};
use tamis_domain::verdict::Verdict;
use tamis_runtime::exit::Failure;

use crate::cli::Replay;
use crate::explain::{clean, explain};
use crate::{check, mails, records};

/// Exit status when a verdict is not what was said.
const DIFFERS: u8 = 1;

/// Replays all that was named, or judges one mail anew.
pub async fn run(options: Replay) -> Result<ExitCode, Failure> {
    if let Some(mail) = &options.now {
        return again(&options, mail).await;
    }
    let (files, complaints) = mails::find(&options.paths);
    for complaint in &complaints {
        eprintln!("tamis replay: {complaint}");
    }
    let mut unreadable = complaints.len();
    let mut differs = false;
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut written = Ok(());
    for file in files {
        match records::read(&file) {
            Ok(record) => {
                let verdict = record.replay();
                differs |= !is_as_said(&file, &record, &verdict);
                let record = Record { verdict, ..record };
                written = writeln!(out, "{}", line(&options, &file, &record));
            }
            Err(error) => {
                unreadable += 1;
                eprintln!("tamis replay: {}: {error:#}", check::printable(&file));
            }
        }
        if written.is_err() {
            break;
        }
    }
    let written = written.and_then(|()| out.flush());
    let _ = out.into_parts();
    let ended = check::ended(written, unreadable)?;
    Ok(if differs && unreadable == 0 { ExitCode::from(DIFFERS) } else { ended })
}

fn line(options: &Replay, file: &Path, record: &Record) -> String {
    match (options.explain, options.json) {
        (true, _) => explain(&check::printable(file), record),
        (_, true) => check::as_json(file, &record.verdict).to_string(),
        _ => check::as_text(file, &record.verdict),
    }
}

/// Whether the replay is what was said, bit for bit; complains if not.
fn is_as_said(file: &Path, record: &Record, verdict: &Verdict) -> bool {
    let said = &record.verdict;
    let same = verdict == said && verdict.score.to_bits() == said.score.to_bits();
    if !same {
        eprintln!(
            "tamis replay: {}: said was {} {:.2}; the record gives {} {:.2}, or differs in what is done",
            check::printable(file),
            said.status.word(),
            said.score,
            verdict.status.word(),
            verdict.score
        );
    }
    same
}

async fn again(options: &Replay, mail: &Path) -> Result<ExitCode, Failure> {
    let [file] = options.paths.as_slice() else {
        return Err(Failure::usage("--now takes one record", "Name one record."));
    };
    let unreadable = |file: &Path, error: &anyhow::Error| {
        Failure::usage(
            format!("{}: {error:#}", check::printable(file)),
            "Name a record and its mail.",
        )
    };
    let before = records::read(file).map_err(|error| unreadable(file, &error))?;
    let bytes = mails::read(mail).map_err(|error| unreadable(mail, &error))?;
    let offer = mails::offer(&bytes, |_| before.envelope.clone());
    if offer.id != before.verdict.id {
        let error = anyhow::anyhow!("not the mail of this record");
        return Err(unreadable(mail, &error));
    }
    let scanner = check::scanner(options.config.as_deref(), options.offline)?;
    let after = scanner
        .judge_recorded(offer, before.now_s, Some(&before))
        .await
        .map_err(|error| unreadable(mail, &error.into()))?;
    tamis_runtime::say!("{}", difference(&before, &after));
    Ok(ExitCode::SUCCESS)
}

/// What changed from one verdict about a mail to another, for a person.
fn difference(before: &Record, after: &Record) -> String {
    let (was, is) = (&before.verdict, &after.verdict);
    let mut lines = vec![
        pair("status", was.status.word(), is.status.word()),
        pair("score", &format!("{:.2}", was.score), &format!("{:.2}", is.score)),
        pair("rung", was.rung.word(), is.rung.word()),
        pair("checks", &format!("{:08x}", was.generation), &format!("{:08x}", is.generation)),
    ];
    let rules = |record: &Record| {
        let rules = &record.global.rules;
        let off: Vec<&str> = rules.methods_off.iter().map(|source| source.word()).collect();
        let detection = if rules.detection { "" } else { ", detection off" };
        format!(
            "probable_spam from {}, spam from {}, methods off: {}{detection}",
            rules.thresholds.probable_spam,
            rules.thresholds.spam,
            if off.is_empty() { "none".to_owned() } else { off.join(" ") }
        )
    };
    lines.push(pair("rules", &rules(before), &rules(after)));
    lines.push(pair("done", &done(was), &done(is)));
    let changes = changes(&was.evidence, &is.evidence);
    if changes.is_empty() {
        lines.push("findings  the same".to_owned());
    }
    lines.extend(changes.iter().map(told));
    lines.join("\n")
}

fn pair(what: &str, before: &str, after: &str) -> String {
    match before == after {
        true => format!("{what:<9} {after}"),
        false => format!("{what:<9} {before} -> {after}"),
    }
}

/// Groups with their status and action.
fn done(verdict: &Verdict) -> String {
    let group = |it: &tamis_domain::plan::GroupPlan| {
        format!("{} {} {}", clean(&it.group), it.status.word(), it.action.word())
    };
    verdict.plan.groups.iter().map(group).collect::<Vec<_>>().join(", ")
}

fn told(change: &Change) -> String {
    match change {
        Change::Appeared(found) => format!("+ {:>6.2}  {}", found.weight, finding(found)),
        Change::Vanished(found) => format!("- {:>6.2}  {}", found.weight, finding(found)),
        Change::Differs { before, after } => {
            format!("~ {:>6.2} -> {:.2}  {}", before.weight, after.weight, finding(after))
        }
    }
}

fn finding(found: &Evidence) -> String {
    let part = found.part.map(|part| format!(" in part {part}")).unwrap_or_default();
    let detail =
        if found.detail.is_empty() { String::new() } else { format!(": {}", found.detail) };
    clean(&format!("{} ({}){part}{detail}", found.name, found.source.word()))
}
