//! Our client talks to our server over pipes that cut bytes anywhere, and to noise. Same seed, same run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod smtp_support;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use smtp_support::drive::start;
use smtp_support::prng::Prng;
use tamis_mail_protocols::smtp::Mode;
use tamis_mail_protocols::smtp::address::Address;
use tamis_mail_protocols::smtp::client::{self, Client};
use tamis_mail_protocols::smtp::client_facts::{Attribute, ClientFacts, Given};
use tamis_mail_protocols::smtp::parameters::Parameters;
use tamis_mail_protocols::smtp::reply::Reply;
use tamis_mail_protocols::smtp::server::{self, Server};

const SEEDS: u64 = 256;
const MAILS: usize = 4;
const STEPS_MAX: usize = 200_000;

/// A mail as given to the client.
struct Mail {
    recipients: Vec<String>,
    content: Vec<u8>,
}

/// A mail as the server told it to its caller.
#[derive(Default)]
struct Taken {
    recipients: Vec<String>,
    content: Vec<u8>,
}

struct World {
    prng: Prng,
    now: Instant,
    client: Client,
    server: Server,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    mails: VecDeque<Mail>,
    left: Vec<u8>,
    accepted: Vec<String>,
    taken: Taken,
    told: Vec<Reply>,
    committed: bool,
    finished: usize,
    delivered: usize,
    client_closed: bool,
    server_closed: bool,
}

/// Lines of all shapes, each with its CR LF.
fn content(prng: &mut Prng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..prng.below(12) {
        let line: Vec<u8> = match prng.below(7) {
            0 => vec![],
            1 => b".".to_vec(),
            2 => b"..".to_vec(),
            3 => b".MAIL FROM:<x@example.test>".to_vec(),
            4 => vec![b'l'; prng.below(5000)],
            5 => (0..prng.below(60))
                .map(|_| prng.below(256) as u8)
                .filter(|b| !b"\r\n".contains(b))
                .collect(),
            _ => b"a line of text".to_vec(),
        };
        bytes.extend(line);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

impl World {
    fn new(seed: u64) -> Self {
        let (mut prng, now) = (Prng::new(seed), start());
        let mode = if prng.below(2) == 0 { Mode::Smtp } else { Mode::Lmtp };
        let mut config = server::Config::new(mode, "edge.test");
        config.xforward = prng.below(2) == 0;
        let mut sending = client::Config::new(mode, "mta.test");
        sending.pipelining = prng.below(2) == 0;
        let mut mails = VecDeque::new();
        for mail in 0..MAILS {
            let recipients =
                (0..=prng.below(8)).map(|at| format!("r{at}.{mail}@example.test")).collect();
            mails.push_back(Mail { recipients, content: content(&mut prng) });
        }
        Self {
            client: Client::new(sending, now),
            server: Server::new(config, now),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            prng,
            now,
            mails,
            left: vec![],
            accepted: vec![],
            taken: Taken::default(),
            told: vec![],
            committed: false,
            finished: 0,
            delivered: 0,
            client_closed: false,
            server_closed: false,
        }
    }

    fn run(mut self) -> usize {
        for _ in 0..STEPS_MAX {
            self.drain_client();
            self.drain_server();
            if self.client_closed && self.server_closed {
                assert_eq!(self.finished, MAILS);
                return self.delivered;
            }
            self.move_bytes();
        }
        panic!("no end");
    }

    fn move_bytes(&mut self) {
        let longest = [1, 5, 600, 40_000][self.prng.below(4)];
        let count = 1 + self.prng.below(longest);
        if self.prng.below(2) == 0 {
            let count = count.min(self.to_server.len()).min(self.server.room());
            let bytes: Bytes = self.to_server.drain(..count).collect::<Vec<_>>().into();
            self.server.handle(server::Event::Received(bytes), self.now);
        } else {
            let count = count.min(self.to_client.len());
            let bytes: Bytes = self.to_client.drain(..count).collect::<Vec<_>>().into();
            self.client.handle(client::Event::Received(bytes), self.now);
        }
        self.feed_content();
    }

    /// The client's caller gives the next piece of the mail, or its end.
    fn feed_content(&mut self) {
        if !self.committed {
            return;
        }
        let count = self.left.len().min(1 + self.prng.below(700));
        let event = if count == 0 {
            self.committed = false;
            client::Event::Commit
        } else {
            client::Event::Content(self.left.drain(..count).collect::<Vec<_>>().into())
        };
        self.client.handle(event, self.now);
    }

    fn drain_client(&mut self) {
        while let Some(output) = self.client.poll() {
            match output {
                client::Output::Send(bytes) => self.to_server.extend(bytes),
                client::Output::Ready => self.next_mail(),
                client::Output::RcptReplied { index, reply } if reply.is_positive() => {
                    self.accepted.push(self.mails[0].recipients[index].clone());
                }
                client::Output::GoAhead => {
                    self.left = self.mails[0].content.clone();
                    self.committed = true;
                }
                client::Output::Delivered(replies) => {
                    assert_eq!(replies, self.told, "what the far side's caller said");
                    self.mail_over();
                    self.delivered += 1;
                }
                client::Output::Failed(failure) => {
                    assert!(failure.stage < client::Stage::Content, "{failure}");
                    self.mail_over();
                }
                client::Output::Close => self.client_closed = true,
                _ => {}
            }
        }
    }

    fn mail_over(&mut self) {
        self.mails.pop_front();
        self.accepted.clear();
        self.finished += 1;
    }

    fn next_mail(&mut self) {
        let Some(mail) = self.mails.front() else {
            return self.client.handle(client::Event::Quit, self.now);
        };
        let mut forwarded = ClientFacts::default();
        forwarded.set(Attribute::Ident, Given::Value(format!("id {}", self.finished)));
        let parameters = Parameters::new("SIZE=3 X-KEEP=1").unwrap();
        let from = Address::new("a@example.org").unwrap();
        self.client.handle(client::Event::Mail { from, parameters, forwarded }, self.now);
        for recipient in &mail.recipients {
            let to = Address::new(recipient).unwrap();
            let parameters = Parameters::new("NOTIFY=NEVER").unwrap();
            self.client.handle(client::Event::Rcpt { to, parameters }, self.now);
        }
        self.client.handle(client::Event::Data, self.now);
    }

    fn drain_server(&mut self) {
        while let Some(output) = self.server.poll() {
            match output {
                server::Output::Send(bytes) => self.to_client.extend(bytes),
                server::Output::Mail { from, parameters, forwarded } => {
                    assert_eq!(from.as_str(), "a@example.org");
                    assert_eq!(parameters.as_str(), "SIZE=3 X-KEEP=1");
                    let told = forwarded.value(Attribute::Ident).map(str::to_owned);
                    let expect = format!("id {}", self.finished);
                    assert!(told.is_none_or(|told| told == expect), "of an earlier mail");
                    self.taken = Taken::default();
                    self.answer(8);
                }
                server::Output::Rcpt { to, parameters } => {
                    assert_eq!(parameters.as_str(), "NOTIFY=NEVER");
                    if self.answer(4) {
                        self.taken.recipients.push(to.as_str().to_owned());
                    }
                }
                server::Output::Content(bytes) => self.taken.content.extend(bytes),
                server::Output::EndOfData(end) => {
                    assert_eq!(end.size as usize, self.taken.content.len());
                    self.judge();
                }
                server::Output::Close(_) => self.server_closed = true,
                server::Output::Noted(fact) => panic!("{fact:?}"),
                _ => {}
            }
        }
    }

    /// Says yes, but for one time in `odds`.
    fn answer(&mut self, odds: usize) -> bool {
        let yes = self.prng.below(odds) > 0;
        let reply = if yes { Reply::new(250, "2.1.0 ok") } else { Reply::new(550, "5.1.1 no") };
        self.server.handle(server::Event::Reply(reply), self.now);
        yes
    }

    fn judge(&mut self) {
        assert_eq!(self.taken.content, self.mails[0].content, "byte for byte");
        assert_eq!(self.taken.recipients, self.accepted);
        let answers = ["250 2.0.0 taken", "450 4.2.0 later", "554 5.7.1 no"];
        let answer = |prng: &mut Prng| smtp_support::drive::reply(answers[prng.below(3)]);
        let lmtp = self.server_mode() == Mode::Lmtp;
        let due = if lmtp { self.accepted.len() } else { 1 };
        self.told = (0..due).map(|_| answer(&mut self.prng)).collect();
        self.server.handle(server::Event::Replies(self.told.clone()), self.now);
    }

    fn server_mode(&self) -> Mode {
        self.server.mode()
    }
}

#[test]
fn mails_arrive_byte_for_byte_over_any_cuts() {
    let mut delivered = 0;
    for seed in 0..SEEDS {
        let run = std::panic::catch_unwind(|| World::new(seed).run());
        delivered += run.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(delivered > SEEDS as usize * 2, "most mails get as far: {delivered}");
}

const WORDS: [&[u8]; 24] = [
    b"EHLO x\r\n",
    b"HELO x\r\n",
    b"LHLO x\r\n",
    b"MAIL FROM:<a@b>\r\n",
    b"RCPT TO:<c@d>\r\n",
    b"DATA\r\n",
    b".\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b".",
    b"RSET\r\n",
    b"QUIT\r\n",
    b"250 ok\r\n",
    b"250-x\r\n",
    b"354 go\r\n",
    b"220 hi\r\n",
    b"550 no\r\n",
    b"421 bye\r\n",
    b"XFORWARD ADDR=192.0.2.1\r\n",
    b"NOOP\r\n",
    b"\0\xff",
    b"text without end ",
    b"XCLIENT ADDR=IPV6:::1\r\n",
];

fn noise(prng: &mut Prng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..prng.below(60) {
        bytes.extend_from_slice(WORDS[prng.below(WORDS.len())]);
    }
    bytes
}

#[test]
fn noise_moves_no_server_to_promise_anything_or_to_fall() {
    for seed in 0..SEEDS * 8 {
        let (mut prng, now) = (Prng::new(seed), start());
        let mode = if prng.below(2) == 0 { Mode::Smtp } else { Mode::Lmtp };
        let mut config = server::Config::new(mode, "edge.test");
        (config.xforward, config.xclient, config.mail_bytes_max) = (true, true, 200);
        let mut server = Server::new(config, now);
        let bytes = noise(&mut prng);
        let mut events: Vec<_> = prng
            .split(&bytes)
            .into_iter()
            .map(|part| server::Event::Received(part.to_vec().into()))
            .collect();
        events.push(server::Event::PeerClosed);
        let (mut asked, mut closed) = (false, false);
        for event in events {
            server.handle(event, now);
            while let Some(output) = server.poll() {
                assert!(!closed, "seed {seed}");
                match output {
                    server::Output::Send(bytes) => {
                        assert!(!asked || bytes[0] != b'2', "seed {seed}")
                    }
                    server::Output::Mail { .. }
                    | server::Output::Rcpt { .. }
                    | server::Output::EndOfData(_) => {
                        asked = true;
                        if prng.below(8) > 0 {
                            asked = false;
                            server.handle(server::Event::Reply(Reply::new(250, "ok")), now);
                        }
                    }
                    server::Output::Close(_) => closed = true,
                    _ => {}
                }
            }
        }
        // Whoever was left thinking answers; with the peer gone, each answer brings the end nearer.
        for _ in 0..100 {
            server.handle(server::Event::Reply(Reply::new(250, "ok")), now);
            let ends = |output| matches!(output, server::Output::Close(_));
            closed |= std::iter::from_fn(|| server.poll()).any(ends);
        }
        assert!(closed && server.room() == 0, "seed {seed}");
    }
}

#[test]
fn noise_moves_no_client_to_claim_a_delivery_it_was_not_told_or_to_fall() {
    for seed in 0..SEEDS * 8 {
        let (mut prng, now) = (Prng::new(seed), start());
        let mut client = Client::new(client::Config::new(Mode::Smtp, "edge.test"), now);
        let bytes = [b"220 x\r\n250 x\r\n".to_vec(), noise(&mut prng)].concat();
        let (mut dot, mut closed, mut open) = (false, false, false);
        let parts: Vec<Vec<u8>> = prng.split(&bytes).into_iter().map(<[u8]>::to_vec).collect();
        let mut events: VecDeque<_> =
            parts.into_iter().map(|part| client::Event::Received(part.into())).collect();
        events.push_back(client::Event::PeerClosed);
        while let Some(event) = events.pop_front() {
            client.handle(event, now);
            while let Some(output) = client.poll() {
                assert!(!closed, "seed {seed}");
                match output {
                    client::Output::Ready => {
                        (open, dot) = (true, false);
                        let from = Address::null();
                        let (parameters, forwarded) =
                            (Parameters::default(), ClientFacts::default());
                        client.handle(client::Event::Mail { from, parameters, forwarded }, now);
                        let (to, parameters) =
                            (Address::new("b@c").unwrap(), Parameters::default());
                        client.handle(client::Event::Rcpt { to, parameters }, now);
                        client.handle(client::Event::Data, now);
                    }
                    client::Output::GoAhead => {
                        dot = true;
                        client.handle(client::Event::Commit, now);
                    }
                    client::Output::Delivered(_) => {
                        assert!(open && dot, "seed {seed}");
                        open = false;
                    }
                    client::Output::Failed(failure) => {
                        assert!(!failure.reply().is_positive() && failure.reply().code() != 421);
                        assert_eq!(failure.outcome_unknown(), dot, "seed {seed}");
                        open = false;
                    }
                    client::Output::Close => closed = true,
                    _ => {}
                }
            }
        }
        assert!(closed && !open, "seed {seed}");
    }
}
