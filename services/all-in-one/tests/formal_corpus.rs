//! The mails of `corpus/formal` are formal, and nothing else of the corpus is.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::Command;

/// `file: status ...` of every mail in a folder of the corpus.
fn judged(folder: &str) -> Vec<String> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus").join(folder);
    let mails = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path());
    let mails = mails.filter(|path| path.extension().is_some_and(|it| it == "eml"));
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
