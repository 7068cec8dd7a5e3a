//! The generator: mails leave by the clock and not by the answers, and are timed from when they were due.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::doors::{Answer, Outcome, Way};
use super::model::{Kind, Model};
use super::scenario::{Door, Scenario};
use crate::ending;
use crate::times::Times;

/// Longest wait for one answer: MTAs wait 300 s, but a run shall end.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// A generator later than this was itself the slow one; the run says how often.
const LATE: Duration = Duration::from_millis(10);
/// Reasons of failures that are kept to be shown.
const TROUBLES_MAX: usize = 5;

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Mails that were due.
    pub due: u64,
    /// Mails that could not be offered, as many were under way as may be.
    pub left_out: u64,
    /// Mails that left late, by the generator's own fault.
    pub late: u64,
    /// Mails by what the door said.
    pub taken: u64,
    /// Refused for good.
    pub refused: u64,
    /// Refused for now.
    pub deferred: u64,
    /// Taken, though nobody judged them.
    pub unjudged: u64,
    /// Mails without an answer.
    pub failed: u64,
    /// Why, for the first of them.
    pub troubles: Vec<String>,
    /// Bytes of the mails that were answered.
    pub bytes: u64,
    /// Seconds from the beginning to the last answer.
    pub seconds: f64,
    /// From when mails were due to the answer; slow clients' mails are not among them.
    pub times: Times,
    /// The same by door.
    pub by_door: BTreeMap<Door, Times>,
    /// Slow clients' mails: from their last byte to the answer.
    pub slow: Times,
    /// Answered mails by kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// When each answered mail that a door delivers was due, by number.
    pub due_at: BTreeMap<u64, Instant>,
    /// Answers in each second of the run, and the worst time of one, in microseconds: for the drawing.
    pub course: Vec<(u64, u64)>,
}

impl Seen {
    /// Mails that were judged: taken or refused for good. "Come again later" and an unjudged mail are quick and cheap answers,
    /// which would make a filter look the better the more it is overloaded.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.taken + self.refused
    }

    fn answer(&mut self, sent: &Sent, answer: Answer) {
        match answer.outcome {
            Outcome::Taken => self.taken += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Deferred => self.deferred += 1,
            Outcome::Unjudged => self.unjudged += 1,
        }
        // Also a slow client's mail has to arrive.
        if sent.door.delivers() && matches!(answer.outcome, Outcome::Taken | Outcome::Unjudged) {
            self.due_at.insert(sent.number, sent.due);
        }
        if !matches!(answer.outcome, Outcome::Taken | Outcome::Refused) {
            return;
        }
        self.bytes += sent.bytes;
        *self.kinds.entry(sent.kind).or_default() += 1;
        if sent.is_slow {
            self.slow.add(nanoseconds(answer.said, answer.heard));
            return;
        }
        let time = nanoseconds(sent.due, answer.heard);
        self.times.add(time);
        self.by_door.entry(sent.door).or_default().add(time);
        let second = sent.due.saturating_duration_since(sent.began).as_secs() as usize;
        if self.course.len() <= second {
            self.course.resize(second + 1, (0, 0));
        }
        self.course[second].0 += 1;
        self.course[second].1 = self.course[second].1.max(time / 1_000);
    }

    fn fail(&mut self, why: String) {
        self.failed += 1;
        if self.troubles.len() < TROUBLES_MAX {
            self.troubles.push(why);
        }
    }
}

fn nanoseconds(from: Instant, to: Instant) -> u64 {
    to.saturating_duration_since(from).as_nanos() as u64
}

struct Sent {
    number: u64,
    kind: Kind,
    door: Door,
    bytes: u64,
    is_slow: bool,
    due: Instant,
    began: Instant,
}

/// Which way the mails of each door take.
pub type Ways = BTreeMap<Door, Way>;

/// Offers the mails of a scenario, `rate` a second, and waits for the last answer.
///
/// # Errors
/// The system's, or what is wrong with the trace; somebody asked to end.
pub fn run(
    runtime: &Runtime,
    scenario: &Scenario,
    model: &Arc<Model>,
    ways: &Ways,
    rate: f64,
) -> Result<Seen> {
    let due = scenario.due(rate)?;
    let seen = Arc::new(Mutex::new(Seen { due: due.len() as u64, ..Seen::default() }));
    let places = Arc::new(Semaphore::new(scenario.under_way_max));
    let began = Instant::now();
    // This thread alone keeps the clock: the runtime's own timers have steps of a millisecond.
    for (number, at) in (0..).zip(due) {
        let mail = model.mail(number);
        let due = began + at;
        ending::sleep_until(due)?;
        let door = scenario.door(number);
        let (Some(way), Ok(place)) = (ways.get(&door), places.clone().try_acquire_owned()) else {
            lock(&seen).left_out += 1;
            continue;
        };
        lock(&seen).late += u64::from(due.elapsed() > LATE);
        let pace = scenario.slowness(number);
        let (kind, bytes, is_slow) = (mail.kind, mail.bytes(), pace.is_some());
        let sent = Sent { number, kind, door, bytes, is_slow, due, began };
        let (way, seen) = (way.clone(), seen.clone());
        runtime.spawn(async move {
            let answered = tokio::time::timeout(ANSWER_MAX, way.say(&mail, pace)).await;
            match answered {
                Ok(Ok(answer)) => lock(&seen).answer(&sent, answer),
                Ok(Err(error)) => lock(&seen).fail(format!("{}: {error}", door.word())),
                Err(_) => lock(&seen).fail(format!("{}: no answer", door.word())),
            }
            drop(place);
        });
    }
    let all = u32::try_from(scenario.under_way_max)?;
    runtime.block_on(async {
        while tokio::time::timeout(ending::LOOK, places.acquire_many(all)).await.is_err() {
            ending::check()?;
        }
        anyhow::Ok(())
    })?;
    let mut seen = std::mem::take(&mut *lock(&seen));
    seen.seconds = began.elapsed().as_secs_f64();
    Ok(seen)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
