//! The generator. Questions leave by the clock and not by the answers (open loop), and each answer is timed from the
//! moment when its question was due, so that a server which stalls cannot hide it (no coordinated omission).

use std::array;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};

use super::asking::{Asking, QUESTION_BYTES_MAX};
use crate::echo;
use crate::process::local;
use crate::times::Times;

/// Datagrams in one call.
const BATCH: usize = 32;
/// Time that answers get after the last question.
const LAST_ANSWERS: Duration = Duration::from_millis(200);
/// A generator that is later than this leaves questions out, and says so: it is then the one that is too slow.
const LATE_MAX: Duration = Duration::from_millis(20);
/// Under a closed window, questions without an answer for this long are lost.
const LOST_AFTER: Duration = Duration::from_millis(100);

/// Under teaching, a server that is silent for this long is broken.
const TEACH_MAX: Duration = Duration::from_secs(20);

/// When questions leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many a second, whatever the server does.
    PerSecond(f64),
    /// So many under way: for teaching, where none may be lost.
    UnderWay(u64),
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Questions that left.
    pub sent: u64,
    /// Questions that the generator was too slow for.
    pub left_out: u64,
    /// Answers.
    pub answered: u64,
    /// Answers that knew something.
    pub known: u64,
    /// Seconds from the first question to the last.
    pub seconds: f64,
    /// Times of answers; empty for a closed window.
    pub times: Times,
}

/// Asks `server` from `sockets` sockets for `time`.
///
/// # Errors
/// The system's; a server that gives no proof of address.
pub fn run(
    server: SocketAddr,
    asking: &mut Asking,
    pace: Pace,
    sockets: usize,
    time: Duration,
) -> Result<Seen> {
    run_from(local(0), server, asking, pace, sockets, time)
}

/// [`run`] from an address.
///
/// # Errors
/// As [`run`].
pub fn run_from(
    from: SocketAddr,
    server: SocketAddr,
    asking: &mut Asking,
    pace: Pace,
    sockets: usize,
    time: Duration,
) -> Result<Seen> {
    let open = |_| -> Result<UdpSocket> {
        let socket = UdpSocket::bind(from)?;
        echo::buffers(&socket)?;
        socket.connect(server)?;
        Ok(socket)
    };
    let sockets = (0..sockets).map(open).collect::<Result<Vec<_>>>()?;
    let began = Instant::now();
    let mut generator =
        Generator { asking, pace, began, seen: Seen::default(), next: 0, lost: 0, last: u64::MAX };
    let mut wire = Wire::new();
    let mut turn = 0;
    let mut heard = began;
    while began.elapsed() < time {
        turn = (turn + 1) % sockets.len();
        generator.send(&sockets[turn], &mut wire)?;
        let mut is_heard = false;
        for socket in &sockets {
            is_heard |= generator.receive(socket, &mut wire)?;
        }
        if is_heard {
            heard = Instant::now();
        } else if let Pace::UnderWay(_) = pace
            && heard.elapsed() > LOST_AFTER
        {
            generator.lost = generator.seen.sent - generator.seen.answered.min(generator.seen.sent);
            heard = Instant::now();
        }
    }
    generator.seen.seconds = began.elapsed().as_secs_f64();
    let ended = Instant::now();
    while ended.elapsed() < LAST_ANSWERS {
        for socket in &sockets {
            generator.receive(socket, &mut wire)?;
        }
    }
    Ok(generator.seen)
}

/// Asks these questions, each once, with `window` under way: for teaching.
///
/// # Errors
/// The system's; a question that is not answered.
pub fn all(
    server: SocketAddr,
    asking: &mut Asking,
    numbers: Range<u64>,
    window: u64,
) -> Result<()> {
    let socket = UdpSocket::bind(local(0))?;
    echo::buffers(&socket)?;
    socket.connect(server)?;
    let (pace, began, seen) = (Pace::UnderWay(window), Instant::now(), Seen::default());
    let (next, last, count) = (numbers.start, numbers.end, numbers.end - numbers.start);
    let mut generator = Generator { asking, pace, began, seen, next, lost: 0, last };
    let (mut wire, mut heard) = (Wire::new(), Instant::now());
    while generator.seen.answered < count {
        generator.send(&socket, &mut wire)?;
        if generator.receive(&socket, &mut wire)? {
            heard = Instant::now();
        } else if heard.elapsed() > TEACH_MAX {
            anyhow::bail!("{} of {count} questions were answered", generator.seen.answered);
        } else {
            // What teaches takes no processor from what learns.
            std::thread::sleep(Duration::from_micros(50));
        }
    }
    Ok(())
}

/// Gets the proof of address from a server that wants one.
///
/// # Errors
/// It does not answer.
pub fn prove(from: SocketAddr, server: SocketAddr, asking: &mut Asking) -> Result<()> {
    let socket = UdpSocket::bind(from)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut question = [0; QUESTION_BYTES_MAX];
    let mut answer = [0; QUESTION_BYTES_MAX];
    let length = asking.write(0, &mut question);
    for _ in 0..10 {
        socket.send(&question[..length])?;
        if let Ok(length) = socket.recv(&mut answer) {
            asking.read(&answer[..length]);
            return Ok(());
        }
    }
    anyhow::bail!("{server} gives no proof of address")
}

struct Wire {
    out: Vec<[u8; QUESTION_BYTES_MAX]>,
    lengths: [usize; BATCH],
    into: Vec<[u8; QUESTION_BYTES_MAX]>,
    headers_out: MultiHeaders<SockaddrStorage>,
    headers_in: MultiHeaders<SockaddrStorage>,
}

impl Wire {
    fn new() -> Self {
        let datagrams = vec![[0; QUESTION_BYTES_MAX]; BATCH];
        Self {
            out: datagrams.clone(),
            lengths: [0; BATCH],
            into: datagrams,
            headers_out: MultiHeaders::preallocate(BATCH, None),
            headers_in: MultiHeaders::preallocate(BATCH, None),
        }
    }
}

struct Generator<'a> {
    asking: &'a mut Asking,
    pace: Pace,
    began: Instant,
    seen: Seen,
    next: u64,
    /// Questions given up, so that the window opens again.
    lost: u64,
    /// Questions after which it is enough.
    last: u64,
}

impl Generator<'_> {
    /// Questions that should have left by now.
    fn due(&mut self) -> u64 {
        match self.pace {
            Pace::UnderWay(window) => {
                (self.seen.answered + self.lost + window).saturating_sub(self.seen.sent)
            }
            Pace::PerSecond(rate) => {
                let due = (self.began.elapsed().as_secs_f64() * rate) as u64;
                let earliest = due.saturating_sub((LATE_MAX.as_secs_f64() * rate) as u64 + 1);
                self.seen.left_out += earliest.saturating_sub(self.next);
                self.next = self.next.max(earliest);
                due.saturating_sub(self.next)
            }
        }
    }

    fn send(&mut self, socket: &UdpSocket, wire: &mut Wire) -> Result<()> {
        let count = self.due().min(BATCH as u64).min(self.last - self.next) as usize;
        if count == 0 {
            return Ok(());
        }
        for (place, out) in wire.out.iter_mut().take(count).enumerate() {
            wire.lengths[place] = self.asking.write(self.next + place as u64, out);
        }
        let (out, lengths) = (&wire.out, &wire.lengths);
        let slices: [_; BATCH] = array::from_fn(|at| [IoSlice::new(&out[at][..lengths[at]])]);
        let (headers, to) = (&mut wire.headers_out, [None; BATCH]);
        let flags = MsgFlags::empty();
        let sent =
            sendmmsg(socket.as_raw_fd(), headers, slices[..count].iter(), &to[..count], [], flags);
        let sent = match sent.map(Iterator::count) {
            Ok(sent) => sent as u64,
            Err(Errno::ECONNREFUSED | Errno::ENOBUFS | Errno::EINTR) => 0,
            Err(error) => return Err(error).context("sending"),
        };
        self.next += sent;
        self.seen.sent += sent;
        Ok(())
    }

    fn receive(&mut self, socket: &UdpSocket, wire: &mut Wire) -> Result<bool> {
        let mut is_heard = false;
        loop {
            let mut rest = wire.into.iter_mut();
            let mut slices: [_; BATCH] = array::from_fn(|_| {
                [IoSliceMut::new(rest.next().map_or(&mut [][..], |it| &mut it[..]))]
            });
            let flags = MsgFlags::MSG_DONTWAIT;
            let received =
                recvmmsg(socket.as_raw_fd(), &mut wire.headers_in, slices.iter_mut(), flags, None);
            let received = match received {
                Ok(received) => received,
                Err(Errno::EAGAIN | Errno::ECONNREFUSED | Errno::EINTR) => return Ok(is_heard),
                Err(error) => return Err(error).context("receiving"),
            };
            let now_ns = self.began.elapsed().as_nanos() as u64;
            let mut count = 0;
            for message in received {
                count += 1;
                let answer = message.iovs().next().unwrap_or_default();
                if let Some((index, is_known)) = self.asking.read(answer) {
                    self.seen.answered += 1;
                    self.seen.known += u64::from(is_known);
                    if let Pace::PerSecond(rate) = self.pace {
                        let due_ns = ((index + 1) as f64 / rate * 1e9) as u64;
                        self.seen.times.add(now_ns.saturating_sub(due_ns));
                    }
                }
            }
            is_heard |= count > 0;
            if count < BATCH {
                return Ok(is_heard);
            }
        }
    }
}
