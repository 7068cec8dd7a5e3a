//! The section `[edge]`: what was typed, and what it means once checked.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tamis_domain::decide::Unscanned;
use tamis_domain::limits::{MAIL_BYTES_MAX, SUPPLY_BYTES_MAX};
use tamis_runtime::config::ConfigError;
use tamis_runtime::listen::ListenAddress;

use crate::network::Network;

/// Name of the section.
pub const SECTION: &str = "edge";

/// The section as typed. Every key has a default, so that no file is needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EdgeConfig {
    /// Where the milter door listens; empty: off.
    pub milter: ListenAddress,
    /// Where the LMTP door listens; empty: off.
    pub lmtp: ListenAddress,
    /// Where the SMTP door listens; empty: off.
    pub smtp: ListenAddress,
    /// SMTP server that takes judged mail from the LMTP and SMTP doors: `host:port`.
    pub next_hop: String,
    /// URLs of scanners. A host name may stand for many addresses (a headless service): each is asked by itself.
    pub scanners: Vec<String>,
    /// Where metrics and health are served; empty: off. Not opened in `tamis all`.
    pub admin: ListenAddress,
    /// Time for the judgement, from the end of the mail's data. Postfix waits 100 s before the queue
    /// (`smtpd_proxy_timeout`), 300 s at a milter and 600 s after the queue: stay far below.
    pub deadline_ms: u64,
    /// What to answer when nobody judged. `tempfail`: the previous hop keeps the mail and tries again, so nothing is
    /// lost and nothing passes unjudged; the other two must be somebody's decision.
    pub unscanned: Unscanned,
    /// The same for the milter door alone, where it shall differ.
    pub milter_unscanned: Option<Unscanned>,
    /// The same for a mail over which two scanners ended, where it shall differ. While the answer is `tempfail`, it comes
    /// again until the sender's server gives it up and tells the sender.
    pub set_aside: Option<Unscanned>,
    /// The largest mail taken, in bytes.
    pub mail_bytes_max: u64,
    /// Bytes of one mail kept in memory; the rest goes into an unlinked spool file.
    pub memory_bytes_per_mail: usize,
    /// Bytes of all mails kept in memory; beyond it mails go to the spool at once.
    pub memory_bytes_max: usize,
    /// Directory of spool files; empty: the system's directory for temporary files.
    pub spool_dir: PathBuf,
    /// Mails in hand at the same time; the next one is asked to come back later.
    pub mails_max: usize,
    /// Connections of one door at the same time.
    pub connections_max: usize,
    /// Recipients of one mail.
    pub recipients_max: usize,
    /// Peers whose XFORWARD and XCLIENT are believed: addresses or networks. A Unix socket is always trusted.
    pub trusted_peers: Vec<String>,
    /// Where groups of recipients are treated differently, the milter door keeps one treatment in the MTA and submits the
    /// others to `next_hop`. Without it all recipients get the mildest treatment.
    pub milter_split: bool,
    /// How long the next hop may take for any one answer. With `deadline_ms` it must stay below the time that the
    /// previous hop waits.
    pub next_hop_timeout_ms: u64,
    /// How long a connection with the next hop is kept while nothing is said over it: a previous hop that falls silent, or
    /// takes long over its content, takes no place there.
    pub next_hop_idle_ms: u64,
    /// How long mails in hand may take to finish after the order to end.
    pub drain_ms: u64,
    /// What this side calls itself; empty: the name of the machine.
    pub host_name: String,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        let local = |port: u16| ListenAddress::Tcp(([127, 0, 0, 1], port).into());
        Self {
            milter: local(7065),
            lmtp: local(7066),
            smtp: local(7067),
            next_hop: "127.0.0.1:10028".into(),
            scanners: vec!["http://127.0.0.1:7062".into()],
            admin: local(9071),
            deadline_ms: 20_000,
            unscanned: Unscanned::Tempfail,
            milter_unscanned: None,
            set_aside: None,
            mail_bytes_max: MAIL_BYTES_MAX,
            memory_bytes_per_mail: 128 * 1024,
            memory_bytes_max: 32 * 1024 * 1024,
            spool_dir: PathBuf::new(),
            mails_max: 500,
            connections_max: 500,
            recipients_max: RECIPIENTS_MAX,
            trusted_peers: vec!["127.0.0.0/8".into(), "::1/128".into()],
            milter_split: false,
            next_hop_timeout_ms: 60_000,
            next_hop_idle_ms: 5_000,
            drain_ms: 25_000,
            host_name: String::new(),
        }
    }
}

/// Most recipients of one mail: what the dialogue carries, and what Postfix sends.
pub const RECIPIENTS_MAX: usize = tamis_domain::limits::RECIPIENTS_MAX;
/// Fewest that may be configured (RFC 5321 section 4.5.3.1.8).
const RECIPIENTS_MIN: usize = 100;
/// Least memory for one mail: the write buffer of its spool file.
const MEMORY_PER_MAIL_MIN: usize = 16 * 1024;
/// Most memory for one mail: beyond it the budget of all mails means nothing.
const MEMORY_PER_MAIL_MAX: usize = 64 * 1024 * 1024;
/// Scanner URLs; each may stand for many addresses.
pub const SCANNER_URLS_MAX: usize = 64;
/// Longest time for a judgement: below the 100 s that Postfix waits before the queue.
const DEADLINE_MS_MAX: u64 = 90_000;

/// The section, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// See [`EdgeConfig`]; all plain values as typed.
    pub typed: EdgeConfig,
    /// Time for the judgement.
    pub deadline: Duration,
    /// Time for one answer of the next hop.
    pub next_hop_timeout: Duration,
    /// Time for which an idle connection with the next hop is kept.
    pub next_hop_idle: Duration,
    /// Time for mails in hand after the order to end.
    pub drain: Duration,
    /// Peers to believe.
    pub trusted: Vec<Network>,
    /// Where spool files are made.
    pub spool_dir: PathBuf,
    /// What this side calls itself.
    pub host_name: String,
}

impl EdgeConfig {
    /// Checks what was typed.
    ///
    /// # Errors
    /// The first key whose value cannot work, with what is allowed.
    pub fn check(self) -> Result<Config, ConfigError> {
        self.check_numbers()?;
        self.check_addresses()?;
        let trusted = self.trusted_peers.iter().map(|text| {
            let network = text.parse::<Network>();
            network.map_err(|_| {
                wrong("trusted_peers", text, "an address or a network such as \"10.0.0.0/8\"")
            })
        });
        Ok(Config {
            trusted: trusted.collect::<Result<_, _>>()?,
            deadline: Duration::from_millis(self.deadline_ms),
            next_hop_timeout: Duration::from_millis(self.next_hop_timeout_ms),
            next_hop_idle: Duration::from_millis(self.next_hop_idle_ms),
            drain: Duration::from_millis(self.drain_ms),
            spool_dir: if self.spool_dir.as_os_str().is_empty() {
                std::env::temp_dir()
            } else {
                self.spool_dir.clone()
            },
            host_name: own_name(&self.host_name),
            typed: self,
        })
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        within("deadline_ms", self.deadline_ms, 100, DEADLINE_MS_MAX)?;
        within("next_hop_timeout_ms", self.next_hop_timeout_ms, 100, 600_000)?;
        within("next_hop_idle_ms", self.next_hop_idle_ms, 10, 600_000)?;
        within("drain_ms", self.drain_ms, 0, 600_000)?;
        within("mail_bytes_max", self.mail_bytes_max, 64 * 1024, SUPPLY_BYTES_MAX)?;
        let memory = self.memory_bytes_per_mail;
        within("memory_bytes_per_mail", memory, MEMORY_PER_MAIL_MIN, MEMORY_PER_MAIL_MAX)?;
        within("memory_bytes_max", self.memory_bytes_max, memory, 64 << 30)?;
        within("mails_max", self.mails_max, 1, 100_000)?;
        within("connections_max", self.connections_max, 1, 100_000)?;
        within("recipients_max", self.recipients_max, RECIPIENTS_MIN, RECIPIENTS_MAX)?;
        within("scanners", self.scanners.len(), 1, SCANNER_URLS_MAX)
    }

    fn check_addresses(&self) -> Result<(), ConfigError> {
        for url in &self.scanners {
            if crate::scanners::Place::parse(url).is_none() {
                return Err(wrong(
                    "scanners",
                    url,
                    "URLs such as \"http://scanner:7062\" or \"https://…\"",
                ));
            }
        }
        let proxies = !self.lmtp.is_off() || !self.smtp.is_off() || self.milter_split;
        let sound = host_and_port(&self.next_hop).is_some();
        if (proxies || !self.next_hop.is_empty()) && !sound {
            return Err(wrong(
                "next_hop",
                &self.next_hop,
                "host:port, such as \"127.0.0.1:10028\" (needed by lmtp, smtp and milter_split)",
            ));
        }
        Ok(())
    }
}

impl Config {
    /// Whether what `peer` tells about its client is believed. `None` is a Unix socket: who may open it was decided by
    /// its permissions.
    #[must_use]
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.is_none_or(|ip| self.trusted.iter().any(|network| network.contains(ip)))
    }
}

/// Splits `host:port`, `192.0.2.1:25` or `[2001:db8::1]:25`.
#[must_use]
pub fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let sound = match bare {
        Some(inner) => inner.parse::<IpAddr>().is_ok(),
        None => !host.is_empty() && !host.contains([':', '/', ' ', '@']),
    };
    let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
    sound.then_some((bare.unwrap_or(host), port))
}

fn own_name(typed: &str) -> String {
    if !typed.is_empty() {
        return typed.to_owned();
    }
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = read.trim().chars().filter(char::is_ascii_graphic).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

fn within<T: PartialOrd + std::fmt::Display>(
    key: &str,
    value: T,
    min: T,
    max: T,
) -> Result<(), ConfigError> {
    if value >= min && value <= max {
        return Ok(());
    }
    let message = format!("{key} = {value}: allowed are {min} to {max}");
    Err(ConfigError::meaning(SECTION, message))
}

fn wrong(key: &str, value: &str, allowed: &str) -> ConfigError {
    ConfigError::meaning(SECTION, format!("{key} = \"{value}\": allowed are {allowed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Config, String> {
        let typed: EdgeConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        typed.check().map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_typed_is_a_working_edge() {
        let config = check("").unwrap();
        assert_eq!(config.deadline, Duration::from_secs(20));
        assert_eq!(config.typed.unscanned, Unscanned::Tempfail);
        assert!(config.trusts("127.0.0.1".parse().ok()) && config.trusts(None));
        assert!(!config.trusts("192.0.2.1".parse().ok()));
    }

    #[test]
    fn what_cannot_work_is_refused_with_key_value_and_what_is_allowed() {
        for (text, key, allowed) in [
            ("deadline_ms = 99", "deadline_ms = 99", "100 to 90000"),
            ("deadline_ms = 90001", "deadline_ms = 90001", "100 to 90000"),
            ("mails_max = 0", "mails_max = 0", "1 to"),
            ("recipients_max = 1001", "recipients_max = 1001", "100 to 1000"),
            ("memory_bytes_max = 1000", "memory_bytes_max = 1000", "131072"),
            ("scanners = []", "scanners = 0", "1 to 64"),
            ("scanners = [\"scanner\"]", "scanners = \"scanner\"", "http://scanner:7062"),
            ("next_hop = \"\"", "next_hop = \"\"", "host:port"),
            ("next_hop = \"mx\"", "next_hop = \"mx\"", "host:port"),
            ("trusted_peers = [\"ten\"]", "trusted_peers = \"ten\"", "10.0.0.0/8"),
            ("colour = 1", "colour", "unknown field"),
            ("unscanned = \"drop\"", "drop", "tempfail"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(key) && error.contains(allowed), "{text}: {error}");
        }
        assert!(
            check("lmtp = \"\"\nsmtp = \"\"\nnext_hop = \"\"").is_ok(),
            "a milter needs no next hop"
        );
        assert!(check("deadline_ms = 100").is_ok() && check("deadline_ms = 90000").is_ok());
    }

    #[test]
    fn hosts_and_ports() {
        assert_eq!(host_and_port("mx.test:25"), Some(("mx.test", 25)));
        assert_eq!(host_and_port("[::1]:25"), Some(("::1", 25)));
        for bad in ["::1:25", ":25", "mx:0", "mx:99999", "mx", "[mx]:25", "a/b:25"] {
            assert_eq!(host_and_port(bad), None, "{bad}");
        }
    }
}
