//! One plain connection to the master that keeps the stream, whatever kind of Redis it is.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, TlsCertificates};
use tamis_runtime::redis_address::Address;
use tamis_runtime::redis_sentinel;
use tokio::task::JoinSet;

use super::Settings;

/// Longest wait for a connection to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Longest head start of a node before the next one, which costs a connection only, is asked too.
const HEAD_START_MAX: Duration = Duration::from_millis(250);

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

/// Asks any node for the key, and goes where it says. Each named node is reached in time, however many before it are frozen.
async fn in_cluster(
    nodes: &[String],
    settings: &Settings,
    key: &str,
) -> RedisResult<MultiplexedConnection> {
    let tries = nodes.iter().map(|node| {
        let (node, settings, key) = (node.clone(), settings.clone(), key.to_owned());
        async move { by_node(&node, &settings, &key).await }
    });
    first_of(tries.collect(), head_start(nodes.len())).await
}

async fn by_node(node: &str, settings: &Settings, key: &str) -> RedisResult<MultiplexedConnection> {
    let mut connection = one(node, settings).await?;
    match redis::cmd("EXISTS").arg(key).query_async::<bool>(&mut connection).await {
        Ok(_) => Ok(connection),
        Err(error) => match error.redirect_node() {
            Some((address, _)) => one(&at(node, address), settings).await,
            None => Err(error),
        },
    }
}

/// How long a node is waited for before the next one is asked beside it: the last one still has half of the time.
fn head_start(nodes: usize) -> Duration {
    let nodes = u32::try_from(nodes).unwrap_or(u32::MAX).max(1);
    (CONNECT_WITHIN / 2 / nodes).min(HEAD_START_MAX)
}

/// The first that succeeds. Each begins when the one before it failed, or was silent for the head start.
async fn first_of<T: Send + 'static>(
    tries: Vec<impl Future<Output = RedisResult<T>> + Send + 'static>,
    head_start: Duration,
) -> RedisResult<T> {
    let mut last: RedisError = (ErrorKind::InvalidClientConfig, "no node is named").into();
    // What is still under way ends with it.
    let mut under_way = JoinSet::new();
    let mut waiting = tries.into_iter();
    loop {
        if let Some(next) = waiting.next() {
            under_way.spawn(next);
        }
        let patience = if waiting.len() > 0 { head_start } else { CONNECT_WITHIN };
        match tokio::time::timeout(patience, under_way.join_next()).await {
            Ok(Some(Ok(Ok(connection)))) => return Ok(connection),
            Ok(Some(Ok(Err(error)))) => last = error,
            // Its task was ended with the runtime.
            Ok(Some(Err(_))) | Err(_) => {}
            Ok(None) => return Err(last),
        }
    }
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
    use std::pin::Pin;

    use super::*;

    type Try = Pin<Box<dyn Future<Output = RedisResult<usize>> + Send>>;

    fn refused() -> Try {
        Box::pin(async { Err((ErrorKind::Io, "refused").into()) })
    }

    #[tokio::test]
    async fn a_node_behind_frozen_and_refusing_ones_is_reached() {
        for frozen in [0, 1, 5, 50] {
            let mut tries: Vec<Try> = vec![refused()];
            tries.extend((0..frozen).map(|_| Box::pin(std::future::pending()) as Try));
            tries.push(Box::pin(async { Ok(7) }));
            let found = first_of(tries, Duration::from_millis(1)).await;
            assert_eq!(found.ok(), Some(7), "behind {frozen}");
        }
        let error = first_of(vec![refused(), refused()], Duration::from_millis(1)).await;
        assert!(error.is_err_and(|error| error.to_string().contains("refused")));
        let error = first_of(Vec::<Try>::new(), Duration::from_millis(1)).await;
        assert!(error.is_err_and(|error| error.to_string().contains("no node")));
        assert!((1..200).all(|nodes| head_start(nodes) * nodes as u32 <= CONNECT_WITHIN / 2));
    }

    #[test]
    fn a_redirection_keeps_scheme_and_login() {
        assert_eq!(at("rediss://u:p@a:1", "b:2"), "rediss://u:p@b:2");
        assert_eq!(at("redis://a:1", "b:2"), "redis://b:2");
    }
}
