//! Where Redis is, as configurations write it: one server, a group watched by Sentinels, or a Cluster.

/// A parsed `redis` value. Shown without its login, since configurations are printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// `redis://` or `rediss://`: one server.
    Single(String),
    /// `redis+sentinel://` or `rediss+sentinel://`: Sentinels, and the name of the master they watch.
    Sentinel {
        /// Hosts and ports of the Sentinels.
        sentinels: Vec<(String, u16)>,
        /// Name of the master.
        master: String,
        /// Database number on the master.
        database: i64,
        /// User and password for master and Sentinels, if any.
        login: Option<(String, String)>,
        /// TLS to master and Sentinels.
        tls: bool,
    },
    /// `redis+cluster://` or `rediss+cluster://`: some nodes of the cluster, as single URLs.
    Cluster(Vec<String>),
}

/// The value cannot be read: the administrator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "redis address {found:?}: {what}; write redis://host:port/db, rediss://..., redis+sentinel://host:port,host:port/master/db, or redis+cluster://host:port,host:port"
)]
pub struct BadAddress {
    /// The value, password removed.
    pub found: String,
    /// What is wrong.
    pub what: &'static str,
}

impl Address {
    /// Reads one address.
    ///
    /// # Errors
    /// [`BadAddress`] says what to write.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let bad = |what| BadAddress { found: without_password(text), what };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("no scheme"))?;
        let tls = scheme.starts_with("rediss");
        match scheme {
            "redis" | "rediss" => Ok(Self::Single(text.to_owned())),
            "redis+sentinel" | "rediss+sentinel" => sentinel(rest, tls).map_err(bad),
            "redis+cluster" | "rediss+cluster" => {
                let (login, hosts) =
                    rest.rsplit_once('@').map_or(("", rest), |(login, hosts)| (login, hosts));
                let at = if login.is_empty() { "" } else { "@" };
                let single = if tls { "rediss" } else { "redis" };
                let hosts = hosts.trim_end_matches('/').split(',');
                let nodes = hosts.map(|host| {
                    host_port(host)
                        .map(|(host, port)| format!("{single}://{login}{at}{host}:{port}"))
                });
                nodes.collect::<Result<_, _>>().map(Self::Cluster).map_err(bad)
            }
            _ => Err(bad("unknown scheme")),
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Single(url) => write!(f, "Single({})", without_password(url)),
            Self::Sentinel { sentinels, master, database, tls, .. } => {
                write!(
                    f,
                    "Sentinel({sentinels:?}, master {master}, database {database}, tls {tls})"
                )
            }
            Self::Cluster(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(|node| without_password(node)).collect();
                write!(f, "Cluster({nodes:?})")
            }
        }
    }
}

fn sentinel(rest: &str, tls: bool) -> Result<Address, &'static str> {
    let (login, rest) = match rest.rsplit_once('@') {
        Some((login, rest)) => {
            let (user, password) = login.split_once(':').ok_or("login without a colon")?;
            (Some((user.to_owned(), password.to_owned())), rest)
        }
        None => (None, rest),
    };
    let mut pieces = rest.split('/');
    let hosts = pieces.next().unwrap_or_default();
    let master = pieces.next().filter(|name| !name.is_empty()).ok_or("no name of a master")?;
    let database = match pieces.next() {
        None | Some("") => 0,
        Some(number) => number.parse().map_err(|_| "database is not a number")?,
    };
    let sentinels = hosts.split(',').map(host_port).collect::<Result<_, _>>()?;
    Ok(Address::Sentinel { sentinels, master: master.to_owned(), database, login, tls })
}

fn host_port(text: &str) -> Result<(String, u16), &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("a host without a port")?;
    if host.is_empty() {
        return Err("a port without a host");
    }
    Ok((host.to_owned(), port.parse().map_err(|_| "a port that is not a number")?))
}

/// The address for logs and errors: whatever stands before `@` is hidden.
#[must_use]
pub fn without_password(text: &str) -> String {
    let Some((before, hosts)) = text.rsplit_once('@') else { return text.to_owned() };
    // A login may stand where a scheme belongs, or before one.
    match before.split_once("://").filter(|(scheme, _)| !scheme.contains('@')) {
        Some((scheme, _)) => format!("{scheme}://***@{hosts}"),
        None => format!("***@{hosts}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_manual_is_read() {
        assert_eq!(
            Address::parse("rediss://u:p@h:1/2"),
            Ok(Address::Single("rediss://u:p@h:1/2".into()))
        );
        assert_eq!(
            Address::parse("redis+sentinel://u:p@a:1,b:2/mymaster/3"),
            Ok(Address::Sentinel {
                sentinels: vec![("a".into(), 1), ("b".into(), 2)],
                master: "mymaster".into(),
                database: 3,
                login: Some(("u".into(), "p".into())),
                tls: false,
            })
        );
        assert_eq!(
            Address::parse("rediss+cluster://u:p@a:1,b:2/"),
            Ok(Address::Cluster(vec!["rediss://u:p@a:1".into(), "rediss://u:p@b:2".into()]))
        );
    }

    #[test]
    fn an_address_that_is_printed_keeps_its_password_to_itself() {
        for text in [
            "redis://u:secret@h:1/2",
            "redis+sentinel://u:secret@a:1,b:2/mymaster/3",
            "rediss+cluster://u:secret@a:1,b:2/",
        ] {
            let shown = format!("{:?}", Address::parse(text).unwrap());
            assert!(!shown.contains("secret") && shown.contains('1'), "{shown}");
        }
    }

    #[test]
    fn errors_name_the_fault_and_hide_the_password() {
        for (text, what) in [
            ("localhost", "no scheme"),
            ("http://h:1", "unknown scheme"),
            ("redis+sentinel://a:1", "no name of a master"),
            ("redis+sentinel://a/m", "a host without a port"),
            ("redis+sentinel://a:x/m", "a port that is not a number"),
            ("redis+sentinel://a:1/m/x", "database is not a number"),
            ("redis+cluster://:1", "a port without a host"),
        ] {
            assert_eq!(Address::parse(text).unwrap_err().what, what, "{text}");
        }
        let error = Address::parse("redis+sentinel://u:secret@a:1").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
