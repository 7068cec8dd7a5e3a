//! The figures that the project promises, measured on this machine by the release binaries: one line each,
//! `name value unit goal anchor`, with `MISSED` at its end where the goal was not reached.
//!
//! The goals stand in the design and in the issues, which the anchors name. Every load runs on loopback, is bounded in
//! count and time, and ends by itself. Figures of a busy machine say little: run it alone.

mod binary;
mod check;
mod corpus;
mod dialogue;
mod instructions;
mod judgement;
mod layout;
mod loads;
mod machine;
mod mail;
mod memory;
mod reputation;
mod sink;
mod smtp;
mod start;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
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
    name: Cow<'static, str>,
    value: f64,
    unit: Cow<'static, str>,
    goal: Goal,
    /// Who promised it, or what it is compared with.
    anchor: Cow<'static, str>,
}

impl Figure {
    fn new(
        name: impl Into<Cow<'static, str>>,
        value: f64,
        unit: impl Into<Cow<'static, str>>,
        goal: Goal,
        anchor: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { name: name.into(), value, unit: unit.into(), goal, anchor: anchor.into() }
    }

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
    /// Whether they were built for work on this code alone.
    is_debug: bool,
    /// Whether the counts of instructions of this run are those that the next is held against.
    accepts_counts: bool,
}

/// Measures one area.
type Measure = fn(&Binaries) -> Result<Vec<Figure>>;

const AREAS: [(&str, Measure); 12] = [
    ("binary", binary::measure),
    ("start", start::measure),
    ("memory", memory::measure),
    ("dialogue", dialogue::measure),
    ("reputation", reputation::measure),
    ("floods", reputation::floods),
    ("visible", reputation::visible),
    ("selection", reputation::selection),
    ("mail", loads::mail),
    ("check", check::measure),
    ("judgement", judgement::measure),
    ("instructions", instructions::measure),
];

/// Words that say how, beside the areas.
const OPTIONS: [&str; 2] = ["--debug-binaries", "--accept-counts"];

/// Prints the figures of the areas named, of all where none is. `--debug-binaries` measures a debug build, for work on
/// this code alone; `--accept-counts` keeps the counts of instructions.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let is_debug = words.contains(&OPTIONS[0]);
    let named: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with("--")).collect();
    for word in words.iter().filter(|word| !OPTIONS.contains(word)) {
        if !AREAS.iter().any(|(area, _)| area == word) {
            bail!("no figures of {word}: there are {}", AREAS.map(|(area, _)| area).join(", "));
        }
    }
    let binaries = build(is_debug, words.contains(&OPTIONS[1]))?;
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

/// The programs that every area may need.
fn build(is_debug: bool, accepts_counts: bool) -> Result<Binaries> {
    if is_debug {
        eprintln!("figures: of a debug build, which mean nothing");
    }
    let built = Built::new(&["--package", "tamis", "--package", "tamis-edge"], is_debug)?;
    Ok(Binaries {
        tamis: built.program("tamis")?,
        tamis_edge: built.program("tamis-edge")?,
        is_debug,
        accepts_counts,
    })
}

/// Programs of `load-tests`, which measure from within.
fn load_tests<const N: usize>(names: [&str; N], is_debug: bool) -> Result<[PathBuf; N]> {
    let mut words = vec!["--package", "tamis-load-tests"];
    words.extend(names.iter().flat_map(|name| ["--bin", name]));
    let built = Built::new(&words, is_debug)?;
    let mut programs = [const { PathBuf::new() }; N];
    for (program, name) in programs.iter_mut().zip(names) {
        *program = built.program(name)?;
    }
    Ok(programs)
}

/// What `cargo build` said of its artifacts.
struct Built(String);

impl Built {
    fn new(what: &[&str], is_debug: bool) -> Result<Self> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.arg("build").args(what).args(["--message-format", "json-render-diagnostics"]);
        if !is_debug {
            cargo.arg("--release");
        }
        let built = cargo.current_dir(root()).stderr(Stdio::inherit()).output();
        let built = built.context("cargo build could not be started")?;
        if !built.status.success() {
            bail!("cargo build failed");
        }
        Ok(Self(String::from_utf8_lossy(&built.stdout).into_owned()))
    }

    fn program(&self, name: &str) -> Result<PathBuf> {
        let artifacts = self.0.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let path = artifacts
            .filter(|artifact| text(&artifact["target"], "name") == name)
            .find_map(|artifact| artifact["executable"].as_str().map(PathBuf::from));
        path.with_context(|| format!("cargo built no {name}"))
    }
}
