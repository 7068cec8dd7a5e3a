//! The cookies that servers gave us.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::seal::Seal;

/// Servers whose cookies are kept. A selector knows no more; beyond it the others are challenged each time.
pub const SERVERS_MAX: usize = 1024;

/// The last cookie of each server. Losing one costs one round trip.
#[derive(Debug, Default)]
pub struct Cookies {
    by_server: HashMap<SocketAddr, u64>,
}

impl Cookies {
    /// The server with its cookie, 0 when it gave none yet.
    #[must_use]
    pub fn of(&self, address: SocketAddr) -> super::Server {
        let cookie = self.by_server.get(&address).copied().unwrap_or_default();
        super::Server { address, cookie, seal: Seal::Off }
    }

    /// Keeps what [`super::Fact::Cookie`] told.
    pub fn learn(&mut self, address: SocketAddr, cookie: u64) {
        if self.by_server.len() < SERVERS_MAX || self.by_server.contains_key(&address) {
            self.by_server.insert(address, cookie);
        }
    }

    /// Forgets all servers for which `keep` says no: those that discovery no longer names.
    pub fn retain(&mut self, mut keep: impl FnMut(&SocketAddr) -> bool) {
        self.by_server.retain(|address, _| keep(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_for_so_many_servers_and_no_more() {
        let mut cookies = Cookies::default();
        let at = |port: usize| SocketAddr::from(([10, 0, 0, 1], port as u16));
        for port in 1..=SERVERS_MAX {
            cookies.learn(at(port), 7);
        }
        assert_eq!(cookies.of(at(SERVERS_MAX)).cookie, 7);
        cookies.learn(at(SERVERS_MAX + 1), 7);
        assert_eq!(cookies.of(at(SERVERS_MAX + 1)).cookie, 0);
        cookies.learn(at(1), 8);
        assert_eq!(cookies.of(at(1)).cookie, 8, "a known server's newer cookie is always taken");
        cookies.retain(|address| *address != at(1));
        assert_eq!(cookies.of(at(1)).cookie, 0);
    }
}
