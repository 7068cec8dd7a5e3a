//! The master that Sentinels name, for the roles that speak to Redis (feature `redis`).

use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{ConnectionAddr, ErrorKind, RedisResult, TlsCertificates, TlsMode};

use crate::redis_address::Address;

/// A client that asks the Sentinels of an address who is master each time it connects, so that a failover is followed.
/// `authority`: PEM certificate of who signed the certificates of all of them; none trusts the system's.
///
/// # Errors
/// An address of another kind, or a certificate that cannot be read: the administrator's fault.
pub fn client(address: &Address, authority: Option<&[u8]>) -> RedisResult<SentinelClient> {
    let Address::Sentinel { sentinels, master, database, login, tls } = address else {
        return Err((ErrorKind::InvalidClientConfig, "not a Sentinel address").into());
    };
    let nodes = sentinels.iter().map(|(host, port)| match tls {
        true => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: false,
            tls_params: None,
        },
        false => ConnectionAddr::Tcp(host.clone(), *port),
    });
    let mut builder = SentinelClientBuilder::new(nodes, master, SentinelServerType::Master)?
        .set_client_to_redis_db(*database);
    if let Some((user, password)) = login {
        builder = builder.set_client_to_redis_password(password);
        if !user.is_empty() {
            builder = builder.set_client_to_redis_username(user);
        }
    }
    if *tls {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure);
        if let Some(authority) = authority {
            let certificates =
                TlsCertificates { client_tls: None, root_cert: Some(authority.to_vec()) };
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_sentinels_has_a_client_that_asks_them() {
        let client = |text: &str| super::client(&Address::parse(text).unwrap(), None);
        assert!(client("redis+sentinel://a.example:26379,b.example:26379/mymaster/0").is_ok());
        assert!(client("rediss+sentinel://u:p@a.example:26379/mymaster/3").is_ok());
        assert!(client("redis://a.example:6379/0").is_err());
        assert!(client("redis+cluster://a.example:6379").is_err());
    }
}
