//! `tamis learn` where something is wrong: what it says, and the status it ends with.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::{Command, Output, Stdio};

fn tamis(arguments: &[&str]) -> Output {
    // Variables of the tests' own are no settings.
    let clean = std::env::vars().filter(|(name, _)| !name.starts_with("TAMIS_"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_tamis"));
    command.env_clear().envs(clean).args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_scanner_that_is_away_is_a_failure_for_now_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("mail.eml");
    std::fs::write(&mail, "From: a@example.org\n\nx\n").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = format!("http://127.0.0.1:{port}");
    for class in ["spam", "ham"] {
        let done = tamis(&["learn", class, "--server", &server, mail.to_str().unwrap()]);
        assert_eq!(done.status.code(), Some(75), "try again later: {}", text(&done.stderr));
        assert!(text(&done.stderr).contains("Is a scanner running there?"));
        assert_eq!(text(&done.stdout), "");
    }
}

#[test]
fn what_cannot_be_understood_is_the_callers_fault() {
    for arguments in [
        &["learn", "spam"][..],
        &["learn", "neither", "mail.eml"],
        &["learn", "spam", "--server", "not a url", "mail.eml"],
        &["unlearn"],
    ] {
        let done = tamis(arguments);
        assert_eq!(done.status.code(), Some(64), "{arguments:?}: {}", text(&done.stderr));
    }
}
