//! Seeded simulation of clients and servers, without sockets: the selector beside round robin, best-of-two and
//! least-outstanding in the same worlds. `SEED=n` replays one seed of the sweep and prints it.
//!
//! A question that is not answered in 25 ms counts as 25 ms for everybody.

mod rivals;
mod scenarios;
mod sweep;
mod world;
