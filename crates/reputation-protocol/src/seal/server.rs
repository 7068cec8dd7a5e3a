//! The server's side: a table of sessions.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::keys::{Key, Keys};
use super::schedule::{Draw, Ephemeral, SessionKeys, Transcript, are_equal};
use super::window::Window;
use super::{Fault, SESSION_LIFE};
use crate::answering::Rate;
use crate::packet::{Hello, KeyId, PUBLIC_BYTES, SealedHead, Session};

/// Sessions of one socket. A session is about 2 KiB, keys expanded: 8 MiB. A client has one for each of its processes and
/// sockets here; beyond it the one heard least recently is replaced, and its client makes a new one when it asks again.
pub const SESSIONS_MAX: usize = 4096;

/// Sessions of one client, so that one that runs wild costs itself sessions and nobody else.
pub const PER_CLIENT_MAX: usize = 512;

/// Bits of a session's number that are its place in the table; the others are random.
const PLACE_MASK: u64 = SESSIONS_MAX as u64 - 1;

const _: () = assert!(SESSIONS_MAX.is_power_of_two() && PER_CLIENT_MAX < SESSIONS_MAX);

/// What may be set about the server's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Questions without a seal are met with silence. Their clients see a dead server, not a refusal: whoever has no key
    /// is told nothing.
    pub require_seal: bool,
    /// Handshakes of one client.
    pub handshakes_per_client: Rate,
    /// Handshakes of all clients together.
    pub handshakes: Rate,
}

impl Default for Settings {
    /// A handshake takes some 100 microseconds: all clients together may spend a tenth of a core on them, after a pause
    /// a quarter of a second. A client with some hundred processes is back within two seconds of a restart.
    fn default() -> Self {
        Self {
            require_seal: false,
            handshakes_per_client: Rate { per_second: 100, burst: 300 },
            handshakes: Rate { per_second: 1_000, burst: 2_500 },
        }
    }
}

/// Costly work done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Codes of hellos that were computed.
    pub macs: u64,
    /// Pairs of scalar multiplications.
    pub handshakes: u64,
    /// Seals that were tried to open.
    pub opened: u64,
    /// Sessions that were replaced before their end.
    pub replaced: u64,
}

/// A sealed question that was opened and may be answered once.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    place: usize,
    counter: u64,
    /// Whose key its session was made with.
    pub client: KeyId,
}

/// The sessions of one socket.
#[derive(Debug)]
pub struct Server {
    keys: Arc<Keys>,
    settings: Settings,
    draw: Draw,
    origin: Instant,
    /// What a search looks through, apart from the keys, so that it stays in the cache.
    places: Vec<Place>,
    sessions: Vec<Kept>,
    /// When the rate of each client, and of all, is full again.
    clients_full_at_ns: Vec<u64>,
    full_at_ns: u64,
    work: Work,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    session: u64,
    client: usize,
    began_ns: u64,
    heard_ns: u64,
}

#[derive(Debug)]
struct Kept {
    address: IpAddr,
    keys: SessionKeys,
    client_public: [u8; PUBLIC_BYTES],
    server_public: [u8; PUBLIC_BYTES],
    window: Window,
}

impl Place {
    fn is_alive(&self, now_ns: u64) -> bool {
        u128::from(now_ns - self.began_ns.min(now_ns)) < SESSION_LIFE.as_nanos()
    }
}

impl Server {
    /// `keys` are shared by all sockets; `seed` is random and of this socket alone: its ephemeral secrets and the numbers
    /// of its sessions are drawn from it.
    #[must_use]
    pub fn new(keys: Arc<Keys>, settings: Settings, seed: [u8; 32], now: Instant) -> Self {
        Self {
            clients_full_at_ns: vec![0; keys.len()],
            keys,
            settings,
            draw: Draw::new(seed),
            origin: now,
            places: Vec::new(),
            sessions: Vec::new(),
            full_at_ns: 0,
            work: Work::default(),
        }
    }

    /// Whether questions without a seal are not answered.
    #[must_use]
    pub const fn requires_seal(&self) -> bool {
        self.settings.require_seal
    }

    /// Costly work done so far.
    #[must_use]
    pub const fn work(&self) -> Work {
        self.work
    }

    /// Sessions alive at `now`.
    #[must_use]
    pub fn sessions(&self, now: Instant) -> usize {
        let now_ns = self.since_origin_ns(now);
        self.places.iter().filter(|place| place.is_alive(now_ns)).count()
    }

    /// Makes a session for the hello in `datagram`, whose source has proven that `address` is its own. The same hello
    /// again gets the same session again, without the work: a doubled or repeated datagram costs one code.
    ///
    /// # Errors
    /// [`Fault`]: say nothing.
    pub fn greet(
        &mut self,
        datagram: &[u8],
        hello: &Hello,
        address: IpAddr,
        now: Instant,
    ) -> Result<Session, Fault> {
        let keys = Arc::clone(&self.keys);
        let (client, key) = keys.find(hello.key).ok_or(Fault::Key)?;
        self.work.macs += 1;
        if !key.is_author(datagram, hello) {
            return Err(Fault::Mac);
        }
        let now_ns = self.since_origin_ns(now);
        let place = match self.same(client, hello, address, now_ns) {
            Some(place) => place,
            None => self.make(client, key, hello, address, now_ns)?,
        };
        let (Some(place), Some(kept)) = (self.places.get(place), self.sessions.get(place)) else {
            return Err(Fault::Session);
        };
        let public = kept.server_public;
        let mut session = Session { id: hello.id, session: place.session, public, mac: [0; _] };
        session.mac = kept.keys.mac(&session.encode()[..Session::COVERED_BYTES]);
        Ok(session)
    }

    /// Whether `session` is alive and was made by this client from this address: then its number, of which 52 bits are
    /// random and which was told to that address alone, proves the address as a cookie does.
    pub(crate) fn is_in_force(
        &self,
        session: u64,
        client: KeyId,
        address: IpAddr,
        now: Instant,
    ) -> bool {
        let at = (session & PLACE_MASK) as usize;
        let (Some(place), Some(kept)) = (self.places.get(at), self.sessions.get(at)) else {
            return false;
        };
        place.session == session
            && place.is_alive(self.since_origin_ns(now))
            && kept.address == address
            && self.keys.id(place.client) == Some(client)
    }

    /// Opens a sealed question into `opened`, once.
    ///
    /// # Errors
    /// [`Fault`]: say nothing; at [`Fault::Session`] a challenge may be sent, as to anybody without proof.
    pub fn open(
        &mut self,
        datagram: &[u8],
        head: &SealedHead,
        address: IpAddr,
        now: Instant,
        opened: &mut Vec<u8>,
    ) -> Result<Opened, Fault> {
        let now_ns = self.since_origin_ns(now);
        let at = (head.session & PLACE_MASK) as usize;
        let (Some(place), Some(kept)) = (self.places.get_mut(at), self.sessions.get_mut(at)) else {
            return Err(Fault::Session);
        };
        if place.session != head.session || !place.is_alive(now_ns) {
            return Err(Fault::Session);
        }
        if kept.address != address {
            return Err(Fault::Source);
        }
        if !kept.window.is_open(head.counter) || head.counter >= super::COUNTERS_MAX {
            return Err(Fault::Replayed);
        }
        self.work.opened += 1;
        kept.keys.questions.open(head.counter, datagram, opened)?;
        // Only now: what is not authentic moves no window and keeps no session young.
        kept.window.take(head.counter);
        place.heard_ns = now_ns;
        let client = self.keys.id(place.client).ok_or(Fault::Key)?;
        Ok(Opened { place: at, counter: head.counter, client })
    }

    /// Seals the answer to a question that was opened just now.
    ///
    /// # Errors
    /// [`Fault::Library`].
    pub fn seal(&self, question: Opened, answer: &mut Vec<u8>) -> Result<(), Fault> {
        let kept = self.sessions.get(question.place).ok_or(Fault::Session)?;
        kept.keys.answers.seal(question.counter, answer)
    }

    /// The session that this hello made already.
    fn same(&self, client: usize, hello: &Hello, address: IpAddr, now_ns: u64) -> Option<usize> {
        let pairs = self.places.iter().zip(&self.sessions);
        let is_same = |(place, kept): (&Place, &Kept)| {
            place.client == client
                && kept.address == address
                && are_equal(&kept.client_public, &hello.public)
                && place.is_alive(now_ns)
        };
        pairs.into_iter().position(is_same)
    }

    fn make(
        &mut self,
        client: usize,
        key: &Key,
        hello: &Hello,
        address: IpAddr,
        now_ns: u64,
    ) -> Result<usize, Fault> {
        let Some(of_client) = self.clients_full_at_ns.get_mut(client) else {
            return Err(Fault::Key);
        };
        if !self.settings.handshakes_per_client.take(of_client, now_ns)
            || !self.settings.handshakes.take(&mut self.full_at_ns, now_ns)
        {
            return Err(Fault::Busy);
        }
        self.work.handshakes += 1;
        let ephemeral = Ephemeral::new(&self.draw.secret())?;
        let server_public = ephemeral.public;
        let at = self.place(client, now_ns);
        // Never 0, which is no session: all but the place is random, and 1 in 2^52 is drawn again as 1.
        let random = (self.draw.word() & !PLACE_MASK).max(PLACE_MASK + 1);
        let session = random | at as u64;
        let transcript = Transcript::new(key, &hello.public, &server_public, session);
        let keys = ephemeral.agree(&hello.public, key, &transcript)?;
        let place = Place { session, client, began_ns: now_ns, heard_ns: now_ns };
        let client_public = hello.public;
        let window = Window::new();
        let kept = Kept { address, keys, client_public, server_public, window };
        if let (Some(old), Some(old_kept)) = (self.places.get_mut(at), self.sessions.get_mut(at)) {
            self.work.replaced += u64::from(old.is_alive(now_ns));
            (*old, *old_kept) = (place, kept);
        } else {
            self.places.push(place);
            self.sessions.push(kept);
        }
        Ok(at)
    }

    /// Where a new session of `client` goes: in place of its own idlest when it has its share, else where one has ended,
    /// else behind the last, else in place of the idlest of all.
    fn place(&self, client: usize, now_ns: u64) -> usize {
        let (mut ended, mut own, mut all) = (None, None, None);
        let mut owned = 0;
        let older = |best: &mut Option<(u64, usize)>, found| {
            *best = Some(best.map_or(found, |known| known.min(found)));
        };
        for (at, place) in self.places.iter().enumerate() {
            if !place.is_alive(now_ns) {
                ended = ended.or(Some(at));
                continue;
            }
            older(&mut all, (place.heard_ns, at));
            if place.client == client {
                owned += 1;
                older(&mut own, (place.heard_ns, at));
            }
        }
        let idlest = |best: Option<(u64, usize)>| best.map(|(_, at)| at);
        if owned >= PER_CLIENT_MAX {
            return idlest(own).unwrap_or_default();
        }
        let next = (self.places.len() < SESSIONS_MAX).then_some(self.places.len());
        ended.or(next).or(idlest(all)).unwrap_or_default()
    }

    fn since_origin_ns(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}
