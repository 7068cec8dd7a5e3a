//! The message in hand: from its sender to the end of its body.

use std::time::Instant;

use bytes::Bytes;

use super::super::events::{AbortReason, EndOfMessage, Fact, Limit, MessageNumber, Output};
use super::super::facts::{Envelope, Mailbox};
use super::super::rebuild::{Fidelity, put_header};
use super::super::reply::{PlanError, RecipientReply, ReplyText, one_byte};
use super::super::{
    ENVELOPE_BYTES_MAX, HEADER_BYTES_MAX, RECIPIENT_WAIT_MAX, RECIPIENTS_MAX, VERDICT_WAIT_MAX,
};
use super::{Due, Phase, Session};

/// The message in hand.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) number: MessageNumber,
    sender: Mailbox,
    pub(super) recipients: Vec<Mailbox>,
    envelope_bytes: usize,
    header_bytes: usize,
    pub(super) section: Section,
    exact_headers: bool,
    over: Option<Limit>,
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Envelope,
    Headers,
    Body,
}

impl Session {
    pub(super) fn begin(&mut self, sender: Mailbox) {
        let sender_macros_came = self.sender_macros_came;
        let macros = std::mem::take(&mut self.message_macros);
        self.abort_message(AbortReason::Mta);
        if sender_macros_came {
            self.message_macros = macros;
        }
        self.phase = Phase::Connected;
        self.messages += 1;
        let number = MessageNumber(self.messages);
        self.message = Some(Message {
            number,
            envelope_bytes: sender.bytes(),
            sender,
            recipients: Vec::new(),
            header_bytes: 0,
            section: Section::Envelope,
            exact_headers: self.agreement.is_some_and(|agreement| agreement.leading_space()),
            over: None,
        });
        self.push(Output::Begin { message: number });
    }

    /// Says whether the reply is given or will be.
    pub(super) fn recipient(&mut self, recipient: Mailbox, now: Instant) -> bool {
        let reply_due = self.agreement.is_some_and(|agreement| agreement.reply_due(b'R'));
        let local = self.connection.as_ref().is_some_and(|client| client.is_local_submission());
        let Some(message) = &mut self.message else { return false };
        let number = message.number;
        if message.over.is_some() {
            return false;
        }
        let fits = message.recipients.len() < RECIPIENTS_MAX
            && message.envelope_bytes + recipient.bytes() <= ENVELOPE_BYTES_MAX;
        if !fits && reply_due && !local {
            self.note(Fact::RecipientRefused(number));
            let reply = refusal(Limit::Envelope);
            self.send(reply);
            return true;
        }
        if !fits {
            self.go_over(Limit::Envelope);
            return false;
        }
        if self.options.ask_recipients && reply_due && !local {
            let until = now + RECIPIENT_WAIT_MAX;
            self.push(Output::AskRecipient { message: number, recipient: recipient.clone() });
            self.due = Due::Recipient { recipient, until };
            return true;
        }
        message.keep(recipient);
        false
    }

    pub(super) fn recipient_verdict(&mut self, number: MessageNumber, reply: &RecipientReply) {
        let asked = self.message.as_ref().is_some_and(|message| message.number == number);
        if !asked || !matches!(self.due, Due::Recipient { .. }) {
            let error = PlanError::NotDue;
            return self.push(Output::PlanRefused { message: number, error });
        }
        let due = std::mem::replace(&mut self.due, Due::Nothing);
        if let (Due::Recipient { recipient, .. }, RecipientReply::Keep, Some(message)) =
            (due, reply, &mut self.message)
        {
            message.keep(recipient);
        }
        self.send(reply.encode());
    }

    pub(super) fn header(&mut self, name: &[u8], value: &[u8]) {
        self.advance(Section::Headers);
        let leading_space = self.agreement.is_some_and(|agreement| agreement.leading_space());
        let Some(message) = self.message.as_mut().filter(|message| message.over.is_none()) else {
            return;
        };
        let before = self.content.len();
        let fidelity = put_header(&mut self.content, name, value, leading_space);
        message.header_bytes += self.content.len() - before;
        let number = message.number;
        if message.header_bytes > HEADER_BYTES_MAX {
            self.content.truncate(before);
            return self.go_over(Limit::HeaderBytes);
        }
        if fidelity == Fidelity::Mended {
            message.exact_headers = false;
            self.note(Fact::HeaderMended(number));
        }
    }

    pub(super) fn body(&mut self, bytes: &[u8]) {
        self.advance(Section::Body);
        if self.message.as_ref().is_some_and(|message| message.over.is_none()) {
            self.content.extend_from_slice(bytes);
        }
    }

    /// Enters a later section: the envelope is told when content begins, and the blank line
    /// stands before the body even if the MTA did not announce the end of the headers.
    pub(super) fn advance(&mut self, to: Section) {
        let Some(message) = &mut self.message else { return };
        let from = message.section;
        if from >= to {
            return;
        }
        message.section = to;
        if message.over.is_some() {
            return;
        }
        if from == Section::Envelope {
            let envelope = Box::new(Envelope {
                connection: self.connection.clone(),
                helo: self.helo.clone(),
                sender: message.sender.clone(),
                recipients: message.recipients.clone(),
                macros: self.connection_macros.overlaid(&self.message_macros),
            });
            let number = message.number;
            self.push(Output::Envelope { message: number, envelope });
        }
        if to == Section::Body {
            self.content.extend_from_slice(b"\r\n");
        }
    }

    pub(super) fn end_of_message(&mut self, now: Instant) {
        let Some(message) = &self.message else { return };
        if let Some(limit) = message.over {
            self.forget_message();
            return self.send(refusal(limit));
        }
        self.push(Output::EndOfMessage(EndOfMessage {
            message: message.number,
            macros: self.connection_macros.overlaid(&self.message_macros),
            exact_headers: message.exact_headers,
        }));
        let progress_at = now + self.progress_every();
        self.due = Due::Verdict { progress_at, until: now + VERDICT_WAIT_MAX };
    }

    /// The message is given up because of a limit of ours, and swallowed up to its end.
    fn go_over(&mut self, limit: Limit) {
        if let Some(message) = &mut self.message {
            message.over = Some(limit);
            message.recipients = Vec::new();
            let (message, why) = (message.number, AbortReason::Limit(limit));
            self.push(Output::Aborted { message, why });
        }
    }

    /// Ends the message in hand, if there is one. A message over a limit was reported already.
    pub(super) fn abort_message(&mut self, why: AbortReason) {
        let message = self.message.take();
        self.forget_message();
        if let Some(message) = message.filter(|message| message.over.is_none()) {
            self.push(Output::Aborted { message: message.number, why });
        }
    }

    /// Nothing of the message stays.
    pub(super) fn forget_message(&mut self) {
        self.due = Due::Nothing;
        self.message = None;
        self.message_macros.clear();
        self.sender_macros_came = false;
    }
}

impl Message {
    fn keep(&mut self, recipient: Mailbox) {
        self.envelope_bytes += recipient.bytes();
        self.recipients.push(recipient);
    }
}

/// The refusal that a limit gives, or a plain tempfail should the text be refused.
fn refusal(limit: Limit) -> Bytes {
    let text = match limit {
        Limit::Envelope => ReplyText::new(452, "4.5.3", "Too many recipients for one message"),
        Limit::HeaderBytes => ReplyText::new(552, "5.3.4", "Message header is too long"),
    };
    text.map_or_else(|_| one_byte(b't'), |text| text.encode())
}
