//! The reputation service beside the bare system and beside rspamd's fuzzy storage.

pub mod asking;
pub mod flood;
pub mod load;
pub mod node;
pub mod pressure;
pub mod probe;
pub mod sealed;
pub mod server;
pub mod speed;
pub mod table;
pub mod visible;
pub mod writing;

use std::path::PathBuf;

/// What all scenarios need.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The release build of `tamis`.
    pub binary: PathBuf,
    /// Folder for configurations and what programs say.
    pub folder: PathBuf,
    /// Seconds of each single measurement.
    pub seconds: u64,
    /// Seconds of the overload.
    pub overload_seconds: u64,
    /// Times that each measurement is made, in turn with those beside it; the median counts.
    pub rounds: usize,
    /// Exact signatures taught to each server.
    pub exact: u64,
    /// Texts taught to each server. rspamd keeps 33 keys for each in its Redis, some 8 KB.
    pub texts: u64,
    /// Texts of the one large node.
    pub node_texts: u64,
    /// Seconds in which it takes writes.
    pub writing_seconds: u64,
    /// Core of the servers, where there are two.
    pub server_core: Option<usize>,
    /// Core of the clients.
    pub client_core: Option<usize>,
}

/// The value in the middle.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
