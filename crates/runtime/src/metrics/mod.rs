//! The metrics of one process, and their text for Prometheus.
//!
//! Names: `tamis_<role>_<what>_<unit>`, counters without `_total` (it is added), base units (seconds, bytes). There are two
//! texts: format 0.0.4, which every scraper and `promtool` read, and OpenMetrics for who asks for it, which alone has room
//! for exemplars.

mod durations;
mod process;
mod text;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub use durations::Durations;
pub use process::descriptors_allowed;

/// What each metric of ours begins with; those of the process itself have their customary names.
pub const PREFIX: &str = "tamis";

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The content type of [`Metrics::open_metrics`].
pub const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends of the buckets for durations, in seconds. Dense around the promises: 1 and 3 ms that an edge may add, 50 ms for
/// an answer of Redis or reputation, 0.5 s for a first verdict, 20 s for the deadline of a mail.
pub const DURATION_SECONDS: [f64; 16] = [
    0.000_25, 0.000_5, 0.001, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    20.0,
];

/// The registry of one process, shared by its roles. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<RwLock<Registry>>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
    rust: &'static str,
}

impl Metrics {
    /// A registry that knows the program's version and the process: memory, descriptors, processor time, start.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process::started_now()));
        let build = Family::<BuildLabels, Gauge>::default();
        let labels = BuildLabels { version: VERSION, rust: env!("TAMIS_RUSTC_VERSION") };
        build.get_or_create(&labels).set(1);
        registry.sub_registry_with_prefix(PREFIX).register(
            "build_info",
            "Always 1; the labels say version and compiler",
            build,
        );
        Self { registry: Arc::new(RwLock::new(registry)) }
    }

    /// Lets one role register its metrics; each name is prefixed with `tamis_<role>_` (`tamis_` if `role` is empty).
    /// A role does this once.
    pub fn register(&self, role: &str, register: impl FnOnce(&mut Registry)) {
        let mut registry = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        let ours = registry.sub_registry_with_prefix(PREFIX);
        if role.is_empty() {
            register(ours);
        } else {
            register(ours.sub_registry_with_prefix(role));
        }
    }

    /// All metrics as text, of the type [`CONTENT_TYPE`].
    ///
    /// # Errors
    /// A metric that cannot write itself: a fault of ours.
    pub fn text(&self) -> Result<String, fmt::Error> {
        Ok(text::plain(&self.open_metrics()?))
    }

    /// All metrics with their exemplars, of the type [`OPEN_METRICS_TYPE`].
    ///
    /// # Errors
    /// The same.
    pub fn open_metrics(&self) -> Result<String, fmt::Error> {
        let registry = self.registry.read().unwrap_or_else(PoisonError::into_inner);
        let mut open_metrics = String::new();
        prometheus_client::encoding::text::encode(&mut open_metrics, &registry)?;
        Ok(open_metrics)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The version of the program, one for all crates of the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
