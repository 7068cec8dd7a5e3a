//! What a filter may answer at the end of a message: modifications, then one final reply.

use bytes::{Bytes, BytesMut};

use super::frame::{put_frame, put_string};
use super::negotiate::Actions;
use super::{
    Blame, MODIFICATIONS_MAX, NextStep, REPLY_LINE_BYTES_MAX, REPLY_LINES_MAX,
    REPLY_PAYLOAD_BYTES_MAX,
};

/// One change to the message or its envelope.
///
/// Header values are what stands after `Name: `. They are cleaned rather than refused, since they
/// may quote the mail: NUL and CR are left out, and a line feed is followed by a blank, so that a
/// value can never begin a header of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Modification {
    /// `h`: at the end of the headers.
    AddHeader {
        /// Field name: printable ASCII without colon.
        name: String,
        /// Field value.
        value: String,
    },
    /// `i`: at an absolute place; 0 lands above the MTA's own Received in Postfix and Sendmail.
    InsertHeader {
        /// Place, from 0.
        index: u32,
        /// Field name: printable ASCII without colon.
        name: String,
        /// Field value.
        value: String,
    },
    /// `m`: another value for one header.
    ChangeHeader {
        /// Which one among those of the same name, from 1.
        index: u32,
        /// Field name: printable ASCII without colon.
        name: String,
        /// New value; must not be empty, since that deletes.
        value: String,
    },
    /// `m` with an empty value.
    DeleteHeader {
        /// Which one among those of the same name, from 1.
        index: u32,
        /// Field name: printable ASCII without colon.
        name: String,
    },
    /// `b`: another body, lines ended by CRLF. Sent in as many chunks as it needs.
    ReplaceBody(Bytes),
    /// `+`: one more recipient, with or without angle brackets.
    AddRecipient(String),
    /// `-`: one recipient less. With or without angle brackets; what goes out is the exact form
    /// in which the MTA named it, the only one that it recognises.
    RemoveRecipient(Bytes),
    /// `e`: another sender, with or without angle brackets; empty for the null sender.
    ChangeSender(String),
    /// `q`: into the MTA's quarantine. Postfix uses its hold queue and does not log the reason,
    /// Sendmail keeps the reason in its queue listing. The client sees success.
    Quarantine {
        /// Why, in one line.
        reason: String,
    },
}

impl Modification {
    /// What the MTA must have agreed to for this modification.
    #[must_use]
    pub fn action(&self) -> Actions {
        match self {
            Modification::AddHeader { .. } | Modification::InsertHeader { .. } => {
                Actions::ADD_HEADERS
            }
            Modification::ChangeHeader { .. } | Modification::DeleteHeader { .. } => {
                Actions::CHANGE_HEADERS
            }
            Modification::ReplaceBody(_) => Actions::CHANGE_BODY,
            Modification::AddRecipient(_) => Actions::ADD_RECIPIENTS,
            Modification::RemoveRecipient(_) => Actions::REMOVE_RECIPIENTS,
            Modification::ChangeSender(_) => Actions::CHANGE_SENDER,
            Modification::Quarantine { .. } => Actions::QUARANTINE,
        }
    }
}

/// The last word on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinalReply {
    /// `c`: go on, with the modifications; other filters are asked as well.
    Continue,
    /// `a`: accept, with the modifications.
    Accept,
    /// `r`: refuse for good, in the MTA's words (550 or 554 5.7.1). For mail from sendmail(1)
    /// Postfix sends a bounce.
    Reject,
    /// `t`: refuse for now, in the MTA's words (451).
    Tempfail,
    /// `d`: success towards the client, the message is thrown away.
    Discard,
    /// `y`: refuse in our words.
    Text(ReplyText),
}

/// The word on one recipient, where [`super::negotiate::Options::ask_recipients`] is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientReply {
    /// Take it.
    Keep,
    /// Refuse it for good, in the MTA's words.
    Reject,
    /// Refuse it for now, in the MTA's words.
    Tempfail,
    /// Refuse it in our words.
    Text(ReplyText),
}

impl RecipientReply {
    pub(super) fn encode(&self) -> Bytes {
        match self {
            RecipientReply::Keep => one_byte(b'c'),
            RecipientReply::Reject => one_byte(b'r'),
            RecipientReply::Tempfail => one_byte(b't'),
            RecipientReply::Text(text) => text.encode(),
        }
    }
}

/// An SMTP refusal in our own words, checked when it is made: an MTA that cannot read the reply
/// would fall back to its default action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyText {
    lines: Vec<String>,
}

impl ReplyText {
    /// `code` is 400 to 599, `enhanced` is `class.subject.detail` of RFC 3463 with the class of the
    /// code, `text` has one line or several. Control characters become blanks and characters
    /// outside ASCII become `?`, as a reply line must be (RFC 5321, 4.2); empty lines are left out.
    ///
    /// # Errors
    /// [`PlanError`]: `ReplyCode`, `EnhancedCode`, `ReplyEmpty`, `ReplyLines`, `ReplyLine`.
    pub fn new(code: u16, enhanced: &str, text: &str) -> Result<ReplyText, PlanError> {
        if !(400..600).contains(&code) || code % 100 >= 60 {
            return Err(PlanError::ReplyCode(code));
        }
        if !enhanced_code_fits(enhanced, code / 100) {
            return Err(PlanError::EnhancedCode { code, enhanced: enhanced.to_owned() });
        }
        let texts: Vec<String> =
            text.lines().map(reply_line).filter(|line| !line.is_empty()).collect();
        if texts.is_empty() {
            return Err(PlanError::ReplyEmpty);
        }
        if texts.len() > REPLY_LINES_MAX {
            return Err(PlanError::ReplyLines(texts.len()));
        }
        if let Some(long) = texts.iter().find(|line| line.len() > REPLY_LINE_BYTES_MAX) {
            return Err(PlanError::ReplyLine(long.len()));
        }
        let last = texts.len() - 1;
        let number = |(at, line): (usize, String)| {
            let joint = if at == last { ' ' } else { '-' };
            format!("{code}{joint}{enhanced} {line}")
        };
        Ok(ReplyText { lines: texts.into_iter().enumerate().map(number).collect() })
    }

    /// The lines as the SMTP client will see them, without line ends.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// `y`: both MTAs use the text as a format, so each `%` is doubled.
    pub(super) fn encode(&self) -> Bytes {
        let text = self.lines.join("\r\n").replace('%', "%%");
        let mut payload = BytesMut::new();
        put_string(&mut payload, text.as_bytes());
        let mut out = BytesMut::new();
        put_frame(&mut out, b'y', &payload);
        out.freeze()
    }
}

/// Why a plan cannot be carried out. Nothing of it was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No message, or another one, waits for a verdict: it was aborted or answered meanwhile.
    #[error("no verdict is due for this message any more; drop it")]
    NotDue,
    /// The MTA did not agree to such a modification.
    #[error("the MTA did not agree to action 0x{0:x}; choose a plan without it")]
    ActionNotAgreed(u32),
    /// Modifications beside a refusal: nothing remains that could be modified.
    #[error("a plan that refuses or discards the mail cannot modify it; choose one of both")]
    NothingToModify,
    /// More than [`MODIFICATIONS_MAX`].
    #[error("{0} modifications, limit {MODIFICATIONS_MAX}; choose a smaller plan")]
    TooManyModifications(usize),
    /// The header name is empty, not printable ASCII, or has a colon.
    #[error("not a header name: {0:?}")]
    HeaderName(String),
    /// The index of `m` counts from 1.
    #[error("headers of one name are counted from 1, not from 0")]
    HeaderIndex,
    /// An empty value would delete: say so by deleting.
    #[error("a header cannot be changed to nothing; delete it instead")]
    HeaderValueEmpty,
    /// A payload over [`REPLY_PAYLOAD_BYTES_MAX`].
    #[error("a reply of {0} bytes, limit {REPLY_PAYLOAD_BYTES_MAX}; shorten the value")]
    TooLong(usize),
    /// An address with control characters, blanks or angle brackets inside.
    #[error("not an address: {0:?}")]
    Address(String),
    /// The message has no such recipient.
    #[error("the message has no recipient {0:?}")]
    NoSuchRecipient(String),
    /// Quarantine without a reason: Sendmail ignores it.
    #[error("a quarantine needs a reason")]
    NoReason,
    /// Not a refusal: 400 to 459 or 500 to 559.
    #[error("{0} is no code for a refusal")]
    ReplyCode(u16),
    /// Not an enhanced code, or of another class than the code.
    #[error("the enhanced code {enhanced:?} does not fit the code {code}")]
    EnhancedCode {
        /// The SMTP code.
        code: u16,
        /// What was given beside it.
        enhanced: String,
    },
    /// No text at all.
    #[error("a reply needs a text")]
    ReplyEmpty,
    /// More than [`REPLY_LINES_MAX`] lines.
    #[error("a reply of {0} lines, limit {REPLY_LINES_MAX}")]
    ReplyLines(usize),
    /// A line over [`REPLY_LINE_BYTES_MAX`].
    #[error("a reply line of {0} bytes, limit {REPLY_LINE_BYTES_MAX}")]
    ReplyLine(usize),
}

impl PlanError {
    /// Always ours: the plan is made here.
    #[must_use]
    pub fn blame(&self) -> Blame {
        Blame::Ours
    }

    /// Another plan, or none if nobody waits any more.
    #[must_use]
    pub fn next_step(&self) -> NextStep {
        match self {
            PlanError::NotDue => NextStep::DropAnswer,
            _ => NextStep::ChooseAnotherPlan,
        }
    }
}

/// The frame of one command byte.
pub(super) fn one_byte(command: u8) -> Bytes {
    let mut out = BytesMut::new();
    put_frame(&mut out, command, b"");
    out.freeze()
}

/// Printable ASCII in one line.
pub(super) fn reply_line(text: &str) -> String {
    let plain = |letter: char| match letter {
        _ if letter.is_control() => ' ',
        _ if !letter.is_ascii() => '?',
        _ => letter,
    };
    text.chars().map(plain).collect::<String>().trim().to_owned()
}

/// `class.subject.detail`, class as in the code, the other two of one to three digits.
fn enhanced_code_fits(enhanced: &str, class: u16) -> bool {
    let number = |part: &str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let parts: Vec<&str> = enhanced.split('.').collect();
    matches!(parts[..], [first, subject, detail]
        if first == class.to_string() && number(subject) && number(detail))
}
