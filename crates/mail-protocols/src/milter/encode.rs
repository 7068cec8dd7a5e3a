//! A plan as frames: modifications, then the final reply.

use bytes::{BufMut, Bytes, BytesMut};

use super::facts::{Mailbox, bare_address};
use super::frame::{put_frame, put_frame_head, put_string};
use super::negotiate::Agreement;
use super::reply::{FinalReply, Modification, PlanError, one_byte, reply_line};
use super::{MODIFICATIONS_MAX, REPLY_PAYLOAD_BYTES_MAX};

/// All frames of a plan, modifications first, in pieces to be sent in order. `recipients` are
/// those of the message.
///
/// # Errors
/// [`PlanError`], with nothing encoded.
pub fn encode_plan(
    agreement: &Agreement,
    recipients: &[Mailbox],
    modifications: &[Modification],
    reply: &FinalReply,
) -> Result<Vec<Bytes>, PlanError> {
    if modifications.len() > MODIFICATIONS_MAX {
        return Err(PlanError::TooManyModifications(modifications.len()));
    }
    let keeps_mail = matches!(reply, FinalReply::Continue | FinalReply::Accept);
    if !keeps_mail && !modifications.is_empty() {
        return Err(PlanError::NothingToModify);
    }
    let mut encoder = Encoder { agreement, recipients, pieces: Vec::new(), small: BytesMut::new() };
    for modification in modifications {
        encoder.modification(modification)?;
    }
    encoder.final_reply(reply);
    Ok(encoder.finished())
}

/// Small frames are gathered; a replaced body goes out as slices of what the caller gave.
struct Encoder<'a> {
    agreement: &'a Agreement,
    recipients: &'a [Mailbox],
    pieces: Vec<Bytes>,
    small: BytesMut,
}

impl Encoder<'_> {
    fn modification(&mut self, modification: &Modification) -> Result<(), PlanError> {
        let action = modification.action();
        if !self.agreement.actions.contains(action) {
            return Err(PlanError::ActionNotAgreed(action.0));
        }
        match modification {
            Modification::AddHeader { name, value } => self.header(b'h', None, name, Some(value)),
            Modification::InsertHeader { index, name, value } => {
                self.header(b'i', Some(*index), name, Some(value))
            }
            Modification::ChangeHeader { index: 0, .. }
            | Modification::DeleteHeader { index: 0, .. } => Err(PlanError::HeaderIndex),
            Modification::ChangeHeader { index, name, value } => {
                if clean_header_value(value).is_empty() {
                    return Err(PlanError::HeaderValueEmpty);
                }
                self.header(b'm', Some(*index), name, Some(value))
            }
            Modification::DeleteHeader { index, name } => {
                self.header(b'm', Some(*index), name, None)
            }
            Modification::ReplaceBody(body) => {
                self.body(body);
                Ok(())
            }
            Modification::AddRecipient(address) => self.address(b'+', address, false),
            Modification::ChangeSender(address) => self.address(b'e', address, true),
            Modification::RemoveRecipient(address) => self.remove_recipient(address),
            Modification::Quarantine { reason } => self.quarantine(reason),
        }
    }

    /// `value: None` deletes. With leading space agreed, a value is written as given, so the
    /// space after the colon is ours to send; without it the MTA writes one.
    fn header(
        &mut self,
        command: u8,
        index: Option<u32>,
        name: &str,
        value: Option<&String>,
    ) -> Result<(), PlanError> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
            return Err(PlanError::HeaderName(name.to_owned()));
        }
        let mut payload = BytesMut::new();
        if let Some(index) = index {
            payload.put_u32(index);
        }
        put_string(&mut payload, name.as_bytes());
        if let Some(value) = value {
            if self.agreement.leading_space() {
                payload.put_u8(b' ');
            }
            payload.extend_from_slice(clean_header_value(value).as_bytes());
        }
        payload.put_u8(0);
        self.frame(command, &payload)
    }

    fn body(&mut self, body: &Bytes) {
        let mut rest = body.clone();
        loop {
            let mut cut = rest.len().min(REPLY_PAYLOAD_BYTES_MAX);
            // A CRLF stays in one chunk: no MTA has to join it again.
            if cut < rest.len() && rest[cut - 1] == b'\r' {
                cut -= 1;
            }
            let chunk = rest.split_to(cut);
            put_frame_head(&mut self.small, b'b', chunk.len());
            self.pieces.push(self.small.split().freeze());
            if !chunk.is_empty() {
                self.pieces.push(chunk);
            }
            if rest.is_empty() {
                return;
            }
        }
    }

    fn address(&mut self, command: u8, given: &str, may_be_null: bool) -> Result<(), PlanError> {
        let bare = bare_address(given.as_bytes());
        let odd = |&byte: &u8| byte <= b' ' || byte == 0x7f || byte == b'<' || byte == b'>';
        if bare.iter().any(odd) || (bare.is_empty() && !may_be_null) {
            return Err(PlanError::Address(given.to_owned()));
        }
        let mut payload = BytesMut::new();
        payload.put_u8(b'<');
        payload.extend_from_slice(bare);
        put_string(&mut payload, b">");
        self.frame(command, &payload)
    }

    fn remove_recipient(&mut self, given: &[u8]) -> Result<(), PlanError> {
        let exact = self.recipients.iter().find(|mailbox| mailbox.exact == given);
        let same = |mailbox: &&Mailbox| mailbox.address() == bare_address(given);
        let Some(mailbox) = exact.or_else(|| self.recipients.iter().find(same)) else {
            return Err(PlanError::NoSuchRecipient(String::from_utf8_lossy(given).into_owned()));
        };
        let mut payload = BytesMut::new();
        put_string(&mut payload, &mailbox.exact);
        self.frame(b'-', &payload)
    }

    fn quarantine(&mut self, reason: &str) -> Result<(), PlanError> {
        let reason = reply_line(reason);
        if reason.is_empty() {
            return Err(PlanError::NoReason);
        }
        let mut payload = BytesMut::new();
        put_string(&mut payload, reason.as_bytes());
        self.frame(b'q', &payload)
    }

    fn frame(&mut self, command: u8, payload: &[u8]) -> Result<(), PlanError> {
        if payload.len() > REPLY_PAYLOAD_BYTES_MAX {
            return Err(PlanError::TooLong(payload.len()));
        }
        put_frame(&mut self.small, command, payload);
        Ok(())
    }

    fn final_reply(&mut self, reply: &FinalReply) {
        let frame = match reply {
            FinalReply::Continue => one_byte(b'c'),
            FinalReply::Accept => one_byte(b'a'),
            FinalReply::Reject => one_byte(b'r'),
            FinalReply::Tempfail => one_byte(b't'),
            FinalReply::Discard => one_byte(b'd'),
            FinalReply::Text(text) => text.encode(),
        };
        self.small.extend_from_slice(&frame);
    }

    fn finished(mut self) -> Vec<Bytes> {
        self.pieces.push(self.small.freeze());
        self.pieces
    }
}

/// Without NUL and CR; every line feed is followed by a blank, and none stands at the end.
fn clean_header_value(value: &str) -> String {
    let mut clean = String::with_capacity(value.len());
    let value = value.trim_end_matches(['\r', '\n', '\0']);
    let mut wanted = value.chars().filter(|&letter| letter != '\0' && letter != '\r').peekable();
    while let Some(letter) = wanted.next() {
        clean.push(letter);
        if letter == '\n' && !matches!(wanted.peek(), Some(' ' | '\t')) {
            clean.push(' ');
        }
    }
    clean
}
