//! A connection of administration that can be ended from this side: by a call that its peer lets hang, or by the service's
//! end. HTTP/2 alone waits for a peer that answers pings and takes nothing.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tamis_runtime::listen::{Peer, Stream};
use tamis_runtime::shutdown::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// Who is at the other end, and the way to end the connection.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Who.
    pub peer: Peer,
    /// Requested: the connection breaks, with all of its calls.
    pub cut: Shutdown,
}

/// The connection.
pub(crate) struct Connection {
    stream: Stream,
    caller: Caller,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Connection {
    /// Breaks when `over` is requested, or its own cut.
    pub fn new(stream: Stream, over: &Shutdown) -> Self {
        let caller = Caller { peer: stream.peer(), cut: Shutdown::new() };
        let (own, all) = (caller.cut.clone(), over.clone());
        let end = Box::pin(async move {
            tokio::select! {
                () = own.requested() => {}
                () = all.requested() => {}
            }
        });
        Self { stream, caller, end }
    }

    /// What the socket says, or that this side has ended the connection while it has nothing to say.
    fn or_end<T>(
        &mut self,
        cx: &mut Context<'_>,
        done: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if done.is_pending() && self.end.as_mut().poll(cx).is_ready() {
            // Polled again after its end it would panic.
            self.end = Box::pin(std::future::ready(()));
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        done
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.caller.peer)
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.or_end(cx, read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.or_end(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.or_end(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.or_end(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let closed = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.or_end(cx, closed)
    }
}
