//! One accepted connection, whatever the kind of its socket.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::server::Connected;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A TCP peer; an IPv4 address that came in over IPv6 is shown as IPv4.
    Tcp(SocketAddr),
    /// A program on this machine.
    Unix,
}

impl Peer {
    /// The IP address, if it has one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        self.ip().is_none_or(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// An accepted connection: bytes in, bytes out. Small writes go out at once (`TCP_NODELAY`): the callers talk in turns, and
/// Nagle's delay would cost 40 ms a turn. For the same reason what came and has no answer yet is acknowledged as soon as
/// this side waits for more: a peer that writes its turn in two pieces may hold the second back until the first is.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    peer: Peer,
    gathers: bool,
    /// Something came since the last write, and no acknowledgement was asked for.
    owes: bool,
    acknowledges: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn tcp(socket: TcpStream, peer: SocketAddr) -> (Self, Peer) {
        // Fails only on a connection that is gone, which the first read will tell.
        let _ = socket.set_nodelay(true);
        let peer = Peer::Tcp(SocketAddr::new(peer.ip().to_canonical(), peer.port()));
        (Self::new(Socket::Tcp(socket), peer), peer)
    }

    pub(super) fn unix(socket: UnixStream) -> (Self, Peer) {
        (Self::new(Socket::Unix(socket), Peer::Unix), Peer::Unix)
    }

    fn new(socket: Socket, peer: Peer) -> Self {
        Self { socket, peer, gathers: true, owes: false, acknowledges: true }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The same for gRPC, whose clients do not hold pieces back: without acknowledgements of their own, and without writes
    /// from several pieces at once. The HTTP/2 library then copies a body of up to 1,023 bytes into
    /// one buffer with the frames around it. It would otherwise hand a body of 256 bytes or more to the kernel as it lies,
    /// and what follows it (of every gRPC answer: its status) by a second call and in a second packet.
    pub(super) fn for_short_answers(mut self) -> Self {
        self.gathers = false;
        self.acknowledges = false;
        self
    }
}

/// Tells the peer now that its bytes came; the system would wait 40 ms for an answer to send it with. It forgets the wish
/// after a while, so it is said each time.
fn acknowledge(socket: &TcpStream) {
    // Fails only on a connection that is gone, which the next read will tell.
    #[cfg(target_os = "linux")]
    let _ = socket.set_quickack(true);
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

impl Connected for Stream {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.socket {
            Socket::Tcp(socket) => {
                let before = buf.filled().len();
                let read = Pin::new(&mut *socket).poll_read(cx, buf);
                if read.is_ready() {
                    this.owes |= this.acknowledges && buf.filled().len() > before;
                } else if std::mem::take(&mut this.owes) {
                    acknowledge(socket);
                }
                read
            }
            Socket::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // Goes with the answer.
        this.owes = false;
        match &mut this.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_write(cx, buf),
            Socket::Unix(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.owes = false;
        match &mut this.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Socket::Unix(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.gathers
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Socket::Unix(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Socket::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
