//! A milter session fed with an MTA's bytes.

use std::time::Duration;

use bytes::Bytes;
use tamis_mail_protocols::milter::VERDICT_WAIT_MAX;
use tamis_mail_protocols::milter::events::{Event, MessageNumber, Output};
use tamis_mail_protocols::milter::frame::FrameReader;
use tamis_mail_protocols::milter::negotiate::{Actions, Offer, Options, ProtocolSteps};
use tamis_mail_protocols::milter::reply::{FinalReply, Modification, RecipientReply};
use tamis_mail_protocols::milter::session::Session;

use crate::pick::{Cuts, Shown, start};

/// Drives a session as its module says: `Close` at most once and last, each message ended exactly once, nothing that
/// depends on the cuts. The bytes come once as they are, and once behind a negotiation.
pub fn milter_session(data: &[u8]) {
    let mut negotiated = bytes::BytesMut::new();
    let offer = Offer { version: 6, actions: Actions(0x1ff), protocol: ProtocolSteps(0x1f_ffff) };
    tamis_mail_protocols::milter::frame::Command::Negotiate(offer).encode(&mut negotiated);
    negotiated.extend_from_slice(data);
    for stream in [data, &negotiated] {
        for ask_recipients in [false, true] {
            let whole = Talk::new(ask_recipients).run(&[stream]);
            let cut = Talk::new(ask_recipients).run(&Cuts::of(stream).pieces(stream));
            assert_eq!(whole, cut, "cuts change the talk");
        }
        Talk::new(true).tardy(stream);
    }
}

struct Talk {
    session: Session,
    open: Option<MessageNumber>,
    /// The end was reported, the verdict is due.
    due: Option<MessageNumber>,
    closed: bool,
    ended: usize,
    heard: Heard,
}

/// What came out, neighbouring bytes joined.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    sent: Shown,
    content: Shown,
    facts: Vec<String>,
}

impl Talk {
    fn new(ask_recipients: bool) -> Self {
        let options = Options { ask_recipients, ..Options::default() };
        Self {
            session: Session::new(options),
            open: None,
            due: None,
            closed: false,
            ended: 0,
            heard: Heard::default(),
        }
    }

    /// The caller answers at once.
    fn run(mut self, pieces: &[&[u8]]) -> Heard {
        let now = start();
        for piece in pieces {
            self.session.handle(Event::Bytes(piece), now);
            while let Some(output) = self.session.poll() {
                let recipient = match &output {
                    Output::AskRecipient { message, .. } => Some(*message),
                    _ => None,
                };
                self.hear(output);
                if let Some(message) = recipient {
                    let reply = RecipientReply::Keep;
                    self.session.handle(Event::RecipientVerdict { message, reply }, now);
                }
                if let Some(message) = self.due.take() {
                    self.finish(message);
                }
            }
        }
        assert!(!self.closed || self.open.is_none(), "a message stays open");
        assert_whole_frames(&self.heard.sent.0);
        self.heard
    }

    fn finish(&mut self, message: MessageNumber) {
        self.ended += 1;
        let (name, value) = ("X-Test".to_owned(), format!("a\nb {}", self.ended));
        let edits = [Modification::AddHeader { name, value }];
        let changes = if self.ended.is_multiple_of(2) { &edits[..] } else { &[] };
        if self.session.finish(message, changes, &FinalReply::Accept).is_err() {
            // The MTA did not offer to change headers.
            self.session.finish(message, &[], &FinalReply::Tempfail).expect("nothing to carry out");
        }
    }

    /// The caller answers late, twice, the wrong message or never; time passes.
    fn tardy(mut self, stream: &[u8]) {
        let mut cuts = Cuts::of(stream);
        let mut now = start();
        for piece in cuts.pieces(stream) {
            self.session.handle(Event::Bytes(piece), now);
            self.drain();
            let message = MessageNumber(cuts.below(4) as u64);
            match cuts.below(6) {
                0 => {
                    let (modifications, reply) = (Vec::new(), FinalReply::Reject);
                    self.session.handle(Event::Verdict { message, modifications, reply }, now);
                }
                1 => {
                    let reply = RecipientReply::Reject;
                    self.session.handle(Event::RecipientVerdict { message, reply }, now);
                }
                2 => {
                    now += Duration::from_secs(cuts.below(700) as u64);
                    self.session.handle(Event::Tick, now);
                }
                _ => {}
            }
            self.drain();
            let deadline = self.session.deadline();
            assert!(deadline.is_none_or(|at| at <= now + VERDICT_WAIT_MAX), "waits for ever");
            assert!(!self.closed || deadline.is_none());
        }
        self.session.handle(Event::Closed, now);
        self.drain();
        assert!(self.closed && self.open.is_none(), "a closed peer ends everything");
        assert_whole_frames(&self.heard.sent.0);
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            self.hear(output);
        }
    }

    fn hear(&mut self, output: Output) {
        assert!(!self.closed, "{output:?} after the last output");
        match &output {
            Output::Send(bytes) => return self.heard.sent.0.extend_from_slice(bytes),
            Output::Content(bytes) => return self.content(bytes),
            Output::Begin { message } => {
                assert_eq!(self.open.replace(*message), None, "one message at a time");
            }
            Output::Envelope { message, .. } | Output::AskRecipient { message, .. } => {
                assert_eq!(self.open, Some(*message));
            }
            Output::Aborted { message, .. } => {
                // After its end was reported, a message may still be aborted instead of answered.
                let ended = self.open.take().or(Some(*message));
                assert_eq!(ended, Some(*message));
                self.due = None;
            }
            Output::EndOfMessage(end) => {
                assert_eq!(self.open.take(), Some(end.message));
                self.due = Some(end.message);
            }
            Output::Close => self.closed = true,
            _ => {}
        }
        self.heard.facts.push(format!("{output:?}"));
    }

    fn content(&mut self, bytes: &Bytes) {
        assert!(self.open.is_some() && !bytes.is_empty());
        self.heard.content.0.extend_from_slice(bytes);
    }
}

fn assert_whole_frames(sent: &[u8]) {
    let mut reader = FrameReader::default();
    reader.feed(sent);
    while reader.next_frame().expect("our own frames").is_some() {}
    assert_eq!(reader.bytes_held(), 0, "half a frame was sent");
}
