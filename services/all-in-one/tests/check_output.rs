//! What `tamis check` writes, and what it does when its lines cannot be written.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::{Command, Stdio};

/// The program with settings of nobody's: variables of the tests' own are none.
fn tamis() -> Command {
    let clean = std::env::vars().filter(|(name, _)| !name.starts_with("TAMIS_"));
    let mut tamis = Command::new(env!("CARGO_BIN_EXE_tamis"));
    tamis.env_clear().envs(clean).args(["check", "--offline"]);
    tamis
}

fn check(mail: &str, out: Stdio) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mail"), mail).unwrap();
    let ended = tamis()
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

#[test]
fn each_group_of_recipients_has_its_status_beside_the_global_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mail, config) = (folder.path().join("mail"), folder.path().join("tamis.toml"));
    // The marker of the test mail is put together here, so that no scanner takes this file for one.
    let marker =
        ["XJS*C4JDBQADN1.NSBN3*2IDNEN", "*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"].concat();
    std::fs::write(&mail, format!("Subject: x\n\n{marker}\n")).unwrap();
    let groups = "[[policy.group]]\nname = \"abuse\"\nrecipients = [\"abuse@example.org\"]\ndetection = false\n";
    std::fs::write(&config, groups).unwrap();
    let say = |json: &[&str]| {
        let to = ["--rcpt", "bob@example.org", "--rcpt", "abuse@example.org"];
        let out = tamis().arg("--config").arg(&config).args(to).args(json).arg(&mail).output();
        String::from_utf8(out.unwrap().stdout).unwrap()
    };
    let line = say(&[]);
    assert!(line.contains(": spam ") && line.ends_with(" [abuse: trusted]\n"), "{line}");
    let verdict: serde_json::Value = serde_json::from_str(&say(&["--json"])).unwrap();
    assert_eq!(verdict["status"], "spam");
    let groups = serde_json::json!([
        { "group": "default", "recipients": [0], "status": "spam", "action": "accept" },
        { "group": "abuse", "recipients": [1], "status": "trusted", "action": "accept" },
    ]);
    assert_eq!(verdict["groups"], groups, "{verdict}");
}
