//! Answers remembered as long as their owner allows, within bounds of ours.

use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache as Store;

use super::question::{Answer, Question, Record};

/// Longest time that an answer is believed. Owners write weeks and change their mind.
pub(super) const FOUND_MAX: Duration = Duration::from_secs(24 * 3600);

/// Shortest time: a mail's questions must hold for its copies, and lists answer with a second.
pub(super) const FOUND_MIN: Duration = Duration::from_secs(5);

/// Longest time that "there is none" is believed (RFC 2308 section 5 advises at most three hours): a new list entry or
/// key must be seen soon.
pub(super) const NOTHING_MAX: Duration = Duration::from_secs(15 * 60);

/// Time for "there is none" where the owner says nothing of it.
const NOTHING_UNSAID: Duration = Duration::from_secs(60);

/// Time for a failure (RFC 9520 section 3.2: at least one second, at most five minutes). Each further mail of a domain
/// whose servers are dead would wait its whole budget otherwise.
pub(super) const FAILED: Duration = Duration::from_secs(30);

/// Bytes of records of one answer that is remembered; a larger one is asked for again.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Typical bytes of one entry, for sizing the table.
const ENTRY_BYTES: u64 = 300;

/// Answers by question.
#[derive(Debug)]
pub(super) struct Cache(Store<Question, Entry, ByBytes>);

#[derive(Clone, Debug)]
struct Entry {
    answer: Answer,
    until: Instant,
}

#[derive(Clone, Copy, Debug)]
struct ByBytes;

impl Weighter<Question, Entry> for ByBytes {
    fn weight(&self, question: &Question, entry: &Entry) -> u64 {
        (160 + question.name().len() + bytes(&entry.answer)) as u64
    }
}

fn bytes(answer: &Answer) -> usize {
    let of = |record: &Record| match record {
        Record::A(_) | Record::Aaaa(_) => 0,
        Record::Mx { exchange, .. } => exchange.len(),
        Record::Ptr(name) => name.len(),
        Record::Txt(text) => text.len(),
    };
    answer.records().iter().map(|record| size_of::<Record>() + of(record)).sum()
}

impl Cache {
    /// A cache of at most this many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        let entries = usize::try_from(bytes_max / ENTRY_BYTES).unwrap_or(usize::MAX).max(16);
        Self(Store::with_weighter(entries, bytes_max, ByBytes))
    }

    pub(super) fn recall(&self, question: &Question, now: Instant) -> Option<Answer> {
        self.0.get(question).filter(|entry| now < entry.until).map(|entry| entry.answer)
    }

    /// Remembers an answer. `ttl` is what its owner says.
    pub(super) fn keep(
        &self,
        question: Question,
        answer: Answer,
        ttl: Option<Duration>,
        now: Instant,
    ) {
        let kept = match &answer {
            Answer::Found(_) => ttl.unwrap_or(FOUND_MIN).clamp(FOUND_MIN, FOUND_MAX),
            Answer::NoData | Answer::NoName => {
                ttl.unwrap_or(NOTHING_UNSAID).clamp(FOUND_MIN, NOTHING_MAX)
            }
            Answer::Failed(_) => FAILED,
        };
        if bytes(&answer) <= ANSWER_BYTES_MAX {
            self.0.insert(question, Entry { answer, until: now + kept });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::question::{Failure, Kind};
    use super::*;

    fn question(name: &str) -> Question {
        Question::new(name, Kind::Txt).unwrap()
    }

    fn text(bytes: usize) -> Answer {
        Answer::Found([Record::Txt(vec![b'x'; bytes])].into())
    }

    #[test]
    fn answers_live_as_long_as_their_owner_says_within_our_bounds() {
        let now = Instant::now();
        let s = Duration::from_secs;
        for (answer, ttl, expect) in [
            (text(3), Some(s(300)), s(300)),
            (text(3), Some(s(0)), FOUND_MIN),
            (text(3), Some(FOUND_MAX + s(1)), FOUND_MAX),
            (Answer::NoName, Some(s(60)), s(60)),
            (Answer::NoData, Some(NOTHING_MAX + s(1)), NOTHING_MAX),
            (Answer::NoData, None, NOTHING_UNSAID),
            (Answer::Failed(Failure::Timeout), None, FAILED),
        ] {
            let cache = Cache::new(1 << 20);
            cache.keep(question("a.example"), answer.clone(), ttl, now);
            let at = |when| cache.recall(&question("a.example"), when);
            assert_eq!(at(now + expect - s(1)), Some(answer), "before {expect:?}");
            assert_eq!(at(now + expect), None, "at {expect:?}");
        }
    }

    #[test]
    fn an_answer_over_the_limit_is_not_kept_and_many_push_each_other_out() {
        let now = Instant::now();
        let cache = Cache::new(1 << 20);
        let room = ANSWER_BYTES_MAX - size_of::<Record>();
        for (bytes, is_kept) in [(room, true), (room + 1, false)] {
            let name = question(&format!("n{bytes}.example"));
            cache.keep(name.clone(), text(bytes), Some(FOUND_MAX), now);
            assert_eq!(cache.recall(&name, now).is_some(), is_kept, "{bytes}");
        }
        for number in 0..100 {
            cache.keep(question(&format!("m{number}.example")), text(room), Some(FOUND_MAX), now);
        }
        assert!(cache.0.weight() <= 1 << 20, "{}", cache.0.weight());
    }
}
