//! A stream of numbered mails into several Postfixes, from senders that send again what was refused for now.

use crate::mails::{mail, noise, with_attachment};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tamis_testkit::peers::Dialogue;

/// Senders of one Postfix.
const SENDERS: u32 = 4;
/// Pause of a sender whose mail was refused for now.
const AGAIN: Duration = Duration::from_millis(50);
/// Longest time in which one mail is offered, all faults included.
const OFFERED_MAX: Duration = Duration::from_secs(300);

/// What the senders count.
#[derive(Debug, Default)]
pub struct Counts {
    /// Mails that a Postfix took.
    pub taken: AtomicU32,
    /// Answers of 4xx, and connections that were closed: the sender knows, and sends again.
    pub refused: AtomicU32,
    /// Answers to the final dot that never came: the sender cannot know.
    pub unknown: AtomicU32,
    /// Longest time from the first offer to 250, in milliseconds, since this was last set to zero.
    pub longest_ms: AtomicU64,
    hurry: AtomicBool,
}

/// The senders at work.
pub struct Load {
    pub counts: Arc<Counts>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Sends `mails` numbered mails, dealt to the Postfixes at `ports` in turn, at such a pace that the stream lasts for
    /// `lasting`, or until it is told to hurry.
    pub fn start(ports: &[u16], mails: u32, lasting: Duration) -> Self {
        let counts = Arc::new(Counts::default());
        let began = Instant::now();
        let mut threads = Vec::new();
        for (place, &port) in (0..).zip(ports) {
            let next = Arc::new(AtomicU32::new(place));
            let step = ports.len() as u32;
            for _ in 0..SENDERS {
                let (counts, next) = (Arc::clone(&counts), Arc::clone(&next));
                threads.push(thread::spawn(move || {
                    loop {
                        let number = next.fetch_add(step, Ordering::Relaxed);
                        if number >= mails {
                            return;
                        }
                        wait_for_turn(
                            &counts,
                            began + lasting.mul_f64(f64::from(number) / f64::from(mails)),
                        );
                        send_one(port, number, &counts);
                    }
                }));
            }
        }
        Self { counts, threads }
    }

    /// Sends what is left at once, and waits until all was taken.
    pub fn finish(self) -> Arc<Counts> {
        self.counts.hurry.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a sender that ends"));
        self.counts
    }
}

fn wait_for_turn(counts: &Counts, turn: Instant) {
    while Instant::now() < turn && !counts.hurry.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(5).min(turn.saturating_duration_since(Instant::now())));
    }
}

/// Name of a mail, as Message-Id.
pub fn id(number: u32) -> String {
    format!("<numbered-{number}@sender.test>")
}

/// Half of the mails are copies of few texts, as bulk mail is; each twentieth has a file that does not fit into memory.
fn content(number: u32) -> Vec<u8> {
    let subject = format!("numbered-{number}");
    match number % 20 {
        0 => with_attachment(&subject, "The table.", &noise(u64::from(number) + 1, 30_000)),
        kind if kind % 2 == 0 => {
            mail(&subject, &format!("Our offers of week {kind}, as every week."))
        }
        _ => mail(&subject, &format!("Line {number} of a long letter.")),
    }
}

fn send_one(port: u16, number: u32, counts: &Counts) {
    let (began, letter) = (Instant::now(), content(number));
    loop {
        let mut client = Dialogue::connect(port);
        let reply = client.send("ann@sender.test", &["bob@example.test"], &letter);
        match reply.code {
            250 => break,
            0 => counts.unknown.fetch_add(1, Ordering::Relaxed),
            code if code / 100 == 5 => {
                panic!("mail {number} is refused for good: {:?}", reply.lines)
            }
            _ => counts.refused.fetch_add(1, Ordering::Relaxed),
        };
        assert!(began.elapsed() < OFFERED_MAX, "mail {number} is not taken: {:?}", reply.lines);
        thread::sleep(AGAIN);
    }
    counts.taken.fetch_add(1, Ordering::Relaxed);
    counts.longest_ms.fetch_max(began.elapsed().as_millis() as u64, Ordering::Relaxed);
}
