//! `tamis-train train`, `tamis-train evaluate`, `tamis-train speed`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use tamis_classifier::base;
use tamis_classifier::model::Model;
use tamis_training::corpus::{self, Corpus, Mail, Unpacked};
use tamis_training::folds::{self, Tried};
use tamis_training::measure::Scored;
use tamis_training::recipe::{self, Calibration};
use tamis_training::verdicts::{self, Told};
use tamis_training::{figure, report, speed, weights};

const USAGE: &str = "usage: tamis-train train --mail DIR --out FILE [--seed N]    trains a base on all mail\n\
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
        Some("train") => train(mail, Path::new(value("--out").context(USAGE)?), seed),
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

/// Everything that was tried on mail kept apart.
struct Trial {
    unpacked: Unpacked,
    corpus: Corpus,
    tried: Vec<Tried>,
    calibration: Calibration,
}

/// Reads the corpus and tries each fold: both commands need it, one for the calibration.
fn trial(mail: &Path, seed: u64) -> Result<Trial> {
    let unpacked = Unpacked::of(mail)?;
    let corpus = corpus::read(mail, &unpacked)?;
    let (mails, sources) = (corpus.mails.len(), corpus.sources.len());
    println!("{mails} mails of {sources} sources, {} features", corpus.features.len());
    let tried = folds::try_all(&corpus, seed)?;
    let calibration = folds::calibrate(&tried, seed);
    println!("{}", report::report(&tried, calibration));
    Ok(Trial { unpacked, corpus, tried, calibration })
}

fn train(mail: &Path, out: &Path, seed: u64) -> Result<()> {
    let Trial { corpus, calibration, .. } = trial(mail, seed)?;
    let mails: Vec<&Mail> = corpus.mails.iter().collect();
    let bytes = recipe::train(&corpus, &mails, seed, calibration);
    std::fs::write(out, &bytes).with_context(|| format!("cannot write {}", out.display()))?;
    println!("{} bytes written", bytes.len());
    Ok(())
}

fn evaluate(mail: &Path, results: Option<&Path>, seed: u64) -> Result<()> {
    let trial = trial(mail, seed)?;
    let judged = whole_verdicts(&trial)?;
    let apart: Vec<(String, Vec<Told>)> = judged
        .iter()
        .zip(&trial.tried)
        .filter(|(_, one)| one.fold.is_source)
        .map(|(judged, _)| judged.clone())
        .collect();
    let all = apart.iter().flat_map(|(_, told)| told.clone()).collect();
    let rows = [judged.as_slice(), &[("all sources, each kept apart".to_owned(), all)]].concat();
    let table = report::verdicts(&rows);
    let weights = weights::report(&apart);
    println!("{table}\n{weights}");
    let times = judged.iter().flat_map(|(_, told)| told.iter().map(|told| told.took)).collect();
    let whole = speed::in_words(&speed::sorted(times));
    let model = speed::in_words(&speed::times(mail, Model::built_in().bytes())?);
    println!("{whole}\n{model}");
    let Some(folder) = results else { return Ok(()) };
    std::fs::create_dir_all(folder)?;
    let scores = report::scores(&apart);
    let content = report::report(&trial.tried, trial.calibration);
    let pages = [
        ("verdicts.md", report::verdicts_page(&table, &scores, &whole)),
        ("content.md", report::content_page(&content, &model)),
        ("weights.md", report::weights_page(&weights)),
        (
            "content-roc.svg",
            figure(trial.tried.iter().map(|one| (&one.fold.name, one.scored.clone()))),
        ),
        (
            "verdicts-roc.svg",
            figure(
                judged
                    .iter()
                    .map(|(name, told)| (name, told.iter().map(|told| told.scored).collect())),
            ),
        ),
    ];
    for (name, text) in pages {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}

fn figure<'a>(curves: impl Iterator<Item = (&'a String, Vec<Scored>)>) -> String {
    figure::figure(&curves.map(|(name, scored)| (name.clone(), scored)).collect::<Vec<_>>())
}

/// For each fold what the scanner says of its mails, with the model that never saw them.
fn whole_verdicts(trial: &Trial) -> Result<Vec<(String, Vec<Told>)>> {
    let Calibration { slope, intercept, threshold } = trial.calibration;
    let judge = |one: &Tried| {
        let base = base::recalibrated(&one.base, slope, intercept, threshold)
            .map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        let model = Model::read(base).map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        let tested = trial.corpus.mails.iter().zip(&one.fold.tested);
        let mails: Vec<&Mail> = tested.filter(|(_, is)| **is).map(|(mail, _)| mail).collect();
        let told = verdicts::judge(&trial.unpacked, &trial.corpus, &mails, Some(&model))?;
        Ok((one.fold.name.clone(), told))
    };
    trial.tried.iter().map(judge).collect()
}
