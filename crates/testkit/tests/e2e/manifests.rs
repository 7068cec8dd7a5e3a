//! What lies under `deploy/`: manifests, units, images, checked by the programs that read them, against our own.

use crate::dashboards::Cluster;
use crate::mails::mail;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tamis_testkit::peers::{Authority, Dialogue, Sink, Tamis, own_program};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// The interpreter that `./test` gives what the checks import.
fn python() -> PathBuf {
    let named = env::var_os("TAMIS_TEST_PYTHON");
    PathBuf::from(named.expect("TAMIS_TEST_PYTHON names an interpreter: ./test makes it"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", said(&output));
    said(&output)
}

/// The metrics of every role that has worked, one file each: alone under TLS, and in a cluster with Redis, DNS and bases.
fn exposed(folder: &Path) {
    let certificates = tempfile::tempdir().expect("a folder");
    let issued = Authority::new(certificates.path());
    let own = issued.issue("any");
    let tls = format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\nauthority = \"{}\"\n",
        own.certificate.display(),
        own.key.display(),
        issued.certificate().display()
    );
    let sink = Sink::smtp().start();
    let reputation = Tamis::start(&["reputation"], Some(&tls));
    let asked = reputation.address("reputation", "listen");
    let config = format!("[scanner]\nreputation = [\"{asked}\"]\n{tls}");
    let scanner = Tamis::start(&["scanner"], Some(&config));
    let edge = Tamis::thin_edge(&format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [\"https://localhost:{}\"]\n{tls}",
        sink.port,
        scanner.port("scanner", "listen")
    ));
    let mut client = Dialogue::connect(edge.smtp_port());
    let reply = client.send("ann@sender.test", &["bob@example.test"], &mail("m", "Hi."));
    assert_eq!(reply.code, 250, "{:?}", reply.lines);
    for (name, role) in [("edge", &edge), ("scanner", &scanner), ("reputation", &reputation)] {
        fs::write(folder.join(name), role.get("/metrics").1).expect("a file");
    }
    for (number, text) in Cluster::start().expositions().iter().enumerate() {
        fs::write(folder.join(format!("cluster-{number}")), text).expect("a file");
    }
}

/// All Rust below a folder, in one text.
fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(path).expect("a source"));
        }
    }
}

#[test]
fn every_test_that_the_thirty_points_name_exists_and_every_point_has_its_row() {
    let top = deploy().join("..");
    let text = fs::read_to_string(top.join("docs/kubernetes.md")).expect("the document");
    let mut code = String::new();
    for folder in ["crates", "services"] {
        sources(&top.join(folder), &mut code);
    }
    let is_test = |word: &&str| {
        !word.starts_with("tamis_")
            && word.matches('_').count() >= 5
            && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase())
    };
    let mut named = 0;
    for word in text.split('`').filter(is_test) {
        assert!(code.contains(&format!("fn {word}(")), "no test is called {word}");
        named += 1;
    }
    assert!(named >= 20, "{named}");
    for point in 1..=30 {
        assert_eq!(text.matches(&format!("\n| {point} | ")).count(), 1, "point {point}");
    }
}

#[test]
#[ignore = "needs the programs that ./test installs"]
fn the_evaluator_of_network_policies_decides_small_cases_as_a_plug_in_would() {
    succeeds(Command::new(python()).arg("-B").arg(deploy().join("k8s/tests/test_network.py")));
}

#[test]
#[ignore = "needs the programs that ./test installs"]
fn every_overlay_keeps_the_rules_and_every_planted_mistake_is_found() {
    let metrics = tempfile::tempdir().expect("a folder");
    exposed(metrics.path());
    let binaries = PathBuf::from(own_program("tamis").get_program());
    let check = deploy().join("k8s/tests/check.py");
    let mut command = Command::new(python());
    command.arg("-B").arg(check).arg(binaries.parent().expect("a folder")).arg(metrics.path());
    let said = succeeds(&mut command);
    for expected in ["single-node: ", "cluster: ", "edge-sidecar: ", " planted mistakes"] {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
#[ignore = "needs the programs that ./test installs"]
fn units_are_what_systemd_reads_and_leave_little_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = PathBuf::from(own_program("tamis").get_program());
    let binaries = program.parent().expect("a folder").display().to_string();
    let mut units = Vec::new();
    for entry in fs::read_dir(deploy().join("systemd")).expect("the units").flatten() {
        if entry.path().extension().is_none_or(|extension| extension != "service") {
            continue;
        }
        let text = fs::read_to_string(entry.path()).expect("a unit");
        for line in text.lines().filter(|line| line.starts_with("ExecStart=")) {
            let words = line.trim_start_matches("ExecStart=").replace("/usr/bin", &binaries);
            let mut words: Vec<&str> = words.split(' ').collect();
            words.truncate(words.iter().position(|it| it.starts_with("--")).expect("a flag"));
            let help = succeeds(Command::new(words[0]).args(&words[1..]).arg("--help"));
            assert!(help.contains("--config"), "{line}");
        }
        let path = folder.path().join(entry.file_name());
        fs::write(&path, text.replace("/usr/bin", &binaries)).expect("a file");
        units.push(path);
    }
    assert_eq!(units.len(), 4);
    let place = folder.path().join("tamis-reputation.service.d");
    fs::create_dir(&place).expect("a folder");
    let own_machine = place.join("own-machine.conf");
    let drop_in = deploy().join("systemd/tamis-reputation.service.d/own-machine.conf");
    let text = fs::read_to_string(drop_in).expect("the drop-in");
    fs::write(&own_machine, text.replace("=fifo", "=whenever")).expect("a file");
    let verify =
        || succeeds(Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units));
    assert!(verify().contains("whenever"), "the drop-in is read");
    fs::write(&own_machine, text).expect("a file");
    assert_eq!(verify().trim(), "");
    for unit in &units {
        // In tenths: what is left is the network, its own sockets and the shared root.
        succeeds(
            Command::new("systemd-analyze")
                .args(["security", "--offline=true", "--threshold=15"])
                .arg(unit),
        );
    }
    let gaps = folder.path().join("open.service");
    fs::write(&gaps, "[Service]\nExecStart=/bin/true\n").expect("a file");
    let open = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15"])
        .arg(&gaps)
        .output()
        .expect("systemd-analyze");
    assert!(!open.status.success(), "an open unit passes, too: {}", said(&open));
}
