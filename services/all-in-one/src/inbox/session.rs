//! One client of the inbox, from greeting to goodbye.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tamis_mail_protocols::smtp::Mode;
use tamis_mail_protocols::smtp::address::Address;
use tamis_mail_protocols::smtp::limits::COMMAND_TIMEOUT;
use tamis_mail_protocols::smtp::reply::Reply;
use tamis_mail_protocols::smtp::server::{Config, Event, Output, Server};
use tamis_runtime::clock;
use tamis_runtime::listen::Stream;
use tamis_runtime::shutdown::Shutdown;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep_until, timeout};

use super::blocking;
use super::maildir::{Draft, Maildir};

/// What this side calls itself.
const HOST_NAME: &str = "tamis-inbox.localhost";
/// Bytes of a mail gathered before they are written: most mails then cost one visit to the disk.
const WRITE_BYTES: usize = 256 * 1024;

/// One client, and the mail it is sending.
pub(super) struct Session {
    stream: Stream,
    server: Server,
    maildir: Arc<Maildir>,
    mail: Option<Mail>,
}

/// A mail on its way in.
struct Mail {
    draft: Draft,
    /// Not written yet; the envelope's lines first.
    pending: Vec<u8>,
}

/// What woke a session.
enum Woken {
    Received(usize),
    Deadline,
    Ending,
}

impl Session {
    pub(super) fn new(stream: Stream, maildir: Arc<Maildir>, mail_bytes_max: u64) -> Self {
        let mut config = Config::new(Mode::Smtp, HOST_NAME);
        config.mail_bytes_max = mail_bytes_max;
        config.smtputf8 = true;
        Self { stream, server: Server::new(config, clock::now()), maildir, mail: None }
    }

    /// Serves until either side ends it.
    ///
    /// # Errors
    /// The connection's; a mail that was not answered is forgotten.
    pub(super) async fn run(mut self, shutdown: &Shutdown) -> io::Result<()> {
        let mut buffer = BytesMut::new();
        let mut is_draining = false;
        loop {
            while let Some(output) = self.server.poll() {
                if matches!(output, Output::Close(_)) {
                    return self.stream.shutdown().await;
                }
                self.work(output).await?;
            }
            let event = match self.woken(&mut buffer, shutdown, is_draining).await? {
                Woken::Received(0) => Event::PeerClosed,
                Woken::Received(_) => Event::Received(buffer.split().freeze()),
                Woken::Deadline => Event::Timer,
                Woken::Ending => Event::Drain,
            };
            is_draining |= matches!(event, Event::Drain);
            self.server.handle(event, clock::now());
        }
    }

    async fn woken(
        &mut self,
        buffer: &mut BytesMut,
        shutdown: &Shutdown,
        is_draining: bool,
    ) -> io::Result<Woken> {
        // Every question is answered before this is reached, so the session has room and a deadline.
        let deadline: Instant =
            self.server.deadline().unwrap_or_else(|| clock::now() + COMMAND_TIMEOUT);
        let room = self.server.room();
        buffer.reserve(room);
        let mut input = (&mut self.stream).take(room as u64);
        tokio::select! {
            read = input.read_buf(buffer) => Ok(Woken::Received(read?)),
            () = sleep_until(deadline.into()) => Ok(Woken::Deadline),
            () = shutdown.requested(), if !is_draining => Ok(Woken::Ending),
        }
    }

    async fn work(&mut self, output: Output) -> io::Result<()> {
        match output {
            Output::Send(bytes) => {
                let sent = timeout(COMMAND_TIMEOUT, self.stream.write_all(&bytes)).await;
                return sent.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
            }
            Output::Mail { from, .. } => {
                let reply = self.mail(&from).await;
                self.answer(Event::Reply(reply));
            }
            Output::Rcpt { to, .. } => {
                self.envelope_line("Delivered-To", &to);
                self.answer(Event::Reply(Reply::new(250, "2.1.5 ok")));
            }
            Output::Content(chunk) => {
                if let Err(error) = self.content(&chunk).await {
                    self.mail = None;
                    self.answer(Event::Discard(refusal(&error)));
                }
            }
            Output::EndOfData(_) => {
                let reply = self.keep().await.unwrap_or_else(|error| refusal(&error));
                self.answer(Event::Reply(reply));
            }
            Output::Reset(_) => self.mail = None,
            Output::Hello { .. }
            | Output::Client(_)
            | Output::Data
            | Output::PeerGone
            | Output::Noted(_)
            | Output::Close(_) => {}
        }
        Ok(())
    }

    fn answer(&mut self, event: Event) {
        self.server.handle(event, clock::now());
    }

    async fn mail(&mut self, from: &Address) -> Reply {
        let maildir = Arc::clone(&self.maildir);
        match blocking(move || maildir.place()).await {
            Ok(Some(place)) => {
                self.mail = Some(Mail { draft: Draft::new(place), pending: Vec::new() });
                self.envelope_line("Return-Path", from);
                Reply::new(250, "2.1.0 ok")
            }
            Ok(None) => Reply::new(452, "4.3.1 inbox is full: it is for first tries"),
            Err(error) => refusal(&error),
        }
    }

    /// An address is safe in a header line: it holds no control character.
    fn envelope_line(&mut self, name: &str, address: &Address) {
        if let Some(mail) = &mut self.mail {
            // Return-Path has brackets (RFC 5321 section 4.4); Delivered-To by custom has none.
            let line = match name {
                "Return-Path" => format!("{name}: {address}\n"),
                _ => format!("{name}: {}\n", address.mailbox()),
            };
            mail.pending.extend_from_slice(line.as_bytes());
        }
    }

    async fn content(&mut self, chunk: &Bytes) -> io::Result<()> {
        let Some(mail) = &mut self.mail else { return Ok(()) };
        // Lines of a Maildir end with LF. A mail with a CR that is not part of CR LF is refused at its end.
        mail.pending.extend(chunk.iter().filter(|byte| **byte != b'\r'));
        if mail.pending.len() < WRITE_BYTES {
            return Ok(());
        }
        let Some(Mail { mut draft, mut pending }) = self.mail.take() else { return Ok(()) };
        let written = blocking(move || {
            draft.write(&pending)?;
            pending.clear();
            Ok(Mail { draft, pending })
        });
        self.mail = Some(written.await?);
        Ok(())
    }

    /// Answers only when the mail is on disk.
    async fn keep(&mut self) -> io::Result<Reply> {
        // Without a mail the client has been told so already, and this answer is not listened to.
        let Some(Mail { mut draft, pending }) = self.mail.take() else {
            return Ok(Reply::new(451, "4.3.0 the mail is not here"));
        };
        let kept = blocking(move || {
            draft.write(&pending)?;
            draft.publish()
        });
        let name = kept.await?;
        Ok(Reply::new(250, &format!("2.0.0 kept as new/{name}")))
    }
}

/// Temporary in any case: whoever sent the mail still has it.
pub(super) fn refusal(error: &io::Error) -> Reply {
    tracing::warn!(%error, "inbox: a mail cannot be written");
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Reply::new(452, "4.3.1 insufficient system storage")
        }
        _ => Reply::new(451, "4.3.0 the mail cannot be written"),
    }
}
