//! `cargo xtask train` and `cargo xtask evaluate`: the trainer is built only when it is asked for, because it reads mail
//! with our own rooms and this program does not. What is not said is where the project keeps it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::metadata::root;

pub(crate) fn run(words: &[&str]) -> Result<()> {
    let mut trainer = Command::new(env!("CARGO"));
    trainer.args(["run", "--quiet", "--release", "--package", "tamis-training", "--manifest-path"]);
    trainer.arg(root().join("Cargo.toml")).arg("--").args(words);
    let base = root().join("crates/classifier/data/content.base");
    let mut default = |name: &str, value: PathBuf| {
        if !words.contains(&name) {
            trainer.arg(name).arg(value);
        }
    };
    default("--mail", root().join("../shared/corpus/mail"));
    match words.first() {
        Some(&"train") => default("--out", base),
        Some(&"evaluate") => default("--results", root().join("docs/results")),
        _ => {}
    }
    if !trainer.status().context("cargo run")?.success() {
        bail!("the trainer failed");
    }
    Ok(())
}
