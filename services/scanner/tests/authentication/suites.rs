//! Suites of the standards, read from beside the project: they are no part of it. Cases that fail stand in a list with the reason: one that newly fails breaks the
//! test, and so does one that newly passes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tamis_testkit::corpus;
use tempfile::TempDir;

/// Reads a YAML file of many documents; `SPF` records count as text unless the name has text of its own (as the
/// suite's own driver does), and every value becomes text, lists stay.
const READER: &str = r#"
import sys, json, yaml
class Loader(yaml.SafeLoader): pass
for name in "timestamp int float bool".split():
    for first, rules in list(Loader.yaml_implicit_resolvers.items()):
        Loader.yaml_implicit_resolvers[first] = [rule for rule in rules if not rule[0].endswith(name)]
print(json.dumps(list(yaml.load_all(open(sys.argv[1], encoding="utf-8"), Loader))))
"#;

/// A file or folder of the archive, unpacked until this is dropped.
pub(crate) struct Unpacked {
    pub path: PathBuf,
    _folder: TempDir,
}

/// The file of the archive; `None` if the environment says that there is none.
pub(crate) fn file(path: &str) -> Option<Unpacked> {
    let archive = corpus::archive("vectors.tar.xz")?;
    let archive = corpus::decompressed(&archive, Path::new(env!("CARGO_TARGET_TMPDIR")));
    let folder = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar");
    let done =
        tar.arg("-xf").arg(&archive).arg("-C").arg(folder.path()).arg(path).status().unwrap();
    assert!(done.success(), "{path} is in the archive");
    Some(Unpacked { path: folder.path().join(path), _folder: folder })
}

/// Documents of a YAML file.
pub(crate) fn documents(path: &Path) -> Vec<Value> {
    let read = Command::new("python3").arg("-c").arg(READER).arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "python3 with its yaml module reads the suite: {said}");
    serde_json::from_slice(&read.stdout).unwrap()
}

/// Compares outcomes with the committed list of failures: `case  reason` on each line.
pub(crate) fn compare(suite: &str, ran: usize, failed: &BTreeMap<String, String>, list: &str) {
    let known: BTreeMap<&str, &str> = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once("  ").expect("a case and its reason"))
        .collect();
    println!("{suite}: {} of {ran} cases pass", ran - failed.len());
    let new: Vec<String> = failed
        .iter()
        .filter(|(case, _)| !known.contains_key(case.as_str()))
        .map(|(case, how)| format!("{case}: {how}"))
        .collect();
    assert!(new.is_empty(), "{suite}: newly failing:\n{}", new.join("\n"));
    let mended: Vec<&&str> = known.keys().filter(|case| !failed.contains_key(**case)).collect();
    assert!(mended.is_empty(), "{suite}: these pass now, take them off the list: {mended:?}");
}
