//! The example client of another language against the real service: what the document says is what the server does.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tamis_domain::digest::hex;
use tamis_message::reading::fold;
use tamis_message::sketch::text::text_sketch;
use tamis_testkit::peers::Tamis;

use crate::mails::mail;

/// A text as long as campaigns are; `{name}` and `{code}` are what they vary.
const CAMPAIGN: &str = "Dear {name}, the old observatory on our hill opens its dome again after nine \
    winters of silence. On the first clear evening of every month a volunteer shows visitors the rings \
    of Saturn through the great refractor, explains how shepherds once named the brighter stars, and \
    pours hot cider for everybody who climbed the path on foot. Children may stay awake for this, \
    blankets are lying ready beside the wooden benches, and nobody has to know anything beforehand. \
    Please tell our secretary {code} whether you come alone or bring neighbours along, because the \
    platform carries only forty people at once and the last bus leaves shortly before midnight.";

fn campaign(name: &str, code: &str) -> String {
    CAMPAIGN.replace("{name}", name).replace("{code}", code)
}

/// Runs the example as its first lines say.
fn asks(server: &str, signatures: &[&str]) -> Output {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/reputation_client.py");
    let mut python = Command::new("python3");
    // Isolated: no packages of this machine, no files beside the script.
    python.arg("-I").arg(script).arg(server).args(signatures);
    python.output().expect("python3")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn add(server: &Tamis, what: &str) {
    let grpc = format!("http://{}", server.address("reputation", "grpc"));
    let added = Tamis::run(&["signature", "--server", &grpc, "add", "--class", "spam", what]);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
}

#[test]
#[ignore = "needs python3"]
fn a_client_written_after_the_document_is_understood() {
    let service = Tamis::start(&["reputation"], None);
    let server = service.address("reputation", "listen");
    let link = "link:00112233445566778899aabbccddeeff";
    let unknown = "part:ffeeddccbbaa99887766554433221100";

    let first = asks(&server, &[link, unknown]);
    assert_eq!(first.status.code(), Some(1), "nothing is listed yet: {first:?}");
    assert_eq!(said(&first), format!("{link} unknown epoch=0\n{unknown} unknown epoch=0\n"));

    add(&service, link);
    let listed = asks(&server, &[unknown, link]);
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");
    let lines = said(&listed);
    assert!(lines.contains(&format!("{link} spam weight=")), "{lines}");
    assert!(lines.contains("similarity=32/32") && lines.contains(" epoch=1"), "{lines}");
    assert!(
        lines.starts_with(&format!("{unknown} unknown")),
        "in the order of the question: {lines}"
    );
}

#[test]
#[ignore = "needs python3"]
fn a_client_written_after_the_document_finds_near_copies() {
    let service = Tamis::start(&["reputation"], None);
    let server = service.address("reputation", "listen");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("reported.eml");
    fs::write(&file, mail("stars", &campaign("Mr Black", "K-17"))).expect("a mail in a file");
    add(&service, file.to_str().expect("a path in UTF-8"));

    let near = text_sketch(&fold(&campaign("Mrs White", "Z-99")).text).expect("a long text");
    let near = format!("text:{}/{}", "12".repeat(16), hex(&near.to_bytes()));
    let found = asks(&server, &[&near]);
    assert_eq!(found.status.code(), Some(0), "{found:?}");
    let line = said(&found);
    assert!(line.contains(" spam weight=") && !line.contains("similarity=32/32"), "{line}");

    let far = format!("text:{}/{}", "12".repeat(16), "a5".repeat(64));
    assert_eq!(asks(&server, &[&far]).status.code(), Some(1));
}

#[test]
#[ignore = "needs python3"]
fn a_client_says_what_is_wrong_with_its_arguments_and_when_nobody_answers() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let silent = nobody.local_addr().expect("its address").to_string();
    for (argument, complaint) in [
        ("link:0011", "32 hexadecimal digits"),
        ("link:zz112233445566778899aabbccddeeff", "32 hexadecimal digits"),
        ("word:00112233445566778899aabbccddeeff", "the kind is one of"),
        ("link:00112233445566778899aabbccddeeff/00", "has no sketch"),
        ("text:00112233445566778899aabbccddeeff/00", "128 hexadecimal digits"),
        ("", "the kind is one of"),
    ] {
        let output = asks(&silent, &[argument]);
        assert_eq!(output.status.code(), Some(2), "{argument}: {output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains(complaint), "{argument}: {stderr}");
    }
    assert_eq!(asks(&silent, &[]).status.code(), Some(2), "no signature");
    let many = vec!["link:00112233445566778899aabbccddeeff"; 65];
    assert_eq!(asks(&silent, &many).status.code(), Some(2), "n + 1");
    let unheard = asks(&silent, &["link:00112233445566778899aabbccddeeff"]);
    assert_eq!(unheard.status.code(), Some(3), "{unheard:?}");
}

#[test]
#[ignore = "needs python3"]
fn the_vectors_of_the_sketches_are_what_another_language_makes_of_the_rules() {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/sketch_vectors.py");
    let output = Command::new("python3").arg("-I").arg(script).output().expect("python3");
    let said = said(&output);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().filter(|line| line.ends_with(" agrees")).count(), 10, "{said}");
}
