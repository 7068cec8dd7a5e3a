//! When no server answers any more, mails stop waiting for it.

use std::time::{Duration, Instant};

use super::question::{Answer, Failure};

/// Questions without any answer, one after the other, from which on the servers are taken for dead. A single domain
/// whose own servers are silent must not reach it: its names are kept as failures and not asked again.
pub(super) const SILENCES_MAX: u32 = 20;

/// How long nothing is asked then, but for one question that tries again.
pub(super) const REST: Duration = Duration::from_secs(5);

/// Counts silences. Any answer, a refusal included, proves life.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    silences: u32,
    until: Option<Instant>,
}

impl Breaker {
    /// Whether a question may go out.
    pub(super) fn may_ask(&mut self, now: Instant) -> bool {
        match self.until {
            Some(until) if now < until => false,
            Some(_) => {
                // This one tries; the others wait for what becomes of it.
                self.until = Some(now + REST);
                true
            }
            None => true,
        }
    }

    /// Takes the outcome of a question.
    pub(super) fn heard(&mut self, answer: &Answer, now: Instant) {
        if matches!(answer, Answer::Failed(Failure::Timeout | Failure::Unreachable)) {
            self.silences = self.silences.saturating_add(1);
            if self.silences >= SILENCES_MAX {
                self.until = Some(now + REST);
            }
        } else {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENT: Answer = Answer::Failed(Failure::Timeout);

    #[test]
    fn n_silences_rest_the_servers_one_fewer_does_not_and_any_answer_wakes_them() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 1..SILENCES_MAX {
            breaker.heard(&SILENT, now);
        }
        assert!(breaker.may_ask(now), "one fewer");
        breaker.heard(&SILENT, now);
        assert!(!breaker.may_ask(now));
        assert!(!breaker.may_ask(now + REST / 2));
        assert!(breaker.may_ask(now + REST), "one question tries again");
        assert!(!breaker.may_ask(now + REST), "and only one");
        breaker.heard(&Answer::Failed(Failure::Server), now + REST);
        assert!(breaker.may_ask(now + REST) && breaker.may_ask(now + REST), "a refusal is life");
    }
}
