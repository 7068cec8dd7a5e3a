//! What is told to the reputation service is known to the scanners at once, and still after a crash.

use crate::mails::{header, mail, noise, status};
use std::fs;
use std::path::PathBuf;
use std::process::Output;
use tamis_testkit::peers::{
    Dialogue, PEER_WAIT_MAX, Postfix, PostfixConfig, SmtpdService, Tamis, wait_for,
};
use tempfile::TempDir;

/// A text of some length, as campaigns are; `{}` stands for what they vary.
const CAMPAIGN: &str = "Dear {name}, our harbour warehouse closes at the end of this season and \
    every remaining carpet has to leave before the doors are locked. For that reason we offer the \
    whole stock to readers of this letter at a quarter of the usual price, with free transport to \
    any town in the country. Simply call the number below between eight and twelve in the morning, \
    name the code {code}, and our friendly people will read the list of sizes and colours to you. \
    Payment is possible in four steps, the first one only after you have seen the carpet lying in \
    your own living room. This letter is not sent twice, so please do not wait until your neighbour \
    has taken the best pieces. We wish you a warm and colourful winter with something soft under \
    your feet, and thank you for many years of trust in our small family house.";

fn campaign(name: &str, code: &str) -> Vec<u8> {
    mail(&format!("carpets {code}"), &CAMPAIGN.replace("{name}", name).replace("{code}", code))
}

/// A text that shares no phrase with those of other numbers.
fn unlike_others(number: usize) -> String {
    let letter = |part: u8| char::from(b'a' + part % 16);
    let word = |bytes: &[u8]| {
        bytes.iter().flat_map(|byte| [letter(byte >> 4), letter(byte & 15)]).collect::<String>()
    };
    let words: Vec<String> = noise(1 + number as u64, 240).chunks(3).map(word).collect();
    words.chunks(10).map(|line| line.join(" ")).collect::<Vec<_>>().join("\r\n")
}

/// Reputation, scanner and edge as processes of their own behind the milter of a Postfix.
struct Cluster {
    reputation: Tamis,
    _scanner: Tamis,
    _edge: Tamis,
    postfix: Postfix,
    directory: TempDir,
    delivered: usize,
}

fn cluster() -> Cluster {
    let reputation = Tamis::start(&["reputation"], None);
    // A debug build on a busy machine needs more than the 50 ms of the field.
    let scanner = Tamis::start(
        &["scanner"],
        Some(&format!(
            "[scanner]\nreputation_budget_ms = 2000\nreputation = [\"{}\"]\n",
            reputation.address("reputation", "listen")
        )),
    );
    let edge = Tamis::thin_edge(&format!(
        "[edge]\nscanners = [\"http://{}\"]\n",
        scanner.address("scanner", "listen")
    ));
    let service = SmtpdService::new().milter(edge.milter_port());
    let postfix = Postfix::start(&PostfixConfig::new([service]));
    let directory = tempfile::tempdir().expect("a temporary directory");
    Cluster { reputation, _scanner: scanner, _edge: edge, postfix, directory, delivered: 0 }
}

impl Cluster {
    fn file(&self, name: &str, mail: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, mail).expect("a mail in a file");
        path
    }

    fn signature(&self, action: &[&str], files: &[&PathBuf]) -> Output {
        let server = format!("http://{}", self.reputation.address("reputation", "grpc"));
        let mut arguments = vec!["signature", "--server", &server];
        arguments.extend(action);
        arguments.extend(files.iter().filter_map(|file| file.to_str()));
        Tamis::run(&arguments)
    }

    /// The mail as it is delivered.
    fn pass(&mut self, mail: &[u8]) -> Vec<u8> {
        let mut client = Dialogue::connect(self.postfix.port());
        let reply = client.send("ann@sender.test", &["bob@example.test"], mail);
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
        self.delivered += 1;
        self.postfix.maildir("bob", self.delivered).remove(self.delivered - 1)
    }
}

#[track_caller]
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_near_copy_of_a_reported_mail_is_spam_until_the_report_is_deleted() {
    let mut cluster = cluster();
    let reported = cluster.file("reported", &campaign("Mr Black", "K-17"));
    let near = campaign("Mrs White", "Z-99");
    assert_eq!(status(&cluster.pass(&near)), "not_detected");
    assert_eq!(cluster.signature(&["why"], &[&reported]).status.code(), Some(2), "not listed yet");

    assert!(
        said(&cluster.signature(&["add", "--class", "spam"], &[&reported])).contains("added 2"),
        "its bytes and its text"
    );
    let delivered = cluster.pass(&near);
    assert!(header(&delivered, "X-Tamis-Evidence").concat().contains("reputation_spam"));
    assert!(status(&delivered).ends_with("spam"), "{}", status(&delivered));
    let exact = cluster.pass(&campaign("Mr Black", "K-17"));
    assert_eq!(status(&exact), "spam");
    assert_eq!(header(&exact, "X-Spam-Flag"), ["YES"]);
    let other = mail("dinner", "Shall we meet at seven, or is that too early for the children?");
    assert_eq!(status(&cluster.pass(&other)), "not_detected");

    let why = said(&cluster.signature(&["why"], &[&reported]));
    assert!(why.contains("spam") && why.contains("postmaster said spam"), "{why}");
    // Of a near copy it tells what was listed, and how like it is.
    let copy = cluster.file("copy", &near);
    let why = String::from_utf8_lossy(&cluster.signature(&["why"], &[&copy]).stdout).into_owned();
    let asked = why.lines().find(|line| line.starts_with("text:")).expect("a line for its text");
    let answered = why.lines().find(|line| line.contains("answered by text:")).expect(&why);
    assert!(answered.ends_with("of 32 lanes agree"), "{why}");
    let listed = said(&cluster.signature(&["why"], &[&reported]));
    let name = answered.split_whitespace().nth(2).expect("a name").trim_end_matches(',');
    assert!(listed.contains(name) && !asked.contains(name), "{name}: {listed}{why}");
    let stats = said(&cluster.signature(&["stats"], &[]));
    assert!(stats.contains("epoch 2"), "{stats}");

    assert!(said(&cluster.signature(&["del"], &[&reported])).contains("deleted 2"));
    assert_eq!(status(&cluster.pass(&near)), "not_detected");
    assert_eq!(cluster.signature(&["why"], &[&reported]).status.code(), Some(2));
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn mail_is_judged_without_the_reputation_service_says_so_and_asks_again_when_it_is_back() {
    let mut cluster = cluster();
    let rung = |mail: &[u8]| header(mail, "X-Tamis-Rung").concat();
    let text = |number: usize| mail("rungs", &unlike_others(number));
    assert_eq!(rung(&cluster.pass(&text(0))), "full");
    cluster.reputation.kill9();
    let delivered = cluster.pass(&text(1));
    assert_eq!(rung(&delivered), "local");
    assert_eq!(status(&delivered), "not_detected");
    cluster.reputation.restart();
    let mut number = 1;
    let asked_again = || {
        number += 1;
        (rung(&cluster.pass(&text(number))) == "full").then_some(())
    };
    wait_for("a judgement in full", PEER_WAIT_MAX, asked_again, String::new);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn acknowledged_signatures_survive_a_crash() {
    let mut cluster = cluster();
    let mut files = Vec::new();
    for number in 0..10_usize {
        let content = mail("known", &unlike_others(number));
        files.push(cluster.file(&format!("mail-{number}"), &content));
        let _ = said(&cluster.signature(&["add"], &[&files[number]]));
    }
    let _ = said(&cluster.signature(&["del"], &[&files[3]]));
    cluster.reputation.restart();
    for (number, file) in files.iter().enumerate() {
        let code = cluster.signature(&["why"], &[file]).status.code();
        assert_eq!(code, Some(if number == 3 { 2 } else { 0 }), "mail {number}");
    }
    let known = fs::read(&files[0]).expect("the first mail");
    let known = String::from_utf8_lossy(&known).into_owned();
    let delivered = cluster.pass(known.as_bytes());
    let evidence = header(&delivered, "X-Tamis-Evidence").concat();
    assert!(evidence.contains("reputation_spam"), "and the scanner finds it again: {evidence}");
    assert!(status(&delivered).ends_with("spam"), "{}", status(&delivered));
}
