//! Opening a listening socket, and saying clearly why it cannot be opened.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use tokio::net::{TcpSocket, UnixSocket, UnixStream};

use super::{BACKLOG, ListenAddress, Listener, Socket, SocketFile};

/// A socket that could not be opened. The fault of the machine or of who chose the address; waiting seldom helps.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there.
    #[error("cannot listen on {address}: another program listens there")]
    InUse {
        /// The address.
        address: ListenAddress,
    },
    /// Not allowed.
    #[error("cannot listen on {address}: {source}")]
    Permission {
        /// The address.
        address: ListenAddress,
        /// What the system said.
        source: io::Error,
    },
    /// The path of a Unix socket is taken by something that is no socket.
    #[error("cannot listen on {address}: a file that is no socket is in the way")]
    NoSocket {
        /// The address.
        address: ListenAddress,
    },
    /// There is nothing to listen on.
    #[error("cannot listen: the address is empty, which means off")]
    Off,
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address.
        address: ListenAddress,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    /// What the reader can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "Stop that program, or choose another port or path.",
            Self::Permission { address: ListenAddress::Unix { .. }, .. } => {
                "This user must be allowed to write in the directory of the socket."
            }
            Self::Permission { .. } => {
                "Choose a port above 1023, or grant the program CAP_NET_BIND_SERVICE."
            }
            Self::NoSocket { .. } => "Remove that file by hand if it is not needed.",
            Self::Off => "Give an address, or do not start this listener.",
            Self::Other { address: ListenAddress::Unix { .. }, .. } => {
                "The directory must exist, and the path be shorter than 108 bytes."
            }
            Self::Other { .. } => "The address must belong to this machine.",
        }
    }

    fn from_system(address: &ListenAddress, source: io::Error) -> Self {
        let address = address.clone();
        match source.kind() {
            ErrorKind::AddrInUse => Self::InUse { address },
            ErrorKind::PermissionDenied => Self::Permission { address, source },
            _ => Self::Other { address, source },
        }
    }
}

pub(super) async fn bind(address: &ListenAddress) -> Result<Listener, BindError> {
    match address {
        ListenAddress::Off => Err(BindError::Off),
        ListenAddress::Tcp(tcp) => {
            bind_tcp(*tcp).map_err(|source| BindError::from_system(address, source))
        }
        ListenAddress::Unix { path, mode } => {
            make_room(address, path).await?;
            let socket =
                bind_unix(path, *mode).map_err(|source| BindError::from_system(address, source))?;
            Ok(Listener { socket, address: address.clone() })
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Without it a restart would fail for a minute while old connections are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let socket = socket.listen(BACKLOG)?;
    let address = ListenAddress::Tcp(socket.local_addr()?);
    Ok(Listener { socket: Socket::Tcp(socket), address })
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<Socket> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    // Between bind and listen nobody can connect, so the permissions are right from the first connection on.
    let file = SocketFile::new(path.to_path_buf())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(Socket::Unix { socket: socket.listen(BACKLOG)?, _file: file })
}

/// Removes the file of a socket on which nobody listens any more, as a killed process leaves it.
async fn make_room(address: &ListenAddress, path: &Path) -> Result<(), BindError> {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !meta.file_type().is_socket() {
        return Err(BindError::NoSocket { address: address.clone() });
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|source| BindError::from_system(address, source))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // It answered, or is too busy to, or is not ours to ask: not stale.
        _ => Err(BindError::InUse { address: address.clone() }),
    }
}
