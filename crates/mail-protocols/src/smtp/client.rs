//! The sending side of a session: greets, names the envelope, sends the mail and keeps its last dot until told.
//!
//! Orders are queued and sent as soon as the far side may have them: one after the other's reply, or
//! ahead of replies where PIPELINING is offered (RFC 2920). DATA waits for the answers to all recipients in any
//! case, so that no mail is ever begun that nobody will take.
//!
//! After each [`Client::handle`] the caller drains [`Client::poll`] to the end.

mod failure;
mod interface;
mod replies;
mod sending;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

pub use failure::{Cause, Failure, Fault, Next, Stage};
pub use interface::{Config, Event, Fact, Output, Timeouts};

use super::address::Address;
use super::client_facts::ClientFacts;
use super::data::DataWriter;
use super::extensions::Extensions;
use super::parameters::Parameters;
use super::reply::{Reply, ReplyReader};

/// One connection with a far side.
#[derive(Debug)]
pub struct Client {
    config: Config,
    now: Instant,
    /// Since when the far side owes the reply at the head of `awaiting`.
    waiting_since: Instant,
    input: BytesMut,
    reader: ReplyReader,
    extensions: Extensions,
    /// Not sent yet.
    queue: VecDeque<Step>,
    /// Sent, reply due.
    awaiting: VecDeque<Step>,
    transaction: Option<Transaction>,
    ready: bool,
    closed: bool,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Step {
    Greeting,
    Hello,
    /// HELO, after EHLO was not understood.
    OldHello,
    Mail {
        from: Address,
        parameters: Parameters,
        forwarded: ClientFacts,
    },
    Rcpt {
        index: usize,
        to: Address,
        parameters: Parameters,
    },
    /// A line ready to send, and what its reply is the answer to.
    Line(Line, Bytes),
    Data,
    /// One reply to the final dot.
    Final,
    /// A line sent ahead in a transaction that is over: its reply says nothing new.
    Stale,
    Rset,
    Quit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Xforward,
    Mail,
    Rcpt(usize),
}

#[derive(Debug, Default)]
struct Transaction {
    offered: usize,
    accepted: usize,
    /// The last refusal of a recipient: what to say when none is left.
    refusal: Option<Reply>,
    /// DATA was ordered; no more recipients may come.
    data: bool,
    writer: Option<DataWriter>,
    final_replies: Vec<Reply>,
    dot_sent: bool,
}

impl Client {
    /// A session over a connection just made. It waits for the far side's greeting.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            now,
            waiting_since: now,
            input: BytesMut::new(),
            reader: ReplyReader::default(),
            extensions: Extensions::default(),
            queue: VecDeque::new(),
            awaiting: VecDeque::from([Step::Greeting]),
            transaction: None,
            ready: false,
            closed: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one event.
    pub fn handle(&mut self, event: Event, now: Instant) {
        self.now = now;
        if self.closed {
            return self.too_late(&event);
        }
        match event {
            Event::Received(bytes) => self.received(&bytes),
            Event::PeerClosed => self.peer_closed(),
            Event::Mail { from, parameters, forwarded } => self.mail(from, parameters, forwarded),
            Event::Rcpt { to, parameters } => self.rcpt(to, parameters),
            Event::Data => self.data(),
            Event::Content(bytes) => self.content(&bytes),
            Event::Commit => self.commit(),
            Event::Abort => self.abort(),
            Event::Quit => self.quit(),
            Event::Timer => self.timer(),
        }
        self.pump();
    }

    /// The next output, until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to hand in [`Event::Timer`]. `None` when nothing is due from the far side.
    pub fn deadline(&self) -> Option<Instant> {
        let timeouts = &self.config.timeouts;
        let patience = match self.awaiting.front() {
            _ if self.closed => return None,
            Some(Step::Data) => timeouts.data,
            Some(Step::Final) => timeouts.last,
            Some(Step::Quit) => timeouts.quit,
            Some(Step::Greeting | Step::Hello | Step::OldHello | Step::Rset) => timeouts.greeting,
            Some(_) => timeouts.envelope,
            None if self.in_content() => timeouts.content,
            None => return None,
        };
        Some(self.waiting_since + patience)
    }

    /// What the far side announced. Empty before the first [`Output::Ready`].
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The caller may order a mail at a [`Output::Ready`] that the end of the connection already follows.
    fn too_late(&mut self, event: &Event) {
        if matches!(event, Event::Mail { .. }) && self.outputs.back() == Some(&Output::Close) {
            self.outputs.pop_back();
            self.report(Stage::Idle, Cause::Lost);
            self.outputs.push_back(Output::Close);
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while !self.closed {
            match self.reader.next(&mut self.input) {
                None => return,
                Some(Ok(reply)) => {
                    self.replied(reply);
                    self.pump();
                }
                Some(Err(fault)) => self.fail_connection(fault.into()),
            }
        }
    }

    fn peer_closed(&mut self) {
        match self.awaiting.front() {
            Some(Step::Quit) => self.close(),
            None if self.transaction.is_none() && self.ready => self.close(),
            _ => self.fail_connection(Cause::Lost),
        }
    }

    fn timer(&mut self) {
        if self.deadline().is_none_or(|deadline| self.now < deadline) {
            return;
        }
        match self.awaiting.front() {
            Some(Step::Quit) => self.close(),
            _ => self.fail_connection(Cause::TimedOut),
        }
    }

    /// How far the session is, for a failure.
    fn stage(&self) -> Stage {
        let dot_sent = self.transaction.as_ref().is_some_and(|open| open.dot_sent);
        match self.awaiting.front() {
            _ if dot_sent => Stage::Final,
            Some(Step::Greeting) => Stage::Greeting,
            Some(Step::Hello | Step::OldHello) => Stage::Hello,
            Some(Step::Line(Line::Xforward | Line::Mail, _)) => Stage::Mail,
            Some(Step::Line(Line::Rcpt(_), _)) => Stage::Rcpt,
            Some(Step::Data) => Stage::Data,
            _ if self.in_content() => Stage::Content,
            _ if self.transaction.is_none() => Stage::Idle,
            _ if self.queue.iter().any(|step| matches!(step, Step::Mail { .. })) => Stage::Mail,
            _ => Stage::Rcpt,
        }
    }

    fn in_content(&self) -> bool {
        self.transaction.as_ref().is_some_and(|open| open.writer.is_some() && !open.dot_sent)
    }

    /// Reports a failure of the transaction; the connection stays as it is.
    fn report(&mut self, stage: Stage, cause: Cause) {
        for step in &mut self.awaiting {
            if matches!(step, Step::Line(..)) {
                *step = Step::Stale;
            }
        }
        let open = self.transaction.take();
        let replies = open.map(|open| open.final_replies).unwrap_or_default();
        self.outputs.push_back(Output::Failed(Failure { stage, cause, replies }));
    }

    /// The two sides can no longer talk: reports it, once, and closes.
    fn fail_connection(&mut self, cause: Cause) {
        self.fail_connection_at(self.stage(), cause);
    }

    fn fail_connection_at(&mut self, stage: Stage, cause: Cause) {
        if self.transaction.is_some() || stage != Stage::Idle || !self.ready {
            self.report(stage, cause);
        }
        self.close();
    }

    fn close(&mut self) {
        if self.transaction.is_some() {
            self.report(self.stage(), Cause::Lost);
        }
        self.closed = true;
        self.queue.clear();
        self.awaiting.clear();
        self.input = BytesMut::new();
        self.outputs.push_back(Output::Close);
    }
}
