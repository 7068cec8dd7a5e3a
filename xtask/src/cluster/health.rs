//! How a process of the cluster is: asked in its own protocol, in bounded time.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for a connection and for each piece of an answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// What is read of an answer: the replication section of Redis is the longest.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// What is asked, and of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// A path that answers 200.
    Http(SocketAddr, String),
    /// A Redis that leads, or follows a leader whom it hears.
    Redis(SocketAddr),
    /// A Sentinel that with the others could replace the leader.
    Sentinel(SocketAddr),
    /// A greeting.
    Smtp(SocketAddr),
    /// Somebody listens.
    Tcp(SocketAddr),
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(address, path) => write!(f, "http {address}{path}"),
            Self::Redis(address) => write!(f, "redis {address}"),
            Self::Sentinel(address) => write!(f, "sentinel {address}"),
            Self::Smtp(address) => write!(f, "smtp {address}"),
            Self::Tcp(address) => write!(f, "tcp {address}"),
        }
    }
}

impl Health {
    /// Reads what `Display` wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (kind, place) = text.split_once(' ')?;
        let address = place.split('/').next()?;
        let path = place[address.len()..].to_owned();
        let address: SocketAddr = address.parse().ok()?;
        match kind {
            "http" => Some(Self::Http(address, path)),
            "redis" => Some(Self::Redis(address)),
            "sentinel" => Some(Self::Sentinel(address)),
            "smtp" => Some(Self::Smtp(address)),
            "tcp" => Some(Self::Tcp(address)),
            _ => None,
        }
    }

    /// Who is asked.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Http(address, _) => *address,
            Self::Redis(address) | Self::Sentinel(address) => *address,
            Self::Smtp(address) | Self::Tcp(address) => *address,
        }
    }

    /// Whether all is well; else what was seen instead.
    pub(super) fn ask(&self) -> Result<(), String> {
        let answer = self.answer().map_err(|error| format!("does not answer: {error}"))?;
        self.judge(&answer)
    }

    fn answer(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address(), ANSWER_MAX)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        let question = match self {
            Self::Http(address, path) => format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n"),
            Self::Redis(_) => "INFO replication\r\nQUIT\r\n".to_owned(),
            Self::Sentinel(_) => "SENTINEL ckquorum tamis\r\n".to_owned(),
            Self::Tcp(_) => return Ok(String::new()),
            Self::Smtp(_) => {
                // A client speaks when it has been greeted, and the greeting is all that is wanted.
                let mut greeting = [0; 4];
                stream.read_exact(&mut greeting)?;
                stream.write_all(b"QUIT\r\n")?;
                return Ok(String::from_utf8_lossy(&greeting).into_owned());
            }
        };
        stream.write_all(question.as_bytes())?;
        let mut answer = Vec::new();
        let mut stream = BufReader::new(stream.take(ANSWER_BYTES_MAX));
        // A Sentinel does not know how to be left, and answers in one line.
        match self {
            Self::Sentinel(_) => stream.read_until(b'\n', &mut answer)?,
            _ => stream.read_to_end(&mut answer)?,
        };
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// What an answer means.
    pub(super) fn judge(&self, answer: &str) -> Result<(), String> {
        let is_well = match self {
            Self::Http(..) => answer.split(' ').nth(1) == Some("200"),
            Self::Redis(_) => {
                answer.contains("role:master") || answer.contains("master_link_status:up")
            }
            Self::Sentinel(_) => answer.starts_with("+OK"),
            Self::Smtp(_) => answer.starts_with("220"),
            Self::Tcp(_) => true,
        };
        if is_well {
            return Ok(());
        }
        let said = match self {
            Self::Http(..) => answer.split("\r\n\r\n").nth(1).unwrap_or(answer),
            _ => answer,
        };
        Err(said
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or("says nothing")
            .to_owned())
    }
}
