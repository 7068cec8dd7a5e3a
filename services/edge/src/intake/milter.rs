//! The milter door: the MTA keeps the mail, we say what it shall do with it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tamis_domain::envelope::{Client, Door, Envelope};
use tamis_domain::limits::ADDRESS_BYTES_MAX;
use tamis_mail_protocols::milter::events::{EndOfMessage, Event, MessageNumber, Output};
use tamis_mail_protocols::milter::facts::{self, ClientAddress};
use tamis_mail_protocols::milter::negotiate::{Actions, Options};
use tamis_mail_protocols::milter::reply::FinalReply;
use tamis_mail_protocols::milter::session::Session;
use tamis_mail_protocols::smtp::address::Address;
use tamis_mail_protocols::smtp::client_facts::ClientFacts;
use tamis_mail_protocols::smtp::parameters::Parameters;
use tamis_mail_protocols::smtp::reply::Reply;
use tamis_runtime::clock;
use tamis_runtime::listen::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep_until;

use super::{Ending, READ_BYTES, WRITE_TIMEOUT};
use crate::apply::milter::{Means, Words, refusal, words};
use crate::delivery::{Transaction, deliver_all, spool_failed};
use crate::edge::{Done, Edge};
use crate::held::HeldError;
use crate::mail::{Arriving, Mail};
use crate::next_hop::Mailbox;

/// Longest silence of an MTA. Postfix sends content only once it has it all, and ends idle sessions after 300 s.
const SILENCE_MAX: Duration = Duration::from_secs(3600);

/// One connection of an MTA.
struct Conversation {
    edge: Arc<Edge>,
    stream: Stream,
    session: Session,
    ending: Ending,
    current: Option<Current>,
    working: Option<Working>,
}

/// The message that is arriving.
struct Current {
    number: MessageNumber,
    envelope: Option<Box<facts::Envelope>>,
    /// The mail, or the refusal that it gets at its end: a milter has no word before.
    arriving: Result<Arriving, Reply>,
}

/// A message that is judged while the session lives on: progress frames, and an MTA that may go away. Dropped, it is given up.
type Working = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What to tell the MTA.
struct Answer {
    number: MessageNumber,
    words: Words,
}

/// Speaks milter with one MTA.
pub async fn serve(edge: Arc<Edge>, stream: Stream, ending: Ending) {
    let session = Session::new(Options::default());
    let conversation = Conversation { edge, stream, session, ending, current: None, working: None };
    conversation.run().await;
}

impl Conversation {
    async fn run(mut self) {
        let mut buffer = vec![0; READ_BYTES];
        let mut heard_at = clock::now();
        while self.work().await {
            let idle = self.current.is_none() && self.working.is_none();
            let tick = self.session.deadline();
            let until = tick.unwrap_or(heard_at + SILENCE_MAX);
            tokio::select! {
                read = self.stream.read(&mut buffer) => {
                    heard_at = clock::now();
                    match read {
                        Ok(0) | Err(_) => self.session.handle(Event::Closed, heard_at),
                        Ok(length) => self.session.handle(Event::Bytes(&buffer[..length]), heard_at),
                    }
                }
                answer = next(&mut self.working) => {
                    self.working = None;
                    self.answer(answer.number, answer.words);
                }
                () = sleep_until(until.into()) => {
                    let event = if tick.is_some() { Event::Tick } else { Event::Closed };
                    self.session.handle(event, clock::now());
                }
                // Between two messages the MTA finds the door closed, and tries again later or elsewhere.
                () = self.ending.draining.requested(), if idle => break,
                () = self.ending.closing.requested() => break,
            }
        }
        let _ = tokio::time::timeout(WRITE_TIMEOUT, self.stream.shutdown()).await;
    }

    fn answer(&mut self, message: MessageNumber, words: Words) {
        let Words { modifications, reply, .. } = words;
        self.session.handle(Event::Verdict { message, modifications, reply }, clock::now());
    }

    /// Takes all outputs; whether the session goes on.
    async fn work(&mut self) -> bool {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Send(bytes) => {
                    let sending = self.stream.write_all(&bytes);
                    let sent = tokio::time::timeout(WRITE_TIMEOUT, sending).await;
                    if !matches!(sent, Ok(Ok(()))) {
                        self.session.handle(Event::Closed, clock::now());
                    }
                }
                Output::Begin { message } => self.begin(message),
                Output::Envelope { envelope, .. } => {
                    if let Some(current) = &mut self.current {
                        current.envelope = Some(envelope);
                    }
                }
                Output::Content(bytes) => self.content(&bytes).await,
                Output::EndOfMessage(end) => self.end(end),
                Output::Aborted { message, why } => {
                    tracing::debug!(message = message.0, ?why, "milter message over");
                    self.current = None;
                    self.working = None;
                }
                Output::PlanRefused { message, error } => {
                    tracing::error!(%error, "the plan cannot be carried out by this MTA");
                    self.answer(message, plain(FinalReply::Tempfail));
                }
                Output::Failed(error) => tracing::warn!(%error, "milter"),
                Output::Noted(fact) => tracing::debug!(?fact, "milter"),
                Output::Negotiated(_) | Output::AskRecipient { .. } => {}
                Output::Close => return false,
            }
        }
        true
    }

    fn begin(&mut self, number: MessageNumber) {
        let arriving = match self.edge.place(Door::Milter) {
            Some(place) => Ok(self.edge.arriving(place)),
            None => Err(Reply::new(451, "4.3.2 too many mails in hand, try again later")),
        };
        self.working = None;
        self.current = Some(Current { number, envelope: None, arriving });
    }

    async fn content(&mut self, bytes: &Bytes) {
        let Some(Current { arriving, .. }) = &mut self.current else { return };
        let Ok(mail) = arriving else { return };
        if let Err(error) = mail.push(bytes).await {
            *arriving = Err(not_held(&self.edge, &error));
        }
    }

    fn end(&mut self, end: EndOfMessage) {
        let Some(current) = self.current.take() else {
            return self.answer(end.message, plain(FinalReply::Tempfail));
        };
        let too_many = current.envelope.as_ref().is_some_and(|envelope| {
            envelope.recipients.len() > self.edge.config.typed.recipients_max
        });
        let too_long = current.envelope.as_ref().is_some_and(|envelope| {
            let all = envelope.recipients.iter().chain([&envelope.sender]);
            all.map(|one| one.address_text().len()).any(|length| length > ADDRESS_BYTES_MAX)
        });
        match (current.arriving, current.envelope) {
            (Err(reply), _) => self.answer(current.number, plain(refusal(&reply))),
            (Ok(_), _) if too_many => {
                // At the end nobody can come again with fewer.
                let reply = Reply::new(552, "5.5.3 too many recipients for one message");
                self.answer(current.number, plain(refusal(&reply)));
            }
            (Ok(_), _) if too_long => {
                let reply = Reply::new(553, "5.1.7 an address is too long");
                self.answer(current.number, plain(refusal(&reply)));
            }
            (Ok(arriving), Some(envelope)) => {
                let actions = self.session.agreement().map_or(Actions(0), |agreed| agreed.actions);
                let edge = self.edge.clone();
                self.working = Some(Box::pin(async move {
                    let words = judged(&edge, arriving, &envelope, &end, actions).await;
                    Answer { number: end.message, words }
                }));
            }
            (Ok(_), None) => self.answer(current.number, plain(FinalReply::Tempfail)),
        }
    }
}

/// The work in hand, or never.
async fn next(working: &mut Option<Working>) -> Answer {
    match working {
        Some(working) => working.await,
        None => std::future::pending().await,
    }
}

fn plain(reply: FinalReply) -> Words {
    Words { modifications: Vec::new(), reply, submitted: Vec::new(), note: "" }
}

fn not_held(edge: &Edge, error: &HeldError) -> Reply {
    match error {
        HeldError::TooLarge(_) => {
            edge.metrics.turn_away(Door::Milter.word(), "size");
            Reply::new(552, "5.3.4 message size exceeds fixed limit")
        }
        HeldError::Spool(error) => {
            edge.metrics.turn_away(Door::Milter.word(), "spool");
            tracing::error!(%error, "a mail cannot be held");
            spool_failed()
        }
    }
}

/// Judges a whole message, and submits the variants that the MTA cannot keep.
async fn judged(
    edge: &Edge,
    arriving: Arriving,
    told: &facts::Envelope,
    end: &EndOfMessage,
    actions: Actions,
) -> Words {
    let mail = match arriving.finish().await {
        Ok(mail) => mail,
        Err(error) => return plain(refusal(&not_held(edge, &error))),
    };
    let envelope = envelope(told, end);
    let typed = &edge.config.typed;
    let unscanned = typed.milter_unscanned.unwrap_or(typed.unscanned);
    let judged = edge.judge(&mail, &envelope, unscanned).await;
    let header = match mail.header().await {
        Ok(header) => header,
        Err(error) => return plain(refusal(&not_held(edge, &error))),
    };
    let recipients: Vec<Bytes> = told.recipients.iter().map(|one| one.exact.clone()).collect();
    let means =
        Means { actions, header: &header, recipients: &recipients, split: typed.milter_split };
    let mut words = words(&judged, &means);
    let planned = Done::planned(&judged.plan);
    let submitted = submit(edge, &words, told, &envelope, &mail).await;
    let done = match submitted {
        Ok(()) => planned.noted(words.note),
        Err(reply) => {
            words = plain(refusal(&reply));
            Done::instead(&judged.plan, "not_delivered")
        }
    };
    edge.finished(&mail, &envelope, &judged, &done);
    words
}

/// The variants that the MTA cannot keep go to the next hop; only then does the MTA hear its own part.
async fn submit(
    edge: &Edge,
    words: &Words,
    told: &facts::Envelope,
    envelope: &Envelope,
    mail: &Mail,
) -> Result<(), Reply> {
    if words.submitted.is_empty() {
        return Ok(());
    }
    let unfit = || Reply::new(451, "4.3.0 an address cannot be passed on, try again later");
    let from = mailbox(&told.sender).ok_or_else(unfit)?;
    let recipients = told.recipients.iter().map(mailbox).collect::<Option<Vec<_>>>();
    let mut forwarded = ClientFacts::default();
    if let Some(client) = &envelope.client {
        forwarded.set_ip(client.address);
    }
    let transaction = Transaction { from, forwarded, recipients: recipients.ok_or_else(unfit)? };
    let mut session = None;
    let reply = deliver_all(edge, &mut session, &transaction, &words.submitted, mail).await;
    if let Some(session) = session {
        session.quit().await;
    }
    if reply.is_positive() { Ok(()) } else { Err(reply) }
}

fn mailbox(told: &facts::Mailbox) -> Option<Mailbox> {
    let address = Address::new(&told.address_text()).ok()?;
    let words: Vec<_> = told.parameters.iter().map(|word| String::from_utf8_lossy(word)).collect();
    let parameters = Parameters::new(&words.join(" ")).ok()?;
    Some(Mailbox { address, parameters })
}

fn envelope(told: &facts::Envelope, end: &EndOfMessage) -> Envelope {
    let client = told.connection.as_ref().and_then(|connection| {
        let ClientAddress::Ip(at) = &connection.address else { return None };
        // In brackets, or this word, it is no name that was found.
        let known = |name: &&String| !name.starts_with('[') && *name != "unknown";
        let name = Some(&connection.hostname).filter(known).cloned();
        Some(Client { address: at.ip(), name })
    });
    let macros = &end.macros;
    Envelope {
        client,
        helo: told.helo.as_deref().map(str::to_owned),
        sender: told.sender.address_text().into_owned(),
        recipients: told.recipients.iter().map(|one| one.address_text().into_owned()).collect(),
        queue_id: macros.value("i").map(str::to_owned),
        authenticated: told.authenticated_user().map(str::to_owned),
        door: Door::Milter,
        verified: true,
    }
}
