//! A discrete-event world: clients ask by a Poisson process, servers queue, answer, lose, lag and die.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use tamis_selector::{Accounting, CUT_OFF, Failure, Freshness, Settings};

use super::rivals::{Plan, Policy};

/// Nanoseconds since the start of a world.
pub type Nanos = u64;

pub const US: Nanos = 1_000;
pub const MS: Nanos = 1_000_000;
pub const SECOND: Nanos = 1_000_000_000;

/// What is asked: the constants of the two uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Lookups of some 50 us at one worker, 100 us away.
    Datagrams,
    /// Mails at eight workers, a millisecond away: four in five known (the mean of the scene), the fifth read in full, in
    /// twenty times as long.
    Streams,
}

impl Nature {
    pub fn settings(self) -> Settings {
        match self {
            Self::Datagrams => Settings::datagrams(),
            Self::Streams => Settings::streams(),
        }
    }

    /// The asker's own budget for one question.
    pub fn timeout(self) -> Nanos {
        match self {
            Self::Datagrams => 25 * MS,
            Self::Streams => 10 * SECOND,
        }
    }

    fn workers(self) -> usize {
        match self {
            Self::Datagrams => 1,
            Self::Streams => 8,
        }
    }

    /// Mean of one way, and what is added now and then by a pause.
    fn way_and_pause(self) -> (Nanos, Nanos) {
        match self {
            Self::Datagrams => (50 * US, 2 * MS),
            Self::Streams => (500 * US, 20 * MS),
        }
    }

    fn service(self, mean: Nanos, random: &mut Random) -> Nanos {
        let in_full = self == Self::Streams && random.below(5) == 0;
        random.exponential(if in_full { 20 * mean } else { mean })
    }
}

/// How one server behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Behaviour {
    Healthy,
    /// Every answer takes so much longer.
    Slow(Nanos),
    /// Slow until then, healthy after.
    SlowUntil(Nanos, Nanos),
    /// Loses this part of the questions.
    Lossy(f64),
    /// The same, and every answer takes so much longer.
    LossyAndFar(f64, Nanos),
    /// Healthy, but its data stand still from the start.
    Stale,
    /// The same, and it says so in its answers.
    CutOff,
    /// Silent in the second half of each period.
    Flapping(Nanos),
    /// Silent for ever.
    Dead,
    /// Nobody listens: the host says so.
    Refusing,
    /// Silent between the two times.
    DeadBetween(Nanos, Nanos),
    /// Appears at this time with empty caches: its first fifty answers take 5 ms longer.
    Cold(Nanos),
}

impl Behaviour {
    fn is_stale(self) -> bool {
        matches!(self, Self::Stale | Self::CutOff)
    }
}

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Scene {
    pub nature: Nature,
    pub seed: u64,
    pub servers: Vec<Behaviour>,
    pub clients: usize,
    /// Of each client.
    pub questions_per_second: u64,
    pub questions: usize,
    /// Mean time of one question at the server's single worker.
    pub service: Nanos,
}

/// What came of it.
#[derive(Debug, Default, Clone)]
pub struct Outcome {
    /// Response time of each question, in the order in which they were asked.
    pub times: Vec<Nanos>,
    /// (time, server) of each first choice.
    pub choices: Vec<(Nanos, usize)>,
    /// Answers used that came from a server whose data stand still.
    pub stale_answers: usize,
    pub lost: usize,
    pub extra: u64,
    pub cold_probes: u64,
    /// Clients, each of which begins with some hedges in hand.
    pub clients: u64,
}

impl Outcome {
    pub fn percentile_us(&self, per_mille: usize) -> u64 {
        percentile_us(&mut self.times.clone(), per_mille)
    }

    /// Part of the choices made from `since` on that went to `server`.
    pub fn share(&self, server: usize, since: Nanos, until: Nanos) -> f64 {
        let within = |at: Nanos| at >= since && at < until;
        let all = self.choices.iter().filter(|(at, _)| within(*at)).count();
        let its = self.choices.iter().filter(|(at, to)| within(*at) && *to == server).count();
        its as f64 / all.max(1) as f64
    }

    pub fn merge(&mut self, other: Outcome) {
        self.times.extend(other.times);
        self.stale_answers += other.stale_answers;
        self.lost += other.lost;
        self.extra += other.extra;
        self.cold_probes += other.cold_probes;
        self.clients += other.clients;
    }
}

pub fn percentile_us(times: &mut [Nanos], per_mille: usize) -> u64 {
    times.sort_unstable();
    let at = times.len() * per_mille / 1000;
    times.get(at.min(times.len().saturating_sub(1))).map_or(0, |time| time / US)
}

/// SplitMix64 (Steele et al. 2014).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// Uniform in 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: Nanos) -> Nanos {
        (-(1.0 - self.unit()).ln() * mean as f64) as Nanos
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ask(usize),
    Answer(usize),
    Timeout(usize),
    Hedge(usize),
    Appear(usize),
}

/// One datagram: the first, the probe or the hedge of a question.
struct Datagram<T> {
    question: usize,
    server: usize,
    refused: bool,
    epoch: u64,
    token: Option<T>,
}

struct Question {
    client: usize,
    asked_at: Nanos,
    first: usize,
    answered: bool,
}

struct Server {
    behaviour: Behaviour,
    /// When each worker is free.
    free_at: Vec<Nanos>,
    served: u64,
}

/// A world in motion. `P` is how its clients choose.
pub struct World<P: Policy> {
    scene: Scene,
    random: Random,
    start: Instant,
    events: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    serial: u64,
    clients: Vec<(P, Freshness)>,
    servers: Vec<Server>,
    questions: Vec<Question>,
    datagrams: BTreeMap<usize, Datagram<P::Token>>,
    sent: usize,
    outcome: Outcome,
}

/// Runs a scene with clients that choose as `P` does.
pub fn run<P: Policy>(scene: &Scene) -> Outcome {
    World::<P>::new(scene.clone()).run()
}

impl<P: Policy> World<P> {
    #[allow(clippy::disallowed_methods)] // an `Instant` has no other constructor; only differences count
    fn new(scene: Scene) -> Self {
        let start = Instant::now();
        let present: Vec<usize> = (0..scene.servers.len())
            .filter(|&at| !matches!(scene.servers[at], Behaviour::Cold(_)))
            .collect();
        let free_at = vec![0; scene.nature.workers()];
        let server =
            |&behaviour: &Behaviour| Server { behaviour, free_at: free_at.clone(), served: 0 };
        let mut world = Self {
            random: Random(scene.seed),
            start,
            events: BinaryHeap::new(),
            serial: 0,
            clients: (0..scene.clients)
                .map(|_| (P::new(&present, scene.nature.settings(), start), Freshness::default()))
                .collect(),
            servers: scene.servers.iter().map(server).collect(),
            questions: Vec::with_capacity(scene.questions),
            datagrams: BTreeMap::new(),
            sent: 0,
            outcome: Outcome::default(),
            scene,
        };
        world.plan_first_events();
        world
    }

    fn plan_first_events(&mut self) {
        for client in 0..self.scene.clients {
            let at = self.random.exponential(SECOND / self.scene.questions_per_second);
            self.plan(at, Event::Ask(client));
        }
        for server in 0..self.servers.len() {
            if let Behaviour::Cold(at) = self.servers[server].behaviour {
                self.plan(at, Event::Appear(server));
            }
        }
    }

    fn run(mut self) -> Outcome {
        while let Some(Reverse((now, _, event))) = self.events.pop() {
            match event {
                Event::Ask(client) => self.ask(client, now),
                Event::Answer(datagram) => self.answer(datagram, now),
                Event::Timeout(datagram) => self.timeout(datagram, now),
                Event::Hedge(question) => self.hedge(question, now),
                Event::Appear(server) => self.appear(server, now),
            }
        }
        self.finish()
    }

    fn finish(mut self) -> Outcome {
        for (policy, _) in &self.clients {
            let Accounting { cold_probes, .. } = policy.accounting();
            self.outcome.extra += policy.accounting().extra();
            self.outcome.cold_probes += cold_probes;
            self.outcome.clients += 1;
        }
        self.outcome.lost = self.questions.iter().filter(|question| !question.answered).count();
        self.outcome
    }

    fn plan(&mut self, at: Nanos, event: Event) {
        self.serial += 1;
        self.events.push(Reverse((at, self.serial, event)));
    }

    fn instant(&self, at: Nanos) -> Instant {
        self.start + Duration::from_nanos(at)
    }

    fn ask(&mut self, client: usize, now: Nanos) {
        if self.questions.len() == self.scene.questions {
            return;
        }
        let seed = self.random.next();
        let instant = self.instant(now);
        let Plan { server, probe, hedge_after } = self.clients[client].0.choose(instant, seed);
        let question = self.questions.len();
        self.questions.push(Question { client, asked_at: now, first: server, answered: false });
        self.outcome.times.push(self.scene.nature.timeout());
        self.outcome.choices.push((now, server));
        self.send(question, server, now);
        if let Some(probe) = probe {
            self.send(question, probe, now);
        }
        if let Some(after) = hedge_after {
            self.plan(now + after.as_nanos() as Nanos, Event::Hedge(question));
        }
        let next = now + self.random.exponential(SECOND / self.scene.questions_per_second);
        self.plan(next, Event::Ask(client));
    }

    fn send(&mut self, question: usize, server: usize, now: Nanos) {
        let client = self.questions[question].client;
        let instant = self.instant(now);
        let token = self.clients[client].0.sent(server, instant);
        let id = self.sent;
        self.sent += 1;
        let (arrives_at, refused) = self.travel(server, now);
        let patience_ends = now + self.scene.nature.timeout();
        match arrives_at {
            Some(at) if at < patience_ends => self.plan(at, Event::Answer(id)),
            _ => self.plan(patience_ends, Event::Timeout(id)),
        }
        let stale = self.servers[server].behaviour.is_stale();
        let epoch = if stale { 0 } else { now / (100 * MS) }; // ten writes a second
        self.datagrams.insert(id, Datagram { question, server, refused, epoch, token });
    }

    /// When the answer arrives, if it does, and whether it is the host saying that nobody listens.
    fn travel(&mut self, server: usize, now: Nanos) -> (Option<Nanos>, bool) {
        let (way, pause) = self.scene.nature.way_and_pause();
        let way = 2 * (way + self.random.exponential(way / 3));
        let pause = if self.random.below(500) == 0 { pause } else { 0 };
        let service = self.scene.nature.service(self.scene.service, &mut self.random);
        let lost = self.random.unit();
        let server = &mut self.servers[server];
        let mut late = 0;
        match server.behaviour {
            Behaviour::Healthy | Behaviour::Stale | Behaviour::CutOff => {}
            Behaviour::Slow(more) => late = more,
            Behaviour::SlowUntil(more, until) if now < until => late = more,
            Behaviour::SlowUntil(..) => {}
            Behaviour::Lossy(part) if lost < part => return (None, false),
            Behaviour::LossyAndFar(part, _) if lost < part => return (None, false),
            Behaviour::Lossy(_) => {}
            Behaviour::LossyAndFar(_, more) => late = more,
            Behaviour::Flapping(period) if now % period >= period / 2 => return (None, false),
            Behaviour::Flapping(_) => {}
            Behaviour::Dead => return (None, false),
            Behaviour::Refusing => return (Some(now + way), true),
            Behaviour::DeadBetween(from, to) if (from..to).contains(&now) => return (None, false),
            Behaviour::DeadBetween(..) => {}
            Behaviour::Cold(_) if server.served < 50 => late = 5 * MS,
            Behaviour::Cold(_) => {}
        }
        server.served += 1;
        let Some(free_at) = server.free_at.iter_mut().min() else { return (None, false) };
        *free_at = (*free_at).max(now + way / 2) + service;
        (Some(*free_at + way / 2 + late + pause), false)
    }

    fn answer(&mut self, id: usize, now: Nanos) {
        let Some(datagram) = self.datagrams.remove(&id) else { return };
        let instant = self.instant(now);
        let question = &mut self.questions[datagram.question];
        let (policy, freshness) = &mut self.clients[question.client];
        if datagram.refused {
            policy.failed(datagram.token, datagram.server, Failure::Refused, instant);
            return self.ask_again(datagram.question, datagram.server, now);
        }
        policy.answered(datagram.token, datagram.server, instant);
        let behaviour = self.servers[datagram.server].behaviour;
        let lag = match behaviour {
            Behaviour::CutOff => CUT_OFF,
            _ => freshness.lag(datagram.epoch, instant),
        };
        policy.lagged(datagram.server, lag);
        if !question.answered {
            question.answered = true;
            self.outcome.times[datagram.question] = now - question.asked_at;
            self.outcome.stale_answers += usize::from(behaviour.is_stale());
        }
    }

    /// Its first server refused: the question goes to another, as everybody would do, once.
    fn ask_again(&mut self, question: usize, refused_by: usize, now: Nanos) {
        let Question { client, first, answered, .. } = self.questions[question];
        if answered || first != refused_by {
            return;
        }
        let seed = self.random.next();
        let instant = self.instant(now);
        let Plan { server, .. } = self.clients[client].0.choose(instant, seed);
        self.questions[question].first = server;
        if server != refused_by {
            self.send(question, server, now);
        }
    }

    fn timeout(&mut self, id: usize, now: Nanos) {
        let Some(datagram) = self.datagrams.remove(&id) else { return };
        let instant = self.instant(now);
        let client = self.questions[datagram.question].client;
        let policy = &mut self.clients[client].0;
        policy.failed(datagram.token, datagram.server, Failure::Timeout, instant);
    }

    fn hedge(&mut self, question: usize, now: Nanos) {
        let Question { client, first, answered, .. } = self.questions[question];
        if answered {
            return;
        }
        let seed = self.random.next();
        let instant = self.instant(now);
        if let Some(second) = self.clients[client].0.hedge(first, instant, seed) {
            self.send(question, second, now);
        }
    }

    fn appear(&mut self, server: usize, now: Nanos) {
        let instant = self.instant(now);
        for (policy, _) in &mut self.clients {
            policy.appear(server, instant);
        }
    }
}
