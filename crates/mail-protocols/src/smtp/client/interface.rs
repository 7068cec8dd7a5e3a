//! What goes into a sending session and what comes out of it.

use std::time::Duration;

use bytes::Bytes;

use super::super::Mode;
use super::super::address::Address;
use super::super::client_facts::ClientFacts;
use super::super::limits;
use super::super::parameters::Parameters;
use super::super::reply::Reply;
use super::failure::Failure;

/// How a sending session behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// SMTP or LMTP.
    pub mode: Mode,
    /// What this side calls itself in EHLO or LHLO.
    pub host_name: String,
    /// Send commands ahead of their replies where the far side offers it.
    pub pipelining: bool,
    /// How long each kind of reply may take.
    pub timeouts: Timeouts,
}

impl Config {
    /// The usual behaviour.
    pub fn new(mode: Mode, host_name: &str) -> Self {
        let host_name = host_name.to_owned();
        Self { mode, host_name, pipelining: true, timeouts: Timeouts::default() }
    }
}

/// How long the far side may take.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// See [`limits::GREETING_TIMEOUT`].
    pub greeting: Duration,
    /// See [`limits::ENVELOPE_TIMEOUT`].
    pub envelope: Duration,
    /// See [`limits::DATA_TIMEOUT`].
    pub data: Duration,
    /// See [`limits::CONTENT_TIMEOUT`]: how long the caller may take for the next piece, its wait for the socket included.
    pub content: Duration,
    /// See [`limits::FINAL_TIMEOUT`].
    pub last: Duration,
    /// See [`limits::QUIT_TIMEOUT`].
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            greeting: limits::GREETING_TIMEOUT,
            envelope: limits::ENVELOPE_TIMEOUT,
            data: limits::DATA_TIMEOUT,
            content: limits::CONTENT_TIMEOUT,
            last: limits::FINAL_TIMEOUT,
            quit: limits::QUIT_TIMEOUT,
        }
    }
}

/// What happens to a sending session.
///
/// Orders of one transaction may come at once or each after the answer to the one before; the session
/// keeps their order and sends each as soon as the far side may have it.
#[derive(Clone, Debug)]
pub enum Event {
    /// Bytes from the far side.
    Received(Bytes),
    /// The far side will send nothing more.
    PeerClosed,
    /// Begin a transaction. Answered by [`Output::MailReplied`] or [`Output::Failed`].
    Mail {
        /// The sender.
        from: Address,
        /// As they came; what the far side lacks is left away or refused, see [`Parameters::fit`].
        parameters: Parameters,
        /// Told by XFORWARD where the far side takes it.
        forwarded: ClientFacts,
    },
    /// Name a recipient. Answered by [`Output::RcptReplied`], unless the transaction fails first.
    Rcpt {
        /// The recipient.
        to: Address,
        /// As they came.
        parameters: Parameters,
    },
    /// Ask to send the mail, once all recipients are answered. Answered by [`Output::GoAhead`] or [`Output::Failed`].
    Data,
    /// The next bytes of the mail, after [`Output::GoAhead`].
    Content(Bytes),
    /// The mail is whole: send the final dot. Answered by [`Output::Delivered`] or [`Output::Failed`].
    Commit,
    /// Give the transaction up. Once content has begun this closes the connection, without the final dot.
    Abort,
    /// Take leave. Gives up what is unfinished.
    Quit,
    /// The deadline may have passed.
    Timer,
}

/// What a sending session wants done or made known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes to the far side.
    Send(Bytes),
    /// A transaction may begin: after the greetings, and again whenever one is over.
    /// [`super::Client::extensions`] says what the far side can do.
    Ready,
    /// The far side accepted the sender.
    MailReplied(Reply),
    /// What the far side said about a recipient; or, with 452 or 553, this side, when it may not name it there.
    RcptReplied {
        /// Which: the first is 0.
        index: usize,
        /// As it came.
        reply: Reply,
    },
    /// The far side waits for the mail.
    GoAhead,
    /// The far side answered the final dot: one reply, or in LMTP one for each accepted recipient in the order of
    /// RCPT. The replies may still say no.
    Delivered(Vec<Reply>),
    /// The transaction, or the connection before there was one, is over without an answer to the final dot.
    /// [`Output::Ready`] follows if the connection is still good, [`Output::Close`] if not.
    Failed(Failure),
    /// Worth counting or logging.
    Noted(Fact),
    /// Close the connection once all was sent. The last output.
    Close,
}

/// Worth counting or logging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Parameters with these keywords were left away: the far side lacks their extension.
    ParametersDropped(Vec<String>),
    /// The far side refused XFORWARD; the mail goes on without.
    XforwardRefused(Reply),
    /// The far side does not know EHLO; no extension can be used.
    NoExtensions,
    /// The caller's content held this many look-alike line ends, which were sent as CR LF.
    BareLineEndsRewritten(u64),
}
