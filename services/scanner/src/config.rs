//! The `[scanner]` section: what was typed, and what it means.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use tamis_reputation_protocol::seal::Key;
use tamis_reputation_protocol::sharding::{REPLICAS_MAX, ShardFault, ShardMap, is_host_and_port};
use tamis_runtime::config::ConfigError;
use tamis_runtime::listen::ListenAddress;

use crate::ask::authentication::Plan as Authentication;
use crate::ask::reputation::{LOOK_PERIOD, Plan, TypedShard, map_of};
use crate::learning::Settings as Learning;
use crate::memory::FarSettings;
use tamis_runtime::redis_address::Address;

mod dns;
mod learning;

pub use dns::TypedDns;
pub use learning::TypedLearning;

/// Name of the section.
pub const SECTION: &str = "scanner";

/// How old a filter may be. What was listed since it was made is missed, so there is no "for ever".
const FILTER_AGE_S: std::ops::RangeInclusive<u64> = 1..=86_400;

/// The section as typed; every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Typed {
    /// Where edges connect (gRPC).
    pub listen: ListenAddress,
    /// Metrics and health, when the scanner runs alone.
    pub admin: ListenAddress,
    /// Evidence cache shared by all scanners; empty keeps facts in this process.
    pub redis: String,
    /// PEM file of the authority that signed Redis' certificate; empty trusts the system's.
    pub redis_authority: PathBuf,
    /// Milliseconds a mail waits for Redis at most.
    pub redis_budget_ms: u64,
    /// Hours a fact is kept in Redis.
    pub redis_keep_hours: u64,
    /// Reputation servers, `host:port`; host names are resolved again and again. Empty list: none is asked.
    pub reputation: Vec<String>,
    /// Where the listed set is too large for one server: ranges of values and their replicas, instead of `reputation`.
    pub reputation_shards: Vec<TypedShard>,
    /// File with newer `reputation_shards`, as bases bring it; read again when it changes.
    pub reputation_map: PathBuf,
    /// File with a filter of all listed signatures, as bases bring it; read again when it changes.
    pub reputation_filter: PathBuf,
    /// Seconds after which a filter is too old to spare a question.
    pub reputation_filter_age_s: u64,
    /// Whether servers may count questions, so that campaigns show as bulk before anybody reports them.
    pub reputation_sightings: bool,
    /// File with the key that is shared with the servers; with it nothing is asked in clear. Empty: all is.
    pub reputation_key: PathBuf,
    /// Milliseconds a mail waits for reputation at most.
    pub reputation_budget_ms: u64,
    /// Bytes of facts remembered in this process.
    pub memory_bytes_max: u64,
    /// Mails judged at the same time; one more is refused and goes to another scanner.
    pub mails_max: usize,
    /// Bytes of supplied content held at the same time, all mails together.
    pub supply_bytes_max: u64,
    /// File of known malicious objects: a SHA-256 in hex (or `part:` and a part's name) and a name on each line.
    pub hash_list: PathBuf,
    /// Questions to DNS: SPF, DKIM, DMARC, ARC, lists.
    pub dns: TypedDns,
    /// What users teach.
    pub learning: TypedLearning,
    /// Whether the content model that is built in judges words, links and structure.
    pub content_model: bool,
}

impl Default for Typed {
    fn default() -> Self {
        Self {
            listen: loopback(7062),
            admin: loopback(9072),
            redis: String::new(),
            redis_authority: PathBuf::new(),
            redis_budget_ms: 50,
            redis_keep_hours: 7 * 24,
            reputation: vec!["127.0.0.1:7060".to_owned()],
            reputation_shards: Vec::new(),
            reputation_map: PathBuf::new(),
            reputation_filter: PathBuf::new(),
            reputation_filter_age_s: 180,
            reputation_sightings: false,
            reputation_key: PathBuf::new(),
            reputation_budget_ms: 50,
            memory_bytes_max: 64 << 20,
            mails_max: 200,
            supply_bytes_max: 512 << 20,
            hash_list: PathBuf::new(),
            dns: TypedDns::default(),
            learning: TypedLearning::default(),
            content_model: true,
        }
    }
}

/// The section, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where edges connect.
    pub listen: ListenAddress,
    /// Metrics and health, when the scanner runs alone.
    pub admin: ListenAddress,
    /// The far memory, if there is one.
    pub far: Option<FarSettings>,
    /// Reputation servers as `host:port`, those of all shards. Empty: nobody is asked.
    pub reputation: Vec<String>,
    /// Which of them hold what, when not each holds all.
    pub reputation_shards: Option<ShardMap>,
    /// File with a newer map.
    pub reputation_map: Option<PathBuf>,
    /// File with the filter of all listed signatures.
    pub reputation_filter: Option<PathBuf>,
    /// Age at which a filter is no longer believed; `None`: never.
    pub reputation_filter_age_max: Option<Duration>,
    /// Whether questions may be counted as sightings.
    pub reputation_sightings: bool,
    /// What questions are sealed with.
    pub reputation_key: Option<Key>,
    /// Longest wait for reputation.
    pub reputation_budget: Duration,
    /// Bytes of the near memory.
    pub memory_bytes_max: u64,
    /// Mails judged at the same time.
    pub mails_max: usize,
    /// Bytes of supplied content at the same time.
    pub supply_bytes_max: u64,
    /// File of known malicious objects.
    pub hash_list: Option<PathBuf>,
    /// Whom DNS is asked about; `None`: nothing is.
    pub authentication: Option<Authentication>,
    /// How users teach; `None`: they do not.
    pub learning: Option<Learning>,
    /// Whether the content model judges.
    pub content_model: bool,
}

impl Typed {
    /// Says what the section means.
    ///
    /// # Errors
    /// The key whose value makes no sense, and what would.
    pub fn check(self) -> Result<Config, ConfigError> {
        let wrong = |message: String| ConfigError::meaning(SECTION, message);
        for (key, value) in [
            ("redis_budget_ms", self.redis_budget_ms),
            ("reputation_budget_ms", self.reputation_budget_ms),
        ] {
            if !(1..=10_000).contains(&value) {
                return Err(wrong(format!("{key} = {value}: write 1 to 10000 milliseconds")));
            }
        }
        if self.mails_max == 0 {
            return Err(wrong(
                "mails_max = 0: nothing could be judged; write at least 1".to_owned(),
            ));
        }
        for server in &self.reputation {
            if !is_host_and_port(server) {
                return Err(wrong(format!("reputation: {server:?} is not host:port")));
            }
        }
        if self.reputation.len() > REPLICAS_MAX {
            return Err(wrong(format!("reputation: more than {REPLICAS_MAX} servers")));
        }
        let (reputation, reputation_shards) =
            servers(self.reputation.clone(), self.reputation_shards.clone())
                .map_err(|fault| wrong(format!("reputation_shards: {fault}")))?;
        if !FILTER_AGE_S.contains(&self.reputation_filter_age_s) {
            return Err(wrong(format!(
                "reputation_filter_age_s = {}: write {} to {} seconds",
                self.reputation_filter_age_s,
                FILTER_AGE_S.start(),
                FILTER_AGE_S.end()
            )));
        }
        let has_filter = !self.reputation_filter.as_os_str().is_empty();
        if has_filter && reputation_shards.as_ref().is_some_and(|map| map.shards().len() > 1) {
            let why = "reputation_filter with several reputation_shards: a filter knows one alone";
            return Err(wrong(why.to_owned()));
        }
        let age_max = Duration::from_secs(self.reputation_filter_age_s);
        let key = self.key().map_err(|error| wrong(error.to_string()))?;
        let far = self.far().map_err(|error| wrong(error.to_string()))?;
        let authentication = self.dns.check().map_err(wrong)?;
        let learning = self.learning.check().map_err(wrong)?;
        Ok(Config {
            listen: self.listen,
            admin: self.admin,
            far,
            reputation,
            reputation_shards,
            reputation_map: path(self.reputation_map),
            reputation_filter: path(self.reputation_filter),
            reputation_filter_age_max: Some(age_max),
            reputation_sightings: self.reputation_sightings,
            reputation_key: key,
            reputation_budget: Duration::from_millis(self.reputation_budget_ms),
            memory_bytes_max: self.memory_bytes_max,
            mails_max: self.mails_max,
            supply_bytes_max: self.supply_bytes_max,
            hash_list: path(self.hash_list),
            authentication,
            learning,
            content_model: self.content_model,
        })
    }

    /// The key as it stands in its file. What is wrong is told without a word of the file.
    fn key(&self) -> anyhow::Result<Option<Key>> {
        let Some(path) = path(self.reputation_key.clone()) else { return Ok(None) };
        let named = |error: &dyn std::fmt::Display| {
            anyhow::anyhow!("reputation_key {}: {error}", path.display())
        };
        let text = std::fs::read_to_string(&path).map_err(|error| named(&error))?;
        Ok(Some(Key::parse(&text).map_err(|fault| named(&fault))?))
    }

    fn far(&self) -> anyhow::Result<Option<FarSettings>> {
        if self.redis.is_empty() {
            return Ok(None);
        }
        let authority = match self.redis_authority.as_os_str().is_empty() {
            true => None,
            false => Some(std::fs::read(&self.redis_authority).map_err(|error| {
                anyhow::anyhow!("redis_authority {}: {error}", self.redis_authority.display())
            })?),
        };
        Ok(Some(FarSettings {
            address: Address::parse(&self.redis)?,
            authority,
            budget: Duration::from_millis(self.redis_budget_ms),
            keep: Duration::from_secs(3600 * self.redis_keep_hours.max(1)),
        }))
    }
}

impl Config {
    /// Whom to ask about reputation; `None`: nobody.
    #[must_use]
    pub fn reputation_plan(&self) -> Option<Plan> {
        if self.reputation.is_empty() {
            return None;
        }
        let map = match &self.reputation_shards {
            Some(map) => map.clone(),
            None => ShardMap::unsharded(self.reputation.clone()).ok()?,
        };
        Some(Plan {
            map,
            map_file: self.reputation_map.clone(),
            filter_file: self.reputation_filter.clone(),
            look_period: LOOK_PERIOD,
            filter_age_max: self.reputation_filter_age_max,
            is_sighting: self.reputation_sightings,
            key: self.reputation_key.clone(),
            budget: self.reputation_budget,
        })
    }
}

/// All servers, and the map where there is one.
fn servers(
    all: Vec<String>,
    shards: Vec<TypedShard>,
) -> Result<(Vec<String>, Option<ShardMap>), ShardFault> {
    if shards.is_empty() {
        return Ok((all, None));
    }
    let map = map_of(shards)?;
    let all = map.shards().iter().flat_map(|shard| shard.servers.clone()).collect();
    Ok((all, Some(map)))
}

fn path(typed: PathBuf) -> Option<PathBuf> {
    Some(typed).filter(|path| !path.as_os_str().is_empty())
}

fn loopback(port: u16) -> ListenAddress {
    ListenAddress::Tcp(([127, 0, 0, 1], port).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_need_no_file() {
        let config = Typed::default().check().expect("defaults are sound");
        assert!(config.far.is_none());
        assert!(config.hash_list.is_none());
    }

    #[test]
    fn shards_take_the_place_of_servers_and_their_absence_asks_nobody() {
        let shard = |from: &str, server: &str| TypedShard {
            from: from.to_owned(),
            servers: vec![server.to_owned()],
        };
        let shards = vec![shard("0000", "a:1"), shard("8000", "b:2")];
        let typed = Typed { reputation_shards: shards, ..Typed::default() };
        let mut config = typed.check().expect("a sound map");
        assert_eq!(config.reputation, ["a:1", "b:2"]);
        assert_eq!(config.reputation_plan().map(|plan| plan.map.shards().len()), Some(2));
        config.reputation.clear();
        assert!(config.reputation_plan().is_none());
        let typed = Typed { reputation: vec!["a:1".into(); REPLICAS_MAX], ..Typed::default() };
        assert!(typed.check().is_ok());
    }

    #[test]
    fn a_key_is_taken_from_its_file_and_a_bad_one_is_named_without_its_words() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("client.key");
        let check = |text: Option<&str>| {
            if let Some(text) = text {
                std::fs::write(&file, text).expect("a file");
            }
            Typed { reputation_key: file.clone(), ..Typed::default() }.check()
        };
        let line = format!("00000000000000aa {}ab mx", "01".repeat(31));
        let refused = |text| check(text).map(|_| ()).unwrap_err().to_string();
        assert!(refused(None).contains("client.key"), "there is none");
        for bad in ["", "00000000000000aa 0102", &format!("{line}\n{}", line.replace("aa", "bb"))] {
            let message = refused(Some(bad));
            assert!(message.contains("reputation_key") && message.contains("client.key"));
            assert!(!message.contains("0102"), "{message}");
        }
        let config = check(Some(&line)).expect("a good key");
        assert!(config.reputation_plan().is_some_and(|plan| plan.key.is_some()));
        assert!(!format!("{config:?}").contains("0101"), "the key is not printed");
        let without = Typed::default().check().expect("defaults are sound");
        assert!(without.reputation_plan().is_some_and(|plan| plan.key.is_none()));
    }

    #[test]
    fn a_wrong_value_is_named_with_its_key() {
        let with = |change: fn(&mut Typed)| {
            let mut typed = Typed::default();
            change(&mut typed);
            typed.check().map(|_| ()).unwrap_err().to_string()
        };
        for (message, key) in [
            (with(|typed| typed.mails_max = 0), "mails_max"),
            (with(|typed| typed.redis_budget_ms = 0), "redis_budget_ms"),
            (with(|typed| typed.reputation_budget_ms = 10_001), "reputation_budget_ms"),
            (with(|typed| typed.reputation = vec!["host".into()]), "reputation"),
            (
                with(|typed| {
                    let from = "4000".to_owned();
                    typed.reputation_shards = vec![TypedShard { from, servers: vec![] }];
                }),
                "reputation_shards: the first shard must begin at 0000",
            ),
            (
                with(|typed| typed.reputation = vec!["host:1".into(); REPLICAS_MAX + 1]),
                "reputation: more than 256",
            ),
            (with(|typed| typed.reputation_filter_age_s = 0), "reputation_filter_age_s"),
            (with(|typed| typed.reputation_filter_age_s = 86_401), "reputation_filter_age_s"),
            (
                with(|typed| {
                    typed.reputation_filter = "/f".into();
                    let shard = |from: &str| TypedShard {
                        from: from.to_owned(),
                        servers: vec!["a:1".to_owned()],
                    };
                    typed.reputation_shards = vec![shard("0000"), shard("8000")];
                }),
                "reputation_filter with several",
            ),
            (with(|typed| typed.redis = "mysql://h".into()), "redis"),
        ] {
            assert!(message.contains(key), "{message}");
        }
    }
}
