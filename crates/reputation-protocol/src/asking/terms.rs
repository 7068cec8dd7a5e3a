//! What goes in and comes out of a question on its way.

use std::net::SocketAddr;
use std::time::Duration;

use tamis_domain::reputation::Listing;

use crate::packet::{Item, Malformed, Session, Trace};
use crate::seal::{Fault, Seal};

/// A server to ask.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The cookie it gave last, see [`super::Cookies::of`]; 0: none yet.
    pub cookie: u64,
    /// How it is asked, see [`crate::seal::Client::equip`].
    pub seal: Seal,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// With no answer for so long, another server is wanted to race the first (the selector's `hedge_after`).
    pub hedge_after: Option<Duration>,
    /// A server that is silent for so long has failed, and another is wanted in its place.
    pub answer_within: Duration,
    /// The end, counted from the beginning: the mail is judged without an answer.
    pub budget: Duration,
}

/// What one mail asks, and whom. Either all its servers are asked under a seal or none: another is not asked.
#[derive(Debug)]
pub struct Plan {
    /// Everything worth asking, in the mail's order. What does not fit one datagram is left out by kind: texts, then
    /// parts, attachments, HTML, images, links, senders.
    pub items: Vec<Item>,
    /// A fresh random number: who cannot read the datagrams cannot forge an answer.
    pub id: u64,
    /// The trace of the mail, when it is sampled.
    pub trace: Option<Trace>,
    /// Whether servers may count the question as a sighting of its items.
    pub is_sighting: bool,
    /// How long to wait.
    pub times: Times,
    /// The best server.
    pub first: Server,
    /// Another that is due for a measurement: asked at once, too.
    pub probe: Option<Server>,
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A datagram came.
    Received {
        /// From this address.
        from: SocketAddr,
        /// With these bytes.
        datagram: &'a [u8],
    },
    /// The network says that nobody listens there (connection refused, port unreachable).
    Refused(SocketAddr),
    /// Ask this server as well: the answer to an [`Output::Want`].
    Ask(Server),
    /// This is how to ask a server now: the answer to [`Want::Seal`].
    Equipped(Server),
    /// There is nobody else to ask: the other answer to an [`Output::Want`], so that nothing waits for nobody.
    Nobody,
    /// The deadline has come. Harmless at any other time.
    Timer,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram.
    Send {
        /// To this server.
        server: SocketAddr,
        /// These bytes.
        datagram: Vec<u8>,
        /// Why.
        sending: Sending,
    },
    /// Name another server, if there is one worth asking.
    Want(Want),
    /// Something worth knowing.
    Noted(Fact),
    /// The end of the question, exactly once.
    Finished(Outcome),
}

/// Why a datagram is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// The question.
    First,
    /// The same, to measure an unknown server.
    Probe,
    /// The same, because the first server is later than usual.
    Hedge,
    /// The same, because a server failed.
    Another,
    /// The next datagram to a server that was asked already: with the cookie that it demanded, the question itself after
    /// the handshake, or beside the question the hello that renews its session.
    Proof,
}

/// Which server is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// One to race this one, within the budget for duplicates.
    Hedge(SocketAddr),
    /// One to replace this one, which failed. The same again is allowed where there is no other.
    Another(SocketAddr),
    /// How to go on with this one, which was asked already and said something about its session: [`Event::Equipped`] with
    /// what [`crate::seal::Client::equip`] makes of it, after all facts noted before were taken.
    Seal(SocketAddr),
}

/// Something worth knowing, for selector, cookies, counters and trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A good answer came, the first or a later one.
    Answered {
        /// From this server.
        server: SocketAddr,
        /// So long after it was asked, with proof where it demanded one.
        after: Duration,
        /// With this epoch.
        epoch: u64,
        /// While it was cut off from the order of writes: others may know more.
        is_stale: bool,
        /// After [`Fact::TimedOut`] was noted of it: its flight is over already.
        late: bool,
    },
    /// A server says that it keeps other values than it was asked for: the map of the shards is wrong. What it
    /// answered beside that is not used.
    Elsewhere {
        /// This server.
        server: SocketAddr,
    },
    /// A server was silent for too long.
    TimedOut(SocketAddr),
    /// Nobody listens there.
    Refused(SocketAddr),
    /// A server gave a cookie: keep it with [`super::Cookies::learn`].
    Cookie {
        /// This server.
        server: SocketAddr,
        /// This cookie.
        cookie: u64,
    },
    /// A server answered a handshake. [`crate::seal::Client::note`] tells whether it is believed.
    Session {
        /// This server.
        server: SocketAddr,
        /// In these words.
        reply: Session,
    },
    /// A server does not know the session any more.
    SessionLost {
        /// This server.
        server: SocketAddr,
        /// This session.
        session: u64,
    },
    /// A datagram was not believed.
    Ignored {
        /// It came from here, if that is true.
        from: SocketAddr,
        /// Why not.
        why: Disbelief,
    },
    /// Items did not fit the datagram and were not asked.
    LeftOut(usize),
}

/// Why a datagram was not believed. Always the peer's fault, or an attacker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disbelief {
    /// It is no reply.
    #[error("{0}")]
    Malformed(Malformed),
    /// It does not answer this question.
    #[error("it answers another question")]
    Id,
    /// It comes from somebody who was not asked.
    #[error("its sender was not asked")]
    Sender,
    /// It has more or fewer listings than items were asked.
    #[error("it has {0} listings, which is not what was asked")]
    Count(usize),
    /// It is longer than the question.
    #[error("it is longer than the question")]
    Longer,
    /// A second demand for proof.
    #[error("proof was given already")]
    Twice,
    /// It is in clear where only a seal is believed.
    #[error("it has no seal")]
    Unsealed,
    /// It is a handshake's or sealed, and neither was begun.
    #[error("nothing sealed was asked")]
    NotSealed,
    /// Its seal does not hold.
    #[error("{0}")]
    Seal(Fault),
}

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Answered {
        /// By this server.
        server: SocketAddr,
        /// With this epoch.
        epoch: u64,
        /// One for each of [`Plan::items`], in their order. Items left out have `None`, like unknown ones.
        listings: Vec<Option<Listing>>,
    },
    /// Without: the budget is spent, or all refused and nobody else was named, or what was asked for is kept elsewhere.
    Unanswered,
    /// There was nothing to ask.
    NothingToAsk,
}
