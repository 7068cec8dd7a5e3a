//! Instructions of the hot paths of a judgement, counted by valgrind: the same program over the same made mail, so the
//! same number on every day, however busy the machine is.
//!
//! What was counted last stands in `load-tests/results/instructions.txt`. A path that takes more than
//! [`GROWTH_MAX`] of that has missed; `--accept-counts` writes the counts of this run there. Another compiler or another
//! valgrind counts otherwise, which is why both stand in the file.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::{Binaries, Figure, Goal, load_tests};
use crate::metadata::root;

/// Counts accepted before.
const KEPT: &str = "load-tests/results/instructions.txt";
/// Growth that is none: layout of code and order of hash tables.
const GROWTH_MAX: f64 = 1.03;
/// Prefix of the figures; what follows is the name of a path in `load-tests/src/judgement/paths.rs`.
const PREFIX: &str = "instructions.";

const PATHS: [&str; 11] = [
    "instructions.dissect_and_decode",
    "instructions.header_read",
    "instructions.render_html_100kB",
    "instructions.read_part_html",
    "instructions.fold_accents",
    "instructions.text_sketch",
    "instructions.file_sketch",
    "instructions.checks_of_parts",
    "instructions.document_pdf",
    "instructions.document_docx",
    "instructions.document_rtf",
];

pub(super) fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let Ok(version) = Command::new("valgrind").arg("--version").output() else {
        eprintln!("figures: instructions are not counted: valgrind is not there");
        return Ok(Vec::new());
    };
    let [judge] = load_tests(["judge"], binaries.is_debug)?;
    let file = root().join(KEPT);
    let kept = fs::read_to_string(&file).unwrap_or_default();
    let kept = read(&kept);
    let mut counts = Vec::new();
    for figure in PATHS {
        let path = figure.trim_start_matches(PREFIX);
        // Start, made mail and first use of every table are in both.
        let count = counted(&judge, path, 1)?.checked_sub(counted(&judge, path, 0)?);
        counts.push((figure, path, count.context("a run with less to do did more")? as f64));
    }
    if binaries.accepts_counts {
        let with = format!("{} {}", compiler()?, String::from_utf8_lossy(&version.stdout).trim());
        fs::write(&file, written(&with, &counts))?;
    }
    let figures = counts.into_iter().map(|(name, path, value)| {
        let before = kept.get(path).filter(|_| !binaries.accepts_counts);
        let goal = before.map_or(Goal::None, |count| Goal::AtMost((count * GROWTH_MAX).round()));
        if let Some(before) = before.filter(|before| **before > value * GROWTH_MAX) {
            eprintln!("figures: {name}: {:.1} % less than before", 100.0 - 100.0 * value / before);
        }
        Figure::new(name, value, "instructions", goal, "issue:judgement")
    });
    Ok(figures.collect())
}

/// Instructions of the whole program with a path run `times` times and once more.
fn counted(judge: &Path, path: &str, times: u8) -> Result<u64> {
    let run = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(judge)
        .args(["path", path, &times.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&run.stderr);
    if !run.status.success() {
        bail!("valgrind, {path}: {}", said.lines().last().unwrap_or_default());
    }
    refs(&said).with_context(|| format!("valgrind counted nothing of {path}"))
}

/// The number in `==123== I   refs:      1,234,567`.
fn refs(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains(" refs:") && line.contains(" I "))?;
    let number: String = line.rsplit(' ').next()?.chars().filter(|c| *c != ',').collect();
    number.parse().ok()
}

fn compiler() -> Result<String> {
    let told = Command::new("rustc").arg("--version").output()?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    Ok(told.split(' ').take(2).collect::<Vec<_>>().join(" "))
}

/// Lines of a path and its count; others say what they were counted with.
fn read(text: &str) -> HashMap<&str, f64> {
    let pair = |line| {
        let (name, count) = str::split_once(line, ' ')?;
        Some((name, count.parse().ok()?))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(pair).collect()
}

fn written(with: &str, counts: &[(&str, &str, f64)]) -> String {
    let mut text = format!("# Instructions of each hot path, counted with {with}\n");
    for (_, path, count) in counts {
        let _ = writeln!(text, "{path} {count}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_valgrind_says_is_read() {
        let said = "==7== Cachegrind\n==7== \n==7== I   refs:      1,234,567\n==7== D refs: 8\n";
        assert_eq!(refs(said), Some(1_234_567));
        assert_eq!(refs("==7== I refs:        42\n"), Some(42));
        assert_eq!(refs("==7== nothing\n"), None);
    }

    #[test]
    fn counts_are_read_as_they_were_written() {
        let text = written("rustc 1.2.3", &[("instructions.a", "a", 12.0), ("x", "b", 3e9)]);
        assert_eq!(read(&text), HashMap::from([("a", 12.0), ("b", 3e9)]));
    }
}
