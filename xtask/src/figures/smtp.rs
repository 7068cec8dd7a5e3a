//! A small SMTP client: one mail after the other over one connection, one command at a time.

use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::machine::local;

/// The longest wait for one reply: more than any deadline of the edge.
const REPLY_MAX: Duration = Duration::from_secs(300);
/// Longest reply line taken.
const LINE_BYTES_MAX: u64 = 4096;

/// A connection that was greeted.
pub(super) struct Client {
    input: BufReader<TcpStream>,
    output: BufWriter<TcpStream>,
}

impl Client {
    pub(super) fn connect(port: u16) -> Result<Self> {
        let output = TcpStream::connect(local(port))?;
        output.set_nodelay(true)?;
        output.set_read_timeout(Some(REPLY_MAX))?;
        output.set_write_timeout(Some(REPLY_MAX))?;
        let input = BufReader::new(output.try_clone()?);
        let mut client = Self { input, output: BufWriter::with_capacity(64 * 1024, output) };
        if client.reply()? != 220 || client.say("EHLO figures.example")? != 250 {
            bail!("not greeted");
        }
        Ok(client)
    }

    /// Sends a mail; the code of the last reply. `write` gives lines that end with CR LF and begin with no dot.
    pub(super) fn send(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<u16> {
        for command in ["MAIL FROM:<sender@example.com>", "RCPT TO:<recipient@example.org>", "DATA"]
        {
            let code = self.say(command)?;
            if code >= 400 {
                self.say("RSET")?;
                return Ok(code);
            }
        }
        write(&mut self.output)?;
        self.say(".")
    }

    fn say(&mut self, line: &str) -> Result<u16> {
        self.output.write_all(format!("{line}\r\n").as_bytes())?;
        self.output.flush()?;
        self.reply()
    }

    fn reply(&mut self) -> Result<u16> {
        loop {
            let mut line = String::new();
            (&mut self.input).take(LINE_BYTES_MAX).read_line(&mut line)?;
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code = code.with_context(|| format!("no reply: {line:?}"))?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(code);
            }
        }
    }
}
