//! The cluster on one machine that `cargo xtask cluster` starts, by the commands that `docs/operations.md` says to type.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::mails::{eicar, header, mail, spam, status, with_attachment};
use serde_json::Value;
use tamis_testkit::peers::{Dialogue, PEER_WAIT_MAX, get, own_program, wait_for};

/// The mark before a block that this test runs.
const MARK: &str = "<!-- test: with a cluster -->\n```sh\n";
/// Networks that the tests take; below are those of the test of Redis in pods, and that of the document.
const NETWORKS: std::ops::Range<u8> = 192..254;
/// Processes of a cluster, and what Prometheus scrapes of them: all of ours, and itself.
const PROCESSES: usize = 20;
const TARGETS: usize = 10;
/// Edges look scanners up every 5 s; the rest is for a busy machine.
const FOUND_MAX: Duration = Duration::from_secs(15);
/// How long the first answer of a scanner may be held against it, since its first mail takes longer than the others.
/// Measured: 4 s after it was added, 14 s in a build without optimisation.
const SHARE_MAX: Duration = Duration::from_secs(60);
/// Answers in which shares are counted, and those who send.
const ANSWERS: f64 = 200.0;
const SENDERS: u8 = 6;
/// Half and twice the fair share of four: the choice prefers who answers faster, and none of equal ones does for long.
const SHARE: std::ops::RangeInclusive<f64> = 0.125..=0.5;

/// A cluster of this test alone; ended when dropped.
pub struct Local {
    folder: tempfile::TempDir,
    network: u8,
}

impl Local {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Another test may run beside this one, with other process ids: time tells them apart.
        let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").subsec_nanos();
        let networks: Vec<u8> = NETWORKS.collect();
        let start = now as usize / 1000 % networks.len();
        let is_free = |network: &&u8| TcpListener::bind(format!("127.{network}.7.1:9090")).is_ok();
        let network = *networks[start..].iter().chain(&networks).find(is_free).expect("a network");
        Self { folder, network }
    }

    fn folder(&self) -> PathBuf {
        self.folder.path().join("cluster")
    }

    /// `xtask` with these words, on this cluster.
    fn xtask(&self) -> Command {
        let mut command = own_program("xtask");
        if let Some(cache) = env::var_os("TAMIS_TEST_CACHE") {
            command.env("TAMIS_TEST_CACHE", cache);
        }
        command
    }

    fn options(&self) -> Vec<String> {
        let programs = PathBuf::from(own_program("tamis").get_program());
        let options = [
            ("--folder", self.folder().display().to_string()),
            ("--binaries", programs.parent().expect("a folder").display().to_string()),
            ("--network", self.network.to_string()),
        ];
        options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// `cargo xtask cluster` with this word.
    pub fn cluster(&self, action: &str) -> Output {
        self.xtask().args(["cluster", action]).args(self.options()).output().expect("xtask")
    }

    /// Runs a block of the document as it stands there, but with this test's program, folder and addresses.
    fn run_block(&self, block: &str) {
        let program = PathBuf::from(self.xtask().get_program());
        let shim = format!(
            "set -eo pipefail\ncargo() {{ shift; {program:?} \"$@\" {}; }}\n",
            self.options().join(" ")
        );
        let block = block
            .replace("127.18.", &format!("127.{}.", self.network))
            .replace("target/cluster", &self.folder().display().to_string());
        let file = self.folder.path().join("block.sh");
        fs::write(&file, shim + &block).expect("a script");
        let mut command = Command::new("bash");
        for (name, _) in self.xtask().get_envs().filter(|(_, value)| value.is_none()) {
            command.env_remove(name);
        }
        if let Some(cache) = env::var_os("TAMIS_TEST_CACHE") {
            command.env("TAMIS_TEST_CACHE", cache);
        }
        let output = command.arg(&file).stdin(Stdio::null()).output().expect("bash");
        assert!(output.status.success(), "{block}\n{}", told(&output));
    }

    pub fn address(&self, role: u8, number: u8, port: u16) -> SocketAddr {
        ([127, self.network, role, number], port).into()
    }

    /// Gives a mail to a Postfix; the code of its answer.
    fn send(&self, mx: u8, mail: &[u8]) -> u16 {
        self.client(mx).send("ann@sender.test", &["bob@example.test"], mail).code
    }

    fn client(&self, mx: u8) -> Dialogue {
        Dialogue::connect_to(self.address(5, mx, 2525))
    }

    /// Mails in the sink, its own first lines taken off, with their recipients.
    fn delivered(&self) -> Vec<(String, Vec<u8>)> {
        let mails = fs::read_dir(self.folder().join("sink/mails")).into_iter().flatten().flatten();
        mails.filter_map(|entry| fs::read(entry.path()).ok()).map(envelope).collect()
    }

    /// Waits for the mail with this subject to this recipient.
    fn wait_delivered(&self, recipient: &str, subject: &str) -> Vec<u8> {
        let find = || {
            let is_it = |(to, mail): &(String, Vec<u8>)| {
                to == recipient && header(mail, "Subject").concat().ends_with(subject)
            };
            self.delivered().into_iter().find(is_it).map(|(_, mail)| mail)
        };
        wait_for(&format!("'{subject}' for {recipient}"), PEER_WAIT_MAX, find, || self.logs())
    }

    fn logs(&self) -> String {
        let of = |number| {
            fs::read_to_string(self.folder().join(format!("mx-{number}/mail.log")))
                .unwrap_or_default()
        };
        (1..=3).map(of).collect()
    }

    /// The pid of each process, as `status` tells.
    fn pids(&self) -> BTreeMap<String, u32> {
        let output = self.cluster("status");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = |line: &str| {
            let mut fields = line.split_whitespace();
            Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
        };
        text.lines().filter_map(line).collect()
    }

    /// Sum by scanner of what the edges were answered.
    fn answered(&self) -> BTreeMap<String, f64> {
        let mut found = BTreeMap::new();
        for edge in 1..=3 {
            let admin = self.address(4, edge, 9071).to_string();
            let (_, page) = get(&admin, "/metrics").unwrap_or_default();
            for line in page.lines().filter(|line| {
                line.starts_with("tamis_edge_scanner_questions_total{")
                    && line.contains("outcome=\"answered\"")
            }) {
                let scanner = line.split("scanner=\"").nth(1).and_then(|it| it.split(':').next());
                let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
                *found.entry(scanner.unwrap_or("").to_owned()).or_insert(0.0) +=
                    value.unwrap_or(0.0);
            }
        }
        found
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.cluster("down");
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The recipient and the mail of a file of smtp-sink, which writes envelope and `Received` before the mail.
fn envelope(file: Vec<u8>) -> (String, Vec<u8>) {
    let text = String::from_utf8_lossy(&file);
    let recipient = text.lines().find_map(|line| line.strip_prefix("X-Rcpt-Args: <"));
    let recipient = recipient.and_then(|rest| rest.split('>').next()).unwrap_or("").to_owned();
    (recipient, file)
}

/// The blocks of the document, in order.
fn blocks() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let text = fs::read_to_string(path).expect("the document");
    let block = |rest: &str| rest.split("```").next().unwrap_or("").to_owned();
    text.split(MARK).skip(1).map(block).collect()
}

/// Who lives in which mount namespace.
fn mount_namespaces() -> BTreeMap<u32, PathBuf> {
    let pids = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, fs::read_link(format!("/proc/{pid}/ns/mnt")).ok()?))).collect()
}

fn mounts() -> BTreeSet<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    mounts.lines().map(str::to_owned).collect()
}

/// Prometheus' answer to a question about its targets, or to a query.
fn prometheus(local: &Local, path: &str) -> Value {
    let (_, body) = get(&local.address(7, 1, 9090).to_string(), path).unwrap_or_default();
    serde_json::from_str(&body).unwrap_or_default()
}

fn wait_scraped(local: &Local) {
    let all_up = || {
        let told = prometheus(local, "/api/v1/targets?state=active");
        let targets = told["data"]["activeTargets"].as_array()?.clone();
        let is_up = targets.iter().all(|target| target["health"] == "up");
        let judged = prometheus(local, "/api/v1/query?query=sum(tamis_scanner_mails_total)");
        let judged = judged["data"]["result"][0]["value"][1].as_str()?.parse::<f64>().ok()?;
        (targets.len() == TARGETS && is_up && judged > 0.0).then_some(())
    };
    wait_for("all targets", PEER_WAIT_MAX, all_up, || {
        prometheus(local, "/api/v1/targets?state=active").to_string()
    });
}

/// A clean mail, spam and malware through each of the three Postfixes, each of which asks its edge in another way.
fn judged_as_expected(local: &Local) {
    for mx in 1..=3 {
        let virus = with_attachment(&format!("virus {mx}"), "See it.", eicar().as_bytes());
        assert_eq!(local.send(mx, &mail(&format!("clean {mx}"), "See you on Monday.")), 250);
        assert_eq!(local.send(mx, &spam(&format!("spam {mx}"))), 250);
        // The third has taken a mail before its edge sees it.
        assert_eq!(local.send(mx, &virus), if mx == 3 { 250 } else { 550 }, "{}", local.logs());
    }
    for mx in 1..=3 {
        let clean = local.wait_delivered("bob@example.test", &format!("clean {mx}"));
        let spam = local.wait_delivered("bob@example.test", &format!("spam {mx}"));
        assert_eq!((status(&clean), status(&spam)), ("not_detected".into(), "spam".into()));
    }
    let bounce = local.wait_delivered("ann@sender.test", "Undelivered Mail Returned to Sender");
    assert!(String::from_utf8_lossy(&bounce).contains("virus 3"));
    let infected = |(to, mail): &(String, Vec<u8>)| {
        to == "bob@example.test" && header(mail, "Subject").concat().contains("virus")
    };
    assert!(!local.delivered().iter().any(infected), "malware arrived");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_cluster_on_one_machine_judges_mail_outlives_a_scanner_and_leaves_nothing_behind() {
    let (local, blocks, before) = (Local::new(), blocks(), mounts());
    assert_eq!(blocks.len(), 4, "up, a query, one more and one less scanner, down");
    assert!(local.cluster("down").status.success(), "nothing to end is no failure");
    assert!(!local.cluster("status").status.success(), "there is none");
    local.run_block(&blocks[0]);
    let pids = local.pids();
    assert_eq!(pids.len(), PROCESSES, "{pids:?}");
    let again = local.cluster("up");
    assert!(!again.status.success() && told(&again).contains("a cluster runs in"), "{again:?}");
    assert_eq!(local.pids(), pids, "a second up changes nothing");
    judged_as_expected(&local);
    wait_scraped(&local);
    local.run_block(&blocks[1]);

    local.run_block(&blocks[2]);
    let told = told(&local.cluster("status"));
    assert!(told.contains("1 of 21 are not healthy"), "{told}");
    for mx in 1..=3 {
        let subject = format!("after {mx}");
        assert_eq!(local.send(mx, &mail(&subject, "Still here.")), 250, "{}", local.logs());
        assert_eq!(status(&local.wait_delivered("bob@example.test", &subject)), "not_detected");
    }

    let namespaces = mount_namespaces();
    let own = &namespaces[&std::process::id()];
    let pids = local.pids();
    let theirs: BTreeSet<PathBuf> =
        pids.values().filter_map(|pid| namespaces.get(pid)).cloned().collect();
    assert!(theirs.len() > 4, "edges, Postfixes and the sink see mounts of their own");
    local.run_block(&blocks[3]);
    let left: Vec<u32> = mount_namespaces()
        .into_iter()
        .filter(|(pid, place)| {
            pids.values().any(|one| one == pid) || place != own && theirs.contains(place)
        })
        .map(|(pid, _)| pid)
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let added: Vec<String> = mounts().difference(&before).cloned().collect();
    assert!(
        added.iter().all(|mount| !mount.contains(&*local.folder().to_string_lossy())),
        "{added:?}"
    );
    assert!(local.folder().join("log/scanner-1.log").is_file(), "logs stay");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn what_cannot_start_is_told_and_takes_all_others_with_it() {
    let local = Local::new();
    let taken = TcpListener::bind(local.address(4, 3, 9071)).expect("a listener");
    let refused = local.cluster("up");
    assert!(
        !refused.status.success() && told(&refused).contains("edge-3 cannot listen on"),
        "{refused:?}"
    );
    drop(taken);
    // Roles that end at once, behind Redis and Postfix, which do start; only keys can still be made.
    let broken = local.folder.path().join("broken");
    fs::create_dir(&broken).expect("a folder");
    let tamis = own_program("tamis").get_program().to_string_lossy().into_owned();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = bases ] && exec '{tamis}' \"$@\"\necho no room >&2\nexit 1\n"
    );
    for name in ["tamis", "tamis-edge"] {
        let path = broken.join(name);
        fs::write(&path, &script).expect("a program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    let mut command = local.xtask();
    command.args(["cluster", "up"]).args(local.options()).arg("--binaries").arg(&broken);
    let failed = command.output().expect("xtask");
    assert!(!failed.status.success(), "{failed:?}");
    let said = told(&failed);
    assert!(said.contains("reputation-1: ended at once") && said.contains("no room"), "{said}");
    assert!(TcpListener::bind(local.address(1, 1, 6379)).is_ok(), "Redis has ended, too");
    assert!(TcpListener::bind(local.address(5, 1, 2525)).is_ok(), "and Postfix");
    assert!(told(&local.cluster("status")).contains("no cluster runs in"));
}

/// Says that it is over when dropped: senders must end where the test fails, too.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends mails of its own to an edge until told to stop.
fn keep_sending(local: &Local, sender: u8, is_over: &AtomicBool) {
    let mut client = Dialogue::connect_to(local.address(4, 1 + sender % 3, 7067));
    let mut number = 0;
    client.expect("EHLO client.sender.test", 250);
    while !is_over.load(Ordering::Relaxed) {
        let name = format!("m-{sender}-{number}");
        for line in ["MAIL FROM:<ann@sender.test>", "RCPT TO:<bob@example.test>"] {
            client.expect(line, 250);
        }
        client.expect("DATA", 354);
        client.write(&mail(&name, &format!("Number {number} of {sender}.")));
        client.expect(".", 250);
        number += 1;
    }
}

/// What each scanner answered in the next `ANSWERS`.
fn window(local: &Local) -> BTreeMap<String, f64> {
    let before = local.answered();
    let sum = |answers: &BTreeMap<String, f64>| answers.values().sum::<f64>();
    let enough = || {
        let now = local.answered();
        (sum(&now) - sum(&before) >= ANSWERS).then_some(now)
    };
    let after = wait_for("answers", PEER_WAIT_MAX, enough, || format!("{before:?}"));
    let gained = |(who, count): (String, f64)| {
        let had = before.get(&who).copied().unwrap_or(0.0);
        (who, count - had)
    };
    after.into_iter().map(gained).collect()
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_scanner_that_is_added_under_load_gets_its_share_within_seconds() {
    let local = Local::new();
    let up = local.cluster("up");
    assert!(up.status.success(), "{}", told(&up));
    let fourth = local.address(3, 4, 7062).ip().to_string();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (local, is_over) = (&local, &is_over);
            scope.spawn(move || keep_sending(local, sender, is_over));
        }
        let _over = Over(&is_over);
        assert_eq!(window(&local).len(), 3, "all three are at work before");
        let added = local.cluster("add-scanner");
        assert!(added.status.success(), "{}", told(&added));
        let began = Instant::now();
        let heard =
            || local.answered().get(&fourth).is_some_and(|count| *count > 0.0).then_some(());
        wait_for("its first answer", FOUND_MAX, heard, || format!("{:?}", local.answered()));
        let found = began.elapsed();
        loop {
            let shares = window(&local);
            let share = shares[&fourth] / shares.values().sum::<f64>();
            if SHARE.contains(&share) {
                println!(
                    "first answer after {found:?}, share {share:.3} after {:?}",
                    began.elapsed()
                );
                break;
            }
            assert!(began.elapsed() < SHARE_MAX, "{share:.3} of {shares:?}");
        }
    });
}
