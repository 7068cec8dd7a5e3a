//! Other makers' filters from Debian's packages, as they are meant to be run, offline like ours.

use std::sync::Arc;

use anyhow::{Result, bail};

use super::model::Model;
use super::scenario::Scenario;
use super::{Bench, Measured};

/// A scenario through rspamd.
///
/// # Errors
/// It is not installed, or does not start.
pub fn rspamd(_: &Bench, _: &Scenario, _: &Arc<Model>, _: f64) -> Result<Measured> {
    bail!("not yet")
}

/// A scenario through SpamAssassin.
///
/// # Errors
/// It is not installed, or does not start.
pub fn spamassassin(_: &Bench, _: &Scenario, _: &Arc<Model>, _: f64) -> Result<Measured> {
    bail!("not yet")
}
