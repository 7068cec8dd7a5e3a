//! `tamis-train train`, `tamis-train evaluate`, `tamis-train speed`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use tamis_classifier::model::Model;
use tamis_training::corpus::{self, Corpus, Mail};
use tamis_training::folds::{self, Tried};
use tamis_training::recipe::{self, Calibration};
use tamis_training::{report, speed};

const USAGE: &str = "usage: tamis-train train --mail DIR --out FILE [--seed N] [--results DIR]    trains a base on all mail\n\
    \x20      tamis-train evaluate --mail DIR [--seed N] [--results DIR]            shows how it does on mail kept apart\n\
    \x20      tamis-train speed --mail DIR --base FILE                              shows how long it takes for one mail";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tamis-train: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1).map(String::as_str)
    };
    let mail = Path::new(value("--mail").context(USAGE)?);
    let seed = value("--seed").map_or(Ok(1), str::parse).context("--seed is a number")?;
    let results = value("--results").map(Path::new);
    match words.first().map(String::as_str) {
        Some("train") => train(mail, Path::new(value("--out").context(USAGE)?), results, seed),
        Some("evaluate") => evaluate(mail, results, seed),
        Some("speed") => {
            let file = value("--base").context(USAGE)?;
            let base = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
            println!("{}", speed::in_words(&speed::times(mail, &base)?));
            Ok(())
        }
        _ => bail!(USAGE),
    }
}

/// Reads the corpus and tries each fold: both commands need it, one for the calibration.
fn trial(mail: &Path, seed: u64) -> Result<(Corpus, Vec<Tried>, Calibration)> {
    let corpus = corpus::read(mail)?;
    let (mails, sources) = (corpus.mails.len(), corpus.sources.len());
    println!("{mails} mails of {sources} sources, {} features", corpus.features.len());
    let tried = folds::try_all(&corpus, seed)?;
    let calibration = folds::calibrate(&tried, seed);
    println!("{}", report::report(&tried, calibration));
    Ok((corpus, tried, calibration))
}

fn train(mail: &Path, out: &Path, results: Option<&Path>, seed: u64) -> Result<()> {
    let (corpus, tried, calibration) = trial(mail, seed)?;
    let mails: Vec<&Mail> = corpus.mails.iter().collect();
    let bytes = recipe::train(&corpus, &mails, seed, calibration);
    std::fs::write(out, &bytes).with_context(|| format!("cannot write {}", out.display()))?;
    println!("{} bytes written", bytes.len());
    drop(corpus);
    write_results(mail, results, &tried, calibration, &bytes)
}

fn evaluate(mail: &Path, results: Option<&Path>, seed: u64) -> Result<()> {
    let (_, tried, calibration) = trial(mail, seed)?;
    write_results(mail, results, &tried, calibration, Model::built_in().bytes())
}

/// The same tables as a document with a figure, and the time that `base` takes.
fn write_results(
    mail: &Path,
    folder: Option<&Path>,
    tried: &[Tried],
    calibration: Calibration,
    base: &[u8],
) -> Result<()> {
    let time = speed::in_words(&speed::times(mail, base)?);
    println!("{time}");
    let Some(folder) = folder else { return Ok(()) };
    std::fs::create_dir_all(folder)?;
    let text = format!(
        "# The content model on mail kept apart\n\n\
         Written by `cargo xtask evaluate`; see [detection](../detection.md) for what it means.\n\n{}\n\
         Features and weights of one mail, once it is read: {time}.\n\n\
         ![recall over false positives](content-roc.svg)\n",
        report::report(tried, calibration)
    );
    std::fs::write(folder.join("content.md"), text)?;
    std::fs::write(folder.join("content-roc.svg"), report::figure(tried))?;
    Ok(())
}
