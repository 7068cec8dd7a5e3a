//! One server that was asked.

use std::net::SocketAddr;
use std::time::Instant;

/// One server that was asked, and how far that went.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) server: SocketAddr,
    pub(super) sent_at: Instant,
    state: State,
    proved: bool,
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
        Self { server, sent_at: now, state: State::Waiting, proved: false }
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

    /// The server demands proof, and the question is sent again: false when it was, or is answered. The time starts
    /// anew, since the second datagram is the one that is looked up.
    pub(super) fn prove(&mut self, now: Instant) -> bool {
        if self.proved || self.state == State::Answered {
            return false;
        }
        self.proved = true;
        if self.state == State::Waiting {
            self.sent_at = now;
        }
        true
    }
}
