//! The section `[bases]`: what was written, then what it means.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use tamis_bases::keys::PublicKey;
use tamis_bases::label::Label;
use tamis_runtime::config::ConfigError;

/// The name of the section.
pub const SECTION: &str = "bases";

/// Port of bases, UDP, where an upstream is written without one.
pub const PORT: u16 = 7061;

/// Releases kept behind the one in force, at most: each holds its files.
pub const KEEP_MAX: u16 = 100;

/// Keys that a configuration may trust.
pub const TRUSTED_KEYS_MAX: usize = 16;

/// What was written. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Typed {
    /// Where chunks and releases are kept; empty: this node has no bases.
    pub dir: PathBuf,
    /// Where subscribers are served, UDP; empty: none are.
    pub listen: String,
    /// The publisher to subscribe to, `host:port`; empty: none.
    pub upstream: String,
    /// Which line of releases.
    pub channel: String,
    /// Public keys whose manifests are believed.
    pub trusted_keys: Vec<String>,
    /// The key to publish with, for `tamis bases publish`.
    pub signing_key_file: PathBuf,
    /// Releases kept behind the one in force.
    pub keep: u16,
    /// Whether the service publishes what is reported to it.
    pub publish_signatures: bool,
    /// Directory whose files the service publishes beside that; empty: those of the last release stay.
    pub files: PathBuf,
}

impl Default for Typed {
    fn default() -> Self {
        Self {
            dir: PathBuf::new(),
            listen: String::new(),
            upstream: String::new(),
            channel: "main".to_owned(),
            trusted_keys: Vec::new(),
            signing_key_file: PathBuf::new(),
            keep: 2,
            publish_signatures: false,
            files: PathBuf::new(),
        }
    }
}

/// What it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where chunks and releases are kept.
    pub dir: PathBuf,
    /// Where subscribers are served.
    pub listen: Option<SocketAddr>,
    /// Whom to subscribe to.
    pub upstream: Option<Upstream>,
    /// Which line of releases.
    pub channel: Label,
    /// Whose manifests are believed, with the keys that these introduce.
    pub trusted_keys: Vec<PublicKey>,
    /// The key to publish with.
    pub signing_key_file: Option<PathBuf>,
    /// Releases kept behind the one in force.
    pub keep: usize,
    /// Whether the service publishes what is reported to it.
    pub publish_signatures: bool,
    /// Directory whose files the service publishes beside that.
    pub files: Option<PathBuf>,
}

/// Where the next bases come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Name or address.
    pub host: String,
    /// UDP port.
    pub port: u16,
}

impl Typed {
    /// Checks what was written; `None` where no directory is named.
    ///
    /// # Errors
    /// The first setting that makes no sense: the fault of who wrote it.
    pub fn check(self) -> Result<Option<Config>, ConfigError> {
        let bad = |message: String| ConfigError::meaning(SECTION, message);
        if self.dir.as_os_str().is_empty() {
            let is_silent = self.listen.is_empty() && self.upstream.is_empty();
            return if is_silent {
                Ok(None)
            } else {
                Err(bad("dir must be named where listen or upstream is".to_owned()))
            };
        }
        let listen = match self.listen.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                bad(format!("listen = {text:?}: write an IP address and a UDP port"))
            })?),
        };
        let upstream = match self.upstream.as_str() {
            "" => None,
            text => Some(upstream(text).ok_or_else(|| {
                bad(format!("upstream = {text:?}: write a host, a colon and a UDP port"))
            })?),
        };
        let channel = self.channel.parse().map_err(|error| bad(format!("channel: {error}")))?;
        if self.trusted_keys.len() > TRUSTED_KEYS_MAX {
            return Err(bad(format!("trusted_keys has more than {TRUSTED_KEYS_MAX} keys")));
        }
        let key = |text: &String| {
            text.parse().map_err(|error| bad(format!("trusted_keys: {text:?}: {error}")))
        };
        let trusted_keys = self.trusted_keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        if upstream.is_some() && trusted_keys.is_empty() {
            let message = "trusted_keys must name a key where upstream is named";
            return Err(bad(message.to_owned()));
        }
        if self.keep == 0 || self.keep > KEEP_MAX {
            return Err(bad(format!("keep = {} is not between 1 and {KEEP_MAX}", self.keep)));
        }
        let path = |path: PathBuf| Some(path).filter(|path| !path.as_os_str().is_empty());
        let (signing_key_file, files) = (path(self.signing_key_file), path(self.files));
        if self.publish_signatures && signing_key_file.is_none() {
            return Err(bad("publish_signatures needs a signing_key_file".to_owned()));
        }
        if self.publish_signatures && upstream.is_some() {
            let message = "publish_signatures and upstream: a channel has one publisher";
            return Err(bad(message.to_owned()));
        }
        if files.is_some() && !self.publish_signatures {
            let message = "files are published by the service where publish_signatures is true";
            return Err(bad(message.to_owned()));
        }
        Ok(Some(Config {
            dir: self.dir,
            listen,
            upstream,
            channel,
            trusted_keys,
            signing_key_file,
            keep: self.keep.into(),
            publish_signatures: self.publish_signatures,
            files,
        }))
    }
}

/// `host:port`, `[v6]:port`, or a host alone.
fn upstream(text: &str) -> Option<Upstream> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().ok().filter(|port| *port != 0)?)
        }
        Some(_) => return None,
        None => (text, PORT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| Upstream { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed() -> Typed {
        let dir = PathBuf::from("/var/lib/tamis/bases");
        Typed { dir, trusted_keys: vec!["ab".repeat(32)], ..Typed::default() }
    }

    #[test]
    fn nothing_written_means_no_bases_and_a_door_without_a_house_is_refused() {
        assert_eq!(Typed::default().check().unwrap(), None);
        let listen = "127.0.0.1:7061".to_owned();
        assert!(Typed { listen, ..Typed::default() }.check().is_err());
        let config = typed().check().unwrap().unwrap();
        assert_eq!((config.listen, config.upstream, config.keep), (None, None, 2));
    }

    #[test]
    fn an_upstream_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("hub.example.org:7061", "hub.example.org", 7061),
            ("hub.example.org", "hub.example.org", PORT),
            ("192.0.2.1:1", "192.0.2.1", 1),
            ("[2001:db8::1]:7061", "2001:db8::1", 7061),
        ] {
            let expected = Upstream { host: host.to_owned(), port };
            assert_eq!(upstream(text), Some(expected), "{text}");
        }
        for bad in ["hub:", "hub:0", "hub:65536", ":7061", "2001:db8::1", "[]:7061"] {
            assert_eq!(upstream(bad), None, "{bad}");
        }
    }

    #[test]
    fn limits_hold_at_n_and_break_at_n_plus_1() {
        let keys = |count| vec!["ab".repeat(32); count];
        for (good, bad) in [
            (Typed { keep: 1, ..typed() }, Typed { keep: 0, ..typed() }),
            (Typed { keep: KEEP_MAX, ..typed() }, Typed { keep: KEEP_MAX + 1, ..typed() }),
            (
                Typed { trusted_keys: keys(TRUSTED_KEYS_MAX), ..typed() },
                Typed { trusted_keys: keys(TRUSTED_KEYS_MAX + 1), ..typed() },
            ),
        ] {
            assert!(good.clone().check().is_ok(), "{good:?}");
            assert!(bad.clone().check().is_err(), "{bad:?}");
        }
        for bad in [
            Typed { listen: "localhost:7061".to_owned(), ..typed() },
            Typed { channel: "Main".to_owned(), ..typed() },
            Typed { trusted_keys: vec!["zz".repeat(32)], ..typed() },
            Typed { trusted_keys: vec![], upstream: "hub".to_owned(), ..typed() },
            Typed { publish_signatures: true, ..typed() },
            Typed { files: "f".into(), signing_key_file: "k".into(), ..typed() },
            Typed {
                publish_signatures: true,
                signing_key_file: "k".into(),
                upstream: "hub".to_owned(),
                ..typed()
            },
        ] {
            assert!(bad.clone().check().is_err(), "{bad:?}");
        }
    }
}
