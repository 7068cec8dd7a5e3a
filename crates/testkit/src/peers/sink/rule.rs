//! What a sink answers when it shall not simply take the mail.

use std::time::Duration;

/// Where in the conversation a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before the greeting.
    Connect,
    /// At EHLO, HELO or LHLO.
    Hello,
    /// At MAIL.
    Mail,
    /// At RCPT.
    Recipient,
    /// At DATA.
    Data,
    /// While the content comes: after its first line. Only delays and closing make sense here.
    Content,
    /// After the lone dot; in LMTP once for each recipient.
    Dot,
    /// At QUIT.
    Quit,
}

/// One scripted answer.
#[derive(Clone, Debug)]
pub struct Rule {
    at: Stage,
    when: Option<String>,
    skip: u32,
    times: Option<u32>,
    pub(super) delay: Duration,
    pub(super) answer: Answer,
}

/// What is done instead of the usual reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The usual reply.
    Usual,
    /// This line instead.
    Line(String),
    /// The connection is closed without a word.
    Close,
}

impl Rule {
    /// A rule for a stage; without more it changes nothing.
    #[must_use]
    pub fn at(stage: Stage) -> Self {
        Self {
            at: stage,
            when: None,
            skip: 0,
            times: None,
            delay: Duration::ZERO,
            answer: Answer::Usual,
        }
    }

    /// Applies only where the command line holds this text; at the dot, the sender or a recipient.
    #[must_use]
    pub fn when(mut self, text: &str) -> Self {
        self.when = Some(text.to_owned());
        self
    }

    /// Passes over the first `count` occasions.
    #[must_use]
    pub fn after(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// Applies so many times, then no more.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = Some(count);
        self
    }

    /// Answers with this line, e.g. `451 4.3.0 later`.
    #[must_use]
    pub fn say(mut self, line: &str) -> Self {
        self.answer = Answer::Line(line.to_owned());
        self
    }

    /// Closes the connection instead of answering.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.answer = Answer::Close;
        self
    }

    /// Waits before the answer.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// The rules of a sink, with how often each may still apply.
#[derive(Debug)]
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// The first rule that applies, counted as used.
    pub(super) fn take(&mut self, at: Stage, line: &str) -> Option<Rule> {
        for rule in &mut self.0 {
            let fits = rule.at == at && rule.when.as_ref().is_none_or(|text| line.contains(text));
            if !fits || rule.times == Some(0) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times = rule.times.map(|left| left - 1);
            return Some(rule.clone());
        }
        None
    }
}
