//! The section `[reputation]`: what was written, then what it means.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::ServerName;
use serde::Deserialize;
use tamis_reputation_protocol::answering::{Limits, Rate};
use tamis_reputation_protocol::seal::Keys;
use tamis_reputation_protocol::sharding::ShardRange;
use tamis_reputation_protocol::sightings::{self, SLOTS, TRACKED_MAX};
use tamis_reputation_protocol::signatures::{
    AGREEMENT_LEAST, REPORTERS_KEPT_MAX, Rules, SIGNATURES_MAX,
};
use tamis_runtime::config::ConfigError;
use tamis_runtime::listen::ListenAddress;
use tamis_runtime::redis_address::Address;

use crate::log::local::{COMPACT_BYTES, COMPACT_BYTES_MAX, COMPACT_BYTES_MIN};
use crate::log::streams::Settings;

/// The name of the section.
pub const SECTION: &str = "reputation";

/// Sockets on one port at most. The kernel spreads sources over them; more than cores gains nothing.
pub const SOCKETS_MAX: u16 = 64;

/// Characters of the name of a service or a node.
pub const NAME_CHARS_MAX: usize = 64;

/// Peers that may be named. A service of more nodes is fed by bases.
pub const PEERS_MAX: usize = 64;

/// Replicas of Redis that may be waited for.
pub const ACKS_MAX: u8 = 16;

/// For calls in hand after the request to end. A write waits for a disk or for Redis, 2 s at most; who lets a call hang
/// for longer loses its connection.
pub const GRACE: Duration = Duration::from_secs(5);

/// What was written. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Typed {
    /// Where questions are answered, UDP. On a machine with several addresses name one of them: an answer must leave
    /// from the address that was asked.
    pub listen: String,
    /// Where reports and administration are served, gRPC.
    pub grpc: ListenAddress,
    /// Where metrics and health are served when this role runs alone.
    pub admin: ListenAddress,
    /// Where the log and the snapshots are kept; empty: in memory only, reports end with the process.
    pub state_dir: PathBuf,
    /// File of those who may report; empty: only callers on this machine may write, as operators.
    pub reporters: PathBuf,
    /// Redis that keeps the order of writes for several nodes; empty: this node has an order of its own.
    pub redis: String,
    /// PEM file of the authority that signed Redis' certificate; empty trusts the system's.
    pub redis_authority: PathBuf,
    /// The values that this node keeps, as `0000-7fff`: first two bytes, hexadecimal, both ends included; empty: all,
    /// and no other node keeps less.
    pub shard: String,
    /// Replicas of Redis that must have a write before it is acknowledged.
    pub redis_acks: u8,
    /// Name of the service whose nodes share one order.
    pub service: String,
    /// Name of this node among them; empty: one is drawn once and kept in `state_dir`.
    pub node: String,
    /// Administration addresses (`host:port`) of all other nodes of the service; one whose host is `node`, or begins with it
    /// and a dot, is this node and left out. They may give this one
    /// their table, and no order is begun before as many others were heard of.
    pub peers: Vec<String>,
    /// Names or addresses of which the certificate of a node that fetches a table must bear one; empty: the hosts of
    /// `peers`, and `[tls] server_name`.
    pub peer_names: Vec<String>,
    /// Bytes of log before it is compacted into a snapshot.
    pub compact_bytes: u64,
    /// File to write the filter of all that would be answered to, for scanners; empty: none is written.
    pub filter: PathBuf,
    /// Sockets that share the UDP port, each with a thread of its own.
    pub sockets: u16,
    /// File of the keys of clients that seal their questions; empty: nobody seals.
    pub client_keys: PathBuf,
    /// Questions that are not sealed are met with silence.
    pub require_seal: bool,
    /// Whether questions that ask for it are counted, so that campaigns show as bulk.
    pub sightings: bool,
    /// How far back they are counted, seconds.
    pub sightings_window_s: u32,
    /// Names that are counted at a time.
    pub sightings_tracked_max: usize,
    /// Copies within the window that make content bulk.
    pub bulk_copies: u32,
    /// Distinct clients that must have seen it.
    pub bulk_clients: u8,
    /// Independent reporters before a class other than suspected is answered.
    pub reporters_needed: u8,
    /// Thousandths of the organisations active in the last twelve weeks that must agree, too; 0: no quorum.
    pub quorum_permille: u16,
    /// Lanes of 32 that make a text similar.
    pub agreement_min: u8,
    /// Signatures held at most.
    pub signatures_max: usize,
    /// Answers a second to one source (IPv4 address or IPv6 /64), per socket; 0: no limit.
    pub answers_per_second: u32,
    /// Address challenges a second to one source, per socket; 0: no limit.
    pub challenges_per_second: u32,
}

impl Default for Typed {
    fn default() -> Self {
        let (rules, limits) = (Rules::default(), Limits::default());
        let seen = sightings::Settings::default();
        Self {
            listen: "127.0.0.1:7060".to_owned(),
            grpc: ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 7063))),
            admin: ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 9073))),
            state_dir: PathBuf::new(),
            reporters: PathBuf::new(),
            redis: String::new(),
            redis_authority: PathBuf::new(),
            shard: String::new(),
            redis_acks: 0,
            service: "default".to_owned(),
            node: String::new(),
            peers: Vec::new(),
            peer_names: Vec::new(),
            compact_bytes: COMPACT_BYTES,
            filter: PathBuf::new(),
            sockets: 1,
            client_keys: PathBuf::new(),
            require_seal: false,
            sightings: false,
            sightings_window_s: u32::try_from(seen.window.as_secs()).unwrap_or(u32::MAX),
            sightings_tracked_max: seen.tracked_max,
            bulk_copies: seen.bulk_copies,
            bulk_clients: seen.bulk_clients,
            reporters_needed: rules.reporters_needed,
            quorum_permille: rules.quorum_permille,
            agreement_min: rules.agreement_min,
            signatures_max: rules.signatures_max,
            answers_per_second: limits.answers.per_second,
            challenges_per_second: limits.challenges.per_second,
        }
    }
}

/// What it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// UDP address.
    pub listen: SocketAddr,
    /// gRPC address.
    pub grpc: ListenAddress,
    /// Address of metrics and health, for a process of this role alone.
    pub admin: ListenAddress,
    /// State directory, if any.
    pub state_dir: Option<PathBuf>,
    /// File of reporters, if any.
    pub reporters: Option<PathBuf>,
    /// The order that this node shares with others, if it does.
    pub cluster: Option<Settings>,
    /// Names of which a peer's certificate must bear one; none: the hosts of the peers, and `[tls] server_name`.
    pub peer_names: Vec<String>,
    /// Bytes of log before it is compacted.
    pub compact_bytes: u64,
    /// File to write the filter to, if one is written.
    pub filter: Option<PathBuf>,
    /// Sockets on the UDP port.
    pub sockets: u16,
    /// File of clients' keys, if questions may be sealed.
    pub client_keys: Option<PathBuf>,
    /// Whether they must be.
    pub require_seal: bool,
    /// How sightings are counted, if they are; the seed is drawn at start.
    pub sightings: Option<sightings::Settings>,
    /// Rules of the table; the seed is drawn at start.
    pub rules: Rules,
    /// Rates of answers and challenges.
    pub limits: Limits,
    /// For calls of administration in hand after the request to end: [`GRACE`].
    pub grace: Duration,
    /// Signed bases, if this node has any: the section `[bases]`, which whoever starts the service puts here.
    pub bases: Option<crate::feed::Settings>,
}

impl Typed {
    /// Checks what was written.
    ///
    /// # Errors
    /// The first setting that makes no sense: the fault of who wrote it.
    pub fn check(mut self) -> Result<Config, ConfigError> {
        self.leave_this_node_out();
        let bad = |message: String| ConfigError::meaning(SECTION, message);
        let listen = self.listen.parse().map_err(|_| {
            bad(format!("listen = {:?}: write an IP address and a UDP port", self.listen))
        })?;
        between("sockets", self.sockets.into(), 1, SOCKETS_MAX.into()).map_err(bad)?;
        between("reporters_needed", self.reporters_needed.into(), 1, REPORTERS_KEPT_MAX)
            .map_err(bad)?;
        between("agreement_min", self.agreement_min.into(), AGREEMENT_LEAST.into(), 32)
            .map_err(bad)?;
        between("quorum_permille", self.quorum_permille.into(), 0, 1000).map_err(bad)?;
        between("signatures_max", self.signatures_max, 1, SIGNATURES_MAX).map_err(bad)?;
        let cluster = self.cluster().map_err(bad)?;
        let peer_names = self.peer_names().map_err(bad)?;
        let shard = self.shard().map_err(bad)?;
        if !(COMPACT_BYTES_MIN..=COMPACT_BYTES_MAX).contains(&self.compact_bytes) {
            return Err(bad(format!(
                "compact_bytes = {} is not between {COMPACT_BYTES_MIN} and {COMPACT_BYTES_MAX}",
                self.compact_bytes
            )));
        }
        let sightings = self.counted().map_err(bad)?;
        let client_keys = self.sealing().map_err(bad)?;
        let filter = self.filtered().map_err(bad)?;
        let defaults = Limits::default();
        let reporters = Some(self.reporters).filter(|file| !file.as_os_str().is_empty());
        let state_dir = Some(self.state_dir).filter(|dir| !dir.as_os_str().is_empty());
        Ok(Config {
            listen,
            grpc: self.grpc,
            admin: self.admin,
            state_dir,
            reporters,
            cluster,
            peer_names,
            compact_bytes: self.compact_bytes,
            filter,
            sockets: self.sockets,
            client_keys,
            require_seal: self.require_seal,
            sightings,
            rules: Rules {
                reporters_needed: self.reporters_needed,
                quorum_permille: self.quorum_permille,
                agreement_min: self.agreement_min,
                signatures_max: self.signatures_max,
                shard,
                seed: 0,
            },
            limits: Limits {
                // What may come at once is what may come in a second.
                answers: Rate {
                    per_second: self.answers_per_second,
                    burst: self.answers_per_second.max(1),
                },
                challenges: Rate { per_second: self.challenges_per_second, ..defaults.challenges },
            },
            grace: GRACE,
            bases: None,
        })
    }
}

impl Typed {
    /// One list of all nodes may serve each of them: whose host is this node's name, or begins with it and a dot, is this
    /// node, as the pods of a `StatefulSet` are named.
    fn leave_this_node_out(&mut self) {
        let node = self.node.as_str();
        let host = |peer: &str| peer.rsplit_once(':').map_or(peer, |(host, _)| host).to_owned();
        let is_this = |peer: &String| {
            let host = host(peer);
            !node.is_empty()
                && host
                    .strip_prefix(node)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.peers.retain(|peer| !is_this(peer));
    }

    fn sealing(&self) -> Result<Option<PathBuf>, String> {
        if self.client_keys.as_os_str().is_empty() {
            return match self.require_seal {
                true => Err("require_seal needs client_keys: nobody could ask".to_owned()),
                false => Ok(None),
            };
        }
        read_keys(&self.client_keys)?;
        Ok(Some(self.client_keys.clone()))
    }

    fn filtered(&self) -> Result<Option<PathBuf>, String> {
        if self.filter.as_os_str().is_empty() {
            return Ok(None);
        }
        if self.state_dir.as_os_str().is_empty() {
            return Err("filter needs a state_dir: it is made of the log".to_owned());
        }
        if !self.shard.is_empty() {
            return Err(
                "filter and shard: a node that keeps a part would call the rest unknown".to_owned()
            );
        }
        if self.sightings {
            return Err(
                "filter and sightings: what is seen in bulk is answered and stands in no filter"
                    .to_owned(),
            );
        }
        Ok(Some(self.filter.clone()))
    }

    fn shard(&self) -> Result<Option<ShardRange>, String> {
        if self.shard.is_empty() {
            return Ok(None);
        }
        if self.redis.is_empty() {
            return Err(
                "shard needs redis: the shards of a service share one order of writes".to_owned()
            );
        }
        let range =
            self.shard.parse().map_err(|fault| format!("shard = {:?}: {fault}", self.shard));
        range.map(Some)
    }

    fn counted(&self) -> Result<Option<sightings::Settings>, String> {
        between("sightings_window_s", self.sightings_window_s as usize, SLOTS, 86_400)?;
        between("sightings_tracked_max", self.sightings_tracked_max, 64, TRACKED_MAX)?;
        between("bulk_copies", self.bulk_copies as usize, 2, u32::MAX as usize)?;
        between("bulk_clients", self.bulk_clients.into(), 1, 64)?;
        Ok(self.sightings.then_some(sightings::Settings {
            window: Duration::from_secs(self.sightings_window_s.into()),
            tracked_max: self.sightings_tracked_max,
            bulk_copies: self.bulk_copies,
            bulk_clients: self.bulk_clients,
            agreement_min: self.agreement_min,
            seed: 0,
        }))
    }

    fn peer_names(&self) -> Result<Vec<String>, String> {
        between("peer_names: their number", self.peer_names.len(), 0, PEERS_MAX)?;
        let is_none = |name: &&String| ServerName::try_from(name.as_str()).is_err();
        let bad = self.peer_names.iter().find(is_none);
        match bad {
            Some(bad) => Err(format!("peer_names: {bad:?}: write a host name or an IP address")),
            None => Ok(self.peer_names.clone()),
        }
    }

    fn cluster(&self) -> Result<Option<Settings>, String> {
        if self.redis.is_empty() {
            return match self.peers.is_empty() {
                true => Ok(None),
                false => Err("peers are named without redis: they share its order".to_owned()),
            };
        }
        if self.state_dir.as_os_str().is_empty() {
            return Err(
                "redis needs a state_dir: each node keeps a copy, so that the order may be \
                        trimmed"
                    .to_owned(),
            );
        }
        name("service", &self.service)?;
        if !self.node.is_empty() {
            name("node", &self.node)?;
        }
        between("redis_acks", self.redis_acks.into(), 0, ACKS_MAX.into())?;
        between("peers: their number", self.peers.len(), 0, PEERS_MAX)?;
        for peer in &self.peers {
            let port = peer
                .rsplit_once(':')
                .and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
            port.ok_or_else(|| format!("peers: {peer:?}: write host:port"))?;
        }
        self.peers_are_others()?;
        let authority = match self.redis_authority.as_os_str().is_empty() {
            true => None,
            false => Some(std::fs::read(&self.redis_authority).map_err(|error| {
                format!("redis_authority {}: {error}", self.redis_authority.display())
            })?),
        };
        Ok(Some(Settings {
            address: Address::parse(&self.redis).map_err(|error| error.to_string())?,
            authority,
            service: self.service.clone(),
            acks: self.redis_acks,
            node: self.node.clone(),
            peers: self.peers.clone(),
        }))
    }
}

impl Typed {
    /// A beginning of the order waits for as many other nodes as there are peers: each is named once, and never this one.
    fn peers_are_others(&self) -> Result<(), String> {
        let mut named: Vec<&String> = self.peers.iter().collect();
        named.sort();
        if let Some(twice) = named.windows(2).find(|two| two[0] == two[1]) {
            return Err(format!("peers: {:?} is named twice: name each other node once", twice[0]));
        }
        let ListenAddress::Tcp(own) = self.grpc else { return Ok(()) };
        let listen = self.listen.parse::<SocketAddr>().ok().map(|listen| listen.ip());
        let is_own = |peer: SocketAddr| {
            let is_here = peer.ip() == own.ip() || Some(peer.ip()) == listen;
            peer.port() == own.port() && is_here
        };
        let own = self.peers.iter().find(|peer| peer.parse().is_ok_and(is_own));
        own.map_or(Ok(()), |own| {
            Err(format!("peers: {own:?} is this node itself: name the other nodes alone"))
        })
    }
}

/// Reads a file of clients' keys.
///
/// # Errors
/// A text that names the file: the fault of who wrote it.
pub fn read_keys(path: &Path) -> Result<Keys, String> {
    let blame = |error: String| format!("client_keys {}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| blame(error.to_string()))?;
    Keys::parse(&text).map_err(|fault| blame(fault.to_string()))
}

fn name(key: &str, value: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=NAME_CHARS_MAX).contains(&value.len()) && value.bytes().all(is_plain) {
        return Ok(());
    }
    Err(format!("{key} = {value:?}: write 1 to {NAME_CHARS_MAX} letters, digits, dots, - and _"))
}

fn between(key: &str, value: usize, least: usize, most: usize) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(format!("{key} = {value} is not between {least} and {most}"))
}

#[cfg(test)]
mod tests;
