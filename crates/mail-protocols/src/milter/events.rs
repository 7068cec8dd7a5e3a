//! What goes into a session and what comes out of it.

use bytes::Bytes;

use super::MilterError;
use super::facts::{Envelope, Macros, Mailbox};
use super::negotiate::Agreement;
use super::reply::{FinalReply, Modification, PlanError, RecipientReply};

/// Counts the messages of one connection, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNumber(pub u64);

/// What happens to a session.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// Bytes from the MTA, cut anywhere.
    Bytes(&'a [u8]),
    /// The MTA closed the connection, or it broke.
    Closed,
    /// The caller's answer to [`Output::EndOfMessage`]; the same as [`super::session::Session::finish`].
    Verdict {
        /// Which message.
        message: MessageNumber,
        /// In the order in which the MTA shall carry them out.
        modifications: Vec<Modification>,
        /// The last word.
        reply: FinalReply,
    },
    /// The caller's answer to [`Output::AskRecipient`].
    RecipientVerdict {
        /// Which message.
        message: MessageNumber,
        /// Keep or refuse.
        reply: RecipientReply,
    },
    /// [`super::session::Session::deadline`] has passed.
    Tick,
}

/// What a session wants done or known, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Bytes for the MTA.
    Send(Bytes),
    /// The MTA and we agreed: from now on the caller knows which plans it can carry out.
    Negotiated(Agreement),
    /// A new message begins: nothing of an earlier one is valid for it.
    Begin {
        /// Its number.
        message: MessageNumber,
    },
    /// A recipient that the caller may refuse, answered by [`Event::RecipientVerdict`]. Only with
    /// [`super::negotiate::Options::ask_recipients`], and never for mail from sendmail(1).
    AskRecipient {
        /// Which message.
        message: MessageNumber,
        /// The recipient.
        recipient: Mailbox,
    },
    /// The envelope is complete; content follows.
    Envelope {
        /// Which message.
        message: MessageNumber,
        /// What is known.
        envelope: Box<Envelope>,
    },
    /// The next bytes of the message as SMTP carried it: header, blank line, body, without dot
    /// stuffing. The MTA's own Received is not in it.
    Content(Bytes),
    /// The message is complete, and the caller must answer with a verdict.
    EndOfMessage(EndOfMessage),
    /// The message is over without a verdict: drop what is held for it.
    Aborted {
        /// Which message.
        message: MessageNumber,
        /// Who ended it.
        why: AbortReason,
    },
    /// An [`Event::Verdict`] could not be carried out. Unless the reason is
    /// [`PlanError::NotDue`], the verdict is still awaited.
    PlanRefused {
        /// Which message.
        message: MessageNumber,
        /// Why.
        error: PlanError,
    },
    /// Something to count or log.
    Noted(Fact),
    /// The MTA broke the protocol; `Close` follows.
    Failed(MilterError),
    /// Close the connection. The last output of all.
    Close,
}

/// The end of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOfMessage {
    /// Which message.
    pub message: MessageNumber,
    /// All macros: some (`msg_id`, and in Postfix sometimes `i`) come after the envelope.
    pub macros: Macros,
    /// Whether every header byte is as the MTA holds it. If not, DKIM results are unreliable.
    pub exact_headers: bool,
}

/// Who ended a message before its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortReason {
    /// The MTA: abort, or a new sender or greeting in the middle of a message.
    Mta,
    /// The session ended or the connection broke.
    SessionOver,
    /// A limit of ours; the MTA gets a refusal at the end of the message, or has got it.
    Limit(Limit),
    /// No verdict within [`super::VERDICT_WAIT_MAX`]: the MTA was told to try again later.
    VerdictOverdue,
}

/// Which limit a message went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`super::RECIPIENTS_MAX`] or [`super::ENVELOPE_BYTES_MAX`].
    Envelope,
    /// [`super::HEADER_BYTES_MAX`].
    HeaderBytes,
}

/// Things worth a log line or a counter; none of them stops the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The MTA cannot keep the leading space of headers: no message of it is exact.
    LeadingSpaceLost,
    /// A header held a line break without a blank after it; a blank was put in.
    HeaderMended(MessageNumber),
    /// Macros beyond [`super::MACRO_BYTES_MAX`] were dropped, in this connection or message.
    MacrosDropped,
    /// A recipient beyond a limit was refused by itself (452 4.5.3); the others go on.
    RecipientRefused(MessageNumber),
    /// No word on a recipient within [`super::RECIPIENT_WAIT_MAX`]: it was kept.
    RecipientUnanswered(MessageNumber),
    /// The connection ended inside a frame, of which so many bytes had come.
    ClosedInsideFrame(usize),
}
