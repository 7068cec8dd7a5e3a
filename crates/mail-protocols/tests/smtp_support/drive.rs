//! A session under test, server or client, moved by words.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tamis_mail_protocols::smtp::Mode;
use tamis_mail_protocols::smtp::address::Address;
use tamis_mail_protocols::smtp::client::{self, Client};
use tamis_mail_protocols::smtp::client_facts::{
    Attribute, ClientFacts, XCLIENT_ATTRIBUTES, XFORWARD_ATTRIBUTES,
};
use tamis_mail_protocols::smtp::data::BareLineEnd;
use tamis_mail_protocols::smtp::parameters::Parameters;
use tamis_mail_protocols::smtp::reply::Reply;
use tamis_mail_protocols::smtp::server::{self, Server};

use super::{Act, Seen, Talk, escape, push};

pub enum Session {
    Server { session: Server, asked: bool, closed: bool },
    Client { session: Client, closed: bool },
}

pub struct Drive {
    pub session: Session,
    pub now: Instant,
}

/// The one place of the tests that needs an instant to count from.
#[allow(clippy::disallowed_methods)]
pub fn start() -> Instant {
    Instant::now()
}

pub fn server_config(options: &[String]) -> server::Config {
    let mut config = server::Config::new(mode(options), "edge.test");
    for option in options {
        match option.split_once('=').unwrap_or((option, "")) {
            ("size", bytes) => config.mail_bytes_max = bytes.parse().unwrap(),
            ("errors", count) => config.errors_max = count.parse().unwrap(),
            ("xforward", _) => config.xforward = true,
            ("xclient", _) => config.xclient = true,
            ("utf8", _) => config.smtputf8 = true,
            ("normalise", _) => config.bare_line_end = BareLineEnd::Normalise,
            ("no8bit", _) => config.eight_bit_mime = false,
            ("nodsn", _) => config.dsn = false,
            ("server" | "client" | "smtp" | "lmtp", _) => {}
            other => panic!("unknown option {other:?}"),
        }
    }
    config
}

fn mode(options: &[String]) -> Mode {
    if options[1] == "lmtp" { Mode::Lmtp } else { Mode::Smtp }
}

impl Drive {
    pub fn new(talk: &Talk) -> Self {
        let now = start();
        let session = if talk.is_server {
            let session = Server::new(server_config(&talk.options), now);
            Session::Server { session, asked: false, closed: false }
        } else {
            let mut config = client::Config::new(mode(&talk.options), "edge.test");
            config.pipelining = !talk.options.iter().any(|option| option == "nopipelining");
            Session::Client { session: Client::new(config, now), closed: false }
        };
        Self { session, now }
    }

    /// Does `act`, with bytes cut by `split`, and tells what follows.
    pub fn act(&mut self, act: &Act, split: &mut dyn FnMut(&[u8]) -> Vec<Vec<u8>>) -> Vec<Seen> {
        let mut seen = Vec::new();
        match act {
            Act::Bytes(bytes) => {
                for part in split(bytes) {
                    self.bytes(part.into(), &mut seen);
                }
            }
            Act::PeerCloses => self.peer_closes(&mut seen),
            Act::Caller(words) => self.caller(words, &mut seen),
            Act::Wait(time) => self.wait(*time, &mut seen),
        }
        seen
    }

    pub fn closed(&self) -> bool {
        match &self.session {
            Session::Server { closed, .. } | Session::Client { closed, .. } => *closed,
        }
    }

    pub fn bytes(&mut self, bytes: Bytes, seen: &mut Vec<Seen>) {
        match &mut self.session {
            Session::Server { session, .. } => {
                session.handle(server::Event::Received(bytes), self.now)
            }
            Session::Client { session, .. } => {
                session.handle(client::Event::Received(bytes), self.now)
            }
        }
        self.drain(seen);
    }

    fn peer_closes(&mut self, seen: &mut Vec<Seen>) {
        match &mut self.session {
            Session::Server { session, .. } => session.handle(server::Event::PeerClosed, self.now),
            Session::Client { session, .. } => session.handle(client::Event::PeerClosed, self.now),
        }
        self.drain(seen);
    }

    fn wait(&mut self, time: Duration, seen: &mut Vec<Seen>) {
        self.now += time;
        match &mut self.session {
            Session::Server { session, .. } => session.handle(server::Event::Timer, self.now),
            Session::Client { session, .. } => session.handle(client::Event::Timer, self.now),
        }
        self.drain(seen);
    }

    fn caller(&mut self, words: &str, seen: &mut Vec<Seen>) {
        let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
        match &mut self.session {
            Session::Server { session, asked, .. } => {
                *asked &= !matches!(verb, "reply" | "replies" | "discard" | "close");
                session.handle(server_event(verb, rest), self.now);
            }
            Session::Client { session, .. } => session.handle(client_event(verb, rest), self.now),
        }
        self.drain(seen);
    }

    pub fn drain(&mut self, seen: &mut Vec<Seen>) {
        match &mut self.session {
            Session::Server { session, asked, closed } => {
                while let Some(output) = session.poll() {
                    assert!(!*closed, "{output:?} after the last output");
                    watch(&output, asked);
                    *closed = matches!(output, server::Output::Close(_));
                    push(seen, show_server(output));
                }
                // Nothing is kept that the peer could make grow.
                assert!(*closed || *asked || session.deadline().is_some());
            }
            Session::Client { session, closed } => {
                while let Some(output) = session.poll() {
                    assert!(!*closed, "{output:?} after the last output");
                    *closed = matches!(output, client::Output::Close);
                    push(seen, show_client(output));
                }
            }
        }
    }
}

/// While the caller owes an answer, this side says nothing but a farewell that is no success.
fn watch(output: &server::Output, asked: &mut bool) {
    match output {
        server::Output::Mail { .. }
        | server::Output::Rcpt { .. }
        | server::Output::EndOfData(_) => {
            assert!(!*asked, "a second question before the first answer");
            *asked = true;
        }
        server::Output::Send(bytes) if *asked => {
            assert!(bytes.starts_with(b"4") || bytes.starts_with(b"5"), "said {bytes:?} unasked");
            *asked = false;
        }
        server::Output::Close(_) => *asked = false,
        _ => {}
    }
}

pub fn reply(text: &str) -> Reply {
    let (code, text) = text.trim().split_once(' ').unwrap_or((text, ""));
    Reply::new(code.parse().unwrap(), text)
}

fn server_event(verb: &str, rest: &str) -> server::Event {
    match verb {
        "reply" => server::Event::Reply(reply(rest)),
        "replies" => server::Event::Replies(rest.split('|').map(reply).collect()),
        "discard" => server::Event::Discard(reply(rest)),
        "close" => server::Event::Close(reply(rest)),
        "drain" => server::Event::Drain,
        _ => panic!("caller cannot {verb}"),
    }
}

fn client_event(verb: &str, rest: &str) -> client::Event {
    let (path, told) = rest.split_once(" | ").unwrap_or((rest, ""));
    let envelope = || {
        let (address, parameters) = Address::take(path).unwrap();
        (address, Parameters::new(parameters).unwrap())
    };
    match verb {
        "mail" => {
            let (from, parameters) = envelope();
            let forwarded = match told {
                "" => ClientFacts::default(),
                told => ClientFacts::parse(told, &XFORWARD_ATTRIBUTES).unwrap(),
            };
            client::Event::Mail { from, parameters, forwarded }
        }
        "rcpt" => {
            let (to, parameters) = envelope();
            client::Event::Rcpt { to, parameters }
        }
        "data" => client::Event::Data,
        "content" => client::Event::Content(super::unescape(rest).into()),
        "commit" => client::Event::Commit,
        "abort" => client::Event::Abort,
        "quit" => client::Event::Quit,
        _ => panic!("caller cannot {verb}"),
    }
}

fn show_server(output: server::Output) -> Seen {
    use server::Output;
    Seen::Fact(match output {
        Output::Send(bytes) => return Seen::Wire(escape(&bytes)),
        Output::Content(bytes) => return Seen::Content(escape(&bytes)),
        Output::Hello { verb, name } => format!("hello {verb:?} {name}"),
        Output::Client(facts) => format!("client {}", show_facts(&facts)),
        Output::Mail { from, parameters, forwarded } if forwarded.is_empty() => {
            format!("mail {from}{parameters}")
        }
        Output::Mail { from, parameters, forwarded } => {
            format!("mail {from}{parameters} | {}", show_facts(&forwarded))
        }
        Output::Rcpt { to, parameters } => format!("rcpt {to}{parameters}"),
        Output::Data => "data".into(),
        Output::EndOfData(end) => format!("end of data {}", end.size),
        Output::Reset(why) => format!("reset {why:?}"),
        Output::PeerGone => "peer gone".into(),
        Output::Noted(fact) => format!("noted {fact:?}"),
        Output::Close(why) => format!("close {why:?}"),
    })
}

fn show_facts(facts: &ClientFacts) -> String {
    let mut attributes: Vec<Attribute> = XFORWARD_ATTRIBUTES.to_vec();
    attributes.extend(XCLIENT_ATTRIBUTES.iter().filter(|a| !XFORWARD_ATTRIBUTES.contains(a)));
    let show = |attribute: Attribute| {
        facts.value(attribute).map(|value| format!("{}={value}", attribute.name()))
    };
    attributes.into_iter().filter_map(show).collect::<Vec<_>>().join(" ")
}

fn show_reply(reply: &Reply) -> String {
    format!("{} {}", reply.code(), reply.lines().join(" / "))
}

fn show_client(output: client::Output) -> Seen {
    use client::Output;
    Seen::Fact(match output {
        Output::Send(bytes) => return Seen::Wire(escape(&bytes)),
        Output::Ready => "ready".into(),
        Output::MailReplied(reply) => format!("mail {}", show_reply(&reply)),
        Output::RcptReplied { index, reply } => format!("rcpt {index} {}", show_reply(&reply)),
        Output::GoAhead => "go ahead".into(),
        Output::Delivered(replies) => {
            format!("delivered {}", replies.iter().map(show_reply).collect::<Vec<_>>().join(" | "))
        }
        Output::Failed(failure) => {
            let unknown = if failure.outcome_unknown() { ", outcome unknown" } else { "" };
            let said = match failure.replies.len() {
                0 => String::new(),
                count => format!(", {count} answered"),
            };
            let (stage, fault, next) = (failure.stage, failure.fault(), failure.next());
            let told = show_reply(&failure.reply());
            format!("failed {stage:?} {fault:?} {next:?}{unknown}{said}: {told}")
        }
        Output::Noted(client::Fact::XforwardRefused(reply)) => {
            format!("noted XforwardRefused {}", show_reply(&reply))
        }
        Output::Noted(fact) => format!("noted {fact:?}"),
        Output::Close => "close".into(),
    })
}
