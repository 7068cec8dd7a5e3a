//! One connection of an MTA, as a state machine without sockets or clock.
//!
//! The MTA speaks, we listen; the only reply that costs thought is the one at the end of a
//! message. Until it comes, progress frames go out by [`Session::deadline`]. Each message has a
//! number, so that a verdict which arrives after its message was aborted cannot hit the next one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::MilterError;
use super::encode::encode_plan;
use super::events::{AbortReason, Event, Fact, MessageNumber, Output};
use super::facts::{Connection, Macros, Mailbox};
use super::frame::{Command, FrameReader};
use super::negotiate::{Agreement, Offer, Options};
use super::reply::{FinalReply, Modification, PlanError, RecipientReply, one_byte};
use message::{Message, Section};

mod message;

/// The filter's side of one milter connection. Holds one unfinished frame, the facts of the
/// connection and the envelope of one message, never its content.
#[derive(Debug)]
pub struct Session {
    options: Options,
    reader: FrameReader,
    agreement: Option<Agreement>,
    phase: Phase,
    connection: Option<Arc<Connection>>,
    helo: Option<Arc<str>>,
    connection_macros: Macros,
    message_macros: Macros,
    /// The macros of the sender come before the sender itself.
    sender_macros_came: bool,
    message: Option<Message>,
    messages: u64,
    due: Due,
    closed: bool,
    /// Rebuilt content that is not handed out yet.
    content: BytesMut,
    outputs: VecDeque<Output>,
    /// The instant of the last event: frames are read when outputs are drained.
    now: Option<Instant>,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was said.
    Fresh,
    /// Negotiated.
    Agreed,
    /// A client is there.
    Connected,
    /// That client has gone; the next may come with or without a new negotiation.
    AfterQuit,
}

/// Whose word the MTA waits for.
#[derive(Debug)]
enum Due {
    Nothing,
    Recipient { recipient: Mailbox, until: Instant },
    Verdict { progress_at: Instant, until: Instant },
}

impl Session {
    /// A session on a fresh connection. The MTA speaks first.
    #[must_use]
    pub fn new(options: Options) -> Session {
        Session {
            options,
            reader: FrameReader::default(),
            agreement: None,
            phase: Phase::Fresh,
            connection: None,
            helo: None,
            connection_macros: Macros::default(),
            message_macros: Macros::default(),
            sender_macros_came: false,
            message: None,
            messages: 0,
            due: Due::Nothing,
            closed: false,
            content: BytesMut::new(),
            outputs: VecDeque::new(),
            now: None,
        }
    }

    /// Takes one event. Afterwards the caller drains [`Session::poll`] to the end: bytes are only
    /// stored here and read there, so that no input makes more outputs than the caller takes.
    pub fn handle(&mut self, event: Event<'_>, now: Instant) {
        if self.closed {
            return;
        }
        self.now = Some(now);
        match event {
            Event::Bytes(bytes) => self.reader.feed(bytes),
            Event::Closed => self.peer_closed(),
            Event::Verdict { message, modifications, reply } => {
                if let Err(error) = self.finish(message, &modifications, &reply) {
                    self.push(Output::PlanRefused { message, error });
                }
            }
            Event::RecipientVerdict { message, reply } => self.recipient_verdict(message, &reply),
            Event::Tick => {}
        }
        self.run_timers(now);
    }

    /// The next output, in order; reads on in the bytes that came.
    pub fn poll(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            self.read_on();
        }
        self.outputs.pop_front()
    }

    /// When [`Event::Tick`] is wanted, once outputs are drained; `None` while only the MTA is
    /// awaited.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.due {
            _ if self.closed => None,
            Due::Nothing => None,
            Due::Recipient { until, .. } => Some(*until),
            Due::Verdict { progress_at, until } => Some(*progress_at.min(until)),
        }
    }

    /// What was agreed with the MTA, once it was.
    #[must_use]
    pub fn agreement(&self) -> Option<&Agreement> {
        self.agreement.as_ref()
    }

    /// Answers the message whose end was reported: modifications, then the final reply.
    ///
    /// # Errors
    /// [`PlanError`]. Nothing was sent then, and the verdict is still due, unless the error is
    /// [`PlanError::NotDue`].
    pub fn finish(
        &mut self,
        message: MessageNumber,
        modifications: &[Modification],
        reply: &FinalReply,
    ) -> Result<(), PlanError> {
        let waits = matches!(self.due, Due::Verdict { .. });
        let (Some(held), Some(agreement)) = (&self.message, &self.agreement) else {
            return Err(PlanError::NotDue);
        };
        if !waits || held.number != message {
            return Err(PlanError::NotDue);
        }
        let pieces = encode_plan(agreement, &held.recipients, modifications, reply)?;
        pieces.into_iter().for_each(|piece| self.send(piece));
        self.forget_message();
        Ok(())
    }

    /// Reads frames until there is something to hand out or more bytes are needed.
    fn read_on(&mut self) {
        let Some(now) = self.now else { return };
        while !self.closed && self.outputs.is_empty() && self.content.len() < CONTENT_BYTES_GATHERED
        {
            let obeyed = match self.reader.next_frame() {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    Command::parse(&frame).and_then(|command| self.obey(command, now))
                }
                Err(error) => Err(error),
            };
            if let Err(error) = obeyed {
                self.over(Some(error));
            }
        }
        if self.outputs.is_empty() {
            self.flush_content();
        }
    }

    /// Carries out one command, and answers it where an answer without thought is due.
    fn obey(&mut self, command: Command, now: Instant) -> Result<(), MilterError> {
        let byte = command.byte();
        self.check_turn(&command)?;
        let answered = match command {
            Command::Negotiate(offer) => return self.negotiate(&offer),
            Command::Macros { of, pairs } => {
                self.store_macros(of, &pairs);
                true
            }
            Command::Connect(connection) => {
                self.connection = Some(Arc::new(connection));
                self.phase = Phase::Connected;
                false
            }
            Command::Helo(name) => {
                self.abort_message(AbortReason::Mta);
                self.helo = Some(String::from_utf8_lossy(&name).into());
                false
            }
            Command::Mail(sender) => {
                self.begin(sender);
                false
            }
            Command::Recipient(recipient) => self.recipient(recipient, now),
            Command::Data | Command::UnknownVerb(_) => false,
            Command::Header { name, value } => {
                self.header(&name, &value);
                false
            }
            Command::EndOfHeaders => {
                self.advance(Section::Body);
                false
            }
            Command::Body(bytes) => {
                self.body(&bytes);
                false
            }
            Command::EndOfBody(bytes) => {
                self.body(&bytes);
                self.end_of_message(now);
                true
            }
            Command::Abort => {
                self.abort_message(AbortReason::Mta);
                true
            }
            Command::QuitNewConnection => {
                self.next_connection();
                true
            }
            Command::Quit => {
                self.over(None);
                true
            }
        };
        if !answered && self.agreement.is_some_and(|agreement| agreement.reply_due(byte)) {
            self.send(one_byte(b'c'));
        }
        Ok(())
    }

    /// Refuses a command that has no place here. An MTA may forget steps, but not their order.
    fn check_turn(&self, command: &Command) -> Result<(), MilterError> {
        let section = self.message.as_ref().map(|message| message.section);
        let ending = matches!(command, Command::Abort | Command::QuitNewConnection | Command::Quit);
        let place = match command {
            Command::Quit => return Ok(()),
            Command::Negotiate(_) if matches!(self.phase, Phase::Agreed | Phase::Connected) => {
                "a second time"
            }
            Command::Negotiate(_) => return Ok(()),
            _ if self.phase == Phase::Fresh => "before negotiation",
            _ if !ending && !matches!(self.due, Due::Nothing) => "while our reply was due",
            Command::Connect(_) if self.phase == Phase::Connected => "a second time",
            Command::Recipient(_) | Command::Data if section != Some(Section::Envelope) => {
                "outside an envelope"
            }
            Command::Header { .. } | Command::EndOfHeaders
                if !matches!(section, Some(Section::Envelope | Section::Headers)) =>
            {
                "outside a header"
            }
            Command::Body(_) | Command::EndOfBody(_) if section.is_none() => "outside a message",
            _ => return Ok(()),
        };
        Err(MilterError::OutOfTurn { command: char::from(command.byte()), place })
    }

    fn negotiate(&mut self, offer: &Offer) -> Result<(), MilterError> {
        let agreement = Agreement::reach(offer, &self.options)?;
        self.send(agreement.encode());
        self.agreement = Some(agreement);
        self.phase = Phase::Agreed;
        self.push(Output::Negotiated(agreement));
        if !agreement.leading_space() {
            self.note(Fact::LeadingSpaceLost);
        }
        Ok(())
    }

    /// Macros of connect and helo last for the connection, all others for the message. Those of
    /// the sender open a new message: Sendmail sends nothing else between two of them.
    fn store_macros(&mut self, of: u8, pairs: &[(Bytes, Bytes)]) {
        if of == b'M' {
            self.message_macros.clear();
            self.sender_macros_came = true;
        }
        let macros = match of {
            b'C' | b'H' => &mut self.connection_macros,
            _ => &mut self.message_macros,
        };
        let mut all_stored = true;
        for (name, value) in pairs {
            all_stored &= macros.store(name, value);
        }
        if !all_stored {
            self.note(Fact::MacrosDropped);
        }
    }

    fn run_timers(&mut self, now: Instant) {
        let every = self.progress_every();
        match &mut self.due {
            _ if self.closed => {}
            Due::Verdict { until, .. } if now >= *until => {
                self.abort_message(AbortReason::VerdictOverdue);
                self.send(one_byte(b't'));
            }
            Due::Verdict { progress_at, .. } if now >= *progress_at => {
                *progress_at = now + every;
                self.send(one_byte(b'p'));
            }
            Due::Recipient { until, .. } if now >= *until => {
                let Some(number) = self.message.as_ref().map(|message| message.number) else {
                    return;
                };
                self.note(Fact::RecipientUnanswered(number));
                self.recipient_verdict(number, &RecipientReply::Keep);
            }
            _ => {}
        }
    }

    fn progress_every(&self) -> Duration {
        self.options.progress_every.max(PROGRESS_EVERY_MIN)
    }

    fn next_connection(&mut self) {
        self.abort_message(AbortReason::SessionOver);
        self.phase = Phase::AfterQuit;
        self.connection = None;
        self.helo = None;
        self.connection_macros.clear();
    }

    fn peer_closed(&mut self) {
        let bytes = self.reader.bytes_held();
        if bytes > 0 {
            self.note(Fact::ClosedInsideFrame(bytes));
        }
        self.over(None);
    }

    /// The connection is over: by quit, by its end, or by an error of the MTA.
    fn over(&mut self, error: Option<MilterError>) {
        self.abort_message(AbortReason::SessionOver);
        if let Some(error) = error {
            self.push(Output::Failed(error));
        }
        self.push(Output::Close);
        self.closed = true;
        self.reader = FrameReader::default();
    }

    fn flush_content(&mut self) {
        if !self.content.is_empty() {
            let bytes = std::mem::take(&mut self.content).freeze();
            self.outputs.push_back(Output::Content(bytes));
        }
    }

    /// Content that came before goes out before, so that the order of outputs does not depend on
    /// how the bytes were cut.
    fn push(&mut self, output: Output) {
        self.flush_content();
        self.outputs.push_back(output);
    }

    fn send(&mut self, bytes: Bytes) {
        self.push(Output::Send(bytes));
    }

    fn note(&mut self, fact: Fact) {
        self.push(Output::Noted(fact));
    }
}

/// Content is handed out in pieces of about this size, or sooner when no more bytes are there: as
/// long as the longest body chunk, so that small frames are joined and large ones pass as they are.
const CONTENT_BYTES_GATHERED: usize = 64 * 1024;

/// Shortest time between progress frames: less would only be noise.
const PROGRESS_EVERY_MIN: Duration = Duration::from_secs(1);
