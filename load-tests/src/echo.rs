//! The least that a UDP server can do: take a batch, give back the first bytes of each datagram. What the system itself
//! costs, and so the measure of everything that does more.

use std::array;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::socket::{
    MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt, sockopt,
};

/// Datagrams in one call: as many as the reputation service takes.
pub const BATCH: usize = 32;

/// Echoes the first `answer_bytes` of every datagram until killed.
///
/// # Errors
/// The system's.
pub fn serve(address: SocketAddr, answer_bytes: usize) -> Result<()> {
    let socket = UdpSocket::bind(address)?;
    buffers(&socket)?;
    let mut datagrams = vec![[0u8; 1233]; BATCH];
    let mut inwards = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let mut outwards = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let mut to = [None; BATCH];
    loop {
        let count = {
            let mut rest = datagrams.iter_mut();
            let mut slices: [_; BATCH] = array::from_fn(|_| {
                [IoSliceMut::new(rest.next().map_or(&mut [][..], |it| &mut it[..]))]
            });
            let flags = MsgFlags::MSG_WAITFORONE;
            let received =
                match recvmmsg(socket.as_raw_fd(), &mut inwards, slices.iter_mut(), flags, None) {
                    Ok(received) => received,
                    Err(Errno::EINTR) => continue,
                    Err(error) => return Err(error.into()),
                };
            let mut count = 0;
            for (place, message) in to.iter_mut().zip(received) {
                *place = message.address;
                count += 1;
            }
            count
        };
        let slices: [_; BATCH] =
            array::from_fn(|place| [IoSlice::new(&datagrams[place][..answer_bytes])]);
        // An answer that does not leave is lost, as everywhere.
        let _ = sendmmsg(
            socket.as_raw_fd(),
            &mut outwards,
            slices[..count].iter(),
            &to[..count],
            [],
            MsgFlags::MSG_DONTWAIT,
        );
    }
}

/// As large a buffer as the reputation service has, on both sides of the measurement.
///
/// # Errors
/// The system's.
pub fn buffers(socket: &UdpSocket) -> Result<()> {
    let bytes = tamis_reputation::serve::RECEIVE_BUFFER_BYTES;
    if setsockopt(socket, sockopt::RcvBufForce, &bytes).is_err() {
        setsockopt(socket, sockopt::RcvBuf, &bytes)?;
    }
    Ok(())
}
