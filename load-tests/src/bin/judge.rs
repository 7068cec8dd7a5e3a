//! Single mails through the judgement, measured: what `cargo xtask figures judgement instructions` runs.
//!
//! `judge slowest FOLDER...` prints the slowest mails of all below the folders, `judge path NAME TIMES` runs one hot path
//! that many times and once more, `judge paths` prints their names.

use std::path::PathBuf;

use anyhow::{Result, bail};
use tamis_load_tests::judgement::paths::PATHS;
use tamis_load_tests::judgement::{costs, scanner};

/// Mails shown.
const SHOWN: usize = 25;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["slowest", folders @ ..] if !folders.is_empty() => slowest(folders),
        ["paths"] => {
            PATHS.iter().for_each(|(name, _)| println!("{name}"));
            Ok(())
        }
        ["path", name, times] => {
            let times = times.parse()?;
            match PATHS.iter().find(|(known, _)| known == name) {
                Some((_, path)) => path(times),
                None => bail!("no path {name}"),
            }
            Ok(())
        }
        _ => bail!("usage: judge slowest FOLDER... | judge paths | judge path NAME TIMES"),
    }
}

/// A line for each: milliseconds of processor time, rung, file.
fn slowest(folders: &[&str]) -> Result<()> {
    let folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let costs = costs(&scanner()?, &folders).await?;
        let total: f64 = costs.iter().map(|cost| cost.time.as_secs_f64()).sum();
        println!("{} mails {total:.2} s", costs.len());
        for cost in costs.iter().take(SHOWN) {
            let ms = 1000.0 * cost.time.as_secs_f64();
            println!("{ms:.1} {} {}", cost.rung.word(), cost.file.display());
        }
        Ok(())
    })
}
