//! One genuine client: some questions a second, each timed. It sleeps between them, so that it takes little from those
//! whose pressure it is to feel.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::asking::{Asking, Language, QUESTION_BYTES_MAX};
use super::load;
use crate::times::Times;

/// Time that the last answers get.
const LAST_ANSWERS: Duration = Duration::from_millis(300);

/// What it felt.
#[derive(Clone, Debug)]
pub struct Felt {
    /// Questions sent.
    pub sent: u64,
    /// Answers.
    pub answered: u64,
    /// Answers that knew something.
    pub known: u64,
    /// Their times.
    pub times: Times,
}

/// Asks `per_second` exact questions for `time`. Sending waits for no answer.
///
/// # Errors
/// The system's; a server that gives no proof of address.
pub fn run(from: SocketAddr, server: SocketAddr, per_second: f64, time: Duration) -> Result<Felt> {
    let mut asking = Asking::new(Language::Exact(1), 1_000, 1);
    load::prove(from, server, &mut asking)?;
    proved(asking, from, server, per_second, time)
}

/// [`run`] with other questions, of a client that has its proof of address.
///
/// # Errors
/// The system's.
pub fn proved(
    mut asking: Asking,
    from: SocketAddr,
    server: SocketAddr,
    per_second: f64,
    time: Duration,
) -> Result<Felt> {
    let socket = UdpSocket::bind(from)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(LAST_ANSWERS))?;
    let began = Instant::now();
    thread::scope(|scope| {
        let questions = asking.clone();
        let sender = scope.spawn({
            let socket = &socket;
            move || send(socket, &questions, began, per_second, time)
        });
        let mut felt = Felt { sent: 0, answered: 0, known: 0, times: Times::default() };
        let mut answer = [0; QUESTION_BYTES_MAX];
        while began.elapsed() < time + LAST_ANSWERS {
            let Ok(length) = socket.recv(&mut answer) else { continue };
            let now_ns = began.elapsed().as_nanos() as u64;
            if let Some((sent_ns, is_known)) = asking.read(&answer[..length]) {
                felt.answered += 1;
                felt.known += u64::from(is_known);
                felt.times.add(now_ns.saturating_sub(sent_ns));
            }
        }
        felt.sent = sender.join().ok().context("the sender died")?;
        Ok(felt)
    })
}

/// The number of a question is the time at which it left, in nanoseconds.
fn send(
    socket: &UdpSocket,
    asking: &Asking,
    began: Instant,
    per_second: f64,
    time: Duration,
) -> u64 {
    let mut question = [0; QUESTION_BYTES_MAX];
    let mut sent = 0;
    loop {
        let due = Duration::from_secs_f64(sent as f64 / per_second);
        if due > time {
            return sent;
        }
        thread::sleep(due.saturating_sub(began.elapsed()));
        let length = asking.write(began.elapsed().as_nanos() as u64, &mut question);
        // What does not leave is not answered either, and counts as that.
        let _ = socket.send(&question[..length]);
        sent += 1;
    }
}
