//! How sending can fail: whose fault, at which point, what next, and whether the mail may have arrived all the same.

use super::super::reply::{Reply, ReplyFault};

/// How far a session had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Waiting for the far side's greeting.
    Greeting,
    /// EHLO, LHLO or HELO.
    Hello,
    /// Between transactions.
    Idle,
    /// MAIL, and XFORWARD before it.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// Sending the mail. The final dot was not sent.
    Content,
    /// The final dot was sent.
    Final,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The far side said no.
    #[error("refused: {} {}", .0.code(), .0.lines().join(" "))]
    Refused(Reply),
    /// The far side did not answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The far side closed the connection.
    #[error("connection lost")]
    Lost,
    /// The far side answered what no server answers.
    #[error("protocol error: {0}")]
    Reply(#[from] ReplyFault),
    /// The far side answered something that cannot follow here.
    #[error("unexpected reply: {} {}", .0.code(), .0.lines().join(" "))]
    Unexpected(Reply),
    /// The mail needs extensions that the far side lacks: keywords of MAIL.
    #[error("far side lacks {}", .0.join(", "))]
    Lacking(Vec<String>),
    /// The caller gave up.
    #[error("given up by the caller")]
    Aborted,
    /// The caller gave an order that cannot follow here.
    #[error("misuse: {0}")]
    Misuse(&'static str),
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The mail's, or its sender's.
    Sender,
    /// The far side's.
    Upstream,
    /// Ours.
    Ours,
}

/// What may be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again later: answer 4xx.
    Retry,
    /// Trying again is of no use: answer 5xx.
    Refuse,
}

/// A failure of a transaction or of a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause} (at {stage:?})")]
pub struct Failure {
    /// How far the session had come.
    pub stage: Stage,
    /// What happened.
    pub cause: Cause,
    /// In LMTP, the replies to the final dot that arrived before the failure, in the order of RCPT.
    /// They count; the recipients after them are open.
    pub replies: Vec<Reply>,
}

impl Failure {
    /// Whether the mail may have been delivered all the same: the final dot was sent and not answered.
    pub fn outcome_unknown(&self) -> bool {
        self.stage == Stage::Final
    }

    /// What to tell about each of `accepted` recipients, in the order of RCPT: the answers that arrived, and
    /// [`Failure::reply`] for the rest.
    pub fn final_replies(&self, accepted: usize) -> Vec<Reply> {
        let mut replies = self.replies.clone();
        replies.resize(accepted, self.reply());
        replies
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match &self.cause {
            Cause::Refused(reply) if self.stage > Stage::Idle && reply.is_permanent() => {
                Fault::Sender
            }
            Cause::Lacking(_) => Fault::Sender,
            Cause::Aborted | Cause::Misuse(_) => Fault::Ours,
            _ => Fault::Upstream,
        }
    }

    /// What may be done next. A far side that refuses everybody is out of order, which is no reason to bounce
    /// a mail: only a permanent refusal of this very mail is final.
    pub fn next(&self) -> Next {
        match &self.cause {
            Cause::Refused(reply) if self.stage > Stage::Idle && reply.is_permanent() => {
                Next::Refuse
            }
            Cause::Lacking(_) => Next::Refuse,
            _ => Next::Retry,
        }
    }

    /// What to tell whoever handed us the mail: the far side's own words where it spoke about this mail.
    ///
    /// Never a success, and never 421, which would speak of another connection.
    pub fn reply(&self) -> Reply {
        match &self.cause {
            Cause::Refused(reply) if self.stage > Stage::Idle => match reply.code() {
                421 => reply.clone().with_code(451),
                _ => reply.clone(),
            },
            Cause::Lacking(keywords) if keywords.iter().any(|keyword| keyword == "SMTPUTF8") => {
                Reply::new(550, "5.6.7 the next hop does not offer SMTPUTF8")
            }
            Cause::Lacking(keywords) => {
                let text = format!("5.6.3 the next hop does not offer {}", keywords.join(", "));
                Reply::new(554, &text)
            }
            Cause::Aborted | Cause::Misuse(_) => Reply::new(451, "4.3.0 try again later"),
            _ if self.outcome_unknown() => {
                Reply::new(451, "4.4.2 the next hop did not confirm, try again later")
            }
            _ => Reply::new(451, "4.4.1 the next hop is out of order, try again later"),
        }
    }
}
