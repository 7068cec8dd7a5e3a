//! Real peers for tests: mail servers, Redis, next hops, senders, and our own binaries as processes.
//!
//! **Holds** the processes, directories and ports of one test, from its first line to its last.
//!
//! **Takes** what a test wants of a peer: listeners, filters, answers of a next hop, a configuration file.
//!
//! **Gives** running peers, and what arrived, was logged, counted or said by them. The tests themselves are in
//! `tests/e2e/`, one file for each thing that an administrator relies on; `./test e2e` runs them.
//!
//! **May touch** the private roots of `scripts/roots.sh`, temporary directories, loopback ports, processes it started,
//! the clock.
//!
//! **Never** part of a product, linked by a room, or a stand-in for a room: what is tested is what is shipped. Never a
//! server of the machine itself, a process it did not start, or a network other than loopback.
//!
//! **If it fails** it panics with the reason and the end of the peer's log: to a test that is a failure. Peers die with
//! their test, and with their namespace at the latest.

pub mod corpus;
pub mod peers;
