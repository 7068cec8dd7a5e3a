//! Orders of the caller to a sending session, and what of them may be sent now.

use bytes::{Bytes, BytesMut};

use super::super::address::Address;
use super::super::client_facts::ClientFacts;
use super::super::data::DataWriter;
use super::super::limits::{OUTSTANDING_COMMANDS_MAX, RECIPIENTS_MAX};
use super::super::parameters::Parameters;
use super::super::reply::Reply;
use super::{Cause, Client, Fact, Line, Output, Stage, Step, Transaction};
use crate::lmtp;

impl Client {
    pub(super) fn mail(&mut self, from: Address, parameters: Parameters, forwarded: ClientFacts) {
        if self.transaction.is_some() {
            return self.misuse("MAIL within a transaction");
        }
        self.transaction = Some(Transaction::default());
        self.queue.push_back(Step::Mail { from, parameters, forwarded });
    }

    pub(super) fn rcpt(&mut self, to: Address, parameters: Parameters) {
        let Some(open) = self.transaction.as_mut().filter(|open| !open.data) else {
            return self.misuse("RCPT outside of an envelope");
        };
        let index = open.offered;
        if index == RECIPIENTS_MAX {
            let reply = Reply::new(452, "4.5.3 too many recipients");
            return self.outputs.push_back(Output::RcptReplied { index, reply });
        }
        open.offered += 1;
        self.queue.push_back(Step::Rcpt { index, to, parameters });
    }

    pub(super) fn data(&mut self) {
        match &mut self.transaction {
            Some(open) if !open.data => {
                open.data = true;
                self.queue.push_back(Step::Data);
            }
            _ => self.misuse("DATA outside of an envelope"),
        }
    }

    pub(super) fn content(&mut self, bytes: &Bytes) {
        let now = self.now;
        let open = self.transaction.as_mut().filter(|open| !open.dot_sent);
        let Some(writer) = open.and_then(|open| open.writer.as_mut()) else {
            return self.misuse("content before the far side waits for it");
        };
        let mut wire = BytesMut::new();
        writer.write(bytes, &mut wire);
        self.waiting_since = now;
        self.send(wire.freeze());
    }

    pub(super) fn commit(&mut self) {
        let open = self.transaction.as_mut().filter(|open| !open.dot_sent);
        let Some((mut writer, open)) = open.and_then(|open| Some((open.writer.take()?, open)))
        else {
            return self.misuse("final dot before the far side waits for it");
        };
        open.dot_sent = true;
        let due = lmtp::final_replies_due(self.config.mode, open.accepted);
        let mut wire = BytesMut::new();
        writer.finish(&mut wire);
        self.note_rewritten(&writer);
        self.awaiting.extend((0..due).map(|_| Step::Final));
        self.waiting_since = self.now;
        self.send(wire.freeze());
    }

    fn note_rewritten(&mut self, writer: &DataWriter) {
        let bare = writer.bare();
        if !bare.none() {
            let fact = Fact::BareLineEndsRewritten(bare.cr + bare.lf);
            self.outputs.push_back(Output::Noted(fact));
        }
    }

    pub(super) fn abort(&mut self) {
        if self.transaction.is_some() {
            self.give_up(self.stage(), Cause::Aborted);
        }
    }

    pub(super) fn quit(&mut self) {
        let begun =
            self.transaction.as_ref().is_some_and(|open| open.writer.is_some() || open.dot_sent);
        if begun || self.stage() == Stage::Data {
            return self.fail_connection(Cause::Aborted);
        }
        if self.transaction.is_some() {
            self.report(self.stage(), Cause::Aborted);
        }
        self.queue.clear();
        self.queue.push_back(Step::Quit);
    }

    /// Ends the transaction and makes the connection fit for the next one, or closes it where that cannot be.
    pub(super) fn give_up(&mut self, stage: Stage, cause: Cause) {
        let mid_mail = matches!(stage, Stage::Content | Stage::Final)
            || matches!(self.awaiting.front(), Some(Step::Data | Step::Final));
        self.report(stage, cause);
        if mid_mail {
            return self.close();
        }
        let begun = !matches!(self.queue.front(), Some(Step::Mail { .. }));
        self.queue.clear();
        if begun {
            self.queue.push_back(Step::Rset);
        } else if self.ready {
            self.outputs.push_back(Output::Ready);
        }
    }

    pub(super) fn misuse(&mut self, what: &'static str) {
        self.report(self.stage(), Cause::Misuse(what));
        self.close();
    }

    /// Sends what may be sent now.
    pub(super) fn pump(&mut self) {
        let mut wire = BytesMut::new();
        while !self.closed && self.may_send_next() {
            let Some(step) = self.queue.pop_front() else { break };
            match step {
                Step::Mail { from, parameters, forwarded } => {
                    self.prepare_mail(&from, &parameters, &forwarded);
                    continue;
                }
                Step::Rcpt { index, to, parameters } => {
                    self.prepare_rcpt(index, &to, &parameters);
                    continue;
                }
                Step::Data if self.nobody_left() => continue,
                _ => {}
            }
            wire.extend_from_slice(&self.words(&step));
            if self.awaiting.is_empty() {
                self.waiting_since = self.now;
            }
            self.awaiting.push_back(step);
        }
        self.send(wire.freeze());
    }

    fn words(&self, step: &Step) -> Bytes {
        let name = &self.config.host_name;
        match step {
            Step::Hello => format!("{} {name}\r\n", lmtp::hello_verb(self.config.mode)).into(),
            Step::OldHello => format!("HELO {name}\r\n").into(),
            Step::Line(_, line) => line.clone(),
            Step::Data => "DATA\r\n".into(),
            Step::Rset => "RSET\r\n".into(),
            Step::Quit => "QUIT\r\n".into(),
            _ => Bytes::new(),
        }
    }

    fn may_send_next(&self) -> bool {
        let ahead = self.config.pipelining && self.extensions.pipelining;
        let grouped =
            |step: &Step| matches!(step, Step::Line(..) | Step::Mail { .. } | Step::Rcpt { .. });
        match self.queue.front() {
            None => false,
            Some(_) if self.in_content() => false,
            Some(_) if self.awaiting.is_empty() => true,
            Some(next) => {
                ahead
                    && grouped(next)
                    && self.awaiting.iter().all(grouped)
                    && self.awaiting.len() < OUTSTANDING_COMMANDS_MAX
            }
        }
    }

    /// Fits MAIL to the far side and puts it, with XFORWARD before it, at the head of the queue.
    fn prepare_mail(&mut self, from: &Address, parameters: &Parameters, forwarded: &ClientFacts) {
        let mut fitted = parameters.fit(&self.extensions);
        if from.needs_smtputf8() && !self.extensions.smtputf8 && fitted.refused.is_empty() {
            fitted.refused.push("SMTPUTF8".to_owned());
        }
        if !fitted.refused.is_empty() {
            self.queue.clear();
            self.report(Stage::Mail, Cause::Lacking(fitted.refused));
            return self.outputs.push_back(Output::Ready);
        }
        self.note_dropped(fitted.dropped);
        let line = format!("MAIL FROM:{from}{}\r\n", fitted.kept);
        self.queue.push_front(Step::Line(Line::Mail, line.into()));
        let lines = forwarded.xforward_lines(&self.extensions.xforward);
        for line in lines.into_iter().rev() {
            self.queue.push_front(Step::Line(Line::Xforward, format!("{line}\r\n").into()));
        }
    }

    fn prepare_rcpt(&mut self, index: usize, to: &Address, parameters: &Parameters) {
        if to.needs_smtputf8() && !self.extensions.smtputf8 {
            let reply = Reply::new(553, "5.6.7 the next hop does not offer SMTPUTF8");
            return self.recipient_replied(index, reply);
        }
        let fitted = parameters.fit(&self.extensions);
        self.note_dropped(fitted.dropped);
        let line = format!("RCPT TO:{to}{}\r\n", fitted.kept);
        self.queue.push_front(Step::Line(Line::Rcpt(index), line.into()));
    }

    fn note_dropped(&mut self, keywords: Vec<String>) {
        if !keywords.is_empty() {
            self.outputs.push_back(Output::Noted(Fact::ParametersDropped(keywords)));
        }
    }

    /// Whether every recipient was refused; if so, the transaction is given up.
    fn nobody_left(&mut self) -> bool {
        let Some(open) = self.transaction.as_mut().filter(|open| open.accepted == 0) else {
            return false;
        };
        let cause = match open.refusal.take() {
            Some(reply) => Cause::Refused(reply),
            None => Cause::Misuse("DATA without a recipient"),
        };
        self.give_up(Stage::Rcpt, cause);
        true
    }

    fn send(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.outputs.push_back(Output::Send(bytes));
        }
    }
}
