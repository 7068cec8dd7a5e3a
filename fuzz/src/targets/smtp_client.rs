//! The sending session, against a next hop that answers anything.

use std::time::Instant;

use bytes::Bytes;
use tamis_mail_protocols::smtp::Mode;
use tamis_mail_protocols::smtp::address::Address;
use tamis_mail_protocols::smtp::client::{Client, Config, Event, Output};
use tamis_mail_protocols::smtp::client_facts::{ClientFacts, XFORWARD_ATTRIBUTES};
use tamis_mail_protocols::smtp::limits::{COMMAND_LINE_BYTES_MAX, FINAL_TIMEOUT};
use tamis_mail_protocols::smtp::parameters::Parameters;

use crate::pick::{Cuts, start};

/// Reads bytes as the answers of a next hop. It never claims a delivery before the final dot, nor doubts one without
/// cause; what it sends never holds a line end of somebody else's making.
pub fn smtp_client(data: &[u8]) {
    for mode in [Mode::Smtp, Mode::Lmtp] {
        talk(mode, &[data]);
        talk(mode, &Cuts::of(data).pieces(data));
    }
}

struct Talk {
    client: Client,
    now: Instant,
    /// A transaction was ordered and has no end yet.
    open: bool,
    dot: bool,
    accepted: usize,
    mails: usize,
    closed: bool,
}

fn talk(mode: Mode, pieces: &[&[u8]]) {
    let now = start();
    let client = Client::new(Config::new(mode, "edge.test"), now);
    let mut talk =
        Talk { client, now, open: false, dot: false, accepted: 0, mails: 0, closed: false };
    for piece in pieces {
        talk.handle(Event::Received(Bytes::copy_from_slice(piece)));
        let deadline = talk.client.deadline();
        assert!(deadline.is_none_or(|at| at <= now + FINAL_TIMEOUT), "waits for ever");
    }
    talk.handle(Event::PeerClosed);
    assert!(talk.closed && !talk.open, "a mail ordered is a mail answered for");
    assert_eq!(talk.client.deadline(), None);
}

impl Talk {
    fn handle(&mut self, event: Event) {
        self.client.handle(event, self.now);
        while let Some(output) = self.client.poll() {
            assert!(!self.closed, "{output:?} after the last output");
            self.hear(output);
        }
    }

    fn hear(&mut self, output: Output) {
        match output {
            Output::Send(bytes) => self.sent(&bytes),
            Output::Ready => {
                assert!(!self.open);
                self.order();
            }
            Output::RcptReplied { reply, .. } => self.accepted += usize::from(reply.is_positive()),
            Output::GoAhead => {
                assert!(self.open && self.accepted > 0, "nobody takes this mail");
                let text: &[u8] = b"Subject: a\r\n\r\n.\r\nlone\rends\nhere\n.\n";
                self.client.handle(Event::Content(Bytes::from_static(text)), self.now);
                self.client.handle(Event::Commit, self.now);
            }
            Output::Delivered(replies) => {
                assert!(self.open && self.dot, "delivered before the final dot");
                assert!(!replies.is_empty() && replies.len() <= self.accepted);
                self.open = false;
            }
            Output::Failed(failure) => {
                let reply = failure.reply();
                assert!(!reply.is_positive() && reply.code() != 421 && reply.code() >= 400);
                assert_eq!(failure.outcome_unknown(), self.open && self.dot, "{failure}");
                assert!(failure.replies.len() < self.accepted.max(1));
                self.open = false;
            }
            Output::Close => self.closed = true,
            Output::MailReplied(_) | Output::Noted(_) => {}
        }
    }

    /// Orders a mail to two recipients; every third time only the envelope's end comes at once.
    fn order(&mut self) {
        (self.open, self.dot, self.accepted) = (true, false, 0);
        self.mails += 1;
        if self.mails > 20 {
            self.open = false;
            return self.client.handle(Event::Quit, self.now);
        }
        let from = Address::new("a@example.org").unwrap();
        let parameters = Parameters::new("SIZE=40 BODY=8BITMIME RET=HDRS").unwrap();
        let told = "ADDR=192.0.2.1 NAME=[UNAVAILABLE] HELO=mx.example.org";
        let forwarded = ClientFacts::parse(told, &XFORWARD_ATTRIBUTES).unwrap();
        self.client.handle(Event::Mail { from, parameters, forwarded }, self.now);
        for to in ["b@example.com", "\"c d\"@example.com"] {
            let to = Address::new(to).unwrap();
            let parameters = Parameters::new("NOTIFY=NEVER").unwrap();
            self.client.handle(Event::Rcpt { to, parameters }, self.now);
        }
        self.client.handle(Event::Data, self.now);
    }

    fn sent(&mut self, bytes: &[u8]) {
        // No command ends like this.
        self.dot |= bytes.ends_with(b"\r\n.\r\n") || bytes == b".\r\n";
        assert!(bytes.ends_with(b"\r\n"), "{bytes:?}");
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            assert!(line.len() <= COMMAND_LINE_BYTES_MAX && line.ends_with(b"\r\n"));
            assert!(!line[..line.len() - 2].contains(&b'\r'), "{line:?}");
        }
    }
}
