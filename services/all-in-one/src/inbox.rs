//! A small next hop for first tries: takes mail by SMTP on a loopback port and keeps it in a Maildir.
//!
//! `tamis all` without a configuration file has nobody behind it; with this, whoever sends a first mail also sees it
//! arrive. It is a real next hop: its 250 means that file and directory are on disk. It is not a mail server: it keeps
//! few mails, and says so when it is full.

mod maildir;
mod session;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tamis_runtime::exit::Failure;
use tamis_runtime::listen::{ListenAddress, Listener, Stream};
use tamis_runtime::shutdown::Shutdown;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use maildir::Maildir;

/// Connections at the same time; the next one hears 421. Each costs up to 320 KiB of buffers, so 40 MiB in all.
pub const CONNECTIONS_MAX: usize = 128;
/// The largest mail, in bytes: what an edge passes by default, and room for what it writes into the header.
pub const MAIL_BYTES_MAX: u64 = tamis_domain::limits::MAIL_BYTES_MAX + 1024 * 1024;
/// Mails kept, read ones included. Enough to try a load, too few to become a mail store by accident.
pub const MAILS_MAX: usize = 1000;
/// Bytes kept before the next mail is refused; mails that are on their way in may exceed it. The directory may be in
/// memory, as `/tmp` often is.
pub const KEPT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// How long a client that is one too many may take to read why.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// What bounds one inbox. The values in force are the constants of this file; tests choose smaller ones.
#[derive(Clone, Copy, Debug)]
struct Limits {
    connections_max: usize,
    mail_bytes_max: u64,
    mails_max: usize,
    kept_bytes_max: u64,
}

const LIMITS: Limits = Limits {
    connections_max: CONNECTIONS_MAX,
    mail_bytes_max: MAIL_BYTES_MAX,
    mails_max: MAILS_MAX,
    kept_bytes_max: KEPT_BYTES_MAX,
};

/// Opens the inbox in `dir` (made where missing, for its owner alone) and gives the loopback address it takes mail on.
///
/// Request `shutdown` only after whoever delivers here has finished: from then on nobody is accepted.
///
/// # Errors
/// The directory cannot be made or written, or no loopback port is free.
pub async fn start(dir: &Path, shutdown: Shutdown) -> Result<SocketAddr, Failure> {
    start_within(dir, shutdown, LIMITS).await
}

async fn start_within(
    dir: &Path,
    shutdown: Shutdown,
    limits: Limits,
) -> Result<SocketAddr, Failure> {
    let path = dir.to_owned();
    let opened = blocking(move || Maildir::open(path, limits.mails_max, limits.kept_bytes_max));
    let maildir = opened.await.map_err(|error| {
        let what = format!("inbox {}: {error}", dir.display());
        Failure::unavailable(what, "This user must be allowed to write there.")
    })?;
    let any = ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let listener = Listener::bind(&any).await?;
    let address = listener
        .tcp_address()
        .ok_or_else(|| Failure::software("inbox: the listener has no address"))?;
    tokio::spawn(serve(listener, Arc::new(maildir), shutdown, limits));
    Ok(address)
}

async fn serve(listener: Listener, maildir: Arc<Maildir>, shutdown: Shutdown, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.requested() => return,
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            turn_away(stream).await;
            continue;
        };
        let session = session::Session::new(stream, Arc::clone(&maildir), limits.mail_bytes_max);
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            if let Err(error) = session.run(&shutdown).await {
                tracing::debug!(%error, "inbox: a client is gone");
            }
            drop(place);
        });
    }
}

/// The goodbye fits into any socket's buffer, so this does not hold up the next client.
async fn turn_away(mut stream: Stream) {
    let goodbye = stream.write_all(b"421 4.7.0 too many connections\r\n");
    let _ = tokio::time::timeout(GOODBYE_TIMEOUT, goodbye).await;
}

/// Runs file work where it may wait for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    // The work does not panic; a runtime that ends while it waits is the only other way to lose it.
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.into()))
}
