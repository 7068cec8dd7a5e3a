//! Commands of the receiving session: what each may do, and when.

use super::super::address::AddressFault;
use super::super::client_facts::{
    AttributeFault, ClientFacts, XCLIENT_ATTRIBUTES, XFORWARD_ATTRIBUTES,
};
use super::super::command::{Command, CommandFault, HelloVerb};
use super::super::data::DataReader;
use super::super::extensions::Extensions;
use super::super::limits::{JUNK_COMMANDS_MAX, RECIPIENTS_FLOOR};
use super::super::parameters::Parameters;
use super::super::reply::Reply;
use super::{Closed, Content, Output, Question, Reset, Server, Stage, Transaction};
use crate::line::Line;
use crate::lmtp;
use crate::smtp::Mode;
use crate::smtp::address::Address;

impl Server {
    pub(super) fn greet(&mut self) {
        let protocol = match self.config.mode {
            Mode::Smtp => "ESMTP",
            Mode::Lmtp => "LMTP",
        };
        let text = format!("{} {protocol} ready", self.config.host_name);
        self.ok(220, &text);
    }

    pub(super) fn line(&mut self, line: Line) {
        match line {
            Line::Text(text) => match Command::parse(&text) {
                Ok(command) => self.command(command),
                Err(fault) => self.refuse_fault(fault),
            },
            Line::TooLong => self.refuse(500, "5.5.6 line too long"),
            Line::BareCr => self.refuse(500, "5.5.2 bare <CR> received"),
            // Whether more commands, or content, hide behind it is not ours to guess.
            Line::BareLf => self.abuse(521, "5.5.2 bare <LF> received"),
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Hello { verb, name } => self.hello(verb, name),
            Command::Mail { from, parameters } => self.mail(from, parameters),
            Command::Rcpt { to, parameters } => self.rcpt(to, parameters),
            Command::Data => self.data(),
            Command::Rset => {
                self.forget(Reset::Asked);
                self.harmless(250, "2.0.0 ok");
            }
            Command::Noop => self.harmless(250, "2.0.0 ok"),
            Command::Help => self.harmless(214, "2.0.0 see RFC 5321 and RFC 2033"),
            Command::Verify => self.harmless(252, "2.0.0 send some mail, I will try my best"),
            Command::Quit => {
                let bye = Reply::new(221, "2.0.0 bye");
                self.close(Some(bye), Closed::Quit);
            }
            Command::Xforward(facts) => self.xforward(facts),
            Command::Xclient(facts) => self.xclient(facts),
            Command::NotOffered => self.refuse(502, "5.5.1 command not offered"),
            // Content follows at once and must not be read as commands.
            Command::Bdat => self.abuse(502, "5.5.1 BDAT not offered"),
            Command::Foreign => self.abuse(521, "5.7.0 this is a mail server"),
            Command::Unknown => self.refuse(500, "5.5.2 command not recognized"),
        }
    }

    fn hello(&mut self, verb: HelloVerb, name: String) {
        if !lmtp::takes_hello(self.config.mode, verb) {
            return self.refuse(500, "5.5.1 wrong greeting for this protocol");
        }
        self.forget(Reset::Hello);
        self.greeted = true;
        self.tell(Output::Hello { verb, name });
        let mut lines = vec![self.config.host_name.clone()];
        if verb != HelloVerb::Helo {
            lines.extend(self.announced().lines());
        }
        self.harmless_reply(&Reply::of_lines(250, lines));
    }

    fn announced(&self) -> Extensions {
        let config = &self.config;
        let some =
            |wanted: bool, attributes: &[_]| if wanted { attributes.to_vec() } else { vec![] };
        Extensions {
            pipelining: true,
            size: Some(config.mail_bytes_max),
            eight_bit_mime: config.eight_bit_mime,
            enhanced_status_codes: true,
            dsn: config.dsn,
            smtputf8: config.smtputf8,
            xforward: some(config.xforward, &XFORWARD_ATTRIBUTES),
            xclient: some(config.xclient, &XCLIENT_ATTRIBUTES),
            others: Vec::new(),
        }
    }

    fn mail(&mut self, from: Address, parameters: Parameters) {
        if !self.greeted {
            let verb = lmtp::hello_verb(self.config.mode);
            return self.refuse(503, &format!("5.5.1 send {verb} first"));
        }
        if self.transaction.is_some() {
            return self.refuse(503, "5.5.1 nested MAIL command");
        }
        let smtputf8 = parameters.smtputf8();
        if (smtputf8 && !self.config.smtputf8) || parameters.value("BODY").is_some_and(is_binary) {
            return self.refuse(555, "5.5.4 parameter not offered");
        }
        if !smtputf8 && needs_smtputf8(&from, &parameters) {
            return self.refuse(553, "5.6.7 address needs SMTPUTF8");
        }
        match parameters.size() {
            Err(_) => return self.refuse(501, "5.5.4 bad message size"),
            Ok(Some(size)) if size > self.config.mail_bytes_max => {
                // The client is right to ask: no error of protocol.
                return self.decline(552, "5.3.4 message size exceeds fixed limit");
            }
            Ok(_) => {}
        }
        let forwarded = self.forwarded.clone();
        self.ask(Question::Mail { smtputf8 }, Output::Mail { from, parameters, forwarded });
    }

    fn rcpt(&mut self, to: Address, parameters: Parameters) {
        let recipients_max = self.config.recipients_max.max(RECIPIENTS_FLOOR);
        let Some(transaction) = &mut self.transaction else {
            return self.refuse(503, "5.5.1 need MAIL command");
        };
        if !transaction.smtputf8 && needs_smtputf8(&to, &parameters) {
            return self.refuse(553, "5.6.7 address needs SMTPUTF8");
        }
        if transaction.offered == recipients_max {
            return self.decline(452, "4.5.3 too many recipients");
        }
        transaction.offered += 1;
        self.ask(Question::Rcpt, Output::Rcpt { to, parameters });
    }

    fn data(&mut self) {
        match &self.transaction {
            None => return self.refuse(503, "5.5.1 need MAIL command"),
            Some(transaction) if transaction.offered == 0 => {
                return self.refuse(503, "5.5.1 need RCPT command");
            }
            // RFC 2033 section 4.2 asks for 503; RFC 5321 section 3.3 prefers 554.
            Some(transaction) if transaction.accepted == 0 => {
                let code = if self.config.mode == Mode::Lmtp { 503 } else { 554 };
                return self.decline(code, "5.5.1 no valid recipients");
            }
            Some(_) => {}
        }
        self.say(&Reply::new(354, "end data with <CR><LF>.<CR><LF>"));
        self.tell(Output::Data);
        let must_end = self.now + self.config.content_timeout_total;
        self.deadline = Some(must_end.min(self.now + self.config.content_timeout));
        let reader = DataReader::new(self.config.bare_line_end, self.config.mail_bytes_max);
        self.stage = Stage::Content(Content { reader, discarded: None, must_end });
    }

    fn xforward(&mut self, facts: ClientFacts) {
        if !self.config.xforward {
            return self.refuse(550, "5.7.0 insufficient authorization");
        }
        if self.transaction.is_some() {
            return self.refuse(503, "5.5.1 mail transaction in progress");
        }
        self.forwarded.merge(facts);
        self.ok(250, "2.0.0 ok");
    }

    fn xclient(&mut self, facts: ClientFacts) {
        if !self.config.xclient {
            return self.refuse(550, "5.7.0 insufficient authorization");
        }
        if self.transaction.is_some() {
            return self.refuse(503, "5.5.1 mail transaction in progress");
        }
        self.forget(Reset::Hello);
        self.greeted = false;
        self.tell(Output::Client(facts));
        self.greet();
    }

    /// Takes the caller's answer to MAIL or RCPT; the end of data has its own.
    pub(super) fn answer_envelope(&mut self, question: Question, reply: Reply) {
        // 3xx would make the client send something else than commands.
        let reply = if reply.code() / 100 == 3 { reply.with_code(451) } else { reply };
        if reply.is_positive() {
            match (question, &mut self.transaction) {
                (Question::Mail { smtputf8 }, _) => {
                    self.transaction = Some(Transaction { smtputf8, ..Transaction::default() });
                }
                (_, Some(transaction)) => transaction.accepted += 1,
                (_, None) => {}
            }
        }
        if reply.code() == 421 {
            return self.close(Some(reply), Closed::ByCaller);
        }
        self.say(&reply);
        self.await_command();
    }

    /// Ends the transaction, if one is open, and what XFORWARD told for it.
    fn forget(&mut self, why: Reset) {
        self.forwarded = ClientFacts::default();
        if self.transaction.take().is_some() {
            self.tell(Output::Reset(why));
        }
    }

    fn ok(&mut self, code: u16, text: &str) {
        self.say(&Reply::new(code, text));
        self.await_command();
    }

    /// Answers a command that brings no mail forward; too many of them count as errors.
    fn harmless(&mut self, code: u16, text: &str) {
        self.harmless_reply(&Reply::new(code, text));
    }

    fn harmless_reply(&mut self, reply: &Reply) {
        self.junk += 1;
        self.say(reply);
        if self.junk > JUNK_COMMANDS_MAX { self.count_error() } else { self.await_command() }
    }

    /// Says no where the client has not broken a rule.
    fn decline(&mut self, code: u16, text: &str) {
        self.ok(code, text);
    }

    fn refuse(&mut self, code: u16, text: &str) {
        self.say(&Reply::new(code, text));
        self.count_error();
    }

    fn refuse_fault(&mut self, fault: CommandFault) {
        match fault {
            CommandFault::Character => self.refuse(500, "5.5.2 forbidden character"),
            CommandFault::Argument => self.refuse(501, "5.5.4 bad argument"),
            CommandFault::Address(AddressFault::Missing) => {
                self.refuse(501, "5.1.3 missing address")
            }
            CommandFault::Address(_) => self.refuse(501, "5.1.3 bad address syntax"),
            CommandFault::Parameter(_) => self.refuse(501, "5.5.4 bad parameter"),
            CommandFault::Attribute(AttributeFault::Name) => {
                self.refuse(501, "5.5.4 bad attribute name");
            }
            CommandFault::Attribute(AttributeFault::Value) => {
                self.refuse(501, "5.5.4 bad attribute value");
            }
        }
    }

    fn count_error(&mut self) {
        self.errors += 1;
        if self.errors > self.config.errors_max {
            let reply = Reply::new(421, "4.7.0 too many errors");
            return self.close(Some(reply), Closed::Abuse);
        }
        self.await_command();
    }

    fn abuse(&mut self, code: u16, text: &str) {
        self.close(Some(Reply::new(code, text)), Closed::Abuse);
    }
}

fn is_binary(body: &str) -> bool {
    body.eq_ignore_ascii_case("BINARYMIME")
}

fn needs_smtputf8(address: &Address, parameters: &Parameters) -> bool {
    address.needs_smtputf8() || !parameters.as_str().is_ascii()
}
