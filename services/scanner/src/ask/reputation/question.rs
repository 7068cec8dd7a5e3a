//! One question on its way over one pool, between sockets and thought.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::reputation::Listing;
use tamis_reputation_protocol::asking::{
    Asking, Event, Fact, Outcome, Output, Plan, Sending, Server, Times, Want,
};
use tamis_reputation_protocol::packet::{Item, Trace};
use tamis_runtime::{clock, telemetry};
use tamis_selector::{CUT_OFF, Failure, Flight};
use tokio::sync::mpsc;
use tracing::Instrument as _;
use tracing::field::{Empty, display};

use super::lanes::Came;
use super::pool::{Mind, Pool};
use crate::metrics::Metrics;

/// Datagrams waiting for one question. A server sends two at most; the rest is somebody else's.
const CAME_MAX: usize = 16;

/// Share of the budget after which a silent server is given up for another.
const ANSWER_SHARE: u32 = 2;

/// What one pool told.
pub(super) struct Told {
    /// In the order of the items.
    pub(super) listings: Vec<Option<Listing>>,
    /// Items that had no room in the datagram: of these nothing is known.
    pub(super) left_out: usize,
}

/// Asks one pool; `None`: no server of it is known, or none answered in time.
pub(super) async fn ask(
    pool: &Arc<Pool>,
    items: Vec<Item>,
    is_sighting: bool,
    budget: Duration,
    metrics: &Metrics,
) -> Option<Told> {
    let span = span(items.len());
    // Within the span, so that who answers carries the trace on from here.
    let question = span.in_scope(|| Question::new(pool, items, is_sighting, budget, metrics));
    let mut question = question?;
    let outcome = question.run().instrument(span.clone()).await;
    match &outcome {
        Outcome::Answered { .. } => {
            if let Some(server) = question.answered_by {
                span.record("server.address", display(server.ip()));
                span.record("server.port", server.port());
            }
        }
        Outcome::Unanswered | Outcome::NothingToAsk => {
            span.record("error.type", "timeout").record("otel.status_code", "ERROR");
        }
    }
    let left_out = question.left_out;
    question.settle_later();
    match outcome {
        Outcome::Answered { listings, .. } => Some(Told { listings, left_out }),
        Outcome::Unanswered | Outcome::NothingToAsk => None,
    }
}

/// One question to one shard, whose servers may be tried one after another: one span a shard, of which there are few.
fn span(items: usize) -> tracing::Span {
    tracing::info_span!(
        "reputation.question",
        otel.kind = "client",
        otel.status_code = Empty,
        network.transport = "udp",
        server.address = Empty,
        server.port = Empty,
        "error.type" = Empty,
        items,
    )
}

/// One question between sockets and thought.
struct Question {
    pool: Arc<Pool>,
    asking: Asking,
    flights: HashMap<SocketAddr, Flight>,
    came: mpsc::Receiver<Came>,
    seed: u64,
    left_out: usize,
    answered_by: Option<SocketAddr>,
    metrics: Metrics,
}

impl Question {
    /// A question on its way; `None` when no server is known.
    fn new(
        pool: &Arc<Pool>,
        items: Vec<Item>,
        is_sighting: bool,
        budget: Duration,
        metrics: &Metrics,
    ) -> Option<Self> {
        let now = clock::now();
        let id = random();
        let mut mind = pool.mind();
        let choice = mind.selector.choose(now, id)?;
        let plan = Plan {
            items,
            id,
            trace: telemetry::propagation::current_trace()
                .map(|(trace_id, parent_span_id)| Trace { trace_id, parent_span_id }),
            is_sighting,
            times: Times {
                hedge_after: choice.hedge_after,
                answer_within: budget / ANSWER_SHARE,
                budget,
            },
            first: mind.equip(choice.server, now),
            probe: choice.probe.map(|probe| mind.equip(probe, now)),
        };
        drop(mind);
        let (sender, came) = mpsc::channel(CAME_MAX);
        pool.lanes.expect(id, sender);
        let (pool, asking) = (Arc::clone(pool), Asking::new(plan, now));
        let (flights, metrics) = (HashMap::new(), metrics.clone());
        Some(Self {
            pool,
            asking,
            flights,
            came,
            seed: id,
            left_out: 0,
            answered_by: None,
            metrics,
        })
    }

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
            && let Some(flight) = self.pool.mind().selector.sent(&server, clock::now())
        {
            self.flights.insert(server, flight);
        }
        if !self.pool.lanes.send(server, datagram) {
            self.asking.handle(Event::Refused(server), clock::now());
        }
    }

    fn find(&mut self, want: Want) {
        let now = clock::now();
        self.seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        let mut mind = self.pool.mind();
        let found = match want {
            Want::Hedge(first) => mind.selector.hedge(&first, now, self.seed),
            Want::Another(_) => mind.selector.choose(now, self.seed).map(|choice| choice.server),
            Want::Seal(server) => Some(server),
        };
        let server: Option<Server> = found.map(|server| mind.equip(server, now));
        drop(mind);
        let event = match (want, server) {
            (_, None) => Event::Nobody,
            (Want::Seal(_), Some(server)) => Event::Equipped(server),
            (_, Some(server)) => Event::Ask(server),
        };
        self.asking.handle(event, now);
    }

    fn note(&mut self, fact: Fact) {
        let now = clock::now();
        let mut mind = self.pool.mind();
        if let Err(fault) = mind.seal.note(&fact, now) {
            tracing::debug!(%fault, "session of a reputation server not believed");
        }
        match fact {
            Fact::Answered { server, epoch, is_stale, .. } => {
                let seen = mind.freshness.lag(epoch, now);
                let lag = if is_stale { CUT_OFF } else { seen };
                mind.selector.staleness(&server, lag);
                if let Some(flight) = self.flights.remove(&server) {
                    mind.selector.answered(flight, now);
                }
                self.pool.lanes.is_alive(server);
                self.answered_by.get_or_insert(server);
            }
            Fact::Elsewhere { server } => {
                self.metrics.reputation_elsewhere();
                if mind.elsewhere.is_to_be_told(now) {
                    tracing::warn!(%server, "a reputation server keeps other values than the map says; the map is read again when its file changes");
                }
            }
            Fact::TimedOut(server) => {
                if let Some(flight) = self.flights.remove(&server) {
                    mind.selector.failed(flight, Failure::Timeout, now);
                }
                self.pool.lanes.is_silent(server);
            }
            Fact::Refused(server) => {
                if let Some(flight) = self.flights.remove(&server) {
                    mind.selector.failed(flight, Failure::Refused, now);
                }
            }
            Fact::Cookie { server, cookie } => mind.cookies.learn(server, cookie),
            Fact::Session { .. } | Fact::SessionLost { .. } => {}
            Fact::Ignored { from, why } => {
                tracing::debug!(%from, %why, "reputation datagram ignored")
            }
            Fact::LeftOut(items) => {
                tracing::debug!(items, "signatures left out of a question");
                self.left_out = items;
            }
        }
    }
}

impl Drop for Question {
    /// Whatever is still in flight has an unknown outcome.
    fn drop(&mut self) {
        self.pool.lanes.forget(self.asking.id());
        let now = clock::now();
        let mut mind = self.pool.mind();
        for (_, flight) in self.flights.drain() {
            mind.selector.abandoned(flight, now);
        }
    }
}

impl Mind {
    /// A server with all that one question to it needs.
    fn equip(&mut self, server: SocketAddr, now: Instant) -> Server {
        let known = self.cookies.of(server);
        self.seal.equip(known, now)
    }
}

/// 64 bits that nobody can guess. Without them (no random source at all) answers could be forged, so time helps out.
fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        let now: Instant = clock::now();
        u64::from(clock::unix_time().subsec_nanos()) ^ ((now.elapsed().as_nanos() as u64) << 32)
    })
}
