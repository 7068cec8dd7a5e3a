//! The keys that clients and servers share, and the file they stand in.
//!
//! One key a line: key id (16 hexadecimal digits), blank, key (64), and after another blank anything for people to read.
//! Empty lines and what follows `#` are skipped. The client's file has one line, the server's one for each client.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::{hkdf, hmac};
use tamis_domain::digest::unhex;

use super::Fault;
use super::schedule::{self, Secret};
use crate::packet::{Hello, KeyId, MAC_BYTES};

/// Keys in a server's file: each costs about 600 bytes for each socket's table of rates and for the keys.
pub const CLIENTS_MAX: usize = 4096;

/// Why a file of keys was not taken. The fault of who wrote it; nothing is sealed with part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// A line is not an id and a key.
    #[error("line {0}: expected 16 hexadecimal digits, a blank and 64 hexadecimal digits")]
    Line(usize),
    /// The same id stands in two lines.
    #[error("line {0}: this key id stands in an earlier line")]
    Twice(usize),
    /// A key of one and the same byte: a placeholder that nobody replaced.
    #[error("line {0}: a key of equal bytes is a placeholder; draw one (openssl rand -hex 32)")]
    Placeholder(usize),
    /// Too many keys, or none.
    #[error("{found} keys, where 1 to {most} belong")]
    Count {
        /// Keys in the file.
        found: usize,
        /// Keys allowed.
        most: usize,
    },
}

/// What one client and its servers share.
#[derive(Clone)]
pub struct Key {
    id: KeyId,
    hello: hmac::Key,
    session: Secret,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl Key {
    /// The key `shared` under the name `id`.
    ///
    /// # Errors
    /// [`Fault::Library`].
    pub fn new(id: KeyId, shared: &[u8; 32]) -> Result<Self, Fault> {
        let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tamis seal v1").extract(shared);
        let hello: Secret = schedule::expand(&pseudorandom, &[b"hello"])?;
        let session = schedule::expand(&pseudorandom, &[b"session"])?;
        Ok(Self { id, hello: hmac::Key::new(hmac::HMAC_SHA256, &hello), session })
    }

    /// Reads a client's file: exactly one key.
    ///
    /// # Errors
    /// [`KeyFault`]: the fault of who wrote the file.
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        let mut keys = lines(text, 1)?;
        keys.pop().ok_or(KeyFault::Count { found: 0, most: 1 })
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The salt of its sessions' keys.
    pub(super) const fn session(&self) -> &Secret {
        &self.session
    }

    /// The code of a hello, over its first [`Hello::COVERED_BYTES`].
    pub(crate) fn mac(&self, covered: &[u8]) -> [u8; MAC_BYTES] {
        schedule::mac(&self.hello, covered)
    }

    /// Whether a hello, the datagram as it came, is this client's.
    pub(super) fn is_author(&self, datagram: &[u8], hello: &Hello) -> bool {
        let covered = datagram.get(..Hello::COVERED_BYTES).unwrap_or_default();
        schedule::are_equal(&self.mac(covered), &hello.mac)
    }
}

/// The keys of all clients, for all sockets of a server.
#[derive(Debug)]
pub struct Keys {
    keys: Vec<Key>,
    by_id: HashMap<KeyId, usize>,
}

impl Keys {
    /// Reads a server's file: 1 to [`CLIENTS_MAX`] keys.
    ///
    /// # Errors
    /// [`KeyFault`]: the fault of who wrote the file.
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        let keys = lines(text, CLIENTS_MAX)?;
        let by_id = keys.iter().enumerate().map(|(place, key)| (key.id, place)).collect();
        Ok(Self { keys, by_id })
    }

    /// Number of clients.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Never: a file without keys is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn find(&self, id: KeyId) -> Option<(usize, &Key)> {
        let place = *self.by_id.get(&id)?;
        self.keys.get(place).map(|key| (place, key))
    }

    pub(super) fn id(&self, place: usize) -> Option<KeyId> {
        self.keys.get(place).map(Key::id)
    }
}

fn lines(text: &str, most: usize) -> Result<Vec<Key>, KeyFault> {
    let mut keys: Vec<Key> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut found = 0;
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(id) = words.next() else { continue };
        let bad = KeyFault::Line(number);
        let id = KeyId(unhex(id).map_err(|_| bad)?);
        let shared: Secret = unhex(words.next().unwrap_or_default()).map_err(|_| bad)?;
        if shared.iter().all(|byte| *byte == shared[0]) {
            return Err(KeyFault::Placeholder(number));
        }
        if !seen.insert(id) {
            return Err(KeyFault::Twice(number));
        }
        found += 1;
        if found <= most {
            keys.push(Key::new(id, &shared).map_err(|_| bad)?);
        }
    }
    if found == 0 || found > most {
        return Err(KeyFault::Count { found, most });
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize) -> String {
        format!("{number:016x} {number:062x}ab scanner {number}\n")
    }

    #[test]
    fn a_file_of_keys_is_read_whole_or_not_at_all() {
        let good = format!("# keys\n\n{}{}", line(1), line(2));
        let keys = Keys::parse(&good).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys.find(KeyId(2_u64.to_be_bytes())).map(|found| found.0), Some(1));
        assert_eq!(Key::parse(&line(7)).unwrap().id().to_string(), "0000000000000007");
        for (bad, why) in [
            (String::new(), KeyFault::Count { found: 0, most: CLIENTS_MAX }),
            ("# nothing\n".to_owned(), KeyFault::Count { found: 0, most: CLIENTS_MAX }),
            (format!("{}0011 22", line(1)), KeyFault::Line(2)),
            (format!("{}zz{}", line(1), line(2)), KeyFault::Line(2)),
            (format!("{}{}", line(1), line(1)), KeyFault::Twice(2)),
            (format!("{:016x} {}", 1, "00".repeat(32)), KeyFault::Placeholder(1)),
        ] {
            assert_eq!(Keys::parse(&bad).map(|_| ()), Err(why), "{bad}");
        }
        let two = KeyFault::Count { found: 2, most: 1 };
        assert_eq!(Key::parse(&good).map(|_| ()), Err(two), "a client is one client");
    }

    #[test]
    fn so_many_clients_and_no_more() {
        let file = |count: usize| (1..=count).map(line).collect::<String>();
        assert_eq!(Keys::parse(&file(CLIENTS_MAX)).unwrap().len(), CLIENTS_MAX);
        let more = KeyFault::Count { found: CLIENTS_MAX + 1, most: CLIENTS_MAX };
        assert_eq!(Keys::parse(&file(CLIENTS_MAX + 1)).map(|_| ()), Err(more));
    }

    #[test]
    fn secrets_are_not_printed() {
        let key = Key::parse(&line(7)).unwrap();
        assert_eq!(format!("{key:?}"), "Key(0000000000000007)");
    }
}
