//! The doors that mails go in by. Each has one grammar: a [`Way`] is opened for each mail, as an MTA opens one for each
//! session, and says the whole mail; what was answered comes back with the moment when the last byte had left.

mod lines;
mod milter;
mod spamd;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::envelope::{Client, Door as EnvelopeDoor, Envelope};
use tamis_domain::status::Rung;
use tamis_edge::asker::Asker;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::model::Mail;

/// The client that all made mails come from (RFC 5737: nobody's).
pub const CLIENT: [u8; 4] = [192, 0, 2, 10];
/// Its name.
pub const CLIENT_NAME: &str = "mx.example.net";
/// Longest line of an answer.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// A slow client says something this often.
const DRIBBLE_EVERY: Duration = Duration::from_millis(100);

/// Where a door is.
#[derive(Clone, Debug)]
pub enum Way {
    /// SMTP on this port.
    Smtp(u16),
    /// LMTP on this port.
    Lmtp(u16),
    /// Milter on this port.
    Milter(u16),
    /// Scanners, asked as an edge asks them.
    Grpc(Arc<Asker>),
    /// SpamAssassin's own protocol on this port.
    Spamd(u16),
}

/// What became of a mail, as the door says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Taken,
    /// Refused for good.
    Refused,
    /// Refused for now.
    Deferred,
    /// It was said to go on, but nobody judged it.
    Unjudged,
}

/// A door's last word.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// What it says.
    pub outcome: Outcome,
    /// When the last byte of the mail had left.
    pub said: Instant,
    /// When the answer was there; goodbyes come after it.
    pub heard: Instant,
}

impl Way {
    /// Says a mail, at `pace` bytes a second where its client is slow.
    ///
    /// # Errors
    /// Nobody listens, the connection broke, or what was answered is no answer.
    pub async fn say(&self, mail: &Mail, pace: Option<u64>) -> io::Result<Answer> {
        match self {
            Self::Smtp(port) => lines::say(Wire::open(*port, pace).await?, mail, false).await,
            Self::Lmtp(port) => lines::say(Wire::open(*port, pace).await?, mail, true).await,
            Self::Milter(port) => milter::say(Wire::open(*port, pace).await?, mail).await,
            Self::Spamd(port) => spamd::say(Wire::open(*port, pace).await?, mail).await,
            Self::Grpc(asker) => ask(asker, mail).await,
        }
    }
}

async fn ask(asker: &Asker, mail: &Mail) -> io::Result<Answer> {
    let envelope = Envelope {
        client: Some(Client { address: CLIENT.into(), name: Some(CLIENT_NAME.to_owned()) }),
        helo: Some(CLIENT_NAME.to_owned()),
        sender: mail.sender.clone(),
        recipients: vec![mail.recipient.clone()],
        door: EnvelopeDoor::Milter,
        ..Envelope::default()
    };
    let mut pieces = vec![mail.header.clone(), bytes::Bytes::from_static(b"\r\n")];
    pieces.extend(mail.body.iter().cloned());
    let said = Instant::now();
    let rung = asker.ask(&pieces, &envelope).await.map_err(io::Error::other)?;
    let outcome = if rung == Rung::NotScanned { Outcome::Unjudged } else { Outcome::Taken };
    Ok(Answer { outcome, said, heard: Instant::now() })
}

/// A connection with a door.
#[derive(Debug)]
struct Wire {
    stream: TcpStream,
    pace: Option<u64>,
    heard: Vec<u8>,
}

impl Wire {
    async fn open(port: u16, pace: Option<u64>) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, pace, heard: Vec::new() })
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Writes what a client's own line carries: slowly, where it is slow.
    async fn dribble(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(pace) = self.pace else { return self.write(bytes).await };
        let piece = (pace as f64 * DRIBBLE_EVERY.as_secs_f64()).ceil() as usize;
        for piece in bytes.chunks(piece.max(1)) {
            self.write(piece).await?;
            tokio::time::sleep(DRIBBLE_EVERY).await;
        }
        Ok(())
    }

    /// More bytes into `heard`.
    async fn hear(&mut self) -> io::Result<()> {
        if self.heard.len() > LINE_BYTES_MAX {
            return Err(nonsense("an answer without end"));
        }
        match self.stream.read_buf(&mut self.heard).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn nonsense(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
