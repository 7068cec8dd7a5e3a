//! Checks and figures of the house, by one command: `cargo xtask <tidy|licences|numbers|figures|dashboards>`.

use std::process::ExitCode;

mod dashboards;
mod figures;
mod licences;
mod measure;
mod metadata;
mod numbers;
mod tidy;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["tidy"] => tidy::run(),
        ["licences"] => licences::run(),
        ["numbers"] => numbers::run(),
        ["dashboards"] => dashboards::run(false),
        ["figures", rest @ ..] => figures::run(rest),
        _ => Err(anyhow::anyhow!(
            "usage: cargo xtask tidy      walls, cards, sizes, words\n\
             \x20      cargo xtask licences  licences and duplicate versions of all dependencies\n\
             \x20      cargo xtask numbers   measures of the code, as one table\n\
             \x20      cargo xtask dashboards  writes deploy/grafana/dashboards from deploy/grafana/source\n\
             \x20      cargo xtask figures [--debug-binaries] [--accept-counts] [AREA]...\n\
             \x20      \x20  areas: binary start memory dialogue reputation check judgement instructions"
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
