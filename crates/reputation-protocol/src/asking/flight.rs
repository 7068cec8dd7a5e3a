//! One server that was asked.

use std::net::SocketAddr;
use std::time::Instant;

use crate::seal::{Opening, Stub};

/// One server that was asked, and how far that went.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) server: SocketAddr,
    pub(super) sent_at: Instant,
    /// Bytes of the longest datagram sent to it: no reply is longer.
    pub(super) sent_bytes: usize,
    pub(super) stage: Stage,
    /// How to go on was asked for and not told yet.
    pub(super) wants_seal: bool,
    /// A hello went beside the question, and its session is waited for, whoever wins the race.
    pub(super) renews: bool,
    state: State,
    proved: bool,
    reopened: bool,
    is_sent: bool,
}

/// What was said to it last.
#[derive(Debug)]
pub(super) enum Stage {
    /// The question in clear, or nothing yet.
    Asked,
    /// A hello.
    Greeted(Opening),
    /// The question under a seal.
    Sealed(Stub),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Silent,
    Refused,
    Answered,
}

impl Flight {
    pub(super) const fn new(server: SocketAddr, now: Instant) -> Self {
        Self {
            server,
            sent_at: now,
            sent_bytes: 0,
            stage: Stage::Asked,
            wants_seal: false,
            renews: false,
            state: State::Waiting,
            proved: false,
            reopened: false,
            is_sent: false,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    pub(super) fn is_refused(&self) -> bool {
        self.state == State::Refused
    }

    /// It was waited for long enough; its answer is still welcome.
    pub(super) const fn fail(&mut self) {
        self.state = State::Silent;
    }

    /// Nobody listens there.
    pub(super) const fn refuse(&mut self) {
        self.state = State::Refused;
    }

    /// An answer came: whether it is late. None: it came before.
    pub(super) fn answer(&mut self) -> Option<bool> {
        let late = match self.state {
            State::Waiting => false,
            State::Silent | State::Refused => true,
            State::Answered => return None,
        };
        self.state = State::Answered;
        Some(late)
    }

    /// The server demands proof, and is to get it: false when it was given, or the question is answered.
    pub(super) fn prove(&mut self) -> bool {
        let first = !self.proved && self.state != State::Answered;
        self.proved |= first;
        first
    }

    /// The server does not know the session, and a new one is to be made: false when that was done, or the question is
    /// answered. Its challenge is the proof for the hello to come.
    pub(super) fn reopen(&mut self) -> bool {
        let first = !self.reopened && self.state != State::Answered;
        self.reopened |= first;
        first
    }

    /// A datagram is sent. After the first the time starts anew, since the last is the one that is looked up.
    pub(super) fn goes_on(&mut self, stage: Stage, bytes: usize, now: Instant) {
        self.stage = stage;
        self.sent_bytes = self.sent_bytes.max(bytes);
        if self.is_sent && self.state == State::Waiting {
            self.sent_at = now;
        }
        self.is_sent = true;
    }
}
