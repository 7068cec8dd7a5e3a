//! Cold mails through `tamis check`, where the corpus is beside the project; nothing where it is not.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::machine::{Folder, ended_cpu_seconds};
use super::{Binaries, Figure, Goal};
use crate::metadata::root;

/// 6,044 real mails, spam and ham.
const ARCHIVE: &str = "../shared/corpus/mail/spamassassin.tar.xz";

pub(super) fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let archive = root().join(ARCHIVE);
    if !archive.is_file() {
        eprintln!("figures: check needs {ARCHIVE}, which is not there");
        return Ok(Vec::new());
    }
    let folder = Folder::new()?;
    let unpacked = Command::new("tar")
        .arg("-xJf")
        .arg(&archive)
        .arg("-C")
        .arg(folder.path())
        .stdin(Stdio::null())
        .status()
        .context("tar could not be started")?;
    if !unpacked.success() {
        bail!("tar: {unpacked}");
    }
    let cpu = ended_cpu_seconds()?;
    let checked = Command::new(&binaries.tamis)
        .args(["check", "--offline", "--json"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    let cpu = ended_cpu_seconds()? - cpu;
    if !checked.status.success() {
        bail!("tamis check: {}", checked.status);
    }
    let mails = checked.stdout.iter().filter(|byte| **byte == b'\n').count();
    let value = mails as f64 / cpu;
    let anchor = "rspamd:150";
    Ok(vec![Figure { name: "check.cold", value, unit: "mails/cpu_s", goal: Goal::None, anchor }])
}
