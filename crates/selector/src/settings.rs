//! What differs between the two uses: datagrams answered in fractions of a millisecond, and whole mails.

use std::time::Duration;

/// The constants of one selector. Start from [`Settings::datagrams`] or [`Settings::streams`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Time after which the smoothed time has forgotten 63 % of what it knew.
    pub memory: Duration,
    /// The same for the peak, the excess of one slow answer over the smoothed time. Short: a pause is over when its
    /// late answer arrives, and while it lasts the silence speaks.
    pub peak_memory: Duration,
    /// After this a question counts as gone even if nobody said so. At least the caller's own timeout.
    pub patience: Duration,
    /// What one failure is worth as a response time: about what the asker loses by it.
    pub failure_cost: Duration,
    /// Supposed time of a server never heard, when nothing better is known.
    pub first_guess: Duration,
    /// Differences of score below this are noise of timers and switches.
    pub noise: Duration,
    /// A server not heard for this long is due for a probe.
    pub probe_interval: Duration,
    /// First rest of a server that is out; doubles with each further failure.
    pub retry_first: Duration,
    /// Longest rest: bounds how late a recovered server is noticed (given questions that may be duplicated).
    pub retry_max: Duration,
    /// A hedge is never sent earlier than this, whatever the tail.
    pub hedge_floor: Duration,
    /// Lag behind the newest replica that costs nothing: ordinary propagation.
    pub lag_allowed: Duration,
    /// Lag beyond the allowance costs as much time as it is long, up to this (DCC made cut-off servers 400 ms slower).
    pub stale_cost_max: Duration,
    /// How much of the usual number in flight is taken for distance, not for load. 0: all of it is load, as with streams,
    /// which take turns at a scanner's processors. More where most of the time is spent on the way; never all, so that
    /// load goes on spreading where it queues.
    pub usual_per_cent: u32,
    /// Extra questions (probes and hedges) per thousand, a hard cap; a third is for probes. 0: nothing is ever
    /// duplicated, and a server due for a probe is given the question itself.
    pub extra_per_mille: u32,
}

impl Settings {
    /// For the reputation service: one datagram each way, budget of tens of milliseconds.
    pub fn datagrams() -> Self {
        Self {
            memory: Duration::from_secs(1),
            peak_memory: Duration::from_millis(20),
            patience: Duration::from_millis(100),
            failure_cost: Duration::from_millis(25),
            first_guess: Duration::from_millis(2),
            noise: Duration::from_micros(50),
            probe_interval: Duration::from_secs(1),
            retry_first: Duration::from_millis(250),
            retry_max: Duration::from_secs(4),
            hedge_floor: Duration::from_micros(500),
            lag_allowed: Duration::from_secs(1),
            stale_cost_max: Duration::from_millis(400),
            usual_per_cent: 50,
            extra_per_mille: EXTRA_PER_MILLE,
        }
    }

    /// For the scanner: one stream a mail, from a millisecond (all parts known) to seconds (archives, engines).
    pub fn streams() -> Self {
        Self {
            memory: Duration::from_secs(10),
            peak_memory: Duration::from_secs(1),
            patience: Duration::from_secs(60),
            failure_cost: Duration::from_secs(2),
            first_guess: Duration::from_millis(50),
            noise: Duration::from_millis(1),
            probe_interval: Duration::from_secs(5),
            retry_first: Duration::from_millis(500),
            retry_max: Duration::from_secs(8),
            hedge_floor: Duration::from_millis(20),
            lag_allowed: Duration::from_secs(5),
            stale_cost_max: Duration::from_secs(2),
            usual_per_cent: 0,
            extra_per_mille: EXTRA_PER_MILLE,
        }
    }
}

/// Dean and Barroso (2013) cut the 99.9th percentile from 1,800 to 74 ms with about 2 % more requests; one more
/// percent pays for probes.
const EXTRA_PER_MILLE: u32 = 30;
