//! The figures that the project promises, measured on this machine by the release binaries: one line each,
//! `name value unit goal anchor`, with `MISSED` at its end where the goal was not reached.
//!
//! The goals stand in the design and in the issues, which the anchors name. Every load runs on loopback, is bounded in
//! count and time, and ends by itself. Figures of a busy machine say little: run it alone.

mod binary;
mod check;
mod dialogue;
mod layout;
mod machine;
mod mail;
mod memory;
mod reputation;
mod sink;
mod smtp;
mod start;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::metadata::{root, text};

/// What a figure has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Goal {
    None,
    AtMost(f64),
    AtLeast(f64),
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    goal: Goal,
    /// Who promised it, or what it is compared with.
    anchor: &'static str,
}

impl Figure {
    fn is_missed(&self) -> bool {
        match self.goal {
            Goal::None => false,
            // A value that is no number has not reached anything.
            Goal::AtMost(limit) => self.value.is_nan() || self.value > limit,
            Goal::AtLeast(limit) => self.value.is_nan() || self.value < limit,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::None => f.write_str("-"),
            Goal::AtMost(limit) => write!(f, "<={limit}"),
            Goal::AtLeast(limit) => write!(f, ">={limit}"),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Three decimals, and none that say nothing.
        let value = format!("{:.3}", self.value);
        let value = value.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{} {value} {} {} {}", self.name, self.unit, self.goal, self.anchor)?;
        if self.is_missed() { f.write_str(" MISSED") } else { Ok(()) }
    }
}

/// The value below which `percent` of all lie, by nearest rank (the smallest value with at least that share at or below
/// it); not a number where there are none.
fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
    values.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

/// The programs under measure.
struct Binaries {
    tamis: PathBuf,
    tamis_edge: PathBuf,
}

/// Measures one area.
type Measure = fn(&Binaries) -> Result<Vec<Figure>>;

const AREAS: [(&str, Measure); 6] = [
    ("binary", binary::measure),
    ("start", start::measure),
    ("memory", memory::measure),
    ("dialogue", dialogue::measure),
    ("reputation", reputation::measure),
    ("check", check::measure),
];

/// Prints the figures of the areas named, of all where none is. `--debug-binaries` measures a debug build, for work on
/// this code alone.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let is_debug = words.contains(&"--debug-binaries");
    let named: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with("--")).collect();
    for word in words.iter().filter(|word| **word != "--debug-binaries") {
        if !AREAS.iter().any(|(area, _)| area == word) {
            bail!("no figures of {word}: there are {}", AREAS.map(|(area, _)| area).join(", "));
        }
    }
    let binaries = build(is_debug)?;
    let mut failed = Vec::new();
    for (area, measure) in AREAS {
        if !named.is_empty() && !named.contains(&area) {
            continue;
        }
        match measure(&binaries) {
            Ok(figures) => figures.iter().for_each(|figure| println!("{figure}")),
            Err(error) => failed.push(format!("{area}: {error:#}")),
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("not measured\n  {}", failed.join("\n  ")) }
}

fn build(is_debug: bool) -> Result<Binaries> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--package", "tamis", "--package", "tamis-edge"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    if is_debug {
        eprintln!("figures: of a debug build, which mean nothing");
    } else {
        cargo.arg("--release");
    }
    let built = cargo.current_dir(root()).stderr(Stdio::inherit()).output();
    let built = built.context("cargo build could not be started")?;
    if !built.status.success() {
        bail!("cargo build failed");
    }
    let lines = String::from_utf8_lossy(&built.stdout);
    let program = |name: &str| {
        let artifacts = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let path = artifacts
            .filter(|artifact| text(&artifact["target"], "name") == name)
            .find_map(|artifact| artifact["executable"].as_str().map(PathBuf::from));
        path.with_context(|| format!("cargo built no {name}"))
    };
    Ok(Binaries { tamis: program("tamis")?, tamis_edge: program("tamis-edge")? })
}
