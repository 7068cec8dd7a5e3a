//! Milter, protocol version 6, filter side: the MTA is the client, we answer.
//!
//! - [`frame`] finds the boundary of a frame first and parses second;
//! - [`negotiate`] chooses the subset of actions and protocol steps that both sides can do;
//! - [`facts`] are what the MTA told us: client, addresses, macros;
//! - [`rebuild`] turns header frames back into the bytes that SMTP carried;
//! - [`reply`] says what may be answered, [`encode`] writes it;
//! - [`session`] is the state machine that joins them, [`events`] what goes in and comes out.
//!
//! Sources: the frame layout is the one that libmilter documents as `SMFIC_*`, `SMFIR_*`,
//! `SMFIF_*` and `SMFIP_*`; the habits of real MTAs were observed with Postfix 3.7 and Sendmail
//! 8.17, and each has a replay file in `tests/talks/milter/`.
//!
//! # Feeding it arbitrary bytes
//!
//! A [`session::Session`] needs nothing but bytes and an instant, so a fuzz target is short:
//! create it with [`negotiate::Options::default`], hand each slice to
//! [`session::Session::handle`] as [`events::Event::Bytes`], drain [`session::Session::poll`],
//! and answer every [`events::Output::EndOfMessage`] through [`session::Session::finish`].
//! What must hold: no panic; [`events::Output::Close`] at most once and last; every `Begin` is
//! followed by exactly one `EndOfMessage` or `Aborted`, save for the last of a stream still open;
//! and the outputs do not depend on how the bytes were cut (neighbouring `Content` and `Send`
//! outputs joined). Frames worth starting from come from [`frame::Command::encode`].

use std::time::Duration;

pub mod encode;
pub mod events;
pub mod facts;
pub mod frame;
pub mod negotiate;
pub mod rebuild;
pub mod reply;
pub mod session;

/// Longest frame taken from an MTA: the value of the length field, so the command byte counts.
///
/// Body chunks end at 65,535 bytes, but one header frame of Postfix may reach its
/// `header_size_limit` (102,400 by default, often raised). One byte more is an error: the
/// boundary of a frame that long cannot be trusted.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Longest payload of one reply of ours, the command byte not counted: Sendmail drops a filter
/// that sends more. A longer body goes out in several chunks, a longer header is refused.
pub const REPLY_PAYLOAD_BYTES_MAX: usize = 65_535;

/// Most recipients held for one message. Postfix stops at 1,000 (`smtpd_recipient_limit`),
/// Sendmail has no limit of its own. Beyond: 452 4.5.3, so the sender tries again with fewer.
pub const RECIPIENTS_MAX: usize = 10_000;

/// Most bytes held for sender, recipients and their ESMTP parameters of one message (a parameter
/// costs 32 more than its text): 10,000 recipients of 400 bytes. Without it 10,000 recipient frames of 1 MiB would be 10 GiB.
/// Beyond: 452 4.5.3.
pub const ENVELOPE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most bytes of macro names and values held for a connection, and again for a message. Postfix
/// and Sendmail send under 1 KiB. Macros only inform, so what is beyond is dropped and noted; no
/// mail is refused for it.
pub const MACRO_BYTES_MAX: usize = 32 * 1024;

/// Most macros in one frame. Sendmail takes 50 names a list; this bounds the table that one frame
/// of empty names would make. Beyond: malformed.
pub const MACROS_PER_FRAME_MAX: usize = 1_024;

/// Most ESMTP parameters of one address: a command line of 2,048 bytes (Postfix) holds fewer.
/// Beyond: malformed.
pub const PARAMETERS_MAX: usize = 1_024;

/// Most header bytes of one message (rebuilt, the blank line not counted). Real headers stay
/// under 256 KiB; this bounds what a header flood can cost. Beyond: 552 5.3.4, since the same
/// mail would be as long tomorrow.
pub const HEADER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most modifications in one plan: every recipient removed and 2,000 edits of headers.
pub const MODIFICATIONS_MAX: usize = 12_000;

/// Most lines of one SMTP reply text; libmilter takes no more than 32.
pub const REPLY_LINES_MAX: usize = 32;

/// Longest line of a reply text. An SMTP reply line ends at 512 bytes (RFC 5321, 4.5.3.1.5), with
/// code, enhanced code (`554 5.999.999 ` is 14) and line end: 480 leaves room for all.
pub const REPLY_LINE_BYTES_MAX: usize = 480;

/// How often a progress frame goes out while the verdict is awaited, unless the caller says
/// otherwise. Postfix waits 300 s from the last frame (`milter_content_timeout`), but local
/// settings of 30 s exist; Sendmail takes progress frames and does not wait longer for them.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Longest wait for the caller's verdict. After it the session itself answers tempfail: progress
/// frames would otherwise make Postfix wait for ever. Twice the time that both MTAs grant.
pub const VERDICT_WAIT_MAX: Duration = Duration::from_secs(600);

/// Longest wait for the caller's word on one recipient. After it the recipient is kept, since
/// the whole message is judged later anyway; below the 30 s of `milter_command_timeout`.
pub const RECIPIENT_WAIT_MAX: Duration = Duration::from_secs(20);

/// Who is to blame for an error of this room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The MTA broke the protocol.
    Peer,
    /// Our own plan or call was wrong.
    Ours,
}

/// What to do after an error of this room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Close the connection: the MTA applies its default action (tempfail unless configured
    /// otherwise), so the mail stays with its sender.
    CloseConnection,
    /// Nothing was sent: the caller chooses a plan that can be carried out.
    ChooseAnotherPlan,
    /// The message is no longer waiting for this answer: the caller drops it.
    DropAnswer,
}

/// What the MTA did wrong. After any of these the session is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MilterError {
    /// The length field was 0, so there is no command byte.
    #[error("the MTA sent a frame of length 0; closing the connection")]
    EmptyFrame,
    /// The length field was over [`FRAME_BYTES_MAX`].
    #[error("the MTA announced a frame of {length} bytes, limit {FRAME_BYTES_MAX}; closing")]
    FrameTooLong {
        /// The length field.
        length: u32,
    },
    /// The command byte is none of protocol version 6.
    #[error("the MTA sent the unknown command 0x{0:02x}; closing the connection")]
    UnknownCommand(u8),
    /// The payload does not have the shape of its command.
    #[error("the MTA sent a malformed {command:?} frame: {why}; closing the connection")]
    Malformed {
        /// The command byte, as a character.
        command: char,
        /// What was missing or wrong.
        why: &'static str,
    },
    /// A command that has no place at this point of the session.
    #[error("the MTA sent {command:?} {place}; closing the connection")]
    OutOfTurn {
        /// The command byte, as a character.
        command: char,
        /// Where the session was.
        place: &'static str,
    },
    /// The MTA speaks a version older than 2.
    #[error("the MTA offers milter version {offered}, at least 2 is needed; closing")]
    VersionTooOld {
        /// The version in its offer.
        offered: u32,
    },
}

impl MilterError {
    /// Always the MTA: our own mistakes are [`reply::PlanError`].
    #[must_use]
    pub fn blame(&self) -> Blame {
        Blame::Peer
    }

    /// Always to close: after a broken frame no later boundary can be trusted.
    #[must_use]
    pub fn next_step(&self) -> NextStep {
        NextStep::CloseConnection
    }
}
