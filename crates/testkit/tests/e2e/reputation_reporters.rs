//! Who may report, retract and delete: by tokens in a file, through the program that an administrator uses.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use tamis_testkit::peers::{PEER_WAIT_MAX, Tamis, wait_for};
use tempfile::TempDir;

/// A signature in the form that is typed.
const LINK: &str = "link:000102030405060708090a0b0c0d0e0f";

struct Site {
    directory: TempDir,
    server: Tamis,
}

/// A token file and the entry for the server.
fn made(directory: &TempDir, name: &str, is_operator: bool) -> (PathBuf, String) {
    let mut arguments = vec!["signature", "reporter", name];
    arguments.extend(is_operator.then_some("--operator"));
    let text = said(&Tamis::run(&arguments));
    let file = directory.path().join(name.replace('/', "-"));
    fs::write(&file, &text).expect("a token file");
    let entry = text.split_once("[[reporter]]").expect("an entry").1;
    (file, format!("[[reporter]]{entry}"))
}

#[track_caller]
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[track_caller]
fn refused(output: &Output, why: &str) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains(why), "{text}");
}

impl Site {
    fn signature(&self, token: Option<&PathBuf>, action: &[&str]) -> Output {
        let server = format!("http://{}", self.server.address("reputation", "grpc"));
        let mut arguments = vec!["signature", "--server", &server];
        let token = token.and_then(|token| token.to_str());
        if let Some(token) = token {
            arguments.extend(["--token-file", token]);
        }
        arguments.extend(action);
        Tamis::run(&arguments)
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_token_decides_who_reports_and_who_may_delete_and_a_change_of_the_file_is_seen() {
    let directory = tempfile::tempdir().expect("a directory");
    let (one, one_entry) = made(&directory, "a.example/mx1", false);
    let (other, other_entry) = made(&directory, "b.example", false);
    let (operator, operator_entry) = made(&directory, "desk", true);
    let file = directory.path().join("reporters.toml");
    fs::write(&file, one_entry.clone() + &operator_entry).expect("the file of reporters");
    let config = format!("[reputation]\nreporters = \"{}\"\n", file.display());
    let site = Site { server: Tamis::start(&["reputation"], Some(&config)), directory };

    refused(&site.signature(None, &["add", LINK]), "no token");
    refused(&site.signature(Some(&other), &["add", LINK]), "belongs to no reporter");
    refused(
        &site.signature(Some(&one), &["add", "--reporter", "somebody", LINK]),
        "belongs to a.example/mx1",
    );
    assert!(said(&site.signature(Some(&one), &["add", LINK])).contains("added 1"));
    let why = said(&site.signature(Some(&one), &["why", LINK]));
    assert!(why.contains("a.example/mx1 said spam"), "{why}");
    refused(&site.signature(None, &["why", LINK]), "no token");

    refused(&site.signature(Some(&one), &["del", LINK]), "only operators delete");
    refused(&site.signature(None, &["del", LINK]), "no token");
    assert!(said(&site.signature(Some(&operator), &["retract", LINK])).contains("unknown 1"));
    assert!(said(&site.signature(Some(&one), &["retract", LINK])).contains("retracted 1"));
    assert_eq!(site.signature(Some(&one), &["why", LINK]).status.code(), Some(2));
    assert!(said(&site.signature(Some(&one), &["add", LINK])).contains("added 1"));
    assert!(said(&site.signature(Some(&operator), &["del", LINK])).contains("deleted 1"));

    // A broken file changes nothing; the next one is taken.
    fs::write(&file, "[[reporter]]\nname = 1\n").expect("a broken file");
    let _ = site.server.wait_log("the file of reporters is wrong");
    assert!(said(&site.signature(Some(&one), &["add", LINK])).contains("added 1"));
    fs::write(&file, other_entry + &operator_entry).expect("the file of reporters");
    wait_for(
        "the new reporter to be known",
        PEER_WAIT_MAX,
        || site.signature(Some(&other), &["add", LINK]).status.success().then_some(()),
        || site.server.log(),
    );
    refused(&site.signature(Some(&one), &["add", LINK]), "belongs to no reporter");
    assert!(site.directory.path().exists());
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn without_a_file_callers_on_the_machine_are_operators_under_the_name_they_give() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site { server: Tamis::start(&["reputation"], None), directory };
    assert!(said(&site.signature(None, &["add", "--reporter", "me", LINK])).contains("added 1"));
    let why = said(&site.signature(None, &["why", LINK]));
    assert!(why.contains("me said spam") && why.contains("as an operator"), "{why}");
    assert!(said(&site.signature(None, &["del", LINK])).contains("deleted 1"));
}
