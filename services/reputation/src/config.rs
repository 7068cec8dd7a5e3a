//! The section `[reputation]`: what was written, then what it means.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use tamis_reputation_protocol::answering::{Limits, Rate};
use tamis_reputation_protocol::signatures::{AGREEMENT_MIN, REPORTERS_KEPT_MAX, Rules};
use tamis_runtime::config::ConfigError;
use tamis_runtime::listen::ListenAddress;

/// The name of the section.
pub const SECTION: &str = "reputation";

/// Sockets on one port at most. The kernel spreads sources over them; more than cores gains nothing.
pub const SOCKETS_MAX: u16 = 64;

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
    /// Sockets that share the UDP port, each with a thread of its own.
    pub sockets: u16,
    /// Independent reporters before a class other than suspected is answered.
    pub reporters_needed: u8,
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
        Self {
            listen: "127.0.0.1:7060".to_owned(),
            grpc: ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 7063))),
            admin: ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 9073))),
            state_dir: PathBuf::new(),
            sockets: 1,
            reporters_needed: rules.reporters_needed,
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
    /// Sockets on the UDP port.
    pub sockets: u16,
    /// Rules of the table; the seed is drawn at start.
    pub rules: Rules,
    /// Rates of answers and challenges.
    pub limits: Limits,
}

impl Typed {
    /// Checks what was written.
    ///
    /// # Errors
    /// The first setting that makes no sense: the fault of who wrote it.
    pub fn check(self) -> Result<Config, ConfigError> {
        let bad = |message: String| ConfigError::meaning(SECTION, message);
        let listen = self.listen.parse().map_err(|_| {
            bad(format!("listen = {:?}: write an IP address and a UDP port", self.listen))
        })?;
        between("sockets", self.sockets.into(), 1, SOCKETS_MAX.into()).map_err(bad)?;
        between("reporters_needed", self.reporters_needed.into(), 1, REPORTERS_KEPT_MAX)
            .map_err(bad)?;
        between("agreement_min", self.agreement_min.into(), AGREEMENT_MIN.into(), 32)
            .map_err(bad)?;
        between("signatures_max", self.signatures_max, 1, u32::MAX as usize).map_err(bad)?;
        let defaults = Limits::default();
        let state_dir = Some(self.state_dir).filter(|dir| !dir.as_os_str().is_empty());
        Ok(Config {
            listen,
            grpc: self.grpc,
            admin: self.admin,
            state_dir,
            sockets: self.sockets,
            rules: Rules {
                reporters_needed: self.reporters_needed,
                agreement_min: self.agreement_min,
                signatures_max: self.signatures_max,
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
        })
    }
}

fn between(key: &str, value: usize, least: usize, most: usize) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(format!("{key} = {value} is not between {least} and {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense_and_keep_nothing_on_disk() {
        let config = Typed::default().check().unwrap();
        assert_eq!(config.listen.port(), 7060);
        assert_eq!(config.state_dir, None);
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn limits_hold_at_n_and_break_at_n_plus_1() {
        let typed = Typed::default;
        for (good, bad) in [
            (Typed { sockets: 64, ..typed() }, Typed { sockets: 65, ..typed() }),
            (Typed { sockets: 1, ..typed() }, Typed { sockets: 0, ..typed() }),
            (Typed { reporters_needed: 16, ..typed() }, Typed { reporters_needed: 17, ..typed() }),
            (Typed { agreement_min: 17, ..typed() }, Typed { agreement_min: 16, ..typed() }),
            (Typed { agreement_min: 32, ..typed() }, Typed { agreement_min: 33, ..typed() }),
            (Typed { signatures_max: 1, ..typed() }, Typed { signatures_max: 0, ..typed() }),
        ] {
            assert!(good.clone().check().is_ok(), "{good:?}");
            assert!(bad.clone().check().is_err(), "{bad:?}");
        }
        assert!(Typed { listen: "localhost:7060".to_owned(), ..typed() }.check().is_err());
    }
}
