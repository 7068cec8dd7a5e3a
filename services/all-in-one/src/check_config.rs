//! `tamis check-config FILE`: what a file means, or what is wrong with it.

use std::path::Path;

use tamis_reputation::reporters::Reporters;
use tamis_runtime::exit::Failure;

use crate::start;

/// Reads, checks and prints.
pub fn run(file: &Path) -> Result<(), Failure> {
    let settings = start::settings(Some(file))?;
    let snapshot = start::snapshot(settings.policy, &settings.scanner)?;
    settings.tls.load()?;
    if let Some(file) = &settings.reputation.reporters {
        Reporters::load(file)?;
    }
    println!("{} is sound", file.display());
    println!("{:#?}", settings.edge);
    println!("{:#?}", settings.scanner);
    println!("{:#?}", settings.reputation);
    println!("{:#?}", settings.bases);
    println!("{:#?}", settings.telemetry);
    let groups: Vec<&str> = snapshot.policy.groups().map(|group| group.name()).collect();
    println!("policy groups, first match wins: {}", groups.join(", "));
    println!("known malicious objects: {}", snapshot.bases.hashes.len());
    for name in snapshot.policy.weighted_names() {
        if !tamis_scanner::evidence_names().any(|known| known == name) {
            println!("warning: [policy] weights: no check has the name {name}");
        }
    }
    Ok(())
}
