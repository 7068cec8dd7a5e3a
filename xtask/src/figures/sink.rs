//! A next hop that takes every mail and keeps none: it counts, and remembers the last header.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::machine::local;

/// Connections served at the same time; more are closed at once.
const CONNECTIONS_MAX: usize = 256;
/// Bytes of a header that are remembered.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Longest line taken; mails of ours have short ones.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// How long a silent client is kept.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// What came in.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    pub(super) mails: u64,
    pub(super) last_header: String,
}

/// A sink whose threads end with the process.
pub(super) struct Sink {
    pub(super) port: u16,
    taken: Arc<Mutex<Taken>>,
}

impl Sink {
    pub(super) fn open() -> Result<Self> {
        let listener = TcpListener::bind(local(0))?;
        let port = listener.local_addr()?.port();
        let taken = Arc::new(Mutex::new(Taken::default()));
        let shared = Arc::clone(&taken);
        thread::spawn(move || {
            let open = Arc::new(());
            for stream in listener.incoming().flatten() {
                if Arc::strong_count(&open) > CONNECTIONS_MAX {
                    continue;
                }
                let (shared, place) = (Arc::clone(&shared), Arc::clone(&open));
                thread::spawn(move || {
                    // A client that breaks off has its own words for it.
                    let _ = serve(&stream, &shared);
                    drop(place);
                });
            }
        });
        Ok(Self { port, taken })
    }

    pub(super) fn taken(&self) -> Taken {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(stream: &TcpStream, taken: &Mutex<Taken>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let mut output = stream;
    let mut input = BufReader::with_capacity(64 * 1024, stream);
    output.write_all(b"220 sink.example ESMTP\r\n")?;
    let mut line = Vec::new();
    while next_line(&mut input, &mut line)? {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match verb.as_slice() {
            b"EHLO" => b"250-sink.example\r\n250-PIPELINING\r\n250-SIZE 0\r\n250-SMTPUTF8\r\n250-DSN\r\n250 8BITMIME\r\n",
            b"DATA" => {
                output.write_all(b"354 go on\r\n")?;
                let header = content(&mut input, &mut line)?;
                let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
                taken.mails += 1;
                taken.last_header = header;
                b"250 2.0.0 taken\r\n"
            }
            b"QUIT" => return output.write_all(b"221 2.0.0 bye\r\n"),
            _ => b"250 2.0.0 ok\r\n",
        };
        output.write_all(reply)?;
    }
    Ok(())
}

/// Reads a mail to its end; its header, as far as it is remembered.
fn content(input: &mut BufReader<&TcpStream>, line: &mut Vec<u8>) -> io::Result<String> {
    let (mut header, mut in_header) = (Vec::new(), true);
    while next_line(input, line)? {
        if line == b".\r\n" {
            return Ok(String::from_utf8_lossy(&header).into_owned());
        }
        in_header &= line != b"\r\n" && header.len() < HEADER_BYTES_MAX;
        if in_header {
            header.extend_from_slice(line);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn next_line(input: &mut BufReader<&TcpStream>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    input.take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    Ok(!line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::smtp::Client;

    #[test]
    fn client_and_sink_understand_each_other() {
        let sink = Sink::open().unwrap();
        let mut client = Client::connect(sink.port).unwrap();
        for number in 1..=2 {
            let code = client.send(|out| write!(out, "Subject: {number}\r\n\r\nSubject: no\r\n"));
            assert_eq!(code.unwrap(), 250);
            let taken = sink.taken();
            assert_eq!(taken.mails, number);
            assert_eq!(taken.last_header, format!("Subject: {number}\r\n"));
        }
    }
}
