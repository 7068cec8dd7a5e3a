//! The formula: cores, pods, waiting and bytes for a rate of mails.

use anyhow::Result;

use super::costs::{Costs, Role};

/// Part of the mails of which everything is known already: copies within a campaign, newsletters, replies to all. Half is
/// less than a site with newsletters has, so that plans are on the safe side.
pub const KNOWN_SHARE: f64 = 0.5;

/// How busy cores may be. Above it waiting grows faster than load, and a zone that is lost must fit on the rest.
pub const BUSY_MAX: f64 = 0.6;

/// Zones over which pods are spread; an edge does not prefer scanners of its own.
pub const ZONES: f64 = 3.0;

/// Cores of one pod. A Redis answers on one; so does a reputation server with one socket.
#[must_use]
pub const fn pod_cores(role: Role) -> u32 {
    match role {
        Role::Edge => 2,
        Role::Scanner => 4,
        Role::Redis | Role::Reputation => 1,
    }
}

/// What a mail takes of one role.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Mean of its processor time, in microseconds.
    pub mean_us: f64,
    /// Variance over the square of the mean.
    pub squared_variation: f64,
}

/// One role of a planned cluster.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Which.
    pub role: Role,
    /// What a mail takes of it.
    pub work: Work,
    /// Its pods, with the spare one.
    pub pods: u32,
    /// Part of the time that its cores are busy, the spare one at work as well.
    pub busy: f64,
    /// Mean waiting for a core, in microseconds.
    pub wait_us: f64,
    /// Mails a second at which its cores are never idle.
    pub saturates_at: f64,
}

/// A cluster for a rate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Mails a second.
    pub rate: f64,
    /// One for each role.
    pub parts: Vec<Part>,
}

impl Plan {
    /// As many pods as keep cores below [`BUSY_MAX`], and one more of each role: one may always be away.
    ///
    /// # Errors
    /// A cost that was not measured.
    pub fn of(costs: &Costs, rate: f64) -> Result<Self> {
        let part = |role: Role| -> Result<Part> {
            let work = work(costs, role)?;
            let cores = rate * work.mean_us / 1e6 / BUSY_MAX;
            let pods = (cores / f64::from(pod_cores(role))).ceil() as u32 + 1;
            let capacity = f64::from(pods * pod_cores(role)) * 1e6 / work.mean_us;
            let wait_us = wait_us(rate / f64::from(pods), work, pod_cores(role));
            Ok(Part { role, work, pods, busy: rate / capacity, wait_us, saturates_at: capacity })
        };
        let parts = Role::ALL.into_iter().map(part).collect::<Result<_>>()?;
        Ok(Self { rate, parts })
    }

    /// The part that is full first when more mail comes.
    ///
    /// # Panics
    /// Never: there is a part for each role.
    #[must_use]
    pub fn first_to_saturate(&self) -> Part {
        let least = |one: &&Part, other: &&Part| one.saturates_at.total_cmp(&other.saturates_at);
        *self.parts.iter().min_by(least).unwrap_or(&self.parts[0])
    }
}

/// What a mail takes of a role: a mixture of known and new ones. Judgements are spread as they were measured; everything else is
/// taken to be exponential, which is more than was seen.
///
/// # Errors
/// A cost that was not measured.
pub fn work(costs: &Costs, role: Role) -> Result<Work> {
    let (known, new) = (costs.cpu_us(role, true)?, costs.cpu_us(role, false)?);
    let mean_us = KNOWN_SHARE * known + (1.0 - KNOWN_SHARE) * new;
    let second_known = 2.0 * known * known;
    let second_new = if role == Role::Scanner {
        let (mean, second) = judgement_moments(costs);
        // The dialogue's exponential part and the judgement, one after the other and independent.
        second_known + 2.0 * known * mean + second
    } else {
        2.0 * new * new
    };
    let second = KNOWN_SHARE * second_known + (1.0 - KNOWN_SHARE) * second_new;
    Ok(Work { mean_us, squared_variation: second / (mean_us * mean_us) - 1.0 })
}

/// Microseconds of a judgement at a place between 0 and 1, from the percentiles that were measured: straight lines between them,
/// and beyond the last one as far again as from the one before. Scaled so that the mean is the measured one.
#[must_use]
pub fn judgement_us(costs: &Costs, place: f64) -> f64 {
    raw_judgement_us(costs, place) * costs.judgement_mean_us / raw_moments(costs).0
}

fn corners(costs: &Costs) -> [(f64, f64); 6] {
    let [median, ninety, hundredth, thousandth] = costs.judgement;
    let last = (1.0, 2.0 * thousandth.1 - hundredth.1);
    [(0.0, 0.0), median, ninety, hundredth, thousandth, last]
}

fn raw_judgement_us(costs: &Costs, place: f64) -> f64 {
    let corners = corners(costs);
    let between = corners.windows(2).find(|pair| place <= pair[1].0);
    between.map_or(corners[5].1, |pair| {
        let part = (place - pair[0].0) / (pair[1].0 - pair[0].0);
        pair[0].1 + part * (pair[1].1 - pair[0].1)
    })
}

/// First and second moment of the straight lines.
fn raw_moments(costs: &Costs) -> (f64, f64) {
    corners(costs).windows(2).fold((0.0, 0.0), |(first, second), pair| {
        let (weight, a, b) = (pair[1].0 - pair[0].0, pair[0].1, pair[1].1);
        (first + weight * (a + b) / 2.0, second + weight * (a * a + a * b + b * b) / 3.0)
    })
}

fn judgement_moments(costs: &Costs) -> (f64, f64) {
    let (mean, second) = raw_moments(costs);
    let scale = costs.judgement_mean_us / mean;
    (costs.judgement_mean_us, second * scale * scale)
}

/// Chance that a mail finds all cores busy (A. K. Erlang, 1917), for `load` = rate times work; 1 if it is more than they can do.
#[must_use]
pub fn erlang_c(cores: u32, load: f64) -> f64 {
    let servers = f64::from(cores);
    if load >= servers {
        return 1.0;
    }
    // Erlang B by its recursion, which neither overflows nor cancels.
    let blocked = (1..=cores).fold(1.0, |b, n| load * b / (f64::from(n) + load * b));
    blocked / (1.0 - load / servers * (1.0 - blocked))
}

/// Mean waiting at one pod, in microseconds: Erlang C with the correction for work that is not exponential (A. O. Allen, 1978, after
/// J. F. C. Kingman).
#[must_use]
pub fn wait_us(rate: f64, work: Work, cores: u32) -> f64 {
    let load = rate * work.mean_us / 1e6;
    let room = f64::from(cores) - load;
    if room <= 0.0 {
        return f64::INFINITY;
    }
    erlang_c(cores, load) * work.mean_us / room * (1.0 + work.squared_variation) / 2.0
}

/// Bytes of a mail between parts, of which two thirds cross zones.
///
/// # Errors
/// A figure that was not measured.
pub fn wire_bytes(costs: &Costs) -> Result<f64> {
    let mut sum = 0.0;
    for wire in ["edge_scanner", "scanner_redis", "scanner_reputation"] {
        sum +=
            KNOWN_SHARE * costs.of("known", wire)? + (1.0 - KNOWN_SHARE) * costs.of("new", wire)?;
    }
    Ok(sum)
}
