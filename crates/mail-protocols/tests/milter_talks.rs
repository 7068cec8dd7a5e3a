//! Replays every `tests/talks/milter/*.talk`: whole, byte by byte, and cut at every (in long talks
//! at many seeded) places. What is sent and said must not depend on the cuts.
//!
//! The language, one statement a line, `#` begins a comment line:
//! ```text
//! option ask-recipients | option progress 3s | option actions 0x11
//! C: O 6 0x1ff 0x1fffff        a frame of the MTA; words may be "quoted\r\n", "repeated"*100
//! C: raw 00 00 00 00           bytes as they are, in hexadecimal
//! close                        the MTA closes
//! tick 10s                     time passes, then a tick
//! verdict 1 add "X-A" "b"; accept          the caller answers a message
//! recipient 1 keep             the caller answers for a recipient
//! S: h "X-A" " b"              a frame of ours
//! > begin 1                    an output; > content "..." lines are joined
//! ```
//! What `S:` and `>` say is what all input lines since the last such line must have caused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod milter_support;

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use milter_support::{Heard, Seeded, mta_frame, number, words};
use tamis_mail_protocols::milter::events::{Event, MessageNumber};
use tamis_mail_protocols::milter::negotiate::{Actions, Options};
use tamis_mail_protocols::milter::reply::{FinalReply, Modification, RecipientReply, ReplyText};
use tamis_mail_protocols::milter::session::Session;

enum Input {
    Bytes(Vec<u8>),
    Close,
    Tick(Duration),
    Verdict(MessageNumber, Vec<Modification>, FinalReply),
    Recipient(MessageNumber, RecipientReply),
}

#[derive(Default)]
struct Step {
    inputs: Vec<Input>,
    frames: Vec<String>,
    heard: Heard,
    line: usize,
}

struct Talk {
    options: Options,
    steps: Vec<Step>,
}

#[test]
fn every_talk_goes_as_written_however_its_bytes_are_cut() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/talks/milter");
    let mut played = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let talk = Talk::read(&std::fs::read_to_string(&path).unwrap());
        talk.play(&format!("{name}, whole"), |_, _| false);
        talk.play(&format!("{name}, byte by byte"), |_, _| true);
        let length = talk.length();
        let mut seeded = Seeded(0x5eed + played);
        let cuts: Vec<usize> = match length {
            0..=3_000 => (1..length).collect(),
            _ => (0..100).map(|_| 1 + seeded.below(length - 1)).collect(),
        };
        for cut in cuts {
            talk.play(&format!("{name}, cut at byte {cut}"), |at, _| at == cut);
        }
        for seed in 1..20 {
            let mut seeded = Seeded(seed);
            let every = 1 + seeded.below(200);
            talk.play(&format!("{name}, seed {seed}"), |_, _| seeded.below(every) == 0);
        }
        played += 1;
    }
    assert!(played >= 12, "talk files are missing: {played}");
}

impl Talk {
    fn read(text: &str) -> Talk {
        let mut talk = Talk { options: Options::default(), steps: vec![Step::default()] };
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            match verb {
                "option" => talk.option(rest),
                "S:" => talk.last().frames.push(rest.to_owned()),
                ">" => talk.expect(rest),
                _ => talk.input(verb, rest, at + 1),
            }
        }
        talk
    }

    fn last(&mut self) -> &mut Step {
        self.steps.last_mut().unwrap()
    }

    fn option(&mut self, rest: &str) {
        match rest.split_once(' ').unwrap_or((rest, "")) {
            ("ask-recipients", _) => self.options.ask_recipients = true,
            ("progress", time) => self.options.progress_every = seconds(time),
            ("actions", bits) => self.options.actions = Actions(number(bits) as u32),
            other => panic!("unknown option {other:?}"),
        }
    }

    fn expect(&mut self, rest: &str) {
        let heard = &mut self.last().heard;
        match rest.strip_prefix("content ") {
            Some(literals) => heard.content(&words(literals).concat()),
            None => heard.line(rest),
        }
    }

    fn input(&mut self, verb: &str, rest: &str, line: usize) {
        let step = self.last();
        if !step.frames.is_empty() || !step.heard.said.is_empty() {
            self.steps.push(Step { line, ..Step::default() });
        }
        let inputs = &mut self.last().inputs;
        match (verb, inputs.last_mut()) {
            ("C:", Some(Input::Bytes(bytes))) => bytes.extend(mta_frame(rest)),
            ("C:", _) => inputs.push(Input::Bytes(mta_frame(rest))),
            ("close", _) => inputs.push(Input::Close),
            ("tick", _) => inputs.push(Input::Tick(seconds(rest))),
            ("verdict", _) => inputs.push(verdict(rest)),
            ("recipient", _) => inputs.push(recipient(rest)),
            _ => panic!("line {line}: unknown statement {verb}"),
        }
    }

    fn length(&self) -> usize {
        let bytes = |input: &Input| if let Input::Bytes(bytes) = input { bytes.len() } else { 0 };
        self.steps.iter().flat_map(|step| &step.inputs).map(bytes).sum()
    }

    /// `cut(at, total)` says whether the stream is cut before byte `at`.
    fn play(&self, how: &str, mut cut: impl FnMut(usize, usize) -> bool) {
        let mut session = Session::new(self.options.clone());
        let mut now = Instant::now();
        let mut at = 0;
        for step in &self.steps {
            let mut heard = Heard::default();
            for input in &step.inputs {
                match input {
                    Input::Bytes(bytes) => {
                        let mut from = 0;
                        for end in 1..=bytes.len() {
                            at += 1;
                            if end == bytes.len() || cut(at, bytes.len()) {
                                heard.feed(&mut session, &bytes[from..end], now);
                                from = end;
                            }
                        }
                    }
                    Input::Close => session.handle(Event::Closed, now),
                    Input::Tick(time) => {
                        now += *time;
                        session.handle(Event::Tick, now);
                    }
                    Input::Verdict(message, modifications, reply) => {
                        let (modifications, reply) = (modifications.clone(), reply.clone());
                        let message = *message;
                        session.handle(Event::Verdict { message, modifications, reply }, now);
                    }
                    Input::Recipient(message, reply) => {
                        let (message, reply) = (*message, reply.clone());
                        session.handle(Event::RecipientVerdict { message, reply }, now);
                    }
                }
                heard.drain(&mut session);
            }
            let place = format!("{how}, step of line {}", step.line);
            assert_eq!(heard.frames(), step.frames, "frames: {place}");
            assert_eq!(heard.said, step.heard.said, "outputs: {place}");
        }
    }
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.strip_suffix('s').expect("seconds").parse().unwrap())
}

/// `NUMBER item; item; final`.
fn verdict(rest: &str) -> Input {
    let (message, plan) = rest.split_once(' ').unwrap();
    let (modifications, last) = plan.rsplit_once("; ").unwrap_or(("", plan));
    let items = modifications.split("; ").filter(|item| !item.is_empty());
    let modifications = items.map(modification).collect();
    Input::Verdict(MessageNumber(number(message)), modifications, final_reply(last))
}

fn modification(item: &str) -> Modification {
    let words = words(item);
    let text = |at: usize| String::from_utf8(words[at].clone()).unwrap();
    let index = || number(&text(1)) as u32;
    match &*text(0) {
        "add" => Modification::AddHeader { name: text(1), value: text(2) },
        "insert" => Modification::InsertHeader { index: index(), name: text(2), value: text(3) },
        "change" => Modification::ChangeHeader { index: index(), name: text(2), value: text(3) },
        "delete" => Modification::DeleteHeader { index: index(), name: text(2) },
        "body" => Modification::ReplaceBody(Bytes::from(words[1].clone())),
        "+rcpt" => Modification::AddRecipient(text(1)),
        "-rcpt" => Modification::RemoveRecipient(Bytes::from(words[1].clone())),
        "from" => Modification::ChangeSender(text(1)),
        "quarantine" => Modification::Quarantine { reason: text(1) },
        other => panic!("unknown modification {other}"),
    }
}

fn final_reply(item: &str) -> FinalReply {
    match item {
        "continue" => FinalReply::Continue,
        "accept" => FinalReply::Accept,
        "reject" => FinalReply::Reject,
        "tempfail" => FinalReply::Tempfail,
        "discard" => FinalReply::Discard,
        text => FinalReply::Text(reply_text(text)),
    }
}

/// `text CODE ENHANCED "..."`.
fn reply_text(item: &str) -> ReplyText {
    let words = words(item.strip_prefix("text ").expect("a final reply"));
    let text = |at: usize| String::from_utf8(words[at].clone()).unwrap();
    ReplyText::new(number(&text(0)) as u16, &text(1), &text(2)).unwrap()
}

fn recipient(rest: &str) -> Input {
    let (message, word) = rest.split_once(' ').unwrap();
    let reply = match word {
        "keep" => RecipientReply::Keep,
        "reject" => RecipientReply::Reject,
        "tempfail" => RecipientReply::Tempfail,
        text => RecipientReply::Text(reply_text(text)),
    };
    Input::Recipient(MessageNumber(number(message)), reply)
}
