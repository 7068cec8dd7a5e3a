//! Mutual TLS between our own services, from files.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use crate::config::{ConfigError, read_bounded};
use crate::listen::ListenAddress;

/// The name of the section.
const SECTION: &str = "tls";

/// The longest PEM file, in bytes: a bundle of all public authorities has 220 KB.
pub const PEM_BYTES_MAX: usize = 1 << 20;

/// The section `[tls]`: three PEM files, all or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// Our own certificate with its chain.
    pub certificate: PathBuf,
    /// The private key of that certificate.
    pub key: PathBuf,
    /// The authorities that sign the certificates of our services, and no others.
    pub authority: PathBuf,
    /// The name to expect in the certificate of a server; empty: the host of its URL.
    pub server_name: String,
    /// Permits gRPC listeners without TLS on addresses that others can reach, where a mesh encrypts.
    pub insecure: bool,
}

/// Certificates in memory, ready for both ends. Both prove who they are: there is no TLS without the other's certificate.
#[derive(Clone, Debug)]
pub struct Tls {
    identity: Identity,
    authority: Certificate,
    server_name: String,
}

impl TlsConfig {
    /// Reads the files; `None` where none is named.
    ///
    /// # Errors
    /// One file named and another not; a file that cannot be read or holds no PEM of its kind.
    pub fn load(&self) -> Result<Option<Tls>, ConfigError> {
        let named = [
            ("certificate", &self.certificate),
            ("key", &self.key),
            ("authority", &self.authority),
        ];
        let missing: Vec<_> =
            named.iter().filter(|(_, path)| path.as_os_str().is_empty()).map(|(n, _)| *n).collect();
        if missing.len() == named.len() {
            return Ok(None);
        }
        if !missing.is_empty() {
            let message = format!(
                "{} must be named too: services show each other their certificates",
                missing.join(" and ")
            );
            return Err(ConfigError::meaning(SECTION, message));
        }
        let certificate = read_pem(&self.certificate, "certificate", "CERTIFICATE")?;
        let key = read_pem(&self.key, "key", "PRIVATE KEY")?;
        let authority = read_pem(&self.authority, "authority", "CERTIFICATE")?;
        Ok(Some(Tls {
            identity: Identity::from_pem(certificate, key),
            authority: Certificate::from_pem(authority),
            server_name: self.server_name.clone(),
        }))
    }

    /// The rule for gRPC listeners: plain text on this machine only.
    ///
    /// # Errors
    /// `address` (written at `key` of `section`) can be reached by others, there are no certificates, and nobody wrote
    /// `insecure = true`.
    pub fn permit(
        &self,
        section: &str,
        key: &str,
        address: &ListenAddress,
    ) -> Result<(), ConfigError> {
        let has_tls = !self.certificate.as_os_str().is_empty();
        if has_tls || self.insecure || address.is_loopback() {
            return Ok(());
        }
        let message = format!(
            "{key} = \"{address}\" can be reached from other machines and would speak without TLS: name certificate, \
             key and authority in [tls], or write insecure = true there if something else encrypts"
        );
        Err(ConfigError::meaning(section, message))
    }
}

impl Tls {
    /// For a listener: our certificate, and a demand for the client's.
    pub fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .identity(self.identity.clone())
            .client_ca_root(self.authority.clone())
    }

    /// The name that all servers' certificates bear, where one is configured.
    pub fn server_name(&self) -> Option<&str> {
        Some(self.server_name.as_str()).filter(|name| !name.is_empty())
    }

    /// For a connection (`https://` URLs): our certificate, and our authority alone to trust.
    pub fn client(&self) -> ClientTlsConfig {
        let config = ClientTlsConfig::new()
            .identity(self.identity.clone())
            .ca_certificate(self.authority.clone());
        if self.server_name.is_empty() {
            config
        } else {
            config.domain_name(self.server_name.clone())
        }
    }
}

/// Reads a file and looks for the kind of PEM block that must be in it. Whether it is sound is told when the listener or the
/// connection is made; a swapped key and certificate are told here, in plainer words.
fn read_pem(path: &Path, key: &str, kind: &str) -> Result<Vec<u8>, ConfigError> {
    let text = read_bounded(path, PEM_BYTES_MAX)
        .map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?
        .ok_or_else(|| ConfigError::TooLong {
            path: path.to_path_buf(),
            bytes_max: PEM_BYTES_MAX,
        })?;
    let found = String::from_utf8_lossy(&text).lines().any(|line| {
        line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&format!("{kind}-----"))
    });
    if found {
        Ok(text)
    } else {
        let message = format!("{key}: {} holds no PEM block of kind {kind}", path.display());
        Err(ConfigError::meaning(SECTION, message))
    }
}
