//! Mutual TLS between our own services, from files that are read again when they change.
//!
//! [`Tls`] is what the files say now: every connection that is made or accepted from a change on shows the new
//! certificate and trusts the new authorities. Files that do not fit together (a rotation half written) change nothing.

mod turns;
mod validity;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use serde::Deserialize;
use tokio::sync::watch;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};

use crate::config::{ConfigError, read_bounded};
use crate::listen::ListenAddress;
use crate::metrics::Metrics;

pub use turns::serve_in_turns;

/// The name of the section.
const SECTION: &str = "tls";

/// The longest PEM file, in bytes: a bundle of all public authorities has 220 KB.
pub const PEM_BYTES_MAX: usize = 1 << 20;

/// Between two looks at the files. A Secret that Kubernetes renews reaches the pod within a minute or two anyway; three
/// short reads in two seconds cost nothing.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

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

/// Certificates ready for both ends, as the files have them now. Both ends prove who they are: there is no TLS without the
/// other's certificate. Cheap to clone; all clones see a change.
#[derive(Clone, Debug)]
pub struct Tls {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: TlsConfig,
    current: watch::Sender<Arc<Material>>,
}

/// The content of the three files.
#[derive(Clone, PartialEq, Eq)]
struct Material {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Vec<u8>,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material(..)")
    }
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
        let current = watch::Sender::new(Arc::new(self.read()?));
        Ok(Some(Tls { shared: Arc::new(Shared { config: self.clone(), current }) }))
    }

    fn read(&self) -> Result<Material, ConfigError> {
        Ok(Material {
            certificate: read_pem(&self.certificate, "certificate", "CERTIFICATE")?,
            key: read_pem(&self.key, "key", "PRIVATE KEY")?,
            authority: read_pem(&self.authority, "authority", "CERTIFICATE")?,
        })
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
        self.material().server()
    }

    /// The name that all servers' certificates bear, where one is configured.
    pub fn server_name(&self) -> Option<&str> {
        Some(self.shared.config.server_name.as_str()).filter(|name| !name.is_empty())
    }

    /// For a connection (`https://` URLs): our certificate, and our authority alone to trust.
    pub fn client(&self) -> ClientTlsConfig {
        let config = self.material().client();
        match self.server_name() {
            None => config,
            Some(name) => config.domain_name(name),
        }
    }

    /// Reads the files again. What does not fit together changes nothing; whether anything changed is the answer.
    ///
    /// # Errors
    /// A file that cannot be read or holds no PEM of its kind; a key that is not the certificate's. The old ones hold.
    pub fn renew(&self) -> Result<bool, ConfigError> {
        let found = self.shared.config.read()?;
        if found == **self.shared.current.borrow() {
            return Ok(false);
        }
        found.usable()?;
        self.shared.current.send_replace(Arc::new(found));
        Ok(true)
    }

    /// Tells of changes from now on.
    pub fn renewals(&self) -> Renewals {
        Renewals(self.shared.current.subscribe())
    }

    /// Looks at the files every [`LOOK_EVERY`] until the last clone is dropped. Must be called inside a tokio runtime.
    pub fn follow(&self, metrics: RenewalMetrics) {
        metrics.shown(&self.material());
        tokio::spawn(follow(Arc::downgrade(&self.shared), metrics));
    }

    fn material(&self) -> Arc<Material> {
        self.shared.current.borrow().clone()
    }
}

async fn follow(shared: Weak<Shared>, metrics: RenewalMetrics) {
    let mut told = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(shared) = shared.upgrade() else { return };
        let tls = Tls { shared };
        let looked = tokio::task::spawn_blocking(move || (tls.renew(), tls.material())).await;
        // The runtime ends.
        let Ok((renewed, material)) = looked else { return };
        match renewed {
            Ok(false) => told = None,
            Ok(true) => {
                tracing::info!("[tls]: the files have changed; new connections use them");
                metrics.renewed("taken");
                metrics.shown(&material);
                told = None;
            }
            Err(error) => {
                let error = error.to_string();
                // A rotation is seen half written now and then; what stays wrong is said once.
                if told.as_ref() != Some(&error) {
                    tracing::warn!(error, "[tls]: the files cannot be used; the old ones hold");
                    metrics.renewed("refused");
                    told = Some(error);
                }
            }
        }
    }
}

/// See [`Tls::renewals`].
#[derive(Debug)]
pub struct Renewals(watch::Receiver<Arc<Material>>);

impl Renewals {
    /// Returns at the next change; never, once nobody is left to make one. Safe to drop and call again.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What is counted about the files.
#[derive(Clone, Debug, Default)]
pub struct RenewalMetrics {
    renewals: Family<RenewalLabel, Counter>,
    not_after: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RenewalLabel {
    outcome: &'static str,
}

impl RenewalMetrics {
    /// Registers them as `tamis_tls_…`.
    pub fn register(metrics: &Metrics) -> Self {
        let this = Self::default();
        let own = this.clone();
        metrics.register("tls", |registry| {
            let help = "Changes of the certificate files, by whether they were taken";
            registry.register("renewals", help, own.renewals);
            let help = "End of our certificate, in seconds since 1970; 0: it cannot be read";
            registry.register("certificate_not_after_seconds", help, own.not_after);
        });
        this
    }

    fn renewed(&self, outcome: &'static str) {
        self.renewals.get_or_create(&RenewalLabel { outcome }).inc();
    }

    fn shown(&self, material: &Material) {
        self.not_after.set(validity::not_after(&material.certificate).unwrap_or(0));
    }
}

impl Material {
    fn server(&self) -> ServerTlsConfig {
        let authority = Certificate::from_pem(&self.authority);
        ServerTlsConfig::new().identity(self.identity()).client_ca_root(authority)
    }

    fn client(&self) -> ClientTlsConfig {
        let authority = Certificate::from_pem(&self.authority);
        ClientTlsConfig::new().identity(self.identity()).ca_certificate(authority)
    }

    fn identity(&self) -> Identity {
        Identity::from_pem(&self.certificate, &self.key)
    }

    /// Whether both ends can be made of it: that the key is the certificate's, above all.
    fn usable(&self) -> Result<(), ConfigError> {
        let bad = |error: tonic::transport::Error| {
            let source =
                std::error::Error::source(&error).map_or_else(String::new, |it| format!(": {it}"));
            ConfigError::meaning(
                SECTION,
                format!("certificate, key and authority do not fit together{source}"),
            )
        };
        Server::builder().tls_config(self.server()).map_err(bad)?;
        Endpoint::from_static("https://localhost").tls_config(self.client()).map_err(bad)?;
        Ok(())
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
