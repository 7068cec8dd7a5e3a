//! A listener whose certificates change: one server after the other on the same socket.

use std::sync::Arc;

use tokio::task::JoinSet;
use tonic::transport::ServerTlsConfig;

use super::Tls;
use crate::listen::{Incoming, Listener};
use crate::shutdown::Shutdown;

/// Serves `listener` by `serve`, once without TLS, and with it anew at each change of the files. The server of before
/// accepts nothing more, finishes the handshakes under way, asks its connections to end after the work in hand, and ends:
/// its clients come back and see the new certificate. `serve` must end when its connections end or the process is asked to.
///
/// # Errors
/// That of the first server that fails; the others are broken off.
pub async fn serve_in_turns<E, F>(
    listener: Listener,
    tls: Option<&Tls>,
    mut serve: impl FnMut(Incoming, Option<ServerTlsConfig>) -> F,
) -> Result<(), E>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Send + 'static,
{
    let Some(tls) = tls else { return serve(listener.incoming(), None).await };
    let listener = Arc::new(listener);
    let mut renewals = tls.renewals();
    let mut turns = JoinSet::new();
    let mut over = Shutdown::new();
    turns.spawn(serve(Incoming::until(&listener, &over), Some(tls.server())));
    loop {
        tokio::select! {
            () = renewals.changed() => {
                over.request();
                over = Shutdown::new();
                turns.spawn(serve(Incoming::until(&listener, &over), Some(tls.server())));
            }
            ended = turns.join_next() => match ended {
                None => return Ok(()),
                Some(Ok(Err(error))) => return Err(error),
                // One that was relieved, or ends with the process; it panics with its task.
                Some(Ok(Ok(()))) => {}
                Some(Err(error)) => tracing::error!(%error, "a server broke"),
            },
        }
    }
}
