//! The socket loop of the two doors that speak SMTP's grammar: bytes in, questions answered, bytes out.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tamis_domain::envelope::{Client, Door as DoorKind, Envelope};
use tamis_domain::limits::ADDRESS_BYTES_MAX;
use tamis_mail_protocols::smtp::Mode;
use tamis_mail_protocols::smtp::client_facts::{Attribute, ClientFacts};
use tamis_mail_protocols::smtp::data::BareLineEnd;
use tamis_mail_protocols::smtp::extensions::Extensions;
use tamis_mail_protocols::smtp::reply::Reply;
use tamis_mail_protocols::smtp::server::{Config, Event, Output, Server};
use tamis_runtime::clock;
use tamis_runtime::listen::{Peer, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep_until;

use super::{Ending, READ_BYTES, WRITE_TIMEOUT};
use crate::apply::header::HEADER_BYTES_MAX;
use crate::delivery::{Transaction, spool_failed};
use crate::edge::{Done, Edge, Judged};
use crate::held::HeldError;
use crate::mail::{Arriving, Mail};
use crate::next_hop::{Mailbox, Session};

/// What the two doors do differently.
pub trait Door: Send {
    /// Which it is.
    fn kind(&self) -> DoorKind;
    /// What the next hop is known to offer, if it is known.
    fn extensions(&self) -> Option<Extensions>;
    /// A transaction is wanted.
    fn mail(
        &mut self,
        from: &Mailbox,
        forwarded: &ClientFacts,
    ) -> impl Future<Output = Reply> + Send;
    /// One more recipient is wanted.
    fn rcpt(
        &mut self,
        transaction: &Transaction,
        to: &Mailbox,
    ) -> impl Future<Output = Reply> + Send;
    /// Carries out the plan. One answer, or one for each recipient.
    fn deliver(
        &mut self,
        transaction: &Transaction,
        mail: &Mail,
        judged: &Judged,
    ) -> impl Future<Output = (Vec<Reply>, Done)> + Send;
    /// The transaction is over without a mail.
    fn reset(&mut self) -> impl Future<Output = ()> + Send;
    /// The connection with the next hop, if one is open. It may be taken away between any two steps: a transaction that was
    /// open there is begun anew when it is needed.
    fn session(&mut self) -> &mut Option<Session>;
}

/// One connection.
pub struct Conversation<D> {
    edge: Arc<Edge>,
    stream: Stream,
    server: Server,
    door: D,
    ending: Ending,
    teller: Teller,
    transaction: Option<Transaction>,
    arriving: Option<Arriving>,
    /// When the next hop was needed last.
    needed_at: Instant,
}

/// Who speaks, and for whom.
struct Teller {
    peer: Peer,
    trusted: bool,
    hello: Option<String>,
    /// Told by XCLIENT for the whole session.
    client: ClientFacts,
}

/// Whether the conversation goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Read,
    Closed,
}

impl<D: Door> Conversation<D> {
    /// A conversation with a peer that has just connected.
    pub fn new(edge: Arc<Edge>, stream: Stream, peer: Peer, door: D, ending: Ending) -> Self {
        let trusted = edge.config.trusts(peer.ip());
        let server = Server::new(server_config(&edge, &door, trusted), clock::now());
        let teller = Teller { peer, trusted, hello: None, client: ClientFacts::default() };
        let needed_at = clock::now();
        let (transaction, arriving) = (None, None);
        Self { edge, stream, server, door, ending, teller, transaction, arriving, needed_at }
    }

    /// Speaks until one side ends it.
    pub async fn run(mut self) -> D {
        let mut buffer = vec![0; READ_BYTES];
        let mut drained = false;
        while self.work().await == Next::Read {
            let room = self.server.room().min(READ_BYTES);
            let deadline = self.server.deadline().unwrap_or_else(|| clock::now() + WRITE_TIMEOUT);
            let is_connected = self.door.session().is_some();
            let idle_at = self.needed_at + self.edge.config.next_hop_idle;
            let event = tokio::select! {
                read = self.stream.read(&mut buffer[..room]) => received(read, &buffer),
                () = sleep_until(deadline.into()) => Event::Timer,
                () = sleep_until(idle_at.into()), if is_connected => {
                    self.leave_next_hop().await;
                    continue;
                }
                () = self.ending.draining.requested(), if !drained => {
                    drained = true;
                    Event::Drain
                }
                () = self.ending.closing.requested() => Event::Close(closing()),
            };
            self.server.handle(event, clock::now());
        }
        let _ = tokio::time::timeout(WRITE_TIMEOUT, self.stream.shutdown()).await;
        self.door
    }

    /// Takes all outputs, answering questions on the way.
    async fn work(&mut self) -> Next {
        while let Some(output) = self.server.poll() {
            let answer = match output {
                Output::Send(bytes) => {
                    self.send(&bytes).await;
                    None
                }
                Output::Mail { from, parameters, forwarded } => {
                    Some(self.mail(Mailbox { address: from, parameters }, forwarded).await)
                }
                Output::Rcpt { to, parameters } => {
                    Some(self.rcpt(Mailbox { address: to, parameters }).await)
                }
                Output::Content(bytes) => self.content(&bytes).await,
                Output::EndOfData(_) => self.end().await,
                Output::Close(_) => {
                    self.forget().await;
                    return Next::Closed;
                }
                other => {
                    self.told(other).await;
                    None
                }
            };
            if let Some(event) = answer {
                self.server.handle(event, clock::now());
            }
        }
        Next::Read
    }

    async fn leave_next_hop(&mut self) {
        if let Some(session) = self.door.session().take() {
            session.quit().await;
        }
    }

    async fn told(&mut self, output: Output) {
        match output {
            Output::Hello { name, .. } => self.teller.hello = Some(name),
            Output::Client(facts) => self.teller.client = facts,
            Output::Reset(_) => self.forget().await,
            Output::Noted(fact) => tracing::debug!(?fact, door = self.door.kind().word(), "peer"),
            _ => {}
        }
    }

    async fn forget(&mut self) {
        self.arriving = None;
        if self.transaction.take().is_some() {
            self.door.reset().await;
        }
    }

    async fn mail(&mut self, from: Mailbox, forwarded: ClientFacts) -> Event {
        if from.address.as_str().len() > ADDRESS_BYTES_MAX {
            return Event::Reply(Reply::new(501, "5.1.7 sender address too long"));
        }
        let Some(place) = self.edge.place(self.door.kind()) else {
            return Event::Reply(Reply::new(421, "4.3.2 too many mails in hand, try again later"));
        };
        let reply = self.door.mail(&from, &forwarded).await;
        self.needed_at = clock::now();
        if reply.is_positive() {
            self.arriving = Some(self.edge.arriving(place));
            self.transaction = Some(Transaction { from, forwarded, recipients: Vec::new() });
        }
        Event::Reply(reply)
    }

    async fn rcpt(&mut self, to: Mailbox) -> Event {
        if to.address.as_str().len() > ADDRESS_BYTES_MAX {
            return Event::Reply(Reply::new(501, "5.1.3 recipient address too long"));
        }
        let Some(transaction) = &mut self.transaction else {
            return Event::Reply(Reply::new(451, "4.3.0 no mail in hand, try again later"));
        };
        let reply = self.door.rcpt(transaction, &to).await;
        if reply.is_positive() {
            transaction.recipients.push(to);
        }
        self.needed_at = clock::now();
        Event::Reply(reply)
    }

    async fn content(&mut self, bytes: &Bytes) -> Option<Event> {
        let arriving = self.arriving.as_mut()?;
        match arriving.push(bytes).await {
            Ok(()) => None,
            Err(error) => {
                self.arriving = None;
                Some(Event::Discard(self.not_held(&error)))
            }
        }
    }

    fn not_held(&self, error: &HeldError) -> Reply {
        let door = self.door.kind().word();
        match error {
            HeldError::TooLarge(_) => {
                self.edge.metrics.turn_away(door, "size");
                Reply::new(552, "5.3.4 message size exceeds fixed limit")
            }
            HeldError::Spool(error) => {
                self.edge.metrics.turn_away(door, "spool");
                tracing::error!(%error, "a mail cannot be held");
                spool_failed()
            }
        }
    }

    async fn end(&mut self) -> Option<Event> {
        let event = self.judge_and_deliver().await;
        self.needed_at = clock::now();
        event
    }

    /// The mail is whole: judge, then deliver. No answer if the connection is to be closed.
    async fn judge_and_deliver(&mut self) -> Option<Event> {
        let (Some(transaction), Some(arriving)) = (self.transaction.take(), self.arriving.take())
        else {
            self.door.reset().await;
            return Some(Event::Reply(Reply::new(451, "4.3.0 no mail in hand, try again later")));
        };
        let mail = match arriving.finish().await {
            Ok(mail) => mail,
            Err(error) => {
                self.door.reset().await;
                return Some(Event::Reply(self.not_held(&error)));
            }
        };
        let header = &mail.dissected.header;
        if header.end.saturating_sub(header.start) > HEADER_BYTES_MAX {
            self.door.reset().await;
            return Some(Event::Reply(Reply::new(552, "5.3.4 message header too long")));
        }
        let envelope = self.teller.envelope(&transaction, self.door.kind());
        let Some(judged) = self.judge(&mail, &envelope).await else {
            // Nobody waits for an answer, or nobody may: nothing was delivered, so the mail stays where it is.
            self.door.reset().await;
            return Some(Event::Close(closing()));
        };
        let Some((replies, done)) = self.deliver(&transaction, &mail, &judged).await else {
            // The next hop hears the end of the connection instead of the final dot: it has nothing.
            self.door.reset().await;
            return Some(Event::Close(closing()));
        };
        self.edge.finished(&mail, &envelope, &judged, &done);
        Some(Event::Replies(replies))
    }

    /// Delivers while watching the peer, until the first final dot. `None`: the peer left before, nothing was delivered.
    async fn deliver(
        &mut self,
        transaction: &Transaction,
        mail: &Mail,
        judged: &Judged,
    ) -> Option<(Vec<Reply>, Done)> {
        let Self { door, stream, server, edge, .. } = self;
        let kind = door.kind().word();
        let mut delivering = std::pin::pin!(door.deliver(transaction, mail, judged));
        let mut buffer = vec![0; READ_BYTES];
        let mut is_left = false;
        loop {
            let room = if is_left { 0 } else { server.room().min(READ_BYTES) };
            let event = tokio::select! {
                done = &mut delivering => return Some(done),
                read = stream.read(&mut buffer[..room]), if room > 0 => received(read, &buffer),
            };
            is_left = matches!(event, Event::PeerClosed);
            if is_left && !mail.is_committing() {
                edge.metrics.turn_away(kind, "left");
                tracing::info!(id = %mail.id, door = kind, "the previous hop went away");
                return None;
            }
            if !is_left {
                server.handle(event, clock::now());
            }
        }
    }

    /// Judges while watching the peer, which may go away. `None`: give up, nothing has happened.
    async fn judge(&mut self, mail: &Mail, envelope: &Envelope) -> Option<Judged> {
        let edge = self.edge.clone();
        let judging = edge.judge(mail, envelope, edge.config.typed.unscanned);
        let mut judging = std::pin::pin!(judging);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let room = self.server.room().min(READ_BYTES);
            let event = tokio::select! {
                judged = &mut judging => return Some(judged),
                () = self.ending.closing.requested() => {
                    self.edge.metrics.turn_away(self.door.kind().word(), "ending");
                    return None;
                }
                read = self.stream.read(&mut buffer[..room]), if room > 0 => received(read, &buffer),
            };
            if matches!(event, Event::PeerClosed) {
                self.edge.metrics.turn_away(self.door.kind().word(), "left");
                tracing::info!(id = %mail.id, door = self.door.kind().word(), "the previous hop went away");
                return None;
            }
            self.server.handle(event, clock::now());
        }
    }

    /// What cannot be sent is lost with the connection, which the next read tells.
    async fn send(&mut self, bytes: &Bytes) {
        let sending = self.stream.write_all(bytes);
        let sent = tokio::time::timeout(WRITE_TIMEOUT, sending).await;
        if !matches!(sent, Ok(Ok(()))) {
            self.server.handle(Event::PeerClosed, clock::now());
        }
    }
}

impl Teller {
    fn envelope(&self, transaction: &Transaction, door: DoorKind) -> Envelope {
        let told = |attribute| {
            let value = transaction.forwarded.value(attribute);
            value.or_else(|| self.client.value(attribute)).map(str::to_owned)
        };
        // A peer that speaks for others says nothing about itself: the address of the own MTA is nobody's client.
        let own = if self.trusted { None } else { self.peer.ip() };
        let address = transaction.forwarded.ip().or_else(|| self.client.ip()).or(own);
        let helo = if self.trusted { None } else { self.hello.clone() };
        let text = |mailbox: &Mailbox| mailbox.address.mailbox().to_owned();
        Envelope {
            client: address.map(|address| Client { address, name: told(Attribute::Name) }),
            helo: told(Attribute::Helo).or(helo),
            sender: text(&transaction.from),
            recipients: transaction.recipients.iter().map(text).collect(),
            queue_id: told(Attribute::Ident).filter(|id| !id.is_empty()),
            authenticated: told(Attribute::Login).filter(|login| !login.is_empty()),
            door,
            verified: true,
        }
    }
}

fn server_config(edge: &Edge, door: &impl Door, trusted: bool) -> Config {
    let typed = &edge.config.typed;
    let mode = if door.kind() == DoorKind::Lmtp { Mode::Lmtp } else { Mode::Smtp };
    let mut config = Config::new(mode, &edge.config.host_name);
    config.mail_bytes_max = typed.mail_bytes_max;
    config.recipients_max = typed.recipients_max;
    config.xforward = trusted;
    config.xclient = trusted;
    // Rewritten, not refused: the previous hop has taken the mail already, and a refusal here would bounce it.
    config.bare_line_end = BareLineEnd::Normalise;
    if let Some(extensions) = door.extensions() {
        config.eight_bit_mime = extensions.eight_bit_mime;
        config.dsn = extensions.dsn;
        config.smtputf8 = extensions.smtputf8;
        if let Some(size) = extensions.size.filter(|size| *size > 0) {
            config.mail_bytes_max = config.mail_bytes_max.min(size);
        }
    }
    config
}

fn received(read: std::io::Result<usize>, buffer: &[u8]) -> Event {
    match read {
        Ok(0) | Err(_) => Event::PeerClosed,
        Ok(length) => Event::Received(Bytes::copy_from_slice(&buffer[..length])),
    }
}

fn closing() -> Reply {
    Reply::new(421, "4.3.2 service closing, try again later")
}
