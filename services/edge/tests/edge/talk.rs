//! An MTA in front of the edge, line by line.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub struct Talk(BufReader<TcpStream>);

pub const MAIL: &str = "From: a@example.org\r\nSubject: lunch\r\nMessage-ID: <1@example.org>\r\nX-Tamis-Status: trusted\r\n\r\nsee you at noon\r\n";

impl Talk {
    /// Connects and hears the greeting.
    pub async fn connect(address: SocketAddr) -> (Self, String) {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut talk = Self(BufReader::new(stream));
        let greeting = talk.hear().await;
        (talk, greeting)
    }

    /// Connects and greets.
    pub async fn hello(address: SocketAddr, verb: &str) -> Self {
        let (mut talk, greeting) = Self::connect(address).await;
        assert!(greeting.starts_with("220"), "{greeting}");
        let reply = talk.say(&format!("{verb} mta.test")).await;
        assert!(reply.starts_with("250"), "{reply}");
        talk
    }

    /// One whole reply; empty at the end of the connection.
    pub async fn hear(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await.unwrap_or(0) == 0 {
                return reply;
            }
            reply.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply.trim_end().to_owned();
            }
        }
    }

    pub async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    pub async fn say(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r\n")).await;
        self.hear().await
    }

    pub async fn agree(&mut self, line: &str) {
        let reply = self.say(line).await;
        assert!(reply.starts_with(['2', '3']), "{line}: {reply}");
    }

    /// Envelope and DATA, all of which must be agreed to.
    pub async fn begin(&mut self, to: &[&str]) {
        self.agree("MAIL FROM:<s@example.org>").await;
        for to in to {
            self.agree(&format!("RCPT TO:<{to}>")).await;
        }
        self.agree("DATA").await;
    }

    /// A whole mail; the replies to its end.
    pub async fn mail(&mut self, to: &[&str], text: &str, replies: usize) -> Vec<String> {
        self.begin(to).await;
        self.send(&format!("{text}.\r\n")).await;
        let mut heard = Vec::new();
        for _ in 0..replies {
            heard.push(self.hear().await);
        }
        heard
    }

    /// Waits for the other side to close.
    pub async fn closed(mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.is_ok()
    }
}
