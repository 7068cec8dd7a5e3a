//! Every sample configuration is one that the program reads, and a broken one is refused by name.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

fn check_config(text: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tamis.toml");
    std::fs::write(&file, text).unwrap();
    let clean = std::env::vars().filter(|(name, _)| !name.starts_with("TAMIS_"));
    Command::new(env!("CARGO_BIN_EXE_tamis"))
        .arg("check-config")
        .arg(&file)
        .env_clear()
        .envs(clean)
        .output()
        .unwrap()
}

#[test]
fn every_sample_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config");
    let mut samples = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // The files of [tls] are read, too; a sample names ones that are not on this machine.
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, tls) = text.split_once("\n[tls]").unwrap_or((&text, ""));
        let keys = tls.lines().filter(|line| line.contains('=')).count();
        assert!(tls.is_empty() || keys == 3, "{}: [tls] last, and whole", path.display());
        let without_files = match tls.is_empty() {
            true => text.clone(),
            false => format!("{before}\n[tls]\ninsecure = true\n"),
        };
        let output = check_config(&without_files);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", path.display());
        samples += 1;
    }
    assert!(samples >= 4);
}

#[test]
fn every_example_of_the_document_on_authentication_is_read() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/authentication.md");
    let text = std::fs::read_to_string(file).unwrap();
    let examples: Vec<&str> = text.split("```toml\n").skip(1).collect();
    assert!(examples.len() >= 4);
    for example in examples {
        let example = example.split("```").next().unwrap();
        let output = check_config(example);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{example}\n{said}");
    }
}

#[test]
fn level_thresholds_and_methods_are_shown_as_they_come_out_for_each_group() {
    let output = check_config(
        "[policy]\nlevel = \"high\"\nmethods = { text = false, link = false }\n\
         [[policy.group]]\nname = \"sales\"\nrecipients = [\"@shop.example.org\"]\n\
         thresholds = { spam = 12.5 }\nmethods = { text = true }\n\
         [[policy.group]]\nname = \"abuse\"\nrecipients = [\"abuse@example.org\"]\ndetection = false\n",
    );
    let said = String::from_utf8_lossy(&output.stdout);
    let shown: Vec<&str> =
        said.lines().skip_while(|line| !line.starts_with("policy groups")).take(4).collect();
    assert_eq!(
        shown,
        [
            "policy groups, first match wins:",
            "  sales: level high with own thresholds, probable_spam from 4, spam from 12.5, methods off: link",
            "  abuse: detection off, mail is trusted",
            "  default: level high, probable_spam from 4, spam from 8, methods off: text link",
        ],
        "{said}"
    );
}

#[test]
fn a_misspelt_key_is_refused_with_its_line_and_exit_code_78() {
    for (text, needles) in [
        ("[edge]\nmiltr = \"\"\n", ["miltr", "tamis.toml:2"]),
        ("[edeg]\n", ["edeg", "unknown section"]),
        ("[policy]\nactions = { spam = \"burn\" }\n", ["policy", "burn"]),
        ("[policy]\nlevel = \"paranoid\"\n", ["level", "paranoid"]),
        ("[policy]\nmethods = { magic = false }\n", ["methods", "magic"]),
        ("[scanner]\nredis = \"mysql://h\"\n", ["redis", "mysql"]),
        ("[[policy.group]]\nname = \"a\"\nrecipients = [\"nonsense\"]\n", ["a", "nonsense"]),
        ("[edge]\ndeadline_ms = 0\n", ["edge", "deadline_ms"]),
        ("[reputation]\nlisten = \"x\"\n", ["reputation", "listen"]),
    ] {
        let output = check_config(text);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{text}: {said}");
        for needle in needles {
            assert!(said.contains(needle), "{text}: {said}");
        }
    }
}
