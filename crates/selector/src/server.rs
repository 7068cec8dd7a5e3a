//! One server: its estimate, its questions in flight, its outages, and when it is due for a probe.

use std::time::{Duration, Instant};

use crate::estimate::Estimate;
use crate::flights::{Flight, Flights};
use crate::loss::Loss;
use crate::settings::Settings;

/// Why a question brought no answer. The first two blame the server or the way to it, the last the server alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No answer in the caller's time.
    Timeout,
    /// The host says that nobody listens (connection refused, port unreachable, stream reset at once): certain, so the
    /// server is out after a single one.
    Refused,
    /// The server answered that it cannot answer (overloaded, internal error).
    Error,
}

/// What is known of one server, for metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerReport<K> {
    /// The server.
    pub server: K,
    /// Time expected of the next answer; none while it was never heard.
    pub expected: Option<Duration>,
    /// Smoothed time without the recent peak.
    pub smoothed: Option<Duration>,
    /// Time after which a question to it is hedged.
    pub tail: Option<Duration>,
    /// Questions in flight.
    pub in_flight: u32,
    /// Lag last told, see [`crate::Freshness`].
    pub lag: Duration,
    /// Out: real questions go elsewhere while anybody else is in.
    pub out: bool,
    /// Times it was chosen for a question.
    pub chosen: u64,
    /// Its part of all choices among the present servers, 0 to 1.
    pub share: f64,
    /// Duplicates it got to be measured.
    pub probed: u64,
    /// Duplicates it got because another was late.
    pub hedged: u64,
    /// Answers.
    pub answered: u64,
    /// Failures of every kind.
    pub failed: u64,
}

/// One server's state. `K` is kept beside it, in `choice`.
#[derive(Debug)]
pub(crate) struct Server<K> {
    pub(crate) key: K,
    id: u64,
    estimate: Estimate,
    flights: Flights,
    loss: Loss,
    /// Questions that were in flight when one was sent, smoothed: what the measured times already contain.
    usual_in_flight: f64,
    /// Failures since the last answer.
    failures_in_row: u32,
    /// When the first of them was sent.
    silent_since: Option<Instant>,
    outage: Option<Outage>,
    /// Outages that followed each other without a calm time between.
    strikes: u32,
    /// Of these, the times it was back in between.
    flaps: u32,
    in_since: Instant,
    probe_due: Instant,
    cold_probes_left: u32,
    lag: Duration,
    pub(crate) counters: Counters,
}

#[derive(Debug, Clone, Copy)]
struct Outage {
    until: Instant,
}

/// From best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// In, and its last question was answered (or none was asked yet).
    Sound,
    /// In, but its last question failed: loss, or the beginning of an outage.
    Faulty,
    /// Out, its rest is over: a probe may go, a question only if nobody is sound.
    Rested,
    /// Out.
    Resting,
}

/// What happened since the server was discovered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) chosen: u64,
    pub(crate) probed: u64,
    pub(crate) hedged: u64,
    answered: u64,
    failed: u64,
}

impl<K: Clone> Server<K> {
    pub(crate) fn new(key: K, id: u64, settings: &Settings, now: Instant) -> Self {
        Self {
            key,
            id,
            estimate: Estimate::default(),
            flights: Flights::new(settings.patience, now),
            loss: Loss::new(now),
            usual_in_flight: 0.0,
            failures_in_row: 0,
            silent_since: None,
            outage: None,
            strikes: 0,
            flaps: 0,
            in_since: now,
            probe_due: now,
            cold_probes_left: COLD_PROBES,
            lag: Duration::ZERO,
            counters: Counters::default(),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn sent(&mut self, now: Instant) -> Flight {
        let in_flight = f64::from(self.flights.count(now));
        self.usual_in_flight += (in_flight - self.usual_in_flight) * USUAL_WEIGHT;
        self.flights.sent(now);
        Flight { server_id: self.id, sent_at: now }
    }

    /// An answer came after `time`.
    pub(crate) fn answered(
        &mut self,
        flight: &Flight,
        time: Duration,
        now: Instant,
        settings: &Settings,
    ) {
        self.flights.settled(flight.sent_at);
        self.flights.heard(now);
        // Several failures over a rest's time without one answer: an outage in which too little was asked to see it.
        let several = self.failures_in_row > 1;
        let was_silent = self.silent_since.take().is_some_and(|since| {
            several && now.saturating_duration_since(since) >= settings.retry_first
        });
        if self.outage.take().is_some() || was_silent {
            // What it failed during an outage is the outage's; only what it fails between answers is loss.
            self.estimate.forget();
            self.in_since = now;
        } else {
            self.loss.answered(self.failures_in_row, now, settings);
        }
        self.failures_in_row = 0;
        self.estimate.observe(time, now, settings);
        self.probe_due = now + settings.probe_interval;
        self.counters.answered += 1;
    }

    /// No answer came. A failure costs at least its price and at least what was waited.
    pub(crate) fn failed(
        &mut self,
        flight: &Flight,
        failure: Failure,
        now: Instant,
        settings: &Settings,
    ) {
        self.flights.settled(flight.sent_at);
        let cost = flight.waited(now).max(settings.failure_cost);
        self.estimate.observe_failure(cost, now, settings);
        self.counters.failed += 1;
        self.strike(failure == Failure::Refused, flight.sent_at, now, settings);
    }

    /// The caller waits no longer. When that was longer than usual it speaks against the server, though less than a
    /// failure: it may have been about to answer.
    pub(crate) fn abandoned(&mut self, flight: &Flight, now: Instant, settings: &Settings) {
        self.flights.settled(flight.sent_at);
        let waited = flight.waited(now);
        let late = self.estimate.tail_s().is_some_and(|tail_s| waited.as_secs_f64() > tail_s);
        self.estimate.observe_at_least(waited, now, settings);
        if late {
            self.strike(false, flight.sent_at, now, settings);
        }
    }

    /// Counts a failure in a row and puts the server out when they are enough. Questions that left before the
    /// present rest began are its echo and do not lengthen it.
    fn strike(&mut self, certain: bool, sent_at: Instant, now: Instant, settings: &Settings) {
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        self.silent_since = self.silent_since.or(Some(sent_at));
        let echo = self.outage.is_some_and(|outage| sent_at < outage.until);
        let enough = certain || self.outage.is_some() || self.failures_in_row >= FAILURES_TO_BE_OUT;
        if echo || !enough {
            return;
        }
        let calm = self.outage.is_none() && self.is_calm(now, settings);
        if self.outage.is_none() {
            self.flaps = if calm || self.strikes == 0 { 0 } else { self.flaps.saturating_add(1) };
        }
        self.strikes = if calm { 1 } else { self.strikes.saturating_add(1) };
        let doublings = self.strikes.saturating_sub(1).min(DOUBLINGS_MAX);
        let rest = settings.retry_first.saturating_mul(1 << doublings).min(settings.retry_max);
        self.outage = Some(Outage { until: now + rest });
        self.probe_due = now + rest;
    }

    /// In for long enough that the next outage would be a new one.
    fn is_calm(&self, now: Instant, settings: &Settings) -> bool {
        now.saturating_duration_since(self.in_since) > settings.retry_max * CALM_RESTS
    }

    /// What another outage would cost, if it has flapped lately: until it is calm, questions go where they are safer.
    fn probation_s(&self, now: Instant, settings: &Settings) -> f64 {
        let flaps = self.flaps.min(FLAPS_PRICED_MAX);
        if flaps == 0 || self.is_calm(now, settings) {
            return 0.0;
        }
        f64::from(flaps) / f64::from(FLAPS_PRICED_MAX) * settings.failure_cost.as_secs_f64()
    }

    pub(crate) fn set_lag(&mut self, lag: Duration) {
        self.lag = lag;
    }

    /// How far it can be relied on, apart from its speed.
    pub(crate) fn standing(&self, now: Instant) -> Standing {
        match self.outage {
            Some(outage) if now < outage.until => Standing::Resting,
            Some(_) => Standing::Rested,
            None if self.failures_in_row > 0 => Standing::Faulty,
            None => Standing::Sound,
        }
    }

    /// Seconds to expect of one question to it, its age in answers included; `unheard_s` if it was never heard.
    pub(crate) fn score_s(&self, unheard_s: f64, now: Instant, settings: &Settings) -> f64 {
        let expected_s = self.estimate.expected_s(now, settings).unwrap_or(unheard_s);
        let silence_s = self.flights.silence(now).as_secs_f64();
        let stale = self.lag.saturating_sub(settings.lag_allowed).min(settings.stale_cost_max);
        let in_flight = f64::from(self.flights.count(now));
        let unreliable_s = self.loss.cost_s(now, settings) + self.probation_s(now, settings);
        // The time that was measured contains the usual number in flight: over a long way there are always many.
        let usual = self.usual_in_flight * f64::from(settings.usual_per_cent) / 100.0;
        let crowd = ((in_flight + 1.0) / (usual + 1.0)).max(1.0);
        (expected_s.max(silence_s) + stale.as_secs_f64() + unreliable_s) * crowd
    }

    /// Expected seconds without load; none if never heard.
    pub(crate) fn expected_s(&self, now: Instant, settings: &Settings) -> Option<f64> {
        self.estimate.expected_s(now, settings)
    }

    /// How long it has been due for a probe. None: not due, or a question on its way will tell as much.
    pub(crate) fn probe_overdue(&self, now: Instant) -> Option<Duration> {
        let due = now >= self.probe_due && self.flights.count(now) == 0;
        due.then(|| now.saturating_duration_since(self.probe_due))
    }

    /// Whether a probe may go without budget, since the server is new.
    pub(crate) fn has_cold_probe(&self) -> bool {
        self.cold_probes_left > 0
    }

    /// A probe is being sent, `cold` without budget; the next one after an interval that the seed spreads by a quarter,
    /// so that many clients do not probe in step.
    pub(crate) fn probe_sent(&mut self, cold: bool, now: Instant, seed: u64, settings: &Settings) {
        if cold {
            self.cold_probes_left = self.cold_probes_left.saturating_sub(1);
        }
        let spread = settings.probe_interval / 4 * u32::from(seed as u8) / u32::from(u8::MAX);
        self.probe_due = now + settings.probe_interval + spread;
        self.counters.probed += 1;
    }

    /// When to ask another server too, if this one has not answered.
    pub(crate) fn hedge_after(&self, settings: &Settings) -> Duration {
        let tail = match self.estimate.tail_s() {
            Some(tail_s) => Duration::from_secs_f64(tail_s),
            None => settings.first_guess,
        };
        tail.max(settings.hedge_floor).min(settings.patience)
    }

    pub(crate) fn report(
        &self,
        all_chosen: u64,
        now: Instant,
        settings: &Settings,
    ) -> ServerReport<K> {
        let counters = self.counters;
        ServerReport {
            server: self.key.clone(),
            expected: self.estimate.expected_s(now, settings).map(Duration::from_secs_f64),
            smoothed: self.estimate.mean_s().map(Duration::from_secs_f64),
            tail: self.estimate.tail_s().map(Duration::from_secs_f64),
            in_flight: self.flights.count(now),
            lag: self.lag,
            out: self.outage.is_some(),
            chosen: counters.chosen,
            share: counters.chosen as f64 / all_chosen.max(1) as f64,
            probed: counters.probed,
            hedged: counters.hedged,
            answered: counters.answered,
            failed: counters.failed,
        }
    }
}

/// Probes a new server gets without budget: one may be lost or find it cold, a second one tells.
pub const COLD_PROBES: u32 = 2;

/// One failure in a row is loss, two are bad luck, three are an outage: at 5 % loss three come once in 8,000.
const FAILURES_TO_BE_OUT: u32 = 3;
/// In for this many longest rests, and an outage is a new one; before, the server flaps and rests longer.
const CALM_RESTS: u32 = 4;
/// Weight of one question in the usual number in flight, as in the smoothed time.
const USUAL_WEIGHT: f64 = 1.0 / 16.0;
/// A server that fell out so often again before it was calm is expected to fail the next question too.
const FLAPS_PRICED_MAX: u32 = 16;
/// Keeps the doubling inside 32 bits; `retry_max` is reached long before.
const DOUBLINGS_MAX: u32 = 16;
