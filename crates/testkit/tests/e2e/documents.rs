//! What the documents say to type is typed, against the real programs.
//!
//! A fenced `sh` block is run when the line before it is `<!-- test -->`, or `<!-- test: with tamis all -->` where the service
//! shall be running. The blocks of one document run in order, in one directory. Those behind
//! `<!-- test: on a throwaway machine -->` install and start things, so they run as root in namespaces of their own, over
//! copies of the system's folders (`throwaway.sh`).

use std::env;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tamis_testkit::peers::{Process, own_program};

/// The marks.
const ALONE: &str = "<!-- test -->";
const WITH_ALL: &str = "<!-- test: with tamis all -->";
const THROWAWAY: &str = "<!-- test: on a throwaway machine -->";
/// Longest life of such a machine.
const MACHINE_SECONDS_MAX: &str = "120";
/// Addresses that `tamis all` takes on embedded defaults: health last, which is there when all others are.
const ADMIN: &str = "127.0.0.1:9070";

/// A block to be run.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    line: usize,
    mark: &'static str,
    script: String,
}

/// The marked blocks of a document.
fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let marks = [ALONE, WITH_ALL, THROWAWAY];
        let Some(mark) = marks.into_iter().find(|mark| line.trim() == *mark) else { continue };
        let fence = lines.next().map_or("", |(_, line)| line.trim());
        assert_eq!(fence, "```sh", "line {}: a mark without a block", number + 1);
        let script: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
        found.push(Block { line: number + 2, mark, script: script.join("\n") });
    }
    found
}

fn documents() -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths: Vec<PathBuf> = fs::read_dir(top.join("docs"))
        .expect("the documents")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.sort();
    paths.insert(0, top.join("README.md"));
    paths
}

/// Our programs first, a home of its own, nothing of the environment that would change what they do.
fn at_home(mut command: Command, home: &Path) -> Command {
    let programs = PathBuf::from(own_program("tamis").get_program());
    let own = programs.parent().unwrap_or(Path::new(".")).to_owned();
    let others = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([own].into_iter().chain(env::split_paths(&others)));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if ["TAMIS_", "OTEL_", "XDG_"].iter().any(|start| text.starts_with(start)) {
            command.env_remove(&name);
        }
    }
    command.env("PATH", path.expect("a path")).env("HOME", home).current_dir(home);
    command
}

fn tamis_all(home: &Path) -> Process {
    assert!(
        TcpStream::connect(ADMIN).is_err(),
        "something listens on {ADMIN}: the documents use the ports of the defaults"
    );
    let mut command = at_home(own_program("tamis"), home);
    command.arg("all");
    let mut process = Process::spawn("tamis all", &mut command, &home.join("tamis.log"));
    let ready = || {
        let ask = ["-s", "-f", "http://127.0.0.1:9070/healthz/ready"];
        let asked = Command::new("curl").args(ask).stdout(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    process.wait_ready(ready);
    process
}

fn run(document: &Path, block: &Block, home: &Path) {
    let script = format!("set -o pipefail\n{}\n", block.script);
    let file = home.join(".block.sh");
    fs::write(&file, script).expect("a script");
    let mut command = at_home(Command::new("bash"), home);
    let output = command.arg("-e").arg(&file).stdin(Stdio::null()).output().expect("bash");
    assert!(
        output.status.success(),
        "{}:{}: {}\n{}\n{}{}",
        document.display(),
        block.line,
        output.status,
        block.script,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "needs the programs and the ports of the defaults"]
fn what_the_documents_say_to_type_works() {
    let mut ran = 0;
    for document in documents() {
        let text = fs::read_to_string(&document)
            .unwrap_or_else(|error| panic!("{}: {error}", document.display()));
        let blocks = blocks(&text);
        let home = tempfile::tempdir().expect("a temporary directory");
        let _all =
            blocks.iter().any(|block| block.mark == WITH_ALL).then(|| tamis_all(home.path()));
        for block in blocks.iter().filter(|block| block.mark != THROWAWAY) {
            run(&document, block, home.path());
            ran += 1;
        }
    }
    assert!(ran > 0, "no document has a marked block");
}

#[test]
#[ignore = "needs root"]
fn what_the_documents_say_to_install_starts_on_a_throwaway_machine_and_goes_back() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = top.join("docs/operations.md");
    let blocks = blocks(&fs::read_to_string(&path).expect("the document"));
    let wanted: Vec<&str> = blocks
        .iter()
        .filter(|block| block.mark == THROWAWAY)
        .map(|block| block.script.as_str())
        .collect();
    assert!(wanted.len() >= 3, "installation, upgrade, rollback: {}", wanted.len());
    let programs = PathBuf::from(own_program("tamis").get_program());
    let script = format!(
        "{}\n{}\necho all of it was done\n",
        include_str!("throwaway.sh"),
        wanted.join("\n")
    );
    let home = tempfile::tempdir().expect("a folder");
    fs::write(home.path().join("script"), script).expect("a script");
    let mut command = at_home(Command::new("timeout"), home.path());
    command.arg(MACHINE_SECONDS_MAX);
    command.args([
        "unshare",
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "bash",
        "script",
    ]);
    command.arg(programs.parent().expect("a folder"));
    command.arg(fs::canonicalize(top).expect("the working copy"));
    let output = command.stdin(Stdio::null()).output().expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("all of it was done"), "{said}\n{errors}");
}

#[test]
fn marked_blocks_are_found_and_others_are_left_alone() {
    let text = "```sh\nno\n```\n<!-- test -->\n```sh\none\ntwo\n```\ntext\n\
                <!-- test: with tamis all -->\n```sh\nthree\n```\n";
    let found = blocks(text);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].line, found[0].mark, &*found[0].script), (5, ALONE, "one\ntwo"));
    assert_eq!(found[1].mark, WITH_ALL);
}
