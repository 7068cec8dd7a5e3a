//! One load of numbered mails through real Postfixes while the faults are played in turn: at the end every mail that a
//! Postfix took has arrived, none twice by our doing, and what nobody judged says so.
//!
//! `./test` plays the main faults beside 1,000 mails. With `TAMIS_TEST_FAULTS=FILE` all of them are played beside 20,000,
//! and the table of what was seen is written to FILE (`load-tests/results/faults.md`). `TAMIS_TEST_MAILS` makes it longer
//! or shorter, `TAMIS_TEST_OTHER_BIN_DIR` names programs of a former build for the rolling upgrade.

mod cluster;
mod ledger;
mod load;
mod plays;
mod relay;

use cluster::Cluster;
use ledger::Ledger;
use load::{Counts, Load};
use plays::{ELSEWHERE, Play};
use std::env;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Longest wait for empty queues at the end.
const QUEUES_WAIT_MAX: Duration = Duration::from_secs(180);

/// What is counted before and after a fault.
#[derive(Clone, Copy)]
struct Seen {
    taken: u32,
    refused: u32,
    judged: f64,
    lower: f64,
    unjudged: f64,
}

impl Seen {
    fn now(cluster: &Cluster, counts: &Counts) -> Self {
        let rung =
            |word| cluster.edges_count(&format!("tamis_edge_rungs_total{{rung=\"{word}\"}}"));
        Self {
            taken: counts.taken.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed)
                + counts.unknown.load(Ordering::Relaxed),
            judged: rung("full") + rung("cached") + rung("local"),
            lower: rung("cached") + rung("local"),
            unjudged: rung("not_scanned"),
        }
    }

    /// What came since `before`; an edge that began anew counts from zero.
    fn since(self, before: Self) -> Self {
        let grown = |now: f64, then: f64| if now < then { now } else { now - then };
        Self {
            taken: self.taken - before.taken,
            refused: self.refused - before.refused,
            judged: grown(self.judged, before.judged),
            lower: grown(self.lower, before.lower),
            unjudged: grown(self.unjudged, before.unjudged),
        }
    }
}

/// Plays one fault and gives its row.
fn played(play: &Play, cluster: &mut Cluster, counts: &Counts) -> String {
    counts.longest_ms.store(0, Ordering::Relaxed);
    let (before, began) = (Seen::now(cluster, counts), Instant::now());
    let own_words = (play.act)(cluster);
    let lasted = began.elapsed();
    let healed = cluster.healed();
    let seen = Seen::now(cluster, counts).since(before);
    let longest = counts.longest_ms.load(Ordering::Relaxed);
    let more = if own_words.is_empty() { own_words } else { format!("; {own_words}") };
    let row = format!(
        "| {} | {} | {:.1} s; {} mails taken, {} tries refused for now; {:.0} verdicts ({:.0} on a lower rung), {:.0} tries unjudged; a mail was taken after {:.1} s at the longest; all edges judge after {:.1} s{more} |",
        play.fault,
        play.promise,
        lasted.as_secs_f64(),
        seen.taken,
        seen.refused,
        seen.judged,
        seen.lower,
        seen.unjudged,
        longest as f64 / 1000.0,
        healed.as_secs_f64(),
    );
    println!("{row}");
    row
}

/// The end of the table: the count of all mails.
fn account(cluster: &Cluster, counts: &Counts, mails: u32) -> String {
    for postfix in &cluster.postfixes {
        postfix.flush();
        postfix.wait_queue_empty(QUEUES_WAIT_MAX);
    }
    let ledger = Ledger::of(&cluster.postfixes);
    let lost = ledger.lost(mails);
    let doubled = ledger.doubled(&cluster.postfixes);
    let ours: Vec<_> = doubled.iter().filter(|(_, explained)| !explained).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(ours.is_empty(), "came twice by our doing: {ours:?}");
    assert!(ledger.unmarked.is_empty(), "without a mark: {:?}", ledger.unmarked);
    assert_eq!(counts.unknown.load(Ordering::Relaxed), 0, "answers that the senders never got");
    format!(
        "{mails} mails taken by Postfix, {} refused for now on the way and sent again, 0 refused for good. {} arrived, 0 lost. \
         {} came twice: each is one of which Postfix logged that the connection to the edge broke before the answer to the \
         final dot, which is when SMTP sends again; 0 others. {} passed unjudged, each with its mark; 0 without a mark.",
        counts.refused.load(Ordering::Relaxed),
        ledger.copies.len(),
        doubled.len(),
        ledger.unjudged,
    )
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn every_fault_in_turn_under_load_loses_no_mail_and_doubles_none() {
    let file = env::var_os("TAMIS_TEST_FAULTS");
    let mails = env::var("TAMIS_TEST_MAILS").ok().and_then(|count| count.parse().ok());
    let mails = mails.unwrap_or(if file.is_some() { 20_000 } else { 1_000 });
    let lasting = Duration::from_secs(if file.is_some() { 200 } else { 45 });
    let began = Instant::now();
    let mut cluster = Cluster::start();
    let ports: Vec<u16> =
        cluster.postfixes.iter().map(tamis_testkit::peers::Postfix::port).collect();
    let load = Load::start(&ports, mails, lasting);
    let mut table = String::from("| fault | promise | what was seen |\n|---|---|---|\n");
    for play in plays::all().iter().filter(|play| play.is_short || file.is_some()) {
        let row = played(play, &mut cluster, &load.counts);
        let _ = writeln!(table, "{row}");
    }
    let counts = load.finish();
    let account = account(&cluster, &counts, mails);
    println!("{account}\n{:.0} s in all", began.elapsed().as_secs_f64());
    if let Some(file) = file {
        for (fault, promise, test) in ELSEWHERE {
            let _ = writeln!(table, "| {fault} | {promise} | played by `{test}` |");
        }
        let time = began.elapsed().as_secs_f64();
        let text = format!("{}\n\n{account}\nThe run took {time:.0} s.\n\n{table}", HEAD.trim());
        std::fs::write(file, text).expect("the report");
    }
}

const HEAD: &str = "
# Faults

What breaks, what is promised, and what was seen: three Postfixes (by milter, as an SMTP and as an LMTP filter behind the queue),
three edges, three scanners, three reputation nodes, a Redis with a replica and three Sentinels, all on one machine, in a debug
build. Numbered mails go through all three Postfixes while the faults are played in turn. Written by
`every_fault_in_turn_under_load_loses_no_mail_and_doubles_none` (`crates/testkit/tests/e2e/faults`) with `TAMIS_TEST_FAULTS`.

The third edge lets mail pass marked where nobody can judge it, the others keep it waiting. A try is one offer of a mail to an
edge: those that are refused or unjudged come again.

How it is played: the network between edges, scanners and reputation nodes is a relay of the test, which can swallow, delay and
lose. Clocks of one scanner and one reputation node are moved by Debian's `faketime` (real time alone; the monotonic clock goes
on). Disk: a tmpfs of 2 MB. Descriptors (`RLIMIT_NOFILE`) and memory (`RLIMIT_DATA`): `prlimit`; no control group is needed.
Mixed versions: programs of a former build with the same contracts, put in the place of each process in turn, and back; the former
build knows no suspects (`tamis-felled`), which it ignores. There is no older contract yet.
";
