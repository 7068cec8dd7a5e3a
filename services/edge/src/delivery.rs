//! Judged mail to the next hop: prepared up to just before the final dot, then committed.

use tamis_domain::plan::HeaderEdit;
use tamis_mail_protocols::smtp::address::Address;
use tamis_mail_protocols::smtp::client_facts::ClientFacts;
use tamis_mail_protocols::smtp::reply::Reply;
use tamis_runtime::clock;

use crate::apply::Variant;
use crate::apply::header::Edited;
use crate::delivered::VariantKey;
use crate::edge::Edge;
use crate::mail::Mail;
use crate::next_hop::{Mailbox, Session};

/// Variants of one mail that are open at the next hop at the same time. More come in waves: each holds a connection there.
pub const VARIANTS_OPEN_MAX: usize = 8;

/// An envelope as the previous hop gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its sender.
    pub from: Mailbox,
    /// What was told about its client.
    pub forwarded: ClientFacts,
    /// Its accepted recipients, in order.
    pub recipients: Vec<Mailbox>,
}

/// One variant, ready to be sent.
#[derive(Debug)]
struct Letter<'a> {
    transaction: &'a Transaction,
    variant: &'a Variant,
    own: Vec<Mailbox>,
    others: Vec<Mailbox>,
}

/// What was said about each recipient of the variant, and whether a mail waits for its final dot; it does not where nobody is
/// left to take it.
struct Prepared {
    replies: Vec<Reply>,
    waits: bool,
}

impl<'a> Letter<'a> {
    /// `None` if an address of the policy is no address.
    fn new(transaction: &'a Transaction, variant: &'a Variant) -> Option<Self> {
        let own = if variant.to_them {
            let numbers = variant.recipients.iter();
            numbers.filter_map(|number| transaction.recipients.get(*number).cloned()).collect()
        } else {
            Vec::new()
        };
        let other = |text: &String| Address::new(text).ok().map(Mailbox::plain);
        let others = variant.others.iter().map(other).collect::<Option<Vec<_>>>()?;
        Some(Self { transaction, variant, own, others })
    }

    fn key(&self, mail: &Mail) -> Option<VariantKey> {
        let all = self.own.iter().chain(&self.others);
        let to: Vec<String> = all.map(|mailbox| mailbox.address.as_str().to_owned()).collect();
        VariantKey::new(self.transaction.from.address.as_str(), &to, &mail.dissected)
    }

    /// Everything but the final dot. The error is what to answer for all recipients of the variant; nothing was delivered then.
    async fn prepare(&self, session: &mut Session, mail: &Mail) -> Result<Prepared, Reply> {
        let Transaction { from, forwarded, .. } = self.transaction;
        let all: Vec<Mailbox> = self.own.iter().chain(&self.others).cloned().collect();
        let mut replies =
            session.envelope(from, &all, forwarded).await.map_err(|failure| failure.reply())?;
        let others = replies.split_off(self.own.len().min(replies.len()));
        self.check_others(&others)?;
        // A copy goes with the mail, never alone: else each retry of the others would make one more.
        let takers = if self.variant.to_them { &replies } else { &others };
        if takers.iter().all(|reply| !reply.is_positive()) {
            // Each recipient has an answer of its own; there is nothing to send.
            return Ok(Prepared { replies, waits: false });
        }
        session.data().await.map_err(|failure| failure.reply())?;
        send(session, mail, &self.variant.edits).await?;
        Ok(Prepared { replies, waits: true })
    }

    /// Mail that the policy sends elsewhere must arrive there. A lost copy is no reason to refuse a mail for good.
    fn check_others(&self, replies: &[Reply]) -> Result<(), Reply> {
        let refused = replies.iter().find(|reply| !reply.is_positive());
        match refused {
            Some(reply) if self.variant.to_them && reply.is_permanent() => {
                tracing::warn!(
                    code = reply.code(),
                    "the next hop refuses an address that the policy copies to"
                );
                Ok(())
            }
            Some(reply) => {
                tracing::warn!(
                    code = reply.code(),
                    "the next hop refuses an address of the policy"
                );
                Err(Reply::new(
                    451,
                    "4.3.5 local policy cannot be carried out now, try again later",
                ))
            }
            None => Ok(()),
        }
    }
}

/// Sends the content with its edits; the final dot stays.
///
/// # Errors
/// What to answer. Nothing was delivered.
pub async fn send(session: &mut Session, mail: &Mail, edits: &[HeaderEdit]) -> Result<(), Reply> {
    let mut edited = Edited::new(mail, edits);
    loop {
        match edited.next().await {
            Ok(Some(bytes)) => session.content(bytes).await.map_err(|failure| failure.reply())?,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::error!(%error, "a mail in hand cannot be read back");
                return Err(spool_failed());
            }
        }
    }
}

/// The answer where the spool failed: the mail stays with the previous hop.
#[must_use]
pub fn spool_failed() -> Reply {
    Reply::new(452, "4.3.1 insufficient system storage, try again later")
}

/// Delivers one variant; the answer for each of its recipients.
pub async fn deliver_one(
    edge: &Edge,
    session: &mut Option<Session>,
    transaction: &Transaction,
    variant: &Variant,
    mail: &Mail,
) -> Vec<Reply> {
    let for_all = |reply: Reply| vec![reply; variant.recipients.len()];
    let Some(letter) = Letter::new(transaction, variant) else { return for_all(bad_policy()) };
    let mut open = match usable(edge, session).await {
        Ok(open) => open,
        Err(reply) => return for_all(reply),
    };
    let prepared = match letter.prepare(&mut open, mail).await {
        Ok(prepared) => prepared,
        Err(reply) => {
            // Mid-mail the connection cannot be used again, and its end tells the next hop to forget.
            return for_all(reply);
        }
    };
    let mut replies = prepared.replies;
    if !prepared.waits {
        if open.reset().await {
            *session = Some(open);
        }
        return replies;
    }
    mail.commits();
    let reply = match open.commit().await {
        Ok(reply) => {
            *session = Some(open);
            reply
        }
        Err(failure) => failure.reply(),
    };
    if !variant.to_them {
        return for_all(reply);
    }
    for own in replies.iter_mut().filter(|own| own.is_positive()) {
        *own = reply.clone();
    }
    replies
}

/// Delivers all variants, or answers a failure: all are brought to just before the final dot first, then committed.
///
/// A temporary failure stops before the next commit, so that a retry finds as little delivered as possible; what was
/// delivered is remembered, so that the retry does not deliver it again.
pub async fn deliver_all(
    edge: &Edge,
    session: &mut Option<Session>,
    transaction: &Transaction,
    variants: &[Variant],
    mail: &Mail,
) -> Reply {
    let mut taken = Vec::new();
    let mut last = Reply::new(250, "2.0.0 ok");
    for wave in variants.chunks(VARIANTS_OPEN_MAX) {
        match deliver_wave(edge, session, transaction, wave, mail, &mut taken).await {
            Ok(reply) => last = reply,
            Err(reply) => {
                if reply.is_permanent() {
                    // Nobody comes again: the same mail sent later is a new one.
                    taken.iter().for_each(|key| edge.delivered.forget(key));
                }
                return reply;
            }
        }
    }
    taken.iter().for_each(|key| edge.delivered.forget(key));
    last
}

async fn deliver_wave(
    edge: &Edge,
    session: &mut Option<Session>,
    transaction: &Transaction,
    wave: &[Variant],
    mail: &Mail,
    taken: &mut Vec<VariantKey>,
) -> Result<Reply, Reply> {
    let mut open = Vec::with_capacity(wave.len());
    for variant in wave {
        let letter = Letter::new(transaction, variant).ok_or_else(bad_policy)?;
        let key = letter.key(mail);
        if let Some(key) = key
            && edge.delivered.contains(&key, clock::now())
        {
            taken.push(key);
            continue;
        }
        let mut one = usable(edge, session).await?;
        let prepared = letter.prepare(&mut one, mail).await?;
        if let Some(refused) = prepared.replies.iter().find(|reply| !reply.is_positive()) {
            return Err(refused.clone());
        }
        open.push((one, key));
    }
    let mut last = Reply::new(250, "2.0.0 ok");
    let mut refused = None;
    mail.commits();
    for (mut one, key) in open {
        let reply = one.commit().await.unwrap_or_else(|failure| failure.reply());
        if reply.is_positive() {
            // At once, since this work may be given up at any wait.
            if let Some(key) = key {
                edge.delivered.remember(key, clock::now());
                taken.push(key);
            }
            last = reply;
            if let Some(earlier) = session.replace(one) {
                earlier.quit().await;
            }
        } else if reply.is_permanent() {
            refused = Some(reply);
        } else {
            return Err(reply);
        }
    }
    refused.map_or(Ok(last), Err)
}

/// The session at hand if it is still good, or a new one.
///
/// # Errors
/// What to answer when the next hop cannot be reached.
pub async fn usable(edge: &Edge, session: &mut Option<Session>) -> Result<Session, Reply> {
    if let Some(mut open) = session.take()
        && open.is_usable()
    {
        return Ok(open);
    }
    Session::connect(edge).await.map_err(|failure| failure.reply())
}

fn bad_policy() -> Reply {
    tracing::error!("the policy names an address that is none");
    Reply::new(451, "4.3.5 local policy cannot be carried out, try again later")
}
