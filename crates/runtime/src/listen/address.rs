//! Addresses as the configuration writes them.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the file of a Unix socket permits where the address says nothing: owner and group. The mail transfer agent runs as
/// another user, so it joins the group.
pub const SOCKET_MODE_DEFAULT: u32 = 0o660;

/// Where to listen. Written `"127.0.0.1:7065"`, `"[::1]:7065"`, `"unix:/run/tamis/milter.sock"`,
/// `"unix:/run/tamis/milter.sock,mode=0666"`, or `""` for nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListenAddress {
    /// Nowhere: the door is shut.
    #[default]
    Off,
    /// A TCP address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix stream socket.
    Unix {
        /// Its file, an absolute path.
        path: PathBuf,
        /// The permission bits of that file.
        mode: u32,
    },
}

/// A text that is no address. The fault of who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither address and port nor `unix:`.
    #[error(
        "{0:?} is no address: write an IP address and a port (\"127.0.0.1:7065\", \"[::]:7065\"), \
         \"unix:/path\" or \"\" for off; host names are not looked up"
    )]
    Neither(String),
    /// The path of a Unix socket is not absolute.
    #[error(
        "{0:?}: the path of a socket must be absolute, for instance \"unix:/run/tamis/milter.sock\""
    )]
    RelativePath(String),
    /// The mode is no octal number up to 0777.
    #[error(
        "{0:?}: write the mode as an octal number up to 0777, for instance \"unix:/path,mode=0660\""
    )]
    Mode(String),
}

impl ListenAddress {
    /// Whether there is nothing to listen on.
    pub fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    /// Whether only programs on this machine can reach it: a loopback address or a Unix socket (or nowhere).
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Off | Self::Unix { .. } => true,
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
        }
    }

    /// The TCP address, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Off | Self::Unix { .. } => None,
        }
    }

    /// The path of the Unix socket, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix { path, .. } => Some(path),
            Self::Off | Self::Tcp(_) => None,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Ok(Self::Off);
        }
        let Some(rest) = text.strip_prefix("unix:") else {
            return text.parse().map(Self::Tcp).map_err(|_| AddressError::Neither(text.to_owned()));
        };
        let (path, mode) = match rest.rsplit_once(",mode=") {
            None => (rest, SOCKET_MODE_DEFAULT),
            Some((path, mode)) => {
                let mode = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o777);
                (path, mode.ok_or_else(|| AddressError::Mode(text.to_owned()))?)
            }
        };
        if !Path::new(path).is_absolute() {
            return Err(AddressError::RelativePath(text.to_owned()));
        }
        Ok(Self::Unix { path: PathBuf::from(path), mode })
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => Ok(()),
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix { path, mode: SOCKET_MODE_DEFAULT } => write!(f, "unix:{}", path.display()),
            Self::Unix { path, mode } => write!(f, "unix:{},mode={mode:04o}", path.display()),
        }
    }
}
