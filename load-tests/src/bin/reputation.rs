//! Measures the reputation service: `cargo run --release -p tamis-load-tests --bin reputation -- all`.
//!
//! Needs the release build of `tamis` beside it (`cargo build --release -p tamis`), the Debian packages `rspamd`,
//! `redis-server` and `redis-tools` for what is measured beside them, and root for the flood.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tamis_load_tests::report::{self, Figure};
use tamis_load_tests::reputation::asking::{Asking, Language};
use tamis_load_tests::reputation::load::{self, Pace, Seen};
use tamis_load_tests::reputation::{Bench, flood, node, pressure, speed, table, visible, writing};
use tamis_load_tests::{echo, process};

const USAGE: &str = "reputation exact|near|echo|rspamd|overload|flood|sealed-flood|sockets|table|visible|all|node \
    [--seconds N] [--rounds N] [--exact N] [--texts N] [--writing SECONDS] [--long] [--binary PATH] [--out FILE]";
/// Seconds of the long overload.
const LONG_S: u64 = 600;

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["serve-echo", address, bytes] => echo::serve(address.parse()?, bytes.parse()?),
        ["probe-from-here", way, seconds] => flood::probe_from_here(way.parse()?, seconds.parse()?),
        ["flood-from-here", way, aim, seconds] => {
            flood::flood_from_here(way.parse()?, aim.parse()?, seconds.parse()?)
        }
        ["write-from-here", grpc, per_second, seconds] => {
            let time = Duration::from_secs(seconds.parse()?);
            writing::write_from_here(grpc.parse()?, per_second.parse()?, time)
        }
        ["table-of", way, texts, rounds] => table::table_of(way, texts.parse()?, rounds.parse()?),
        ["ask", server, per_second, seconds] => ask(server, per_second, seconds),
        [what, ref options @ ..] => return measure(what, options),
        [] => bail!("{USAGE}"),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Asks any server that is running, with exact questions.
fn ask(server: &str, per_second: &str, seconds: &str) -> Result<()> {
    let mut asking = Asking::new(Language::Exact(1), 1_000_000, 0);
    let server = server.parse()?;
    load::prove(process::local(0), server, &mut asking)?;
    let (pace, time) =
        (Pace::PerSecond(per_second.parse()?), Duration::from_secs(seconds.parse()?));
    let seen = load::run(server, &mut asking, pace, 1, time)?;
    let [p50, p99] = [0.5, 0.99].map(|share| seen.times.quantile_us(share));
    let Seen { sent, left_out, answered, known, .. } = seen;
    println!(
        "sent {sent} left_out {left_out} answered {answered} known {known} p50_us {p50} p99_us {p99}"
    );
    Ok(())
}

fn measure(what: &str, options: &[&str]) -> Result<ExitCode> {
    let cores = std::thread::available_parallelism()?.get();
    let folder = std::env::temp_dir().join(format!("tamis-load-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let beside = std::env::current_exe()?.with_file_name("tamis");
    let mut bench = Bench {
        binary: beside,
        folder: folder.clone(),
        seconds: 5,
        overload_seconds: 20,
        rounds: 3,
        exact: 1_000_000,
        texts: 1_000_000,
        node_texts: node::TEXTS,
        writing_seconds: node::WRITING_SECONDS,
        server_core: (cores > 1).then_some(0),
        client_core: (cores > 1).then_some(1),
    };
    let is_node = what == "node";
    let file = if is_node { "reputation-node.md" } else { "reputation.md" };
    let mut out = Path::new("load-tests/results").join(file);
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        if *option == "--long" {
            bench.overload_seconds = LONG_S;
            continue;
        }
        let value = rest.next().context(USAGE)?;
        match *option {
            "--seconds" => bench.seconds = value.parse()?,
            "--rounds" => bench.rounds = value.parse()?,
            "--exact" => bench.exact = value.parse()?,
            "--texts" => {
                bench.texts = value.parse()?;
                bench.node_texts = bench.texts;
            }
            "--writing" => bench.writing_seconds = value.parse()?,
            "--binary" => bench.binary = value.into(),
            "--out" => out = value.into(),
            _ => bail!("{USAGE}"),
        }
    }
    let done = scenarios(what, &bench);
    if done.is_ok() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    let figures =
        done.with_context(|| format!("what the programs said is in {}", folder.display()))?;
    let (title, notes) = match is_node {
        true => ("One reputation node with many texts", node_notes(&bench)),
        false => ("Reputation over UDP", notes(&bench)),
    };
    report::write(&out, title, &notes, &figures)?;
    println!("written to {}", out.display());
    if figures.iter().any(|figure| !figure.is_met) {
        eprintln!("a goal was missed");
        return Ok(ExitCode::from(report::GOAL_MISSED));
    }
    Ok(ExitCode::SUCCESS)
}

fn scenarios(what: &str, bench: &Bench) -> Result<Vec<Figure>> {
    let is = |names: &[&str]| what == "all" || names.contains(&what);
    let mut all = Vec::new();
    let mut say = |figures: Vec<Figure>| {
        figures.iter().for_each(|figure| println!("{}", figure.line()));
        all.extend(figures);
    };
    if is(&["exact", "near", "echo", "rspamd", "overload"]) {
        let (tamis, figures) = speed::taught(bench)?;
        say(figures);
        let peer = if is(&["rspamd"]) {
            let (peer, figures) = speed::taught_peer(bench)?;
            say(figures);
            Some(peer)
        } else {
            None
        };
        if is(&["exact", "echo", "rspamd"]) {
            say(speed::measure(bench, "exact", Language::Exact(1), &tamis, peer.as_ref())?);
        }
        if is(&["near", "rspamd"]) {
            say(speed::measure(bench, "near", Language::Near, &tamis, peer.as_ref())?);
        }
        if is(&["overload"]) {
            drop(peer);
            say(pressure::overload(bench, &tamis)?);
        }
    }
    if is(&["table"]) {
        let mut sizes = table::SIZES.to_vec();
        sizes.extend((!table::SIZES.contains(&bench.texts)).then_some(bench.texts));
        say(table::measure(&sizes, bench.rounds)?);
    }
    if is(&["sockets"]) {
        say(pressure::sockets(bench)?);
    }
    if is(&["flood"]) {
        say(flood::measure(bench, flood::Way::Clear)?);
    }
    if is(&["sealed-flood"]) {
        say(flood::measure(bench, flood::Way::Sealed)?);
    }
    if is(&["visible"]) {
        say(visible::measure(bench)?);
    }
    // Not among all: fifty million texts take gigabytes of disk and memory, and minutes.
    if what == "node" {
        say(node::measure(bench)?);
    }
    if all.is_empty() {
        bail!("{USAGE}");
    }
    Ok(all)
}

fn notes(bench: &Bench) -> Vec<String> {
    let Bench { seconds, rounds, exact, texts, .. } = bench;
    let core = |core: Option<usize>| core.map_or("anywhere".to_owned(), |it| format!("core {it}"));
    vec![
        format!("Servers on {}, clients on {}; loopback.", core(bench.server_core), core(bench.client_core)),
        format!("{exact} exact and {texts} text signatures in each server; half of the questions are about them."),
        format!("Each rate is the median of {rounds} rounds of {seconds} s, all servers in turn, over user and system time of the server's processes."),
        "Ours and the echo are offered more than they can take; rspamd is kept at 64 questions under way. Times are taken at 20,000 questions a second (rspamd: 5,000), from the moment when a question was due.".to_owned(),
        "Flood: the attacker shares the client's core and gives way to it (SCHED_IDLE), since the server has the other one.".to_owned(),
        format!("The overload lasts {} s.", bench.overload_seconds),
    ]
}

fn node_notes(bench: &Bench) -> Vec<String> {
    let Bench { seconds, writing_seconds, node_texts, .. } = bench;
    vec![
        format!("`reputation node --texts {node_texts} --seconds {seconds} --writing {writing_seconds}`: the release build of `tamis reputation`, loopback."),
        "The load may use all cores; then the service has one core for everything, and the clients the other.".to_owned(),
        "Each question is about one text by its sketch; half of them resemble a listed one in 24 of 32 lanes, half nothing. Times count from when a question left.".to_owned(),
        format!("quiet_R: R questions a second for {seconds} s; writing_R: the same, {} s each, while reports of new texts arrive over gRPC, 100 in a request, each on disk before it is acknowledged.", writing_seconds / 2),
        "The writer gives way to the client on their core (SCHED_IDLE).".to_owned(),
    ]
}
