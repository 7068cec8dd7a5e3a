//! Who has which address: each process one of its own in `127.N.0.0/16`, with the port that it has everywhere.
//!
//! Addresses of loopback and no network namespace: swaks, a browser or `tamis signature` reach them from any shell of
//! this machine and nobody from outside, nothing is set up that would have to be taken down, and a process that is
//! killed leaves nothing behind. What it cannot do is cut a wire: a laboratory of faults needs namespaces.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, bail};

/// The second byte of all addresses unless told otherwise: after 198.18.0.0/15, the benchmarking range (RFC 2544).
pub(super) const DEFAULT: u8 = 18;
/// 127.0.0.0/16 is where other programs of this machine listen.
const FIRST: u8 = 1;
/// Programs of one role: what one byte of the address holds besides 0 and 255.
pub(super) const MEMBERS_MAX: u8 = 254;

/// What a process is; the third byte of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Redis = 1,
    Reputation = 2,
    Scanner = 3,
    Edge = 4,
    Postfix = 5,
    Sink = 6,
    Prometheus = 7,
    NameServer = 8,
}

/// The addresses of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network(u8);

impl Network {
    /// `127.N.0.0/16`.
    pub(super) fn new(number: u8) -> Result<Self> {
        if !(FIRST..=MEMBERS_MAX).contains(&number) {
            bail!("--network is a number from {FIRST} to {MEMBERS_MAX}");
        }
        Ok(Self(number))
    }

    pub(super) fn number(self) -> u8 {
        self.0
    }

    /// The address of the `number`th of a role, from 1.
    pub(super) fn ip(self, role: Role, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.0, role as u8, number)
    }

    pub(super) fn at(self, role: Role, number: u8, port: u16) -> SocketAddr {
        (self.ip(role, number), port).into()
    }
}
