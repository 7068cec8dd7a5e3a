//! Extra questions are earned by questions, never borrowed: the cap holds at every moment, not on average. Only a
//! client that starts has a few in hand.

/// How many questions were asked and how many were added to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Choices made: one for each question of the caller.
    pub questions: u64,
    /// Duplicates sent to learn about a server, cold ones included.
    pub probes: u64,
    /// Of these, the ones given to a newly discovered server without budget.
    pub cold_probes: u64,
    /// Duplicates sent because the first server was late.
    pub hedges: u64,
}

impl Accounting {
    /// Probes and hedges together.
    pub fn extra(&self) -> u64 {
        self.probes + self.hedges
    }
}

/// A token bucket filled by questions instead of by time; counts in thousandths of a question.
#[derive(Debug)]
pub(crate) struct Bucket {
    earned_per_mille: u32,
    tokens_milli: u32,
}

impl Bucket {
    /// A bucket with `in_hand` questions that gains `earned_per_mille` thousandths with each question.
    pub(crate) fn new(earned_per_mille: u32, in_hand: u32) -> Self {
        Self { earned_per_mille, tokens_milli: in_hand.min(SAVED_MAX) * WHOLE }
    }

    /// One question was asked.
    pub(crate) fn earn(&mut self) {
        self.tokens_milli =
            self.tokens_milli.saturating_add(self.earned_per_mille).min(SAVED_MAX * WHOLE);
    }

    /// Whether one extra question can be paid.
    pub(crate) fn can_spend(&self) -> bool {
        self.tokens_milli >= WHOLE
    }

    /// Pays one extra question; false when the bucket cannot.
    pub(crate) fn spend(&mut self) -> bool {
        if !self.can_spend() {
            return false;
        }
        self.tokens_milli -= WHOLE;
        true
    }
}

const WHOLE: u32 = 1000;

/// Extra questions that may be saved up: enough to rescue what was in flight to a server that dies, too few to
/// double the load of the others.
pub(crate) const SAVED_MAX: u32 = 32;

/// Hedges that a selector has in hand when it starts: what it earns by its first two hundred questions.
pub const HEDGES_AT_START: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_its_share_of_the_questions_because_nothing_is_borrowed() {
        let mut bucket = Bucket::new(20, 0);
        let mut spent = 0_u64;
        for questions in 1..=10_000_u64 {
            bucket.earn();
            spent += u64::from(bucket.spend());
            assert!(spent * 1000 <= questions * 20, "{spent} of {questions}");
        }
        assert_eq!(spent, 200, "and what is earned can be spent");
    }

    #[test]
    fn savings_stop_at_the_limit() {
        let mut bucket = Bucket::new(1000, 0);
        for _ in 0..=SAVED_MAX {
            bucket.earn();
        }
        let spent = (0..=SAVED_MAX).filter(|_| bucket.spend()).count();
        assert_eq!(spent, SAVED_MAX as usize);
    }

    #[test]
    fn what_is_in_hand_at_the_start_can_be_spent_once() {
        let mut bucket = Bucket::new(0, HEDGES_AT_START);
        let spent = (0..=HEDGES_AT_START).filter(|_| bucket.spend()).count();
        assert_eq!(spent, HEDGES_AT_START as usize);
    }

    #[test]
    fn nothing_earned_nothing_spent() {
        let mut bucket = Bucket::new(0, 0);
        bucket.earn();
        assert!(!bucket.spend());
    }
}
