//! An MTA that speaks milter, frame by frame.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use tamis_mail_protocols::milter::facts::{ClientAddress, Connection, Mailbox};
use tamis_mail_protocols::milter::frame::Command;
use tamis_mail_protocols::milter::negotiate::{Actions, Offer, ProtocolSteps};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Mta(TcpStream);

/// One frame of ours: command byte and payload.
pub type Frame = (char, Vec<u8>);

pub const HEADER: &[(&str, &str)] = &[
    ("From", " a@example.org"),
    ("X-Tamis-Status", " trusted"),
    ("Subject", " lunch"),
    ("Message-ID", " <1@example.org>"),
    ("x-tamis-status", " trusted"),
];

impl Mta {
    pub async fn connect(address: SocketAddr, actions: u32) -> Self {
        let mut mta = Self(TcpStream::connect(address).await.unwrap());
        let (version, protocol) = (6, ProtocolSteps(0x1f_ffff));
        mta.say(&Command::Negotiate(Offer { version, actions: Actions(actions), protocol })).await;
        assert_eq!(mta.hear().await.unwrap().0, 'O');
        let client = "192.0.2.7:4711".parse().unwrap();
        let address = ClientAddress::Ip(client);
        mta.say(&Command::Connect(Connection { hostname: "mx.example.org".into(), address })).await;
        mta.say(&Command::Helo("mx.example.org".into())).await;
        mta
    }

    pub async fn say(&mut self, command: &Command) {
        let mut wire = BytesMut::new();
        command.encode(&mut wire);
        self.0.write_all(&wire).await.unwrap();
    }

    /// The next frame; `None` at the end of the connection.
    pub async fn hear(&mut self) -> Option<Frame> {
        let length = self.0.read_u32().await.ok()?;
        let mut frame = vec![0; length as usize];
        self.0.read_exact(&mut frame).await.ok()?;
        Some((char::from(frame[0]), frame[1..].to_vec()))
    }

    /// Everything up to the end of the body, which is not said.
    pub async fn content(&mut self, to: &[&str], body: &str) {
        let mailbox = |address: &str| Mailbox {
            exact: Bytes::from(format!("<{address}>")),
            parameters: Vec::new(),
        };
        let queue_id = vec![(Bytes::from("i"), Bytes::from("4XyZ"))];
        self.say(&Command::Macros { of: b'M', pairs: queue_id }).await;
        self.say(&Command::Mail(mailbox("s@example.org"))).await;
        for to in to {
            self.say(&Command::Recipient(mailbox(to))).await;
        }
        self.say(&Command::Data).await;
        // The answer to DATA is waited for, unless the door is closed meanwhile.
        assert_eq!(self.hear().await.map_or('c', |(command, _)| command), 'c');
        for (name, value) in HEADER {
            let (name, value) = (Bytes::from(*name), Bytes::from(*value));
            self.say(&Command::Header { name, value }).await;
        }
        self.say(&Command::EndOfHeaders).await;
        for piece in body.as_bytes().chunks(60_000) {
            self.say(&Command::Body(Bytes::copy_from_slice(piece))).await;
        }
    }

    /// A whole message, and all frames up to the last word, readable.
    pub async fn message(&mut self, to: &[&str], body: &str) -> Vec<String> {
        self.content(to, body).await;
        self.say(&Command::EndOfBody(Bytes::new())).await;
        self.verdict().await
    }

    pub async fn verdict(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while let Some((command, payload)) = self.hear().await {
            words.push(readable(command, &payload));
            if "cartdy".contains(command) {
                return words;
            }
        }
        words.push("closed".to_owned());
        words
    }
}

/// `i 0 Name| value|`: the index as a number, NUL as a bar.
fn readable(command: char, payload: &[u8]) -> String {
    let (index, rest) = match command {
        'i' | 'm' => {
            let (head, rest) = payload.split_at(4);
            (format!(" {}", u32::from_be_bytes(head.try_into().unwrap())), rest)
        }
        _ => (String::new(), payload),
    };
    let text = String::from_utf8_lossy(rest).replace('\0', "|");
    format!("{command}{index} {text}").trim_end().to_owned()
}
