//! Checks and figures of the house, by one command: `cargo xtask <tidy|licences|numbers|figures|dashboards|cluster|train|evaluate>`.

use std::process::ExitCode;

mod cluster;
mod dashboards;
mod figures;
mod licences;
mod measure;
mod metadata;
mod numbers;
mod tidy;
mod training;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["tidy"] => tidy::run(),
        ["licences"] => licences::run(),
        ["numbers"] => numbers::run(),
        ["dashboards"] => dashboards::run(false),
        ["cluster", rest @ ..] => cluster::run(rest),
        ["dashboards", "picture", rest @ ..] => dashboards::picture(rest),
        ["figures", rest @ ..] => figures::run(rest),
        ["train" | "evaluate", ..] => training::run(&words),
        _ => Err(anyhow::anyhow!(
            "usage: cargo xtask tidy      walls, cards, sizes, words\n\
             \x20      cargo xtask licences  licences and duplicate versions of all dependencies\n\
             \x20      cargo xtask numbers   measures of the code, as one table\n\
             \x20      cargo xtask dashboards  writes deploy/grafana/dashboards from deploy/grafana/source\n\
             \x20      cargo xtask cluster up|status|add-scanner|down [--folder DIR] [--binaries DIR] [--network N]\n\
             \x20      \x20  a cluster of real programs on this machine, see docs/operations.md\n\
             \x20      cargo xtask dashboards picture --prometheus HOST:PORT [--seconds N] --out FILE  draws the overview\n\
             \x20      cargo xtask figures [--debug-binaries] [--accept-counts] [AREA]...\n\
             \x20      \x20  areas: binary start memory dialogue reputation floods visible selection mail check judgement\n\
             \x20      \x20         instructions\n\
             \x20      cargo xtask train [--mail DIR] [--out FILE] [--seed N]  trains the content model\n\
             \x20      cargo xtask evaluate [--mail DIR] [--results DIR] [--seed N]  tries it on mail kept apart"
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
