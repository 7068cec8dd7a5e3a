//! A hand-held SMTP or LMTP client: exact bytes out, replies in.

use super::PEER_WAIT_MAX;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

/// Longest reply line that is read, in bytes; RFC 5321 section 4.5.3.1.5 allows 512.
const REPLY_LINE_BYTES_MAX: u64 = 8_192;

/// One reply of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The three digits; 0 when the server closed the connection instead.
    pub code: u16,
    /// All its lines, without line ends.
    pub lines: Vec<String>,
}

/// A connection on which a test says what it wants, well-formed or not.
#[derive(Debug)]
pub struct Dialogue {
    input: BufReader<TcpStream>,
    output: TcpStream,
    /// What the server said first.
    pub greeting: Reply,
}

impl Dialogue {
    /// Connects to a port of 127.0.0.1 and reads the greeting.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn connect(port: u16) -> Self {
        Self::connect_to((Ipv4Addr::LOCALHOST, port).into())
    }

    /// As `connect`, to another address.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn connect_to(address: SocketAddr) -> Self {
        let output =
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let _ = output.set_read_timeout(Some(PEER_WAIT_MAX));
        let input = output.try_clone().unwrap_or_else(|error| panic!("{address}: {error}"));
        let mut dialogue = Self {
            input: BufReader::new(input),
            output,
            greeting: Reply { code: 0, lines: Vec::new() },
        };
        dialogue.greeting = dialogue.reply();
        dialogue
    }

    /// Writes bytes as they are; an error is left to show in the next reply.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.output.write_all(bytes);
    }

    /// Says one command line and reads its reply.
    pub fn say(&mut self, line: &str) -> Reply {
        self.write(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// Says one command and asserts the reply code.
    ///
    /// # Panics
    /// When the code is another.
    #[track_caller]
    pub fn expect(&mut self, line: &str, code: u16) -> Reply {
        let reply = self.say(line);
        assert_eq!(reply.code, code, "to '{line}': {:?}", reply.lines);
        reply
    }

    /// Sends a mail after the 354: doubles leading dots, ends with the lone dot, and reads `replies`
    /// replies (1 for SMTP, one for each accepted recipient for LMTP).
    pub fn content(&mut self, mail: &[u8], replies: usize) -> Vec<Reply> {
        let mut bytes = Vec::with_capacity(mail.len() + 5);
        for line in mail.split_inclusive(|byte| *byte == b'\n') {
            if line.first() == Some(&b'.') {
                bytes.push(b'.');
            }
            bytes.extend_from_slice(line);
        }
        if !bytes.ends_with(b"\r\n") && !bytes.is_empty() {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b".\r\n");
        self.write(&bytes);
        (0..replies).map(|_| self.reply()).collect()
    }

    /// Plays a whole SMTP transaction (EHLO included) and gives the last reply: to the dot, or the
    /// first refusal on the way.
    pub fn send(&mut self, from: &str, recipients: &[&str], mail: &[u8]) -> Reply {
        let mut lines = vec!["EHLO client.sender.test".to_owned(), format!("MAIL FROM:<{from}>")];
        lines.extend(recipients.iter().map(|recipient| format!("RCPT TO:<{recipient}>")));
        for line in lines {
            let reply = self.say(&line);
            if reply.code != 250 {
                return reply;
            }
        }
        let reply = self.say("DATA");
        if reply.code != 354 {
            return reply;
        }
        self.content(mail, 1).remove(0)
    }

    /// Reads one reply, of one or more lines.
    pub fn reply(&mut self) -> Reply {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = (&mut self.input).take(REPLY_LINE_BYTES_MAX).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) {
                return Reply { code: 0, lines };
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let last = line.as_bytes().get(3) != Some(&b'-');
            let code = line.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
            lines.push(line);
            if last {
                return Reply { code, lines };
            }
        }
    }
}
