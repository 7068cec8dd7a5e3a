//! Worlds by family and seed: 2 to 12 servers, of which some, never all, behave badly.

use super::world::{Behaviour, MS, Nature, Random, SECOND, Scene, US};

/// What is wrong with some of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Nothing: does choosing well cost anything where there is nothing to choose?
    Equal,
    /// Half of four answer 5 ms later: the promise of the design.
    HalfOfFourSlow,
    /// Half of four are 20 ms away, the others 2 ms, and many questions are always in flight.
    HalfOfFourFar,
    Slow,
    Lossy,
    /// Their data stand still; only the epoch in their answers tells.
    Stale,
    /// Their data stand still and they say so.
    CutOff,
    Flapping,
    Dead,
    Cold,
    /// All of it in one world.
    Mixed,
}

impl Family {
    pub const ALL: [Self; 11] = [
        Self::HalfOfFourSlow,
        Self::HalfOfFourFar,
        Self::Equal,
        Self::Slow,
        Self::Lossy,
        Self::Stale,
        Self::CutOff,
        Self::Flapping,
        Self::Dead,
        Self::Cold,
        Self::Mixed,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Equal => "all equal",
            Self::HalfOfFourSlow => "half of four servers 5 ms slower",
            Self::HalfOfFourFar => {
                "half of four servers 20 ms away, the others 2 ms; 6,000 questions a second"
            }
            Self::Slow => "some slow by 1 to 10 ms",
            Self::Lossy => "some lose 2 to 42 %",
            Self::Stale => "some stale, seen by their epoch",
            Self::CutOff => "some stale and saying so",
            Self::Flapping => "some silent half of the time",
            Self::Dead => "some dead, refusing, or dead for a time",
            Self::Cold => "some appear cold",
            Self::Mixed => "everything mixed",
        }
    }

    fn behaviour(self, random: &mut Random) -> Behaviour {
        match self {
            Self::Equal => Behaviour::Healthy,
            Self::HalfOfFourSlow => Behaviour::Slow(5 * MS),
            Self::HalfOfFourFar => Behaviour::Slow(20 * MS),
            Self::Slow => Behaviour::Slow(MS + random.below(9 * MS)),
            Self::Lossy => Behaviour::Lossy(0.02 + random.unit() * 0.4),
            Self::Stale => Behaviour::Stale,
            Self::CutOff => Behaviour::CutOff,
            Self::Flapping => Behaviour::Flapping(SECOND / 2 + random.below(SECOND)),
            Self::Dead => match random.below(3) {
                0 => Behaviour::Dead,
                1 => Behaviour::Refusing,
                _ => Behaviour::DeadBetween(SECOND / 4, SECOND),
            },
            Self::Cold => Behaviour::Cold(random.below(SECOND / 2)),
            Self::Mixed => mixed(random),
        }
    }
}

fn mixed(random: &mut Random) -> Behaviour {
    match random.below(11) {
        0 | 1 => Family::Slow.behaviour(random),
        2 => Family::Lossy.behaviour(random),
        3 => Behaviour::Stale,
        4 => Family::Flapping.behaviour(random),
        5 => Behaviour::Dead,
        6 => Behaviour::Refusing,
        7 => Family::Cold.behaviour(random),
        8 => Behaviour::DeadBetween(SECOND / 4, SECOND),
        9 => Behaviour::CutOff,
        _ => Behaviour::Healthy,
    }
}

/// One world. At least one server is healthy: without any there is nothing to choose.
pub fn scene(family: Family, seed: u64, questions: usize) -> Scene {
    let mut random = Random(seed ^ 0x0074_616d_6973);
    let of_four = matches!(family, Family::HalfOfFourSlow | Family::HalfOfFourFar);
    let count = if of_four { 4 } else { 2 + random.below(11) as usize };
    let bad = match family {
        Family::HalfOfFourSlow | Family::HalfOfFourFar => 2,
        Family::Mixed => count,
        _ => 1 + random.below(count as u64 - 1) as usize,
    };
    let good = match family {
        Family::HalfOfFourFar => Behaviour::Slow(2 * MS),
        _ => Behaviour::Healthy,
    };
    let mut servers = vec![good; count];
    servers[..bad].fill_with(|| family.behaviour(&mut random));
    for at in 0..count {
        servers.swap(at, random.below(count as u64) as usize);
    }
    if !servers.contains(&good) {
        servers[random.below(count as u64) as usize] = good;
    }
    // One more that is there from the start, so that those who choose by lot have two.
    if servers.iter().filter(|one| !matches!(one, Behaviour::Cold(_))).count() < 2 {
        servers.push(Behaviour::Slow(5 * MS));
    }
    let clients = 1 + random.below(4) as usize;
    let questions_per_second = match family {
        Family::HalfOfFourFar => 6000 / clients as u64,
        _ => 50 + random.below(200),
    };
    Scene {
        nature: Nature::Datagrams,
        seed,
        servers,
        clients,
        questions_per_second,
        questions,
        service: 50 * US,
    }
}

/// The word for a behaviour, and for all that differ from it by a number alone.
pub fn kind(behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::Healthy => "healthy",
        Behaviour::Slow(_) | Behaviour::SlowUntil(..) => "slow",
        Behaviour::Lossy(_) | Behaviour::LossyAndFar(..) => "lossy",
        Behaviour::Stale => "stale",
        Behaviour::CutOff => "cut off",
        Behaviour::Flapping(_) => "flapping",
        Behaviour::Dead | Behaviour::Refusing => "dead",
        Behaviour::DeadBetween(..) => "dead for a time",
        Behaviour::Cold(_) => "cold",
    }
}
