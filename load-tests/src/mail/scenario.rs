//! A scenario: which mails come by which doors, how many and when. A TOML file says it; what a file cannot mean is
//! refused with the key, the value and what is allowed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::arrivals::{self, Poisson};
use super::dice::Dice;

/// Longest run. Longer ones are several.
pub const SECONDS_MAX: u64 = 3_600;
/// Most mails a second: more than a core makes.
pub const RATE_MAX: f64 = 20_000.0;
/// Most mails of a run: each takes about 100 bytes of the generator.
pub const MAILS_MAX: usize = 5_000_000;
/// Most mails under way: each is a socket here and one there.
pub const UNDER_WAY_MAX: usize = 4_000;
/// Most campaigns: each keeps one letter in memory.
pub const CAMPAIGNS_MAX: usize = 20_000;
/// Largest attachment: what is left of the 64 MiB of a mail after Base64, and then some.
pub const ATTACHMENT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most memory for attachments that are forwarded.
pub const ATTACHMENTS_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Most times that a burst raises the rate.
pub const BURST_FACTOR_MAX: f64 = 100.0;
/// Slowest client, in bytes a second: slower ones end by the server's patience, which other tests see to.
pub const SLOW_BYTES_MIN: u64 = 200;
/// A quick run lasts this long at most.
pub const QUICK_SECONDS: u64 = 6;
/// A quick run has at most this many mails a second: a debug build on a busy machine keeps up.
pub const QUICK_RATE: f64 = 12.0;

/// The way a mail takes into the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// SMTP to a Postfix, which asks the edge by milter and delivers by SMTP.
    Postfix,
    /// Milter to the edge.
    Milter,
    /// LMTP to the edge, which delivers by SMTP.
    Lmtp,
    /// SMTP to the edge, which delivers by SMTP.
    Smtp,
    /// The dialogue of names and contents with a scanner, as an edge speaks it.
    Grpc,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Postfix, Self::Milter, Self::Lmtp, Self::Smtp, Self::Grpc];

    /// As in scenarios.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Postfix => "postfix",
            Self::Milter => "milter",
            Self::Lmtp => "lmtp",
            Self::Smtp => "smtp",
            Self::Grpc => "grpc",
        }
    }

    /// Whether a mail that is taken here arrives at the sink.
    #[must_use]
    pub const fn delivers(self) -> bool {
        matches!(self, Self::Postfix | Self::Lmtp | Self::Smtp)
    }
}

/// Kinds of mail and how they are shared out; shares are weights, not percents.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mails {
    /// Mails that nobody else gets.
    pub unique: f64,
    /// Copies of a campaign's letter, word for word.
    pub copies: f64,
    /// Copies with the recipient's name and a link of his own.
    pub personalised: f64,
    /// Pages with the campaign's pictures, and a name and links of the recipient's own.
    pub newsletters: f64,
    /// Letters of their own with an attachment that others got too.
    pub forwarded: f64,
    /// Campaigns, and attachments that are forwarded.
    pub campaigns: usize,
    /// How much more often the first campaign comes than the second.
    pub zipf: f64,
    /// Bytes of an attachment, before Base64.
    pub attachment_bytes: usize,
    /// Attachments that go round.
    pub attachments: usize,
}

impl Default for Mails {
    fn default() -> Self {
        Self {
            unique: 1.0,
            copies: 0.0,
            personalised: 0.0,
            newsletters: 0.0,
            forwarded: 0.0,
            campaigns: 100,
            zipf: 1.0,
            attachment_bytes: 100_000,
            attachments: 20,
        }
    }
}

/// A time in which more mails come.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// How many times more.
    pub factor: f64,
    /// From which second.
    pub from_s: f64,
    /// For how long.
    pub seconds: f64,
}

/// Clients that dribble.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// How many of all mails come so, from 0 to 1.
    pub share: f64,
    /// Bytes a second of such a client.
    pub bytes_per_second: u64,
}

/// The same mails through other makers' filters.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Peers {
    /// Mails a second that rspamd is offered; 0: not run.
    pub rspamd_rate: f64,
    /// Mails a second that SpamAssassin is offered; 0: not run.
    pub spamassassin_rate: f64,
}

impl Default for Peers {
    fn default() -> Self {
        Self { rspamd_rate: 20.0, spamassassin_rate: 2.0 }
    }
}

/// A scenario, checked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, as in results.
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// How long mails are due.
    pub seconds: u64,
    /// Mails a second.
    pub rate: f64,
    /// Seed of chance.
    #[serde(default)]
    pub seed: u64,
    /// A file of due times beside the scenario, instead of chance.
    #[serde(default)]
    pub trace: Option<PathBuf>,
    /// Mails under way at once; what is due beyond that is not offered, and counted.
    pub under_way_max: usize,
    /// Doors and their shares, as weights.
    pub doors: BTreeMap<Door, f64>,
    /// Kinds of mail.
    #[serde(default)]
    pub mails: Mails,
    /// More mails for a while.
    #[serde(default)]
    pub burst: Option<Burst>,
    /// Clients that dribble.
    #[serde(default)]
    pub slow: Option<Slow>,
    /// Filters beside ours.
    #[serde(default)]
    pub peers: Peers,
}

/// Why a file is no scenario. Its writer's fault: mend the file.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    Unread {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is no TOML, or has a key that is none.
    #[error("{}", .0.to_string().trim_end())]
    Form(#[from] toml::de::Error),
    /// A value that means nothing.
    #[error("{key} = {value}: allowed are {allowed}")]
    Value {
        /// Which key.
        key: &'static str,
        /// What stands there.
        value: String,
        /// What may stand there.
        allowed: String,
    },
    /// A line of the trace.
    #[error("line {line} of the trace {} is no time, or earlier than the line before", path.display())]
    Trace {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
    },
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let unread = |error| ScenarioError::Unread { path: path.to_owned(), error };
        let mut scenario: Self = std::fs::read_to_string(path).map_err(unread)?.parse()?;
        if let Some(trace) = &scenario.trace {
            scenario.trace = Some(path.with_file_name(trace));
        }
        Ok(scenario)
    }

    /// Fewer mails for a shorter time, so that a debug build keeps up; the kinds and the doors stay.
    #[must_use]
    pub fn quick(mut self) -> Self {
        let seconds = self.seconds.min(QUICK_SECONDS);
        let shorter = seconds as f64 / self.seconds as f64;
        if let Some(burst) = &mut self.burst {
            burst.from_s *= shorter;
            burst.seconds *= shorter;
            burst.factor = burst.factor.min(3.0);
        }
        self.seconds = seconds;
        self.rate = self.rate.min(QUICK_RATE);
        self.mails.campaigns = self.mails.campaigns.min(20);
        self.mails.attachment_bytes = self.mails.attachment_bytes.min(300_000);
        self
    }

    /// When mails are due, in order.
    ///
    /// # Errors
    /// What is wrong with the trace; more mails than [`MAILS_MAX`].
    pub fn due(&self, rate: f64) -> Result<Vec<Duration>, ScenarioError> {
        let time = Duration::from_secs(self.seconds);
        let Some(path) = &self.trace else {
            return Ok(Poisson::new(self.seed, rate, self.burst, time).take(MAILS_MAX).collect());
        };
        let unread = |error| ScenarioError::Unread { path: path.clone(), error };
        let text = std::fs::read_to_string(path).map_err(unread)?;
        let due = arrivals::trace(&text, time)
            .map_err(|line| ScenarioError::Trace { path: path.clone(), line })?;
        check("trace, lines", due.len(), 1, MAILS_MAX)?;
        Ok(due)
    }

    /// By which door mail `number` comes.
    #[must_use]
    pub fn door(&self, number: u64) -> Door {
        let sum: f64 = self.doors.values().sum();
        let mut left = Dice::of(self.seed ^ 0xd00, number).share() * sum;
        for (door, share) in &self.doors {
            left -= share;
            if left < 0.0 {
                return *door;
            }
        }
        self.doors.keys().next_back().copied().unwrap_or(Door::Milter)
    }

    /// Bytes a second of the client of mail `number`, where it dribbles.
    #[must_use]
    pub fn slowness(&self, number: u64) -> Option<u64> {
        let slow =
            self.slow.filter(|slow| Dice::of(self.seed ^ 0x510, number).share() < slow.share);
        slow.map(|slow| slow.bytes_per_second)
    }

    /// Refuses what means nothing.
    ///
    /// # Errors
    /// [`ScenarioError::Value`].
    pub fn check(self) -> Result<Self, ScenarioError> {
        check("seconds", self.seconds, 1, SECONDS_MAX)?;
        check("rate", self.rate, 0.01, RATE_MAX)?;
        check("under_way_max", self.under_way_max, 1, UNDER_WAY_MAX)?;
        check("doors", self.doors.len(), 1, Door::ALL.len())?;
        let mails = &self.mails;
        let weights = self.doors.values().chain(mails.weights().map(|(_, weight)| weight));
        for weight in weights {
            check("a share of doors or mails", *weight, 0.0, 1e6)?;
        }
        check("the sum of doors", self.doors.values().sum(), f64::MIN_POSITIVE, 1e7)?;
        check(
            "the sum of mails",
            mails.weights().map(|it| it.1).sum::<f64>(),
            f64::MIN_POSITIVE,
            1e7,
        )?;
        check("campaigns", mails.campaigns, 1, CAMPAIGNS_MAX)?;
        check("zipf", mails.zipf, 0.0, 4.0)?;
        check("attachment_bytes", mails.attachment_bytes, 1, ATTACHMENT_BYTES_MAX)?;
        check("attachments", mails.attachments, 1, ATTACHMENTS_BYTES_MAX / mails.attachment_bytes)?;
        if let Some(burst) = &self.burst {
            check("burst.factor", burst.factor, 0.01, BURST_FACTOR_MAX)?;
            check("burst.from_s", burst.from_s, 0.0, self.seconds as f64)?;
            check("burst.seconds", burst.seconds, 0.01, self.seconds as f64 - burst.from_s)?;
        }
        if let Some(slow) = &self.slow {
            check("slow.share", slow.share, 0.0, 1.0)?;
            check("slow.bytes_per_second", slow.bytes_per_second, SLOW_BYTES_MIN, 1 << 40)?;
        }
        check("peers.rspamd_rate", self.peers.rspamd_rate, 0.0, RATE_MAX)?;
        check("peers.spamassassin_rate", self.peers.spamassassin_rate, 0.0, RATE_MAX)?;
        Ok(self)
    }
}

impl std::str::FromStr for Scenario {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        toml::from_str::<Self>(text)?.check()
    }
}

fn check<T: PartialOrd + std::fmt::Display>(
    key: &'static str,
    value: T,
    min: T,
    max: T,
) -> Result<(), ScenarioError> {
    // Not a number is within nothing.
    if value >= min && value <= max {
        return Ok(());
    }
    Err(ScenarioError::Value { key, value: value.to_string(), allowed: format!("{min} to {max}") })
}

#[cfg(test)]
mod tests;
