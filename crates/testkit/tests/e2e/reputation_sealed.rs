//! Servers that answer sealed questions only, scanners with their key, with another's, and with none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;

use tamis_testkit::peers::{Dialogue, PEER_WAIT_MAX, Sink, Tamis, wait_for};

use crate::flood::Flood;
use crate::mails::{header, mail};

/// A scanner, the edge before it, and where its mails arrive.
struct Gateway {
    _scanner: Tamis,
    edge: Tamis,
    sink: Sink,
    passed: usize,
}

impl Gateway {
    /// A debug build on a busy machine needs more than the 50 ms of the field.
    fn start(reputation: &Tamis, key: Option<&Path>) -> Self {
        let key = key.map(|key| format!("reputation_key = \"{}\"\n", key.display()));
        let scanner = Tamis::start(
            &["scanner"],
            Some(&format!(
                "[scanner]\nreputation_budget_ms = 1000\nreputation = [\"{}\"]\n{}",
                reputation.address("reputation", "listen"),
                key.unwrap_or_default(),
            )),
        );
        let sink = Sink::smtp().start();
        let edge = Tamis::thin_edge(&format!(
            "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [\"http://{}\"]\n",
            sink.port,
            scanner.address("scanner", "listen"),
        ));
        Self { _scanner: scanner, edge, sink, passed: 0 }
    }

    /// Rung and evidence of a mail that went through.
    fn judged(&mut self, mail: &[u8]) -> (String, String) {
        let mut client = Dialogue::connect(self.edge.smtp_port());
        let reply = client.send("ann@sender.test", &["bob@example.test"], mail);
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
        self.passed += 1;
        let arrived = self.sink.wait(self.passed);
        let mail = &arrived[self.passed - 1].content;
        let one = |name| header(mail, name).concat();
        (one("X-Tamis-Rung"), one("X-Tamis-Evidence"))
    }
}

/// A mail with this link, in words that no other number has.
fn with_link(number: usize, link: &str) -> Vec<u8> {
    let text = format!("The paint of number {number} has dried, see {link} for how it came out. ");
    mail(&format!("paint {number}"), &text.repeat(3))
}

#[track_caller]
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What `tamis signature key` prints, kept as it is.
fn key(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, said(&Tamis::run(&["signature", "key", name]))).expect("a key file");
    path
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_listed_link_is_found_with_the_key_that_the_server_knows_and_with_no_other() {
    let directory = tempfile::tempdir().expect("a directory");
    let (ours, other) = (key(directory.path(), "ours"), key(directory.path(), "other"));
    let config =
        format!("[reputation]\nclient_keys = \"{}\"\nrequire_seal = true\n", ours.display());
    let reputation = Tamis::start(&["reputation"], Some(&config));
    let server = format!("http://{}", reputation.address("reputation", "grpc"));
    let report = |what: &[&str]| {
        let arguments = ["signature", "--server", &server, "add", "--class", "spam"];
        said(&Tamis::run(&[&arguments[..], what].concat()))
    };
    let reported = directory.path().join("reported");
    fs::write(&reported, with_link(0, "http://shady.example/offer")).expect("a mail");
    let _ = report(&["--links", reported.to_str().expect("a path")]);
    let _ = report(&["sender:sender.test"]);

    let mut sealed = Gateway::start(&reputation, Some(&ours));
    let mut number = 0;
    let mut found = || {
        number += 1;
        let (rung, evidence) = sealed.judged(&with_link(number, "http://shady.example/offer"));
        (rung == "full").then_some(evidence)
    };
    // The first mail may come before the scanner has opened its socket.
    let evidence = wait_for("a judgement in full", PEER_WAIT_MAX, &mut found, String::new);
    assert!(evidence.contains("reputation_spam_link"), "{evidence}");
    assert!(evidence.contains("reputation_spam_sender"), "{evidence}");
    for number in 20..25 {
        let (rung, evidence) = sealed.judged(&with_link(number, "http://shady.example/offer"));
        assert_eq!(rung, "full");
        assert!(evidence.contains("reputation_spam_link"), "{evidence}");
    }

    for key in [Some(other.as_path()), None] {
        let mut shut_out = Gateway::start(&reputation, key);
        for number in 0..3 {
            let mail = with_link(100 + number, "http://shady.example/offer");
            let (rung, evidence) = shut_out.judged(&mail);
            assert_eq!(rung, "local", "the mail says what was not asked");
            assert!(!evidence.contains("reputation"), "{evidence}");
        }
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_key_that_cannot_be_read_is_refused_by_its_name_before_anything_starts() {
    let directory = tempfile::tempdir().expect("a directory");
    let good = key(directory.path(), "good");
    let check = |file: &Path| {
        let config = directory.path().join("tamis.toml");
        let text = format!("[scanner]\nreputation_key = \"{}\"\n", file.display());
        fs::write(&config, text).expect("a configuration");
        Tamis::run(&["check-config", config.to_str().expect("a path")])
    };
    let text = said(&check(&good));
    let line = fs::read_to_string(&good).expect("the key");
    let secret = line.lines().last().and_then(|line| line.split(' ').nth(1)).expect("a key");
    assert!(text.contains("is sound") && !text.contains(secret), "{text}");
    let short = directory.path().join("short");
    fs::write(&short, "0011223344556677 8899\n").expect("a file");
    for bad in [short, directory.path().join("missing")] {
        let output = check(&bad);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let name = bad.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(!output.status.success() && text.contains("reputation_key"), "{text}");
        assert!(text.contains(name) && !text.contains("8899"), "{text}");
    }
}

/// More than all strangers together may be challenged on one socket, and not so much that the system drops what waits.
const FLOOD_PER_SECOND: u32 = 28_000;

#[test]
#[ignore = "needs python3 and the right to open raw sockets"]
fn sealed_clients_are_answered_while_a_flood_with_forged_sources_takes_all_challenges() {
    let directory = tempfile::tempdir().expect("a directory");
    let ours = key(directory.path(), "ours");
    let config = format!("[reputation]\nclient_keys = \"{}\"\n", ours.display());
    let reputation = Tamis::start(&["reputation"], Some(&config));
    let server = format!("http://{}", reputation.address("reputation", "grpc"));
    let link = ["signature", "--server", &server, "add", "--class", "spam", "sender:sender.test"];
    let _ = said(&Tamis::run(&link));
    let mut first = Gateway::start(&reputation, Some(&ours));
    let before_the_flood = || {
        let (rung, _) = first.judged(&with_link(0, "http://shady.example/offer"));
        (rung == "full").then_some(())
    };
    wait_for("a judgement in full", PEER_WAIT_MAX, before_the_flood, String::new);

    let mut flood = Flood::start(reputation.port("reputation", "listen"), FLOOD_PER_SECOND);
    let limited = || reputation.metric("tamis_reputation_limited_total");
    let is_felt = || (limited() > 1_000.0).then_some(());
    wait_for("challenges refused", PEER_WAIT_MAX, is_felt, || reputation.log());
    // A process that starts now has neither cookie nor session; its address has proven itself.
    let mut second = Gateway::start(&reputation, Some(&ours));
    let (mut asked, mut answered, began) = (0, 0, Instant::now());
    // Until the flood was felt for a while, too, however fast the machine is.
    while asked < 40 || limited() < 10_000.0 && began.elapsed() < PEER_WAIT_MAX {
        for gateway in [&mut first, &mut second] {
            let (rung, evidence) = gateway.judged(&with_link(100 + asked, "http://x.example/"));
            answered += usize::from(rung == "full" && evidence.contains("reputation_spam_sender"));
            asked += 1;
        }
    }
    let limited_then = limited();
    assert!(flood.is_alive() && limited_then >= 10_000.0, "no flood: {limited_then}");
    // The wire may lose a datagram of a mail that asks once; a lost session would be all of them.
    assert!(answered * 20 >= asked * 19, "{answered} of {asked}\n{}", reputation.log());
}
