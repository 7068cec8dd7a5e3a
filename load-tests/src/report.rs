//! Figures: a line each on standard output, and a table in a file.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

/// With this a program ends that measured to its end and missed a goal. Every other end but success is a run that failed,
/// whatever it had written by then: `cargo xtask figures` goes by it.
pub const GOAL_MISSED: u8 = 3;

/// One measured number.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it is, in words joined by dots.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What was promised; empty: nothing, the figure stands for comparison.
    pub goal: String,
    /// Whether the promise is kept.
    pub is_met: bool,
    /// What it is held against.
    pub anchor: String,
}

impl Figure {
    /// A number that nothing was promised about.
    #[must_use]
    pub fn plain(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let (name, goal, anchor) = (name.into(), String::new(), String::new());
        Self { name, value, unit, goal, is_met: true, anchor }
    }

    /// Promised: at least `goal`.
    #[must_use]
    pub fn at_least(mut self, goal: f64) -> Self {
        self.goal = format!(">= {goal}");
        self.is_met = self.value >= goal;
        self
    }

    /// Promised: at most `goal`.
    #[must_use]
    pub fn at_most(mut self, goal: f64) -> Self {
        self.goal = format!("<= {goal}");
        self.is_met = self.value <= goal;
        self
    }

    /// What it is held against.
    #[must_use]
    pub fn beside(mut self, anchor: impl Into<String>) -> Self {
        self.anchor = anchor.into();
        self
    }

    fn goal_shown(&self) -> String {
        match (self.goal.is_empty(), self.is_met) {
            (true, _) => "-".to_owned(),
            (false, true) => format!("{} (met)", self.goal),
            (false, false) => format!("{} (MISSED)", self.goal),
        }
    }

    fn value_shown(&self) -> String {
        let decimals = match self.value.abs() {
            value if value >= 1000.0 => 0,
            value if value >= 10.0 => 1,
            _ => 3,
        };
        format!("{:.decimals$}", self.value)
    }

    /// `name value unit goal anchor`.
    #[must_use]
    pub fn line(&self) -> String {
        let anchor = if self.anchor.is_empty() { "-" } else { &self.anchor };
        let (value, goal) = (self.value_shown(), self.goal_shown());
        format!("{} {value} {} {} {anchor}", self.name, self.unit, goal.replace(' ', "_"))
    }
}

/// What the figures were measured on: processor, cores, memory, kernel.
#[must_use]
pub fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |it| it.trim_start_matches([' ', '\t', ':']));
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo");
    let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib =
        kib.and_then(|it| it.trim().strip_suffix(" kB")).and_then(|it| it.parse::<u64>().ok());
    let gib = kib.unwrap_or_default() as f64 / f64::from(1 << 20);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{model}, {cores} cores, {gib:.0} GiB, Linux {}", kernel.trim())
}

/// Writes `figures` as Markdown, under `title` and `notes`.
///
/// # Errors
/// The system's.
pub fn write(path: &Path, title: &str, notes: &[String], figures: &[Figure]) -> Result<()> {
    let mut out = format!("# {title}\n\nMachine: {}.\n\n", machine());
    for note in notes {
        let _ = writeln!(out, "- {note}");
    }
    out.push_str("\n| figure | value | unit | goal | beside |\n|---|---|---|---|---|\n");
    for it in figures {
        let (value, goal) = (it.value_shown(), it.goal_shown());
        let _ = writeln!(out, "| {} | {value} | {} | {goal} | {} |", it.name, it.unit, it.anchor);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, out)?)
}
