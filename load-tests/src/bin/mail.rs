//! Mail under load: `cargo run --release -p tamis-load-tests --bin mail -- load-tests/scenarios/steady.toml`.
//!
//! Needs `tamis` and `tamis-edge` built beside it (`cargo build --release -p tamis -p tamis-edge`), Redis, and for other filters
//! the Debian packages `rspamd` and `spamassassin`. A scenario with a Postfix wants root and runs under `scripts/roots.sh run`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use tamis_load_tests::mail::model::{Letter, Model};
use tamis_load_tests::mail::scenario::Scenario;
use tamis_load_tests::mail::{Bench, Measured, letters, model, report, run, wires};
use tamis_load_tests::{ending, near, process};

const USAGE: &str =
    "mail SCENARIO.toml [--out FILE] [--seconds N] [--rate N] [--quick] [--no-peers] [--invented]";
/// Letters looked for beyond those that the run needs, for campaigns.
const LETTERS_MIN: usize = 2_000;

struct Wanted {
    scenario: Scenario,
    out: PathBuf,
    with_peers: bool,
    invented: bool,
}

fn main() -> Result<()> {
    let wanted = wanted()?;
    // Before any thread is there.
    let own_network = wires::own_network();
    let cores = std::thread::available_parallelism()?.get();
    let folder = std::env::temp_dir().join(format!("tamis-mail-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let bench = Bench {
        folder: folder.clone(),
        cores: (cores > 1).then_some((0, 1)),
        with_peers: wanted.with_peers,
        own_network,
    };
    let scenario = &wanted.scenario;
    let model = Arc::new(Model::new(scenario.mails, scenario.seed, letters_for(&wanted)?));
    // From here on there are programs to end.
    ending::on_signals()?;
    let generate = || run(&bench, scenario, &model);
    let all = process::on_core(bench.cores.map(|(_, generator)| generator), generate)?;
    let all = all.with_context(|| format!("what the programs said is in {}", folder.display()))?;
    let _ = std::fs::remove_dir_all(&folder);
    let section = report::section(&bench, scenario, &model, &all);
    println!("{section}");
    report::write(&wanted.out, scenario, &section, &report::figure(scenario, &all))?;
    report::lines(scenario, &all).iter().for_each(|figure| println!("{}", figure.line()));
    println!("written to {}", wanted.out.display());
    all.iter().try_for_each(Measured::none_is_lost)
}

fn wanted() -> Result<Wanted> {
    let mut words = std::env::args().skip(1);
    let path = words.next().filter(|word| !word.starts_with('-')).context(USAGE)?;
    let scenario = Scenario::read(Path::new(&path))?;
    let out = PathBuf::from("load-tests/results/mail.md");
    let mut wanted = Wanted { scenario, out, with_peers: true, invented: false };
    while let Some(word) = words.next() {
        let mut value = || words.next().context(USAGE);
        match word.as_str() {
            "--out" => wanted.out = value()?.into(),
            "--seconds" => wanted.scenario.seconds = value()?.parse()?,
            "--rate" => wanted.scenario.rate = value()?.parse()?,
            "--quick" => wanted.scenario = wanted.scenario.quick(),
            "--no-peers" => wanted.with_peers = false,
            "--invented" => wanted.invented = true,
            _ => bail!("{word}: {USAGE}"),
        }
    }
    wanted.scenario = wanted.scenario.check()?;
    Ok(wanted)
}

/// Letters from beside the project, so that nearly each mail that is somebody's own has one; invented ones where there are none.
fn letters_for(wanted: &Wanted) -> Result<Vec<Letter>> {
    let scenario = &wanted.scenario;
    let count = scenario.due(scenario.rate)?.len().max(LETTERS_MIN) + scenario.mails.campaigns;
    let folder = near::corpus::folder();
    if wanted.invented || !folder.is_dir() {
        println!("letters: invented");
        return Ok(model::invented(count as u64));
    }
    letters::found(&folder, count, scenario.seed)
}
