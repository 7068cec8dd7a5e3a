//! The receiving side of a session: greets, reads commands and content, and says to the peer what its caller decides.
//!
//! It answers alone what only syntax, order and limits decide. MAIL, RCPT and the end of the mail are the caller's to
//! answer: each is put as a question, and nothing more is read from the peer's commands until the
//! answer comes. So a caller may ask the next hop at RCPT time, or accept at once, or decide all at the
//! end; in no case does this side say that a mail was taken before the caller did.
//!
//! After each [`Server::handle`] the caller drains [`Server::poll`] to the end, and then reads at most [`Server::room`]
//! bytes from the peer.

mod commands;
mod content;
mod interface;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;

pub use interface::{Closed, Config, Event, Fact, Output, Reset};

use super::Mode;
use super::client_facts::ClientFacts;
use super::data::DataReader;
use super::limits::{COMMAND_LINE_BYTES_MAX, PENDING_INPUT_BYTES_MAX, SEND_BYTES_TARGET};
use super::reply::Reply;
use crate::line::LineReader;

/// One connection with a client.
#[derive(Debug)]
pub struct Server {
    config: Config,
    now: Instant,
    deadline: Option<Instant>,
    input: BytesMut,
    lines: LineReader,
    stage: Stage,
    greeted: bool,
    /// Told by XFORWARD for the transaction to come.
    forwarded: ClientFacts,
    transaction: Option<Transaction>,
    errors: usize,
    junk: usize,
    peer_gone: bool,
    peer_gone_told: bool,
    draining: bool,
    replies: BytesMut,
    outputs: VecDeque<Output>,
}

/// A transaction whose MAIL the caller has accepted.
#[derive(Debug, Default)]
struct Transaction {
    offered: usize,
    accepted: usize,
    smtputf8: bool,
}

#[derive(Debug)]
enum Stage {
    Command,
    /// The caller owes an answer.
    Asked(Question),
    Content(Content),
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Mail { smtputf8: bool },
    Rcpt,
    End,
}

/// A mail on its way in.
#[derive(Debug)]
struct Content {
    reader: DataReader,
    /// The caller wants no more of it; this is what the peer will hear at its end.
    discarded: Option<Reply>,
    must_end: Instant,
}

impl Server {
    /// A session with a client that has just connected. The greeting is the first thing to send.
    pub fn new(config: Config, now: Instant) -> Self {
        let mut server = Self {
            config,
            now,
            deadline: None,
            input: BytesMut::new(),
            lines: LineReader::new(COMMAND_LINE_BYTES_MAX),
            stage: Stage::Command,
            greeted: false,
            forwarded: ClientFacts::default(),
            transaction: None,
            errors: 0,
            junk: 0,
            peer_gone: false,
            peer_gone_told: false,
            draining: false,
            replies: BytesMut::new(),
            outputs: VecDeque::new(),
        };
        server.greet();
        server
    }

    /// Takes one event. Bytes past [`Server::room`] end the session.
    pub fn handle(&mut self, event: Event, now: Instant) {
        self.now = now;
        if matches!(self.stage, Stage::Closed) {
            return;
        }
        match event {
            Event::Received(bytes) => self.received(&bytes),
            Event::PeerClosed => self.peer_gone = true,
            Event::Reply(reply) => self.answered(vec![reply]),
            Event::Replies(replies) => self.answered(replies),
            Event::Discard(reply) => self.discard(reply),
            Event::Close(reply) => self.close(Some(reply), Closed::ByCaller),
            Event::Drain => self.drain(),
            Event::Timer => self.timer(),
        }
    }

    /// The next output, until `None`. Commands already received are worked on here, one at a time, so that their replies
    /// never pile up.
    pub fn poll(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if self.replies.len() >= SEND_BYTES_TARGET || !self.step() {
                self.flush();
                return self.outputs.pop_front();
            }
        }
    }

    /// When to hand in [`Event::Timer`]. `None` while the session waits for its caller.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// SMTP or LMTP: whether [`Event::Replies`] may answer the end of a mail.
    pub fn mode(&self) -> Mode {
        self.config.mode
    }

    /// How many bytes may be handed in next. At zero, stop reading from the peer until an answer was given.
    pub fn room(&self) -> usize {
        match self.stage {
            Stage::Closed => 0,
            _ => PENDING_INPUT_BYTES_MAX.saturating_sub(self.input.len()),
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        if bytes.len() > self.room() {
            let reply = Reply::new(421, "4.7.0 too much sent ahead");
            return self.close(Some(reply), Closed::Abuse);
        }
        self.input.extend_from_slice(bytes);
        if let Stage::Content(content) = &self.stage {
            let pause = self.now + self.config.content_timeout;
            self.deadline = Some(pause.min(content.must_end));
        }
    }

    /// Works on what was received; whether anything moved.
    fn step(&mut self) -> bool {
        match self.stage {
            Stage::Closed => return false,
            Stage::Asked(_) => {
                if self.peer_gone && !self.peer_gone_told {
                    self.peer_gone_told = true;
                    self.tell(Output::PeerGone);
                    return true;
                }
                return false;
            }
            Stage::Command => {
                if let Some(line) = self.lines.next(&mut self.input) {
                    self.line(line);
                    return true;
                }
            }
            Stage::Content(_) => {
                if self.read_content() {
                    return true;
                }
            }
        }
        if self.peer_gone {
            self.close(None, Closed::PeerGone);
        }
        self.peer_gone
    }

    fn timer(&mut self) {
        if self.deadline.is_some_and(|deadline| self.now >= deadline) {
            let text = format!("4.4.2 {} error: timeout exceeded", self.config.host_name);
            self.close(Some(Reply::new(421, &text)), Closed::TimedOut);
        }
    }

    fn drain(&mut self) {
        self.draining = true;
        let idle = matches!(self.stage, Stage::Command) && self.transaction.is_none();
        if idle {
            self.close_drained();
        }
    }

    fn close_drained(&mut self) {
        let text = format!("4.3.2 {} service closing", self.config.host_name);
        self.close(Some(Reply::new(421, &text)), Closed::Drained);
    }

    fn close(&mut self, last_words: Option<Reply>, why: Closed) {
        if self.transaction.take().is_some() {
            self.tell(Output::Reset(Reset::Closing));
        }
        if let Some(reply) = last_words {
            self.say(&reply);
        }
        self.stage = Stage::Closed;
        self.deadline = None;
        self.input = BytesMut::new();
        self.tell(Output::Close(why));
    }

    /// Back to reading commands, with the time for the next one running.
    fn await_command(&mut self) {
        self.stage = Stage::Command;
        self.deadline = Some(self.now + self.config.command_timeout);
        if self.draining && self.transaction.is_none() {
            self.close_drained();
        }
    }

    fn ask(&mut self, question: Question, output: Output) {
        self.tell(output);
        self.stage = Stage::Asked(question);
        self.deadline = None;
    }

    fn say(&mut self, reply: &Reply) {
        reply.encode(&mut self.replies);
    }

    fn flush(&mut self) {
        if !self.replies.is_empty() {
            self.outputs.push_back(Output::Send(self.replies.split().freeze()));
        }
    }

    /// Puts out something that is no reply, behind the replies that come before it.
    fn tell(&mut self, output: Output) {
        self.flush();
        self.outputs.push_back(output);
    }
}
