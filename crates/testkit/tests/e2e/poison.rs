//! A mail over which scanners end: two at most in the whole cluster, then it is set aside, and nobody else's mail suffers.
//!
//! Scanners of this build end at a planted text (`services/scanner/src/poison.rs`).

use crate::mails::{header, mail};
use std::thread;
use std::time::{Duration, Instant};
use tamis_testkit::peers::{Dialogue, PEER_WAIT_MAX, Redis, Sink, Tamis, wait_for};

/// The planted text, in two halves so that no program of a test build ends at this file.
pub fn deadly() -> String {
    ["tamis-poison-test: the scanner that ", "reads this line ends at once"].concat()
}

/// A mail that ends the scanner which reads it.
pub fn poison(subject: &str) -> Vec<u8> {
    mail(subject, &deadly())
}

/// Three scanners and two edges before one sink.
struct Cluster {
    redis: Option<Redis>,
    scanners: Vec<Tamis>,
    edges: Vec<Tamis>,
    sink: Sink,
}

impl Cluster {
    fn start(redis: Option<Redis>, policy: &str) -> Self {
        let memory =
            redis.as_ref().map_or(String::new(), |it| format!("redis = \"{}\"\n", it.url()));
        let config = format!("[scanner]\nreputation = []\n{memory}");
        let scanners: Vec<_> = (0..3).map(|_| Tamis::start(&["scanner"], Some(&config))).collect();
        let urls: Vec<_> = scanners
            .iter()
            .map(|scanner| format!("\"http://{}\"", scanner.address("scanner", "listen")))
            .collect();
        let sink = Sink::smtp().start();
        let config = format!(
            "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [{}]\n{policy}\n",
            sink.port,
            urls.join(", ")
        );
        let edges = (0..2).map(|_| Tamis::thin_edge(&config)).collect();
        Self { redis, scanners, edges, sink }
    }

    fn dead(&mut self) -> usize {
        self.scanners.iter_mut().map(|scanner| usize::from(scanner.has_ended())).sum()
    }

    fn send(&self, edge: usize, letter: &[u8]) -> u16 {
        let mut client = Dialogue::connect(self.edges[edge].smtp_port());
        client.send("ann@sender.test", &["bob@example.test"], letter).code
    }

    fn set_aside(&self) -> f64 {
        self.edges.iter().map(|edge| edge.metric("tamis_edge_mails_set_aside_total")).sum()
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_mail_that_fells_scanners_is_tried_twice_in_the_cluster_whichever_edge_brings_it_again() {
    let mut cluster = Cluster::start(Some(Redis::start()), "");
    assert_eq!(cluster.send(0, &poison("deadly")), 451, "it stays with the previous hop");
    assert_eq!(cluster.dead(), 2, "{}", cluster.edges[0].log());
    // The other edge, at once, and until it has come upon the scanner that is left.
    while cluster.edges[1].metric("tamis_edge_mails_set_aside_total") < 0.5 {
        assert_eq!(cluster.send(1, &poison("deadly")), 451);
        assert_eq!(cluster.dead(), 2, "{}", cluster.edges[1].log());
    }
    let report = cluster.edges[1].wait_log("a mail is set aside");
    assert!(report.contains("Text:") && !report.contains("example.test"), "{report}");
    // What remembers is neither an edge nor a scanner.
    cluster.scanners.iter_mut().for_each(Tamis::restart);
    cluster.edges.iter_mut().for_each(Tamis::restart);
    for edge in [0, 1, 0] {
        assert_eq!(cluster.send(edge, &poison("deadly")), 451);
    }
    assert_eq!(cluster.dead(), 0, "a scanner that begins knows it, too");
    assert!((cluster.set_aside() - 3.0).abs() < 0.5, "each try is counted");
    assert_eq!(cluster.send(0, &mail("after", "See you on Sunday.")), 250);
    assert_eq!(cluster.sink.count(), 1, "and nothing passed unjudged");
    // An administrator who knows better takes it out of the list, by the name in the report.
    let redis = cluster.redis.as_ref().expect("the memory");
    let name = report.split("name=").nth(1).and_then(|it| it.split_whitespace().next());
    assert_eq!(redis.cli(&["zrem", "tamis:felled:2", name.expect("a name")]).trim(), "1");
    assert_eq!(redis.cli(&["zcard", "tamis:felled:2"]).trim(), "0");
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(cluster.send(0, &poison("deadly")), 451);
    assert_eq!(cluster.dead(), 2, "tried anew");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_mail_that_is_set_aside_is_delivered_once_and_marked_where_that_was_chosen() {
    for redis in [Some(Redis::start()), None] {
        let mut cluster = Cluster::start(redis, "set_aside = \"accept\"");
        assert_eq!(cluster.send(0, &poison("deadly")), 250);
        assert_eq!(cluster.dead(), 2, "{}", cluster.edges[0].log());
        let arrived = cluster.sink.wait(1);
        assert_eq!(arrived.len(), 1);
        assert_eq!(header(&arrived[0].content, "X-Tamis-Rung"), ["not_scanned"]);
        assert!((cluster.set_aside() - 1.0).abs() < 0.5);
        // Sent again, it is another delivery of the sender's, and still nobody's end.
        assert_eq!(cluster.send(0, &poison("deadly")), 250);
        assert_eq!((cluster.dead(), cluster.sink.count()), (2, 2));
    }
}

/// Mails that were in the hands of a scanner when it ended are suspects, too; none of them is given up for that.
#[test]
#[ignore = "needs the peers that ./test installs"]
fn mails_beside_a_deadly_one_are_all_judged_and_none_of_them_is_set_aside() {
    all_are_judged_beside_a_deadly_one(|sender, number| {
        let text = format!("Letter {number} of {sender}. ").repeat(2_000);
        mail(&format!("letter-{sender}-{number}"), &text)
    });
}

/// A list posts equal mails by the hundred: all of them have one name, and most are in hand at the same time.
#[test]
#[ignore = "needs the peers that ./test installs"]
fn equal_mails_beside_a_deadly_one_are_all_judged_and_none_of_them_is_set_aside() {
    // Nobody has read the text of a round yet, and all copies of it come at once.
    all_are_judged_beside_a_deadly_one(|_, number| {
        mail("minutes", &format!("{}{number}", "The minutes of the meeting. ".repeat(4_000)))
    });
}

/// Twelve senders, twenty letters each, at two edges with three scanners, of which a deadly mail ends two.
fn all_are_judged_beside_a_deadly_one(letter: fn(u32, u32) -> Vec<u8>) {
    let mut cluster = Cluster::start(Some(Redis::start()), "");
    let ports: Vec<u16> = cluster.edges.iter().map(Tamis::smtp_port).collect();
    let senders: Vec<_> = (0..12_u32)
        .map(|sender| {
            let port = ports[sender as usize % 2];
            thread::spawn(move || {
                for number in 0..20 {
                    send_until_taken(port, &letter(sender, number));
                }
            })
        })
        .collect();
    wait_for(
        "the stream",
        PEER_WAIT_MAX,
        || (cluster.sink.count() > 20).then_some(()),
        String::new,
    );
    assert_eq!(cluster.send(0, &poison("deadly")), 451);
    senders.into_iter().for_each(|sender| sender.join().expect("a sender"));
    let edges = cluster.edges.iter().map(Tamis::log).collect::<String>();
    assert_eq!(cluster.dead(), 2, "{edges}");
    let mails = cluster.sink.wait(240);
    let unjudged = mails.iter().filter(|it| header(&it.content, "X-Tamis-Rung") == ["not_scanned"]);
    assert_eq!((mails.len(), unjudged.count()), (240, 0));
    assert!((cluster.set_aside() - 1.0).abs() < 0.5, "{edges}");
}

fn send_until_taken(port: u16, letter: &[u8]) {
    let end = Instant::now() + PEER_WAIT_MAX;
    let send = || Dialogue::connect(port).send("a@sender.test", &["bob@example.test"], letter).code;
    while send() != 250 {
        assert!(Instant::now() < end, "a letter is not taken");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn no_program_is_built_with_the_planted_fault_unless_its_tests_ask_for_it() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut named = Vec::new();
    for folder in ["crates", "services", "."] {
        for entry in std::fs::read_dir(root.join(folder)).expect("a folder").flatten() {
            let text = std::fs::read_to_string(entry.path().join("Cargo.toml")).unwrap_or_default();
            if text.contains("poison-test") {
                named.push((entry.file_name().to_string_lossy().into_owned(), text));
            }
        }
    }
    named.sort();
    let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["scanner", "testkit"]);
    assert!(!named[0].1.contains("default ="), "no feature of the scanner is on by itself");
    let (programs, tests) = named[1].1.split_once("[dev-dependencies]").expect("a section");
    assert!(!programs.contains("poison-test") && tests.contains("poison-test"));
}
