//! A small real SMTP and LMTP receiver that keeps what it takes and answers as it is told.

mod rule;
mod session;

pub use rule::{Rule, Stage};

use super::{PEER_WAIT_MAX, free_port};
use rule::Rules;
use session::Session;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Connections served at once; one more is closed at once, as a real server under pressure does.
const CONNECTIONS_MAX: usize = 256;

/// What the sink announces unless told otherwise.
const ANNOUNCED: [&str; 4] = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 104857600"];

/// A mail that the sink took.
#[derive(Clone, Debug)]
pub struct Received {
    /// Number of the connection it came through, from 1.
    pub connection: usize,
    /// The name the client gave itself.
    pub helo: String,
    /// XFORWARD and XCLIENT lines before it, as received.
    pub forwarded: Vec<String>,
    /// Envelope sender without brackets.
    pub from: String,
    /// Parameters of MAIL, as received.
    pub from_parameters: String,
    /// Recipients to whom the sink answered success, without brackets.
    pub recipients: Vec<String>,
    /// The mail as it was before dots were doubled.
    pub content: Vec<u8>,
    /// When all of it was there.
    pub at: Instant,
}

#[derive(Debug)]
struct Shared {
    lmtp: bool,
    announced: Vec<String>,
    rules: Mutex<Rules>,
    mails: Mutex<Vec<Received>>,
    arrived: Condvar,
    transcript: Mutex<Vec<String>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    stopping: AtomicBool,
}

/// A receiver on a port of 127.0.0.1; stops listening when dropped.
#[derive(Debug)]
pub struct Sink {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
}

/// A sink to be started.
#[derive(Debug)]
pub struct SinkBuilder {
    lmtp: bool,
    port: Option<u16>,
    announced: Vec<String>,
    rules: Vec<Rule>,
}

impl SinkBuilder {
    /// Listens here instead of on a free port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Announces one more extension.
    #[must_use]
    pub fn announce(mut self, extension: &str) -> Self {
        self.announced.push(extension.to_owned());
        self
    }

    /// Announces nothing of the usual extensions.
    #[must_use]
    pub fn announce_nothing(mut self) -> Self {
        self.announced.clear();
        self
    }

    /// Adds a rule; the first that applies decides.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Starts listening.
    ///
    /// # Panics
    /// When the port is taken.
    #[must_use]
    pub fn start(self) -> Sink {
        let port = self.port.unwrap_or_else(free_port);
        let listener = TcpListener::bind(("127.0.0.1", port))
            .unwrap_or_else(|error| panic!("sink on port {port}: {error}"));
        let shared = Arc::new(Shared {
            lmtp: self.lmtp,
            announced: self.announced,
            rules: Mutex::new(Rules::new(self.rules)),
            mails: Mutex::new(Vec::new()),
            arrived: Condvar::new(),
            transcript: Mutex::new(Vec::new()),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || serve(&listener, &serving));
        Sink { port, shared }
    }
}

impl Sink {
    /// A sink that speaks SMTP.
    #[must_use]
    pub fn smtp() -> SinkBuilder {
        let announced = ANNOUNCED.map(str::to_owned).to_vec();
        SinkBuilder { lmtp: false, port: None, announced, rules: Vec::new() }
    }

    /// A sink that speaks LMTP: one reply for each recipient after the dot (RFC 2033).
    #[must_use]
    pub fn lmtp() -> SinkBuilder {
        SinkBuilder { lmtp: true, ..Self::smtp() }
    }

    /// Replaces all rules from the next command on.
    pub fn set_rules(&self, rules: Vec<Rule>) {
        *lock(&self.shared.rules) = Rules::new(rules);
    }

    /// What it took so far, in order of arrival.
    #[must_use]
    pub fn mails(&self) -> Vec<Received> {
        lock(&self.shared.mails).clone()
    }

    /// How many mails it took so far.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.shared.mails).len()
    }

    /// Waits until at least `count` mails were taken and gives all of them.
    ///
    /// # Panics
    /// When they do not come in time; shows what was said.
    #[must_use]
    pub fn wait(&self, count: usize) -> Vec<Received> {
        self.wait_within(count, PEER_WAIT_MAX)
    }

    /// As `wait`, with a limit of its own.
    ///
    /// # Panics
    /// When they do not come in time; shows what was said.
    #[must_use]
    pub fn wait_within(&self, count: usize, limit: Duration) -> Vec<Received> {
        let end = Instant::now() + limit;
        let mut mails = lock(&self.shared.mails);
        while mails.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let said = self.transcript();
                let last = &said[said.len().saturating_sub(60)..];
                panic!("{} of {count} mails came; last:\n{}", mails.len(), last.join("\n"));
            }
            mails = self
                .shared
                .arrived
                .wait_timeout(mails, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        mails.clone()
    }

    /// Every command and reply, `number> line` from the client and `number< line` to it.
    #[must_use]
    pub fn transcript(&self) -> Vec<String> {
        lock(&self.shared.transcript).clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the listening thread, which then sees the mark.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if shared.open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MAX {
            shared.open.fetch_sub(1, Ordering::SeqCst);
            continue; // dropped, so closed
        }
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // An error here is the client's hanging up, which tests do on purpose.
            let _ = Session::new(stream, number, &shared).and_then(|session| session.run());
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}
