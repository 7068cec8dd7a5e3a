//! SMTP (RFC 5321) and, by the same code, LMTP (RFC 2033): grammar, content and both sides of a session.

pub mod address;
pub mod client;
pub mod client_facts;
pub mod command;
pub mod data;
pub mod extensions;
pub mod limits;
pub mod line_ends;
pub mod parameters;
pub mod reply;
pub mod server;

/// Which of the two protocols a session speaks. What differs is in [`crate::lmtp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// RFC 5321: one reply for the whole mail.
    Smtp,
    /// RFC 2033: one reply per accepted recipient after the final dot.
    Lmtp,
}
