//! The compact exchange on UDP port 7060: naming, packets, both sides of the talk, and the table that answers.
//!
//! **Holds** the table of listed signatures ([`signatures::Table`]), one question on its way ([`asking::Asking`]),
//! the proof and rate of sources ([`answering::Answering`]), and the sessions of both sides ([`seal`]).
//! **Takes** digests and sketches to name, datagrams, changes of the table, `now`, secrets and seeds.
//! **Gives** signatures, datagrams to send, listings, and facts to count and log.
//! **May touch** its own memory, each piece under a named limit.
//! **Never** opens a socket or a file, reads a clock, draws a random number, logs, or writes to the table because of a
//! datagram.
//! **If it fails** a datagram is ignored, a question ends unanswered (the mail is judged without it and says so), a
//! change is refused with its reason.
//!
//! The layout is specified in `docs/reputation-packet.md`; golden packets stand in `tests/packets/`.

pub mod answering;
pub mod asking;
mod hashing;
pub mod known;
pub mod naming;
pub mod packet;
pub mod seal;
pub mod sightings;
pub mod signatures;
