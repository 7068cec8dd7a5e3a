//! What commands and the service do when nobody reads what they say: a real pipe whose reader has gone.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// The program in a folder of its own, with a standard output that was closed before it began.
fn unheard(folder: &Path, arguments: &[&str]) -> Command {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    // Variables of the tests' own are no settings.
    let clean = std::env::vars().filter(|(name, _)| !name.starts_with("TAMIS_"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_tamis"));
    command.env_clear().envs(clean).env("HOME", folder).current_dir(folder).args(arguments);
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    command
}

#[test]
fn commands_end_as_if_they_were_heard() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tamis.toml"), "[scanner]\n").unwrap();
    for arguments in [
        &["check-config", "tamis.toml"][..],
        &["signature", "key", "mx1.example"],
        &["signature", "reporter", "example.org/mx1"],
    ] {
        let ended = unheard(folder.path(), arguments).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && !said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[test]
fn the_service_answers_on_where_nobody_reads_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[edge]\nmilter = \"127.0.0.1:0\"\nlmtp = \"127.0.0.1:0\"\nsmtp = \"127.0.0.1:0\"\n\
        [scanner]\nlisten = \"127.0.0.1:0\"\n\
        [reputation]\nlisten = \"127.0.0.1:0\"\ngrpc = \"127.0.0.1:0\"\n\
        [all]\nadmin = \"127.0.0.1:0\"\n";
    std::fs::write(folder.path().join("tamis.toml"), config).unwrap();
    let mut service = unheard(folder.path(), &["all", "--config", "tamis.toml"]).spawn().unwrap();
    let mut said = String::new();
    // The last thing that is said to nobody is how to send a first mail; the log, which is read, tells what became of it.
    for line in BufReader::new(service.stderr.take().unwrap()).lines() {
        said.push_str(&line.unwrap());
        said.push('\n');
        if said.contains("reputation answers") || said.contains("panicked") {
            break;
        }
    }
    let is_alive = service.try_wait().unwrap().is_none();
    service.kill().unwrap();
    service.wait().unwrap();
    assert!(
        is_alive && said.contains("reputation answers") && !said.contains("panicked"),
        "{said}"
    );
}
