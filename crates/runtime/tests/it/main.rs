//! The room as its users see it, over real sockets.

// Helpers stand outside the test functions, where clippy would not see that they are tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admin;
mod metrics;
mod panics;
mod tls;
mod traces;
