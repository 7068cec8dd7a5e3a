//! Mutual TLS between our own services: both sides show a certificate of the same authority, or there is no talk.

use crate::mails::{header, mail};
use std::path::Path;
use tamis_testkit::peers::{Authority, Dialogue, Sink, Tamis};

/// A `[tls]` section with a certificate for `name` of `own`, trusting `trusted`.
fn tls(own: &Authority, name: &str, trusted: &Authority) -> String {
    let issued = own.issue(name);
    let show = |path: &Path| path.display().to_string();
    format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\nauthority = \"{}\"\n",
        show(&issued.certificate),
        show(&issued.key),
        show(trusted.certificate())
    )
}

/// The answer to one mail through an edge with this `[tls]` section.
fn through(edge_tls: &str, scanner: &Tamis, sink: &Sink) -> u16 {
    let edge = Tamis::thin_edge(&format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\ndeadline_ms = 3000\nscanners = [\"https://localhost:{}\"]\n{edge_tls}",
        sink.port,
        scanner.port("scanner", "listen")
    ));
    let mut client = Dialogue::connect(edge.smtp_port());
    let letter = mail("hello", "See you on Sunday.");
    client.send("ann@sender.test", &["bob@example.test"], &letter).code
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn edge_and_scanner_talk_only_under_certificates_of_one_authority() {
    let folder = tempfile::tempdir().expect("a folder");
    let sub = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).expect("a folder");
        Authority::new(&path)
    };
    let (ours, theirs) = (sub("ours"), sub("theirs"));
    let sink = Sink::smtp().start();
    let scanner = Tamis::start(
        &["scanner"],
        Some(&format!("[scanner]\nreputation = []\n{}", tls(&ours, "scanner", &ours))),
    );
    assert_eq!(through(&tls(&ours, "edge", &ours), &scanner, &sink), 250);
    let judged = sink.wait(1);
    assert_eq!(header(&judged[0].content, "X-Tamis-Rung"), ["full"]);
    assert_eq!(
        through(&tls(&theirs, "stranger", &ours), &scanner, &sink),
        451,
        "a client of another authority gets no verdict, so the mail stays where it is"
    );
    assert_eq!(
        through(&tls(&ours, "careful", &theirs), &scanner, &sink),
        451,
        "an edge does not show mail to a scanner of another authority"
    );
    assert_eq!(sink.count(), 1, "and nothing passed unjudged");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn reports_reach_the_reputation_service_under_tls_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path());
    let section = tls(&authority, "reputation", &authority);
    let service = Tamis::start(&["reputation"], Some(&format!("[reputation]\n{section}")));
    let config = folder.path().join("client.toml");
    std::fs::write(&config, tls(&authority, "postmaster", &authority)).expect("a file");
    let port = service.port("reputation", "grpc");
    let url = format!("https://localhost:{port}");
    let known = "part:00112233445566778899aabbccddeeff";
    let ask = |arguments: &[&str]| {
        let output = Tamis::run(arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let file = config.display().to_string();
    let (code, said) = ask(&["signature", "--server", &url, "--config", &file, "add", known]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("added 1"), "{said}");
    let plain = format!("http://127.0.0.1:{port}");
    assert_ne!(
        ask(&["signature", "--server", &plain, "stats"]).0,
        Some(0),
        "plain text is refused"
    );
    let (code, _) = ask(&["signature", "--server", &url, "stats"]);
    assert_ne!(code, Some(0), "and so is who shows no certificate");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_scanner_that_others_can_reach_does_not_start_without_certificates() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("open.toml");
    std::fs::write(&config, "[scanner]\nlisten = \"0.0.0.0:0\"\nadmin = \"\"\n").expect("a file");
    let output = Tamis::run(&["scanner", "--config", &config.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("without TLS"), "{said}");
}
