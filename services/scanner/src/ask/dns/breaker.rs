//! When no server answers any more, mails stop waiting for it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tamis_domain::suffix::owner;

use super::question::{Answer, Failure};

/// Owners of names whose questions had no answer, with no answer to any other question between them, from which on the
/// servers are taken for dead. Owners and not questions: a domain whose own servers are silent has as many names as it
/// likes, and one mail may bring them all.
pub(super) const SILENCES_MAX: usize = 20;

/// How long nothing is asked then, but for one question that tries again.
pub(super) const REST: Duration = Duration::from_secs(5);

/// Counts silences. Any answer, a refusal included, proves life.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Owners, each once.
    silent: HashSet<Box<str>>,
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

    /// Takes the outcome of a question about `name`.
    pub(super) fn heard(&mut self, name: &str, answer: &Answer, now: Instant) {
        if matches!(answer, Answer::Failed(Failure::Timeout | Failure::Unreachable)) {
            if self.silent.len() < SILENCES_MAX {
                self.silent.insert(owner(name).into());
            }
            if self.silent.len() >= SILENCES_MAX {
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
        for number in 1..SILENCES_MAX {
            breaker.heard(&format!("n{number}.example"), &SILENT, now);
        }
        assert!(breaker.may_ask(now), "one fewer");
        breaker.heard("n.example", &SILENT, now);
        assert!(!breaker.may_ask(now));
        assert!(!breaker.may_ask(now + REST / 2));
        assert!(breaker.may_ask(now + REST), "one question tries again");
        assert!(!breaker.may_ask(now + REST), "and only one");
        breaker.heard("n.example", &Answer::Failed(Failure::Server), now + REST);
        assert!(breaker.may_ask(now + REST) && breaker.may_ask(now + REST), "a refusal is life");
    }

    #[test]
    fn one_owner_with_many_dead_names_stops_nobody_elses_questions() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for number in 0..10 * SILENCES_MAX {
            breaker.heard(&format!("n{number}.dead.example"), &SILENT, now);
            breaker.heard(&format!("_dmarc.n{number}.dead.co.uk"), &SILENT, now);
        }
        assert!(breaker.may_ask(now));
    }
}
