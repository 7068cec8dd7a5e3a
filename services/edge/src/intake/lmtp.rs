//! The LMTP door: recipients are taken as they come, and each gets its own answer at the end.

use std::sync::{Arc, PoisonError};

use tamis_domain::envelope::Door as DoorKind;
use tamis_mail_protocols::smtp::client_facts::ClientFacts;
use tamis_mail_protocols::smtp::extensions::Extensions;
use tamis_mail_protocols::smtp::reply::Reply;
use tamis_runtime::listen::{Peer, Stream};

use super::Ending;
use super::proxy::{Conversation, Door};
use crate::apply::{Fate, for_each};
use crate::delivery::{Transaction, deliver_one};
use crate::edge::{Done, Edge, Judged};
use crate::mail::Mail;
use crate::next_hop::{Mailbox, Session};

/// The door of one connection.
struct Lmtp {
    edge: Arc<Edge>,
    /// Kept for a short time between mails.
    session: Option<Session>,
}

/// Speaks LMTP with one peer.
pub async fn serve(edge: Arc<Edge>, stream: Stream, peer: Peer, ending: Ending) {
    let mut door = Lmtp { edge: edge.clone(), session: None };
    if door.extensions().is_none() {
        // What to announce depends on the next hop; later connections know it from this one.
        door.session = Session::connect(&edge).await.ok();
    }
    let door = Conversation::new(edge, stream, peer, door, ending).run().await;
    if let Some(session) = door.session {
        session.quit().await;
    }
}

impl Door for Lmtp {
    fn kind(&self) -> DoorKind {
        DoorKind::Lmtp
    }

    fn extensions(&self) -> Option<Extensions> {
        self.edge.next_hop_extensions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn mail(&mut self, _: &Mailbox, _: &ClientFacts) -> Reply {
        Reply::new(250, "2.1.0 ok")
    }

    async fn rcpt(&mut self, _: &Transaction, _: &Mailbox) -> Reply {
        Reply::new(250, "2.1.5 ok")
    }

    async fn deliver(
        &mut self,
        transaction: &Transaction,
        mail: &Mail,
        judged: &Judged,
    ) -> (Vec<Reply>, Done) {
        let (variants, fates) = for_each(judged, transaction.recipients.len());
        let mut answers = Vec::with_capacity(variants.len());
        for variant in &variants {
            let replies =
                deliver_one(&self.edge, &mut self.session, transaction, variant, mail).await;
            answers.push(replies);
        }
        let mut delivered = true;
        let mut replies = Vec::with_capacity(fates.len());
        for (number, fate) in fates.into_iter().enumerate() {
            let reply = match fate {
                Fate::Answer(reply) => reply,
                Fate::Variant(at) => {
                    let place = variants[at].recipients.iter().position(|own| *own == number);
                    let reply = place.and_then(|place| answers[at].get(place).cloned());
                    let reply = reply.unwrap_or_else(unanswered);
                    delivered &= reply.is_positive();
                    reply
                }
            };
            replies.push(reply);
        }
        let plan = &judged.plan;
        let done =
            if delivered { Done::planned(plan) } else { Done::instead(plan, "not_delivered") };
        (replies, done)
    }

    async fn reset(&mut self) {}

    fn session(&mut self) -> &mut Option<Session> {
        &mut self.session
    }
}

fn unanswered() -> Reply {
    Reply::new(451, "4.3.0 no answer for this recipient, try again later")
}
