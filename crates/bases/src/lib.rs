//! Signed bases: what travels between sites, and what is believed of it.
//!
//! **Holds** nothing between calls but a [`pull::Pull`] that its caller keeps.
//! **Takes** files to publish, manifests and chunks that came, keys, the time.
//! **Gives** manifests, lists of chunks, filters, what is missing, and refusals.
//! **May touch** its own memory, each piece under a named limit.
//! **Never** opens a socket or a file, reads a clock, draws a random number, or believes what is not signed.
//! **If it fails** the bases in force stay in force, and the error says whose fault it is.
//!
//! A *release* is a set of named files. Each file is cut into chunks where its content says so ([`chunks`]); the names of
//! its chunks stand in a list that is a chunk itself ([`lists`]); the names of the lists stand in a signed [`manifest`].
//! Who receives a manifest judges it ([`standing`]), finds what is missing ([`pull`]) and asks for it ([`messages`]).

pub mod chunks;
pub mod filter;
pub mod keys;
pub mod label;
pub mod lists;
pub mod manifest;
pub mod messages;
pub mod pull;
pub mod standing;
mod wire;
