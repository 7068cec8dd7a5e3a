//! `scale`: prints how large a cluster has to be, writes `load-tests/results/scale.md`, and brings the rows that `docs/scale.md`
//! quotes up to date.

use std::fs;
use std::path::Path;

use anyhow::Result;
use tamis_load_tests::report;
use tamis_load_tests::scale::costs::{Costs, OF_A_JUDGEMENT, OF_A_MAIL, OF_A_TEXT, OF_AN_ANSWER};
use tamis_load_tests::scale::plan::{BUSY_MAX, KNOWN_SHARE, ZONES};
use tamis_load_tests::scale::report::{MAILS, figures};

fn main() -> Result<()> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let figures = figures(&Costs::read(&top)?)?;
    figures.iter().for_each(|figure| println!("{}", figure.line()));
    let notes = [
        format!(
            "`cargo run --release -p tamis-load-tests --bin scale`: computed, not measured; the costs are those of {OF_A_MAIL}, {OF_A_JUDGEMENT}, {OF_AN_ANSWER} and {OF_A_TEXT}."
        ),
        format!(
            "{KNOWN_SHARE} of the mails are known; cores are busy {BUSY_MAX} of the time at most; one pod of each role is spare; {ZONES} zones."
        ),
        format!(
            "`beside`: the same by the simulation of {MAILS} mails. `docs/scale.md` says what it means."
        ),
    ];
    let results = top.join("load-tests/results/scale.md");
    report::write(&results, "How large a cluster has to be", &notes, &figures)?;
    quote(&fs::read_to_string(&results)?, &top.join("docs/scale.md"))
}

/// Puts the rows of the results in the places of those that the document quotes, by their names.
fn quote(results: &str, document: &Path) -> Result<()> {
    let name = |line: &str| line.strip_prefix("| scale.")?.split(' ').next().map(str::to_owned);
    let newest = |line: &str| {
        let wanted = name(line)?;
        results.lines().find(|row| name(row).as_ref() == Some(&wanted))
    };
    let text = fs::read_to_string(document)?;
    let lines = text.lines().map(|line| newest(line).unwrap_or(line));
    Ok(fs::write(document, lines.collect::<Vec<_>>().join("\n") + "\n")?)
}
