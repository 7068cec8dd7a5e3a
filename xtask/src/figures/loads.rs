//! Programs of `load-tests` print figures as this one does; and mail under load by its scenarios.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::machine::Folder;
use super::{Binaries, Figure, Goal, load_tests};
use crate::metadata::root;

/// Times that a cold mail costs rspamd what it costs us, edge and all.
const OVER_RSPAMD_MIN: f64 = 10.0;
/// Times that a mail nobody has seen costs a scanner, with Redis and reputation, what a known one does.
const REPLAY_MIN: f64 = 4.0;
/// Per cent of a known mail's bytes that may go to the scanner.
const SHIPPED_PER_CENT_MAX: f64 = 25.0;
/// Seconds of each scenario.
const SECONDS: &str = "12";

/// Mail that nobody has seen, and campaigns over and over, through the whole cluster; beside rspamd where it is installed.
pub(super) fn mail(binaries: &Binaries) -> Result<Vec<Figure>> {
    let [program] = load_tests(["mail"], binaries.is_debug)?;
    let mut figures = scenario(&program, "cold", is_installed("rspamd"))?;
    figures.extend(scenario(&program, "replay", false)?);
    let of = |name: &str| figures.iter().find(|it| it.name == name).map(|it| it.value);
    let behind_the_edge = |scenario: &str| {
        let each = ["scanner", "reputation", "redis"];
        each.iter().map(|it| of(&format!("mail.{scenario}.tamis_{it}"))).sum::<Option<f64>>()
    };
    let cold = of("mail.cold.tamis").context("no measure of cold mail")?;
    let scanner = behind_the_edge("cold").context("no measure of cold mail")?;
    let replay = behind_the_edge("replay").context("no measure of a replay")?;
    let (rspamd, shipped) = (of("mail.cold.rspamd"), of("mail.replay.edge-scanner"));
    let times =
        |name, value, least| Figure::new(name, value, "times", Goal::AtLeast(least), "DESIGN-7");
    figures.push(times("mail.replay_over_cold", scanner / replay, REPLAY_MIN));
    figures.extend(rspamd.map(|it| times("mail.cold_over_rspamd", it / cold, OVER_RSPAMD_MIN)));
    let without_edge = |it| {
        Figure::new(
            "mail.cold_over_rspamd_without_edge",
            it / scanner,
            "times",
            Goal::None,
            "DESIGN-7",
        )
    };
    figures.extend(rspamd.map(without_edge));
    let goal = Goal::AtMost(SHIPPED_PER_CENT_MAX);
    let shipped = shipped.map(|it| Figure::new("mail.replay_shipped", it, "%", goal, "DESIGN-7"));
    figures.extend(shipped);
    Ok(figures)
}

fn scenario(program: &Path, name: &str, with_peers: bool) -> Result<Vec<Figure>> {
    let folder = Folder::new()?;
    let out = folder.path().join("mail.md").display().to_string();
    let file = root().join(format!("load-tests/scenarios/{name}.toml")).display().to_string();
    let mut words = vec![file.as_str(), "--seconds", SECONDS, "--out", &out];
    words.extend((!with_peers).then_some("--no-peers"));
    Ok(lines(&run(program, &words)?))
}

/// Whether a program of this name can be started.
pub(super) fn is_installed(program: &str) -> bool {
    let mut tried = Command::new(program);
    tried.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    tried.status().is_ok()
}

/// With this a program of `load-tests` ends that measured to its end and missed a goal, which its figures say.
const GOAL_MISSED: i32 = 3;

/// What a program said that measured to its end. One that lost a mail did not, however much it had written by then.
pub(super) fn run(program: &Path, words: &[&str]) -> Result<String> {
    let ran = Command::new(program).args(words).stdin(Stdio::null()).output();
    let ran = ran.with_context(|| format!("{} could not be started", program.display()))?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    if !ran.status.success() && ran.status.code() != Some(GOAL_MISSED) {
        bail!("{} {words:?}: {}", program.display(), String::from_utf8_lossy(&ran.stderr));
    }
    Ok(said)
}

/// The lines that are figures: `name value unit goal anchor`, the goal as `>=_5_(met)` or `-`.
pub(super) fn lines(said: &str) -> Vec<Figure> {
    said.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Figure> {
    let mut words = line.splitn(5, ' ');
    let mut word = || words.next();
    let (name, value, unit, goal) = (word()?, word()?.parse().ok()?, word()?, word()?);
    let (compared, limit) = goal.split_once('_').unwrap_or((goal, ""));
    let limit = || limit.split('_').next()?.parse().ok();
    let goal = match compared {
        "-" => Goal::None,
        ">=" => Goal::AtLeast(limit()?),
        "<=" => Goal::AtMost(limit()?),
        _ => return None,
    };
    let anchor = word()?.replace(' ', "_");
    Some(Figure::new(name.to_owned(), value, unit.to_owned(), goal, anchor))
}

#[cfg(test)]
mod tests;
