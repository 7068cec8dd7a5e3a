//! Asks a process of ours on this machine how it is, as a supervisor's probe does: one question to its admin listener.
//!
//! An image without a shell has nothing else to ask with. No configuration is read: a file that somebody breaks must not
//! make a process that runs look dead.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::listen::ListenAddress;

/// Longest wait for the connection, and for each piece of the answer: below the second that Kubernetes grants a probe.
pub const WITHIN: Duration = Duration::from_millis(800);
/// Longest answer that is read, in bytes. Health has a line for each condition.
pub const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether the process answers at all; never depends on others.
    Live,
    /// Whether it can do its work.
    Ready,
}

/// Why the answer is no. The process asked is to blame, or who wrote its address.
#[derive(Debug, thiserror::Error)]
pub enum No {
    /// It cannot be reached, or breaks off.
    #[error("nobody answers at {0}: {1}")]
    Unreachable(ListenAddress, #[source] io::Error),
    /// It says no.
    #[error("{0}")]
    Said(String),
}

/// Asks the admin listener at `admin`; an address that stands for all of the machine is asked over loopback.
///
/// # Errors
/// [`No`], in words for a person.
pub fn ask(admin: &ListenAddress, question: Question) -> Result<(), No> {
    let path = match question {
        Question::Live => "/healthz/live",
        Question::Ready => "/healthz/ready",
    };
    let answer = exchanged(admin, path).map_err(|error| No::Unreachable(admin.clone(), error))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some(_) => Err(No::Said(body.trim().to_owned())),
        None => Err(No::Said("what answers there speaks no HTTP".to_owned())),
    }
}

fn exchanged(admin: &ListenAddress, path: &str) -> io::Result<String> {
    match admin {
        ListenAddress::Off => Err(io::ErrorKind::AddrNotAvailable.into()),
        ListenAddress::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&reachable(*address), WITHIN)?;
            stream.set_read_timeout(Some(WITHIN))?;
            stream.set_write_timeout(Some(WITHIN))?;
            talk(stream, path)
        }
        ListenAddress::Unix { path: file, .. } => {
            let stream = UnixStream::connect(file)?;
            stream.set_read_timeout(Some(WITHIN))?;
            stream.set_write_timeout(Some(WITHIN))?;
            talk(stream, path)
        }
    }
}

/// The address to ask where `0.0.0.0` or `::` is listened on.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn talk(mut stream: impl Read + Write, path: &str) -> io::Result<String> {
    // In one piece: a peer that answers after the first of several pieces and closes would cut its own answer off.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{self, Readiness};
    use crate::listen::Listener;
    use crate::metrics::Metrics;
    use crate::shutdown::Shutdown;

    async fn asked(admin: &ListenAddress, question: Question) -> Result<(), String> {
        let admin = admin.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&admin, question));
        asked.await.unwrap().map_err(|no| no.to_string())
    }

    #[tokio::test]
    async fn a_process_is_live_before_it_is_ready_and_ready_no_more_once_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        for address in
            ["127.0.0.1:0".to_owned(), format!("unix:{}", folder.path().join("a").display())]
        {
            let listener = Listener::bind(&address.parse().unwrap()).await.unwrap();
            let at = listener.address().clone();
            let shutdown = Shutdown::new();
            let readiness = Readiness::new(shutdown.clone());
            let edge = readiness.condition("edge");
            let task = admin::serve(listener, Metrics::new(), readiness);
            assert_eq!(asked(&at, Question::Live).await, Ok(()));
            assert_eq!(asked(&at, Question::Ready).await, Err("missing: edge".to_owned()));
            edge.set(true);
            assert_eq!(asked(&at, Question::Ready).await, Ok(()));
            shutdown.request();
            let ending = "missing: the process is ending".to_owned();
            assert_eq!(asked(&at, Question::Ready).await, Err(ending));
            assert_eq!(asked(&at, Question::Live).await, Ok(()), "it still works");
            task.abort();
        }
    }

    #[tokio::test]
    async fn nobody_there_off_and_strangers_are_no() {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        assert!(asked(&ListenAddress::Tcp(address), Question::Live).await.is_err());
        assert!(asked(&ListenAddress::Off, Question::Live).await.is_err());
        let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = stranger.local_addr().unwrap();
        let talks = std::thread::spawn(move || {
            let (mut stream, _) = stranger.accept().unwrap();
            // All of the question is read: closing with some of it unread would reset the connection.
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut piece = [0; 512];
                let n = stream.read(&mut piece).unwrap();
                assert!(n > 0, "closed in the middle of its question");
                asked.extend_from_slice(&piece[..n]);
            }
            stream.write_all(b"220\r\n").unwrap();
        });
        let said = asked(&ListenAddress::Tcp(address), Question::Live).await.unwrap_err();
        assert!(said.contains("no HTTP"), "{said}");
        talks.join().unwrap();
    }

    #[test]
    fn who_listens_everywhere_is_asked_over_loopback() {
        for (written, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("192.0.2.1:1", "192.0.2.1:1")]
        {
            assert_eq!(reachable(written.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
