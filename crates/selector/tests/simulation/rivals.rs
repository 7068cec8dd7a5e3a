//! How a client chooses: the selector and the three usual ways.

use std::time::{Duration, Instant};

use tamis_selector::{Accounting, Choice, Failure, Flight, Selector, Settings};

use super::world::Random;

/// Whom to ask.
pub struct Plan {
    pub server: usize,
    pub probe: Option<usize>,
    pub hedge_after: Option<Duration>,
}

/// One way to choose.
pub trait Policy {
    /// What a question in flight carries.
    type Token;
    const NAME: &'static str;
    fn new(servers: &[usize], settings: Settings, now: Instant) -> Self;
    fn appear(&mut self, server: usize, now: Instant);
    fn choose(&mut self, now: Instant, seed: u64) -> Plan;
    fn sent(&mut self, server: usize, now: Instant) -> Option<Self::Token>;
    fn answered(&mut self, token: Option<Self::Token>, server: usize, now: Instant);
    fn failed(&mut self, token: Option<Self::Token>, server: usize, failure: Failure, now: Instant);
    fn hedge(&mut self, _first: usize, _now: Instant, _seed: u64) -> Option<usize> {
        None
    }
    fn lagged(&mut self, _server: usize, _lag: Duration) {}
    fn accounting(&self) -> Accounting {
        Accounting::default()
    }
}

/// Ours.
pub struct Ours {
    pub selector: Selector<usize>,
    servers: Vec<usize>,
}

impl Policy for Ours {
    type Token = Flight;
    const NAME: &'static str = "tamis";

    fn new(servers: &[usize], settings: Settings, now: Instant) -> Self {
        let mut selector = Selector::new(settings);
        selector.update(servers, now);
        Self { selector, servers: servers.to_vec() }
    }

    fn appear(&mut self, server: usize, now: Instant) {
        self.servers.push(server);
        self.selector.update(&self.servers, now);
    }

    fn choose(&mut self, now: Instant, seed: u64) -> Plan {
        let Choice { server, probe, hedge_after } =
            self.selector.choose(now, seed).expect("a scene has servers");
        Plan { server, probe, hedge_after }
    }

    fn sent(&mut self, server: usize, now: Instant) -> Option<Flight> {
        self.selector.sent(&server, now)
    }

    fn answered(&mut self, token: Option<Flight>, _server: usize, now: Instant) {
        self.selector.answered(token.expect("servers never leave"), now);
    }

    fn failed(&mut self, token: Option<Flight>, _server: usize, failure: Failure, now: Instant) {
        self.selector.failed(token.expect("servers never leave"), failure, now);
    }

    fn hedge(&mut self, first: usize, now: Instant, seed: u64) -> Option<usize> {
        self.selector.hedge(&first, now, seed)
    }

    fn lagged(&mut self, server: usize, lag: Duration) {
        self.selector.staleness(&server, lag);
    }

    fn accounting(&self) -> Accounting {
        self.selector.accounting()
    }
}

/// Each in turn.
pub struct RoundRobin {
    servers: Vec<usize>,
    next: usize,
}

impl Policy for RoundRobin {
    type Token = ();
    const NAME: &'static str = "round robin";

    fn new(servers: &[usize], _settings: Settings, _now: Instant) -> Self {
        Self { servers: servers.to_vec(), next: 0 }
    }

    fn appear(&mut self, server: usize, _now: Instant) {
        self.servers.push(server);
    }

    fn choose(&mut self, _now: Instant, _seed: u64) -> Plan {
        self.next = (self.next + 1) % self.servers.len();
        plain(self.servers[self.next])
    }

    fn sent(&mut self, _server: usize, _now: Instant) -> Option<()> {
        None
    }
    fn answered(&mut self, _token: Option<()>, _server: usize, _now: Instant) {}
    fn failed(&mut self, _token: Option<()>, _server: usize, _failure: Failure, _now: Instant) {}
}

/// Fewest questions in flight; equals by lot.
pub struct LeastOutstanding {
    servers: Vec<(usize, u32)>,
}

impl Policy for LeastOutstanding {
    type Token = ();
    const NAME: &'static str = "least outstanding";

    fn new(servers: &[usize], _settings: Settings, _now: Instant) -> Self {
        Self { servers: servers.iter().map(|&server| (server, 0)).collect() }
    }

    fn appear(&mut self, server: usize, _now: Instant) {
        self.servers.push((server, 0));
    }

    fn choose(&mut self, _now: Instant, seed: u64) -> Plan {
        let fewest = self.servers.iter().map(|&(_, flights)| flights).min().expect("servers");
        let equals: Vec<usize> =
            self.servers.iter().filter(|one| one.1 == fewest).map(|one| one.0).collect();
        plain(equals[Random(seed).below(equals.len() as u64) as usize])
    }

    fn sent(&mut self, server: usize, _now: Instant) -> Option<()> {
        self.servers.iter_mut().filter(|one| one.0 == server).for_each(|one| one.1 += 1);
        None
    }

    fn answered(&mut self, _token: Option<()>, server: usize, _now: Instant) {
        self.servers.iter_mut().filter(|one| one.0 == server).for_each(|one| one.1 -= 1);
    }

    fn failed(&mut self, token: Option<()>, server: usize, _failure: Failure, now: Instant) {
        self.answered(token, server, now);
    }
}

/// Two by lot, the better by peak-sensitive smoothed time and questions in flight (as in Finagle and linkerd; 10 s of
/// memory); a failure costs the same as in ours.
pub struct BestOfTwo {
    servers: Vec<Measured>,
    failure_s: f64,
}

struct Measured {
    server: usize,
    time_s: f64,
    at: Instant,
    flights: u32,
}

impl Measured {
    fn new(server: usize, now: Instant) -> Self {
        Self { server, time_s: 0.002, at: now, flights: 0 }
    }

    fn observe(&mut self, time_s: f64, now: Instant) {
        let kept = (-now.saturating_duration_since(self.at).as_secs_f64() / 10.0).exp();
        let smoothed = self.time_s * kept + time_s * (1.0 - kept);
        self.time_s = smoothed.max(time_s);
        self.at = now;
    }

    fn cost(&self, now: Instant) -> f64 {
        let kept = (-now.saturating_duration_since(self.at).as_secs_f64() / 10.0).exp();
        self.time_s * kept * f64::from(self.flights + 1)
    }
}

impl Policy for BestOfTwo {
    type Token = Instant;
    const NAME: &'static str = "best of two";

    fn new(servers: &[usize], settings: Settings, now: Instant) -> Self {
        let servers = servers.iter().map(|&server| Measured::new(server, now)).collect();
        Self { servers, failure_s: settings.failure_cost.as_secs_f64() }
    }

    fn appear(&mut self, server: usize, now: Instant) {
        self.servers.push(Measured::new(server, now));
    }

    fn choose(&mut self, now: Instant, seed: u64) -> Plan {
        let count = self.servers.len() as u64;
        let mut random = Random(seed);
        let one = random.below(count);
        let two = (one + 1 + random.below(count - 1)) % count;
        let (one, two) = (&self.servers[one as usize], &self.servers[two as usize]);
        plain(if one.cost(now) <= two.cost(now) { one.server } else { two.server })
    }

    fn sent(&mut self, server: usize, now: Instant) -> Option<Instant> {
        self.servers.iter_mut().filter(|one| one.server == server).for_each(|one| one.flights += 1);
        Some(now)
    }

    fn answered(&mut self, token: Option<Instant>, server: usize, now: Instant) {
        let time_s = token.map_or(0.0, |sent| now.saturating_duration_since(sent).as_secs_f64());
        for one in self.servers.iter_mut().filter(|one| one.server == server) {
            one.flights -= 1;
            one.observe(time_s, now);
        }
    }

    fn failed(&mut self, _token: Option<Instant>, server: usize, _why: Failure, now: Instant) {
        for one in self.servers.iter_mut().filter(|one| one.server == server) {
            one.flights -= 1;
            one.observe(self.failure_s, now);
        }
    }
}

fn plain(server: usize) -> Plan {
    Plan { server, probe: None, hedge_after: None }
}
