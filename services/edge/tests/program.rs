//! The program `tamis-edge` as a supervisor starts it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::{Command, Output};

fn program(arguments: &[&str]) -> Output {
    let clean = std::env::vars().filter(|(name, _)| !name.starts_with("TAMIS_"));
    Command::new(env!("CARGO_BIN_EXE_tamis-edge"))
        .args(arguments)
        .env_clear()
        .envs(clean)
        .output()
        .unwrap()
}

#[test]
fn one_file_serves_all_roles_so_sections_of_others_are_left_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tamis.toml");
    let sections = ["all", "scanner", "policy", "reputation", "bases"];
    let others: String = sections.map(|name| format!("[{name}]\n")).concat();
    // A value that makes no sense ends the program before it listens, and says how far it came.
    for (own, told) in [("deadline_ms = 0", "deadline_ms"), ("[edges]", "edges")] {
        std::fs::write(&file, format!("{others}[edge]\n{own}\n")).unwrap();
        let output = program(&["--config", &file.display().to_string()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(told), "{said}");
    }
}

#[test]
fn a_probe_of_nobody_is_no_and_reads_no_configuration() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = gone.to_string();
    for what in ["live", "ready"] {
        let output = program(&["--config", "/nowhere.toml", "probe", what, "--at", &at]);
        assert_eq!(output.status.code(), Some(75), "{output:?}");
    }
}
