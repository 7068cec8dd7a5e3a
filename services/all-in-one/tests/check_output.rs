//! What `tamis check` does when its lines cannot be written.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::{Command, Stdio};

fn check(mail: &str, out: Stdio) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mail"), mail).unwrap();
    // Variables of the tests' own are no settings.
    let clean = std::env::vars().filter(|(name, _)| !name.starts_with("TAMIS_"));
    let ended = Command::new(env!("CARGO_BIN_EXE_tamis"))
        .env_clear()
        .envs(clean)
        .args(["check", "--offline"])
        .args([folder.path().join("mail"), folder.path().join("missing")])
        .stdout(out)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

const MAIL: &str = "Subject: x\n\nx\n";

#[test]
fn a_full_disk_is_a_failure_to_be_tried_again() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (code, said) = check(MAIL, full.into());
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("standard output: "), "{said}");
}

#[test]
fn a_reader_who_went_away_is_no_failure_and_the_unreadable_still_count() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (code, said) = check(MAIL, writer.into());
    assert_eq!(code, Some(2), "{said}");
    assert!(!said.contains("standard output"), "{said}");
}
