//! The `[scanner] redis` value.

use tamis_runtime::redis_address::{Address, without_password};

/// Reads text as an address of Redis. What is read can be connected to; what is refused is said without its password.
pub fn redis_address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Address::parse(text) {
        Ok(Address::Single(url)) => assert_eq!(url, text),
        Ok(Address::Sentinel { sentinels, master, .. }) => {
            assert!(!sentinels.is_empty() && !master.is_empty() && !master.contains('/'));
            assert!(sentinels.iter().all(|(host, _)| !host.is_empty()));
        }
        Ok(Address::Cluster(nodes)) => {
            assert!(!nodes.is_empty());
            assert!(
                nodes.iter().all(|node| matches!(Address::parse(node), Ok(Address::Single(_))))
            );
        }
        Err(bad) => assert_eq!(bad.found, without_password(text)),
    }
    hidden(text);
}

/// What stands between the scheme and the last `@` is a login.
fn hidden(text: &str) {
    let Some((before, hosts)) = text.rsplit_once('@') else { return };
    let login = before.split_once("://").map_or(before, |(_, login)| login);
    // A login that the rest of the text repeats cannot be looked for.
    let scheme = before.strip_suffix(login).unwrap_or_default();
    if login.len() >= 4 && !hosts.contains(login) && !scheme.contains(login) {
        let shown = without_password(text);
        assert!(!shown.contains(login), "{shown:?} shows {login:?}");
    }
}
