//! Where a door listens: a TCP address, a Unix socket, or nowhere.

mod address;
mod bind;
mod stream;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio_stream::Stream as AsyncSequence;

use crate::shutdown::Shutdown;

pub use address::{AddressError, ListenAddress, SOCKET_MODE_DEFAULT};
pub use bind::BindError;
pub use stream::{Peer, Stream};

/// Connections that the kernel may hold before we accept them; Linux cuts it to `net.core.somaxconn` (4096).
pub const BACKLOG: u32 = 1024;

/// How long to wait after the system refused an accept for want of descriptors or memory: trying at once would only burn the
/// processor that is needed to free them.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that listens. Dropping it closes it, and removes the file of a Unix socket unless somebody replaced it.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: ListenAddress,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    /// The file is kept for its drop alone.
    Unix {
        socket: UnixListener,
        _file: SocketFile,
    },
}

/// The file of a Unix socket, known by its inode.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Listener {
    /// Opens the socket. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`], which says the address and what can be done.
    pub async fn bind(address: &ListenAddress) -> Result<Self, BindError> {
        bind::bind(address).await
    }

    /// Where it listens; the port is the real one where the configuration says port 0.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// The TCP address, if it is one: what a test connects to.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.address.tcp()
    }

    /// Says on standard output that `door` is open and where, one line: `edge lmtp listens on 127.0.0.1:7066`. Logs go to
    /// standard error, so a supervisor or a test can read from here the port that the system chose.
    pub fn announce(&self, door: &str) {
        let mut stdout = io::stdout().lock();
        // Nobody may be reading, which is no reason not to serve.
        let _ =
            writeln!(stdout, "{door} listens on {}", self.address).and_then(|()| stdout.flush());
    }

    /// The next connection. Never fails: an attempt that the peer gave up is skipped, and where the system has no
    /// descriptors left it waits and tries again. The caller bounds how many connections it keeps.
    pub async fn accept(&self) -> (Stream, Peer) {
        loop {
            let error = match self.accept_once().await {
                Ok(pair) => return pair,
                Err(error) => error,
            };
            if !gave_up(&error) {
                tracing::warn!(listener = %self.address, %error, "cannot accept a connection; waits");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    async fn accept_once(&self) -> io::Result<(Stream, Peer)> {
        match &self.socket {
            Socket::Tcp(socket) => socket.accept().await.map(|(s, peer)| Stream::tcp(s, peer)),
            Socket::Unix { socket, .. } => socket.accept().await.map(|(s, _)| Stream::unix(s)),
        }
    }

    /// The connections as a sequence, for tonic's `serve_with_incoming`; each request then finds its [`Peer`] among its
    /// extensions. Errors are left out as in [`Listener::accept`]. A short answer leaves as one packet.
    pub fn incoming(self) -> Incoming {
        Incoming { listener: Arc::new(self), pause: None, relief: None }
    }
}

/// Errors of an accept that concern one connection, which its peer has given up.
fn gave_up(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// How long after its relief a sequence stays open, without a connection: handshakes under way end in that time, and
/// tonic drops those of a sequence that has ended.
const HANDSHAKE_GRACE: Duration = Duration::from_secs(10);

/// See [`Listener::incoming`].
pub struct Incoming {
    listener: Arc<Listener>,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
    relief: Option<Relief>,
}

/// When a sequence gives its listener away.
struct Relief {
    asked: Pin<Box<dyn Future<Output = ()> + Send>>,
    grace: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Incoming({})", self.listener.address)
    }
}

impl Incoming {
    /// Connections of a listener that is shared, until `over` is requested: from then on another sequence accepts. It
    /// ends ten seconds later.
    #[must_use]
    pub fn until(listener: &Arc<Listener>, over: &Shutdown) -> Self {
        let over = over.clone();
        let asked = Box::pin(async move { over.requested().await });
        let relief = Some(Relief { asked, grace: None });
        Self { listener: Arc::clone(listener), pause: None, relief }
    }

    /// Ready when the sequence is over; pending with `true` while it only waits for its end.
    fn poll_relief(&mut self, cx: &mut Context<'_>) -> (bool, Poll<()>) {
        let Some(relief) = &mut self.relief else { return (false, Poll::Pending) };
        if relief.grace.is_none() {
            if relief.asked.as_mut().poll(cx).is_pending() {
                return (false, Poll::Pending);
            }
            relief.grace = Some(Box::pin(tokio::time::sleep(HANDSHAKE_GRACE)));
        }
        let ended = relief.grace.as_mut().map_or(Poll::Pending, |grace| grace.as_mut().poll(cx));
        (true, ended)
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match &self.listener.socket {
            Socket::Tcp(socket) => {
                socket.poll_accept(cx).map_ok(|(stream, peer)| Stream::tcp(stream, peer).0)
            }
            Socket::Unix { socket, .. } => {
                socket.poll_accept(cx).map_ok(|(stream, _)| Stream::unix(stream).0)
            }
        }
    }
}

impl AsyncSequence for Incoming {
    type Item = io::Result<Stream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.poll_relief(cx) {
            (_, Poll::Ready(())) => return Poll::Ready(None),
            (true, Poll::Pending) => return Poll::Pending,
            (false, Poll::Pending) => {}
        }
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match std::task::ready!(self.poll_accept(cx)) {
                Ok(stream) => return Poll::Ready(Some(Ok(stream.for_short_answers()))),
                Err(error) if gave_up(&error) => {}
                Err(error) => {
                    let listener = &self.listener.address;
                    tracing::warn!(%listener, %error, "cannot accept a connection; waits");
                    self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}

impl SocketFile {
    fn new(path: PathBuf) -> io::Result<Self> {
        let meta = std::fs::symlink_metadata(&path)?;
        Ok(Self { path, inode: (meta.dev(), meta.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|meta| (meta.dev(), meta.ino()) == self.inode);
        if ours {
            // A file that stays behind is recognised as stale at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
