//! `check --record`, `replay` and `replay --now`: over all mails of the corpus, and where bases or policy changed.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus")
}

fn tamis(folder: &Path, arguments: &[&str]) -> Output {
    // Variables of the tests' own are no settings.
    let clean = std::env::vars().filter(|(name, _)| !name.starts_with("TAMIS_"));
    Command::new(env!("CARGO_BIN_EXE_tamis"))
        .env_clear()
        .envs(clean)
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The mails and expectations of the corpus are mails alike to a program.
fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

/// What a verdict's line says apart from the file's name and the times.
fn said(line: &str) -> serde_json::Value {
    let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
    for key in ["file", "timings", "bytes", "envelope"] {
        line.as_object_mut().unwrap().remove(key);
    }
    line
}

#[test]
fn every_mail_of_the_corpus_is_judged_again_bit_for_bit_from_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus();
    let corpus = corpus.to_str().unwrap();
    let checked = tamis(folder.path(), &["check", "--json", "--record", "records", corpus]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let replayed = tamis(folder.path(), &["replay", "--json", "records"]);
    assert_eq!(text(&replayed.stderr), "");
    assert!(replayed.status.success());
    let sorted = |output: &Output| {
        let mut lines: Vec<String> =
            text(&output.stdout).lines().map(|line| said(line).to_string()).collect();
        lines.sort();
        lines.dedup();
        lines
    };
    assert_eq!(sorted(&checked), sorted(&replayed));
    assert!(text(&checked.stdout).lines().count() == files(Path::new(corpus)));
    assert!(sorted(&replayed).len() >= 60);
}

#[test]
fn a_record_that_does_not_give_what_was_said_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mail"), "Subject: x\n\nx\n").unwrap();
    let checked = tamis(folder.path(), &["check", "--record", "record", "mail"]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let file = folder.path().join("record");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it names people");
    }
    assert_eq!(text(&tamis(folder.path(), &["replay", "record"]).stderr), "");
    let changed = std::fs::read_to_string(&file).unwrap().replacen(": 0.2", ": 5.2", 1);
    std::fs::write(&file, changed).unwrap();
    let replayed = tamis(folder.path(), &["replay", "record"]);
    assert_eq!(replayed.status.code(), Some(1));
    assert!(text(&replayed.stderr).contains("said was not_detected"), "{}", text(&replayed.stderr));
    std::fs::write(&file, "{").unwrap();
    let replayed = tamis(folder.path(), &["replay", "record"]);
    assert_eq!(replayed.status.code(), Some(2));
}

#[test]
fn changed_bases_and_rules_show_which_evidence_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("mail", "From: a@example.org\nSubject: x\n\nhello\n");
    // The SHA-256 of `hello`, without and with a line end.
    let hashes = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 Some.Worm\n\
                  5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 Some.Worm\n";
    write("hashes", hashes);
    write(
        "tamis.toml",
        "[scanner]\nhash_list = \"hashes\"\n\
         [policy]\nlevel = \"high\"\nweights = { date_missing = 0.0 }\nmethods = { header = true }\n",
    );
    assert!(tamis(folder.path(), &["check", "--record", "r", "mail"]).status.success());
    let same = text(&tamis(folder.path(), &["replay", "--now", "mail", "r"]).stdout);
    assert!(same.contains("findings  the same"), "{same}");
    assert!(!same.contains("->"), "{same}");
    let arguments = ["replay", "--now", "mail", "--config", "tamis.toml", "--offline", "r"];
    let changed = tamis(folder.path(), &arguments);
    assert!(changed.status.success(), "{}", text(&changed.stderr));
    let changed = text(&changed.stdout);
    for line in [
        "status    not_detected -> infected",
        "rules     probable_spam from 5, spam from 10, methods off: none -> probable_spam from 4, spam from 8, methods off: none",
        "done      default not_detected accept -> default infected quarantine",
        "+  20.00  hash_list (malware) in part 0: ",
        "~   0.20 -> 0.00  date_missing (header)",
    ] {
        assert!(changed.contains(line), "{line}\n{changed}");
    }
}

#[test]
fn another_mail_than_the_recorded_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mail"), "Subject: x\n\nx\n").unwrap();
    std::fs::write(folder.path().join("other"), "Subject: x\n\ny\n").unwrap();
    assert!(tamis(folder.path(), &["check", "--record", "r", "mail"]).status.success());
    let refused = tamis(folder.path(), &["replay", "--now", "other", "r"]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("not the mail of this record"));
}

#[test]
fn the_mails_own_envelope_is_kept_for_later_judgements() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mail"), "Subject: x\n\nx\n").unwrap();
    let lists = "[policy]\nlists = { blacklisted = [\"@shop.example\"] }\n";
    std::fs::write(folder.path().join("tamis.toml"), lists).unwrap();
    let options =
        ["check", "--from", "a@shop.example", "--rcpt", "u@example.org", "--record", "r", "mail"];
    assert!(tamis(folder.path(), &options).status.success());
    let again = tamis(folder.path(), &["replay", "--now", "mail", "--config", "tamis.toml", "r"]);
    let again = text(&again.stdout);
    assert!(again.contains("status    not_detected -> blacklisted"), "{again}");
    assert!(again.contains("listed_blacklisted (list)"), "{again}");
}

#[test]
fn a_long_name_of_three_byte_letters_has_a_record_and_leaves_nothing_unfinished() {
    let folder = tempfile::tempdir().unwrap();
    let mails = folder.path().join("mails");
    std::fs::create_dir(&mails).unwrap();
    for letters in [53, 54, 80] {
        std::fs::write(mails.join("\u{8239}".repeat(letters)), "Subject: x\n\nx\n").unwrap();
    }
    let checked = tamis(folder.path(), &["check", "--record", "records", "mails"]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let names: Vec<String> = std::fs::read_dir(folder.path().join("records"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().all(|name| name.ends_with(".json") && name.len() <= 255), "{names:?}");
    assert!(!names.is_empty());
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_record_is_replaced_and_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mail"), "Subject: x\n\nx\n").unwrap();
    std::fs::write(folder.path().join("theirs"), "theirs").unwrap();
    for link in ["record", "record.new"] {
        std::os::unix::fs::symlink(folder.path().join("theirs"), folder.path().join(link)).unwrap();
    }
    assert!(tamis(folder.path(), &["check", "--record", "record", "mail"]).status.success());
    assert_eq!(std::fs::read_to_string(folder.path().join("theirs")).unwrap(), "theirs");
    assert!(std::fs::symlink_metadata(folder.path().join("record")).unwrap().is_file());
}
