//! Measurements of Tamis beside its peers: what is promised in numbers is measured here, by commands anyone can run.
//!
//! **Holds** generators of load and the meters beside them.
//! **Takes** a scenario, built binaries, programs of other makers from packages.
//! **Gives** figures, as text and under `results/`.
//! **May touch** loopback sockets, network namespaces and processes that it started itself.
//! **Never** ships, and never sends anything beyond this machine.
//! **If it fails** the measurement says so; there is no figure that was not measured.

pub mod documents;
pub mod echo;
pub mod ending;
pub mod judgement;
pub mod mail;
pub mod near;
pub mod peer;
pub mod process;
pub mod report;
pub mod reputation;
pub mod scale;
pub mod times;
