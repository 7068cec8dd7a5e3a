//! Seeded simulation of clients and servers, without sockets: the selector beside round robin, best-of-two and
//! least-outstanding in the same worlds. `SEED=n` replays one seed of the sweep and prints it,
//! `SEEDS=n` sweeps more of them; with `--nocapture` each scene prints its table.
//!
//! The figures for people (`cargo run --release -p tamis-load-tests --bin selection -- simulate`) run the same worlds.
//!
//! A question that is not answered in the asker's time (25 ms for a lookup) counts as that time for everybody.

#![allow(clippy::expect_used)] // helpers of tests: a world that breaks its own rules must stop

mod catalogue;
mod rivals;
mod scenarios;
mod sweep;
mod total;
mod world;
