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
    tamis_runtime::say!("{} is sound", file.display());
    tamis_runtime::say!("{:#?}", settings.edge);
    tamis_runtime::say!("{:#?}", settings.scanner);
    tamis_runtime::say!("{:#?}", settings.reputation);
    tamis_runtime::say!("{:#?}", settings.bases);
    tamis_runtime::say!("{:#?}", settings.telemetry);
    let groups: Vec<&str> = snapshot.policy.groups().map(|group| group.name()).collect();
    tamis_runtime::say!("policy groups, first match wins: {}", groups.join(", "));
    tamis_runtime::say!("known malicious objects: {}", snapshot.bases.hashes.len());
    for name in snapshot.policy.weighted_names() {
        if !tamis_scanner::evidence_names().any(|known| known == name) {
            tamis_runtime::say!("warning: [policy] weights: no check has the name {name}");
        }
    }
    Ok(())
}
