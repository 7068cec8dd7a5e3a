//! One question to the reputation service for one mail, over the server that answers fastest.
//!
//! `tamis-reputation-protocol` thinks about datagrams, `tamis-selector` about servers; here are the sockets. Each
//! server has a connected socket of its own: the kernel then drops datagrams of anybody else, and tells at once when
//! nobody listens there.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tamis_domain::reputation::Answered;
use tamis_reputation_protocol::asking::{
    Asking, Cookies, Event, Fact, Outcome, Output, Plan, Sending, Times, Want,
};
use tamis_reputation_protocol::packet::Trace;
use tamis_runtime::{clock, telemetry};
use tamis_selector::{Failure, Flight, Freshness, Selector, ServerReport, Settings};
use tokio::sync::mpsc;

use super::questions::Asked;
use crate::metrics::Metrics;

mod lanes;

use lanes::{Came, Lanes};

/// Datagrams waiting for one question. A server sends two at most; the rest is somebody else's.
const CAME_MAX: usize = 16;

/// Share of the budget after which a silent server is given up for another.
const ANSWER_SHARE: u32 = 2;

/// Whether there was an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing was asked: no server is configured, or there was nothing to ask.
    NotAsked,
    /// No server answered in time.
    Silent,
    /// One did.
    Answered,
}

/// The reputation service, as the scanner asks it.
#[derive(Debug)]
pub struct Service {
    shared: Arc<Shared>,
    budget: Duration,
    metrics: Metrics,
}

#[derive(Debug)]
struct Shared {
    lanes: Lanes,
    mind: Mutex<Mind>,
}

/// What is known about servers.
#[derive(Debug)]
struct Mind {
    selector: Selector<SocketAddr>,
    cookies: Cookies,
    freshness: Freshness,
}

impl Service {
    /// Opens the lanes to the servers named (`host:port`) and keeps them up to date.
    /// Must be called inside a tokio runtime.
    #[must_use]
    pub fn start(servers: Vec<String>, budget: Duration, metrics: Metrics) -> Self {
        let settings = Settings {
            patience: budget.max(Settings::datagrams().patience),
            ..Settings::datagrams()
        };
        let mind = Mind {
            selector: Selector::new(settings),
            cookies: Cookies::default(),
            freshness: Freshness::default(),
        };
        let shared = Arc::new(Shared { lanes: Lanes::default(), mind: Mutex::new(mind) });
        tokio::spawn(lanes::discover(Arc::downgrade(&shared), servers));
        Self { shared, budget, metrics }
    }

    /// Asks once for everything, within the budget.
    pub async fn ask(&self, asked: Vec<Asked>) -> (Heard, Vec<Answered>) {
        let Some(mut question) = self.question(&asked) else {
            self.metrics.reputation(Heard::Silent, Duration::ZERO);
            return (Heard::Silent, Vec::new());
        };
        let began = clock::now();
        let outcome = question.run().await;
        let waited = clock::now().saturating_duration_since(began);
        question.settle_later();
        let (heard, listings) = match outcome {
            Outcome::Answered { listings, .. } => (Heard::Answered, listings),
            Outcome::Unanswered => (Heard::Silent, Vec::new()),
            Outcome::NothingToAsk => (Heard::NotAsked, Vec::new()),
        };
        self.metrics.reputation(heard, waited);
        let answered = asked.iter().zip(listings).map(|(asked, listing)| Answered {
            signature: asked.item.signature,
            part: asked.part,
            listing,
        });
        (heard, answered.collect())
    }

    /// What the selector thinks of each server.
    #[must_use]
    pub fn report(&self) -> Vec<ServerReport<SocketAddr>> {
        self.shared.mind().selector.snapshot(clock::now())
    }

    /// A question on its way; `None` when no server is known.
    fn question(&self, asked: &[Asked]) -> Option<Question> {
        let now = clock::now();
        let id = random();
        let mut mind = self.shared.mind();
        let choice = mind.selector.choose(now, id)?;
        let plan = Plan {
            items: asked.iter().map(|asked| asked.item).collect(),
            id,
            trace: telemetry::propagation::current_trace()
                .map(|(trace_id, parent_span_id)| Trace { trace_id, parent_span_id }),
            is_sighting: false,
            times: Times {
                hedge_after: choice.hedge_after,
                answer_within: self.budget / ANSWER_SHARE,
                budget: self.budget,
            },
            first: mind.cookies.of(choice.server),
            probe: choice.probe.map(|probe| mind.cookies.of(probe)),
        };
        drop(mind);
        let (sender, came) = mpsc::channel(CAME_MAX);
        self.shared.lanes.expect(id, sender);
        let shared = Arc::clone(&self.shared);
        let asking = Asking::new(plan, now);
        Some(Question { shared, asking, flights: HashMap::new(), came, seed: id })
    }
}

impl Shared {
    fn mind(&self) -> MutexGuard<'_, Mind> {
        self.mind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One question between sockets and thought.
struct Question {
    shared: Arc<Shared>,
    asking: Asking,
    flights: HashMap<SocketAddr, Flight>,
    came: mpsc::Receiver<Came>,
    seed: u64,
}

impl Question {
    /// Until there is an outcome.
    async fn run(&mut self) -> Outcome {
        loop {
            if let Some(outcome) = self.act() {
                return outcome;
            }
            if !self.wait().await {
                return Outcome::Unanswered;
            }
        }
    }

    /// Lets servers that lost the race still be measured, without keeping the mail.
    fn settle_later(mut self) {
        if self.asking.is_settled() {
            return;
        }
        tokio::spawn(async move {
            while !self.asking.is_settled() && self.wait().await {
                self.act();
            }
        });
    }

    /// Waits for a datagram or a deadline; `false` when there is nothing to wait for.
    async fn wait(&mut self) -> bool {
        let Some(deadline) = self.asking.deadline() else { return false };
        tokio::select! {
            () = tokio::time::sleep_until(deadline.into()) => {
                self.asking.handle(Event::Timer, clock::now());
            }
            came = self.came.recv() => match came {
                None => return false,
                Some(Came::Datagram { from, bytes }) => {
                    self.asking.handle(Event::Received { from, datagram: &bytes }, clock::now());
                }
                Some(Came::Refused(server)) => {
                    self.asking.handle(Event::Refused(server), clock::now());
                }
            },
        }
        true
    }

    /// Does all that is to be done now.
    fn act(&mut self) -> Option<Outcome> {
        let mut outcome = None;
        while let Some(output) = self.asking.poll() {
            match output {
                Output::Send { server, datagram, sending } => self.send(server, &datagram, sending),
                Output::Want(want) => self.find(want),
                Output::Noted(fact) => self.note(fact),
                Output::Finished(found) => outcome = Some(found),
            }
        }
        outcome
    }

    fn send(&mut self, server: SocketAddr, datagram: &[u8], sending: Sending) {
        if sending != Sending::Proof
            && let Some(flight) = self.shared.mind().selector.sent(&server, clock::now())
        {
            self.flights.insert(server, flight);
        }
        if !self.shared.lanes.send(server, datagram) {
            self.asking.handle(Event::Refused(server), clock::now());
        }
    }

    fn find(&mut self, want: Want) {
        let now = clock::now();
        if let Want::Seal(server) = want {
            let server = self.shared.mind().cookies.of(server);
            return self.asking.handle(Event::Equipped(server), now);
        }
        self.seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        let mut mind = self.shared.mind();
        let found = match want {
            Want::Hedge(first) => mind.selector.hedge(&first, now, self.seed),
            Want::Another(_) | Want::Seal(_) => {
                mind.selector.choose(now, self.seed).map(|choice| choice.server)
            }
        };
        let server = found.map(|server| mind.cookies.of(server));
        drop(mind);
        self.asking.handle(server.map_or(Event::Nobody, Event::Ask), now);
    }

    fn note(&mut self, fact: Fact) {
        let now = clock::now();
        let mut mind = self.shared.mind();
        match fact {
            Fact::Answered { server, epoch, .. } => {
                let lag = mind.freshness.lag(epoch, now);
                mind.selector.staleness(&server, lag);
                if let Some(flight) = self.flights.remove(&server) {
                    mind.selector.answered(flight, now);
                }
                self.shared.lanes.is_alive(server);
            }
            Fact::TimedOut(server) => {
                if let Some(flight) = self.flights.remove(&server) {
                    mind.selector.failed(flight, Failure::Timeout, now);
                }
                self.shared.lanes.is_silent(server);
            }
            Fact::Refused(server) => {
                if let Some(flight) = self.flights.remove(&server) {
                    mind.selector.failed(flight, Failure::Refused, now);
                }
            }
            Fact::Cookie { server, cookie } => mind.cookies.learn(server, cookie),
            Fact::Ignored { from, why } => {
                tracing::debug!(%from, %why, "reputation datagram ignored")
            }
            // Nothing is asked under a seal here.
            Fact::Session { .. } | Fact::SessionLost { .. } => {}
            Fact::LeftOut(items) => tracing::debug!(items, "signatures left out of a question"),
        }
    }
}

impl Drop for Question {
    /// Whatever is still in flight has an unknown outcome.
    fn drop(&mut self) {
        self.shared.lanes.forget(self.asking.id());
        let now = clock::now();
        let mut mind = self.shared.mind();
        for (_, flight) in self.flights.drain() {
            mind.selector.abandoned(flight, now);
        }
    }
}

/// 64 bits that nobody can guess. Without them (no random source at all) answers could be forged, so time helps out.
fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        let now: Instant = clock::now();
        u64::from(clock::unix_time().subsec_nanos()) ^ ((now.elapsed().as_nanos() as u64) << 32)
    })
}
