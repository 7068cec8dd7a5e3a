//! From a configuration file to checked settings, and the start that all roles share.

use std::path::Path;
use std::time::Duration;

use tamis_domain::policy::{Policy, Typed as TypedPolicy};
use tamis_runtime::admin::{self, Readiness};
use tamis_runtime::config::{ConfigError, Document, environment};
use tamis_runtime::exit::Failure;
use tamis_runtime::listen::{ListenAddress, Listener};
use tamis_runtime::metrics::Metrics;
use tamis_runtime::shutdown::Shutdown;
use tamis_runtime::telemetry::{Guard, Telemetry, TelemetryConfig};
use tamis_runtime::tls::{RenewalMetrics, Tls, TlsConfig};
use tamis_scanner::snapshot::Snapshot;
use tonic::transport::{Channel, Endpoint};

/// Sections that some role knows.
pub const SECTIONS: [&str; 8] =
    ["all", "edge", "scanner", "policy", "reputation", "bases", "telemetry", "tls"];

/// The section `[all]`: what only the single process has.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct All {
    /// Metrics and health of the single process.
    pub admin: ListenAddress,
}

impl Default for All {
    fn default() -> Self {
        Self { admin: ListenAddress::Tcp(([127, 0, 0, 1], 9070).into()) }
    }
}

/// Every section, checked.
pub struct Settings {
    /// `[all]`.
    pub all: All,
    /// `[edge]`.
    pub edge: tamis_edge::config::Config,
    /// `[scanner]`.
    pub scanner: tamis_scanner::config::Config,
    /// `[policy]`.
    pub policy: Policy,
    /// `[reputation]`.
    pub reputation: tamis_reputation::config::Config,
    /// `[reputation] admin`: metrics and health when it runs alone.
    pub reputation_admin: ListenAddress,
    /// `[bases]`; none: this node has no bases.
    pub bases: Option<tamis_reputation::bases::config::Config>,
    /// `[telemetry]`.
    pub telemetry: TelemetryConfig,
    /// `[tls]`.
    pub tls: TlsConfig,
}

/// Reads and checks the whole file, whatever the role: a wrong section is found where it is written, not where it is used.
pub fn settings(path: Option<&Path>) -> Result<Settings, ConfigError> {
    let document = Document::load(path, environment())?;
    document.refuse_unknown_sections(&SECTIONS)?;
    let policy: TypedPolicy = document.section("policy")?;
    let reputation: tamis_reputation::config::Typed =
        document.section(tamis_reputation::config::SECTION)?;
    Ok(Settings {
        all: document.section("all")?,
        edge: document
            .section::<tamis_edge::config::EdgeConfig>(tamis_edge::config::SECTION)?
            .check()?,
        scanner: document
            .section::<tamis_scanner::config::Typed>(tamis_scanner::config::SECTION)?
            .check()?,
        policy: Policy::try_from(policy)
            .map_err(|error| ConfigError::meaning("policy", error.to_string()))?,
        reputation_admin: reputation.admin.clone(),
        reputation: reputation.check()?,
        bases: document
            .section::<tamis_reputation::bases::config::Typed>(
                tamis_reputation::bases::config::SECTION,
            )?
            .check()?,
        telemetry: document.section("telemetry")?,
        tls: document.section("tls")?,
    })
}

impl Settings {
    /// What the reputation service needs for its bases, if it has any.
    pub fn feed(&self) -> Option<tamis_reputation::feed::Settings> {
        let bases = self.bases.clone()?;
        Some(tamis_reputation::feed::Settings { bases, tls: self.tls.clone() })
    }
}

/// Policy and bases in force at the start.
pub fn snapshot(
    policy: Policy,
    config: &tamis_scanner::config::Config,
) -> Result<Snapshot, Failure> {
    let snapshot = Snapshot::load(policy, config.hash_list.as_deref()).map_err(|error| {
        Failure::configuration(format!("[scanner] hash_list: {error:#}"), "Correct the file.")
    })?;
    Ok(if config.content_model { snapshot.with_content_model() } else { snapshot })
}

/// What every long-running role has.
pub struct Process {
    /// The request to end, by signal.
    pub shutdown: Shutdown,
    /// Counters of all roles in the process.
    pub metrics: Metrics,
    /// Conditions that roles declare.
    pub readiness: Readiness,
    /// Keeps telemetry until the end.
    pub telemetry: Guard,
}

impl Process {
    /// Logs, signals, metrics.
    pub fn begin(telemetry: &TelemetryConfig, service_name: &str) -> Result<Self, Failure> {
        let telemetry = Telemetry::start(telemetry, service_name)?;
        let shutdown = Shutdown::new();
        shutdown.on_signals().map_err(|error| Failure::software(format!("signals: {error}")))?;
        let metrics = Metrics::new();
        telemetry.span_counts().register(&metrics);
        Ok(Self { readiness: Readiness::new(shutdown.clone()), shutdown, metrics, telemetry })
    }

    /// The certificates, if there are any, read again as long as the process lives.
    pub fn certificates(&self, config: &TlsConfig) -> Result<Option<Tls>, Failure> {
        let tls = config.load()?;
        if let Some(tls) = &tls {
            tls.follow(RenewalMetrics::register(&self.metrics));
        }
        Ok(tls)
    }

    /// Opens the admin listener, after all conditions are declared.
    pub async fn serve_admin(&self, address: &ListenAddress) -> Result<(), Failure> {
        if address.is_off() {
            return Ok(());
        }
        let listener = Listener::bind(address).await?;
        tamis_runtime::say!("metrics and health    http://{}/metrics", listener.address());
        admin::serve(listener, self.metrics.clone(), self.readiness.clone());
        Ok(())
    }
}

/// A connection of the command line to a service at `server`, with the certificates of the configuration in `config`.
/// Neither connecting nor any call takes longer than `timeout`.
///
/// # Errors
/// An address that is none, certificates that cannot be read, a service that does not answer: then `advice` is given.
pub async fn channel(
    server: &str,
    config: Option<&Path>,
    timeout: Duration,
    advice: &'static str,
) -> Result<Channel, Failure> {
    let usage = |error: tonic::transport::Error| {
        Failure::usage(format!("{server}: {error}"), "Write http://host:port or https://host:port.")
    };
    let mut endpoint = Endpoint::from_shared(server.to_owned())
        .map_err(usage)?
        .connect_timeout(timeout)
        .timeout(timeout);
    if let Some(tls) = settings(config)?.tls.load()? {
        endpoint = endpoint.tls_config(tls.client()).map_err(usage)?;
    }
    let unreachable = |error| Failure::temporary(format!("{server}: {error}"), advice);
    endpoint.connect().await.map_err(unreachable)
}
