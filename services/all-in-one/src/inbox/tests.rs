use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tamis_runtime::shutdown::Shutdown;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::maildir::{Draft, Maildir};
use super::session::refusal;
use super::{LIMITS, Limits, MAILS_MAX, start_within};

/// An inbox and its directory.
struct Inbox {
    dir: TempDir,
    address: SocketAddr,
    shutdown: Shutdown,
}

impl Inbox {
    async fn open(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let shutdown = Shutdown::new();
        let address = start_within(dir.path(), shutdown.clone(), limits).await.unwrap();
        Self { dir, address, shutdown }
    }

    async fn client(&self) -> Client {
        Client { stream: BufReader::new(TcpStream::connect(self.address).await.unwrap()) }
    }

    /// A client that was greeted and has greeted.
    async fn greeted(&self) -> Client {
        let mut client = self.client().await;
        assert!(client.reply().await.starts_with("220 "));
        assert!(client.say("EHLO client.example\r\n").await.contains("250 "));
        client
    }

    fn names(&self, folder: &str) -> Vec<String> {
        names(&self.dir.path().join(folder))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A client of a few lines.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    async fn say(&mut self, words: &str) -> String {
        self.stream.get_mut().write_all(words.as_bytes()).await.unwrap();
        self.reply().await
    }

    /// One reply, all its lines; empty at the end of the connection.
    async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).await.unwrap();
            reply += &line;
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
        }
    }

    /// Sends a mail with this content; the reply to its end, or to the first command refused.
    async fn send(&mut self, content: &str) -> String {
        for command in ["MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.org>\r\n", "DATA\r\n"]
        {
            let reply = self.say(command).await;
            if !reply.starts_with(['2', '3']) {
                return reply;
            }
        }
        self.say(&format!("{content}.\r\n")).await
    }
}

#[tokio::test]
async fn what_250_was_said_for_is_in_the_directory() {
    let inbox = Inbox::open(LIMITS).await;
    let mut client = inbox.greeted().await;
    let envelope = "MAIL FROM:<a@example.com> BODY=8BITMIME RET=HDRS SMTPUTF8\r\n";
    assert!(client.say(envelope).await.starts_with("250 "));
    for to in ["b@example.org", "j\u{f6}rg@example.org"] {
        let rcpt = format!("RCPT TO:<{to}> NOTIFY=NEVER\r\n");
        assert!(client.say(&rcpt).await.starts_with("250 "));
    }
    assert!(client.say("DATA\r\n").await.starts_with("354 "));
    let reply = client.say("Subject: hello\r\n\r\n..dot\r\n8 bit: \u{e4}\r\n.\r\n").await;
    let name = reply.trim_end().strip_prefix("250 2.0.0 kept as new/").unwrap();
    assert_eq!(inbox.names("new"), [name]);
    assert!(inbox.names("tmp").is_empty());
    assert_eq!(
        fs::read_to_string(inbox.dir.path().join("new").join(name)).unwrap(),
        "Return-Path: <a@example.com>\nDelivered-To: b@example.org\n\
         Delivered-To: j\u{f6}rg@example.org\nSubject: hello\n\n.dot\n8 bit: \u{e4}\n"
    );
    let bounce = "MAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n";
    assert!(client.say(bounce).await.starts_with("250 "));
    client.reply().await;
    assert!(client.reply().await.starts_with("354 "));
    assert!(client.say("\r\nbounced\r\n.\r\n").await.starts_with("250 "));
    let second = inbox.names("new").into_iter().find(|other| other != name).unwrap();
    let text = fs::read_to_string(inbox.dir.path().join("new").join(second)).unwrap();
    assert!(text.starts_with("Return-Path: <>\n"), "{text}");
}

#[tokio::test]
async fn it_announces_what_it_does_and_no_more() {
    let inbox = Inbox::open(LIMITS).await;
    let mut client = inbox.client().await;
    client.reply().await;
    let announced = client.say("EHLO client.example\r\n").await;
    for word in ["PIPELINING", "SIZE 68157440", "8BITMIME", "SMTPUTF8", "DSN"] {
        assert!(announced.contains(word), "{word}: {announced}");
    }
    for word in ["XFORWARD", "XCLIENT", "STARTTLS", "CHUNKING"] {
        assert!(!announced.contains(word), "{word}: {announced}");
    }
}

#[tokio::test]
async fn one_mail_more_than_the_limit_is_asked_to_wait() {
    let inbox = Inbox::open(LIMITS).await;
    for number in 0..MAILS_MAX - 1 {
        let folder = if number % 2 == 0 { "new" } else { "cur" };
        File::create(inbox.dir.path().join(folder).join(number.to_string())).unwrap();
    }
    let mut client = inbox.greeted().await;
    assert!(client.send("\r\n").await.starts_with("250 "), "mail number {MAILS_MAX}");
    let reply = client.send("\r\n").await;
    assert_eq!(reply, "452 4.3.1 inbox is full: it is for first tries\r\n");
    fs::remove_file(inbox.dir.path().join("cur/1")).unwrap();
    assert!(client.send("\r\n").await.starts_with("250 "), "there is room again");
}

#[tokio::test]
async fn mails_on_their_way_in_count() {
    let inbox = Inbox::open(Limits { mails_max: 1, ..LIMITS }).await;
    let (mut first, mut second) = (inbox.greeted().await, inbox.greeted().await);
    assert!(first.say("MAIL FROM:<a@example.com>\r\n").await.starts_with("250 "));
    assert!(second.say("MAIL FROM:<a@example.com>\r\n").await.starts_with("452 "));
    assert!(first.say("RSET\r\n").await.starts_with("250 "));
    assert!(second.say("MAIL FROM:<a@example.com>\r\n").await.starts_with("250 "));
}

#[tokio::test]
async fn kept_bytes_at_their_limit_and_one_below() {
    let inbox = Inbox::open(Limits { kept_bytes_max: 100, ..LIMITS }).await;
    let file = File::create(inbox.dir.path().join("cur/big")).unwrap();
    file.set_len(100).unwrap();
    let mut client = inbox.greeted().await;
    assert!(client.send("\r\n").await.starts_with("452 4.3.1"));
    file.set_len(99).unwrap();
    assert!(client.send("\r\n").await.starts_with("250 "));
}

#[tokio::test]
async fn a_mail_of_the_largest_size_and_one_byte_more() {
    let inbox = Inbox::open(Limits { mail_bytes_max: 700_000, ..LIMITS }).await;
    let mut client = inbox.greeted().await;
    let mut content = "0123456789abc\r\n".repeat(46_666) + "12345678\r\n";
    assert_eq!(content.len(), 700_000);
    assert!(client.send(&content).await.starts_with("250 "));
    content.insert(0, 'x');
    assert!(client.send(&content).await.starts_with("552 5.3.4"));
    assert!(inbox.names("tmp").is_empty());
    assert_eq!(inbox.names("new").len(), 1);
}

#[tokio::test]
async fn one_connection_more_than_the_limit_is_sent_away() {
    let inbox = Inbox::open(Limits { connections_max: 2, ..LIMITS }).await;
    let (first, _second) = (inbox.greeted().await, inbox.greeted().await);
    let mut third = inbox.client().await;
    assert_eq!(third.reply().await, "421 4.7.0 too many connections\r\n");
    assert_eq!(third.reply().await, "");
    // Its place is given back after the client sees the end, so the first tries may still be too early.
    drop(first);
    let again = async {
        while !inbox.client().await.reply().await.starts_with("220 ") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.unwrap();
}

#[tokio::test]
async fn no_250_for_a_mail_that_cannot_be_moved_to_where_readers_look() {
    let inbox = Inbox::open(LIMITS).await;
    let mut client = inbox.greeted().await;
    for command in ["MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.org>\r\n", "DATA\r\n"] {
        assert!(client.say(command).await.starts_with(['2', '3']));
    }
    fs::remove_dir(inbox.dir.path().join("new")).unwrap();
    assert_eq!(client.say("\r\nx\r\n.\r\n").await, "451 4.3.0 the mail cannot be written\r\n");
    assert!(inbox.names("tmp").is_empty());
    fs::create_dir(inbox.dir.path().join("new")).unwrap();
    assert!(client.send("\r\n").await.starts_with("250 "), "the session goes on");
}

#[tokio::test]
async fn a_write_that_fails_in_the_middle_is_told_at_the_end() {
    let inbox = Inbox::open(LIMITS).await;
    let mut client = inbox.greeted().await;
    for command in ["MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.org>\r\n", "DATA\r\n"] {
        assert!(client.say(command).await.starts_with(['2', '3']));
    }
    fs::remove_dir(inbox.dir.path().join("tmp")).unwrap();
    let content = "0123456789abc\r\n".repeat(40_000);
    let reply = client.say(&format!("{content}.\r\n")).await;
    assert_eq!(reply, "451 4.3.0 the mail cannot be written\r\n");
    fs::create_dir(inbox.dir.path().join("tmp")).unwrap();
    assert!(client.send("\r\n").await.starts_with("250 "), "one answer for one mail");
    assert_eq!(inbox.names("new").len(), 1);
}

#[test]
fn a_full_disk_is_452_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let maildir = Arc::new(Maildir::open(dir.path().to_owned(), 1, 1).unwrap());
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut draft = Draft::over(maildir.place().unwrap().unwrap(), full());
    let error = draft.write(b"x").unwrap_err();
    assert_eq!(refusal(&error).code(), 452);
    drop(draft);
    assert!(maildir.place().unwrap().is_some(), "its place is free again");
    for (kind, code) in [
        (io::ErrorKind::StorageFull, 452),
        (io::ErrorKind::QuotaExceeded, 452),
        (io::ErrorKind::PermissionDenied, 451),
        (io::ErrorKind::Other, 451),
    ] {
        assert_eq!(refusal(&kind.into()).code(), code, "{kind}");
    }
}

#[test]
fn a_mail_given_up_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let maildir = Arc::new(Maildir::open(dir.path().to_owned(), 1, 1).unwrap());
    let mut draft = Draft::new(maildir.place().unwrap().unwrap());
    draft.write(b"x").unwrap();
    assert_eq!(names(&dir.path().join("tmp")).len(), 1);
    drop(draft);
    assert!(names(&dir.path().join("tmp")).is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_mail_leaves_no_file() {
    let inbox = Inbox::open(LIMITS).await;
    let mut client = inbox.greeted().await;
    for command in ["MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.org>\r\n", "DATA\r\n"] {
        assert!(client.say(command).await.starts_with(['2', '3']));
    }
    let content = "0123456789abc\r\n".repeat(40_000);
    client.stream.get_mut().write_all(content.as_bytes()).await.unwrap();
    client.stream.get_mut().shutdown().await.unwrap();
    let mut rest = String::new();
    client.stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "");
    assert!(inbox.names("tmp").is_empty() && inbox.names("new").is_empty());
}

#[tokio::test]
async fn the_order_to_end_lets_a_mail_finish() {
    let inbox = Inbox::open(LIMITS).await;
    let (mut idle, mut busy) = (inbox.greeted().await, inbox.greeted().await);
    for command in ["MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.org>\r\n", "DATA\r\n"] {
        assert!(busy.say(command).await.starts_with(['2', '3']));
    }
    inbox.shutdown.request();
    assert!(idle.reply().await.starts_with("421 "));
    assert!(busy.say("\r\nx\r\n.\r\n").await.starts_with("250 "));
    assert!(busy.reply().await.starts_with("421 "));
    assert_eq!(inbox.names("new").len(), 1);
}

#[test]
fn what_a_crash_left_behind_goes_after_a_day_and_a_half() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Maildir::open(dir.path().to_owned(), 1, 1).unwrap();
    open();
    for (name, hours) in [("old", 37), ("young", 35)] {
        let file = File::create(dir.path().join("tmp").join(name)).unwrap();
        let ago = Duration::from_secs(hours * 60 * 60);
        file.set_modified(std::time::SystemTime::now() - ago).unwrap();
    }
    open();
    assert_eq!(names(&dir.path().join("tmp")), ["young"]);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_said_at_the_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let failure = start_within(file.path(), Shutdown::new(), LIMITS).await.unwrap_err();
    assert!(failure.what.starts_with("inbox "), "{}", failure.what);
}
