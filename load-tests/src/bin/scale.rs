//! `scale`: prints how large a cluster has to be and writes `load-tests/results/scale.md`.

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
    report::write(
        &top.join("load-tests/results/scale.md"),
        "How large a cluster has to be",
        &notes,
        &figures,
    )
}
