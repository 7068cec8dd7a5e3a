//! The talk of other people's programs, without sockets: SMTP, LMTP and milter sessions as state machines.
//!
//! **Holds**: the state of one connection: bytes not yet read, the open transaction, the replies still due.
//! **Takes**: bytes as they arrive, the caller's answers and orders, and `now` with each of them.
//! **Gives**: bytes to send, facts about the mail (envelope, content chunk by chunk), the next deadline.
//! **May touch**: memory, under the limits of `smtp::limits` and of `milter`; nothing else.
//! **Never**: opens sockets, reads a clock, draws a random number, judges a mail, keeps a whole mail, or
//! says that a mail was taken before its caller said so.
//! **If it fails**: it answers in the peer's own words, says whose fault it was and what may be tried next,
//! and asks for the connection to be closed when the two sides can no longer agree where a mail ends.

pub mod line;
pub mod lmtp;
pub mod milter;
pub mod smtp;
