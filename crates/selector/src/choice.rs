//! The choice among all servers.

use std::time::{Duration, Instant};

use crate::budget::{Accounting, Bucket, HEDGES_AT_START};
use crate::estimate::{hedge_per_mille, probe_per_mille};
use crate::flights::Flight;
use crate::server::{Failure, Server, ServerReport, Standing};
use crate::settings::Settings;

/// Chooses the next server. One per pool of servers; every call is bounded by [`SERVERS_MAX`].
#[derive(Debug)]
pub struct Selector<K> {
    settings: Settings,
    servers: Vec<Server<K>>,
    next_id: u64,
    probe_bucket: Bucket,
    hedge_bucket: Bucket,
    accounting: Accounting,
}

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<K> {
    /// The server to ask.
    pub server: K,
    /// Ask this one the same question too, only to measure it; already paid. Call `sent` for it as well. Its answer
    /// may be used if it comes first.
    pub probe: Option<K>,
    /// When no answer came for so long, call [`Selector::hedge`]. None: there is nobody else, or nothing is duplicated.
    pub hedge_after: Option<Duration>,
}

/// What [`Selector::update`] changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Servers not known before.
    pub added: usize,
    /// Servers no longer in the list; questions in flight to them are forgotten.
    pub removed: usize,
    /// Servers left out because the list is longer than [`SERVERS_MAX`]: worth a warning.
    pub ignored: usize,
}

impl<K: Clone + Eq> Selector<K> {
    /// A selector without servers.
    pub fn new(settings: Settings) -> Self {
        Self {
            probe_bucket: Bucket::new(probe_per_mille(&settings), 0),
            hedge_bucket: Bucket::new(hedge_per_mille(&settings), hedges_at_start(&settings)),
            settings,
            servers: Vec::new(),
            next_id: 0,
            accounting: Accounting::default(),
        }
    }

    /// Takes the list of servers as discovery sees it now. Those that stay keep what is known of them; doubles count
    /// once. An empty list empties the selector: whether to believe such a list is the caller's judgement.
    pub fn update(&mut self, servers: &[K], now: Instant) -> Discovery {
        let before = self.servers.len();
        self.servers.retain(|server| servers.contains(&server.key));
        let mut discovery =
            Discovery { removed: before - self.servers.len(), ..Discovery::default() };
        for key in servers {
            if self.servers.iter().any(|server| server.key == *key) {
                continue;
            }
            if self.servers.len() == SERVERS_MAX {
                discovery.ignored += 1;
                continue;
            }
            self.servers.push(Server::new(key.clone(), self.next_id, &self.settings, now));
            self.next_id += 1;
            discovery.added += 1;
        }
        discovery
    }

    /// Chooses for one question. `seed` is a fresh random number. None: there are no servers.
    pub fn choose(&mut self, now: Instant, seed: u64) -> Option<Choice<K>> {
        let best = self.best(&[], now, seed)?;
        self.accounting.questions += 1;
        self.probe_bucket.earn();
        self.hedge_bucket.earn();
        let duplicates = self.settings.extra_per_mille > 0;
        let due = self.probe(best, duplicates, now, seed);
        let (chosen, probe) = match due {
            Some(due) if !duplicates => (due, None),
            _ => (best, due),
        };
        self.servers[chosen].counters.chosen += 1;
        let hedge = duplicates && self.servers.len() > 1;
        Some(Choice {
            hedge_after: hedge.then(|| self.servers[chosen].hedge_after(&self.settings)),
            server: self.servers[chosen].key.clone(),
            probe: probe.map(|due| self.servers[due].key.clone()),
        })
    }

    /// Chooses again for a question that these servers did not answer; never one of them, and never one that is due to be
    /// measured only: the question has waited. None: all were tried.
    pub fn choose_another(&mut self, tried: &[K], now: Instant, seed: u64) -> Option<K> {
        let best = self.best(tried, now, seed)?;
        self.accounting.questions += 1;
        self.servers[best].counters.chosen += 1;
        Some(self.servers[best].key.clone())
    }

    /// The first server is late: whom to ask the same, judged as of now. None: the budget is spent, or nobody else
    /// would be better than waiting. What is returned is paid; call `sent` for it.
    pub fn hedge(&mut self, first: &K, now: Instant, seed: u64) -> Option<K> {
        let second = self.best(std::slice::from_ref(first), now, seed)?;
        let resting = self.servers[second].standing(now) == Standing::Resting;
        if resting || !self.hedge_bucket.spend() {
            return None;
        }
        self.accounting.hedges += 1;
        self.servers[second].counters.hedged += 1;
        Some(self.servers[second].key.clone())
    }

    /// A question leaves for `server`. None: it is no longer in the list, and nothing will be learnt.
    pub fn sent(&mut self, server: &K, now: Instant) -> Option<Flight> {
        self.servers.iter_mut().find(|known| known.key == *server).map(|known| known.sent(now))
    }

    /// The answer came at `now`; the time since `sent` is the response time.
    pub fn answered(&mut self, flight: Flight, now: Instant) {
        let time = flight.waited(now);
        self.answered_in(flight, time, now);
    }

    /// The answer came, and the server's own part of the time was `time`: for a dialogue in which it waited for us too.
    pub fn answered_in(&mut self, flight: Flight, time: Duration, now: Instant) {
        if let Some((server, settings)) = self.of(&flight) {
            server.answered(&flight, time, now, settings);
        }
    }

    /// The question failed. With time left, `choose` again: a retry after a known failure is a question, not an extra one.
    pub fn failed(&mut self, flight: Flight, failure: Failure, now: Instant) {
        if let Some((server, settings)) = self.of(&flight) {
            server.failed(&flight, failure, now, settings);
        }
    }

    /// The caller gave the question up without knowing the outcome (another answered first, the mail went away).
    /// Where it costs nothing keep the flight until its answer or timeout instead: that teaches more.
    pub fn abandoned(&mut self, flight: Flight, now: Instant) {
        if let Some((server, settings)) = self.of(&flight) {
            server.abandoned(&flight, now, settings);
        }
    }

    /// How far the server's data were behind the newest at its last answer, see [`crate::Freshness::lag`];
    /// [`crate::CUT_OFF`] when it said so itself.
    pub fn staleness(&mut self, server: &K, lag: Duration) {
        if let Some(known) = self.servers.iter_mut().find(|known| known.key == *server) {
            known.set_lag(lag);
        }
    }

    /// What is known of every server, in the order of discovery.
    pub fn snapshot(&self, now: Instant) -> Vec<ServerReport<K>> {
        let chosen = self.servers.iter().map(|server| server.counters.chosen).sum();
        self.servers.iter().map(|server| server.report(chosen, now, &self.settings)).collect()
    }

    /// Questions and extra questions so far.
    pub fn accounting(&self) -> Accounting {
        self.accounting
    }

    /// Scores all servers but those in `except` and draws one within the band above the lowest score.
    fn best(&self, except: &[K], now: Instant, seed: u64) -> Option<usize> {
        let standing = self.least_standing(except, now);
        let unheard_s = self.unheard_s(now);
        let candidates = self.servers.iter().enumerate().filter(|(_, server)| {
            !except.contains(&server.key) && server.standing(now) <= standing
        });
        let scores: Vec<(usize, f64)> = candidates
            .map(|(at, server)| (at, server.score_s(unheard_s, now, &self.settings)))
            .collect();
        let lowest = scores.iter().map(|&(_, score)| score).min_by(f64::total_cmp)?;
        let band = lowest * (1.0 + BAND) + self.settings.noise.as_secs_f64();
        let within: Vec<usize> =
            scores.iter().filter(|&&(_, score)| score <= band).map(|&(at, _)| at).collect();
        let drawn = mix(seed) % within.len().max(1) as u64;
        within.get(drawn as usize).copied()
    }

    /// How bad a server may stand and still be asked: while one is sound, none that is out; else those whose rest is
    /// over as well; else all.
    fn least_standing(&self, except: &[K], now: Instant) -> Standing {
        let others = self.servers.iter().filter(|server| !except.contains(&server.key));
        match others.map(|server| server.standing(now)).min() {
            Some(Standing::Sound) => Standing::Faulty,
            Some(Standing::Faulty | Standing::Rested) => Standing::Rested,
            Some(Standing::Resting) | None => Standing::Resting,
        }
    }

    /// What to suppose of a server never heard: no better than the worst one heard that is in. So it gets real questions
    /// only when all others are worse off by load or outage, and duplicates until then.
    fn unheard_s(&self, now: Instant) -> f64 {
        let heard = self.servers.iter().filter(|server| server.standing(now) <= Standing::Faulty);
        let expected = heard.filter_map(|server| server.expected_s(now, &self.settings));
        expected.fold(self.settings.first_guess.as_secs_f64(), f64::max)
    }

    /// The server most overdue for a probe, if one can be paid (or need not be: `duplicates` is off).
    fn probe(&mut self, chosen: usize, duplicates: bool, now: Instant, seed: u64) -> Option<usize> {
        let paid = !duplicates || self.probe_bucket.can_spend();
        let due = self.servers.iter().enumerate().filter(|&(at, _)| at != chosen);
        let due = due.filter(|(_, server)| paid || server.has_cold_probe());
        let due = due.filter_map(|(at, server)| Some((server.probe_overdue(now)?, at)));
        let (_, due) = due.max_by_key(|&(overdue, at)| (overdue, std::cmp::Reverse(at)))?;
        let cold = self.servers[due].has_cold_probe();
        if duplicates {
            if !cold {
                self.probe_bucket.spend();
            }
            self.accounting.probes += 1;
            self.accounting.cold_probes += u64::from(cold);
        }
        self.servers[due].probe_sent(cold, now, seed, &self.settings);
        Some(due)
    }

    fn of(&mut self, flight: &Flight) -> Option<(&mut Server<K>, &Settings)> {
        let server = self.servers.iter_mut().find(|server| server.id() == flight.server_id)?;
        Some((server, &self.settings))
    }
}

/// None where nothing is duplicated.
fn hedges_at_start(settings: &Settings) -> u32 {
    if settings.extra_per_mille == 0 { 0 } else { HEDGES_AT_START }
}

/// Spreads a seed over 64 bits (the finaliser of SplitMix64, Steele et al. 2014), so that even a counter will do.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Servers kept. All are scored at every question, so this bounds its time (some microseconds); pools are 2 to 12
/// replicas, the largest scanner deployments some hundred.
pub const SERVERS_MAX: usize = 256;

/// Servers within a fifth of the best are equals: spreads clients that measure the same, and stays well under the 1.3 times
/// the best that is promised.
const BAND: f64 = 0.2;

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
