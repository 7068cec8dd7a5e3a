//! The simulation: every mail goes through the parts of a plan, waits for a core where none is free, and is worked on.
//!
//! Mails come by a Poisson process. Each goes to a pod by chance, which is worse than what edges really do (they choose by
//! measured time), and waits there in order. Work is drawn as it was measured.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::costs::{Costs, Role};
use super::plan::{KNOWN_SHARE, Plan, judgement_us, pod_cores};

/// Nanoseconds since the start of a world.
type Nanos = u64;

/// Mails that meet the emptiness of the beginning, and are not counted: one of so many.
const WARM_UP_PART: usize = 10;

/// Numbers by chance, the same for the same seed (G. L. Steele, D. Lea, C. H. Flood: SplitMix, 2014).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -(1.0 - self.unit()).ln() * mean
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// One kind of server on the way.
#[derive(Clone, Copy, Debug)]
pub struct Station {
    /// Of them.
    pub pods: u32,
    /// Cores of each.
    pub cores: u32,
}

/// What a simulation saw of one station.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Mean waiting for a core, in microseconds.
    pub wait_us: f64,
    /// Part of the time that cores were busy.
    pub busy: f64,
}

/// What a simulation saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// For each station.
    pub stations: Vec<Seen>,
    /// Time within which half, 99 of 100 and 999 of 1,000 mails were through, in microseconds; the networks between are not in it.
    pub within_us: [f64; 3],
}

struct Pod {
    free: u32,
    queue: VecDeque<usize>,
}

struct Mail {
    came: Nanos,
    waits_since: Nanos,
    work: Vec<Nanos>,
    station: usize,
    pod: usize,
}

/// Plays a plan.
#[must_use]
pub fn play(costs: &Costs, plan: &Plan, rate: f64, mails: usize, seed: u64) -> World {
    let stations: Vec<Station> = plan
        .parts
        .iter()
        .map(|part| Station { pods: part.pods, cores: pod_cores(part.role) })
        .collect();
    let cpu = |role, is_known| costs.cpu_us(role, is_known).unwrap_or(0.0);
    let means = Role::ALL.map(|role| (cpu(role, true), cpu(role, false)));
    run(&stations, rate, mails, seed, |dice| {
        let is_known = dice.unit() < KNOWN_SHARE;
        Role::ALL
            .into_iter()
            .zip(means)
            .map(|(role, (known, new))| match role {
                Role::Scanner if !is_known => {
                    dice.exponential(known) + judgement_us(costs, dice.unit())
                }
                _ => dice.exponential(if is_known { known } else { new }),
            })
            .collect()
    })
}

/// Plays mails through stations one after the other. `work` draws the microseconds of one mail at each station.
#[must_use]
pub fn run(
    stations: &[Station],
    rate: f64,
    mails: usize,
    seed: u64,
    mut work: impl FnMut(&mut Dice) -> Vec<f64>,
) -> World {
    let mut dice = Dice(seed);
    let mut arrival = 0.0;
    let all = (0..mails).map(|_| {
        arrival += dice.exponential(1e9 / rate);
        let work = work(&mut dice).into_iter().map(|us| (us * 1e3) as Nanos).collect();
        Mail { came: arrival as Nanos, waits_since: 0, work, station: 0, pod: 0 }
    });
    let mut playing = Playing::new(stations, all.collect(), dice.clone());
    playing.play();
    playing.seen()
}

/// A world on its way.
struct Playing<'a> {
    stations: &'a [Station],
    pods: Vec<Vec<Pod>>,
    mails: Vec<Mail>,
    dice: Dice,
    /// Who is done at the present station, and when; the number parts equal times.
    ends: BinaryHeap<Reverse<(Nanos, usize)>>,
    waited: Vec<u128>,
    worked: Vec<u128>,
    through: Vec<Nanos>,
    until: Nanos,
}

impl<'a> Playing<'a> {
    fn new(stations: &'a [Station], mails: Vec<Mail>, dice: Dice) -> Self {
        let pod = |station: &Station| Pod { free: station.cores, queue: VecDeque::new() };
        Self {
            pods: stations.iter().map(|it| (0..it.pods).map(|_| pod(it)).collect()).collect(),
            waited: vec![0; stations.len()],
            worked: vec![0; stations.len()],
            through: Vec::with_capacity(mails.len()),
            stations,
            until: mails.last().map_or(0, |mail| mail.came),
            mails,
            dice,
            ends: BinaryHeap::new(),
        }
    }

    fn play(&mut self) {
        for next in 0..self.mails.len() {
            let came = self.mails[next].came;
            self.end_before(came);
            self.arrive(next, came);
        }
        self.end_before(Nanos::MAX);
    }

    fn end_before(&mut self, moment: Nanos) {
        while let Some(Reverse((at, mail))) = self.ends.peek().copied() {
            if at >= moment {
                return;
            }
            self.ends.pop();
            self.leave(mail, at);
        }
    }

    /// Chooses a pod of the mail's station, and takes a core or waits.
    fn arrive(&mut self, mail: usize, now: Nanos) {
        let station = self.mails[mail].station;
        let pod = self.dice.below(self.pods[station].len());
        self.mails[mail].pod = pod;
        self.mails[mail].waits_since = now;
        if self.pods[station][pod].free > 0 {
            self.pods[station][pod].free -= 1;
            self.begin(mail, now);
        } else {
            self.pods[station][pod].queue.push_back(mail);
        }
    }

    fn begin(&mut self, mail: usize, now: Nanos) {
        let (station, since) = (self.mails[mail].station, self.mails[mail].waits_since);
        let work = self.mails[mail].work[station];
        if mail >= self.mails.len() / WARM_UP_PART {
            self.waited[station] += u128::from(now - since);
        }
        // Work beyond the last arrival belongs to nobody's second.
        self.worked[station] += u128::from(work.min(self.until.saturating_sub(now)));
        self.ends.push(Reverse((now + work, mail)));
    }

    fn leave(&mut self, mail: usize, now: Nanos) {
        let (station, pod) = (self.mails[mail].station, self.mails[mail].pod);
        match self.pods[station][pod].queue.pop_front() {
            Some(next) => self.begin(next, now),
            None => self.pods[station][pod].free += 1,
        }
        self.mails[mail].station += 1;
        if self.mails[mail].station < self.stations.len() {
            self.arrive(mail, now);
        } else if mail >= self.mails.len() / WARM_UP_PART {
            self.through.push(now - self.mails[mail].came);
        }
    }

    fn seen(mut self) -> World {
        let counted = (self.mails.len() - self.mails.len() / WARM_UP_PART).max(1) as f64;
        let stations = self.stations.iter().zip(self.waited.iter().zip(&self.worked));
        let seen = stations.map(|(station, (waited, worked))| Seen {
            wait_us: *waited as f64 / counted / 1e3,
            busy: *worked as f64
                / (self.until.max(1) as f64 * f64::from(station.pods * station.cores)),
        });
        let stations = seen.collect();
        self.through.sort_unstable();
        let within = |part: f64| {
            let place = (part * self.through.len() as f64) as usize;
            self.through.get(place).copied().unwrap_or(0) as f64 / 1e3
        };
        World { stations, within_us: [within(0.5), within(0.99), within(0.999)] }
    }
}
