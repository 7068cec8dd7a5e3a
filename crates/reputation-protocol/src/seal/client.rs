//! The client's side: one session for each server, shared by all questions.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::keys::Key;
use super::schedule::{Draw, Ephemeral, SessionKeys, Transcript, are_equal};
use super::{COUNTERS_MAX, Fault, SESSION_LIFE};
use crate::asking::{Fact, Server};
use crate::packet::{
    Answer, Hello, MAC_BYTES, Malformed, PUBLIC_BYTES, Question, SealedHead, Session,
};

/// Servers with which sessions are kept. A selector knows no more; beyond it the oldest is forgotten, which costs a
/// handshake.
pub const CLIENT_SERVERS_MAX: usize = 1024;

/// Age at which a session is to be renewed: a minute before the server forgets it. It serves until the new one is there.
pub const RENEW_AFTER: Duration = Duration::from_secs(SESSION_LIFE.as_secs() - 60);

/// Age at which a session serves no more, renewed or not: the server's hour began when it made the session, a round trip
/// before the client heard of it.
const GIVE_UP_AFTER: Duration = Duration::from_secs(SESSION_LIFE.as_secs() - 1);

/// Counters from which a session is to be renewed: 20 seconds at 50,000 questions a second are left then.
const RENEW_COUNTER: u64 = COUNTERS_MAX - (1 << 20);

/// Time between two hellos beside questions in a session that is to be renewed: 240 tries in its last minute, so that one
/// comes through where 19 of 20 datagrams are lost, and none costs the server more than 4 codes a second.
pub const HELLO_PACE: Duration = Duration::from_millis(250);

/// Time that an ephemeral secret waits for its session. All questions of that time say the same hello, so that a burst of
/// mail makes one session and not hundreds.
pub const OPENING_LIFE: Duration = Duration::from_secs(10);

/// Silences in a row after which a session is to be renewed. It serves on: a datagram lost is no session lost, and if this
/// machine's address has changed, the hello beside the question finds that out.
pub const SILENCES_MAX: u32 = 8;

/// How to ask a server.
#[derive(Debug, Default)]
pub enum Seal {
    /// In clear.
    #[default]
    Off,
    /// Through a handshake first.
    Open(Opening),
    /// In a session.
    Sealed(Ticket),
}

impl Seal {
    /// Whether anything is sealed.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// The client's half of a handshake, still to be numbered and authenticated.
#[derive(Clone, Debug)]
pub struct Opening {
    key: Arc<Key>,
    public: [u8; PUBLIC_BYTES],
    /// The session in force that proves the address; 0: there is none, and a cookie has to.
    session: u64,
}

impl Opening {
    /// The hello of one question.
    #[must_use]
    pub fn hello(&self, id: u64, cookie: u64) -> Vec<u8> {
        let (key, public) = (self.key.id(), self.public);
        let cookie = if self.session == 0 { cookie } else { self.session };
        let mut out = Hello { id, cookie, key, public, mac: [0; MAC_BYTES] }.encode();
        out.truncate(Hello::COVERED_BYTES);
        let mac = self.key.mac(&out);
        out.extend_from_slice(&mac);
        out
    }
}

/// The right to seal one question in a session. It cannot be copied: no two questions share a counter.
pub struct Ticket {
    keys: Arc<SessionKeys>,
    session: u64,
    counter: u64,
    /// A handshake to be made beside, since the session is to be renewed.
    renewal: Option<Opening>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({:016x}, {})", self.session, self.counter)
    }
}

/// The way back: what opens the answer to one sealed question.
#[derive(Debug)]
pub(crate) struct Stub {
    keys: Arc<SessionKeys>,
    pub(crate) session: u64,
    counter: u64,
}

impl Ticket {
    /// The hello to be sent beside the question number `id`, when the session is to be renewed.
    pub(crate) fn renewal(&self, id: u64) -> Option<Vec<u8>> {
        self.renewal.as_ref().map(|opening| opening.hello(id, 0))
    }

    /// The sealed datagram of this question, and what opens its answer.
    pub(crate) fn seal(self, question: &Question) -> Result<(Vec<u8>, Stub), Fault> {
        let Self { keys, session, counter, .. } = self;
        let mut datagram = question.encode_for_seal(session, counter);
        keys.questions.seal(counter, &mut datagram)?;
        Ok((datagram, Stub { keys, session, counter }))
    }
}

impl Stub {
    /// Opens an answer, whose head was read already.
    pub(crate) fn open(
        &self,
        head: &SealedHead,
        datagram: &[u8],
    ) -> Result<Result<Answer, Malformed>, Fault> {
        if (head.session, head.counter) != (self.session, self.counter) {
            return Err(Fault::Other);
        }
        let mut opened = Vec::new();
        self.keys.answers.open(self.counter, datagram, &mut opened)?;
        Ok(Answer::decode_opened(head, &opened))
    }
}

/// The sessions with all servers.
#[derive(Debug)]
pub struct Client {
    key: Option<Arc<Key>>,
    draw: Draw,
    servers: HashMap<SocketAddr, State>,
}

/// What is known of one server: a session, a handshake, or both while the one is renewed by the other.
#[derive(Debug)]
struct State {
    /// When either was made.
    began: Instant,
    session: Option<Held>,
    opening: Option<Opened>,
}

#[derive(Debug)]
struct Held {
    session: u64,
    keys: Arc<SessionKeys>,
    began: Instant,
    next: u64,
    silences: u32,
    /// When a hello was last sent beside a question.
    hello_at: Option<Instant>,
}

#[derive(Debug)]
struct Opened {
    began: Instant,
    ephemeral: Ephemeral,
}

impl Held {
    fn is_usable(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) < GIVE_UP_AFTER && self.next < COUNTERS_MAX
    }

    /// Whether a hello is to go beside the next question; it then counts as sent.
    fn renews(&mut self, now: Instant) -> bool {
        let is_due = now.saturating_duration_since(self.began) >= RENEW_AFTER
            || self.next >= RENEW_COUNTER
            || self.silences >= SILENCES_MAX;
        let is_early = |at| now.saturating_duration_since(at) < HELLO_PACE;
        if !is_due || self.hello_at.is_some_and(is_early) {
            return false;
        }
        self.hello_at = Some(now);
        true
    }
}

impl Default for Client {
    /// Everything is asked in clear.
    fn default() -> Self {
        Self { key: None, draw: Draw::new([0; 32]), servers: HashMap::new() }
    }
}

impl Client {
    /// Everything is asked sealed with `key`. `seed` is random: the ephemeral secrets are drawn from it.
    #[must_use]
    pub fn new(key: Key, seed: [u8; 32]) -> Self {
        Self { key: Some(Arc::new(key)), draw: Draw::new(seed), servers: HashMap::new() }
    }

    /// Gives a server, as the cookies know it, what one question to it needs: a ticket, a handshake to make, or nothing
    /// when nothing is sealed. Should the library refuse to make a pair, the server gets an opening that nobody answers:
    /// never a question in clear.
    pub fn equip(&mut self, server: Server, now: Instant) -> Server {
        let Some(key) = self.key.clone() else { return server };
        let seal = match self.ticket(&key, server.address, now) {
            Some(ticket) => Seal::Sealed(ticket),
            None => Seal::Open(self.opening(&key, server.address, 0, now)),
        };
        Server { seal, ..server }
    }

    /// The next counter of the session with a server, if there is one that serves.
    fn ticket(&mut self, key: &Arc<Key>, address: SocketAddr, now: Instant) -> Option<Ticket> {
        let held = self.servers.get_mut(&address)?.session.as_mut()?;
        if !held.is_usable(now) {
            return None;
        }
        let (keys, session, counter) = (Arc::clone(&held.keys), held.session, held.next);
        held.next += 1;
        let renewal = held.renews(now).then(|| self.opening(key, address, session, now));
        Some(Ticket { keys, session, counter, renewal })
    }

    /// The handshake that waits for its session, or a new one. What the library refuses to make gives an opening that
    /// nobody answers.
    fn opening(
        &mut self,
        key: &Arc<Key>,
        address: SocketAddr,
        session: u64,
        now: Instant,
    ) -> Opening {
        let known = self.servers.get(&address).and_then(|state| state.opening.as_ref());
        let is_young = |it: &&Opened| now.saturating_duration_since(it.began) < OPENING_LIFE;
        let public = match known.filter(is_young) {
            Some(opened) => opened.ephemeral.public,
            None => self.open(address, now).unwrap_or_default(),
        };
        Opening { key: Arc::clone(key), public, session }
    }

    fn open(&mut self, address: SocketAddr, now: Instant) -> Result<[u8; PUBLIC_BYTES], Fault> {
        let ephemeral = Ephemeral::new(&self.draw.secret())?;
        let public = ephemeral.public;
        if self.servers.len() >= CLIENT_SERVERS_MAX && !self.servers.contains_key(&address) {
            let oldest = self.servers.iter().min_by_key(|(_, state)| state.began);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.servers.remove(&oldest);
            }
        }
        let none = State { began: now, session: None, opening: None };
        let state = self.servers.entry(address).or_insert(none);
        (state.began, state.opening) = (now, Some(Opened { began: now, ephemeral }));
        Ok(public)
    }

    /// Takes a fact of any question: sessions made and lost, and servers silent and alive. Call it with every fact,
    /// before a [`crate::asking::Want::Seal`] that came after it is answered.
    ///
    /// # Errors
    /// [`Fault`]: a session is not believed, and the handshake stays open. To be counted and logged.
    pub fn note(&mut self, fact: &Fact, now: Instant) -> Result<(), Fault> {
        match fact {
            Fact::Session { server, reply } => return self.learn(*server, reply, now),
            Fact::SessionLost { server, session: lost } => {
                if let Some(state) = self.servers.get_mut(server)
                    // A newer one may have taken its place.
                    && state.session.as_ref().is_some_and(|held| held.session == *lost)
                {
                    state.session = None;
                }
            }
            Fact::TimedOut(server) => {
                if let Some(held) = self.held(server) {
                    held.silences = held.silences.saturating_add(1);
                }
            }
            Fact::Answered { server, .. } => {
                if let Some(held) = self.held(server) {
                    held.silences = 0;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn held(&mut self, server: &SocketAddr) -> Option<&mut Held> {
        self.servers.get_mut(server)?.session.as_mut()
    }

    /// Takes the server's half of a handshake. The second to arrive of one handshake is known already, and welcome.
    fn learn(&mut self, address: SocketAddr, reply: &Session, now: Instant) -> Result<(), Fault> {
        let key = self.key.as_ref().ok_or(Fault::Off)?;
        let state = self.servers.get_mut(&address).ok_or(Fault::Other)?;
        if state.session.as_ref().is_some_and(|held| held.session == reply.session) {
            return Ok(());
        }
        let ephemeral = &state.opening.as_ref().ok_or(Fault::Other)?.ephemeral;
        let transcript = Transcript::new(key, &ephemeral.public, &reply.public, reply.session);
        let keys = ephemeral.agree(&reply.public, key, &transcript)?;
        let code = keys.mac(&reply.encode()[..Session::COVERED_BYTES]);
        if !are_equal(&code, &reply.mac) {
            return Err(Fault::Mac);
        }
        let (session, keys) = (reply.session, Arc::new(keys));
        // The ephemeral secret goes with the opening that held it, the old session with what held that.
        *state = State {
            began: now,
            session: Some(Held { session, keys, began: now, next: 0, silences: 0, hello_at: None }),
            opening: None,
        };
        Ok(())
    }

    /// Forgets all servers for which `keep` says no: those that discovery no longer names.
    pub fn retain(&mut self, mut keep: impl FnMut(&SocketAddr) -> bool) {
        self.servers.retain(|address, _| keep(address));
    }

    /// Sessions that are kept.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.servers.values().filter(|state| state.session.is_some()).count()
    }
}
