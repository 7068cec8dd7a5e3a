//! Questions in flight to one server, counted so that none can leak: a wheel of time slots that fall off by age.

use std::time::{Duration, Instant};

/// One question on its way. Hand it back with `answered`, `failed` or `abandoned`; it cannot be copied, so nothing is
/// counted twice, and one that is lost is forgotten after [`crate::Settings::patience`] (at most a quarter later).
#[must_use = "give it back with answered, failed or abandoned"]
#[derive(Debug, PartialEq, Eq)]
pub struct Flight {
    pub(crate) server_id: u64,
    pub(crate) sent_at: Instant,
}

impl Flight {
    /// How long the question has been waiting at `now`.
    pub fn waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.sent_at)
    }
}

/// Counts of questions by the slot of time they were sent in. Constant size, whatever the load.
#[derive(Debug)]
pub(crate) struct Flights {
    origin: Instant,
    slot_width: Duration,
    slots: [Slot; SLOTS],
    /// Last sign of life, or when the first question now in flight was sent.
    waiting_since: Instant,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    number: u64,
    count: u32,
}

impl Flights {
    pub(crate) fn new(patience: Duration, now: Instant) -> Self {
        let slot_width = (patience / SLOTS_OF_PATIENCE).max(Duration::from_nanos(1));
        Self { origin: now, slot_width, slots: [Slot::default(); SLOTS], waiting_since: now }
    }

    /// A question left at `now`.
    pub(crate) fn sent(&mut self, now: Instant) {
        if self.count(now) == 0 {
            self.waiting_since = now;
        }
        let number = self.number(now);
        let slot = &mut self.slots[index(number)];
        if slot.number != number {
            *slot = Slot { number, count: 0 };
        }
        slot.count = slot.count.saturating_add(1);
    }

    /// The question that left at `sent_at` is settled. One that was already forgotten changes nothing.
    pub(crate) fn settled(&mut self, sent_at: Instant) {
        let number = self.number(sent_at);
        let slot = &mut self.slots[index(number)];
        if slot.number == number {
            slot.count = slot.count.saturating_sub(1);
        }
    }

    /// The server showed life at `now`: whatever still waits is in a queue, not in silence.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.waiting_since = self.waiting_since.max(now);
    }

    /// Questions still in flight at `now`.
    pub(crate) fn count(&self, now: Instant) -> u32 {
        let current = self.number(now);
        let live = |slot: &&Slot| slot.number + u64::from(SLOTS_OF_PATIENCE) >= current;
        self.slots.iter().filter(live).fold(0, |sum, slot| sum.saturating_add(slot.count))
    }

    /// How long the server has let questions wait without answering any.
    pub(crate) fn silence(&self, now: Instant) -> Duration {
        if self.count(now) == 0 {
            return Duration::ZERO;
        }
        now.saturating_duration_since(self.waiting_since)
    }

    fn number(&self, at: Instant) -> u64 {
        let slots = at.saturating_duration_since(self.origin).as_nanos()
            / self.slot_width.as_nanos().max(1);
        u64::try_from(slots).unwrap_or(u64::MAX / 2)
    }
}

fn index(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

/// Slots that make up the patience: a lost question is forgotten at most a quarter of it late.
const SLOTS_OF_PATIENCE: u32 = 4;
/// More slots than are ever live, so that a new slot never meets a live one in its place.
const SLOTS: usize = 8;

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // an `Instant` has no other constructor
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(100);

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn counts_what_is_sent_and_not_settled() {
        let start = Instant::now();
        let mut flights = Flights::new(PATIENCE, start);
        flights.sent(start);
        flights.sent(start + ms(30));
        assert_eq!(flights.count(start + ms(40)), 2);
        flights.settled(start);
        assert_eq!(flights.count(start + ms(40)), 1);
    }

    #[test]
    fn a_lost_question_is_forgotten_after_patience_and_not_before() {
        let start = Instant::now();
        let mut flights = Flights::new(PATIENCE, start);
        flights.sent(start);
        assert_eq!(flights.count(start + PATIENCE), 1);
        assert_eq!(flights.count(start + PATIENCE * 5 / 4), 0);
        flights.settled(start);
        assert_eq!(flights.count(start + PATIENCE * 2), 0, "settled late: nothing to settle");
    }

    #[test]
    fn an_old_question_settled_late_does_not_settle_a_new_one_in_the_same_place() {
        let start = Instant::now();
        let mut flights = Flights::new(PATIENCE, start);
        flights.sent(start);
        let later = start + PATIENCE * 2; // eight slots later: the same place in the wheel
        flights.sent(later);
        flights.settled(start);
        assert_eq!(flights.count(later), 1);
    }

    #[test]
    fn a_million_lost_questions_take_no_more_memory_than_one() {
        let start = Instant::now();
        let mut flights = Flights::new(PATIENCE, start);
        for i in 0..1_000_000_u64 {
            flights.sent(start + Duration::from_micros(i));
        }
        let last = start + Duration::from_secs(1);
        assert!(flights.count(last) <= 125_000, "only the last 125 ms are still counted");
        assert_eq!(flights.count(last + PATIENCE * 2), 0);
    }

    #[test]
    fn silence_grows_only_while_something_waits_and_ends_with_a_sign_of_life() {
        let start = Instant::now();
        let mut flights = Flights::new(PATIENCE, start);
        assert_eq!(flights.silence(start + ms(50)), Duration::ZERO);
        flights.sent(start + ms(50));
        flights.sent(start + ms(55));
        assert_eq!(flights.silence(start + ms(60)), ms(10));
        flights.settled(start + ms(50));
        flights.heard(start + ms(60));
        assert_eq!(flights.silence(start + ms(62)), ms(2), "the other one still waits");
    }

    #[test]
    fn time_running_backwards_is_borne() {
        let start = Instant::now() + PATIENCE;
        let mut flights = Flights::new(PATIENCE, start);
        flights.sent(start - ms(50));
        assert_eq!(flights.count(start), 1);
        assert_eq!(flights.silence(start - ms(60)), Duration::ZERO);
    }
}
