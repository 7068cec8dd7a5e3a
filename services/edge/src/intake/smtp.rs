//! The SMTP door, before or after the queue: the next hop is asked about sender and recipients as they come, but it gets the
//! mail only once it is judged; and the previous hop hears success only once the next hop has taken it.

use std::sync::{Arc, PoisonError};

use tamis_domain::envelope::Door as DoorKind;
use tamis_domain::plan::Action;
use tamis_mail_protocols::smtp::client_facts::ClientFacts;
use tamis_mail_protocols::smtp::extensions::Extensions;
use tamis_mail_protocols::smtp::reply::Reply;
use tamis_runtime::listen::{Peer, Stream};

use super::Ending;
use super::proxy::{Conversation, Door};
use crate::apply::{Variant, Whole, for_all};
use crate::delivery::{self, Transaction, deliver_all};
use crate::edge::{Done, Edge, Judged};
use crate::mail::Mail;
use crate::next_hop::{Mailbox, Session};

/// The door of one connection.
struct Smtp {
    edge: Arc<Edge>,
    /// Open while the next hop is asked, and for a short time after.
    session: Option<Session>,
}

/// Speaks SMTP with one peer.
pub async fn serve(edge: Arc<Edge>, stream: Stream, peer: Peer, ending: Ending) {
    let mut door = Smtp { edge: edge.clone(), session: None };
    if door.extensions().is_none() {
        // What to announce depends on the next hop; later connections know it from this one. Without a next hop the peer is
        // greeted all the same: it hears 451 at MAIL and keeps its mail.
        door.session = Session::connect(&edge).await.ok();
    }
    let door = Conversation::new(edge, stream, peer, door, ending).run().await;
    if let Some(session) = door.session {
        session.quit().await;
    }
}

impl Door for Smtp {
    fn kind(&self) -> DoorKind {
        DoorKind::Smtp
    }

    fn extensions(&self) -> Option<Extensions> {
        self.edge.next_hop_extensions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn mail(&mut self, from: &Mailbox, forwarded: &ClientFacts) -> Reply {
        let mut session = match delivery::usable(&self.edge, &mut self.session).await {
            Ok(session) => session,
            Err(reply) => return reply,
        };
        match session.mail(from, forwarded).await {
            Ok(reply) => {
                self.session = Some(session);
                reply
            }
            Err(failure) => {
                if session.reset().await {
                    self.session = Some(session);
                }
                failure.reply()
            }
        }
    }

    async fn rcpt(&mut self, transaction: &Transaction, to: &Mailbox) -> Reply {
        let mut session = match self.opened(transaction).await {
            Ok(session) => session,
            Err(reply) => return reply,
        };
        match session.rcpt(to).await {
            Ok(reply) => {
                self.session = Some(session);
                if reply.code() == 421 { reply.with_code(451) } else { reply }
            }
            Err(failure) => failure.reply(),
        }
    }

    async fn deliver(
        &mut self,
        transaction: &Transaction,
        mail: &Mail,
        judged: &Judged,
    ) -> (Vec<Reply>, Done) {
        let plan = &judged.plan;
        let planned = Done::planned(plan);
        let (reply, done) = match for_all(judged) {
            Whole::Answer(reply) => {
                self.reset().await;
                return (vec![reply], planned);
            }
            Whole::Deliver { variants, softened } => {
                let note = if softened { MARKED_INSTEAD } else { "" };
                let open = self.session.as_mut().is_some_and(Session::is_usable);
                let reply = match as_opened(&variants, judged, transaction) {
                    Some(variant) if open => self.finish_open(variant, mail).await,
                    _ => {
                        self.reset().await;
                        deliver_all(&self.edge, &mut self.session, transaction, &variants, mail)
                            .await
                    }
                };
                (reply, planned.noted(note))
            }
        };
        let done = if reply.is_positive() { done } else { Done::instead(plan, "not_delivered") };
        (vec![reply], done)
    }

    async fn reset(&mut self) {
        if let Some(mut session) = self.session.take()
            && session.reset().await
        {
            self.session = Some(session);
        }
    }

    fn session(&mut self) -> &mut Option<Session> {
        &mut self.session
    }
}

impl Smtp {
    /// The session with the transaction open as far as it has come; begun anew where the connection was left meanwhile.
    async fn opened(&mut self, transaction: &Transaction) -> Result<Session, Reply> {
        if let Some(mut session) = self.session.take()
            && session.is_usable()
        {
            return Ok(session);
        }
        let mut session = delivery::usable(&self.edge, &mut self.session).await?;
        let Transaction { from, forwarded, recipients } = transaction;
        let opened = match recipients.as_slice() {
            [] => session.mail(from, forwarded).await.map(|_| Vec::new()),
            some => session.envelope(from, some, forwarded).await,
        };
        let replies = opened.map_err(|failure| failure.reply())?;
        if replies.iter().all(Reply::is_positive) {
            return Ok(session);
        }
        // What it took before, and was promised to the peer.
        Err(Reply::new(451, "4.4.1 the next hop is of two minds, try again later"))
    }

    /// All recipients get the same mail: the transaction that is open is the one.
    async fn finish_open(&mut self, variant: &Variant, mail: &Mail) -> Reply {
        let Some(mut session) = self.session.take() else {
            return Reply::new(451, "4.4.1 the next hop is out of order, try again later");
        };
        if let Err(failure) = session.data().await {
            return failure.reply();
        }
        if let Err(reply) = delivery::send(&mut session, mail, &variant.edits).await {
            return reply;
        }
        mail.commits();
        match session.commit().await {
            Ok(reply) => {
                self.session = Some(session);
                reply
            }
            Err(failure) => failure.reply(),
        }
    }
}

/// The variant that the open transaction fits: the only one, for all recipients and for nobody else.
fn as_opened<'a>(
    variants: &'a [Variant],
    judged: &Judged,
    transaction: &Transaction,
) -> Option<&'a Variant> {
    let [only] = variants else { return None };
    let discards = judged.plan.groups.iter().any(|group| group.action == Action::Discard);
    let all = only.recipients.len() == transaction.recipients.len();
    (all && !discards && only.to_them && only.others.is_empty()).then_some(only)
}

/// For the log line.
const MARKED_INSTEAD: &str = "refusals for some recipients only: they get it marked";
