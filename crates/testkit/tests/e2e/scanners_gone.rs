//! Scanners that are freshly dead: an edge that has not learnt it yet reaches the living one all the same.

use crate::mails::{header, mail};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use tamis_testkit::peers::{
    Dialogue, PEER_WAIT_MAX, Postfix, PostfixConfig, SmtpdService, Tamis, wait_for,
};

/// Who is left of the three, blow after blow; each blow meets an edge that thinks well of all of them.
const LEFT: [usize; 3] = [2, 0, 1];
/// Mails that each door takes after a blow.
const AFTER: u32 = 6;

/// The doors of the edge, and how to bring a mail to each.
#[derive(Clone, Copy, Debug)]
enum By {
    Milter,
    Smtp,
    Lmtp,
}

/// Brings mails to one door until told to end; gives what was not taken.
fn bring(by: By, port: u16, blow: u32, end: &AtomicBool, taken: &AtomicU32) -> Vec<String> {
    let mut refused = Vec::new();
    let mut number = 0;
    while !end.load(Ordering::Relaxed) {
        let letter = mail(&format!("{by:?}-{blow}-{number}"), &format!("Letter {number}, {blow}."));
        let mut client = Dialogue::connect(port);
        let reply = match by {
            By::Lmtp => {
                for line in ["LHLO c.test", "MAIL FROM:<ann@sender.test>"] {
                    client.expect(line, 250);
                }
                client.expect("RCPT TO:<bob@example.test>", 250);
                client.expect("DATA", 354);
                client.content(&letter, 1).remove(0)
            }
            By::Smtp | By::Milter => client.send("ann@sender.test", &["bob@example.test"], &letter),
        };
        if reply.code != 250 {
            refused.push(format!("{by:?} {number}: {:?}", reply.lines));
        }
        taken.fetch_add(1, Ordering::Relaxed);
        number += 1;
    }
    refused
}

/// Kills both in one breath: no edge hears of the first before the second is gone.
fn kill_at_once(scanners: &[&Tamis]) {
    let pids: Vec<String> = scanners.iter().map(|scanner| scanner.pid().to_string()).collect();
    let killed = Command::new("sh").args(["-c", "kill -9 \"$@\"", "sh"]).args(pids).status();
    assert!(killed.expect("a shell").success());
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn an_edge_reaches_the_scanner_that_lives_however_freshly_the_two_others_died() {
    let mut scanners: Vec<Tamis> =
        (0..3).map(|_| Tamis::start(&["scanner"], Some("[scanner]\nreputation = []\n"))).collect();
    let urls: Vec<String> = scanners
        .iter()
        .map(|scanner| format!("\"http://{}\"", scanner.address("scanner", "listen")))
        .collect();
    let back = SmtpdService::reinjection();
    let edge = Tamis::thin_edge(&format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [{}]\n",
        back.port,
        urls.join(", ")
    ));
    let front = SmtpdService::new().milter(edge.milter_port());
    let postfix = Postfix::start(&PostfixConfig::new([front, back]));
    let doors =
        [(By::Milter, postfix.port()), (By::Smtp, edge.smtp_port()), (By::Lmtp, edge.lmtp_port())];
    let mut brought = 0;
    for (blow, left) in (0..).zip(LEFT) {
        let end = Arc::new(AtomicBool::new(false));
        let counted: Vec<_> = doors.iter().map(|_| Arc::new(AtomicU32::new(0))).collect();
        let senders: Vec<_> = doors
            .into_iter()
            .zip(counted.clone())
            .map(|((by, port), taken)| {
                let end = Arc::clone(&end);
                thread::spawn(move || bring(by, port, blow, &end, &taken))
            })
            .collect();
        let each = |more: u32| {
            let from: Vec<u32> = counted.iter().map(|it| it.load(Ordering::Relaxed)).collect();
            wait_for(
                "mails at each door",
                PEER_WAIT_MAX,
                || {
                    let now = counted.iter().zip(&from);
                    now.into_iter()
                        .all(|(it, from)| it.load(Ordering::Relaxed) >= from + more)
                        .then_some(())
                },
                || edge.log(),
            );
        };
        each(AFTER);
        let dead: Vec<&Tamis> = (0..3).filter(|at| *at != left).map(|at| &scanners[at]).collect();
        kill_at_once(&dead);
        each(AFTER);
        end.store(true, Ordering::Relaxed);
        let refused: Vec<String> =
            senders.into_iter().flat_map(|it| it.join().expect("a sender")).collect();
        assert!(refused.is_empty(), "only scanner {left} lives: {refused:?}\n{}", edge.log());
        brought += counted.iter().map(|it| it.load(Ordering::Relaxed) as usize).sum::<usize>();
        (0..3).filter(|at| *at != left).for_each(|at| scanners[at].restart());
    }
    postfix.wait_queue_empty(PEER_WAIT_MAX);
    let arrived = postfix.maildir("bob", brought);
    assert_eq!(arrived.len(), brought, "each once");
    for mail in arrived {
        assert_ne!(header(&mail, "X-Tamis-Rung"), ["not_scanned"]);
        assert_eq!(header(&mail, "X-Tamis-Rung").len(), 1);
    }
}
