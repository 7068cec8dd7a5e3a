//! When the listed set outgrows the memory of one server: ranges of signature values, each with its own replicas.
//!
//! The first two bytes of a value say where it belongs. Values are digests, so ranges of equal length hold equally many.
//! One mail's items are split into one question for each shard and the answers are joined again:
//!
//! - an item without a sketch goes to the owner of its value, and to nobody else;
//! - an item **with** a sketch goes to **every** shard: the listed text that resembles it has a value of its own, which
//!   may lie anywhere. Its cost therefore grows with the shards: `n` times 81 bytes and `n` times 16 buckets. That is the
//!   price of not sharding by band, where one text would stand in 16 shards, in up to 16 times the memory.
//!
//! Without shards there is one that holds everything: the same path, and nothing is copied twice.

use std::fmt;
use std::str::FromStr;

use tamis_domain::digest::Signature;
use tamis_domain::reputation::Listing;

use crate::packet::Item;

/// Shards at most. A mail with a text asks all of them; more memory than this many servers have is better bought.
pub const SHARDS_MAX: usize = 64;

/// Replicas of one shard at most: as many as a selector scores.
pub const REPLICAS_MAX: usize = 256;

/// Bytes of a server's name at most: a host name (RFC 1035 section 2.3.4) and a port.
pub const SERVER_NAME_BYTES_MAX: usize = 253 + 6;

/// The values that one shard holds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardRange {
    from: u16,
    to: u16,
}

impl ShardRange {
    /// Every value.
    pub const WHOLE: Self = Self { from: 0, to: u16::MAX };

    /// Whether a change of this signature is kept here. One that is not still counts in the epoch, so that all shards
    /// tell the same ([`crate::signatures::Rules::shard`]).
    #[must_use]
    pub const fn holds(&self, signature: &Signature) -> bool {
        let place = place(signature);
        self.from <= place && place <= self.to
    }

    /// Whether all that `other` holds is held, too.
    #[must_use]
    pub const fn covers(&self, other: &Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }

    /// How many of `all` evenly spread signatures it holds, about.
    #[must_use]
    pub const fn share_of(&self, all: usize) -> usize {
        let places = self.to as usize - self.from as usize + 1;
        all / (1 << 16) * places + all % (1 << 16) * places / (1 << 16)
    }

    /// Whether nothing is left out.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.from == 0 && self.to == u16::MAX
    }
}

impl Default for ShardRange {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl FromStr for ShardRange {
    type Err = ShardFault;

    /// `0000-7fff`.
    fn from_str(text: &str) -> Result<Self, ShardFault> {
        let (from, to) = text.split_once('-').ok_or(ShardFault::Place)?;
        let (from, to) = (parse_place(from)?, parse_place(to)?);
        if from > to {
            return Err(ShardFault::Backwards);
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for ShardRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04x}-{:04x}", self.from, self.to)
    }
}

/// What is wrong with a range or a map. Its writer's fault: refuse it and keep the one in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardFault {
    /// Not four hexadecimal digits.
    #[error("write a place as four hexadecimal digits, a range as 0000-7fff")]
    Place,
    /// A range that ends before it begins.
    #[error("the range ends before it begins")]
    Backwards,
    /// No shard at all.
    #[error("a shard map needs a shard")]
    Empty,
    /// Too many shards.
    #[error("{0} shards, {SHARDS_MAX} allowed")]
    TooMany(usize),
    /// The first shard leaves values without an owner.
    #[error("the first shard must begin at 0000, not at {0:04x}")]
    Gap(u16),
    /// Two shards with the same beginning, or not in order.
    #[error("the shard from {0:04x} does not come after the one before it")]
    Order(u16),
    /// A shard without servers.
    #[error("the shard from {0:04x} has no server")]
    NoServer(u16),
    /// A shard with too many.
    #[error("the shard from {0:04x} has more than {REPLICAS_MAX} servers")]
    Replicas(u16),
    /// A server that is not `host:port`.
    #[error("the shard from {0:04x} has a server that is not host:port")]
    Server(u16),
}

/// Which servers hold which values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardMap {
    shards: Vec<Shard>,
}

/// One shard of a map; it ends where the next begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// First two bytes of the first value that it holds.
    pub from: u16,
    /// Its replicas, `host:port`.
    pub servers: Vec<String>,
}

impl Shard {
    /// A shard as it is written: four hexadecimal digits and `host:port`s.
    ///
    /// # Errors
    /// [`ShardFault::Place`]; the servers are checked by [`ShardMap::new`].
    pub fn parse(from: &str, servers: Vec<String>) -> Result<Self, ShardFault> {
        Ok(Self { from: parse_place(from)?, servers })
    }
}

impl ShardMap {
    /// A map of shards in rising order that leaves no value without an owner.
    ///
    /// # Errors
    /// What is wrong with the first bad shard.
    pub fn new(shards: Vec<Shard>) -> Result<Self, ShardFault> {
        let Some(first) = shards.first() else { return Err(ShardFault::Empty) };
        if shards.len() > SHARDS_MAX {
            return Err(ShardFault::TooMany(shards.len()));
        }
        if first.from != 0 {
            return Err(ShardFault::Gap(first.from));
        }
        if let Some(pair) = shards.windows(2).find(|pair| pair[0].from >= pair[1].from) {
            return Err(ShardFault::Order(pair[1].from));
        }
        for Shard { from, servers } in &shards {
            if servers.is_empty() {
                return Err(ShardFault::NoServer(*from));
            }
            if servers.len() > REPLICAS_MAX {
                return Err(ShardFault::Replicas(*from));
            }
            if !servers.iter().all(|server| is_host_and_port(server)) {
                return Err(ShardFault::Server(*from));
            }
        }
        Ok(Self { shards })
    }

    /// Everything on every server.
    ///
    /// # Errors
    /// As [`ShardMap::new`].
    pub fn unsharded(servers: Vec<String>) -> Result<Self, ShardFault> {
        Self::new(vec![Shard { from: 0, servers }])
    }

    /// The shards, in rising order; at least one.
    #[must_use]
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// What shard number `shard` holds.
    #[must_use]
    pub fn range(&self, shard: usize) -> Option<ShardRange> {
        let from = self.shards.get(shard)?.from;
        let to = self.shards.get(shard + 1).map_or(u16::MAX, |next| next.from - 1);
        Some(ShardRange { from, to })
    }

    /// The number of the shard that holds a signature.
    #[must_use]
    pub fn owner(&self, signature: &Signature) -> usize {
        let place = place(signature);
        // The first begins at 0, so at least one begins no later than any place.
        self.shards.partition_point(|shard| shard.from <= place).saturating_sub(1)
    }

    /// Splits the items of one mail into a question for each shard.
    #[must_use]
    pub fn split(&self, items: &[Item]) -> Split {
        let mut places = vec![Vec::new(); self.shards.len()];
        let mut owners = Vec::with_capacity(items.len());
        for (number, item) in items.iter().enumerate() {
            let owner = self.owner(&item.signature);
            owners.push(owner);
            let everywhere = item.sketch.is_some() && item.signature.kind.has_sketch();
            for (shard, places) in places.iter_mut().enumerate() {
                if everywhere || shard == owner {
                    places.push(number);
                }
            }
        }
        Split { places, owners }
    }
}

/// One mail's items by shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Numbers of the items that each shard is asked, in the mail's order.
    places: Vec<Vec<usize>>,
    /// The shard that holds each item's own value.
    owners: Vec<usize>,
}

/// The answers of all shards together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// One for each item, in the mail's order.
    pub listings: Vec<Option<Listing>>,
    /// Items of which not all is known that could be, because a shard did not answer, and nothing was found elsewhere.
    pub unknown: usize,
    /// Shards that were asked and did not answer.
    pub silent: Vec<usize>,
}

impl Split {
    /// What shard number `shard` is asked of `items`; empty: nothing.
    #[must_use]
    pub fn question(&self, shard: usize, items: &[Item]) -> Vec<Item> {
        let places = self.places.get(shard).into_iter().flatten();
        places.filter_map(|number| items.get(*number).copied()).collect()
    }

    /// Joins what the shards answered, in the order of the shards; `None`: it did not, or was not asked. An answer with
    /// another number of listings than items asked counts as none.
    #[must_use]
    pub fn join(&self, answers: &[Option<Vec<Option<Listing>>>]) -> Joined {
        let mut found: Vec<Option<(Listing, bool)>> = vec![None; self.owners.len()];
        let mut open = vec![false; self.owners.len()];
        let mut silent = Vec::new();
        for (shard, places) in self.places.iter().enumerate().filter(|(_, it)| !it.is_empty()) {
            let answer = answers.get(shard).and_then(Option::as_ref);
            let Some(listings) = answer.filter(|listings| listings.len() == places.len()) else {
                silent.push(shard);
                places.iter().for_each(|number| open[*number] = true);
                continue;
            };
            for (number, listing) in places.iter().zip(listings) {
                let offered = listing.map(|listing| (listing, self.owners[*number] == shard));
                found[*number] = better(found[*number], offered);
            }
        }
        let unknown = found.iter().zip(&open).filter(|(it, open)| it.is_none() && **open).count();
        let listings = found.into_iter().map(|it| it.map(|(listing, _)| listing)).collect();
        Joined { listings, unknown, silent }
    }
}

/// Which of two shards' listings is told: as one table would choose, then the owner's, then the weightier.
fn better(one: Option<(Listing, bool)>, other: Option<(Listing, bool)>) -> Option<(Listing, bool)> {
    let rank =
        |(listing, is_owner): &(Listing, bool)| (listing.precedence(), *is_owner, listing.weight);
    match (one, other) {
        (Some(one), Some(other)) => Some(if rank(&other) > rank(&one) { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// Where a signature belongs.
const fn place(signature: &Signature) -> u16 {
    u16::from_be_bytes([signature.value[0], signature.value[1]])
}

fn parse_place(text: &str) -> Result<u16, ShardFault> {
    if text.len() != 4 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ShardFault::Place);
    }
    u16::from_str_radix(text, 16).map_err(|_| ShardFault::Place)
}

/// `host:port` in printable ASCII, of bounded length, with a port that can be sent to.
#[must_use]
pub fn is_host_and_port(server: &str) -> bool {
    let sane =
        server.len() <= SERVER_NAME_BYTES_MAX && server.bytes().all(|it| it.is_ascii_graphic());
    let parts = server.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    sane && parts.and_then(|(_, port)| port.parse::<u16>().ok()).is_some_and(|port| port > 0)
}
