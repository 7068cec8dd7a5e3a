//! The vectors of the public suffix list's own project, read from beside the project: they are no part of it.
//! `TAMIS_TEST_CORPUS` says where they are, `none` that there are none.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::PathBuf;
use std::process::Command;

use tamis_domain::suffix::{is_public_suffix, owner};

fn vectors() -> Option<String> {
    let corpus = match std::env::var_os("TAMIS_TEST_CORPUS") {
        Some(none) if none == "none" => return None,
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
    };
    let archive = corpus.join("lists.tar.xz");
    assert!(archive.is_file(), "no {}; TAMIS_TEST_CORPUS=none does without", archive.display());
    let file = "lists/publicsuffix/tests/tests.txt";
    let tar = Command::new("tar").arg("-xJOf").arg(archive).arg(file).output().unwrap();
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    Some(String::from_utf8(tar.stdout).unwrap())
}

#[test]
fn the_vectors_of_the_list_come_out_as_its_project_says() {
    let Some(vectors) = vectors() else { return };
    let mut ran = 0;
    for line in vectors.lines().filter(|line| !line.starts_with("//")) {
        let Some((host, expect)) = line.split_once(' ') else { continue };
        let host = host.to_lowercase();
        // Names that nobody can have owned: nothing, and what begins with a dot.
        if host == "null" || host.starts_with('.') {
            continue;
        }
        ran += 1;
        match expect.trim() {
            "null" => assert!(is_public_suffix(&host), "{host}"),
            expect => assert_eq!(owner(&host), expect.to_lowercase(), "{host}"),
        }
    }
    println!("{ran} vectors");
    assert!(ran > 60, "{ran}");
}
