//! `tamis check-config FILE`: what a file means, or what is wrong with it.

use std::path::Path;

use tamis_domain::policy::Group;
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
    tamis_runtime::say!("policy groups, first match wins:");
    for group in snapshot.policy.groups() {
        tamis_runtime::say!("  {}", detection(group));
    }
    tamis_runtime::say!("known malicious objects: {}", snapshot.bases.hashes.len());
    for name in snapshot.policy.weighted_names() {
        if !tamis_scanner::evidence_names().any(|known| known == name) {
            tamis_runtime::say!("warning: [policy] weights: no check has the name {name}");
        }
    }
    Ok(())
}

/// How strictly a group's mail is judged, as it came out of global rules and its own.
fn detection(group: &Group) -> String {
    let rules = group.rules();
    if !rules.detection {
        return format!("{}: detection off, mail is trusted", group.name());
    }
    let own =
        if rules.thresholds == rules.level.thresholds() { "" } else { " with own thresholds" };
    let off: Vec<&str> = rules.methods_off.iter().map(|source| source.word()).collect();
    format!(
        "{}: level {}{own}, probable_spam from {}, spam from {}, methods off: {}",
        group.name(),
        rules.level.word(),
        rules.thresholds.probable_spam,
        rules.thresholds.spam,
        if off.is_empty() { "none".to_owned() } else { off.join(" ") },
    )
}
