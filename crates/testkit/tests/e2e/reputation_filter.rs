//! A scanner that holds the filter which the service writes: what it spares, and what it never hides.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tamis_testkit::peers::{Dialogue, PEER_WAIT_MAX, Sink, Tamis, wait_for};

use crate::mails::{header, mail};

/// From a report to the first mail that is judged by it, as docs/reputation.md says.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

const LINK: &str = "http://shady.example/offer";

struct Gateway {
    scanner: Tamis,
    edge: Tamis,
    sink: Sink,
    passed: usize,
}

impl Gateway {
    fn start(reputation: &Tamis, filter: &Path, more: &str) -> Self {
        let scanner = Tamis::start(
            &["scanner"],
            Some(&format!(
                "[scanner]\nreputation_budget_ms = 1000\nreputation = [\"{}\"]\nreputation_filter = \"{}\"\n{more}",
                reputation.address("reputation", "listen"),
                filter.display(),
            )),
        );
        let sink = Sink::smtp().start();
        let edge = Tamis::thin_edge(&format!(
            "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [\"http://{}\"]\n",
            sink.port,
            scanner.address("scanner", "listen"),
        ));
        Self { scanner, edge, sink, passed: 0 }
    }

    /// Evidence of a mail with this link, in words that no other number has.
    fn judged(&mut self, link: &str) -> String {
        let number = self.passed;
        let text = format!("The paint of number {number} has dried, see {link} for the result. ");
        let mail = mail(&format!("paint {number}"), &text.repeat(3));
        let mut client = Dialogue::connect(self.edge.smtp_port());
        let reply = client.send("ann@sender.test", &["bob@example.test"], &mail);
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
        self.passed += 1;
        let arrived = self.sink.wait(self.passed);
        header(&arrived[self.passed - 1].content, "X-Tamis-Evidence").concat()
    }

    fn spared(&self) -> f64 {
        self.scanner.metric("tamis_scanner_reputation_spared_total")
    }

    /// Waits until mail of which nothing is known needs no question, or needs one.
    fn until_spared(&mut self, is_spared: bool) {
        let began = Instant::now();
        loop {
            let before = self.spared();
            self.judged("http://plain.example/page");
            if (self.spared() > before) == is_spared {
                return;
            }
            assert!(began.elapsed() < PEER_WAIT_MAX, "spared: {is_spared}\n{}", self.scanner.log());
        }
    }
}

fn start(directory: &Path) -> (Tamis, PathBuf) {
    let filter = directory.join("listed.filter");
    let config = format!(
        "[reputation]\nstate_dir = \"{}\"\nfilter = \"{}\"\n",
        directory.join("state").display(),
        filter.display()
    );
    (Tamis::start(&["reputation"], Some(&config)), filter)
}

fn questions(reputation: &Tamis) -> f64 {
    reputation.metric("tamis_reputation_questions_total")
}

fn command(reputation: &Tamis, action: &[&str]) {
    let server = format!("http://{}", reputation.address("reputation", "grpc"));
    let output = Tamis::run(&[&["signature", "--server", &server], action].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn unlisted_mail_sends_no_datagram_and_a_fresh_report_is_seen_within_the_stated_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let (reputation, filter) = start(directory.path());
    let mut gateway = Gateway::start(&reputation, &filter, "");
    gateway.until_spared(true);
    let asked = questions(&reputation);
    for _ in 0..5 {
        assert!(!gateway.judged(LINK).contains("reputation_spam"));
    }
    assert_eq!(questions(&reputation), asked, "nothing is listed, nothing is asked");

    for round in 0..3 {
        let link = format!("http://shady.example/offer{round}");
        let reported = directory.path().join("reported");
        fs::write(&reported, mail("offer", &format!("Look at {link} today. ").repeat(3)))
            .expect("a mail");
        let path = reported.to_str().expect("a path");
        command(&reputation, &["add", "--class", "spam", "--links", path]);
        let began = Instant::now();
        let is_seen =
            || gateway.judged(&link).contains("reputation_spam_link").then(|| began.elapsed());
        let took = wait_for("the report", PEER_WAIT_MAX, is_seen, String::new);
        println!("reported to found through the filter: {took:?}");
        assert!(took < SEEN_WITHIN, "{took:?}");
        gateway.until_spared(true);
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_filter_that_is_damaged_gone_or_old_falls_back_to_asking() {
    let directory = tempfile::tempdir().expect("a directory");
    let (reputation, filter) = start(directory.path());
    let mut gateway = Gateway::start(&reputation, &filter, "");
    gateway.until_spared(true);
    let good = fs::read(&filter).expect("the filter");
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&filter, damaged).expect("a damaged filter");
    gateway.until_spared(false);
    let _ = gateway.scanner.wait_log("filter of listed signatures refused: all is asked");

    fs::write(&filter, &good).expect("the filter");
    gateway.until_spared(true);
    fs::remove_file(&filter).expect("no filter");
    gateway.until_spared(false);
    let _ = gateway.scanner.wait_log("the filter of listed signatures is gone: all is asked");

    // The service writes it anew each minute where nothing changes; this scanner believes none for so long.
    let mut other = Gateway::start(&reputation, &filter, "reputation_filter_age_s = 8\n");
    command(&reputation, &["add", "sender:shady.example"]);
    other.until_spared(true);
    let _ = other.scanner.wait_log("no filter of listed signatures is believed: all is asked");
    other.until_spared(false);
}
