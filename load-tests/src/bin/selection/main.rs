//! How servers are chosen, measured: `selection simulate [SEEDS]`, `selection wire`, `selection filter [MAILS...]`.

mod simulate;

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

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["simulate"] => simulate::run(simulate::SEEDS),
        ["simulate", seeds] => simulate::run(seeds.parse()?),
        _ => bail!("selection simulate [SEEDS]"),
    }
}
