//! Hostile bytes for every decoder of the project. Never shipped: it is part of the tests.
//!
//! **Holds** nothing; seeds stand in `seeds/<target>/`.
//! **Takes** any bytes.
//! **Gives** nothing: a target comes back, or it panics with what did not hold.
//! **May touch** every room's public functions, and the clock once a run, for an instant to count from.
//! **Never** opens a file or socket, draws a random number, or remembers anything from one run to the next: the same
//! bytes are always the same run.
//! **If it fails** an oracle did not hold or a decoder panicked: the bytes become a seed, and the decoder is mended.
//!
//! Two kinds of input: bytes that a peer sends are given as they are; values that we encode are picked out of the bytes
//! ([`pick`]), so that a fuzzer steers both directions. `tests/seeds.rs` replays all seeds and mutations of them on the
//! stable toolchain; `libfuzzer/` runs the same targets under a coverage-guided fuzzer.

// An oracle that does not hold panics: that is what a fuzzer hears.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod pick;
pub mod targets;
mod values;

/// One decoder under attack.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the function, of its seed folder and of its fuzzer.
    pub name: &'static str,
    /// Runs it once.
    pub run: fn(&[u8]),
}

/// Every target of this build.
#[must_use]
pub fn all() -> Vec<Target> {
    #[cfg(feature = "services")]
    let all = [targets::PURE, targets::SERVICES].concat();
    #[cfg(not(feature = "services"))]
    let all = targets::PURE.to_vec();
    all
}
