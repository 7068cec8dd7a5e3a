//! The room as its users see it, over real sockets.

mod admin;
mod metrics;
mod tls;
mod traces;
