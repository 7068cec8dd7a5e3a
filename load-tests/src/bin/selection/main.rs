//! How servers are chosen and what a filter spares, measured: [`HELP`].

mod filter;
mod simulate;
mod wire;

// The worlds are the selector's own test; here they print figures instead of asserting bounds.
#[allow(dead_code, reason = "the test uses more of it")]
#[path = "../../../../crates/selector/tests/simulation/catalogue.rs"]
mod catalogue;
#[allow(clippy::expect_used, reason = "a world that breaks its own rules must stop")]
#[allow(dead_code, reason = "the test uses more of it")]
#[path = "../../../../crates/selector/tests/simulation/rivals.rs"]
mod rivals;
#[allow(dead_code, reason = "the test uses more of it")]
#[path = "../../../../crates/selector/tests/simulation/total.rs"]
mod total;
#[allow(dead_code, reason = "the test uses more of it")]
#[path = "../../../../crates/selector/tests/simulation/world.rs"]
mod world;

use std::path::Path;

use anyhow::{Result, bail};

/// Ways to call it.
const HELP: &str = "selection simulate [SEEDS]
selection wire [QUESTIONS PER_SECOND [SCENE]]    (as root)
selection filter FOLDER INDEX [large]";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["simulate"] => simulate::run(simulate::SEEDS),
        ["simulate", seeds] => simulate::run(seeds.parse()?),
        ["filter", folder, index, rest @ ..] => {
            filter::run(Path::new(folder), Path::new(index), *rest == ["large"])
        }
        ["wire"] => wire::run(20_000, 1000, None),
        ["wire", questions, per_second] => wire::run(questions.parse()?, per_second.parse()?, None),
        ["wire", questions, per_second, scene] => {
            wire::run(questions.parse()?, per_second.parse()?, Some(scene.parse()?))
        }
        ["wire-serve", address] => wire::serve(address),
        ["wire-ask", questions, per_second, servers @ ..] => {
            wire::ask(questions.parse()?, per_second.parse()?, servers)
        }
        _ => bail!("{HELP}"),
    }
}
