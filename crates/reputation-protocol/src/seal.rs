//! Sealed questions: who asks what stays between client and server, and nobody else can ask or answer in their names.
//!
//! A client and its servers share a key of 32 bytes ([`Key`], [`Keys`]). Before its first question to a server, and once
//! an hour, the client makes a session: hello and session carry ephemeral X25519 keys, authenticated with the shared key;
//! from both comes a pair of AES-128-GCM keys, one for each direction. The shared key itself seals nothing and the
//! ephemeral secrets are dropped, so who steals the shared key later cannot read what was recorded before (forward
//! secrecy for each session). That costs two scalar multiplications on each side, once an hour and client; without it
//! one stolen file would open a year of questions, and with it the question which texts a site received.
//!
//! **Protected**: content of questions and answers (signatures, sketches, trace, listings, epoch), their authenticity, and
//! that each is taken once. **Not protected**: that, when and how much is asked; the number of items; flags; the
//! client's key id; the source address.
//!
//! A session is renewed by a hello that names it instead of a cookie, beside a question that it still seals: no round trip
//! for a new proof, and no moment without a session.
//!
//! Costs are paid in the order of their price: a cookie (one keyed hash), the client's MAC (one HMAC), the handshake
//! under its own rates. Two small state machines: [`Server`] stands inside `Answering`, [`Client`] beside the cookies.

mod client;
mod keys;
mod schedule;
mod server;
mod window;

use std::time::Duration;

pub(crate) use client::Stub;
pub use client::{
    CLIENT_SERVERS_MAX, Client, HELLO_PACE, OPENING_LIFE, Opening, RENEW_AFTER, SILENCES_MAX, Seal,
    Ticket,
};
pub use keys::{CLIENTS_MAX, Key, KeyFault, Keys};
pub use server::{Opened, PER_CLIENT_MAX, SESSIONS_MAX, Server, Settings, Work};
pub use window::WINDOW;

/// Time that a session lives at most, from its handshake on the server. Bounds what one stolen session key opens.
pub const SESSION_LIFE: Duration = Duration::from_secs(3600);

/// Questions in one session: with 77 blocks of AES each at most, 2^34.3 blocks stay near the bound that TLS 1.3 keeps
/// for AES-GCM (RFC 8446, section 5.5). At 50,000 questions a second a session's hour holds 1.8e8.
pub const COUNTERS_MAX: u64 = 1 << 28;

/// Why something under a seal was not taken. What follows is the same for all: the server is silent, the client waits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Sealing is not configured here. Ours, or a client with the wrong server.
    #[error("no keys are configured here")]
    Off,
    /// The server answers sealed questions only. The client's fault: it needs a key.
    #[error("a question without a seal where one is required")]
    Unsealed,
    /// Nobody has a key of this name. The client's fault, or its key was taken away.
    #[error("no client has a key of this name")]
    Key,
    /// The code is not made with the shared key. The peer's fault, or the two files differ.
    #[error("the handshake is not authentic")]
    Mac,
    /// More handshakes than this client, or all of them, may make. Wait.
    #[error("more handshakes than allowed")]
    Busy,
    /// A public key that gives no secret. The peer's fault.
    #[error("the public key gives no secret")]
    Public,
    /// The session is not known: expired, replaced, or of a server before its restart. Make a new one.
    #[error("the session is not known")]
    Session,
    /// The session belongs to another address. An attacker's doing, or the client moved and must make a new one.
    #[error("the session was made from another address")]
    Source,
    /// The counter was taken before or is too old. The network's doubling, or a replay.
    #[error("the counter was used before")]
    Replayed,
    /// What came is not what was sealed. The network's fault, or a forgery.
    #[error("the seal is broken")]
    Tag,
    /// It answers another question.
    #[error("it is sealed for another question")]
    Other,
    /// The cryptographic library refused. Ours.
    #[error("the cryptographic library refused")]
    Library,
}

#[cfg(test)]
mod tests;
