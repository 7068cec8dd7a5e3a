//! Milter, the MTA's side (version 6), one mail a session: what Postfix does.

use std::io;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tamis_mail_protocols::milter::facts::{ClientAddress, Connection, Mailbox};
use tamis_mail_protocols::milter::frame::{Command, Frame, FrameReader};
use tamis_mail_protocols::milter::negotiate::{Actions, Offer, ProtocolSteps};

use super::{Answer, CLIENT, CLIENT_NAME, Outcome, Wire, nonsense};
use crate::mail::model::Mail;

/// What Postfix lets a filter do.
const ACTIONS: u32 = 0x1ff;
/// What Postfix leaves out where a filter wants that.
const STEPS: u32 = 0x1f_ffff;
/// The filter gets values with the blank that stands before them.
const LEADING_SPACE: u32 = 0x10_0000;
/// Body in one frame, as Postfix cuts it.
const CHUNK_BYTES: usize = 65_535;

/// For each command: the bit that leaves it out, the bit that leaves its reply out.
const fn bits(command: &Command) -> (u32, u32) {
    match command {
        Command::Connect(_) => (0x1, 0x1000),
        Command::Helo(_) => (0x2, 0x2000),
        Command::Mail(_) => (0x4, 0x4000),
        Command::Recipient(_) => (0x8, 0x8000),
        Command::Body(_) => (0x10, 0x8_0000),
        Command::Header { .. } => (0x20, 0x80),
        Command::EndOfHeaders => (0x40, 0x4_0000),
        Command::Data => (0x200, 0x1_0000),
        _ => (0, 0),
    }
}

struct Talk {
    wire: Wire,
    reader: FrameReader,
    steps: u32,
    /// Commands that need no reply, gathered.
    out: BytesMut,
}

/// Says a mail and hears the answer to its end.
pub(super) async fn say(wire: Wire, mail: &Mail) -> io::Result<Answer> {
    let (reader, out) = (FrameReader::default(), BytesMut::new());
    let mut talk = Talk { wire, reader, steps: 0, out };
    talk.negotiate().await?;
    let outcome = match talk.envelope(mail).await? {
        Some(early) => Some(early),
        None => talk.content(mail).await?,
    };
    let said = Instant::now();
    let outcome = match outcome {
        Some(outcome) => outcome,
        None => talk.verdict().await?,
    };
    let heard = Instant::now();
    Command::Quit.encode(&mut talk.out);
    talk.flush().await?;
    Ok(Answer { outcome, said, heard })
}

impl Talk {
    async fn negotiate(&mut self) -> io::Result<()> {
        let (actions, protocol) = (Actions(ACTIONS), ProtocolSteps(STEPS));
        Command::Negotiate(Offer { version: 6, actions, protocol }).encode(&mut self.out);
        self.flush().await?;
        let frame = self.frame().await?;
        let steps = frame.payload.get(8..12).and_then(|word| word.first_chunk::<4>().copied());
        self.steps = u32::from_be_bytes(steps.ok_or_else(|| nonsense("no negotiation"))?);
        Ok(())
    }

    async fn envelope(&mut self, mail: &Mail) -> io::Result<Option<Outcome>> {
        let mailbox = |address: &str| Mailbox {
            exact: Bytes::from(format!("<{address}>")),
            parameters: Vec::new(),
        };
        let pair = |name: &'static str, value: String| (Bytes::from(name), Bytes::from(value));
        let address = ClientAddress::Ip((CLIENT, 40_000).into());
        let hostname = CLIENT_NAME.to_owned();
        let queue_id = vec![pair("i", format!("L{:x}", mail.number))];
        let macros = |of, pairs| Command::Macros { of, pairs };
        let commands = [
            macros(b'C', vec![pair("j", "mx.example.test".to_owned())]),
            Command::Connect(Connection { hostname, address }),
            Command::Helo(CLIENT_NAME.into()),
            macros(b'M', queue_id),
            Command::Mail(mailbox(&mail.sender)),
            Command::Recipient(mailbox(&mail.recipient)),
            Command::Data,
        ];
        for command in commands {
            if let Some(outcome) = self.command(&command).await? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    async fn content(&mut self, mail: &Mail) -> io::Result<Option<Outcome>> {
        for (name, value) in fields(&mail.header, self.steps & LEADING_SPACE != 0) {
            if let Some(outcome) = self.command(&Command::Header { name, value }).await? {
                return Ok(Some(outcome));
            }
        }
        if let Some(outcome) = self.command(&Command::EndOfHeaders).await? {
            return Ok(Some(outcome));
        }
        let mut rest = BytesMut::new();
        for piece in &mail.body {
            rest.extend_from_slice(piece);
            while rest.len() >= CHUNK_BYTES {
                let chunk = rest.split_to(CHUNK_BYTES).freeze();
                if let Some(outcome) = self.command(&Command::Body(chunk)).await? {
                    return Ok(Some(outcome));
                }
            }
        }
        if let Some(outcome) = self.command(&Command::Body(rest.freeze())).await? {
            return Ok(Some(outcome));
        }
        Command::EndOfBody(Bytes::new()).encode(&mut self.out);
        self.flush().await?;
        Ok(None)
    }

    /// Says one command, and hears its reply where one is due; an outcome where that ends the mail.
    async fn command(&mut self, command: &Command) -> io::Result<Option<Outcome>> {
        let (left_out, unanswered) = bits(command);
        if self.steps & left_out != 0 {
            return Ok(None);
        }
        command.encode(&mut self.out);
        let is_content = matches!(command, Command::Body(_));
        if matches!(command, Command::Macros { .. }) || self.steps & unanswered != 0 {
            if is_content && self.out.len() >= CHUNK_BYTES {
                self.flush().await?;
            }
            return Ok(None);
        }
        self.flush().await?;
        Ok(match self.frame().await?.command {
            b'c' | b's' => None,
            other => Some(last_word(other)?),
        })
    }

    /// The filter's last word: changes and signs of life before it are passed over.
    async fn verdict(&mut self) -> io::Result<Outcome> {
        loop {
            let frame = self.frame().await?;
            if b"cartdy".contains(&frame.command) {
                return last_word(frame.command);
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let out = self.out.split().freeze();
        self.wire.dribble(&out).await
    }

    async fn frame(&mut self) -> io::Result<Frame> {
        loop {
            let next = self.reader.next_frame().map_err(|error| nonsense(&error.to_string()))?;
            match next {
                // A sign of life.
                Some(frame) if frame.command == b'p' => {}
                Some(frame) => return Ok(frame),
                None => {
                    self.wire.hear().await?;
                    let heard = std::mem::take(&mut self.wire.heard);
                    self.reader.feed(&heard);
                }
            }
        }
    }
}

fn last_word(command: u8) -> io::Result<Outcome> {
    match command {
        b'c' | b'a' | b'd' => Ok(Outcome::Taken),
        b'r' | b'y' => Ok(Outcome::Refused),
        b't' => Ok(Outcome::Deferred),
        _ => Err(nonsense("a reply that is none")),
    }
}

/// Names and values of a header, lines within a value separated by LF.
fn fields(header: &[u8], with_leading_space: bool) -> Vec<(Bytes, Bytes)> {
    let mut fields: Vec<(Bytes, Vec<u8>)> = Vec::new();
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        if let (Some(b' ' | b'\t'), Some((_, value))) = (line.first(), fields.last_mut()) {
            value.push(b'\n');
            value.extend_from_slice(line);
        } else if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let value = &line[colon + 1..];
            let bare = value.strip_prefix(b" ").filter(|_| !with_leading_space);
            let name = Bytes::copy_from_slice(&line[..colon]);
            fields.push((name, bare.unwrap_or(value).to_vec()));
        }
    }
    fields.into_iter().map(|(name, value)| (name, value.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_becomes_names_and_values_with_the_blank_that_was_agreed() {
        let header = b"Subject: one\r\n\ttwo\r\nX:y\r\nno field\r\n";
        let shown = |with| {
            let shown = fields(header, with).into_iter().map(|(name, value)| {
                format!("{}|{}", String::from_utf8_lossy(&name), String::from_utf8_lossy(&value))
            });
            shown.collect::<Vec<_>>()
        };
        assert_eq!(shown(true), ["Subject| one\n\ttwo", "X|y"]);
        assert_eq!(shown(false), ["Subject|one\n\ttwo", "X|y"]);
    }
}
