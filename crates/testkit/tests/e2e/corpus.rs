//! A folder of some thousand broken, odd and hostile mails through `tamis check`: judged, in bounded time and memory.
//!
//! The mails are no part of the project: they lie beside it in `../shared/corpus`, or where `TAMIS_TEST_CORPUS` says.
//! `TAMIS_TEST_CORPUS=none` says that there are none.

use crate::mails::mail;
use serde_json::Value;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};
use tamis_testkit::peers::{Tamis, own_program};

/// Folders of the archive that hold mails.
const FOLDERS: [&str; 3] = ["vectors/mime", "vectors/filters", "vectors/spamfilter"];
/// Limit for all of them, in a debug build on two busy cores; alone it takes a tenth.
const TIME_MAX: Duration = Duration::from_secs(120);
/// Limit for resident memory at any time.
const RESIDENT_KIB_MAX: u64 = 200 * 1024;
/// What each line says.
const FIELDS: [&str; 6] = ["file", "status", "score", "evidence", "rung", "timings"];

/// The archive; `None` if the environment says that there is none.
fn archive() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let corpus = match env::var_os("TAMIS_TEST_CORPUS") {
        Some(none) if none == "none" => return None,
        Some(path) => PathBuf::from(path),
        None => beside,
    };
    let archive = corpus.join("vectors.tar.xz");
    assert!(archive.is_file(), "no {}; TAMIS_TEST_CORPUS=none does without", archive.display());
    Some(archive)
}

/// Files that a user may read, below `folder`.
fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("an extracted folder").flatten();
    let count =
        |path: PathBuf| if path.is_dir() { files(&path) } else { usize::from(path.is_file()) };
    entries.map(|entry| count(entry.path())).sum()
}

/// Waits for the end; gives the status and the highest resident memory that was seen, in KiB.
fn watched(child: &mut Child) -> (ExitStatus, u64) {
    let end = Instant::now() + TIME_MAX;
    let mut peak = 0;
    loop {
        let about = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = about.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return (status, peak);
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("tamis check does not come to an end within {TIME_MAX:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn assert_sound(line: &str) {
    let judged: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    for field in FIELDS {
        assert!(!judged[field].is_null(), "no {field} in {line}");
    }
    assert!(judged["score"].as_f64().is_some_and(f64::is_finite), "{line}");
    for evidence in judged["evidence"].as_array().expect("a list of evidence") {
        for field in ["name", "weight", "source", "detail"] {
            assert!(!evidence[field].is_null(), "no {field} in {evidence}");
        }
    }
}

#[test]
#[ignore = "needs the mails beside the project"]
fn thousands_of_broken_and_hostile_mails_are_judged_in_bounded_time_and_memory() {
    let Some(archive) = archive() else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut tar = Command::new("tar");
    tar.arg("-xJf").arg(archive).arg("-C").arg(directory.path()).args(FOLDERS);
    assert!(tar.status().expect("tar").success());
    let (out, err) = (directory.path().join("out"), directory.path().join("err"));
    let begun = Instant::now();
    let mut child = own_program("tamis")
        .args(["check", "--json", "--offline"])
        .args(FOLDERS)
        .current_dir(directory.path())
        .stdout(File::create(&out).expect("a file"))
        .stderr(File::create(&err).expect("a file"))
        .spawn()
        .expect("tamis");
    let (status, peak) = watched(&mut child);
    let complaints = fs::read_to_string(err).expect("what it complained about");
    assert!(matches!(status.code(), Some(0 | 2)), "{status}: {complaints}");
    assert!(!complaints.contains("panicked"), "{complaints}");
    assert!(peak < RESIDENT_KIB_MAX, "{peak} KiB resident");
    assert!(peak > 0, "memory was watched");

    let lines = fs::read_to_string(out).expect("what it judged");
    lines.lines().for_each(assert_sound);
    let unreadable = complaints.lines().filter(|line| line.starts_with("tamis check:")).count();
    let all: usize = FOLDERS.iter().map(|folder| files(&directory.path().join(folder))).sum();
    assert_eq!(lines.lines().count() + unreadable, all, "{complaints}");
    assert_eq!(status.code(), Some(if unreadable == 0 { 0 } else { 2 }));
    println!("{all} files in {:?}, {peak} KiB resident at most", begun.elapsed());
}

#[test]
#[ignore = "needs the program itself"]
fn what_cannot_be_read_is_named_and_the_rest_is_judged() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join("good.eml"), mail("good", "Hello.")).expect("a mail");
    fs::write(directory.path().join("empty.eml"), "").expect("an empty file");
    let paths =
        ["check", "--json", "--offline", "good.eml", "missing.eml", "/dev/null", "empty.eml"];
    let output = Tamis::run_in(directory.path(), &paths);
    assert_eq!(output.status.code(), Some(2));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.contains("missing.eml") && complaints.contains("/dev/null"), "{complaints}");
    let lines = String::from_utf8_lossy(&output.stdout);
    lines.lines().for_each(assert_sound);
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let one = Tamis::run_in(directory.path(), &["check", "good.eml"]);
    assert_eq!(one.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&one.stdout).contains("not_detected"));
}
