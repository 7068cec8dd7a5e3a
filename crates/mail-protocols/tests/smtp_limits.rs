//! Each bound of the sessions, at the bound and one past it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod smtp_support;

use std::time::Instant;

use smtp_support::drive::{reply, start};
use tamis_mail_protocols::smtp::Mode;
use tamis_mail_protocols::smtp::address::Address;
use tamis_mail_protocols::smtp::client::{self, Client};
use tamis_mail_protocols::smtp::client_facts::ClientFacts;
use tamis_mail_protocols::smtp::limits::*;
use tamis_mail_protocols::smtp::parameters::Parameters;
use tamis_mail_protocols::smtp::server::{Closed, Config, Event, Output, Server};

/// A server whose caller says yes to everything, and all that it sent.
struct Yes {
    server: Server,
    now: Instant,
    sent: String,
    last: Option<Output>,
}

impl Yes {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(Mode::Smtp, "edge.test");
        change(&mut config);
        let now = start();
        let mut yes =
            Self { server: Server::new(config, now), now, sent: String::new(), last: None };
        yes.drain();
        yes.say("HELO x\r\n");
        yes.sent.clear();
        yes
    }

    fn say(&mut self, text: &str) {
        for part in text.as_bytes().chunks(PENDING_INPUT_BYTES_MAX) {
            self.server.handle(Event::Received(part.to_vec().into()), self.now);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll() {
            match &output {
                Output::Send(bytes) => self.sent.push_str(&String::from_utf8_lossy(bytes)),
                Output::Mail { .. } | Output::Rcpt { .. } | Output::EndOfData(_) => {
                    self.server.handle(Event::Reply(reply("250 ok")), self.now);
                }
                _ => {}
            }
            self.last = Some(output);
        }
    }

    fn codes(&self) -> Vec<&str> {
        self.sent.lines().map(|line| &line[..3]).collect()
    }
}

fn recipients(count: usize) -> String {
    (0..count).map(|at| format!("RCPT TO:<r{at}@example.test>\r\n")).collect()
}

#[test]
fn a_transaction_takes_its_recipients_and_not_one_more() {
    let mut yes = Yes::new(|_| {});
    yes.say(&format!("MAIL FROM:<a@example.org>\r\n{}", recipients(RECIPIENTS_MAX + 1)));
    let codes = yes.codes();
    assert_eq!(codes.iter().filter(|code| **code == "250").count(), 1 + RECIPIENTS_MAX);
    assert_eq!(codes.last(), Some(&"452"));
    // The rest of the mail is not harmed.
    yes.sent.clear();
    yes.say("DATA\r\nx\r\n.\r\n");
    assert_eq!(yes.codes(), ["354", "250"]);
}

#[test]
fn fewer_recipients_than_the_standard_asks_cannot_be_configured() {
    let mut yes = Yes::new(|config| config.recipients_max = 1);
    yes.say(&format!("MAIL FROM:<a@example.org>\r\n{}", recipients(RECIPIENTS_FLOOR + 1)));
    assert_eq!(yes.codes().iter().filter(|code| **code == "250").count(), 1 + RECIPIENTS_FLOOR);
    assert_eq!(yes.codes().last(), Some(&"452"));
}

#[test]
fn a_command_line_of_the_limit_is_read_and_one_byte_more_is_not() {
    let mut yes = Yes::new(|_| {});
    let noop = |bytes: usize| format!("NOOP {}\r\n", "x".repeat(bytes - 7));
    yes.say(&noop(COMMAND_LINE_BYTES_MAX));
    yes.say(&noop(COMMAND_LINE_BYTES_MAX + 1));
    yes.say("NOOP\r\n");
    assert_eq!(yes.codes(), ["250", "500", "250"]);
}

#[test]
fn errors_are_borne_to_the_limit() {
    let mut yes = Yes::new(|_| {});
    yes.say(&"WHAT\r\n".repeat(ERRORS_MAX));
    assert_eq!(yes.codes(), ["500"; ERRORS_MAX]);
    yes.say("WHAT\r\n");
    assert_eq!(yes.codes()[ERRORS_MAX..], ["500", "421"]);
    assert_eq!(yes.last, Some(Output::Close(Closed::Abuse)));
}

#[test]
fn commands_that_bring_no_mail_forward_count_as_errors_past_the_limit() {
    // The greeting was one of them.
    let borne = JUNK_COMMANDS_MAX - 1 + ERRORS_MAX;
    let mut yes = Yes::new(|_| {});
    yes.say(&"NOOP\r\n".repeat(borne));
    assert_eq!(yes.codes(), vec!["250"; borne]);
    yes.say("NOOP\r\n");
    assert_eq!(yes.codes()[borne..], ["250", "421"]);
}

#[test]
fn a_mail_between_them_forgives_commands_that_bring_no_mail_forward() {
    let mut yes = Yes::new(|_| {});
    for _ in 0..10 {
        yes.say(&"NOOP\r\n".repeat(JUNK_COMMANDS_MAX - 1));
        yes.say("MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n.\r\n");
    }
    assert!(!yes.codes().contains(&"421"));
}

/// A server whose caller is still thinking about MAIL.
fn asked() -> (Server, Instant) {
    let now = start();
    let mut server = Server::new(Config::new(Mode::Smtp, "edge.test"), now);
    server.handle(Event::Received("HELO x\r\nMAIL FROM:<a@x.test>\r\n".into()), now);
    while server.poll().is_some() {}
    (server, now)
}

#[test]
fn pipelined_bytes_are_kept_to_the_limit_and_one_more_ends_the_session() {
    let (mut server, now) = asked();
    assert_eq!(server.room(), PENDING_INPUT_BYTES_MAX);
    let bytes = b"NOOP\r\n".repeat(PENDING_INPUT_BYTES_MAX / 6 + 1);
    server.handle(Event::Received(bytes[..PENDING_INPUT_BYTES_MAX].to_vec().into()), now);
    assert_eq!((server.poll(), server.room()), (None, 0));
    server.handle(Event::Received("N".into()), now);
    let Some(Output::Send(bytes)) = server.poll() else { panic!("no farewell") };
    assert!(bytes.starts_with(b"421"));
    assert_eq!(server.poll(), Some(Output::Close(Closed::Abuse)));
}

#[test]
fn replies_are_handed_out_in_pieces_and_never_pile_up() {
    let now = start();
    let mut config = Config::new(Mode::Smtp, "edge.test");
    config.errors_max = usize::MAX;
    let mut server = Server::new(config, now);
    let bytes = b"EHLO x\r\n".repeat(PENDING_INPUT_BYTES_MAX / 8);
    server.handle(Event::Received(bytes.into()), now);
    let mut outputs = 0;
    while let Some(output) = server.poll() {
        if let Output::Send(bytes) = &output {
            assert!(bytes.len() < SEND_BYTES_TARGET + 1000, "{}", bytes.len());
        }
        outputs += 1;
    }
    assert!(outputs > PENDING_INPUT_BYTES_MAX / 8);
}

/// A client at a far side with PIPELINING, ready for a mail.
fn ready_client() -> (Client, Instant) {
    let now = start();
    let mut client = Client::new(client::Config::new(Mode::Smtp, "edge.test"), now);
    client.handle(client::Event::Received("220 mx\r\n".into()), now);
    client.handle(client::Event::Received("250-mx\r\n250 PIPELINING\r\n".into()), now);
    let (from, parameters) = (Address::null(), Parameters::default());
    let forwarded = ClientFacts::default();
    client.handle(client::Event::Mail { from, parameters, forwarded }, now);
    (client, now)
}

fn name_recipients(client: &mut Client, now: Instant, count: usize) {
    for at in 0..count {
        let to = Address::new(&format!("r{at}@example.test")).unwrap();
        client.handle(client::Event::Rcpt { to, parameters: Parameters::default() }, now);
    }
}

fn sent_by(client: &mut Client) -> (usize, Vec<client::Output>) {
    let (mut lines, mut others) = (0, Vec::new());
    while let Some(output) = client.poll() {
        match output {
            client::Output::Send(bytes) => {
                lines += bytes.iter().filter(|byte| **byte == b'\n').count()
            }
            other => others.push(other),
        }
    }
    (lines, others)
}

#[test]
fn commands_go_ahead_of_their_replies_to_the_limit() {
    let (mut client, now) = ready_client();
    sent_by(&mut client);
    name_recipients(&mut client, now, OUTSTANDING_COMMANDS_MAX - 1);
    assert_eq!(sent_by(&mut client).0, OUTSTANDING_COMMANDS_MAX - 1, "with MAIL: the limit");
    name_recipients(&mut client, now, 1);
    assert_eq!(sent_by(&mut client).0, 0);
    client.handle(client::Event::Received("250 ok\r\n".into()), now);
    assert_eq!(sent_by(&mut client).0, 1);
}

#[test]
fn a_client_names_its_recipients_and_not_one_more() {
    let (mut client, now) = ready_client();
    name_recipients(&mut client, now, RECIPIENTS_MAX);
    let refused = |others: &[client::Output]| {
        let local = |output: &&client::Output| matches!(output, client::Output::RcptReplied { reply, .. } if reply.code() == 452);
        others.iter().filter(local).count()
    };
    assert_eq!(refused(&sent_by(&mut client).1), 0);
    name_recipients(&mut client, now, 1);
    assert_eq!(refused(&sent_by(&mut client).1), 1);
}

#[test]
fn a_byte_now_and_then_holds_no_place_for_ever() {
    let mut yes = Yes::new(|_| {});
    yes.say("MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n");
    let begun = yes.now;
    let pause = CONTENT_TIMEOUT / 2;
    while yes.now + pause < begun + CONTENT_TIMEOUT_TOTAL {
        yes.now += pause;
        yes.server.handle(Event::Timer, yes.now);
        yes.say("x");
        assert!(!matches!(yes.last, Some(Output::Close(_))));
    }
    assert_eq!(yes.server.deadline(), Some(begun + CONTENT_TIMEOUT_TOTAL));
    yes.server.handle(Event::Timer, begun + CONTENT_TIMEOUT_TOTAL);
    yes.drain();
    assert_eq!(yes.last, Some(Output::Close(Closed::TimedOut)));
}
