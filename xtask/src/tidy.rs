//! The house rules that a compiler does not check: walls, cards, sizes, words, reasons.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::measure::{Source, is_test_file, sources};
use crate::metadata::{list, resolved, root, text};

/// Lines of one function.
const FUNCTION_LINES_MAX: usize = 70;
/// Lines of one file, blank ones left out.
const FILE_LINES_MAX: usize = 500;
/// Lines of the map.
const MAP_LINES_MAX: usize = 200;
/// Labels of a room card, in order.
const CARD: [&str; 6] =
    ["**Holds**", "**Takes**", "**Gives**", "**May touch**", "**Never**", "**If it fails**"];

/// One room, the rooms it may see, and for rooms that think, the outside crates it may use.
type Door = (&'static str, &'static [&'static str], Option<&'static [&'static str]>);
/// The doors of every room that has some limit to them.
const DOORS: &[Door] = &[
    ("tamis-domain", &[], Some(&["serde", "thiserror"])),
    ("tamis-selector", &[], Some(&[])),
    ("tamis-mail-protocols", &[], Some(&["bytes", "thiserror"])),
    ("tamis-documents", &[], Some(&["encoding_rs", "flate2", "rqrr"])),
    ("tamis-runtime", &[], None),
    ("tamis-checks", &["tamis-domain"], Some(&[])),
    ("tamis-classifier", &["tamis-domain"], Some(&[])),
    (
        "tamis-training",
        &["tamis-classifier", "tamis-domain", "tamis-message", "tamis-runtime", "tamis-scanner"],
        None,
    ),
    (
        "tamis-message",
        &["tamis-documents", "tamis-domain"],
        Some(&[
            "blake3",
            "bytes",
            "encoding_rs",
            "gif",
            "html5gum",
            "image",
            "memchr",
            "sha2",
            "thiserror",
            "unicode-normalization",
        ]),
    ),
    ("tamis-bases", &[], Some(&["aws-lc-rs", "blake3", "thiserror", "xorf"])),
    (
        "tamis-reputation-protocol",
        &["tamis-domain"],
        Some(&["aws-lc-rs", "blake3", "bytes", "thiserror"]),
    ),
    ("tamis-learning", &["tamis-domain"], Some(&["thiserror"])),
    ("tamis-proto", &["tamis-domain"], None),
    (
        "tamis-edge",
        &[
            "tamis-domain",
            "tamis-message",
            "tamis-proto",
            "tamis-selector",
            "tamis-mail-protocols",
            "tamis-runtime",
        ],
        None,
    ),
    (
        "tamis-scanner",
        &[
            "tamis-bases",
            "tamis-domain",
            "tamis-checks",
            "tamis-learning",
            "tamis-classifier",
            "tamis-message",
            "tamis-proto",
            "tamis-selector",
            "tamis-reputation-protocol",
            "tamis-runtime",
        ],
        None,
    ),
    (
        "tamis-reputation",
        &[
            "tamis-bases",
            "tamis-domain",
            "tamis-proto",
            "tamis-reputation-protocol",
            "tamis-runtime",
        ],
        None,
    ),
    (
        "tamis",
        &[
            "tamis-domain",
            "tamis-edge",
            "tamis-mail-protocols",
            "tamis-message",
            "tamis-proto",
            "tamis-reputation",
            "tamis-reputation-protocol",
            "tamis-runtime",
            "tamis-scanner",
        ],
        None,
    ),
];

/// Calls that a room that thinks never makes, and the folders of those rooms.
const BANNED_IN_PURE: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "TcpStream",
    "UdpSocket",
    "println!",
    "eprintln!",
    "async fn",
];
/// Folders of the rooms that think.
pub(crate) const PURE: &[&str] = &[
    "crates/bases",
    "crates/classifier",
    "crates/documents",
    "crates/domain",
    "crates/checks",
    "crates/learning",
    "crates/message",
    "crates/mail-protocols",
    "crates/reputation-protocol",
    "crates/selector",
];
/// Calls that nothing of ours makes: each queue has a limit.
const BANNED: &[&str] = &["unbounded_channel", "mpsc::unbounded", "std::sync::mpsc::channel"];
/// Words that name a machine instead of the project.
const MACHINE_WORDS: &[&str] = &["/work/", "/root/"];

pub(crate) fn run() -> Result<()> {
    let root = root();
    let sources = sources(&root)?;
    let mut complaints = Vec::new();
    for source in &sources {
        sizes(source, &mut complaints);
        calls(source, &mut complaints);
        words(&root, source, &mut complaints)?;
    }
    let metadata = resolved()?;
    doors(&metadata, &mut complaints);
    cards(&root, &mut complaints)?;
    map(&root, &metadata, &mut complaints)?;
    reasons(&root, &metadata, &mut complaints)?;
    failures(&root, &sources, &mut complaints)?;
    if complaints.is_empty() {
        println!("tidy: {} files, walls, cards, sizes and reasons are in order", sources.len());
        return Ok(());
    }
    bail!("{} complaints\n  {}", complaints.len(), complaints.join("\n  "))
}

fn sizes(source: &Source, complaints: &mut Vec<String>) {
    let path = source.path.display();
    for (name, lines) in &source.functions {
        if *lines > FUNCTION_LINES_MAX {
            complaints
                .push(format!("{path}: {name} has {lines} lines, {FUNCTION_LINES_MAX} allowed"));
        }
    }
    let lines = source.lines + source.test_lines;
    if lines > FILE_LINES_MAX {
        complaints.push(format!("{path}: {lines} lines, {FILE_LINES_MAX} allowed"));
    }
}

fn calls(source: &Source, complaints: &mut Vec<String>) {
    if is_test_file(&source.path) {
        return;
    }
    let pure = PURE.iter().any(|folder| source.path.starts_with(folder));
    let banned = BANNED.iter().chain(if pure { BANNED_IN_PURE } else { &[] });
    for call in banned {
        for (number, line) in source.code.iter().enumerate().take(source.tests_from) {
            if line.contains(call) {
                complaints.push(format!("{}:{}: {call}", source.path.display(), number + 1));
            }
        }
    }
}

fn words(root: &Path, source: &Source, complaints: &mut Vec<String>) -> Result<()> {
    if source.path.starts_with("xtask") {
        return Ok(());
    }
    let text = fs::read_to_string(root.join(&source.path))?;
    for word in MACHINE_WORDS.iter().filter(|word| text.contains(**word)) {
        complaints.push(format!("{}: names a machine: {word}", source.path.display()));
    }
    Ok(())
}

fn doors(metadata: &Value, complaints: &mut Vec<String>) {
    for package in list(metadata, "packages") {
        let name = text(package, "name");
        let Some((_, rooms, outside)) = DOORS.iter().find(|(room, ..)| *room == name) else {
            continue;
        };
        for dependency in list(package, "dependencies") {
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            let other = text(dependency, "name");
            let ours = other.starts_with("tamis");
            let open = if ours {
                rooms.contains(&other)
            } else {
                outside.is_none_or(|allowed| allowed.contains(&other))
            };
            if !open {
                complaints.push(format!("{name} has no door to {other}"));
            }
        }
    }
}

fn cards(root: &Path, complaints: &mut Vec<String>) -> Result<()> {
    for folder in ["crates", "services"] {
        for entry in fs::read_dir(root.join(folder))? {
            let lib = entry?.path().join("src/lib.rs");
            if !lib.is_file() {
                continue;
            }
            let text = fs::read_to_string(&lib)?;
            let mut at = 0;
            for label in CARD {
                match text[at..].find(&format!("//! {label}")) {
                    Some(found) => at += found,
                    None => complaints.push(format!("{}: card lacks {label}", lib.display())),
                }
            }
        }
    }
    Ok(())
}

fn map(root: &Path, metadata: &Value, complaints: &mut Vec<String>) -> Result<()> {
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    let lines = text.lines().count();
    if lines > MAP_LINES_MAX {
        complaints.push(format!("ARCHITECTURE.md: {lines} lines, {MAP_LINES_MAX} allowed"));
    }
    for package in list(metadata, "packages").iter().filter(|package| package["source"].is_null()) {
        let folder = Path::new(self::text(package, "manifest_path")).parent().unwrap_or(root);
        let place = folder.strip_prefix(root).unwrap_or(folder).display().to_string();
        if !text.contains(&place) {
            complaints.push(format!("ARCHITECTURE.md does not name {place}"));
        }
    }
    Ok(())
}

/// Each direct dependency has its reason in a table.
fn reasons(root: &Path, metadata: &Value, complaints: &mut Vec<String>) -> Result<()> {
    let table =
        fs::read_to_string(root.join("docs/dependencies.md")).context("docs/dependencies.md")?;
    let mut names: Vec<&str> = list(metadata, "packages")
        .iter()
        .filter(|package| package["source"].is_null())
        .flat_map(|package| list(package, "dependencies"))
        .map(|dependency| text(dependency, "name"))
        .filter(|name| !name.starts_with("tamis"))
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in &names {
        if !table.contains(&format!("| `{name}` |")) {
            complaints.push(format!("docs/dependencies.md gives no reason for {name}"));
        }
    }
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let name = line.trim_start_matches("| `").split('`').next().unwrap_or_default();
        if !names.contains(&name) {
            complaints
                .push(format!("docs/dependencies.md gives a reason for {name}, which is not used"));
        }
    }
    Ok(())
}

/// Each failure names a test, and the test exists.
fn failures(root: &Path, sources: &[Source], complaints: &mut Vec<String>) -> Result<()> {
    let table = fs::read_to_string(root.join("docs/failures.md")).context("docs/failures.md")?;
    let rows =
        table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| failure"));
    for row in rows {
        let name = row.trim_end_matches([' ', '|']).rsplit('`').nth(1).unwrap_or_default();
        let signature = format!("fn {name}(");
        let is_there = !name.is_empty()
            && sources
                .iter()
                .any(|source| source.code.iter().any(|line| line.contains(&signature)));
        if !is_there {
            complaints.push(format!("docs/failures.md: no test {name:?} for: {row}"));
        }
    }
    Ok(())
}
