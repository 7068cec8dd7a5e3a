//! The reputation service beside the bare system and, where Debian's packages are there, beside rspamd's: what
//! `load-tests` measures, with loads that are shorter than those of its results.

use anyhow::Result;

use super::loads::{is_installed, lines, run};
use super::{Binaries, Figure, load_tests};

/// Signatures taught to each server.
const TAUGHT: [&str; 4] = ["--exact", "200000", "--texts", "20000"];
/// Programs that rspamd's fuzzy storage needs to be measured beside ours.
const PEER: [&str; 3] = ["rspamd", "redis-server", "redis-cli"];

/// Answers for each second of processor time, and memory for each signature.
pub(super) fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let has_peer = PEER.iter().all(|program| is_installed(program));
    let ways: &[&str] = if has_peer { &["rspamd"] } else { &["exact", "near"] };
    if !has_peer {
        eprintln!("figures: reputation: not beside rspamd: rspamd or redis-server is not there");
    }
    let mut figures = Vec::new();
    for way in ways {
        figures.extend(of(binaries, way, &["--seconds", "2"])?);
    }
    figures.extend(of(binaries, "table", &[])?);
    Ok(figures)
}

/// What a flood of forged datagrams does to a client's answers. As root.
pub(super) fn floods(binaries: &Binaries) -> Result<Vec<Figure>> {
    let mut figures = of(binaries, "flood", &[])?;
    figures.extend(of(binaries, "sealed-flood", &[])?);
    Ok(figures)
}

/// From a write to its being answered everywhere: three nodes over one Redis, and a site below a hub.
pub(super) fn visible(binaries: &Binaries) -> Result<Vec<Figure>> {
    of(binaries, "visible", &[])
}

/// Servers chosen by measured response time, in simulated worlds.
pub(super) fn selection(binaries: &Binaries) -> Result<Vec<Figure>> {
    let [selection] = load_tests(["selection"], binaries.is_debug)?;
    Ok(lines(&run(&selection, &["simulate"])?))
}

fn of(binaries: &Binaries, what: &str, how: &[&str]) -> Result<Vec<Figure>> {
    let [program] = load_tests(["reputation"], binaries.is_debug)?;
    let folder = super::machine::Folder::new()?;
    let out = folder.path().join("figures.md").display().to_string();
    let words = [&[what], &TAUGHT[..], how, &["--out", &out]].concat();
    Ok(lines(&run(&program, &words)?))
}
