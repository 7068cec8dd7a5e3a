//! A next hop that answers by rule, and keeps what it took.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::house::Shared;

/// What it does instead of agreeing.
#[derive(Clone, Debug)]
pub enum Act {
    Say(&'static str),
    Close,
    /// At the final dot: takes the mail, and leaves without a word.
    TakeAndClose,
    Silence,
}

/// Gets each line (`.` for the end of a mail, `connect` for a connection) and how many mails were taken so far.
pub type Rule = Arc<dyn Fn(&str, usize) -> Option<Act> + Send + Sync>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    pub xforward: Vec<String>,
    pub text: String,
}

#[derive(Clone)]
pub struct Hop {
    pub address: SocketAddr,
    pub taken: Shared<Vec<Taken>>,
    /// All lines heard but content.
    pub heard: Shared<Vec<String>>,
    rule: Shared<Rule>,
}

impl Hop {
    pub async fn willing() -> Self {
        Self::ruled(|_, _| None).await
    }

    pub async fn ruled(rule: impl Fn(&str, usize) -> Option<Act> + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rule: Rule = Arc::new(rule);
        let hop = Self {
            address: socket.local_addr().unwrap(),
            taken: Arc::default(),
            heard: Arc::default(),
            rule: Arc::new(Mutex::new(rule)),
        };
        let serving = hop.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serving.clone().session(stream));
            }
        });
        hop
    }

    pub fn now_rules(&self, rule: impl Fn(&str, usize) -> Option<Act> + Send + Sync + 'static) {
        *self.rule.lock().unwrap() = Arc::new(rule);
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    pub fn heard(&self, start: &str) -> usize {
        self.heard.lock().unwrap().iter().filter(|line| line.starts_with(start)).count()
    }

    fn act(&self, line: &str) -> Option<Act> {
        let rule = self.rule.lock().unwrap().clone();
        let taken = self.taken.lock().unwrap().len();
        rule(line, taken)
    }

    async fn session(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut mail = Taken::default();
        if !self.answer(&mut stream, "connect", "220 hop.test ESMTP").await {
            return;
        }
        loop {
            let Some(line) = read_line(&mut stream).await else { return };
            self.heard.lock().unwrap().push(line.clone());
            let verb = line.split(' ').next().unwrap_or("").to_ascii_uppercase();
            let agree = match verb.as_str() {
                "EHLO" => {
                    "250-hop.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250-SIZE 50000000\r\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"
                }
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "250 2.0.0 ok",
            };
            match verb.as_str() {
                "XFORWARD" => mail.xforward.push(line.clone()),
                "MAIL" => {
                    mail = Taken {
                        from: line.clone(),
                        xforward: std::mem::take(&mut mail.xforward),
                        ..Taken::default()
                    }
                }
                "RSET" => mail = Taken::default(),
                _ => {}
            }
            let accepted = self.answer(&mut stream, &line, agree).await;
            match verb.as_str() {
                "RCPT" if accepted => mail.to.push(line.clone()),
                "QUIT" => return,
                "DATA" if accepted => {
                    let Some(text) = read_mail(&mut stream).await else { return };
                    mail.text = text;
                    if !self.end(&mut stream, std::mem::take(&mut mail)).await {
                        return;
                    }
                }
                _ => {}
            }
            if matches!(self.act(&line), Some(Act::Close)) {
                return;
            }
        }
    }

    /// Whether it agreed.
    async fn answer(&self, stream: &mut BufReader<TcpStream>, line: &str, agree: &str) -> bool {
        match self.act(line) {
            None => write(stream, agree).await,
            Some(Act::Say(words)) => {
                write(stream, words).await;
                words.starts_with(['2', '3'])
            }
            Some(Act::Silence) => std::future::pending().await,
            Some(Act::Close | Act::TakeAndClose) => false,
        }
    }

    /// Whether the session goes on.
    async fn end(&self, stream: &mut BufReader<TcpStream>, mail: Taken) -> bool {
        let act = self.act(".");
        let takes = match &act {
            None | Some(Act::TakeAndClose) => true,
            Some(Act::Say(words)) => words.starts_with('2'),
            Some(Act::Close | Act::Silence) => false,
        };
        if takes {
            self.taken.lock().unwrap().push(mail);
        }
        match act {
            None => write(stream, "250 2.0.0 queued as ABC").await,
            Some(Act::Say(words)) => write(stream, words).await,
            Some(Act::Silence) => std::future::pending().await,
            Some(Act::Close | Act::TakeAndClose) => false,
        }
    }
}

async fn write(stream: &mut BufReader<TcpStream>, words: &str) -> bool {
    stream.write_all(format!("{words}\r\n").as_bytes()).await.is_ok()
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

/// `None` if the mail has no end: then it is no mail.
async fn read_mail(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let mut line = Vec::new();
        match stream.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return None,
            Ok(_) if line == b".\r\n" => return Some(String::from_utf8_lossy(&text).into_owned()),
            Ok(_) => text.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line)),
        }
    }
}
