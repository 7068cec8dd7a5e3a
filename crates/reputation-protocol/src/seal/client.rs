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

/// Age at which a session is given up for a new one: a minute before the server forgets it.
pub const RENEW_AFTER: Duration = Duration::from_secs(SESSION_LIFE.as_secs() - 60);

/// Time that an ephemeral secret waits for its session. All questions of that time say the same hello, so that a burst of
/// mail makes one session and not hundreds.
pub const OPENING_LIFE: Duration = Duration::from_secs(10);

/// Silences in a row after which a session is given up. Until then it serves: a datagram lost is no session lost.
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
}

impl Opening {
    /// The hello of one question.
    #[must_use]
    pub fn hello(&self, id: u64, cookie: u64) -> Vec<u8> {
        let (key, public) = (self.key.id(), self.public);
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
    /// The sealed datagram of this question, and what opens its answer.
    pub(crate) fn seal(self, question: &Question) -> Result<(Vec<u8>, Stub), Fault> {
        let Self { keys, session, counter } = self;
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

#[derive(Debug)]
struct State {
    began: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Opening(Ephemeral),
    Session { session: u64, keys: Arc<SessionKeys>, next: u64, silences: u32 },
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
        let age = |state: &State| now.saturating_duration_since(state.began);
        let known = self.servers.get_mut(&server.address);
        if let Some(state) = known {
            let age = age(state);
            match &mut state.stage {
                Stage::Session { session, keys, next, .. }
                    if age < RENEW_AFTER && *next < COUNTERS_MAX =>
                {
                    let counter = *next;
                    *next += 1;
                    let ticket = Ticket { keys: Arc::clone(keys), session: *session, counter };
                    return Server { seal: Seal::Sealed(ticket), ..server };
                }
                Stage::Opening(ephemeral) if age < OPENING_LIFE => {
                    let opening = Opening { key, public: ephemeral.public };
                    return Server { seal: Seal::Open(opening), ..server };
                }
                _ => {}
            }
        }
        let public = self.open(server.address, now).unwrap_or_default();
        Server { seal: Seal::Open(Opening { key, public }), ..server }
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
        let state = State { began: now, stage: Stage::Opening(ephemeral) };
        self.servers.insert(address, state);
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
                let is_lost = |state: &State| matches!(&state.stage, Stage::Session { session, .. } if session == lost);
                // A newer one may have taken its place.
                if self.servers.get(server).is_some_and(is_lost) {
                    self.servers.remove(server);
                }
            }
            Fact::TimedOut(server) => self.silent(*server),
            Fact::Answered { server, .. } => {
                if let Some(State { stage: Stage::Session { silences, .. }, .. }) =
                    self.servers.get_mut(server)
                {
                    *silences = 0;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A session may have become useless without a word, when this machine's address has changed.
    fn silent(&mut self, address: SocketAddr) {
        let Some(state) = self.servers.get_mut(&address) else { return };
        let Stage::Session { silences, .. } = &mut state.stage else { return };
        *silences += 1;
        if *silences >= SILENCES_MAX {
            self.servers.remove(&address);
        }
    }

    /// Takes the server's half of a handshake. The second to arrive of one handshake is known already, and welcome.
    fn learn(&mut self, address: SocketAddr, reply: &Session, now: Instant) -> Result<(), Fault> {
        let key = self.key.as_ref().ok_or(Fault::Off)?;
        let state = self.servers.get_mut(&address).ok_or(Fault::Other)?;
        let ephemeral = match &state.stage {
            Stage::Opening(ephemeral) => ephemeral,
            Stage::Session { session, .. } if *session == reply.session => return Ok(()),
            Stage::Session { .. } => return Err(Fault::Other),
        };
        let transcript = Transcript::new(key, &ephemeral.public, &reply.public, reply.session);
        let keys = ephemeral.agree(&reply.public, key, &transcript)?;
        let code = keys.mac(&reply.encode()[..Session::COVERED_BYTES]);
        if !are_equal(&code, &reply.mac) {
            return Err(Fault::Mac);
        }
        let (session, keys) = (reply.session, Arc::new(keys));
        // The ephemeral secret goes with the stage that held it.
        state.stage = Stage::Session { session, keys, next: 0, silences: 0 };
        state.began = now;
        Ok(())
    }

    /// Forgets all servers for which `keep` says no: those that discovery no longer names.
    pub fn retain(&mut self, mut keep: impl FnMut(&SocketAddr) -> bool) {
        self.servers.retain(|address, _| keep(address));
    }

    /// Sessions that are kept.
    #[must_use]
    pub fn sessions(&self) -> usize {
        let is_session = |state: &&State| matches!(state.stage, Stage::Session { .. });
        self.servers.values().filter(is_session).count()
    }
}
