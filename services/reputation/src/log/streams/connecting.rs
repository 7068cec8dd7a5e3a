//! One plain connection to the master that keeps the stream, whatever kind of Redis it is.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, TlsCertificates};
use tamis_runtime::redis_address::Address;
use tamis_runtime::redis_sentinel;

use super::Settings;

/// Longest wait for a connection to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Connects to the master. A Cluster keeps one stream on one master, so its redirection is followed once and the
/// connection is as plain as any: blocking reads and `WAIT` belong to one connection.
pub(crate) async fn connect(settings: &Settings, key: &str) -> RedisResult<MultiplexedConnection> {
    let making = async {
        match &settings.address {
            Address::Single(url) => one(url, settings).await,
            Address::Sentinel { .. } => {
                let mut client =
                    redis_sentinel::client(&settings.address, settings.authority.as_deref())?;
                client.get_async_connection_with_config(&config()).await
            }
            Address::Cluster(nodes) => in_cluster(nodes, settings, key).await,
        }
    };
    match tokio::time::timeout(CONNECT_WITHIN, making).await {
        Ok(made) => made,
        Err(_) => Err((ErrorKind::Io, "no connection in time").into()),
    }
}

fn certificates(settings: &Settings) -> TlsCertificates {
    TlsCertificates { client_tls: None, root_cert: settings.authority.clone() }
}

fn config() -> AsyncConnectionConfig {
    // Reads of the stream wait on purpose; each caller has its own limit.
    AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(Some(CONNECT_WITHIN))
}

async fn one(url: &str, settings: &Settings) -> RedisResult<MultiplexedConnection> {
    let client = match &settings.authority {
        Some(_) => Client::build_with_tls(url, certificates(settings))?,
        None => Client::open(url)?,
    };
    client.get_multiplexed_async_connection_with_config(&config()).await
}

/// Asks any node for the key, and goes where it says.
async fn in_cluster(
    nodes: &[String],
    settings: &Settings,
    key: &str,
) -> RedisResult<MultiplexedConnection> {
    let mut last: RedisError = (ErrorKind::InvalidClientConfig, "no node is named").into();
    for node in nodes {
        let tried = async {
            let mut connection = one(node, settings).await?;
            match redis::cmd("EXISTS").arg(key).query_async::<bool>(&mut connection).await {
                Ok(_) => Ok(connection),
                Err(error) => match error.redirect_node() {
                    Some((address, _)) => one(&at(node, address), settings).await,
                    None => Err(error),
                },
            }
        };
        match tokio::time::timeout(CONNECT_WITHIN / 4, tried).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => last = error,
            Err(_) => last = (ErrorKind::Io, "a node does not answer").into(),
        }
    }
    Err(last)
}

/// The URL of another node: the same scheme and login.
fn at(url: &str, address: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("redis", url));
    match rest.rsplit_once('@') {
        Some((login, _)) => format!("{scheme}://{login}@{address}"),
        None => format!("{scheme}://{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::at;

    #[test]
    fn a_redirection_keeps_scheme_and_login() {
        assert_eq!(at("rediss://u:p@a:1", "b:2"), "rediss://u:p@b:2");
        assert_eq!(at("redis://a:1", "b:2"), "redis://b:2");
    }
}
