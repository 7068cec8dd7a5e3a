//! The faults: what breaks, what is promised, and how it is played.

use super::cluster::{Cluster, frozen, limit};
use crate::mails::header;
use crate::poison::poison;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use tamis_testkit::peers::{Dialogue, Postfix, Tamis};

/// A fault that lasts.
const LASTING: Duration = Duration::from_secs(2);
/// Longest time in which a process that is asked to end may end.
const END_MAX: Duration = Duration::from_secs(40);

/// One fault.
pub struct Play {
    pub fault: &'static str,
    pub promise: &'static str,
    /// Whether it is played in the short run, too.
    pub is_short: bool,
    /// Plays it to its end, and says what is peculiar to it.
    pub act: fn(&mut Cluster) -> String,
}

const fn play(
    fault: &'static str,
    promise: &'static str,
    is_short: bool,
    act: fn(&mut Cluster) -> String,
) -> Play {
    Play { fault, promise, is_short, act }
}

fn nothing() -> String {
    String::new()
}

/// All of them, in the order in which they are played.
pub fn all() -> Vec<Play> {
    let mut plays = processes();
    plays.extend(networks());
    plays.extend(resources());
    plays
}

fn processes() -> Vec<Play> {
    vec![
        play("kill -9 of a scanner", "another one judges", true, |it| {
            it.scanners[0].restart();
            nothing()
        }),
        play("SIGSTOP of a scanner", "another one judges before the deadline", true, |it| {
            frozen(&it.scanners[1], LASTING);
            nothing()
        }),
        play("kill -9 of each edge", "mails in hand come again", true, |it| {
            it.edges.iter_mut().for_each(Tamis::restart);
            nothing()
        }),
        play("SIGSTOP of each edge", "its Postfix waits", false, |it| {
            it.edges.iter().for_each(|edge| frozen(edge, LASTING));
            nothing()
        }),
        play("kill -9 of a reputation node", "another node is asked", true, |it| {
            it.nodes[0].restart();
            nothing()
        }),
        play("SIGSTOP of a reputation node", "another node is asked", false, |it| {
            frozen(&it.nodes[1], LASTING);
            nothing()
        }),
        play(
            "Redis: kill -9 of the master, failover",
            "judged on; the new master is followed",
            true,
            |it| {
                let old = it.redis.kill_master();
                it.redis.wait_failover(old);
                it.redis.revive();
                nothing()
            },
        ),
        play("Redis: SIGSTOP of the master, failover", "no mail waits for it", false, |it| {
            // Its replica must be one that can take over.
            thread::sleep(LASTING);
            let old = it.redis.freeze_master();
            it.redis.wait_failover(old);
            it.redis.revive();
            nothing()
        }),
        play("Redis: all lost, back and empty", "facts are found again", true, |it| {
            it.redis.lose_all(LASTING);
            nothing()
        }),
        play(
            "a mail that kills scanners, brought to one edge again and again and then to another",
            "two scanners die, no third; each edge answers as it is told",
            true,
            poisoned,
        ),
        play(
            "rolling upgrade, each process in turn",
            "no mail waits longer than a restart",
            true,
            upgraded,
        ),
    ]
}

/// A poisonous mail, refused for now at the first Postfix, and brought to the third one by a sender that does not wait.
fn poisoned(cluster: &mut Cluster) -> String {
    let send = |postfix: &Postfix| {
        let mut client = Dialogue::connect(postfix.port());
        let letter = poison("poisonous");
        client.send("ann@sender.test", &["alice@example.test"], &letter).code
    };
    for attempt in 0..3 {
        assert_eq!(send(&cluster.postfixes[0]), 451, "attempt {attempt}");
    }
    assert_eq!(send(&cluster.postfixes[2]), 250);
    let mails = cluster.postfixes[2].maildir("alice", 1);
    assert_eq!(mails.len(), 1, "once");
    assert_eq!(header(&mails[0], "X-Tamis-Rung"), ["not_scanned"]);
    let ended = cluster.scanners.iter_mut().map(|it| usize::from(it.has_ended())).sum::<usize>();
    assert_eq!(ended, 2, "scanners that it killed");
    let revived = cluster.revive();
    let aside = cluster.edges_count("tamis_edge_mails_set_aside_total");
    format!(
        "{ended} scanners died, {revived} started again; set aside {aside} times: refused for now at the first edge, delivered once and marked at the third"
    )
}

/// Every process asked to end and started anew, one after the other; where programs of another build are named, first from
/// those, so that both work side by side, and then back.
fn upgraded(cluster: &mut Cluster) -> String {
    let other = std::env::var_os("TAMIS_TEST_OTHER_BIN_DIR").map(PathBuf::from);
    let builds: &[Option<PathBuf>] = &[other.clone(), None];
    for build in &builds[usize::from(other.is_none())..] {
        let processes = cluster.nodes.iter_mut().chain(&mut cluster.scanners);
        for process in processes.chain(&mut cluster.edges) {
            process.exchange(build.as_deref(), END_MAX);
        }
    }
    match other {
        Some(_) => "from a former build, step by step, and back".to_owned(),
        None => "the same build".to_owned(),
    }
}

fn networks() -> Vec<Play> {
    vec![
        play("one scanner cut off from the edges", "another one judges", true, |it| {
            it.to_scanners[0].cut();
            thread::sleep(LASTING);
            it.to_scanners[0].heal();
            nothing()
        }),
        play(
            "all scanners cut off from the edges",
            "mail waits, or passes marked where that was chosen",
            true,
            |it| {
                it.to_scanners.iter().for_each(|relay| relay.cut());
                // Longer than the deadline of a mail.
                thread::sleep(2 * LASTING);
                it.to_scanners.iter().for_each(|relay| relay.heal());
                nothing()
            },
        ),
        play("all reputation nodes cut off from the scanners", "judged without them", true, |it| {
            it.to_nodes.iter().for_each(|relay| relay.cut());
            thread::sleep(LASTING);
            it.to_nodes.iter().for_each(|relay| relay.heal());
            nothing()
        }),
        play("one reputation node slow by 100 ms", "the others are asked", false, |it| {
            it.to_nodes[0].slow(Duration::from_millis(100));
            thread::sleep(LASTING);
            it.to_nodes[0].heal();
            nothing()
        }),
        play(
            "one reputation node loses 30 % of the questions",
            "the others are asked",
            false,
            |it| {
                it.to_nodes[1].lose(30);
                thread::sleep(LASTING);
                it.to_nodes[1].heal();
                nothing()
            },
        ),
    ]
}

fn resources() -> Vec<Play> {
    vec![
        play(
            "clock of a scanner and a node a year ahead, a day back, right",
            "judged on",
            true,
            |it| {
                for offset in ["+365d", "-1d", "+0"] {
                    std::fs::write(&it.clock, offset).expect("a file");
                    thread::sleep(Duration::from_millis(1200));
                }
                nothing()
            },
        ),
        play("the disk of the edges' spool is full", "452, the mail stays", true, |it| {
            let refused = "tamis_edge_turned_away_total";
            let before = it.edges_count(refused);
            it.spool.fill();
            thread::sleep(LASTING);
            it.spool.clear();
            format!("turned away {} times", it.edges_count(refused) - before)
        }),
        play(
            "an edge has no file descriptors left",
            "connections wait, none is lost",
            true,
            |it| {
                limit(&it.edges[1], "--nofile=12:4096");
                thread::sleep(LASTING);
                limit(&it.edges[1], "--nofile=4096:4096");
                nothing()
            },
        ),
    ]
}

/// Faults that tests of their own play, and what those promise.
pub const ELSEWHERE: [(&str, &str, &str); 10] = [
    (
        "silent strangers take the descriptors of an edge",
        "others hear 421 and come again, who is inside is served",
        "an_edge_whose_descriptors_strangers_take_turns_others_away_serves_whom_it_has_and_loses_no_mail",
    ),
    (
        "a scanner's memory limit kills it under mails of 10 MB",
        "another one judges",
        "a_scanner_that_its_memory_limit_kills_under_large_mails_costs_no_mail_and_no_judgement",
    ),
    (
        "certificates and their authority rotated under load",
        "every mail is judged",
        "authority_and_certificates_are_rotated_under_load_and_every_mail_is_judged",
    ),
    (
        "a certificate ends",
        "mail waits; judged again once it is renewed",
        "mail_waits_while_a_certificate_is_over_and_is_judged_when_it_was_renewed",
    ),
    (
        "a reputation node is behind the others",
        "it says so and ranks itself down",
        "without_redis_nodes_answer_on_refuse_writes_by_name_at_once_and_catch_up",
    ),
    (
        "the disk of a reputation node is full",
        "writes are refused by name, questions go on",
        "a_full_disk_refuses_the_write_and_the_next_one_tries_again",
    ),
    (
        "reputation nodes killed while all write",
        "no acknowledged write is lost",
        "nodes_killed_at_random_while_all_write_lose_no_acknowledged_write_and_agree_again",
    ),
    (
        "Redis lost everything while reputation nodes write",
        "the order begins anew, nothing is forgotten",
        "an_emptied_redis_is_begun_anew_with_the_highest_epoch_and_nothing_is_forgotten",
    ),
    (
        "a Redis Cluster loses a master",
        "the new one is followed",
        "the_order_goes_on_after_a_redis_cluster_lost_the_master_of_its_stream",
    ),
    (
        "a reputation node with a wrong clock stamps reports",
        "mended by the next reports",
        "what_a_node_with_a_wrong_clock_stamped_is_mended_by_the_next_reports",
    ),
];
