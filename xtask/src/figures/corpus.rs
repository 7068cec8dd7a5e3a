//! Real mail beside the project, unpacked for one measurement.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::Binaries;
use super::machine::{Folder, ended_cpu_seconds};
use crate::metadata::root;

/// Where the archives are, as seen from the project.
const CORPUS: &str = "../shared/corpus";

/// Unpacks archives of the corpus, all into one folder; `None`, and a word about it, where one is not there.
pub(super) fn unpacked(figure: &str, archives: &[&str]) -> Result<Option<Folder>> {
    let folder = Folder::new()?;
    for archive in archives {
        let path = root().join(CORPUS).join(archive);
        if !path.is_file() {
            eprintln!("figures: {figure} is not measured: {CORPUS}/{archive} is not there");
            return Ok(None);
        }
        let tar = Command::new("tar")
            .arg("-xJf")
            .arg(&path)
            .arg("-C")
            .arg(folder.path())
            .stdin(Stdio::null())
            .status()
            .context("tar could not be started")?;
        if !tar.success() {
            bail!("tar: {tar}");
        }
    }
    Ok(Some(folder))
}

/// All files below a folder, in order.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

/// Mails for each second of processor time, user and system, through `tamis check --offline --json`: the whole process,
/// with its start.
pub(super) fn mails_per_cpu_second(
    binaries: &Binaries,
    words: &[&str],
    environment: &[(&str, &str)],
    paths: &[PathBuf],
) -> Result<f64> {
    let cpu = ended_cpu_seconds()?;
    let mut check = Command::new(&binaries.tamis);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TAMIS_")) {
        check.env_remove(name);
    }
    let checked = check
        .args(["check", "--offline", "--json"])
        .args(words)
        .args(paths)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    let cpu = ended_cpu_seconds()? - cpu;
    if !checked.status.success() {
        bail!("tamis check: {}", checked.status);
    }
    let mails = checked.stdout.iter().filter(|byte| **byte == b'\n').count();
    Ok(mails as f64 / cpu)
}
