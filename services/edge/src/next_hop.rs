//! One SMTP connection with the next hop: the socket of `mail-protocols::smtp::client`.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tamis_mail_protocols::smtp::Mode;
use tamis_mail_protocols::smtp::address::Address;
use tamis_mail_protocols::smtp::client::{
    Cause, Client, Config, Event, Failure, Output, Stage, Timeouts,
};
use tamis_mail_protocols::smtp::client_facts::ClientFacts;
use tamis_mail_protocols::smtp::parameters::Parameters;
use tamis_mail_protocols::smtp::reply::Reply;
use tamis_runtime::clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use crate::config::host_and_port;
use crate::edge::Edge;

/// How long the next hop may take to accept a connection. It is near; past this it is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to look for a reply that explains why the next hop stopped reading.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(500);
/// Bytes read at once: replies are short.
const READ_BYTES: usize = 4096;

/// A sender or recipient with its parameters, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The address.
    pub address: Address,
    /// ESMTP parameters.
    pub parameters: Parameters,
}

impl Mailbox {
    /// An address without parameters.
    #[must_use]
    pub fn plain(address: Address) -> Self {
        Self { address, parameters: Parameters::default() }
    }
}

/// A connection. Dropped without [`Session::quit`] it is closed at once; the next hop then keeps nothing of an open
/// transaction, since the final dot was not sent.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    client: Client,
    pending: VecDeque<Output>,
    /// A transaction may begin.
    idle: bool,
    closed: bool,
}

impl Session {
    /// Connects and greets.
    ///
    /// # Errors
    /// [`Failure`] at [`Stage::Greeting`] or [`Stage::Hello`]: try again later.
    pub async fn connect(edge: &Edge) -> Result<Self, Failure> {
        let lost = |cause| Failure { stage: Stage::Greeting, cause, replies: Vec::new() };
        let target = host_and_port(&edge.config.typed.next_hop).ok_or_else(|| lost(Cause::Lost))?;
        let connecting = TcpStream::connect(target);
        let stream = match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the next hop cannot be reached");
                return Err(lost(Cause::Lost));
            }
            Err(_) => return Err(lost(Cause::TimedOut)),
        };
        // Fails only on a connection that is gone, which the first read will tell.
        let _ = stream.set_nodelay(true);
        let mut config = Config::new(Mode::Smtp, &edge.config.host_name);
        let patience = edge.config.next_hop_timeout;
        let timeouts = &mut config.timeouts;
        *timeouts = Timeouts {
            greeting: patience,
            envelope: patience,
            data: patience,
            content: patience,
            last: patience,
            quit: timeouts.quit.min(patience),
        };
        let client = Client::new(config, clock::now());
        let mut session =
            Self { stream, client, pending: VecDeque::new(), idle: false, closed: false };
        loop {
            match session.next().await {
                Output::Ready => break,
                Output::Failed(failure) => return Err(failure),
                Output::Close => return Err(lost(Cause::Lost)),
                _ => {}
            }
        }
        let mut learned = edge.next_hop_extensions.write().unwrap_or_else(PoisonError::into_inner);
        *learned = Some(session.client.extensions().clone());
        Ok(session)
    }

    /// Whether the connection is still good, as far as can be told without waiting: a next hop that was idle for long may
    /// have left.
    pub fn is_usable(&mut self) -> bool {
        let mut buffer = [0; READ_BYTES];
        let event = match self.stream.try_read(&mut buffer) {
            Ok(0) => Some(Event::PeerClosed),
            Ok(length) => Some(Event::Received(Bytes::copy_from_slice(&buffer[..length]))),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(_) => Some(Event::PeerClosed),
        };
        if let Some(event) = event {
            self.order(event);
            // Whatever it had to say between two mails was a farewell.
            self.closed = true;
        }
        !self.closed
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`Failure`]: the refusal of the sender, or a connection that is over.
    pub async fn mail(
        &mut self,
        from: &Mailbox,
        forwarded: &ClientFacts,
    ) -> Result<Reply, Failure> {
        let (from, parameters) = (from.address.clone(), from.parameters.clone());
        self.order(Event::Mail { from, parameters, forwarded: forwarded.clone() });
        loop {
            match self.next().await {
                Output::MailReplied(reply) => return Ok(reply),
                output => over(output, Stage::Mail)?,
            }
        }
    }

    /// Names a recipient.
    ///
    /// # Errors
    /// [`Failure`]: the transaction is over. A refusal of the recipient is no error.
    pub async fn rcpt(&mut self, to: &Mailbox) -> Result<Reply, Failure> {
        let (to, parameters) = (to.address.clone(), to.parameters.clone());
        self.order(Event::Rcpt { to, parameters });
        loop {
            match self.next().await {
                Output::RcptReplied { reply, .. } => return Ok(reply),
                output => over(output, Stage::Rcpt)?,
            }
        }
    }

    /// Begins a transaction with all its recipients, ahead of replies where the next hop lets us. The replies to the
    /// recipients, in order.
    ///
    /// # Errors
    /// [`Failure`]: the transaction is over.
    pub async fn envelope(
        &mut self,
        from: &Mailbox,
        to: &[Mailbox],
        forwarded: &ClientFacts,
    ) -> Result<Vec<Reply>, Failure> {
        let (address, parameters) = (from.address.clone(), from.parameters.clone());
        self.order(Event::Mail { from: address, parameters, forwarded: forwarded.clone() });
        for mailbox in to {
            let (to, parameters) = (mailbox.address.clone(), mailbox.parameters.clone());
            self.order(Event::Rcpt { to, parameters });
        }
        // By number, not by order: what our side refuses by itself is said before the network answers.
        let mut replies = vec![None; to.len()];
        while replies.iter().any(Option::is_none) {
            match self.next().await {
                Output::RcptReplied { index, reply } => {
                    if let Some(place) = replies.get_mut(index) {
                        *place = Some(reply);
                    }
                }
                output => over(output, Stage::Rcpt)?,
            }
        }
        Ok(replies.into_iter().flatten().collect())
    }

    /// Asks to send the mail.
    ///
    /// # Errors
    /// [`Failure`]: the transaction is over.
    pub async fn data(&mut self) -> Result<(), Failure> {
        self.order(Event::Data);
        loop {
            match self.next().await {
                Output::GoAhead => return Ok(()),
                output => over(output, Stage::Data)?,
            }
        }
    }

    /// Sends the next bytes of the mail.
    ///
    /// # Errors
    /// [`Failure`]: the transaction is over, and the final dot was not sent.
    pub async fn content(&mut self, bytes: Bytes) -> Result<(), Failure> {
        self.order(Event::Content(bytes));
        self.flush().await;
        while let Some(output) = self.pending.pop_front() {
            over(output, Stage::Content)?;
        }
        Ok(())
    }

    /// Sends the final dot and waits for the answer, which may still say no.
    ///
    /// # Errors
    /// [`Failure`]; [`Failure::outcome_unknown`] if the next hop may have taken the mail.
    pub async fn commit(&mut self) -> Result<Reply, Failure> {
        self.order(Event::Commit);
        loop {
            match self.next().await {
                Output::Delivered(mut replies) => {
                    let missing =
                        || Reply::new(451, "4.4.2 the next hop did not confirm, try again later");
                    let reply = replies.pop().unwrap_or_else(missing);
                    // 421 would speak of another connection than the one it is passed on to.
                    return Ok(if reply.code() == 421 { reply.with_code(451) } else { reply });
                }
                output => over(output, Stage::Final)?,
            }
        }
    }

    /// Gives the open transaction up, so that another may begin. Whether the connection is still good.
    pub async fn reset(&mut self) -> bool {
        self.order(Event::Abort);
        self.flush().await;
        while !self.idle && !self.closed {
            self.next().await;
        }
        self.pending.clear();
        !self.closed
    }

    /// Takes leave without waiting: nothing depends on the answer.
    pub async fn quit(mut self) {
        if !self.closed {
            self.order(Event::Quit);
            self.flush().await;
        }
    }

    fn order(&mut self, event: Event) {
        if matches!(event, Event::Mail { .. }) {
            self.idle = false;
        }
        self.client.handle(event, clock::now());
    }

    /// The next output that is no bytes to send; waits for the next hop where there is none. After the end: `Close`.
    async fn next(&mut self) -> Output {
        loop {
            self.flush().await;
            if let Some(output) = self.pending.pop_front() {
                return output;
            }
            if self.closed {
                return Output::Close;
            }
            let event = self.read().await;
            self.order(event);
        }
    }

    /// Sends what is to be sent; keeps the other outputs.
    async fn flush(&mut self) {
        while let Some(output) = self.client.poll() {
            match output {
                Output::Send(bytes) if !self.closed => {
                    if !self.write(&bytes).await {
                        self.broken().await;
                    }
                }
                Output::Send(_) => {}
                Output::Close => {
                    self.closed = true;
                    self.pending.push_back(Output::Close);
                }
                Output::Ready => {
                    self.idle = true;
                    self.pending.push_back(Output::Ready);
                }
                Output::Noted(fact) => tracing::debug!(?fact, "next hop"),
                other => self.pending.push_back(other),
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> bool {
        let patience = self.client.deadline().unwrap_or_else(|| clock::now() + CONNECT_TIMEOUT);
        matches!(timeout_at(patience.into(), self.stream.write_all(bytes)).await, Ok(Ok(())))
    }

    /// The next hop takes nothing more: it may have said why.
    async fn broken(&mut self) {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        let reading = self.stream.read_buf(&mut buffer);
        if let Ok(Ok(1..)) = tokio::time::timeout(LAST_WORDS_TIMEOUT, reading).await {
            self.order(Event::Received(buffer.freeze()));
        }
        self.order(Event::PeerClosed);
    }

    async fn read(&mut self) -> Event {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        let reading = self.stream.read_buf(&mut buffer);
        let read = match self.client.deadline() {
            Some(deadline) => match timeout_at(deadline.into(), reading).await {
                Ok(read) => read,
                Err(_) => return Event::Timer,
            },
            None => reading.await,
        };
        match read {
            Ok(0) | Err(_) => Event::PeerClosed,
            Ok(_) => Event::Received(buffer.freeze()),
        }
    }
}

/// Passes over what says nothing here; a failure or the end of the connection ends the step.
fn over(output: Output, stage: Stage) -> Result<(), Failure> {
    match output {
        Output::Failed(failure) => Err(failure),
        Output::Close => Err(Failure { stage, cause: Cause::Lost, replies: Vec::new() }),
        _ => Ok(()),
    }
}
