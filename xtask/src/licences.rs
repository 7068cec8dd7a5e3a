//! Every dependency's licence must allow ours, and a second version of the same crate needs a reason.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::metadata::{list, resolved, text};

/// Licences that impose nothing on ours. A crate passes if one of its alternatives consists of these only.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that are there twice, each with the reason. Remove a line when it is no longer needed.
const TWICE: &[(&str, &str)] = &[
    ("foldhash", "hashers of the hashbrowns of petgraph and indexmap"),
    ("getrandom", "three generations live in the ring of rand, tempfile and our own use"),
    ("hashbrown", "indexmap, quick_cache and prost each pin their own"),
    ("miniz_oxide", "two decoders of images pin their own"),
    ("rand", "opentelemetry_sdk beside redis"),
    ("rand_core", "opentelemetry_sdk beside redis"),
    ("syn", "derive macros are moving from 2 to 3"),
    ("untrusted", "aws-lc-rs with the features that mail-auth leaves on, beside webpki"),
];

pub(crate) fn run() -> Result<()> {
    let metadata = resolved()?;
    let mut complaints = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let used = used_packages(&metadata);
    for package in list(&metadata, "packages") {
        if package["source"].is_null() || !used.contains(&text(package, "id")) {
            continue;
        }
        let (name, version) = (text(package, "name"), text(package, "version"));
        versions.entry(name).or_default().push(version);
        let licence = text(package, "license");
        if !is_allowed(licence) {
            complaints.push(format!("{name} {version}: licence {licence:?} is not allowed"));
        }
    }
    let twice: BTreeMap<_, _> = versions.iter().filter(|(_, found)| found.len() > 1).collect();
    for (name, found) in &twice {
        match TWICE.iter().find(|(known, _)| known == *name) {
            Some((_, reason)) => println!("twice: {name} {} ({reason})", found.join(", ")),
            None => complaints.push(format!("{name} is there in versions {}", found.join(", "))),
        }
    }
    for (name, _) in TWICE.iter().filter(|(name, _)| !twice.contains_key(name)) {
        complaints.push(format!("{name} is no longer there twice: remove its line in licences.rs"));
    }
    println!("{} crates, {} of them in more than one version", versions.len(), twice.len());
    if complaints.is_empty() { Ok(()) } else { bail!("\n  {}", complaints.join("\n  ")) }
}

/// Ids of the packages that the resolved graph really uses on this target.
fn used_packages(metadata: &Value) -> Vec<&str> {
    list(&metadata["resolve"], "nodes").iter().map(|node| text(node, "id")).collect()
}

/// Whether one alternative of an SPDX expression is made of allowed licences only.
fn is_allowed(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], " ").replace('/', " OR ");
    flat.split(" OR ").any(|alternative| {
        alternative.split(" AND ").all(|licence| {
            ALLOWED.contains(&licence.split_whitespace().collect::<Vec<_>>().join(" ").as_str())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn a_copyleft_licence_passes_only_as_an_alternative() {
        for (expression, good) in [
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-3.0-or-later", false),
            ("MIT AND GPL-2.0", false),
            ("GPL-2.0 OR MIT", true),
            ("AGPL-3.0-only", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression), good, "{expression}");
        }
    }
}
