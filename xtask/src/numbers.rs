//! Measures of the code as one table: what the rubric asks and a machine can count.

use anyhow::Result;

use crate::measure::{Source, is_test_file, sources};
use crate::metadata::{list, resolved, root, text};
use crate::tidy::PURE;

pub(crate) fn run() -> Result<()> {
    let sources = sources(&root())?;
    let prod: Vec<&Source> = sources.iter().filter(|source| !is_test_file(&source.path)).collect();
    let lines: usize = prod.iter().map(|source| source.lines).sum();
    let tests: usize = sources.iter().map(|source| source.test_lines).sum();
    let docs: usize = prod.iter().map(|source| source.doc_lines).sum();
    let unwraps: usize = prod.iter().map(|source| source.unwraps).sum();
    let pure: usize = prod
        .iter()
        .filter(|source| PURE.iter().any(|folder| source.path.starts_with(folder)))
        .map(|source| source.lines)
        .sum();
    let mut functions: Vec<usize> =
        prod.iter().flat_map(|source| source.functions.iter().map(|(_, lines)| *lines)).collect();
    functions.sort_unstable();
    let mut files: Vec<usize> = prod.iter().map(|source| source.lines).collect();
    files.sort_unstable();
    let metadata = resolved()?;
    let row = |name: &str, value: String| println!("| {name} | {value} |");
    println!("| measure | value |\n|---|---|");
    row("lines outside tests", lines.to_string());
    row("lines of tests / lines", ratio(tests, lines));
    row("share of rooms that think", percent(pure, lines));
    row("documentation and comments", percent(docs, lines));
    row("unwrap and expect per thousand lines", format!("{:.1}", 1e3 * share(unwraps, lines)));
    row("functions", functions.len().to_string());
    row("function p50 / p90 / longest", at(&functions));
    row("functions over 70 lines", functions.iter().filter(|n| **n > 70).count().to_string());
    row("file median / p90 / longest", at(&files));
    row("members of the workspace", members(&metadata).to_string());
    row("direct outside dependencies", outside(&metadata).to_string());
    Ok(())
}

fn members(metadata: &serde_json::Value) -> usize {
    list(metadata, "workspace_members").len()
}

/// Outside crates that some room of ours names, tests' own left out.
fn outside(metadata: &serde_json::Value) -> usize {
    let mut names: Vec<&str> = list(metadata, "packages")
        .iter()
        .filter(|package| package["source"].is_null())
        .flat_map(|package| list(package, "dependencies"))
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| text(dependency, "name"))
        .filter(|name| !name.starts_with("tamis"))
        .collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

/// Median, ninetieth percentile and largest of a sorted list.
fn at(sorted: &[usize]) -> String {
    let pick = |permille: usize| sorted.get((sorted.len().saturating_sub(1)) * permille / 1000);
    let shown = [500, 900, 1000].map(|p| pick(p).copied().unwrap_or_default().to_string());
    shown.join(" / ")
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn ratio(part: usize, whole: usize) -> String {
    format!("{:.2}", share(part, whole))
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.0} %", 100.0 * share(part, whole))
}
