//! What `check --explain` says, word for word, and the commands of `docs/explain.md` with their output.
//! `UPDATE_EXPECT=1` writes what stands there anew, to be checked by eye.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Standard output and error of a command line that begins with `tamis`.
fn run(folder: &Path, command: &str) -> String {
    let clean = std::env::vars().filter(|(name, _)| !name.starts_with("TAMIS_"));
    let output = Command::new(env!("CARGO_BIN_EXE_tamis"))
        .env_clear()
        .envs(clean)
        .current_dir(folder)
        .args(command.strip_prefix("tamis ").unwrap().split(' '))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).unwrap()
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn is_updating() -> bool {
    std::env::var_os("UPDATE_EXPECT").is_some()
}

#[test]
fn each_explanation_is_word_for_word_what_people_were_promised() {
    let folder = here("tests/explain");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| {
            entry
                .unwrap()
                .file_name()
                .into_string()
                .unwrap()
                .strip_suffix(".eml")
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    assert!(names.len() >= 6);
    for name in names {
        let options =
            fs::read_to_string(folder.join(format!("{name}.options"))).unwrap_or_default();
        let command = format!("tamis check --explain {options} {name}.eml").replace("  ", " ");
        let said = run(&folder, &command.replace('\n', ""));
        let file = folder.join(format!("{name}.txt"));
        if is_updating() {
            fs::write(&file, &said).unwrap();
        }
        assert_eq!(said, fs::read_to_string(&file).unwrap(), "{name}");
    }
}

/// The document's blocks of one language, as their beginnings and ends.
fn blocks(document: &str, language: &str) -> Vec<(usize, usize)> {
    let open = format!("```{language}\n");
    let starts = document.match_indices(&open).map(|(at, _)| at + open.len());
    starts.map(|at| (at, at + document[at..].find("```").unwrap())).collect()
}

#[test]
fn the_commands_of_the_document_say_what_it_shows() {
    let file = here("../../docs/explain.md");
    let document = fs::read_to_string(&file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (language, name) in [("eml", "offer.eml"), ("toml", "tamis.toml")] {
        let [(from, to)] = blocks(&document, language)[..] else { panic!("one block: {language}") };
        fs::write(folder.path().join(name), &document[from..to]).unwrap();
    }
    let mut updated = document.clone();
    let shown = blocks(&document, "console");
    let mut said = Vec::new();
    for (from, to) in &shown {
        let mut output = String::new();
        for command in document[*from..*to].lines().filter_map(|line| line.strip_prefix("$ ")) {
            output.push_str(&format!("$ {command}\n{}", run(folder.path(), command)));
        }
        said.push(output);
    }
    assert!(said.len() >= 3);
    for ((from, to), output) in shown.iter().zip(&said).rev() {
        updated.replace_range(*from..*to, output);
    }
    if is_updating() {
        fs::write(&file, &updated).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), updated);
}
