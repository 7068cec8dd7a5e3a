//! The language of `.talk` files: frames of the MTA in a readable form, our frames and outputs
//! rendered in the same form. Encoder and decoder are written from the protocol's description and
//! share no code with the crate.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;

use tamis_mail_protocols::milter::events::{Event, Output};
use tamis_mail_protocols::milter::negotiate::{Actions, Agreement, Offer, Options, ProtocolSteps};
use tamis_mail_protocols::milter::session::Session;

/// What Postfix 3.7 and Sendmail 8.17 offer.
pub const OFFER: &str = "O 6 0x1ff 0x1fffff";

/// A small seeded generator (xorshift64*).
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 0 to `bound` - 1.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn bytes(&mut self, longest: usize) -> Vec<u8> {
        let length = self.below(longest + 1);
        (0..length).map(|_| self.next() as u8).collect()
    }
}

pub fn frame(command: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32 + 1).to_be_bytes().to_vec();
    out.push(command);
    out.extend_from_slice(payload);
    out
}

/// The bytes of one `C:` line.
pub fn mta_frame(line: &str) -> Vec<u8> {
    let words = words(line);
    let text = |at: usize| words.get(at).cloned().unwrap_or_default();
    let number = |at: usize| number(std::str::from_utf8(&words[at]).unwrap());
    let ended = |from: usize| words[from..].iter().flat_map(|word| [word, &b"\0"[..]].concat());
    let command = words[0][0];
    if words[0] == b"raw" {
        let digits = String::from_utf8(words[1..].concat()).unwrap();
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        return (0..digits.len()).step_by(2).map(byte).collect();
    }
    let payload: Vec<u8> = match command {
        b'O' => (1..4).flat_map(|at| (number(at) as u32).to_be_bytes()).collect(),
        b'D' => [text(1)]
            .into_iter()
            .chain(words[2..].iter().map(|w| macro_pair(w)))
            .flatten()
            .collect(),
        b'C' if text(2) == b"U" => [text(1), b"\0U".to_vec()].concat(),
        b'C' => {
            let port = (number(3) as u16).to_be_bytes().to_vec();
            [text(1), b"\0".to_vec(), text(2), port, text(4), b"\0".to_vec()].concat()
        }
        b'B' | b'E' => text(1),
        _ => ended(1).collect(),
    };
    frame(command, &payload)
}

fn macro_pair(word: &[u8]) -> Vec<u8> {
    let at = word.iter().position(|&byte| byte == b'=').expect("name=value");
    [&word[..at], b"\0", &word[at + 1..], b"\0"].concat()
}

pub fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

/// Words divided by blanks; `"..."` may hold blanks and escapes, `"..."*N` repeats.
pub fn words(line: &str) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = word(rest);
        out.push(word);
        rest = after.trim_start();
    }
    out
}

fn word(line: &str) -> (Vec<u8>, &str) {
    let mut out = Vec::new();
    let mut at = 0;
    while at < line.len() && !line[at..].starts_with(' ') {
        if !line[at..].starts_with('"') {
            out.push(line.as_bytes()[at]);
            at += 1;
            continue;
        }
        let (text, used) = quoted(&line[at..]);
        at += used;
        let times: String = match line[at..].strip_prefix('*') {
            Some(digits) => digits.chars().take_while(char::is_ascii_digit).collect(),
            None => String::new(),
        };
        at += if times.is_empty() { 0 } else { times.len() + 1 };
        out.extend(text.repeat(times.parse().unwrap_or(1)));
    }
    (out, &line[at..])
}

/// The text of a quoted literal and how many characters it took.
fn quoted(line: &str) -> (Vec<u8>, usize) {
    let bytes = line.as_bytes();
    let (mut out, mut at) = (Vec::new(), 1);
    while bytes[at] != b'"' {
        if bytes[at] != b'\\' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        at += 2;
        match bytes[at - 1] {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'0' => out.push(0),
            b'x' => {
                out.push(u8::from_str_radix(&line[at..at + 2], 16).unwrap());
                at += 2;
            }
            other => out.push(other),
        }
    }
    (out, at + 1)
}

/// A literal as the language writes it.
pub fn literal(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in bytes {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            0 => out.push_str("\\0"),
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out + "\""
}

/// Our frames, one text each. Panics on anything that is not a whole number of frames.
pub fn our_frames(mut bytes: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        assert!((1..=65_536).contains(&length), "an MTA refuses a reply of {length} bytes");
        out.push(our_frame(bytes[4], &bytes[5..4 + length]));
        bytes = &bytes[4 + length..];
    }
    out
}

fn our_frame(command: u8, payload: &[u8]) -> String {
    let name = char::from(command);
    let word = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
    let strings = |from: usize| {
        let body = payload[from..].strip_suffix(b"\0").expect("NUL at the end");
        body.split(|&byte| byte == 0).map(literal).collect::<Vec<_>>().join(" ")
    };
    match command {
        b'O' => {
            let macros = if payload.len() > 12 { " +macros" } else { "" };
            format!("O {} {:#x} {:#x}{macros}", word(0), word(4), word(8))
        }
        b'i' | b'm' => format!("{name} {} {}", word(0), strings(4)),
        b'h' | b'+' | b'-' | b'e' | b'q' | b'y' => format!("{name} {}", strings(0)),
        b'b' if payload.len() > 200 => format!("b #{}", payload.len()),
        b'b' => format!("b {}", literal(payload)),
        _ if payload.is_empty() => name.to_string(),
        _ => panic!("a payload after {name}"),
    }
}

/// What a session gave: bytes for the MTA, and everything else in order, neighbouring content
/// joined.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub struct Heard {
    pub sent: Vec<u8>,
    pub said: Vec<Said>,
}

#[derive(Debug, PartialEq, Eq, Clone)]
pub enum Said {
    Line(String),
    Content(Vec<u8>),
}

impl Heard {
    pub fn line(&mut self, line: impl Into<String>) {
        self.said.push(Said::Line(line.into()));
    }

    pub fn content(&mut self, bytes: &[u8]) {
        match self.said.last_mut() {
            Some(Said::Content(held)) => held.extend_from_slice(bytes),
            _ => self.said.push(Said::Content(bytes.to_vec())),
        }
    }

    /// Drains a session.
    pub fn drain(&mut self, session: &mut Session) {
        while let Some(output) = session.poll() {
            self.hear(output);
        }
    }

    /// Hands bytes over and drains.
    pub fn feed(&mut self, session: &mut Session, bytes: &[u8], now: Instant) {
        session.handle(Event::Bytes(bytes), now);
        self.drain(session);
    }

    pub fn frames(&self) -> Vec<String> {
        our_frames(&self.sent)
    }

    pub fn lines(&self) -> Vec<&str> {
        let mut lines = Vec::new();
        for said in &self.said {
            if let Said::Line(line) = said {
                lines.push(line.as_str());
            }
        }
        lines
    }

    pub fn all_content(&self) -> Vec<u8> {
        let content = |said: &Said| match said {
            Said::Line(_) => Vec::new(),
            Said::Content(bytes) => bytes.clone(),
        };
        self.said.iter().flat_map(content).collect()
    }

    pub fn hear(&mut self, output: Output) {
        match output {
            Output::Send(bytes) => self.sent.extend_from_slice(&bytes),
            Output::Content(bytes) => self.content(&bytes),
            Output::Negotiated(agreed) => self.line(format!(
                "negotiated {} {:#x} {:#x}",
                agreed.version, agreed.actions.0, agreed.protocol.0
            )),
            Output::Begin { message } => self.line(format!("begin {}", message.0)),
            Output::AskRecipient { message, recipient } => {
                self.line(format!("ask {} {}", message.0, mailbox(&recipient)));
            }
            Output::Envelope { message, envelope } => {
                self.line(format!("envelope {}", message.0));
                if let Some(client) = &envelope.connection {
                    self.line(format!("client {} {:?}", client.hostname, client.address));
                }
                if let Some(helo) = &envelope.helo {
                    self.line(format!("helo {helo}"));
                }
                self.line(format!("from {}", mailbox(&envelope.sender)));
                envelope.recipients.iter().for_each(|to| self.line(format!("to {}", mailbox(to))));
                envelope.macros.iter().for_each(|(k, v)| self.line(format!("macro {k}={v}")));
            }
            Output::EndOfMessage(end) => {
                let exact = if end.exact_headers { "exact" } else { "inexact" };
                let id = end.macros.value("i").unwrap_or("-");
                self.line(format!("end {} {exact} i={id}", end.message.0));
            }
            Output::Aborted { message, why } => {
                self.line(format!("aborted {} {why:?}", message.0));
            }
            Output::PlanRefused { message, error } => {
                self.line(format!("refused {} {error}", message.0));
            }
            Output::Noted(fact) => self.line(format!("noted {fact:?}")),
            Output::Failed(error) => self.line(format!("failed {error}")),
            Output::Close => self.line("close"),
        }
    }
}

fn mailbox(mailbox: &tamis_mail_protocols::milter::facts::Mailbox) -> String {
    let all = std::iter::once(&mailbox.exact).chain(&mailbox.parameters);
    all.map(|text| String::from_utf8_lossy(text).into_owned()).collect::<Vec<_>>().join(" ")
}

/// A session that has heard these lines, and what it said to them.
pub fn after(options: Options, lines: &[&str]) -> (Session, Heard, Instant) {
    let (mut session, mut heard, now) = (Session::new(options), Heard::default(), Instant::now());
    for line in lines {
        heard.feed(&mut session, &mta_frame(line), now);
    }
    (session, heard, now)
}

/// What comes of that offer.
pub fn agreement() -> Agreement {
    let protocol = ProtocolSteps(0x1f_ffff);
    let offer = Offer { version: 6, actions: Actions(0x1ff), protocol };
    Agreement::reach(&offer, &Options::default()).unwrap()
}
