//! What the system grants is used up: descriptors of an edge by strangers who say nothing, memory of a scanner by large mails.

use crate::mails::{header, mail, noise, with_attachment};
use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tamis_testkit::peers::{
    Dialogue, PEER_WAIT_MAX, Postfix, PostfixConfig, Sink, SmtpdService, Tamis,
};

/// Connections that a hundred descriptors reach for: `connections_within` in the edge.
const CONNECTIONS: usize = 12;
/// Bytes of a file that makes a mail of ten million.
const LARGE_FILE_BYTES: usize = 7_300_000;
/// Memory that a scanner gets beyond what it has: enough for small mail.
const SPARE_BYTES: u64 = 6 << 20;
/// Large mails until one must have met the scanner that has no room for it.
const LARGE_MAILS_MAX: u64 = 16;

/// Connections to the three doors in turn, silent; and how many of them were let in.
fn strangers(edge: &Tamis, count: usize) -> (Vec<TcpStream>, usize) {
    let ports = [edge.smtp_port(), edge.lmtp_port(), edge.milter_port()];
    let (mut held, mut let_in) = (Vec::new(), 0);
    for number in 0..count {
        let place = number % ports.len();
        let mut stream = TcpStream::connect(("127.0.0.1", ports[place])).expect("a door");
        let is_milter = place == 2;
        if is_milter {
            // Nothing is said there to who is let in; who is not hears the end.
            let _ = stream.set_read_timeout(Some(std::time::Duration::from_millis(100)));
            let_in += usize::from(!matches!(stream.read(&mut [0; 8]), Ok(0)));
        } else {
            let _ = stream.set_read_timeout(Some(PEER_WAIT_MAX));
            let mut greeting = [0; 3];
            stream.read_exact(&mut greeting).expect("a greeting");
            assert!([b"220", b"421"].contains(&&greeting), "{greeting:?}");
            let_in += usize::from(&greeting == b"220");
        }
        held.push(stream);
    }
    (held, let_in)
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn an_edge_whose_descriptors_strangers_take_turns_others_away_serves_whom_it_has_and_loses_no_mail()
{
    let scanner = Tamis::start(&["scanner"], Some("[scanner]\nreputation = []\n"));
    let back = SmtpdService::reinjection();
    let edge = Tamis::thin_edge_within(
        &["--nofile=100:100"],
        &format!(
            "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [\"http://{}\"]\nmemory_bytes_per_mail = 16384\n",
            back.port,
            scanner.address("scanner", "listen")
        ),
    );
    let front = SmtpdService::new().content_filter_smtp(edge.smtp_port());
    let postfix = Postfix::start(&PostfixConfig::new([front, back]));
    let mut inside = Dialogue::connect(edge.lmtp_port());
    inside.expect("LHLO c.test", 250);
    let (held, let_in) = strangers(&edge, 60);
    assert_eq!(let_in, CONNECTIONS - 1, "{}", edge.log());
    // Who is inside has what his mail needs: a spool file, and a connection of the next hop.
    for number in 0..3_u64 {
        for line in ["MAIL FROM:<ann@sender.test>", "RCPT TO:<bob@example.test>"] {
            inside.expect(line, 250);
        }
        inside.expect("DATA", 354);
        let file = noise(number + 1, 300_000);
        let letter = with_attachment(&format!("inside {number}"), "The table.", &file);
        let reply = inside.content(&letter, 1).remove(0);
        assert_eq!(reply.code, 250, "{:?}\n{}", reply.lines, edge.log());
    }
    for number in 0..5 {
        let letter = mail(&format!("outside {number}"), &format!("Letter {number}."));
        let mut client = Dialogue::connect(postfix.port());
        assert_eq!(client.send("ann@sender.test", &["bob@example.test"], &letter).code, 250);
    }
    let waits = postfix.wait_log("status=deferred");
    assert!(waits.contains("421"), "it heard why: {waits}");
    drop(held);
    postfix.wait_queue_empty(PEER_WAIT_MAX);
    let mails = postfix.maildir("bob", 8);
    assert_eq!(mails.len(), 8, "each once");
    assert!(mails.iter().all(|it| header(it, "X-Tamis-Rung").concat() != "not_scanned"));
    assert!(!edge.log().contains("cannot accept"), "it never came to the last: {}", edge.log());
}

/// Writable memory of a process, in bytes: what `RLIMIT_DATA` bounds. (`RLIMIT_AS` counts what the allocator only reserves.)
fn data_bytes(process: &Tamis) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_scanner_that_its_memory_limit_kills_under_large_mails_costs_no_mail_and_no_judgement() {
    let config = "[scanner]\nreputation = []\n";
    // Asked for backtraces, as every program under test: there is no memory for one, and none is waited for.
    let asked = [("RUST_BACKTRACE", "1")];
    let mut scanners: Vec<Tamis> =
        (0..2).map(|_| Tamis::start_with("scanner", config, &asked)).collect();
    let urls: Vec<String> = scanners
        .iter()
        .map(|scanner| format!("\"http://{}\"", scanner.address("scanner", "listen")))
        .collect();
    let sink = Sink::smtp().start();
    let edge = Tamis::thin_edge(&format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [{}]\n",
        sink.port,
        urls.join(", ")
    ));
    let send = |letter: &[u8]| {
        let mut client = Dialogue::connect(edge.smtp_port());
        client.send("ann@sender.test", &["bob@example.test"], letter)
    };
    // The threads that read large parts are there before the limit.
    for number in 0..8 {
        let letter = with_attachment("warm", "The table.", &noise(number + 1, 300_000));
        assert_eq!(send(&letter).code, 250);
    }
    let limit = format!("--data={0}:{0}", data_bytes(&scanners[0]) + SPARE_BYTES);
    let limited =
        Command::new("prlimit").args(["--pid", &scanners[0].pid().to_string(), &limit]).status();
    assert!(limited.is_ok_and(|status| status.success()), "prlimit {limit}");
    // Small mail goes on beside the large.
    let is_over = Arc::new(AtomicBool::new(false));
    let (port, over) = (edge.smtp_port(), Arc::clone(&is_over));
    let beside = thread::spawn(move || {
        let mut count = 0;
        while !over.load(Ordering::Relaxed) {
            let letter = mail(&format!("small {count}"), &format!("Letter {count}."));
            let mut client = Dialogue::connect(port);
            let reply = client.send("ann@sender.test", &["bob@example.test"], &letter);
            assert_eq!(reply.code, 250, "{:?}", reply.lines);
            count += 1;
        }
        count
    });
    let mut large = 0;
    while !scanners[0].has_ended() {
        assert!(large < LARGE_MAILS_MAX, "it lives: {}", scanners[0].log());
        let file = noise(1_000 + large, LARGE_FILE_BYTES);
        let reply = send(&with_attachment(&format!("large {large}"), "The film.", &file));
        assert_eq!(reply.code, 250, "{:?}\n{}", reply.lines, edge.log());
        large += 1;
    }
    assert!(scanners[0].log().contains("memory allocation of"), "{}", scanners[0].log());
    is_over.store(true, Ordering::Relaxed);
    let small = beside.join().expect("the sender of small mail");
    assert!(!scanners[1].has_ended());
    scanners[0].restart();
    assert_eq!(send(&mail("after", "Hello.")).code, 250);
    let expected = 8 + small + usize::try_from(large).expect("few") + 1;
    let arrived = sink.wait(expected);
    assert_eq!(arrived.len(), expected, "each once");
    assert!(arrived.iter().all(|it| header(&it.content, "X-Tamis-Rung").concat() != "not_scanned"));
    assert!(edge.metric("tamis_edge_mails_set_aside_total") < 0.5, "no mail is blamed for it");
}
