//! One batch: as many datagrams as wait, in one call each way.

use std::array;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use tamis_reputation_protocol::answering::{Action, Answered, Answering};
use tamis_reputation_protocol::known::Known;
use tamis_reputation_protocol::packet::DATAGRAM_BYTES_MAX;
use tamis_runtime::clock;
use tamis_runtime::telemetry::propagation;

use crate::metrics::Counts;
use crate::shared::Shared;
use crate::sightings::Counter;

/// Datagrams answered under one look at the table and in one call of the system. A write waits for as many, some 10 to 200
/// microseconds, and so does the first asker of a batch for its last.
pub const BATCH_MAX: usize = 32;

/// One byte more than fits, so that a longer datagram is seen to be longer.
type Datagram = [u8; DATAGRAM_BYTES_MAX + 1];

/// What a look at the socket brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Datagrams, which are dealt with.
    Some,
    /// Nobody asked for a while.
    Nothing,
}

/// The memory of one loop: nothing is allocated from batch to batch.
pub(super) struct Batch {
    answering: Answering,
    questions: Vec<Datagram>,
    headers_in: MultiHeaders<SockaddrStorage>,
    answers: Answers,
    traced: Vec<Answered>,
    counts: Counts,
    counter: Option<Counter>,
}

impl Batch {
    pub(super) fn new(answering: Answering, counter: Option<Counter>) -> Self {
        Self {
            answering,
            questions: vec![[0; DATAGRAM_BYTES_MAX + 1]; BATCH_MAX],
            headers_in: MultiHeaders::preallocate(BATCH_MAX, None),
            answers: Answers::new(),
            traced: Vec::new(),
            counts: Counts::default(),
            counter,
        }
    }

    /// Waits for datagrams, for the socket's time-out at most, and deals with them.
    ///
    /// # Errors
    /// The system's, of receiving.
    pub(super) fn take(&mut self, socket: &UdpSocket, shared: &Shared) -> nix::Result<Taken> {
        let headers = &mut self.headers_in;
        let mut buffers: [[IoSliceMut<'_>; 1]; BATCH_MAX] = {
            let mut questions = self.questions.iter_mut();
            array::from_fn(|_| {
                [IoSliceMut::new(questions.next().map_or(&mut [][..], |it| &mut it[..]))]
            })
        };
        // Waits for the first datagram; the others come only if they are there.
        let flags = MsgFlags::MSG_WAITFORONE;
        let received = recvmmsg(socket.as_raw_fd(), headers, buffers.iter_mut(), flags, None);
        let received = match received {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => {
                self.counter.iter_mut().for_each(Counter::flush);
                return Ok(Taken::Nothing);
            }
            Err(error) => return Err(error),
        };
        let began = clock::now();
        let now_unix_s = u32::try_from(clock::unix_seconds()).unwrap_or(u32::MAX);
        let table = shared.table();
        let base = shared.base();
        let bulk = self.counter.as_ref().map(Counter::bulk);
        let (is_stale, bulk) = (shared.is_stale(), bulk.as_deref());
        let known = Known { is_stale, bulk, base: base.as_ref(), ..Known::table(&table) };
        let epoch = table.epoch();
        for message in received {
            let Some((to, source)) = message.address.and_then(source) else { continue };
            let question = message.iovs().next().unwrap_or_default();
            let out = self.answers.next();
            let action = self.answering.handle(question, source, began, now_unix_s, &known, out);
            self.answers.keep(to);
            self.counts.count(&action);
            let Action::Answer(answered) = action else { continue };
            if answered.trace.is_some() {
                self.traced.push(answered);
            }
            if let Some(counter) = &mut self.counter
                && self.answering.question().is_sighting
            {
                counter.count(self.answering.question(), source.ip());
            }
        }
        drop((table, base));
        self.counts.unsent += self.answers.send(socket);
        self.counter.iter_mut().for_each(Counter::flush);
        let ended = clock::now();
        shared.metrics.answered(&mut self.counts, ended.saturating_duration_since(began));
        self.traced.drain(..).for_each(|answered| trace(&answered, epoch, began, ended));
        Ok(Taken::Some)
    }
}

/// The address to answer to, as the system and as everybody else writes it.
fn source(address: SockaddrStorage) -> Option<(SockaddrStorage, SocketAddr)> {
    let v4 = address.as_sockaddr_in().map(|it| SocketAddr::V4(SocketAddrV4::from(*it)));
    let v6 = || address.as_sockaddr_in6().map(|it| SocketAddr::V6(SocketAddrV6::from(*it)));
    Some((address, v4.or_else(v6)?))
}

/// The answers of one batch on their way out.
struct Answers {
    datagrams: Vec<Vec<u8>>,
    to: [Option<SockaddrStorage>; BATCH_MAX],
    count: usize,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Answers {
    fn new() -> Self {
        let datagrams = (0..BATCH_MAX).map(|_| Vec::with_capacity(DATAGRAM_BYTES_MAX));
        Self {
            datagrams: datagrams.collect(),
            to: [None; BATCH_MAX],
            count: 0,
            headers: MultiHeaders::preallocate(BATCH_MAX, None),
        }
    }

    /// The memory of the next answer. There is always one: a batch has no more answers than questions.
    fn next(&mut self) -> &mut Vec<u8> {
        &mut self.datagrams[self.count]
    }

    /// Keeps what was written to [`Answers::next`], unless that is nothing.
    fn keep(&mut self, to: SockaddrStorage) {
        if !self.datagrams[self.count].is_empty() {
            self.to[self.count] = Some(to);
            self.count += 1;
        }
    }

    /// Sends all, and says how many the system would not take. It never waits: with a full send buffer the rest is
    /// given up, for the askers ask again.
    fn send(&mut self, socket: &UdpSocket) -> u64 {
        let (count, mut done, mut unsent) = (std::mem::take(&mut self.count), 0, 0);
        let slices: [[IoSlice<'_>; 1]; BATCH_MAX] =
            array::from_fn(|place| [IoSlice::new(&self.datagrams[place])]);
        while done < count {
            let sent = sendmmsg(
                socket.as_raw_fd(),
                &mut self.headers,
                slices[done..count].iter(),
                &self.to[done..count],
                [],
                MsgFlags::MSG_DONTWAIT,
            );
            match sent.map(Iterator::count) {
                Ok(sent) if sent > 0 => done += sent,
                Err(Errno::EINTR) => {}
                Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => {
                    unsent += count - done;
                    done = count;
                }
                // This one asker cannot be reached, or the error is an older answer's: the others shall not suffer.
                Err(_) => {
                    unsent += 1;
                    done += 1;
                }
            }
        }
        unsent as u64
    }
}

/// Makes the answer a part of the asker's trace. The span is made when the work is done, since only then is it known to
/// be worth one: a datagram without proof must not fill anybody's traces.
fn trace(answered: &Answered, epoch: u64, began: Instant, ended: Instant) {
    let Some(trace) = answered.trace else { return };
    let span = tracing::info_span!(
        "reputation.answer",
        otel.kind = "server",
        items = answered.items,
        listed = answered.listed(),
        epoch,
        took_us = ended.saturating_duration_since(began).as_micros() as u64,
    );
    propagation::adopt(&span, propagation::remote_context(trace.trace_id, trace.parent_span_id));
    // A span that was never entered is exported all the same; entering gives it its times.
    let _entered = span.entered();
}
