//! The client's side: one question for one mail, over any number of datagrams, under one budget.
//!
//! The shell owns the socket, the clock and the `Selector`. It makes an [`Asking`] with the servers that the selector
//! chose, then drains [`Asking::poll`] after making it and after each [`Asking::handle`]:
//!
//! - [`Output::Send`]: send the bytes; a [`Sending::First`], `Probe`, `Hedge` or `Another` is a new flight for the
//!   selector, a [`Sending::Proof`] continues the flight of its server.
//! - [`Output::Want`]: the present servers are late. Ask the selector (`hedge` for [`Want::Hedge`], `choose` for
//!   [`Want::Another`]) and hand the server in with [`Event::Ask`]; or
//!   [`Event::Nobody`] when it names none.
//! - [`Output::Noted`]: a fact for the selector, the cookies, counters and the trace.
//! - [`Output::Finished`]: once; the mail goes on. The asking may be kept until [`Asking::is_settled`], so that the
//!   servers that lost the race are measured too; or dropped.

mod cookies;
mod flight;
mod selection;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tamis_domain::reputation::Listing;

use crate::packet::{Answer, Challenge, Item, Malformed, Question, Reply, Trace};
pub use cookies::{Cookies, SERVERS_MAX};
use flight::Flight;
use selection::Selection;

/// Different servers asked for one mail, probes and hedges included. More would be a storm, not a search.
pub const FLIGHTS_MAX: usize = 6;

/// Datagrams looked at for one question; the rest of a flood under a guessed number is not.
pub const DATAGRAMS_SEEN_MAX: usize = 64;

/// A server to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The cookie it gave last, see [`Cookies::of`]; 0: none yet.
    pub cookie: u64,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// With no answer for so long, another server is wanted to race the first (the selector's `hedge_after`).
    pub hedge_after: Option<Duration>,
    /// A server that is silent for so long has failed, and another is wanted in its place.
    pub answer_within: Duration,
    /// The end, counted from the beginning: the mail is judged without an answer.
    pub budget: Duration,
}

/// What one mail asks, and whom.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything worth asking, in the mail's order. What does not fit one datagram is left out by kind: texts, then
    /// parts, attachments, HTML, images, links, senders.
    pub items: Vec<Item>,
    /// A fresh random number: who cannot read the datagrams cannot forge an answer.
    pub id: u64,
    /// The trace of the mail, when it is sampled.
    pub trace: Option<Trace>,
    /// How long to wait.
    pub times: Times,
    /// The best server.
    pub first: Server,
    /// Another that is due for a measurement: asked at once, too.
    pub probe: Option<Server>,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A datagram came.
    Received {
        /// From this address.
        from: SocketAddr,
        /// With these bytes.
        datagram: &'a [u8],
    },
    /// The network says that nobody listens there (connection refused, port unreachable).
    Refused(SocketAddr),
    /// Ask this server as well: the answer to an [`Output::Want`].
    Ask(Server),
    /// There is nobody else to ask: the other answer to an [`Output::Want`], so that nothing waits for nobody.
    Nobody,
    /// The deadline has come. Harmless at any other time.
    Timer,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram.
    Send {
        /// To this server.
        server: SocketAddr,
        /// These bytes.
        datagram: Vec<u8>,
        /// Why.
        sending: Sending,
    },
    /// Name another server, if there is one worth asking.
    Want(Want),
    /// Something worth knowing.
    Noted(Fact),
    /// The end of the question, exactly once.
    Finished(Outcome),
}

/// Why a datagram is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// The question.
    First,
    /// The same, to measure an unknown server.
    Probe,
    /// The same, because the first server is later than usual.
    Hedge,
    /// The same, because a server failed.
    Another,
    /// The same once more to the same server, now with the cookie that it demanded.
    Proof,
}

/// Which server is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// One to race this one, within the budget for duplicates.
    Hedge(SocketAddr),
    /// One to replace this one, which failed. The same again is allowed where there is no other.
    Another(SocketAddr),
}

/// Something worth knowing, for selector, cookies, counters and trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A good answer came, the first or a later one.
    Answered {
        /// From this server.
        server: SocketAddr,
        /// So long after it was asked, with proof where it demanded one.
        after: Duration,
        /// With this epoch.
        epoch: u64,
        /// After [`Fact::TimedOut`] was noted of it: its flight is over already.
        late: bool,
    },
    /// A server was silent for too long.
    TimedOut(SocketAddr),
    /// Nobody listens there.
    Refused(SocketAddr),
    /// A server gave a cookie: keep it with [`Cookies::learn`].
    Cookie {
        /// This server.
        server: SocketAddr,
        /// This cookie.
        cookie: u64,
    },
    /// A datagram was not believed.
    Ignored {
        /// It came from here, if that is true.
        from: SocketAddr,
        /// Why not.
        why: Disbelief,
    },
    /// Items did not fit the datagram and were not asked.
    LeftOut(usize),
}

/// Why a datagram was not believed. Always the peer's fault, or an attacker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disbelief {
    /// It is no reply.
    #[error("{0}")]
    Malformed(Malformed),
    /// It does not answer this question.
    #[error("it answers another question")]
    Id,
    /// It comes from somebody who was not asked.
    #[error("its sender was not asked")]
    Sender,
    /// It has more or fewer listings than items were asked.
    #[error("it has {0} listings, which is not what was asked")]
    Count(usize),
    /// It is longer than the question.
    #[error("it is longer than the question")]
    Longer,
    /// A second demand for proof.
    #[error("proof was given already")]
    Twice,
}

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Answered {
        /// By this server.
        server: SocketAddr,
        /// With this epoch.
        epoch: u64,
        /// One for each of [`Plan::items`], in their order. Items left out have `None`, like unknown ones.
        listings: Vec<Option<Listing>>,
    },
    /// Without: the budget is spent, or all refused and nobody else was named.
    Unanswered,
    /// There was nothing to ask.
    NothingToAsk,
}

/// One question on its way.
#[derive(Debug)]
pub struct Asking {
    question: Question,
    question_bytes: usize,
    selection: Selection,
    times: Times,
    ends_at: Instant,
    flights: Vec<Flight>,
    hedge_at: Option<Instant>,
    finished: bool,
    seen: usize,
    outputs: VecDeque<Output>,
}

impl Asking {
    /// Begins a question. Drain [`Asking::poll`] at once.
    #[must_use]
    pub fn new(plan: Plan, now: Instant) -> Self {
        let selection = Selection::of(&plan.items, plan.trace.is_some());
        let items = selection.items(&plan.items);
        let question = Question { id: plan.id, cookie: 0, trace: plan.trace, items };
        let mut asking = Self {
            question_bytes: question.wire_bytes(),
            question,
            times: plan.times,
            ends_at: now + plan.times.budget,
            flights: Vec::new(),
            hedge_at: plan.times.hedge_after.map(|after| now + after),
            finished: false,
            seen: 0,
            outputs: VecDeque::new(),
            selection,
        };
        if asking.question.items.is_empty() {
            asking.finish(Outcome::NothingToAsk);
            return asking;
        }
        if asking.selection.left_out() > 0 {
            asking.note(Fact::LeftOut(asking.selection.left_out()));
        }
        asking.ask(plan.first, Sending::First, now);
        if let Some(probe) = plan.probe {
            asking.ask(probe, Sending::Probe, now);
        }
        asking
    }

    /// The random number of this question: hand datagrams with it ([`Reply::id_of`]) to this asking.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.question.id
    }

    /// Takes what happened.
    pub fn handle(&mut self, event: Event<'_>, now: Instant) {
        match event {
            Event::Received { from, datagram } => self.receive(from, datagram, now),
            Event::Refused(server) => self.refused(server, now),
            Event::Ask(server) => {
                let hedge = self.flights.iter().any(Flight::is_waiting);
                let sending = if hedge { Sending::Hedge } else { Sending::Another };
                self.ask(server, sending, now);
            }
            Event::Nobody => self.give_up_if_hopeless(),
            Event::Timer => {}
        }
        self.pass_time(now);
    }

    /// The next thing to do; call until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call with [`Event::Timer`]. None: nothing is waited for any more.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.is_settled() {
            return None;
        }
        let flights = self.flights.iter().filter(|flight| flight.is_waiting());
        // With nobody to race, its time may pass without an effect, and must wake nobody up.
        let racing = !self.finished && flights.clone().next().is_some();
        let hedge = self.hedge_at.filter(|_| racing);
        let silent = flights.map(|flight| flight.sent_at + self.times.answer_within);
        silent.chain(hedge).chain([self.ends_at]).min()
    }

    /// Whether it is finished and no server is waited for any more, not even to be measured.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.finished && !self.flights.iter().any(Flight::is_waiting)
    }

    fn ask(&mut self, server: Server, sending: Sending, now: Instant) {
        if self.finished || self.flights.len() >= FLIGHTS_MAX || now >= self.ends_at {
            return;
        }
        if self.flights.iter().any(|it| it.server == server.address && it.is_waiting()) {
            return;
        }
        self.flights.push(Flight::new(server.address, now));
        self.send(server.address, server.cookie, sending);
    }

    fn send(&mut self, server: SocketAddr, cookie: u64, sending: Sending) {
        self.question.cookie = cookie;
        let datagram = self.question.encode();
        self.outputs.push_back(Output::Send { server, datagram, sending });
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        if self.seen >= DATAGRAMS_SEEN_MAX {
            return;
        }
        self.seen += 1;
        // The latest flight: a server that failed may have been asked again.
        let believed = match self.flights.iter().rposition(|flight| flight.server == from) {
            None => Err(Disbelief::Sender),
            Some(place) => self.reply(datagram).and_then(|reply| match reply {
                Reply::Answer(answer) => self.answered(place, answer, now),
                Reply::Challenge(challenge) => self.challenged(place, &challenge, now),
            }),
        };
        if let Err(why) = believed {
            self.note(Fact::Ignored { from, why });
        }
    }

    fn reply(&self, datagram: &[u8]) -> Result<Reply, Disbelief> {
        if datagram.len() > self.question_bytes {
            return Err(Disbelief::Longer);
        }
        let reply = Reply::decode(datagram).map_err(Disbelief::Malformed)?;
        let id = match &reply {
            Reply::Answer(answer) => answer.id,
            Reply::Challenge(challenge) => challenge.id,
        };
        if id != self.question.id {
            return Err(Disbelief::Id);
        }
        Ok(reply)
    }

    fn answered(&mut self, place: usize, answer: Answer, now: Instant) -> Result<(), Disbelief> {
        if answer.listings.len() != self.question.items.len() {
            return Err(Disbelief::Count(answer.listings.len()));
        }
        let Some(flight) = self.flights.get_mut(place) else { return Ok(()) };
        let server = flight.server;
        let Some(late) = flight.answer() else {
            // The network delivered it twice.
            return Ok(());
        };
        let after = now.saturating_duration_since(self.asked_first(server, now));
        self.note(Fact::Answered { server, after, epoch: answer.epoch, late });
        if let Some(cookie) = answer.fresh_cookie {
            self.note(Fact::Cookie { server, cookie });
        }
        let listings = self.selection.spread(&answer.listings);
        self.finish(Outcome::Answered { server, epoch: answer.epoch, listings });
        Ok(())
    }

    /// When a server was first asked. One that was asked again may be answering either question: the longer time is
    /// believed, so that no slow server is praised for an old answer (Karn and Partridge 1987).
    fn asked_first(&self, server: SocketAddr, now: Instant) -> Instant {
        let flights = self.flights.iter().filter(|flight| flight.server == server);
        flights.map(|flight| flight.sent_at).min().unwrap_or(now)
    }

    fn challenged(
        &mut self,
        place: usize,
        challenge: &Challenge,
        now: Instant,
    ) -> Result<(), Disbelief> {
        let Some(flight) = self.flights.get_mut(place) else { return Ok(()) };
        if !flight.prove(now) {
            return Err(Disbelief::Twice);
        }
        let server = flight.server;
        self.note(Fact::Cookie { server, cookie: challenge.cookie });
        if let (Some(_), Some(after)) = (self.hedge_at, self.times.hedge_after) {
            self.hedge_at = Some(now + after);
        }
        // Also after the race is lost: the probe then measures the server and not the challenge.
        if now < self.ends_at {
            self.send(server, challenge.cookie, Sending::Proof);
        }
        Ok(())
    }

    fn refused(&mut self, server: SocketAddr, now: Instant) {
        let waiting = |flight: &&mut Flight| flight.server == server && flight.is_waiting();
        let Some(flight) = self.flights.iter_mut().find(waiting) else { return };
        flight.refuse();
        self.note(Fact::Refused(server));
        if self.flights.len() < FLIGHTS_MAX {
            self.want_another(server, now);
        } else {
            self.give_up_if_hopeless();
        }
    }

    /// Ends the question when everybody asked has refused: even a late answer cannot come.
    fn give_up_if_hopeless(&mut self) {
        if self.flights.iter().all(Flight::is_refused) {
            self.finish(Outcome::Unanswered);
        }
    }

    fn pass_time(&mut self, now: Instant) {
        let over = now >= self.ends_at;
        let (within, mut silent) = (self.times.answer_within, Vec::new());
        for flight in self.flights.iter_mut().filter(|flight| flight.is_waiting()) {
            if over || now >= flight.sent_at + within {
                flight.fail();
                silent.push(flight.server);
            }
        }
        for server in &silent {
            self.note(Fact::TimedOut(*server));
        }
        if over {
            self.finish(Outcome::Unanswered);
            return;
        }
        for server in silent {
            self.want_another(server, now);
        }
        if !self.finished
            && self.hedge_at.is_some_and(|at| now >= at)
            && let Some(waiting) = self.flights.iter().find(|flight| flight.is_waiting())
        {
            self.hedge_at = None;
            self.outputs.push_back(Output::Want(Want::Hedge(waiting.server)));
        }
    }

    /// A failed server is replaced, unless another is still being waited for.
    fn want_another(&mut self, failed: SocketAddr, now: Instant) {
        let racing = self.flights.iter().any(Flight::is_waiting);
        if !self.finished && !racing && self.flights.len() < FLIGHTS_MAX && now < self.ends_at {
            self.outputs.push_back(Output::Want(Want::Another(failed)));
        }
    }

    fn finish(&mut self, outcome: Outcome) {
        if !self.finished {
            self.finished = true;
            self.hedge_at = None;
            self.outputs.push_back(Output::Finished(outcome));
        }
    }

    fn note(&mut self, fact: Fact) {
        self.outputs.push_back(Output::Noted(fact));
    }
}
