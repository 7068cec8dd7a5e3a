//! What goes into a receiving session and what comes out of it.

use std::time::Duration;

use bytes::Bytes;

use super::super::Mode;
use super::super::address::Address;
use super::super::client_facts::ClientFacts;
use super::super::command::HelloVerb;
use super::super::data::{BareLineEnd, ContentEnd, ContentFault};
use super::super::limits;
use super::super::line_ends::BareLineEnds;
use super::super::parameters::Parameters;
use super::super::reply::Reply;

/// How a receiving session behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// SMTP or LMTP.
    pub mode: Mode,
    /// What this side calls itself in greetings.
    pub host_name: String,
    /// The largest mail taken, in bytes of content; announced as SIZE.
    pub mail_bytes_max: u64,
    /// Announce 8BITMIME. Leave on unless the next hop is known not to have it.
    pub eight_bit_mime: bool,
    /// Announce DSN. Leave on unless the next hop is known not to have it.
    pub dsn: bool,
    /// Announce SMTPUTF8. Only when the next hop has it.
    pub smtputf8: bool,
    /// The peer may tell of its client by XFORWARD. Only for peers that the administrator named.
    pub xforward: bool,
    /// The peer may take the place of its client by XCLIENT. Only for peers that the administrator named.
    pub xclient: bool,
    /// What to do with look-alike line ends in content.
    pub bare_line_end: BareLineEnd,
    /// Recipients in one transaction; less than [`limits::RECIPIENTS_FLOOR`] counts as that.
    pub recipients_max: usize,
    /// Protocol errors borne before the client is sent away.
    pub errors_max: usize,
    /// See [`limits::COMMAND_TIMEOUT`].
    pub command_timeout: Duration,
    /// See [`limits::CONTENT_TIMEOUT`].
    pub content_timeout: Duration,
    /// See [`limits::CONTENT_TIMEOUT_TOTAL`].
    pub content_timeout_total: Duration,
}

impl Config {
    /// The usual behaviour towards a peer that nothing is known about.
    pub fn new(mode: Mode, host_name: &str) -> Self {
        Self {
            mode,
            host_name: host_name.to_owned(),
            mail_bytes_max: limits::MAIL_BYTES_DEFAULT,
            eight_bit_mime: true,
            dsn: true,
            smtputf8: false,
            xforward: false,
            xclient: false,
            bare_line_end: BareLineEnd::Reject,
            recipients_max: limits::RECIPIENTS_MAX,
            errors_max: limits::ERRORS_MAX,
            command_timeout: limits::COMMAND_TIMEOUT,
            content_timeout: limits::CONTENT_TIMEOUT,
            content_timeout_total: limits::CONTENT_TIMEOUT_TOTAL,
        }
    }
}

/// What happens to a receiving session.
#[derive(Clone, Debug)]
pub enum Event {
    /// Bytes from the peer, at most [`super::Server::room`].
    Received(Bytes),
    /// The peer will send nothing more.
    PeerClosed,
    /// The answer to [`Output::Mail`], [`Output::Rcpt`] or [`Output::EndOfData`]. A reply of 421 ends the session.
    /// In LMTP, at the end of data, every recipient gets it.
    Reply(Reply),
    /// In LMTP, the answers to [`Output::EndOfData`]: one for each accepted recipient, in the order of RCPT.
    Replies(Vec<Reply>),
    /// The caller wants no more of the mail that is arriving: drop the rest, and answer this at its end. After
    /// [`Output::EndOfData`], the same as [`Event::Reply`].
    Discard(Reply),
    /// Say this, usually 421, and close.
    Close(Reply),
    /// Finish the transaction that is open, if any, then send the client away with 421.
    Drain,
    /// The deadline may have passed.
    Timer,
}

/// What a receiving session wants done or made known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes to the peer.
    Send(Bytes),
    /// The client greeted. No answer is due.
    Hello {
        /// How.
        verb: HelloVerb,
        /// What it calls itself.
        name: String,
    },
    /// The client took the place of another by XCLIENT. No answer is due; the session starts again at its greeting.
    Client(ClientFacts),
    /// A transaction is wanted. Answer with [`Event::Reply`].
    Mail {
        /// The sender.
        from: Address,
        /// As they came.
        parameters: Parameters,
        /// What XFORWARD told; empty when it told nothing.
        forwarded: ClientFacts,
    },
    /// A recipient is wanted. Answer with [`Event::Reply`].
    Rcpt {
        /// The recipient.
        to: Address,
        /// As they came.
        parameters: Parameters,
    },
    /// The client was told to send the mail. No answer is due.
    Data,
    /// The next bytes of the mail, dots undone.
    Content(Bytes),
    /// The mail is whole. Answer with [`Event::Reply`] or, in LMTP, [`Event::Replies`].
    EndOfData(ContentEnd),
    /// The accepted transaction is over without a mail: forget what is held of it. No answer is due.
    Reset(Reset),
    /// The peer closed its side while an answer is due. It may still read; whoever has not committed yet may prefer to
    /// give up. The answer is still due.
    PeerGone,
    /// Worth counting or logging.
    Noted(Fact),
    /// Close the connection once all was sent. The last output.
    Close(Closed),
}

/// Why an accepted transaction is over without a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// The client said RSET.
    Asked,
    /// The client greeted again or said XCLIENT.
    Hello,
    /// The content was refused by this side; the client was told.
    Content(ContentFault),
    /// The caller discarded the content; the client was told what the caller said.
    Discarded,
    /// The connection ends.
    Closing,
}

/// Worth counting or logging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A mail held look-alike line ends, which were refused or rewritten.
    BareLineEnds(BareLineEnds),
    /// The caller gave another number of answers than were due; our fault, and answered for it by 451.
    AnswersMiscounted {
        /// How many were due.
        due: usize,
        /// How many came.
        given: usize,
    },
    /// The caller gave an answer that nobody had asked for; our fault.
    AnswerUnasked,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The client said QUIT.
    Quit,
    /// The client closed without QUIT.
    PeerGone,
    /// The client was too slow.
    TimedOut,
    /// The client made too many errors, or one after which nobody knows what is command and what is mail.
    Abuse,
    /// [`Event::Drain`].
    Drained,
    /// [`Event::Close`], or an answer of 421.
    ByCaller,
}
