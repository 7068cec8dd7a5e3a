//! One connection to a sink, from greeting to goodbye.

use super::rule::Answer;
use super::{Received, Shared, Stage, lock};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// Longest line taken, in bytes: tests send longer ones than RFC 5321 allows.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Largest mail taken, in bytes.
const MAIL_BYTES_MAX: usize = 128 << 20;
/// How long a silent client is kept.
const SILENCE_MAX: Duration = Duration::from_secs(300);
/// Lines of conversation kept over all connections; later ones are not recorded.
const TRANSCRIPT_LINES_MAX: usize = 100_000;

/// What the client has said so far.
pub(super) struct Session<'a> {
    input: BufReader<TcpStream>,
    output: TcpStream,
    number: usize,
    shared: &'a Shared,
    helo: String,
    forwarded: Vec<String>,
    from: Option<(String, String)>,
    recipients: Vec<String>,
}

/// Whether the conversation goes on.
type Goes = io::Result<bool>;

impl<'a> Session<'a> {
    pub(super) fn new(output: TcpStream, number: usize, shared: &'a Shared) -> io::Result<Self> {
        output.set_read_timeout(Some(SILENCE_MAX))?;
        output.set_nodelay(true)?;
        Ok(Self {
            input: BufReader::new(output.try_clone()?),
            output,
            number,
            shared,
            helo: String::new(),
            forwarded: Vec::new(),
            from: None,
            recipients: Vec::new(),
        })
    }

    pub(super) fn run(mut self) -> io::Result<()> {
        let greeting = if self.shared.lmtp { "220 sink LMTP" } else { "220 sink ESMTP" };
        let mut goes = self.answer(Stage::Connect, "", greeting)? != Answer::Close;
        while goes {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(()); // the client closed
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.note('>', &line);
            goes = self.command(&line)?;
        }
        Ok(())
    }

    fn command(&mut self, line: &str) -> Goes {
        let verb = line.split([' ', ':']).next().unwrap_or("").to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" | "LHLO" => self.hello(&verb, line),
            "MAIL" => self.mail(line),
            "RCPT" => self.recipient(line),
            "DATA" => self.data(),
            "XFORWARD" => {
                self.forwarded.push(line.to_owned());
                self.say("250 2.0.0 ok")
            }
            "XCLIENT" => {
                self.forwarded.push(line.to_owned());
                self.say("220 sink again")
            }
            "RSET" => {
                self.reset();
                self.say("250 2.0.0 ok")
            }
            "NOOP" | "VRFY" => self.say("250 2.0.0 ok"),
            "QUIT" => {
                self.answer(Stage::Quit, line, "221 2.0.0 bye")?;
                Ok(false)
            }
            _ => self.say("500 5.5.2 unknown command"),
        }
    }

    fn hello(&mut self, verb: &str, line: &str) -> Goes {
        if (verb == "LHLO") != self.shared.lmtp {
            return self.say("500 5.5.1 wrong protocol");
        }
        self.reset();
        line.split(' ').nth(1).unwrap_or("").clone_into(&mut self.helo);
        let mut reply = vec!["sink".to_owned()];
        if verb != "HELO" {
            reply.extend(self.shared.announced.iter().cloned());
        }
        let last = reply.len() - 1;
        let text: Vec<_> = reply
            .iter()
            .enumerate()
            .map(|(at, word)| format!("250{}{word}", if at == last { ' ' } else { '-' }))
            .collect();
        Ok(self.answer(Stage::Hello, line, &text.join("\r\n"))? != Answer::Close)
    }

    fn mail(&mut self, line: &str) -> Goes {
        let (address, parameters) = address(line);
        let answer = self.answer(Stage::Mail, line, "250 2.1.0 ok")?;
        if took(&answer) {
            self.from = Some((address, parameters));
        }
        Ok(answer != Answer::Close)
    }

    fn recipient(&mut self, line: &str) -> Goes {
        if self.from.is_none() {
            return self.say("503 5.5.1 MAIL first");
        }
        let answer = self.answer(Stage::Recipient, line, "250 2.1.5 ok")?;
        if took(&answer) {
            self.recipients.push(address(line).0);
        }
        Ok(answer != Answer::Close)
    }

    fn data(&mut self) -> Goes {
        if self.recipients.is_empty() {
            return self.say("503 5.5.1 RCPT first");
        }
        let answer = self.answer(Stage::Data, "", "354 go ahead")?;
        if !matches!(&answer, Answer::Usual) && !replies_with(&answer, "354") {
            return Ok(answer != Answer::Close);
        }
        let Some(content) = self.content()? else { return Ok(false) };
        let goes = if self.shared.lmtp { self.dots(content)? } else { self.dot(content)? };
        self.reset();
        Ok(goes)
    }

    /// The lines up to the lone dot; None when a rule closes the connection meanwhile.
    fn content(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        let mut first = true;
        loop {
            let line = self.line()?;
            if line.is_empty() || content.len() + line.len() > MAIL_BYTES_MAX {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if line == b".\r\n" {
                return Ok(Some(content));
            }
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            if std::mem::take(&mut first) && self.decide(Stage::Content, "") == Answer::Close {
                self.note('<', "(closed)");
                return Ok(None);
            }
        }
    }

    fn dot(&mut self, content: Vec<u8>) -> Goes {
        let about = format!("{} {}", self.sender(), self.recipients.join(" "));
        let answer = self.decide(Stage::Dot, &about);
        if took(&answer) {
            self.keep(self.recipients.clone(), content);
        }
        self.give(&answer, "250 2.0.0 taken")
    }

    /// One reply for each recipient, in order; the mail is kept once, for those who are told success.
    fn dots(&mut self, content: Vec<u8>) -> Goes {
        let recipients = self.recipients.clone();
        let answers: Vec<_> =
            recipients.iter().map(|recipient| self.decide(Stage::Dot, recipient)).collect();
        let taken = recipients.into_iter().zip(&answers).filter(|(_, answer)| took(answer));
        self.keep(taken.map(|(recipient, _)| recipient).collect(), content);
        for answer in answers {
            if !self.give(&answer, "250 2.0.0 taken")? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Keeps the mail; before the reply, as a server that answers for what it took has to.
    fn keep(&mut self, recipients: Vec<String>, content: Vec<u8>) {
        if recipients.is_empty() {
            return;
        }
        let (from, from_parameters) = self.from.clone().unwrap_or_default();
        lock(&self.shared.mails).push(Received {
            connection: self.number,
            helo: self.helo.clone(),
            forwarded: self.forwarded.clone(),
            from,
            from_parameters,
            recipients,
            content,
            at: Instant::now(),
        });
        self.shared.arrived.notify_all();
    }

    fn sender(&self) -> &str {
        self.from.as_ref().map_or("", |(address, _)| address)
    }

    fn reset(&mut self) {
        self.from = None;
        self.recipients.clear();
    }

    /// What the rules say, after the delay they ask for.
    fn decide(&self, at: Stage, line: &str) -> Answer {
        let rule = lock(&self.shared.rules).take(at, line);
        let Some(rule) = rule else { return Answer::Usual };
        thread::sleep(rule.delay);
        rule.answer
    }

    fn give(&mut self, answer: &Answer, usual: &str) -> Goes {
        match answer {
            Answer::Usual => self.say(usual),
            Answer::Line(reply) => self.say(reply),
            Answer::Close => {
                self.note('<', "(closed)");
                Ok(false)
            }
        }
    }

    /// Answers as the rules say, or with `usual`; gives what was done.
    fn answer(&mut self, at: Stage, line: &str, usual: &str) -> io::Result<Answer> {
        let answer = self.decide(at, line);
        self.give(&answer, usual)?;
        Ok(answer)
    }

    fn say(&mut self, reply: &str) -> Goes {
        self.note('<', reply);
        self.output.write_all(format!("{reply}\r\n").as_bytes())?;
        Ok(true)
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        (&mut self.input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        Ok(line)
    }

    fn note(&self, direction: char, line: &str) {
        let mut transcript = lock(&self.shared.transcript);
        if transcript.len() < TRANSCRIPT_LINES_MAX {
            transcript.push(format!("{}{direction} {line}", self.number));
        }
    }
}

fn took(answer: &Answer) -> bool {
    *answer == Answer::Usual || replies_with(answer, "2")
}

fn replies_with(answer: &Answer, start: &str) -> bool {
    matches!(answer, Answer::Line(line) if line.starts_with(start))
}

/// The address between the brackets of MAIL or RCPT, and what follows it.
fn address(line: &str) -> (String, String) {
    let rest = line.split_once(':').map_or("", |(_, rest)| rest).trim_start();
    match rest.strip_prefix('<').and_then(|inner| inner.split_once('>')) {
        Some((address, parameters)) => (address.to_owned(), parameters.trim().to_owned()),
        None => (rest.to_owned(), String::new()),
    }
}
