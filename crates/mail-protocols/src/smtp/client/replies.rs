//! Replies of the far side in a sending session.

use super::super::Mode;
use super::super::data::DataWriter;
use super::super::extensions::Extensions;
use super::super::reply::Reply;
use super::{Cause, Client, Fact, Line, Output, Stage, Step};

impl Client {
    pub(super) fn replied(&mut self, reply: Reply) {
        self.waiting_since = self.now;
        let stage = self.stage();
        let Some(step) = self.awaiting.pop_front() else {
            return self.unasked(stage, reply);
        };
        // 421 ends the connection whatever it answers (RFC 5321 section 3.8); at the final dot it is an answer first.
        if reply.code() == 421 && !matches!(step, Step::Final | Step::Quit) {
            self.awaiting.push_front(step);
            return self.fail_connection(Cause::Refused(reply));
        }
        match step {
            Step::Greeting => self.greeted(stage, reply),
            Step::Hello => self.hello_replied(stage, reply),
            Step::OldHello if reply.is_positive() => self.now_ready(),
            Step::OldHello => self.turned_away(stage, reply),
            Step::Line(line, _) => self.line_replied(stage, line, reply),
            Step::Data => self.data_replied(reply),
            Step::Final => self.final_replied(reply),
            Step::Rset if reply.is_positive() => self.now_ready(),
            // A far side that cannot forget the last mail must not be given the next.
            Step::Rset | Step::Quit => self.close(),
            Step::Stale | Step::Mail { .. } | Step::Rcpt { .. } => {}
        }
    }

    fn unasked(&mut self, stage: Stage, reply: Reply) {
        let said_no = reply.is_temporary() || reply.is_permanent();
        let cause = if said_no { Cause::Refused(reply) } else { Cause::Unexpected(reply) };
        match stage {
            // Only a farewell, or noise, between two mails: the connection is of no more use.
            Stage::Idle => self.close(),
            _ => self.fail_connection(cause),
        }
    }

    fn greeted(&mut self, stage: Stage, reply: Reply) {
        match reply.code() / 100 {
            2 => self.queue.push_front(Step::Hello),
            _ => self.turned_away(stage, reply),
        }
    }

    fn hello_replied(&mut self, stage: Stage, reply: Reply) {
        if reply.is_positive() {
            self.extensions = Extensions::learn(&reply);
            return self.now_ready();
        }
        if reply.is_permanent() && self.config.mode == Mode::Smtp {
            self.outputs.push_back(Output::Noted(Fact::NoExtensions));
            return self.queue.push_front(Step::OldHello);
        }
        self.turned_away(stage, reply);
    }

    /// The far side takes no mail from us at all now: take leave.
    fn turned_away(&mut self, stage: Stage, reply: Reply) {
        self.report(stage, Cause::Refused(reply));
        self.queue.clear();
        self.queue.push_back(Step::Quit);
    }

    fn now_ready(&mut self) {
        self.ready = true;
        self.outputs.push_back(Output::Ready);
    }

    fn line_replied(&mut self, stage: Stage, line: Line, reply: Reply) {
        if reply.code() / 100 == 3 {
            return self.fail_connection_at(stage, Cause::Unexpected(reply));
        }
        if line == Line::Xforward {
            if !reply.is_positive() {
                self.outputs.push_back(Output::Noted(Fact::XforwardRefused(reply)));
            }
            return;
        }
        match line {
            Line::Mail if reply.is_positive() => {
                self.outputs.push_back(Output::MailReplied(reply));
            }
            Line::Mail => self.give_up(Stage::Mail, Cause::Refused(reply)),
            Line::Rcpt(index) => self.recipient_replied(index, reply),
            Line::Xforward => {}
        }
    }

    pub(super) fn recipient_replied(&mut self, index: usize, reply: Reply) {
        let Some(open) = &mut self.transaction else { return };
        if reply.is_positive() {
            open.accepted += 1;
        } else if open.refusal.as_ref().is_none_or(|earlier| !earlier.is_temporary()) {
            // A temporary refusal wins: while one recipient may be tried again, the mail may.
            open.refusal = Some(reply.clone());
        }
        self.outputs.push_back(Output::RcptReplied { index, reply });
    }

    fn data_replied(&mut self, reply: Reply) {
        match (reply.code() / 100, &mut self.transaction) {
            (3, Some(open)) => {
                open.writer = Some(DataWriter::default());
                self.outputs.push_back(Output::GoAhead);
            }
            (4 | 5, _) => self.give_up(Stage::Data, Cause::Refused(reply)),
            _ => self.fail_connection_at(Stage::Data, Cause::Unexpected(reply)),
        }
    }

    fn final_replied(&mut self, reply: Reply) {
        let leaving = reply.code() == 421;
        if reply.code() / 100 == 3 {
            return self.fail_connection(Cause::Unexpected(reply));
        }
        let Some(open) = &mut self.transaction else { return };
        open.final_replies.push(reply);
        if matches!(self.awaiting.front(), Some(Step::Final)) {
            if leaving {
                self.fail_connection(Cause::Lost);
            }
            return;
        }
        let replies = std::mem::take(&mut open.final_replies);
        self.transaction = None;
        self.outputs.push_back(Output::Delivered(replies));
        if leaving { self.close() } else { self.now_ready() }
    }
}
