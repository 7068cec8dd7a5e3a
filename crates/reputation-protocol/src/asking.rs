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
//!   [`Want::Seal`] is answered by [`Event::Equipped`].
//! - [`Output::Noted`]: a fact for the selector, the cookies, the seals, counters and the trace.
//! - [`Output::Finished`]: once; the mail goes on. The asking may be kept until [`Asking::is_settled`], so that the
//!   servers that lost the race are measured too; or dropped.

mod cookies;
mod flight;
mod selection;
mod terms;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use crate::packet::{Answer, Challenge, Question, Reply, SealedHead, Session, Shape};
use crate::seal::Seal;
pub use cookies::{Cookies, SERVERS_MAX};
use flight::{Flight, Stage};
use selection::Selection;
pub use terms::{Disbelief, Event, Fact, Outcome, Output, Plan, Sending, Server, Times, Want};

/// Different servers asked for one mail, probes and hedges included. More would be a storm, not a search.
pub const FLIGHTS_MAX: usize = 6;

/// Datagrams looked at for one question; the rest of a flood under a guessed number is not.
pub const DATAGRAMS_SEEN_MAX: usize = 64;

/// One question on its way.
#[derive(Debug)]
pub struct Asking {
    question: Question,
    /// Whether the question is to be counted, and the server that may have done so: no other is asked to.
    is_sighting: bool,
    counted_by: Option<SocketAddr>,
    /// All servers are asked under a seal, or none is.
    is_sealed: bool,
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
        let is_sealed = plan.first.seal.is_on();
        let selection = Selection::of(&plan.items, plan.trace.is_some(), is_sealed);
        let items = selection.items(&plan.items);
        let Plan { id, trace, is_sighting, .. } = plan;
        let question = Question { id, cookie: 0, trace, is_sighting, items };
        let mut asking = Self {
            question,
            is_sighting,
            counted_by: None,
            is_sealed,
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
            Event::Equipped(server) => self.equipped(server, now),
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

    /// Whether it is finished and no server is waited for any more, not even to be measured or for a new session.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.finished && !self.flights.iter().any(|flight| flight.is_waiting() || flight.renews)
    }

    fn ask(&mut self, server: Server, sending: Sending, now: Instant) {
        if self.finished || self.flights.len() >= FLIGHTS_MAX || now >= self.ends_at {
            return;
        }
        if self.flights.iter().any(|it| it.server == server.address && it.is_waiting()) {
            return;
        }
        // A question that was chosen for the wrong kind of server may not fit it, and must not go out in clear.
        if server.seal.is_on() != self.is_sealed {
            return self.give_up_if_hopeless();
        }
        self.flights.push(Flight::new(server.address, now));
        self.send(server, sending, now);
    }

    /// Sends the next datagram of the latest flight to a server: the question, or the hello that has to come before.
    fn send(&mut self, server: Server, sending: Sending, now: Instant) {
        let address = server.address;
        let Some(place) = self.flights.iter().rposition(|flight| flight.server == address) else {
            return;
        };
        let mut beside = None;
        let is_shown = match server.seal {
            Seal::Off => server.cookie != 0,
            Seal::Open(_) => false,
            Seal::Sealed(_) => true,
        };
        self.question.is_sighting = self.may_count(address, sending, is_shown);
        let (datagram, stage) = match server.seal {
            Seal::Off => {
                self.question.cookie = server.cookie;
                (self.question.encode(), Stage::Asked)
            }
            Seal::Open(opening) => {
                (opening.hello(self.question.id, server.cookie), Stage::Greeted(opening))
            }
            // Our own library refuses: the flight times out like one to a silent server.
            Seal::Sealed(ticket) => {
                beside = ticket.renewal(self.question.id);
                match ticket.seal(&self.question) {
                    Ok((datagram, stub)) => (datagram, Stage::Sealed(stub)),
                    Err(_) => return,
                }
            }
        };
        if let Some(flight) = self.flights.get_mut(place) {
            let longest = datagram.len().max(beside.as_ref().map_or(0, Vec::len));
            flight.goes_on(stage, longest, now);
            flight.renews = beside.is_some();
        }
        self.outputs.push_back(Output::Send { server: address, datagram, sending });
        if let Some(datagram) = beside {
            let sending = Sending::Proof;
            self.outputs.push_back(Output::Send { server: address, datagram, sending });
        }
    }

    /// Whether this server is asked to count the question. One mail is one sighting, however many servers are raced for
    /// it: once a datagram that may be answered (`is_shown`) has asked one server to count, no other one is asked to,
    /// unless that one has refused. Rather none than two: a server that is silent may have counted.
    fn may_count(&mut self, address: SocketAddr, sending: Sending, is_shown: bool) -> bool {
        let is_free = match self.counted_by {
            None => true,
            // It said that it did not answer the datagram before.
            Some(by) => by == address && sending == Sending::Proof,
        };
        let may_count = self.is_sighting && is_free;
        if may_count && is_shown {
            self.counted_by = Some(address);
        }
        may_count
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        if self.seen >= DATAGRAMS_SEEN_MAX {
            return;
        }
        self.seen += 1;
        // The latest flight: a server that failed may have been asked again.
        let believed = match self.flights.iter().rposition(|flight| flight.server == from) {
            None => Err(Disbelief::Sender),
            Some(place) => self.reply(place, datagram, now),
        };
        if let Err(why) = believed {
            self.note(Fact::Ignored { from, why });
        }
    }

    fn reply(&mut self, place: usize, datagram: &[u8], now: Instant) -> Result<(), Disbelief> {
        let Some(flight) = self.flights.get(place) else { return Ok(()) };
        if datagram.len() > flight.sent_bytes {
            return Err(Disbelief::Longer);
        }
        if Shape::of(datagram) == Shape::Sealed {
            let (head, _) = SealedHead::answer(datagram).map_err(Disbelief::Malformed)?;
            let Stage::Sealed(stub) = &flight.stage else { return Err(Disbelief::NotSealed) };
            if head.id != self.question.id {
                return Err(Disbelief::Id);
            }
            let answer = stub.open(&head, datagram).map_err(Disbelief::Seal)?;
            return self.answered(place, answer.map_err(Disbelief::Malformed)?, now);
        }
        let reply = Reply::decode(datagram).map_err(Disbelief::Malformed)?;
        if reply.id() != self.question.id {
            return Err(Disbelief::Id);
        }
        match reply {
            Reply::Answer(_) if self.is_sealed => Err(Disbelief::Unsealed),
            Reply::Answer(answer) => self.answered(place, answer, now),
            Reply::Challenge(challenge) => self.challenged(place, &challenge, now),
            Reply::Session(reply) => self.welcomed(place, reply),
        }
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
        let Answer { epoch, is_stale, is_elsewhere, .. } = answer;
        self.note(Fact::Answered { server, after, epoch, is_stale, late });
        if let Some(cookie) = answer.fresh_cookie {
            self.note(Fact::Cookie { server, cookie });
        }
        if is_elsewhere {
            // Not an answer: what is asked for is kept by others than the map says, and its replicas keep the same.
            self.note(Fact::Elsewhere { server });
            if !self.flights.iter().any(Flight::is_waiting) {
                self.finish(Outcome::Unanswered);
            }
            return Ok(());
        }
        let listings = self.selection.spread(&answer.listings);
        self.finish(Outcome::Answered { server, epoch, listings });
        Ok(())
    }

    /// When a server was first asked. One that was asked again may be answering either question: the longer time is
    /// believed, so that no slow server is praised for an old answer (Karn and Partridge 1987).
    fn asked_first(&self, server: SocketAddr, now: Instant) -> Instant {
        let flights = self.flights.iter().filter(|flight| flight.server == server);
        flights.map(|flight| flight.sent_at).min().unwrap_or(now)
    }

    /// Proof is demanded of a question or a hello, or a session is not known: then all begins anew, once.
    fn challenged(
        &mut self,
        place: usize,
        challenge: &Challenge,
        now: Instant,
    ) -> Result<(), Disbelief> {
        let Some(flight) = self.flights.get_mut(place) else { return Ok(()) };
        let server = flight.server;
        let (lost, opening) = match &flight.stage {
            Stage::Sealed(stub) => (Some(stub.session), None),
            Stage::Greeted(opening) => (None, Some(opening.clone())),
            Stage::Asked => (None, None),
        };
        let believed = if lost.is_some() { flight.reopen() } else { flight.prove() };
        if !believed {
            return Err(Disbelief::Twice);
        }
        flight.wants_seal |= lost.is_some();
        flight.renews = false;
        self.note(Fact::Cookie { server, cookie: challenge.cookie });
        if let Some(session) = lost {
            self.note(Fact::SessionLost { server, session });
            self.outputs.push_back(Output::Want(Want::Seal(server)));
            return Ok(());
        }
        let seal = opening.map_or(Seal::Off, Seal::Open);
        self.go_on(Server { address: server, cookie: challenge.cookie, seal }, now);
        Ok(())
    }

    /// The server's half of a handshake, to be judged by who holds the secrets.
    fn welcomed(&mut self, place: usize, reply: Session) -> Result<(), Disbelief> {
        let Some(flight) = self.flights.get_mut(place) else { return Ok(()) };
        let server = flight.server;
        if std::mem::take(&mut flight.renews) {
            self.note(Fact::Session { server, reply });
            return Ok(());
        }
        if !matches!(flight.stage, Stage::Greeted(_)) {
            return Err(if self.is_sealed { Disbelief::Twice } else { Disbelief::NotSealed });
        }
        flight.wants_seal = true;
        self.note(Fact::Session { server, reply });
        self.outputs.push_back(Output::Want(Want::Seal(server)));
        Ok(())
    }

    /// Goes on with a flight whose session was made or lost.
    fn equipped(&mut self, server: Server, now: Instant) {
        let is_its = |flight: &&mut Flight| flight.server == server.address;
        let Some(flight) = self.flights.iter_mut().rfind(is_its) else { return };
        let wanted = std::mem::take(&mut flight.wants_seal);
        let goes_on = match (&flight.stage, &server.seal) {
            (_, Seal::Off) | (Stage::Asked, _) => false,
            // What was taken for a session was none: the hello is still on its way.
            (Stage::Greeted(_), Seal::Open(_)) => false,
            _ => wanted,
        };
        if goes_on {
            self.go_on(server, now);
        }
    }

    /// The next datagram of a flight. Also after the race is lost: the probe then measures the server and not the
    /// handshake.
    fn go_on(&mut self, server: Server, now: Instant) {
        if let (Some(_), Some(after)) = (self.hedge_at, self.times.hedge_after) {
            self.hedge_at = Some(now + after);
        }
        if now < self.ends_at {
            self.send(server, Sending::Proof, now);
        }
    }

    fn refused(&mut self, server: SocketAddr, now: Instant) {
        let waiting = |flight: &&mut Flight| flight.server == server && flight.is_waiting();
        let Some(flight) = self.flights.iter_mut().find(waiting) else { return };
        flight.refuse();
        self.counted_by = self.counted_by.filter(|by| *by != server);
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
            self.flights.iter_mut().for_each(|flight| flight.renews = false);
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
