//! The mails of `corpus/formal` are formal, and nothing else of the corpus is. Of the bounces that lie beside the
//! project as many are formal as `docs/formal.md` says.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `file: status ...` of every mail in a folder of the corpus.
fn judged(folder: &str) -> Vec<String> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus").join(folder);
    let mails = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path());
    judged_mails(mails.filter(|path| path.extension().is_some_and(|it| it == "eml")))
}

/// The same of these files, or of all files in these folders.
fn judged_mails(mails: impl Iterator<Item = PathBuf>) -> Vec<String> {
    let clean = std::env::vars().filter(|(name, _)| !name.starts_with("TAMIS_"));
    let output = Command::new(env!("CARGO_BIN_EXE_tamis"))
        .env_clear()
        .envs(clean)
        .args(["check", "--offline"])
        .args(mails)
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{}: {complaints}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn what_mail_systems_write_is_formal_and_what_poses_as_it_is_not() {
    let formal = judged("formal");
    assert!(formal.len() >= 11, "{formal:?}");
    for line in formal {
        assert!(line.contains(": formal "), "{line}");
    }
    for folder in ["ham", "spam", "malformed", "adapters"] {
        let lines = judged(folder);
        assert!(!lines.is_empty());
        for line in lines {
            assert!(!line.contains(": formal "), "{line}");
        }
    }
}

/// Mails in each folder of the archive, and how many of them are formal. What is missed stands in `docs/formal.md`.
const REAL: [(&str, usize, usize); 3] = [("bsd", 628, 546), ("dos", 80, 69), ("mac", 80, 69)];

/// The archive of real bounces; `None` if the environment says that there is none.
fn archive() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let corpus = match std::env::var_os("TAMIS_TEST_CORPUS") {
        Some(none) if none == "none" => return None,
        Some(path) => PathBuf::from(path),
        None => beside,
    };
    let archive = corpus.join("mail/bounces-sisimai.tar.xz");
    assert!(archive.is_file(), "no {}; TAMIS_TEST_CORPUS=none does without", archive.display());
    Some(archive)
}

#[test]
fn real_bounces_are_formal_in_the_number_that_the_document_says() {
    let Some(archive) = archive() else {
        eprintln!("SKIPPED: TAMIS_TEST_CORPUS=none, so no real bounces were judged");
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-bounces");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let unpacked =
        Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(&folder).status().unwrap();
    assert!(unpacked.success(), "tar unpacks {}", archive.display());
    let lines = judged_mails([folder.clone()].into_iter());
    std::fs::remove_dir_all(&folder).unwrap();
    let mut found: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for line in &lines {
        let (file, status) = line.split_once(": ").unwrap();
        let (group, count) =
            (file.rsplit('/').nth(1).unwrap(), usize::from(status.starts_with("formal ")));
        let (all, formal) = found.entry(group).or_default();
        (*all, *formal) = (*all + 1, *formal + count);
    }
    let expect = REAL.into_iter().map(|(group, all, formal)| (group, (all, formal))).collect();
    assert_eq!(
        found, expect,
        "mails and formal ones in each folder: docs/formal.md lists what is missed"
    );
}
