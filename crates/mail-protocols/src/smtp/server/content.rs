//! Content of the receiving session, and the answers at its end.

use super::super::client_facts::ClientFacts;
use super::super::data::{ContentEnd, ContentFault};
use super::super::reply::Reply;
use super::{Closed, Fact, Output, Question, Reset, Server, Stage};
use crate::lmtp;

impl Server {
    /// Reads content that has arrived; whether anything moved.
    pub(super) fn read_content(&mut self) -> bool {
        let Stage::Content(content) = &mut self.stage else { return false };
        if self.input.is_empty() {
            return false;
        }
        let (chunk, end) = content.reader.read(&mut self.input);
        let discarded = content.discarded.clone();
        if !chunk.is_empty() && discarded.is_none() {
            self.tell(Output::Content(chunk));
        }
        if let Some(end) = end {
            self.content_ended(end, discarded);
        }
        true
    }

    fn content_ended(&mut self, end: ContentEnd, discarded: Option<Reply>) {
        if !end.bare.none() {
            self.tell(Output::Noted(Fact::BareLineEnds(end.bare)));
        }
        if let Some(reply) = discarded {
            return self.refuse_content(&reply, Reset::Discarded);
        }
        match end.fault {
            None => self.ask(Question::End, Output::EndOfData(end)),
            Some(fault @ ContentFault::TooBig { .. }) => {
                let reply = Reply::new(552, "5.3.4 message size exceeds fixed limit");
                self.refuse_content(&reply, Reset::Content(fault));
            }
            Some(fault @ ContentFault::BareLineEnd) => {
                let reply =
                    Reply::new(550, "5.6.11 bare <CR> or <LF> in the message is not accepted");
                self.refuse_content(&reply, Reset::Content(fault));
            }
        }
    }

    fn refuse_content(&mut self, reply: &Reply, why: Reset) {
        let due = self.final_replies_due();
        self.transaction = None;
        self.tell(Output::Reset(why));
        self.say_final(vec![reply.clone(); due]);
    }

    pub(super) fn discard(&mut self, reply: Reply) {
        match &mut self.stage {
            Stage::Content(content) => content.discarded = Some(reply),
            Stage::Asked(Question::End) => self.answered(vec![reply]),
            _ => self.tell(Output::Noted(Fact::AnswerUnasked)),
        }
    }

    pub(super) fn answered(&mut self, mut replies: Vec<Reply>) {
        let Stage::Asked(question) = self.stage else {
            return self.tell(Output::Noted(Fact::AnswerUnasked));
        };
        let due = if question == Question::End { self.final_replies_due() } else { 1 };
        let given = replies.len();
        if given == 1 {
            replies.resize(due, replies[0].clone());
        } else if given != due {
            self.tell(Output::Noted(Fact::AnswersMiscounted { due, given }));
            replies.clear();
        }
        let mut replies = lmtp::align(replies, due);
        if question == Question::End {
            self.transaction = None;
            self.junk = 0;
            return self.say_final(replies);
        }
        if let Some(reply) = replies.pop() {
            self.answer_envelope(question, reply);
        }
    }

    /// Says the replies to the final dot, as many as are due.
    fn say_final(&mut self, replies: Vec<Reply>) {
        self.forwarded = ClientFacts::default();
        let leaving = replies.len() == 1 && replies[0].code() == 421;
        for reply in replies {
            // 3xx would make the client send something else than commands.
            let wrong = reply.code() / 100 == 3;
            self.say(&if wrong { reply.with_code(451) } else { reply });
        }
        if leaving {
            return self.close(None, Closed::ByCaller);
        }
        self.await_command();
    }

    fn final_replies_due(&self) -> usize {
        let accepted = self.transaction.as_ref().map_or(0, |transaction| transaction.accepted);
        lmtp::final_replies_due(self.config.mode, accepted)
    }
}
