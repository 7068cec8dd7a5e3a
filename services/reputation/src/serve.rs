//! The UDP loop: read what is there, answer it, sleep. It never waits for anything but its socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tamis_reputation_protocol::answering::{Action, Answered, Answering};
use tamis_reputation_protocol::known::Known;
use tamis_reputation_protocol::packet::DATAGRAM_BYTES_MAX;
use tamis_runtime::clock;
use tamis_runtime::telemetry::propagation;
use tokio::net::UdpSocket;

use crate::shared::Shared;

/// Datagrams answered under one look at the table. A write waits for as many: 64 take some 100 microseconds.
pub const BATCH_MAX: usize = 64;

/// Kernel buffer asked for: about 50 ms of questions at full speed. More would keep questions that nobody waits for.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Rest of a socket that gives nothing but errors (its interface is gone): trying on would only burn the processor.
const PAUSE: Duration = Duration::from_millis(10);

/// Opens `count` sockets on one UDP address; with port 0 the system chooses one for all. Must be called inside a tokio
/// runtime.
///
/// # Errors
/// The system's: the port is taken, or the address is not of this machine.
pub fn bind(address: SocketAddr, count: u16) -> io::Result<Vec<UdpSocket>> {
    let mut address = address;
    let mut sockets = Vec::new();
    for _ in 0..count.max(1) {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        // Alone it must not share: a second process on the port would take half of the questions.
        socket.set_reuse_port(count > 1)?;
        // The system may grant less; then a burst costs answers sooner.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(sockets)
}

/// Answers on one socket until dropped.
pub async fn serve(socket: UdpSocket, mut answering: Answering, shared: Arc<Shared>) {
    // One byte more than fits, so that a longer datagram is seen to be longer.
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX + 1];
    let mut out = Vec::with_capacity(DATAGRAM_BYTES_MAX);
    loop {
        let waited = socket.readable().await;
        let batch = batch(&socket, &mut answering, &shared, &mut datagram, &mut out);
        match (waited, batch) {
            (Ok(()), Batch::Drained) => {}
            // Others on this thread get their turn under full load.
            (Ok(()), Batch::Full) => tokio::task::yield_now().await,
            (Err(_), _) | (_, Batch::Failing) => {
                tracing::warn!("the UDP socket gives nothing but errors; waits");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    /// Nothing waits any more.
    Drained,
    /// There may be more.
    Full,
    /// There were errors only.
    Failing,
}

/// Answers what is waiting, up to a full batch.
fn batch(
    socket: &UdpSocket,
    answering: &mut Answering,
    shared: &Shared,
    datagram: &mut [u8],
    out: &mut Vec<u8>,
) -> Batch {
    let table = shared.table();
    let now_unix_s = u32::try_from(clock::unix_seconds()).unwrap_or(u32::MAX);
    let mut began = clock::now();
    let mut errors = 0;
    for _ in 0..BATCH_MAX {
        let (length, source) = match socket.try_recv_from(datagram) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Batch::Drained,
            // An ICMP error of an earlier answer: the asker went away. Not ours to mend.
            Err(_) => {
                errors += 1;
                continue;
            }
        };
        let bytes = &datagram[..length];
        let known = Known { is_stale: shared.is_stale(), ..Known::table(&table) };
        let action = answering.handle(bytes, source, began, now_unix_s, &known, out);
        if !out.is_empty() && socket.try_send_to(out, source).is_err() {
            // The send buffer is full or the way is gone: the asker asks again.
            shared.metrics.unsent.inc();
        }
        let ended = clock::now();
        shared.metrics.acted(&action, ended.saturating_duration_since(began).as_secs_f64());
        if let Action::Answer(answered) = &action {
            trace(answered, table.epoch(), began, ended);
        }
        began = ended;
    }
    if errors == BATCH_MAX { Batch::Failing } else { Batch::Full }
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
