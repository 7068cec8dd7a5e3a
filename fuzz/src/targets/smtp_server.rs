//! The receiving session, with a caller that answers, late or never.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tamis_mail_protocols::smtp::Mode;
use tamis_mail_protocols::smtp::data::BareLineEnd;
use tamis_mail_protocols::smtp::limits::{
    COMMAND_TIMEOUT, PENDING_INPUT_BYTES_MAX, SEND_BYTES_TARGET,
};
use tamis_mail_protocols::smtp::reply::Reply;
use tamis_mail_protocols::smtp::server::{Config, Event, Output, Server};

use crate::pick::{Cuts, Shown, start};

/// Bytes of one of our own replies, the list of extensions included.
const REPLY_BYTES_MAX: usize = 2048;
/// Largest mail of the session under test, so that the limit is met.
const MAIL_BYTES_MAX: u64 = 2000;

/// A client's bytes to the SMTP side.
pub fn smtp_server(data: &[u8]) {
    session(Mode::Smtp, data);
}

/// A client's bytes to the LMTP side, which answers the end of a mail for each recipient.
pub fn lmtp_server(data: &[u8]) {
    session(Mode::Lmtp, data);
}

/// Answered at once, the talk does not depend on the cuts. Whatever the caller does, the session says nothing for him.
fn session(mode: Mode, data: &[u8]) {
    for bare_line_end in [BareLineEnd::Reject, BareLineEnd::Normalise] {
        let whole = Talk::new(mode, bare_line_end).prompt(&[data]);
        let cut = Talk::new(mode, bare_line_end).prompt(&Cuts::of(data).pieces(data));
        assert_eq!(whole, cut, "cuts change the talk");
    }
    let mut cuts = Cuts::of(data);
    let pieces = cuts.pieces(data);
    Talk::new(mode, BareLineEnd::Reject).tardy(&pieces, &mut cuts);
}

struct Talk {
    server: Server,
    now: Instant,
    /// The kind of answer that the caller owes.
    asked: Option<Asked>,
    closed: bool,
    questions: usize,
    accepted: usize,
    sent: usize,
    content: usize,
    /// Where in what was heard the content of the mail on its way begins.
    mail_from: usize,
    /// First reply code that must come next, because the caller said so.
    said: Option<u16>,
    heard: Heard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Mail,
    Rcpt,
    End,
}

/// What came out, neighbouring bytes joined.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    wire: Shown,
    content: Shown,
    facts: Vec<String>,
}

impl Talk {
    fn new(mode: Mode, bare_line_end: BareLineEnd) -> Self {
        let now = start();
        let mut config = Config::new(mode, "edge.test");
        (config.xforward, config.xclient, config.smtputf8) = (true, true, true);
        (config.mail_bytes_max, config.bare_line_end) = (MAIL_BYTES_MAX, bare_line_end);
        Self {
            server: Server::new(config, now),
            now,
            asked: None,
            closed: false,
            questions: 0,
            accepted: 0,
            sent: 0,
            content: 0,
            mail_from: 0,
            said: None,
            heard: Heard::default(),
        }
    }

    /// The caller answers at once.
    fn prompt(mut self, pieces: &[&[u8]]) -> Heard {
        let (mut lines, mut bytes) = (0, 0);
        for piece in pieces {
            lines += piece.iter().filter(|byte| **byte == b'\n').count();
            bytes += piece.len();
            let mut rest = *piece;
            while !rest.is_empty() && !self.closed {
                let room = self.server.room();
                assert!((1..=PENDING_INPUT_BYTES_MAX).contains(&room), "no room, nothing asked");
                let (now, behind) = rest.split_at(rest.len().min(room));
                rest = behind;
                self.handle(Event::Received(Bytes::copy_from_slice(now)));
                self.drain(true);
            }
        }
        assert!(self.content <= 2 * bytes, "{} bytes of content from {bytes}", self.content);
        assert!(self.sent <= REPLY_BYTES_MAX * (lines + 2), "{} sent for {lines} lines", self.sent);
        self.handle(Event::PeerClosed);
        self.drain(true);
        assert!(self.closed && self.server.room() == 0, "a closed peer ends the session");
        self.heard
    }

    /// The caller answers late, discards, answers unasked, lets time pass, drains.
    fn tardy(mut self, pieces: &[&[u8]], cuts: &mut Cuts) {
        for piece in pieces {
            let (now, _) = piece.split_at(piece.len().min(self.server.room()));
            self.handle(Event::Received(Bytes::copy_from_slice(now)));
            self.drain(false);
            match cuts.below(12) {
                0..5 => self.answer(),
                5 => self.handle(Event::Reply(Reply::new(250, "2.0.0 nobody asked"))),
                6 => self.handle(Event::Discard(Reply::new(550, "5.7.1 enough"))),
                7 => self.handle(Event::Replies(vec![Reply::new(250, "2.0.0 ok"); cuts.below(4)])),
                8 => {
                    self.now += Duration::from_secs(cuts.below(100) as u64);
                    self.handle(Event::Timer);
                }
                9 if cuts.below(8) == 0 => self.handle(Event::Drain),
                _ => {}
            }
            self.drain(false);
        }
        self.handle(Event::PeerClosed);
        for _ in 0..=self.questions + pieces.len() * 64 {
            self.drain(true);
        }
        assert!(self.closed, "answered to the end, a closed peer ends the session");
    }

    /// Hands in an event of the tardy caller, whose answers are all positive.
    fn handle(&mut self, event: Event) {
        if self.asked == Some(Asked::Rcpt) {
            let one = match &event {
                Event::Reply(_) => true,
                Event::Replies(replies) => replies.len() == 1,
                _ => false,
            };
            self.accepted += usize::from(one);
        }
        let answers = matches!(event, Event::Reply(_) | Event::Replies(_) | Event::Discard(_));
        if answers && (self.asked == Some(Asked::End) || !matches!(event, Event::Discard(_))) {
            self.asked = None;
            self.said = None;
        }
        self.server.handle(event, self.now);
    }

    /// Answers what is asked, each kind of answer in its turn; an answer that takes a mail in names the question.
    fn answer(&mut self) {
        let Some(asked) = self.asked.take() else { return };
        self.questions += 1;
        let code = match (asked, self.questions % 7) {
            (_, 3) => 451,
            (_, 5) => 550,
            (Asked::End, 6) => 354,
            _ => 250,
        };
        let reply = Reply::new(code, "the caller's word");
        let several = asked == Asked::End && self.server.mode() == Mode::Lmtp;
        self.said = Some(if code == 354 { 451 } else { code });
        self.accepted += usize::from(asked == Asked::Rcpt && code == 250);
        let event = match several {
            true => Event::Replies(vec![reply; self.accepted]),
            false => Event::Reply(reply),
        };
        self.server.handle(event, self.now);
    }

    fn drain(&mut self, answering: bool) {
        loop {
            while let Some(output) = self.server.poll() {
                self.hear(output);
            }
            self.check_deadline();
            if !answering || self.asked.is_none() || self.closed {
                return;
            }
            self.answer();
        }
    }

    fn check_deadline(&self) {
        let longest = self.now + COMMAND_TIMEOUT;
        match self.server.deadline() {
            Some(at) => assert!(!self.closed && at <= longest, "a deadline too far away"),
            None => assert!(self.closed || self.asked.is_some(), "nobody ends this session"),
        }
        assert!(self.server.room() <= PENDING_INPUT_BYTES_MAX);
    }

    fn hear(&mut self, output: Output) {
        assert!(!self.closed, "{output:?} after the last output");
        match output {
            Output::Send(bytes) => self.hear_replies(&bytes),
            Output::Content(bytes) => {
                assert!(!bytes.is_empty() && self.asked.is_none());
                self.content += bytes.len();
                self.heard.content.0.extend_from_slice(&bytes);
            }
            Output::Mail { .. } => self.ask(Asked::Mail, &output),
            Output::Rcpt { .. } => self.ask(Asked::Rcpt, &output),
            Output::EndOfData(end) => {
                assert!(end.fault.is_none() && end.size <= MAIL_BYTES_MAX);
                self.mail_from = self.heard.content.0.len();
                self.ask(Asked::End, &output);
            }
            // How much of a mail came before its fault was seen depends on the cuts; nobody may use it.
            Output::Reset(_) => {
                self.heard.content.0.truncate(self.mail_from);
                self.heard.facts.push(format!("{output:?}"));
            }
            Output::Close(_) => {
                self.closed = true;
                self.asked = None;
                self.heard.facts.push(format!("{output:?}"));
            }
            other => self.heard.facts.push(format!("{other:?}")),
        }
    }

    fn ask(&mut self, asked: Asked, output: &Output) {
        assert_eq!(self.asked, None, "a second question before the first answer");
        if asked == Asked::Mail {
            self.accepted = 0;
        }
        self.asked = Some(asked);
        self.heard.facts.push(format!("{output:?}"));
    }

    /// While the caller owes an answer, nothing but a farewell may be said; after it, what he said comes first.
    fn hear_replies(&mut self, bytes: &[u8]) {
        assert!(bytes.ends_with(b"\r\n") && bytes.len() <= SEND_BYTES_TARGET + REPLY_BYTES_MAX);
        let code: u16 = std::str::from_utf8(&bytes[..3]).unwrap().parse().unwrap();
        assert!(self.asked.is_none() || code >= 400, "said {code} before the caller did");
        if let Some(said) = self.said.take() {
            assert_eq!(code, said, "not what the caller said");
        }
        self.sent += bytes.len();
        self.heard.wire.0.extend_from_slice(bytes);
    }
}
